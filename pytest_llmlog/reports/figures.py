"""How reports write what a run came to: calls, tokens, money, times, budgets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from pytest_llmlog.metrics import METRICS, show
from pytest_llmlog.record import RunResult, TestResult, Violation
from pytest_llmlog.runs import quantile


def count(number: int, name: str) -> str:
    """A number and what it is a number of."""
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def calls(tests: Sequence[TestResult]) -> str:
    """How many calls were made, and where their answers came from."""
    replayed, live = sum(test.replayed for test in tests), sum(test.live for test in tests)
    failed = sum(test.failed_calls for test in tests)
    parts = [f"{replayed:,} replayed" if replayed else "", f"{live:,} live" if live else "", f"{failed:,} failed" if failed else ""]
    return f"{count(replayed + live, 'call')}: {', '.join(filter(None, parts))}" if replayed + live else "no calls"


def sources(tests: Sequence[TestResult]) -> list[str]:
    """Tokens, money and latency of what is recorded, and of what was spent now: never mixed."""
    replayed = [seconds for test in tests for seconds in test.replayed_latencies]
    live = [seconds for test in tests for seconds in test.live_latencies]
    told = [
        _spent(sum(test.replayed_tokens for test in tests), sum(test.replayed_cost_usd for test in tests), replayed, "recorded"),
        _spent(sum(test.live_tokens for test in tests), sum(test.live_cost_usd for test in tests), live, "spent now"),
    ]
    return [text for text in told if text]


def _spent(tokens: int, cost: float, seconds: Sequence[float], when: str) -> str:
    money = f", ${cost:.4f}" if cost else ""
    spent = f"{count(tokens, 'token')}{money} {when}" if tokens or cost else ""
    return ", ".join(filter(None, [spent, latency(seconds)]))


def latency(seconds: Sequence[float]) -> str:
    """The median and the 95th percentile; empty without values."""
    middle, high = quantile(seconds, 0.5), quantile(seconds, 0.95)
    return "" if middle is None or high is None else f"p50 {show('seconds', middle)}, p95 {show('seconds', high)}"


def budgets_left(run: RunResult) -> list[str]:
    """What is left of each limit of the run."""
    return [f"{budget.metric} {_left(budget.metric, budget.limit - budget.spent, budget.limit)}" for budget in run.budgets]


def _left(metric: str, left: float, limit: float) -> str:
    unit = METRICS[metric].unit
    if left < 0:
        return f"{show(unit, -left)} over {show(unit, limit)}"
    return f"{show(unit, left)} of {show(unit, limit)} left"


def amount(metric: str, figure: float | None) -> str:
    """A figure in its metric's unit; a dash where it is unknown."""
    return "–" if figure is None else show(METRICS[metric].unit, figure)


def change(metric: str, before: float | None, now: float | None) -> str:
    """A figure before and now with the relative change; the figure alone where nothing changed."""
    if before is None or now is None or before == now:
        return amount(metric, now)
    share = f" ({(now / before - 1) * 100:+.0f} %)" if before else ""
    return f"{amount(metric, before)} → {amount(metric, now)}{share}"


def goldens(tests: Iterable[TestResult]) -> str:
    """How many goldens were created, updated, or wait for review; empty without any."""
    outcomes = Counter(test.golden for test in tests if test.golden)
    return ", ".join(f"{outcomes[name]} {name}" for name in ("created", "updated", "pending") if outcomes[name])


def told(violation: Violation) -> str:
    """A violation's text without our name; of one whose text may not be kept, its figures."""
    if violation.text:
        return violation.text.removeprefix("llmlog: ")
    if violation.metric is None or violation.value is None:
        return violation.kind
    sign = " > " if violation.kind == "budget" else " → "
    figures = [violation.value, violation.limit] if violation.kind == "budget" else [violation.limit, violation.value]
    if violation.metric not in METRICS:
        return f"{violation.kind}: {violation.metric} {sign.join('–' if each is None else f'{each:.0%}' for each in figures)}"
    return f"{violation.kind}: {violation.metric} {sign.join(amount(violation.metric, each) for each in figures)}"
