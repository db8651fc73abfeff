"""``llmlog prune``: goldens that no test uses."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pytest_llmlog import pruning
from pytest_llmlog.cli.gate import LOG
from pytest_llmlog.printing import printable


def _shown(path: Path) -> str:
    return printable(str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path))


@click.command()
@click.option("--log", default=LOG, show_default=True, type=click.Path(), help="The log beside which runs are recorded.")
@click.option(
    "--root", default=".", type=click.Path(exists=True, file_okay=False), help="pytest's root directory.  [default: this one]"
)
@click.option(
    "--run", "run_id", default="", metavar="ID", help="Go by this run, by the beginning of its id; by default the newest full one."
)
@click.option("--dry-run", is_flag=True, help="List them only; so it is without --yes.")
@click.option("--yes", is_flag=True, help="Delete them.")
def prune(log: str, root: str, run_id: str, dry_run: bool, yes: bool) -> None:
    """List the goldens that no test uses, by the record of a full run, and with --yes delete them.

    A run is full when nothing was left out: no -k, -x, --lf, single files, shard, test that could not be collected. Goldens written after it are left, and nothing outside
    of the goldens folders is touched. Exit code 1 when some are unused and still there, 2 without the record of a full run.

    Example: llmlog prune --yes
    """
    run = pruning.last_full_run(Path(log), run_id)
    found = pruning.unused(run, Path(root).resolve())
    old, newer = [each for each in found if not each.newer], [each for each in found if each.newer]
    for each in newer:
        click.echo(f"left, newer than the run: {_shown(each.path)}")
    if yes and not dry_run:
        for path in pruning.delete(old):
            click.echo(f"deleted: {_shown(path)}")
        click.echo(f"{len(old)} deleted")
        return
    for each in old:
        click.echo(f"unused: {_shown(each.path)} ({printable(each.test_id)})")
    click.echo(f"{len(old)} unused in run {run.run_id[:8]}{'; --yes deletes them' if old else ''}")
    sys.exit(1 if old else 0)
