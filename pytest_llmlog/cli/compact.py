"""``llmlog compact``: closed logs into Parquet."""

from __future__ import annotations

import os
import sys
from glob import glob

import click

from pytest_llmlog.cli.reading import progress
from pytest_llmlog.errors import ConfigError
from pytest_llmlog.printing import printable
from pytest_llmlog.query import compact as compacting
from pytest_llmlog.query.sources import LIVE, PACKED, expand, matching


def _rotated() -> list[str]:
    return [name for name in sorted(glob(f"{LIVE}.*")) if not name.endswith(PACKED)]


@click.command()
@click.argument("files", nargs=-1, type=click.Path())
@click.option("--keep", is_flag=True, help="Leave the logs where they are.")
def compact(files: tuple[str, ...], keep: bool) -> None:
    """Turn closed logs into Parquet files beside them, which stats, find, show and the others read like logs, and faster.

    FILES are logs: plain, .gz, .zst, patterns; by default what was rotated away from the log of this directory. A log is removed
    when all its records are in the Parquet file, whole, as they were. One that is damaged or being written is left; exit code 1 then.

    Example: llmlog compact '.llmlog/llm_interactions.log.*'
    """
    left = False
    compacting.check()
    for source in (source for name in matching(files or _rotated()) for source in expand([name])):
        if source.is_parquet:
            continue
        path = compacting.target(source.name)
        before = source.size
        try:
            with progress([]):
                count = compacting.compact(source, path)
        except ConfigError as exc:
            left = True
            click.echo(printable(f"{source.name}: left: {exc}"), err=True)
            continue
        if not keep:
            os.unlink(source.name)
        click.echo(printable(f"{path}: {count:,} records, {path.stat().st_size / max(before, 1):.0%} of the log's size"))
    sys.exit(1 if left else 0)
