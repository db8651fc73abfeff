"""Whether a test got worse: its figures and answers against those of a baseline, as far as they may be compared.

What may be judged follows from where a figure comes from. Counts that do not vary (input tokens, calls, failures) and whatever
is recorded on both sides are compared as they are. What a model or a server makes of the same request (output tokens, cost,
latency) varies, and is judged by statistics on live values only; latency only against calls of the same models on the same
hosts, streamed or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from msgspec.structs import replace

from pytest_llmlog import changes
from pytest_llmlog.checks import RESPONSE, Check
from pytest_llmlog.compare import Terms
from pytest_llmlog.metrics import METRICS, Totals, show
from pytest_llmlog.record import CheckResult, Interaction
from pytest_llmlog.regress import Judged, judge_exact, judge_noisy

Run = Sequence[Interaction]

EXACT = frozenset({"input_tokens", "calls", "failures"})
"""Metrics that the program decides, not the model."""

TIMES = frozenset({"latency", "total_latency", "time_to_first_chunk"})


def is_noisy(metric: str) -> bool:
    """Whether a metric varies from run to run though nothing changed."""
    return metric not in EXACT and metric != RESPONSE


def judge(
    before: Sequence[Run], now: Sequence[Run], checks: Iterable[Check], terms: Terms, baseline: str, *, family: int = 1
) -> list[CheckResult]:
    """Judge the runs of a test made now against earlier ones.

    Args:
        before: the baseline's runs of the test, oldest first; empty where it has none.
        now: the runs made now, one unless the test is repeated.
        checks: what may not get worse.
        terms: how answers are compared.
        baseline: its name, for a person.
        family: how many noisy comparisons the suite makes.
    """
    changed = changes.requests(before[-1], now[-1]) if before and now else []
    results = []
    for check in checks:
        if check.metric == RESPONSE:
            results.append(_answers(before, now, check, terms, baseline))
        else:
            judged = _figure(before, now, check, family)
            results.append(
                _result(check, judged, _values(check.metric, before), _values(check.metric, now), changed, _where(now, baseline))
            )
    return results


def _values(metric: str, runs: Sequence[Run]) -> list[float]:
    """The metric of each run that tells it; no call is no call, not an unknown number."""
    totals = [Totals(run).values for run in runs]
    if METRICS[metric].unit == "count":
        return [values.get(metric, 0) for values in totals]
    return [values[metric] for values in totals if metric in values]


def _where(now: Sequence[Run], baseline: str) -> str:
    sources = {call.source for run in now for call in run}
    measured = "recorded" if sources == {"replay"} else "measured now" if sources == {"live"} else "partly recorded"
    return f"baseline {baseline}, {measured}"


def _figure(before: Sequence[Run], now: Sequence[Run], check: Check, family: int) -> Judged:
    assert check.threshold is not None
    metric = check.metric
    recorded = any(call.source == "replay" for run in now for call in run)
    if metric in TIMES and before:
        if recorded:
            return Judged(verdict="not_comparable", before=None, now=None, reason="replayed: nothing was measured now")
        kind = _kind(now[-1])
        alike = [run for run in before if _kind(run) == kind]
        if not alike:
            return Judged(verdict="not_comparable", before=None, now=None, reason=_unlike(_kind(before[-1]), kind))
        before = alike
    if is_noisy(metric) and not recorded and before:
        before = [run for run in before if not any(call.source == "replay" for call in run)]
        if not before:
            return Judged(verdict="not_comparable", before=None, now=None, reason="the baseline was replayed, nothing was measured")
    old, new = _values(metric, before), _values(metric, now)
    dearer = metric == "cost_usd" and bool(before) and _models(before[-1]) != _models(now[-1])
    if metric in EXACT or recorded or dearer:
        return judge_exact(old, new, check.threshold)
    judged = judge_noisy(old, new, check.threshold, family=family)
    return _per_token(before, now, check, judged) if metric in TIMES and judged.p is not None else judged


def _kind(run: Run) -> list[tuple[str, str, bool]]:
    """What has to be the same for times to be compared: model, host, streaming."""
    hosts = [(call.server_address or "").rpartition(":")[0] for call in run]
    return sorted((call.model or "", host, call.stream) for call, host in zip(run, hosts, strict=True))


def _unlike(before: Sequence[Any], now: Sequence[Any]) -> str:
    for place, what in enumerate(("models", "hosts", "streaming")):
        first, second = [entry[place] for entry in before], [entry[place] for entry in now]
        if first != second:
            return f"{what} differ: {', '.join(map(str, first))} → {', '.join(map(str, second))}"
    return "the calls differ"


def _models(run: Run) -> list[str]:
    return sorted(call.model or "" for call in run)


def _per_token(before: Sequence[Run], now: Sequence[Run], check: Check, judged: Judged) -> Judged:
    """A longer answer is not a slower model: time that grew no more than the answers did is no regression of time."""
    assert check.threshold is not None
    old, new = _seconds_per_token(before, check.metric), _seconds_per_token(now, check.metric)
    better = judged.verdict == "improved" or check.metric == "time_to_first_chunk"
    if better or not old or not new or median(new) > median(old) * (1 + check.threshold.percent):
        return judged
    reason = f"the answers are longer; per output token {show('seconds', median(old))} → {show('seconds', median(new))}"
    return replace(judged, verdict="not_comparable", p=None, reason=reason)  # without p, so that the suite does not count it


def _seconds_per_token(runs: Sequence[Run], metric: str) -> list[float]:
    totals = [Totals(run).values for run in runs]
    return [values[metric] / values["output_tokens"] for values in totals if values.get("output_tokens") and metric in values]


def _result(
    check: Check, judged: Judged, old: Sequence[float], new: Sequence[float], changed: Sequence[changes.Change], where: str
) -> CheckResult:
    unit = METRICS[check.metric].unit
    figures = ""
    if judged.before is not None and judged.now is not None:
        figures = f" {show(unit, judged.before)} → {show(unit, judged.now)}"
        if judged.before:
            figures += f" ({(judged.now / judged.before - 1) * 100:+.0f} %)"
    runs = f", medians of {len(old)} → {len(new)} runs" if max(len(old), len(new)) > 1 else ""
    chance = f", p = {judged.p:.2g}" if judged.p is not None else ""
    reason = f": {judged.reason}" if judged.reason else ""
    head = f"llmlog: {judged.verdict}: {check.metric}{figures}, allowed {check.allowed()}{runs}{chance} ({where}){reason}"
    why = [text for change in changed for text in change.text().splitlines()]
    if judged.verdict == "regressed" and not changed and old:
        why = ["the requests are the same: provider drift"] if check.metric not in EXACT else []
    lines = [head, *(f"  {line}" for line in why)] if judged.verdict in ("regressed", "improved") else [head]
    return CheckResult(
        metric=check.metric, verdict=judged.verdict, fails=check.fails, before=judged.before, now=judged.now, p=judged.p,
        tested=(len(old), len(new)), text="\n".join(lines),
    )  # fmt: skip


def _answers(before: Sequence[Run], now: Sequence[Run], check: Check, terms: Terms, baseline: str) -> CheckResult:
    """The answers in their order, each against its counterpart in the latest run of the baseline."""
    where = _where(now, baseline)
    if not before:
        return CheckResult(metric=RESPONSE, verdict="new", fails=check.fails, text=f"llmlog: new: response ({where})")
    for run in now:
        found = changes.differences(before[-1], run, terms)
        if found:
            text = "\n".join([f"llmlog: regressed: response ({where})", *(f"  {line}" for line in found)])
            return CheckResult(metric=RESPONSE, verdict="regressed", fails=check.fails, text=text)
    return CheckResult(metric=RESPONSE, verdict="unchanged", fails=check.fails, text=f"llmlog: unchanged: response ({where})")
