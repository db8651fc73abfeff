"""The ``llmlog`` command; one module a command: parse, call, print, exit code (0 fine, 1 a finding, 2 could not run)."""

from __future__ import annotations

import click

from pytest_llmlog import __version__
from pytest_llmlog.cli.import_ import import_
from pytest_llmlog.cli.schema import schema
from pytest_llmlog.cli.validate import validate


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="llmlog")
def main() -> None:
    """Read and check logs of language model calls."""


main.add_command(import_)
main.add_command(schema)
main.add_command(validate)
