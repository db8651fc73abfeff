"""The ``llmlog`` command; one module a command: parse, call, print, exit code (0 fine, 1 a finding, 2 could not run)."""

from __future__ import annotations

import os

import click

from pytest_llmlog import __version__
from pytest_llmlog.cli.gate import diff, gate
from pytest_llmlog.cli.import_ import import_
from pytest_llmlog.cli.recover import recover
from pytest_llmlog.cli.report import report
from pytest_llmlog.cli.review import accept, reject, review
from pytest_llmlog.cli.schema import schema
from pytest_llmlog.cli.secrets import redact, scan
from pytest_llmlog.cli.validate import validate


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="llmlog")
@click.pass_context
def main(context: click.Context) -> None:
    """Read and check logs of language model calls."""
    if os.environ.get("NO_COLOR"):  # https://no-color.org
        context.color = False


for command in (accept, diff, gate, import_, recover, redact, reject, report, review, scan, schema, validate):
    main.add_command(command)
