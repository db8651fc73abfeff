"""What stands out in a log and why: the rule and the figure of each finding."""

from __future__ import annotations

import math
import re
import zlib
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from statistics import fmean, median

from msgspec import Struct

from pytest_llmlog.answers import REFUSALS
from pytest_llmlog.query.columns import COLUMNS
from pytest_llmlog.query.engines import Engine
from pytest_llmlog.query.language import language
from pytest_llmlog.query.refusals import opening
from pytest_llmlog.query.where import Condition

READ = (
    "timestamp", "request_id", "prompt_template", "model", "test_id", "operation", "response", "status", "error_type", "error_code",
    "finish_reasons", "latency_seconds", "refusal", "tool_calls",
)  # fmt: skip

LIMIT = 3.5
"""Robust z-score from which on a value stands out: Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993."""

TIMES = 1.5
"""So many times more or less than the median it must be as well: where all are nearly equal, a little is many deviations."""

LEAST = 10
"""Calls of one template and model before any of them can stand out among the others."""

BEFORE_NEW = 20
"""Calls without a type of error before its first one is news."""

MAJORITY = 0.8
"""Share of answers in one language from which on another is a switch."""

LOOP = re.compile(r"(?=\S)(.{3,80}?)\1{5,}", re.DOTALL)
"""A phrase six times in a row or more."""

DENSE = 4
"""Times that a text shrinks by compression before it is searched for a loop: no prose does."""

WORDS = 80
"""Characters of a refusal that are shown."""

TRUNCATED = frozenset({"length", "max_tokens", "max_output_tokens", "model_length", "incomplete"})
TEXT = frozenset({"chat", "responses", "text_completion"})


class Call(Struct, frozen=True):
    """Which call it is."""

    timestamp: str
    request_id: str | None
    template: str | None
    model: str | None
    test: str | None


class Finding(Struct, frozen=True):
    """One thing that stands out: the rule it breaks, and the figure that shows it."""

    call: Call
    rule: str
    figure: str


