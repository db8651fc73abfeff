"""Absolute limits: how they are written, and what a test or a run spent against them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from pytest_llmlog.errors import ConfigError
from pytest_llmlog.metrics import METRICS, Metric, parse_amount, show
from pytest_llmlog.record import Interaction, Violation, subject

SHOWN = 10
"""How many calls or tests a violation lists, the dearest first."""


KEYWORDS = tuple(f"max_{name}" for name in METRICS)
"""Limits as keywords of the marker and of ``check``."""


class Limit(Struct, frozen=True):
    """The most that a metric may come to, in the metric's unit: tokens, US dollars, seconds or a count."""

    metric: str
    maximum: float


class Limits(Struct, frozen=True):
    """The limits of each test, and those of the run."""

    test: Mapping[str, Limit] = {}
    run: Mapping[str, Limit] = {}


def _limit(name: str, value: Any, where: str) -> Limit:
    if name not in METRICS:
        raise ConfigError(f"{where}: {name!r} is no metric; there are {', '.join(METRICS)}")
    try:
        return Limit(name, parse_amount(METRICS[name].unit, value))
    except ValueError as exc:
        raise ConfigError(f"{where}: {exc}") from None


def of_keywords(given: Mapping[str, Any], where: str) -> dict[str, Limit]:
    """Read ``max_METRIC=…`` keywords; ``where`` names the place in errors.

    Raises:
        ConfigError: a metric that does not exist, or an amount that cannot be read.
    """
    limits = {}
    for name, value in given.items():
        if not name.startswith("max_") or name[4:] not in METRICS:
            raise ConfigError(f"{where}({name}=…): there is no such keyword; there are {', '.join(KEYWORDS)}")
        limits[name[4:]] = _limit(name[4:], value, f"{where}({name}={value!r})")
    return limits


def of_expressions(texts: Iterable[str], where: str) -> Limits:
    """Read ``METRIC:LIMIT`` for the run, ``test.METRIC:LIMIT`` for each test; of two for the same the later counts.

    Raises:
        ConfigError: an expression that cannot be read.
    """
    limits: dict[bool, dict[str, Limit]] = {True: {}, False: {}}
    for text in texts:
        name, colon, amount = text.strip().partition(":")
        place = f"{where} {text!r}"
        if not colon:
            raise ConfigError(f"{place}: expected METRIC:LIMIT, like cost_usd:0.05, or test.METRIC:LIMIT for each test")
        each = name.startswith("test.")
        limit = _limit(name.removeprefix("test.").removeprefix("run."), amount, place)
        limits[each][limit.metric] = limit
    return Limits(limits[True], limits[False])


Spenders = Callable[[Metric], Sequence[tuple[float, str]]]
"""Gives for a metric (figure, who) of each call of a test, or each test of a run."""


def recorded_share(live: int, replayed: int) -> str:
    """How much of the figures is recorded rather than measured now."""
    if not replayed:
        return "measured now"
    return "recorded" if not live else f"{live:,} live, {replayed:,} recorded"


def check(
    values: Mapping[str, float], unknown: Mapping[str, int], limits: Iterable[Limit], *, source: str, spenders: Spenders
) -> tuple[list[Violation], list[str]]:
    """Say which limits do not hold, and which cannot be judged because calls do not tell the figure.

    What is known counts: where even that is over the limit, the limit does not hold.

    Args:
        values: what was spent, by metric, as ``Totals`` has it.
        unknown: how many calls did not tell it, by metric.
        limits: the limits to hold.
        source: where the figures come from, for a person.
        spenders: who spent how much.
    """
    violations, untold = [], []
    for limit in limits:
        metric = METRICS[limit.metric]
        spent = values.get(limit.metric, 0)
        if spent > limit.maximum:
            violations.append(_violation(metric, limit, spent, source, spenders(metric)))
        elif unknown.get(limit.metric):
            at_most = f"{limit.metric} at most {show(metric.unit, limit.maximum)}"
            untold.append(
                f"{at_most}: cannot be judged, {unknown[limit.metric]:,} calls do not tell it; known {show(metric.unit, spent)}"
            )
    return violations, untold


def _violation(metric: Metric, limit: Limit, spent: float, source: str, spenders: Sequence[tuple[float, str]]) -> Violation:
    head = f"llmlog: over budget: {metric.name} {show(metric.unit, spent)} > {show(metric.unit, limit.maximum)} ({source})"
    dearest = sorted(spenders, key=lambda entry: -entry[0])[:SHOWN]
    lines = [f"  {show(metric.unit, figure):>10}  {who}" for figure, who in dearest]
    more = [f"  … and {len(spenders) - SHOWN:,} more"] if len(spenders) > SHOWN else []
    return Violation(
        kind="budget", text="\n".join([head, *lines, *more]), metric=metric.name, value=spent, limit=limit.maximum
    )  # fmt: skip


def of_calls(calls: Iterable[Interaction]) -> Spenders:
    """The calls of a test as spenders."""

    def spenders(metric: Metric) -> list[tuple[float, str]]:
        told = ((number, call, metric.of(call)) for number, call in enumerate(calls, start=1))
        return [(figure, f"call {number}: {subject(call)}") for number, call, figure in told if figure is not None]

    return spenders
