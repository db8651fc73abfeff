"""What reports are made from: a run's tests and calls, each beside its counterpart in the baseline, and the runs before it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

from msgspec import Struct
from msgspec.structs import replace

from pytest_llmlog import changes, golden, runs, stored, wire
from pytest_llmlog.baseline import Baseline
from pytest_llmlog.compare import Terms, compare, parse_policy
from pytest_llmlog.errors import GoldenError
from pytest_llmlog.metrics import METRICS, Totals
from pytest_llmlog.record import Interaction, RunResult, TestResult, subject

CallVerdict = Literal["changed", "new", "missing", "unchanged", "no baseline"]

TestVerdict = Literal[
    "refused", "unplayed", "golden", "regressed", "over budget", "failed", "warned",
    "changed", "missing", "new", "improved", "unchanged", "no baseline",
]  # fmt: skip
"""From bad to good, in the order in which reports show tests."""

FAILING: Sequence[TestVerdict] = get_args(TestVerdict)[:6]
NEWS: Sequence[TestVerdict] = get_args(TestVerdict)[6:11]

COUNTS = ("calls", "failures", "tokens", "input_tokens", "output_tokens", "cost_usd")
"""Figures of which every change is told; times always differ."""

NOTABLE_SHARE, NOTABLE_SECONDS = 0.25, 0.25
"""By how much a latency differs before it is told: the share and the seconds that gates are given in the documentation."""


class Call(Struct, frozen=True, kw_only=True):
    """A call beside its counterpart in the baseline.

    Attributes:
        now, before: None where there is none.
        cause: what changed first; ``answer`` whether the answer did, by the test's policy (``similar`` by rapidfuzz).
        chunks: arrival of the stream's chunks in seconds since the request; None where nothing tells.
    """

    now: Interaction | None
    before: Interaction | None = None
    verdict: CallVerdict = "no baseline"
    cause: changes.Cause | None = None
    answer: bool = False
    chunks: tuple[float, ...] | None = None

    def lines(self, number: int) -> list[str]:
        """What differs, for a person: what changed first, and the answer."""
        changed = changes.change(number, self.before, self.now)
        told = changed.text().splitlines() if changed is not None and self.verdict != "unchanged" else []
        if self.answer and self.before is not None and self.now is not None:
            told = told or [f"call {number}: {subject(self.now)}: provider drift"]
            told += ["  answer:", *(f"  {line}" for line in compare(self.before, self.now, Terms()).lines)]
        return told


class Test(Struct, frozen=True, kw_only=True):
    """A test or fixture: its result, its calls, and what those of the baseline came to by metric."""

    __test__ = False

    result: TestResult
    verdict: TestVerdict
    calls: tuple[Call, ...] = ()
    before: Mapping[str, float] = {}
    causes: tuple[str, ...] = ()

    @property
    def now(self) -> Mapping[str, float]:
        """What the calls came to by metric."""
        return self.result.figures


class Recap(Struct, frozen=True, kw_only=True):
    """A run for reports, its tests from bad to good."""

    run: RunResult
    baseline: str
    tests: tuple[Test, ...]
    trend: tuple[runs.Point, ...] = ()

    @property
    def called(self) -> Sequence[Test]:
        """Tests that made calls or have something to tell."""
        return [test for test in self.tests if test.calls or test.verdict != "no baseline"]

    @property
    def failing(self) -> Sequence[Test]:
        """Tests that do not hold."""
        return [test for test in self.tests if test.verdict in FAILING]


def of_run(
    run: RunResult,
    calls: Iterable[Interaction],
    baseline: Baseline,
    *,
    root: Path,
    known: Iterable[str] = (),
    trend: Sequence[runs.Point] = (),
) -> Recap:
    """Put a run beside its baseline.

    Args:
        run: the run's result; of a test that was run again the last run counts.
        calls: its interactions, as its log holds them.
        baseline: what they are compared with. Where it is the golden that this run has just written, the committed one is taken.
        root: where the paths of goldens begin.
        known: tests that the baseline holds, to find those that are gone.
        trend: earlier runs.
    """
    made = runs.by_owner(calls)
    results = {result.test_id: result for result in run.tests}
    for test_id, own in made.items():
        results.setdefault(test_id, runs.summed(test_id, own))
    withheld = run.content != "full"
    tests = [_test(result, made.get(test_id, ()), baseline, root, withheld=withheld) for test_id, result in results.items()]
    tests += [Test(result=TestResult(test_id=each), verdict="missing") for each in _gone(known, results)]
    order = get_args(TestVerdict)
    tests.sort(key=lambda test: (order.index(test.verdict), -test.now.get("cost_usd", 0), test.result.test_id))
    told = run.without_content() if withheld else run
    return Recap(run=told, baseline=baseline.name, tests=tuple(tests), trend=tuple(trend))


def _gone(known: Iterable[str], results: Iterable[str]) -> list[str]:
    """Tests of the baseline that this run does not have, of the files of which it has others: it may be a part of the suite."""
    seen = {stored.base_id(test_id) for test_id in results}
    files = {test_id.partition("::")[0] for test_id in seen}
    return [each for each in known if each not in seen and each.partition("::")[0] in files]


def _test(result: TestResult, calls: Sequence[Interaction], baseline: Baseline, root: Path, *, withheld: bool) -> Test:
    path = root / result.golden_path if result.golden_path else None
    own = _golden(path)
    before = () if withheld else _before(result, path, own, baseline)
    fresh = not before and not withheld and result.golden != "updated" and (baseline.explicit or path is not None)
    last = calls[-(result.live + result.replayed) :]  # before them stand those of a run that was repeated because it failed
    if before and calls:
        terms = Terms(parse_policy(result.compare), result.ignore)
        pairs = [_pair(old, new, terms) for old, new in changes.pairs(before, last)]
    else:
        pairs = [Call(now=call, verdict="new" if fresh else "no baseline") for call in last]
    told = result.without_content() if withheld else result
    figures = Totals(before).values if calls else {}
    causes = tuple(dict.fromkeys(_why(pair) for pair in pairs if pair.verdict in ("changed", "new", "missing") and before))
    return Test(
        result=told, verdict=_verdict(result, pairs, figures, known=bool(before)), before=figures,
        calls=tuple(_timed([*map(_alone, calls[: len(calls) - len(last)]), *pairs], own)),
        causes=causes,
    )  # fmt: skip


def _alone(call: Interaction) -> Call:
    return Call(now=call)


def _golden(path: Path | None) -> Sequence[Interaction]:
    try:
        text = golden.read(path) if path is not None else None
        return golden.interactions(path, text) if path is not None and text is not None else ()
    except GoldenError:
        return ()  # what is wrong with it is the test's violation already


def _before(result: TestResult, path: Path | None, own: Sequence[Interaction], baseline: Baseline) -> Sequence[Interaction]:
    """The baseline's latest run of the test."""
    if not baseline.explicit and result.golden != "updated":
        return own if result.golden != "created" else ()
    try:
        if baseline.explicit:
            found = baseline.runs_of(result.test_id, path)
            return found[-1] if found else ()
        text = stored.file_at("HEAD", path) if path is not None else None
        return golden.interactions(path, text) if path is not None and text is not None else ()
    except GoldenError:
        return ()


