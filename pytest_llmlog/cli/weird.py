"""``llmlog weird``: what stands out, and why."""

from __future__ import annotations

import sys

import click

from pytest_llmlog.cli import reading
from pytest_llmlog.query import weird as weirdness

COLUMNS = ("timestamp", "request_id", "template", "model", "test", "rule", "figure")


@click.command()
@reading.files
@reading.conditions
@reading.engine
@reading.output
def weird(
    files: tuple[str, ...], where: str | None, since: str | None, engine_name: str, table: str, form: reading.Format | None
) -> None:  # fmt: skip
    """Show what stands out, with the rule and the figure: slow calls and unusually long or short answers among those of their template
    and model, new types of error, refusals, empty and truncated answers, a switch of language, loops.

    FILES are as for stats. Exit code 1 when something stands out, 2 when a log cannot be read.

    Example: llmlog weird --since 1d
    """
    with reading.reading(files, engine_name, table) as read:
        found = weirdness.find(read.engine, reading.condition(where, since))
    rows = [
        {"timestamp": each.call.timestamp, "request_id": each.call.request_id, "template": each.call.template, "model": each.call.model,
         "test": each.call.test, "rule": each.rule, "figure": each.figure}
        for each in found
    ]  # fmt: skip
    if rows or form:
        reading.show(rows, COLUMNS, form, lambda _, value: value or "–")
    if form is None:
        click.echo(f"{len(found)} stand out")
    sys.exit(1 if found else 0)
