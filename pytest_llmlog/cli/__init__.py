"""The ``llmlog`` command; one module a command: parse, call, print, exit code (0 fine, 1 a finding, 2 could not run)."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from pytest_llmlog import __version__
from pytest_llmlog.cli.compact import compact
from pytest_llmlog.cli.export import export
from pytest_llmlog.cli.find import find
from pytest_llmlog.cli.gate import diff, gate
from pytest_llmlog.cli.import_ import import_
from pytest_llmlog.cli.prune import prune
from pytest_llmlog.cli.recover import recover
from pytest_llmlog.cli.report import report
from pytest_llmlog.cli.review import accept, reject, review
from pytest_llmlog.cli.schema import schema
from pytest_llmlog.cli.secrets import redact, scan
from pytest_llmlog.cli.show import show, tail
from pytest_llmlog.cli.stats import stats
from pytest_llmlog.cli.validate import validate
from pytest_llmlog.cli.watch import watch
from pytest_llmlog.cli.weird import weird
from pytest_llmlog.errors import LlmlogError
from pytest_llmlog.printing import printable

BROKEN_PIPE = 128 + 13
"""What a shell reports of a tool that SIGPIPE ended."""


class Commands(click.Group):
    """Errors of ours end with exit code 2, and a reader that has seen enough ends the program silently."""

    def invoke(self, context: click.Context) -> Any:
        try:
            try:
                return super().invoke(context)
            finally:
                sys.stdout.flush()
        except LlmlogError as exc:
            click.echo(printable(str(exc)), err=True)
            sys.exit(2)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to flush at the end
            sys.exit(BROKEN_PIPE)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="llmlog")
@click.pass_context
def main(context: click.Context) -> None:
    """Read and check logs of language model calls."""
    if os.environ.get("NO_COLOR"):  # https://no-color.org
        context.color = False


COMMANDS = (
    accept, compact, diff, export, find, gate, import_, prune, recover, redact, reject, report, review, scan, schema, show, stats, tail, validate, watch, weird,
)  # fmt: skip

for command in COMMANDS:
    main.add_command(command)
