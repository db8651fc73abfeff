"""The figures that limits and checks are about: what each one is, its unit, and what interactions come to together."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from msgspec import Struct

from pytest_llmlog.record import Interaction

Unit = Literal["tokens", "usd", "seconds", "count"]


class Metric(Struct, frozen=True):
    """One figure of a call; of several calls their sum, or the greatest. ``of`` gives None where a call does not tell it."""

    name: str
    unit: Unit
    of: Callable[[Interaction], float | None]
    greatest: bool = False


def _usage(field: str) -> Callable[[Interaction], float | None]:
    return lambda call: getattr(call.usage, field) if call.usage is not None else None


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("tokens", "tokens", lambda call: call.tokens),
        Metric("input_tokens", "tokens", _usage("input")),
        Metric("output_tokens", "tokens", _usage("output")),
        Metric("cached_tokens", "tokens", _usage("cached_input")),
        Metric("reasoning_tokens", "tokens", _usage("reasoning_output")),
        Metric("cost_usd", "usd", lambda call: call.cost_usd),
        Metric("latency", "seconds", lambda call: call.latency_seconds, greatest=True),
        Metric("total_latency", "seconds", lambda call: call.latency_seconds),
        Metric("time_to_first_chunk", "seconds", lambda call: call.time_to_first_chunk_seconds, greatest=True),
        Metric("calls", "count", lambda _: 1),
        Metric("failures", "count", lambda call: int(call.status == "failure")),
    )
}
"""The vocabulary, the same in markers, ``check``, expressions and reports; ``response`` beside it is no figure."""


_FIGURES = tuple((metric.name, metric.of, metric.greatest) for metric in METRICS.values())


class Totals:
    """What calls come to, by metric.

    Attributes:
        values: the sum, or the greatest, of what is known; a metric that no call told is missing.
        unknown: how many successful calls did not tell it.
    """

    def __init__(self, calls: Iterable[Interaction] = ()) -> None:
        self.values: dict[str, float] = {}
        self.unknown: dict[str, int] = {}
        for call in calls:
            self.add(call)

    def add(self, call: Interaction) -> None:
        """Count a call in."""
        values, succeeded = self.values, call.status == "success"
        for name, of, greatest in _FIGURES:
            figure = of(call)
            if figure is not None:
                values[name] = max(values.get(name, 0), figure) if greatest else values.get(name, 0) + figure
            elif succeeded:
                self.unknown[name] = self.unknown.get(name, 0) + 1

    def merge(self, values: Mapping[str, float], unknown: Mapping[str, int]) -> None:
        """Count in what other calls came to."""
        for name, _, greatest in _FIGURES:
            if (figure := values.get(name)) is not None:
                before = self.values.get(name, 0)
                self.values[name] = max(before, figure) if greatest else before + figure
            if unknown.get(name):
                self.unknown[name] = self.unknown.get(name, 0) + unknown[name]


_AMOUNT = re.compile(r"(?P<dollar>\$?)\s*(?P<number>\d[\d_,]*(?:\.\d+)?|\.\d+)\s*(?P<suffix>[A-Za-zµ]*)", re.ASCII)

SUFFIXES: Mapping[Unit, Mapping[str, float]] = {
    "seconds": {"": 1, "s": 1, "ms": 1e-3, "us": 1e-6, "m": 60, "min": 60, "h": 3600},
    "tokens": {"": 1, "k": 1e3, "K": 1e3, "M": 1e6},
    "count": {"": 1, "k": 1e3, "K": 1e3, "M": 1e6},
    "usd": {"": 1, "usd": 1, "USD": 1},
}

EXPECTED: Mapping[Unit, str] = {
    "seconds": 'seconds from 0, like 3, "3s", "500ms" or "2min"',
    "tokens": 'a number from 0, like 900, "900", "50k" or "1.5M"',
    "count": 'a number from 0, like 3, "3" or "2k"',
    "usd": 'US dollars from 0, like 0.05, "$0.05" or "0.05 usd"',
}


def parse_amount(unit: Unit, value: Any) -> float:
    """Read an amount as people write it: a number, or a text with a unit of its kind.

    Raises:
        ValueError: anything else; the text says what it may be.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0:
        return value
    found = _AMOUNT.fullmatch(value.strip()) if isinstance(value, str) else None
    suffixes = SUFFIXES[unit]
    if found is None or found["suffix"] not in suffixes or (found["dollar"] and (unit != "usd" or found["suffix"])):
        raise ValueError(f"expected {EXPECTED[unit]}, not {value!r}")
    amount = float(found["number"].replace(",", "").replace("_", "")) * suffixes[found["suffix"]]
    return int(amount) if unit in ("tokens", "count") and amount.is_integer() else amount


def show(unit: Unit, amount: float) -> str:
    """Write an amount for a person."""
    if unit == "usd":
        return f"${amount:.2f}" if amount >= 1 else f"${amount:.6f}".rstrip("0").rstrip(".")
    if unit == "seconds":
        return f"{amount:,.2f} s" if amount >= 1 else f"{amount * 1000:,.0f} ms"
    return f"{amount:,.0f}" if float(amount).is_integer() else f"{amount:,.2f}"
