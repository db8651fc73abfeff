"""What calls come to in groups: the figures as data, and the streaming engine's way to them."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

from msgspec import Struct

from pytest_llmlog.query import rows
from pytest_llmlog.query.columns import COLUMNS, Column
from pytest_llmlog.query.sources import Advance, Damage, Source
from pytest_llmlog.query.where import Condition, columns_of, predicate


class Measure(Struct, frozen=True):
    """One figure of a group.

    ``count`` of calls; ``failures`` among them; ``sum`` of a column; ``quantile`` of a column (``q`` from 0 to 1, linear between
    the two nearest values: type 7 of Hyndman and Fan, 1996); ``share`` of a column's sum in that of ``of``, over calls that tell both.
    What no call tells is None.
    """

    name: str
    kind: Literal["count", "failures", "sum", "quantile", "share"]
    column: str = ""
    q: float = 0.0
    of: str = ""

    @property
    def is_scaled(self) -> bool:
        """Whether it sums numbers that are not whole."""
        return self.kind == "sum" and COLUMNS[self.column].kind == "number"


MEASURES = (
    Measure("calls", "count"),
    Measure("failures", "failures"),
    Measure("p50_latency_seconds", "quantile", "latency_seconds", q=0.5),
    Measure("p95_latency_seconds", "quantile", "latency_seconds", q=0.95),
    Measure("p99_latency_seconds", "quantile", "latency_seconds", q=0.99),
    Measure("p50_time_to_first_chunk_seconds", "quantile", "time_to_first_chunk_seconds", q=0.5),
    Measure("p95_time_to_first_chunk_seconds", "quantile", "time_to_first_chunk_seconds", q=0.95),
    Measure("tokens", "sum", "tokens"),
    Measure("input_tokens", "sum", "input_tokens"),
    Measure("output_tokens", "sum", "output_tokens"),
    Measure("cost_usd", "sum", "cost_usd"),
    Measure("cached_share", "share", "cached_tokens", of="input_tokens"),
)

BY = {
    "template": "prompt_template",
    "model": "model",
    "provider": "provider",
    "test": "test_id",
    "session": "session_id",
    "day": "day",
}
"""What calls can be grouped by, and the column that it is."""

UNKNOWN = "unknown"
"""The type of an error that has none."""


class Group(Struct, frozen=True):
    """The calls that are alike in what they are grouped by: their figures by name, and how many failed with which type of error."""

    keys: tuple[str | None, ...]
    figures: dict[str, float | None]
    errors: dict[str, int]


def columns() -> list[Column]:
    """The columns that the figures are made of."""
    names = [name for measure in MEASURES for name in (measure.column, measure.of) if name]
    return [COLUMNS[name] for name in dict.fromkeys(["status", "error_type", *names])]


def ordered(groups: Iterable[Group]) -> list[Group]:
    """Most calls first, alike ones by name; within a group, most failures first."""
    named = (Group(group.keys, group.figures, _most_first(group.errors)) for group in groups)
    return sorted(named, key=lambda group: (-(group.figures["calls"] or 0), [key or "" for key in group.keys]))


def _most_first(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))


SCALE = 1e12
"""Parts of one in which numbers are summed: whole, so that no order of summing shows."""

LARGEST = 9e6
"""No sum takes a number as large, whose parts 64 bits do not hold: no call costs that."""


def scaled(value: float) -> int | None:
    """A number in whole parts; None of one that is too large."""
    return math.floor(value * SCALE + 0.5) if abs(value) < LARGEST else None


def rounded(value: float | None) -> float | None:
    """A sum or quantile without the last digits, in which the order of summing shows."""
    return value if value is None or isinstance(value, int) else round(value, 9)


def quantile(ordered_values: Sequence[float], q: float) -> float | None:
    """A quantile of ascending values, linear between the two nearest; None of none."""
    if not ordered_values:
        return None
    place = q * (len(ordered_values) - 1)
    low, high = ordered_values[math.floor(place)], ordered_values[math.ceil(place)]
    return low + (high - low) * (place - math.floor(place))


class _Sums:
    """What a group comes to, as calls are added."""

    def __init__(self) -> None:
        self.calls = 0
        self.errors: Counter[str] = Counter()
        self.lists = {each.column: array("d") for each in MEASURES if each.kind == "quantile"}
        self.sums: dict[str, Any] = {each.name: None for each in MEASURES if each.kind == "sum"}
        self.shares = {each.name: [0, 0, 0] for each in MEASURES if each.kind == "share"}

    def figures(self) -> dict[str, float | None]:
        for values in self.lists.values():
            values[:] = array("d", sorted(values))
        return {each.name: rounded(self._figure(each)) for each in MEASURES}

    def _figure(self, measure: Measure) -> float | None:
        if measure.kind == "quantile":
            return quantile(self.lists[measure.column], measure.q)
        if measure.kind == "share":
            part, whole, _ = self.shares[measure.name]
            return part / whole if whole else None
        if measure.kind == "sum":
            total = self.sums[measure.name]
            return float(total) / SCALE if total is not None and measure.is_scaled else total
        return self.calls if measure.kind == "count" else self.errors.total()


def _summand(measure: Measure) -> Callable[[Any], int | None]:
    get = rows.getter(COLUMNS[measure.column])
    if not measure.is_scaled:
        return get
    return lambda row: None if (value := get(row)) is None else scaled(value)


def _adder() -> Callable[[_Sums, Any], None]:
    """Adds a row to the sums: the inner loop, its getters looked up once."""
    status, error = rows.getter(COLUMNS["status"]), rows.getter(COLUMNS["error_type"])
    quantiles = {each.column: rows.getter(COLUMNS[each.column]) for each in MEASURES if each.kind == "quantile"}.items()
    sums = [(each.name, _summand(each)) for each in MEASURES if each.kind == "sum"]
    shares = [
        (each.name, rows.getter(COLUMNS[each.column]), rows.getter(COLUMNS[each.of])) for each in MEASURES if each.kind == "share"
    ]

    def add(group: _Sums, row: Any) -> None:
        group.calls += 1
        if status(row) == "failure":
            group.errors[error(row) or UNKNOWN] += 1
        for name, get in quantiles:
            if (value := get(row)) is not None:
                group.lists[name].append(value)
        for name, get in sums:
            if (value := get(row)) is not None:
                group.sums[name] = value + (group.sums[name] or 0)
        for name, get, get_whole in shares:
            part, whole = get(row), get_whole(row)
            if part is not None and whole is not None:
                group.shares[name][0] += part
                group.shares[name][1] += whole

    return add


def stream(
    sources: Sequence[Source], by: Sequence[Column], where: Condition | None, damage: Damage, advance: Advance = lambda _: None
) -> list[Group]:
    """Sum sources up in one pass; memory grows with the figures whose quantiles are wanted, 16 bytes a call."""
    plan = rows.Plan([*columns(), *by, *columns_of(where)])
    holds = predicate(where, rows.getter) if where else None
    keys, add = [rows.getter(column) for column in by], _adder()
    found: dict[tuple[str | None, ...], _Sums] = {}
    for row in plan.rows(sources, damage, advance):
        if holds is None or holds(row):
            key = tuple(get(row) for get in keys)
            group = found.get(key)
            if group is None:
                group = found[key] = _Sums()
            add(group, row)
    return ordered(Group(key, group.figures(), dict(group.errors)) for key, group in found.items())
