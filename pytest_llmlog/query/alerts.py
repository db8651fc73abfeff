"""Alerts: a figure of the calls of a window against a limit, that fires once per episode and clears when it is over.

``p95(latency_seconds) > 5 over 5m``, ``rate(status=failure) > 0.05 over 5m``, ``error_type=RateLimitError count >= 3 over 1m``
"""

from __future__ import annotations

import re
from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from statistics import fmean
from typing import Any, Literal

from msgspec import Struct

from pytest_llmlog import clock
from pytest_llmlog.metrics import SUFFIXES, parse_amount
from pytest_llmlog.query import rows
from pytest_llmlog.query.columns import COLUMNS, Column
from pytest_llmlog.query.stats import quantile
from pytest_llmlog.query.where import ORDER, Condition, Parser, Token, columns_of, predicate, unit_of

FIGURES: dict[str, Callable[[Sequence[float]], float]] = {"avg": fmean, "min": min, "max": max, "sum": sum}
PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?)")
CAUSES = 10
"""So many of the calls that cause an alert are named."""

LONGER: dict[str, float] = {"d": 86_400, "w": 604_800}


class Alert(Struct, frozen=True):
    """What is watched for.

    Attributes:
        text: as it was written.
        figure: ``p95``, ``avg``, …, of a column; ``rate`` or ``count`` of the calls for which a condition holds.
        column: whose values the figure is of.
        condition: which calls count, None for all.
        op, limit: when it fires, the limit in the column's unit.
        over: the window's length in seconds.
    """

    text: str
    figure: str
    column: Column | None
    condition: Condition | None
    op: str
    limit: float
    over: float


def parse(text: str) -> Alert:
    """Read an alert.

    Raises:
        WhereError: it is none; the text shows the place.
    """
    parser = Parser(text)
    figure, column, condition = _subject(parser)
    op = parser.take(*ORDER) or parser.fail("expected >, >=, < or <=")
    limit = _limit(parser, parser.any(), column)
    parser.expect("over")
    over = _length(parser, parser.any())
    if parser.next.kind != "end":
        parser.fail("expected the end")
    return Alert(" ".join(text.split()), figure, column, condition, op.text, limit, over)


def _subject(parser: Parser) -> tuple[str, Column | None, Condition | None]:
    name = parser.next
    word = name.text.lower()
    if name.kind != "word" or not (word in ("rate", "count", *FIGURES) or PERCENTILE.fullmatch(word)):
        condition = parser.condition()
        parser.expect("count")
        return "count", None, condition
    parser.any()
    parser.expect("(")
    if word in ("rate", "count"):
        held = None if word == "count" and parser.take(")") else parser.condition()
        if held is not None:
            parser.expect(")")
        return word, None, held
    place = parser.next
    column = parser.column()
    if not column.is_figure:
        parser.fail(f"{column.name} is no number", place)
    parser.expect(")")
    return word, column, None


def _limit(parser: Parser, token: Token, column: Column | None) -> float:
    try:
        if token.text.endswith("%") and column is None:
            return float(token.text[:-1]) / 100
        return parse_amount(unit_of(column) if column else "count", token.text)
    except ValueError:
        parser.fail(f"expected a number, not {token.text!r}", token)


def _length(parser: Parser, token: Token) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([a-z]+)", token.text)
    units = {**SUFFIXES["seconds"], **LONGER}
    if found is None or found[2] not in units or not float(found[1]):
        parser.fail(f"expected a length of time like 30s, 5m or 1h, not {token.text!r}", token)
    return float(found[1]) * units[found[2]]


class Cause(Struct, frozen=True):
    """A call that has a part in an alert."""

    request_id: str | None
    timestamp: str
    test_id: str | None
    prompt_template: str | None
    model: str | None
    status: str | None
    error_type: str | None
    latency_seconds: float | None


class Event(Struct, frozen=True):
    """An alert that begins or ends.

    Attributes:
        state: ``firing`` or ``cleared``.
        alert: as it was written.
        at: when, by the calls or by the clock.
        value: the figure; None when no call is left in the window.
        calls: how many calls the window holds.
        causes: the calls that caused it, the newest first, a few of them.
    """

    state: Literal["firing", "cleared"]
    alert: str
    at: str
    value: float | None
    calls: int
    causes: tuple[Cause, ...] = ()


class _Seen(Struct, frozen=True, order=True):
    """A call in a window: when it ended, in which order it came, its value, and what it is."""

    at: float
    number: int
    value: float | None
    cause: Cause


def columns(alerts: Iterable[Alert]) -> list[Column]:
    """The columns that alerts look at."""
    named = [COLUMNS[name] for name in Cause.__struct_fields__]
    return [*named, *(column for each in alerts for column in (each.column, *columns_of(each.condition)) if column is not None)]


class Watch:
    """Watches for one alert."""

    def __init__(self, alert: Alert) -> None:
        self.alert = alert
        self._holds = predicate(alert.condition, rows.getter) if alert.condition else lambda _: True
        self._value = rows.getter(alert.column) if alert.column else None
        self._window: list[_Seen] = []
        self._now, self._number, self.fires = 0.0, 0, False

    def see(self, row: Any) -> Event | None:
        """Take a call that ended: time goes on to then, if it was not past it."""
        begin = datetime.fromisoformat(row.timestamp.replace("Z", "+00:00")).timestamp()
        at = begin + (row.latency_seconds or 0)
        counts = self._holds(row)
        value = float(counts) if self._value is None else self._value(row)
        if value is not None:
            self._number += 1
            cause = Cause(**{name: getattr(row, name) for name in Cause.__struct_fields__})
            insort(self._window, _Seen(at, self._number, value, cause), key=lambda seen: (seen.at, seen.number))
        return self.tick(at)

    def tick(self, now: float) -> Event | None:
        """Let time go on; say whether the alert begins or ends."""
        self._now = max(self._now, now)
        begin = bisect_right(self._window, self._now - self.alert.over, key=lambda seen: seen.at)
        del self._window[:begin]
        value = self._figure()
        fires = value is not None and ORDER[self.alert.op](value, self.alert.limit)
        if fires == self.fires:
            return None
        self.fires = fires
        at = clock.timestamp_of(self._now)
        return Event(
            "firing" if fires else "cleared", self.alert.text, at, value, len(self._window), self._causes() if fires else ()
        )

    def _figure(self) -> float | None:
        values = [seen.value for seen in self._window if seen.value is not None]
        figure = self.alert.figure
        if figure == "count":
            return sum(values)
        if not values:
            return None
        if figure == "rate":
            return fmean(values)
        percentile = PERCENTILE.fullmatch(figure)
        return quantile(sorted(values), float(percentile[1]) / 100) if percentile else FIGURES[figure](values)

    def _causes(self) -> tuple[Cause, ...]:
        """The calls that count; of a figure those beyond the limit, else the ones farthest to its side."""
        newest = self._window[::-1]
        if self._value is None:
            chosen = [seen for seen in newest if seen.value]
        else:
            beyond = [seen for seen in newest if ORDER[self.alert.op](seen.value, self.alert.limit)]
            up = self.alert.op.startswith(">")
            chosen = beyond or sorted(newest, key=lambda seen: seen.value or 0, reverse=up)
        return tuple(seen.cause for seen in chosen[:CAUSES])


def replay(alerts: Sequence[Alert], records: Iterable[Any]) -> Iterator[Event]:
    """What would have happened, by the calls' own time."""
    watches = list(map(Watch, alerts))
    for row in records:
        yield from (event for watch in watches if (event := watch.see(row)) is not None)
