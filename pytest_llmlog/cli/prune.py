"""``llmlog prune``: goldens that no test uses."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from pytest_llmlog import pruning
from pytest_llmlog.cli import reading
from pytest_llmlog.cli.gate import LOG
from pytest_llmlog.printing import printable
from pytest_llmlog.pruning import Unused


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
@reading.output
def prune(log: str, root: str, run_id: str, dry_run: bool, yes: bool, form: reading.Format | None) -> None:
    """List the goldens that no test uses, by the record of a full run, and with --yes delete them.

    A run is full when nothing was left out: no -k, -x, --lf, single files, shard, test that could not be collected. Goldens written after it are left, and nothing outside
    of the goldens folders is touched. Exit code 1 when some are unused and still there, 2 without the record of a full run.

    Example: llmlog prune --yes
    """
    reading.in_place("prune", [log])
    run = pruning.last_full_run(Path(log), run_id)
    found = pruning.unused(run, Path(root).resolve())
    old = [each for each in found if not each.newer]
    deletes = yes and not dry_run
    rows = _rows(found, deletes=deletes)
    if form:
        reading.show(rows, ("path", "test_id", "state"), form, lambda _, value: value)
    else:
        for row in rows:
            test = f" ({printable(row['test_id'])})" if row["state"] == "unused" else ""
            click.echo(f"{row['state']}: {_shown(Path(row['path']))}{test}")
        click.echo(
            f"{len(old)} deleted"
            if deletes
            else f"{len(old)} unused in run {run.run_id[:8]}{'; --yes deletes them' if old else ''}"
        )
    sys.exit(1 if old and not deletes else 0)


def _rows(found: Sequence[Unused], *, deletes: bool) -> Iterator[dict[str, str]]:
    """What becomes of each golden, told when it is done."""
    for each in sorted(found, key=lambda each: not each.newer):
        if deletes and not each.newer:
            list(pruning.delete([each]))
        state = "left, newer than the run" if each.newer else "deleted" if deletes else "unused"
        yield {"path": str(each.path), "test_id": each.test_id, "state": state}
