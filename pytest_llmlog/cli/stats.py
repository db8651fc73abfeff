"""``llmlog stats``: what calls come to, in groups."""

from __future__ import annotations

import sys
from typing import Any

import click

from pytest_llmlog.cli import reading
from pytest_llmlog.metrics import show
from pytest_llmlog.query import columns
from pytest_llmlog.query.stats import BY, MEASURES, Group

FIGURES = [measure.name for measure in MEASURES]
FOLDED = {
    "latency p50 / p95 / p99": ("p50_latency_seconds", "p95_latency_seconds", "p99_latency_seconds"),
    "first chunk p50 / p95": ("p50_time_to_first_chunk_seconds", "p95_time_to_first_chunk_seconds"),
}
"""Figures that share a column of the table for people."""


def _row(group: Group, by: tuple[str, ...]) -> dict[str, Any]:
    return {**dict(zip(by, group.keys, strict=True)), **group.figures, "errors": group.errors}


def _seconds(value: float | None) -> str:
    return "–" if value is None else show("seconds", value)


def _folded(row: dict[str, Any]) -> dict[str, Any]:
    """The row for a table: quantiles together, failures with their types."""
    quantiles = {title: " / ".join(_seconds(row[name]) for name in names) for title, names in FOLDED.items()}
    kinds = ", ".join(f"{count}× {kind}" for kind, count in sorted(row["errors"].items(), key=lambda each: -each[1]))
    return {**row, **quantiles, "failures": f"{row['failures']} ({kinds})" if kinds else "0"}


def _shown(column: str, value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    return f"{value:.0%}" if column == "cached_share" else show("usd" if column == "cost_usd" else "count", value)


def _by(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name for value in values for name in value.split(",")))
    for name in names:
        if name not in BY:
            raise click.BadParameter(f"{name!r} is none of {', '.join(BY)}")
    return names


@click.command()
@reading.files
@click.option(
    "--by", multiple=True, default=["model"], show_default=True, callback=_by, help=f"Group by {', '.join(BY)}; several count."
)
@reading.conditions
@reading.engine
@reading.output
def stats(
    files: tuple[str, ...], by: tuple[str, ...], where: str | None, since: str | None, engine_name: str, table: str,
    form: reading.Format | None,
) -> None:  # fmt: skip
    """Sum calls up: failures by type, latency, time to first chunk, tokens, cost, cached share.

    FILES are logs: plain, .gz, .zst, Parquet, patterns, - for standard input; by default the log of this directory with what was
    rotated. Exit code 2 when a log cannot be read.

    Example: llmlog stats --by model,day --since 7d --where 'status = failure or latency > 3s'
    """
    held = reading.condition(where, since)
    with reading.reading(files, engine_name, table) as read:
        found = read.engine.stats([column for name in by if (column := columns.find(BY[name]))], held)
    rows = [_row(group, by) for group in found]
    if form is None:
        table_columns = [*by, "calls", "failures", *FOLDED, "tokens", "cost_usd", "cached_share"]
        reading.show(map(_folded, rows), table_columns, form, _shown)
    else:
        reading.show(rows, [*by, *FIGURES, "errors"], form, _shown)
    sys.exit(0)
