"""``llmlog show`` and ``llmlog tail``: one interaction to read, and the newest ones as they come."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
from msgspec import Struct

from pytest_llmlog.cli import reading, record
from pytest_llmlog.cli.stopping import INTERRUPTED
from pytest_llmlog.errors import ConfigError
from pytest_llmlog.printing import json_line
from pytest_llmlog.query import engines, rows
from pytest_llmlog.query.columns import COLUMNS
from pytest_llmlog.query.follow import Follower
from pytest_llmlog.query.sources import LIVE, STDIN, Damage
from pytest_llmlog.query.where import Compare, Condition, Match, Or, both, columns_of, predicate


class _Begin(Struct):
    timestamp: str


def _named(what: str) -> Condition | None:
    """The calls that an id, a test or ``last`` means."""
    if what == "last":
        return None
    id, test = COLUMNS["request_id"], COLUMNS["test_id"]
    ends = (Match(test, "like", f"%{mark}{_literal(what)}") for mark in ("::", "/"))
    return Or((Match(id, "like", f"{_literal(what)}%"), Compare(test, "=", what), *ends))


def _literal(text: str) -> str:
    """A text in which no sign of a pattern is left; where one was, any character fits."""
    return text.replace("%", "_")


@click.command()
@click.argument("what")
@reading.files
@reading.conditions
@click.option("--json", "as_json", is_flag=True, help="The record as it is in the log.")
def show(what: str, files: tuple[str, ...], where: str | None, since: str | None, as_json: bool) -> None:
    """Show one interaction as a person reads it.

    WHAT is last, the beginning of a request's id, or a test as pytest prints it or an end of it: its last call. FILES are as for
    stats. Exit code 1 when there is none.

    Example: llmlog show test_triage.py::test_answer
    """
    held = both([_named(what), reading.condition(where, since)])
    damage, latest, found = Damage(), "", None
    read = reading.expanded(files)
    with reading.progress(read) as advance:
        for line in engines.records(read, held, damage, advance):
            if (moment := msgspec.json.decode(line, type=_Begin).timestamp) >= latest:
                latest, found = moment, line
    reading.tell(damage)
    if found is None:
        click.echo(f"{what}: no such interaction", err=True)
        sys.exit(1)
    if as_json:
        click.echo(json_line(found))
    else:
        record.page(msgspec.json.decode(found))


def _print(line: bytes, as_json: bool) -> None:
    if as_json:
        click.echo(json_line(line))
    else:
        value = msgspec.json.decode(line)
        click.secho(record.row(value), fg="red" if value.get("status") == "failure" else None)


def _written(path: str, held: Condition | None, damage: Damage) -> Iterator[bytes]:
    """The records that are appended to a log from now on."""
    plan, holds = rows.Plan(columns_of(held)), predicate(held, rows.getter) if held else None
    for written in Follower(Path(path), start=None).lines(follow=True):
        if written is None:
            sys.stdout.flush()
            continue
        for row, line in plan.of_line(written.line, path, damage):
            if holds is None or holds(row):
                yield line


@click.command()
@reading.files
@click.option("-n", "--lines", "count", default=10, show_default=True, type=click.IntRange(min=0), help="So many of the last ones.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written, through rotations, until Ctrl-C.")
@reading.conditions
@click.option("--json", "as_json", is_flag=True, help="The records as they are in the log.")
def tail(files: tuple[str, ...], count: int, follow: bool, where: str | None, since: str | None, as_json: bool) -> None:
    """Show the newest interactions, one a line, and with -f those that are written from now on.

    FILES are as for stats; -f takes one plain log, which need not be there yet.

    Example: llmlog tail -f --where 'status = failure'
    """
    held, damage = reading.condition(where, since), Damage()
    names = list(files) or [str(LIVE)]
    if follow and (len(names) != 1 or names[0] == STDIN):
        raise ConfigError("tail -f: name one log")
    last: deque[bytes] = deque(maxlen=count)
    if not follow or Path(names[0]).exists():
        last.extend(engines.records(reading.expanded(names), held, damage))
    for line in last:
        _print(line, as_json)
    try:
        for line in _written(names[0], held, damage) if follow else ():
            _print(line, as_json)
    except KeyboardInterrupt:
        reading.tell(damage)
        sys.exit(INTERRUPTED)
    reading.tell(damage)
