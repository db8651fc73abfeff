"""``llmlog recover``: what a killed run had paid for and not yet saved."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pytest_llmlog import journal, recovery
from pytest_llmlog.cli import reading
from pytest_llmlog.cli.gate import LOG
from pytest_llmlog.errors import GoldenError, LogError
from pytest_llmlog.printing import printable


@click.command()
@click.option("--log", "log_path", default=LOG, show_default=True, type=click.Path(path_type=Path), help="The log of the run.")
def recover(log_path: Path) -> None:
    """Bring back the live calls of runs that were killed: into the log, and beside their goldens, where they wait for review.

    Runs that are still going on are left alone, and nothing is overwritten. Exit code 1 when something could not be brought back,
    which then stays where it is.

    Example: llmlog recover && llmlog review
    """
    reading.in_place("recover", [str(log_path)])
    found = journal.left(journal.folder_of(log_path))
    failed = False
    for path in found:
        try:
            done = recovery.recover(path, log_path, Path.cwd())
        except (GoldenError, LogError) as exc:
            failed = True
            click.echo(printable(f"{path}: not recovered: {exc}"), err=True)
        except (ValueError, OSError) as exc:
            failed = True
            click.echo(printable(f"{path}: not recovered: {getattr(exc, 'strerror', None) or exc}"), err=True)
        else:
            click.echo(printable(_told(done)))
            for line in done.damaged:
                failed = True
                click.echo(printable(f"{path}:{line.number}: not recovered: {line.reason}; it stays in {done.left}"), err=True)
    if not found:
        click.echo("nothing to recover")
    sys.exit(1 if failed else 0)


def _told(done: recovery.Recovered) -> str:
    place = f"waits for review as {done.waiting}" if done.waiting is not None else "the golden has them"
    return f"{done.test_id}: {done.calls} calls, {done.logged} added to the log, {place}"