def _pair(before: Interaction | None, now: Interaction | None, terms: Terms) -> Call:
    if before is None or now is None:
        return Call(now=now, before=before, verdict="new" if before is None else "missing")
    cause = changes.cause(before, now)
    answer = not compare(before, now, terms).same
    changed = answer or cause != "provider drift"
    return Call(
        now=now, before=before, verdict="changed" if changed else "unchanged", cause=cause if changed else None, answer=answer
    )


def _why(call: Call) -> str:
    if call.verdict != "changed":
        return f"{call.verdict} call"
    return f"{call.cause}" if call.cause == "provider drift" or call.answer is False else f"{call.cause}, answer"


def differs(metric: str, before: float | None, now: float | None) -> bool:
    """Whether a figure is not as before: counts and money exactly, times when they differ notably."""
    if before is None or now is None or before == now:
        return False
    if METRICS[metric].unit != "seconds":
        return True
    return abs(now - before) > NOTABLE_SECONDS and abs(now - before) > NOTABLE_SHARE * before


def _verdict(result: TestResult, calls: Sequence[Call], before: Mapping[str, float], *, known: bool) -> TestVerdict:
    kinds = {violation.kind for violation in result.violations}
    names: dict[str, TestVerdict] = {
        "refused": "refused", "unplayed": "unplayed", "golden": "golden", "regression": "regressed", "pass_rate": "regressed",
        "budget": "over budget",
    }  # fmt: skip
    if kinds:
        return next((verdict for kind, verdict in names.items() if kind in kinds), "failed")
    if result.outcome == "failed":
        return "failed" if result.repeat is None else "warned"  # one of several runs: the verdict is on all
    verdicts = {check.verdict for check in result.checks}
    if "regressed" in verdicts:
        return "warned"
    if any(call.verdict in ("changed", "missing", "new") for call in calls) and known:
        return "improved" if "improved" in verdicts and not any(call.answer for call in calls) else "changed"
    if known and any(differs(name, before.get(name), result.figures.get(name)) for name in (*COUNTS, "latency")):
        return "changed"
    if not calls:
        return "no baseline"
    return "unchanged" if known else "new" if calls[0].verdict == "new" else "no baseline"


def _timed(calls: Iterable[Call], own: Sequence[Interaction]) -> Iterable[Call]:
    """With the arrival of the chunks, from the log's wire, or from that of the test's golden."""
    by_id = {each.request_id: each for each in own}
    by_request = {(each.request_hash, each.response): each for each in own}
    for call in calls:
        if call.now is None or not call.now.stream:
            yield call
            continue
        same = by_id.get(call.now.request_id) or by_request.get((call.now.request_hash, call.now.response))
        found = call.now.wire or (same.wire if same is not None else None)
        yield replace(call, chunks=_arrivals(found) if found is not None else None)


def _arrivals(kept: wire.Wire) -> tuple[float, ...] | None:
    if kept.response is None or kept.response.body is None:
        return None
    return tuple(seconds for seconds, _ in wire.load_pieces(kept.response.body))
