"""``llmlog show`` and ``llmlog tail``: interactions to read, and the newest ones as they come."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Iterator
from operator import itemgetter
from pathlib import Path
from typing import NoReturn

import click
import msgspec
from msgspec import Struct

from pytest_llmlog.cli import reading, record
from pytest_llmlog.cli.stopping import INTERRUPTED, stopping
from pytest_llmlog.printing import json_line, printable
from pytest_llmlog.query import engines, rows
from pytest_llmlog.query.columns import COLUMNS
from pytest_llmlog.query.follow import Follower, beginning
from pytest_llmlog.query.sources import LIVE, Damage
from pytest_llmlog.query.where import Compare, Condition, Match, Or, both, columns_of, predicate


class _Head(Struct, gc=False):
    """What of a record tells which calls belong together, and in which order."""

    timestamp: str
    request_id: str = ""
    run_id: str = ""
    test_id: str | None = None


_head = msgspec.json.Decoder(_Head).decode


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
    """Show interactions as a person reads them.

    WHAT is last, or the beginning of a request's id: that call; or a test as pytest prints it or an end of it: all calls of its last
    run, in order. FILES are as for stats. Exit code 1 when there is none.

    Example: llmlog show test_triage.py::test_answer
    """
    held, damage = both([_named(what), reading.condition(where, since)]), Damage()
    read = reading.expanded(files)
    with reading.progress(read) as advance:
        found = _latest(what, engines.records(read, held, damage, advance))
    reading.tell(damage)
    if not found:
        click.echo(printable(f"{what}: no such interaction"), err=True)
        sys.exit(1)
    for number, line in enumerate(found, 1):
        if as_json:
            click.echo(json_line(line))
            continue
        if len(found) > 1:
            click.secho(f"{'' if number == 1 else chr(10)}call {number} of {len(found)}", bold=True)
        record.page(msgspec.json.decode(line))


def _latest(what: str, lines: Iterable[bytes]) -> list[bytes]:
    """The newest call, or where that was found by its test, all calls of the test in the same run, by the times they began."""
    one: tuple[str, bytes] | None = None
    runs: dict[tuple[str | None, str], list[tuple[str, bytes]]] = {}
    for line in lines:
        head = _head(line)
        if what != "last" and not head.request_id.startswith(what):
            runs.setdefault((head.test_id, head.run_id), []).append((head.timestamp, line))
        elif one is None or head.timestamp >= one[0]:
            one = (head.timestamp, line)
    begun = itemgetter(0)
    calls = [one] if one else max(runs.values(), key=lambda calls: max(map(begun, calls)), default=[])
    return [line for _, line in sorted(calls, key=begun)]


def _print(line: bytes, as_json: bool) -> None:
    if as_json:
        click.echo(json_line(line))
    else:
        value = msgspec.json.decode(line)
        click.secho(record.row(value), fg="red" if value.get("status") == "failure" else None)


def _followed(path: Path, count: int, held: Condition | None, damage: Damage) -> Iterator[bytes | None]:
    """The last records of a log and those that are appended from then on, None when there is none for now.

    It is one reading, so that none slips through in between.
    """
    plan, holds = rows.Plan(columns_of(held)), predicate(held, rows.getter) if held else None
    last: deque[bytes] | None = deque(maxlen=count)
    for written in Follower(path, beginning(path)).lines(follow=True):
        found = [line for row, line in plan.of_line(written.line, str(path), damage) if not holds or holds(row)] if written else []
        if last is None:
            yield from found
        elif written is not None:
            last.extend(found)
        else:  # the end of what is there
            yield from last
            last = None
        if written is None:
            sys.stdout.flush()
            yield None


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
    held = reading.condition(where, since)
    if follow:
        _follow(Path(reading.one_log("tail -f", files)), count, held, as_json=as_json)
    damage, read = Damage(), reading.oldest_first(reading.expanded(files or [str(LIVE)]))
    with reading.progress(read) as advance:
        last = deque(engines.records(read, held, damage, advance), maxlen=count)
    for line in last:
        _print(line, as_json)
    reading.tell(damage)


def _follow(path: Path, count: int, held: Condition | None, *, as_json: bool) -> NoReturn:
    damage = Damage()
    with stopping() as stopped:
        for line in _followed(path, count, held, damage):
            if stopped.is_set():
                break
            if line is not None:
                _print(line, as_json)
    reading.tell(damage)
    sys.exit(INTERRUPTED)