class _Group:
    """The calls of one template and model: what they are compared by."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.latency, self.length = array("d"), array("d")
        self.languages: list[str | None] = []


def find(engine: Engine, where: Condition | None) -> list[Finding]:
    """Everything that stands out among the calls for which a condition holds, oldest first."""
    groups: dict[tuple[str | None, str | None], _Group] = defaultdict(_Group)
    errors: list[tuple[Call, str]] = []
    found: list[Finding] = []
    for row in engine.select([COLUMNS[name] for name in READ], where):
        cells = dict(zip(READ, row, strict=True))
        call = Call(cells["timestamp"], cells["request_id"], cells["prompt_template"], cells["model"], cells["test_id"])
        group = groups[call.template, call.model]
        group.calls.append(call)
        group.latency.append(cells["latency_seconds"] or math.nan)
        response = cells["response"] or ""
        group.length.append(len(response) if response and cells["status"] == "success" else math.nan)
        group.languages.append(language(response))
        if cells["status"] == "failure":
            errors.append((call, cells["error_type"] or "unknown"))
        found += [Finding(call, rule, figure) for rule, figure in _alone(cells)]
    for group in groups.values():
        found += [*_slow(group), *_long(group), *_switched(group)]
    found += _new_errors([call for group in groups.values() for call in group.calls], errors)
    return sorted(found, key=lambda each: (each.call.timestamp, each.call.request_id or "", each.rule))


def _alone(cells: dict[str, str | None]) -> Iterator[tuple[str, str]]:
    """What a call shows by itself."""
    reasons = [reason.lower() for reason in (cells["finish_reasons"] or "").split(",")]
    response = cells["response"] or ""
    refused = _refused(reasons, cells)
    if refused:
        yield "refusal", refused
    elif words := opening(response):
        yield "refusal", f"begins {words!r}"
    if cut := next((reason for reason in reasons if reason in TRUNCATED), None):
        yield "truncated", f"finish reason {cut}"
    asks = cells["tool_calls"] or any("tool" in reason or "function" in reason for reason in reasons)
    if cells["status"] == "success" and cells["operation"] in TEXT and not response.strip() and not asks and not refused:
        yield "empty answer", f"{len(response)} characters"
    if loop := _loop(response):
        yield "loop", loop


def _refused(reasons: list[str], cells: dict[str, str | None]) -> str | None:
    """How the provider tells that no answer was given."""
    if words := cells["refusal"]:
        return f"told as one: {words[:WORDS]!r}"
    if reason := next((reason for reason in reasons if reason in REFUSALS), None):
        return f"finish reason {reason}"
    return "error code content_filter" if cells["error_code"] == "content_filter" else None


def _loop(text: str) -> str | None:
    tail = text[-8000:]
    data = tail.encode("utf-8", "replace")
    if len(data) < 60 or len(data) < DENSE * len(zlib.compress(data, 1)):
        return None
    found = LOOP.search(tail)
    if found is None or len(found[0]) < 60:
        return None
    return f"{found[1].strip()[:40]!r} {len(found[0]) // len(found[1])} times in a row"


def scores(values: Sequence[float]) -> list[float]:
    """Robust z-scores: 0.6745 of the distance to the median in median absolute deviations; NaN stays.

    Where more than half of the values are equal, the mean absolute deviation takes the place of the median one, times 1.253314, as
    Iglewicz and Hoaglin have it; where all are, nothing stands out.
    """
    known = [value for value in values if not math.isnan(value)]
    if len(known) < LEAST:
        return [math.nan] * len(values)
    middle = median(known)
    distances = [abs(value - middle) for value in known]
    spread = median(distances) / 0.6745 or fmean(distances) * 1.253314
    return [(value - middle) / spread if spread else 0.0 for value in values]


def _outliers(values: array[float]) -> Iterator[tuple[int, float, float]]:
    """The place, z-score and times the median of values that stand out, by their logarithms: such figures are skewed."""
    logarithms = [math.log(value) if value > 0 else math.nan for value in values]
    middle = median([value for value in values if value > 0] or [1])
    for place, score in enumerate(scores(logarithms)):
        times = values[place] / middle
        if abs(score) > LIMIT and not 1 / TIMES < times < TIMES:
            yield place, score, times


def _slow(group: _Group) -> Iterator[Finding]:
    for place, score, times in _outliers(group.latency):
        if score > 0:
            yield Finding(group.calls[place], "slow", f"{group.latency[place]:.2f} s, {times:.1f} × the median, z = {score:.1f}")


def _long(group: _Group) -> Iterator[Finding]:
    for place, score, times in _outliers(group.length):
        rule = "long answer" if score > 0 else "short answer"
        yield Finding(group.calls[place], rule, f"{group.length[place]:,.0f} characters, {times:.2g} × the median, z = {score:.1f}")


def _switched(group: _Group) -> Iterator[Finding]:
    known = Counter(each for each in group.languages if each is not None)
    if known.total() < LEAST:
        return
    usual, count = known.most_common(1)[0]
    if count < MAJORITY * known.total():
        return
    for call, spoken in zip(group.calls, group.languages, strict=True):
        if spoken not in (None, usual):
            yield Finding(call, "language", f"{spoken}, where {count} of {known.total()} answers are {usual}")


def _new_errors(calls: Sequence[Call], errors: Sequence[tuple[Call, str]]) -> Iterator[Finding]:
    """The first failure of each type, after enough calls without it."""
    firsts: dict[str, Call] = {}
    for call, kind in errors:
        if kind not in firsts or call.timestamp < firsts[kind].timestamp:
            firsts[kind] = call
    for kind, call in firsts.items():
        before = sum(each.timestamp < call.timestamp for each in calls)
        if before >= BEFORE_NEW:
            yield Finding(call, "new error", f"{kind}, first after {before:,} calls")
