"""Stored runs judged again: with other thresholds, against another baseline, without a model or a test."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from pytest_llmlog import budgets, changes, judge, regressions
from pytest_llmlog.baseline import of_stored
from pytest_llmlog.budgets import Limits
from pytest_llmlog.compare import Terms
from pytest_llmlog.metrics import METRICS, Totals, show
from pytest_llmlog.record import TestResult, Violation
from pytest_llmlog.settings import Settings
from pytest_llmlog.stored import Run, Stored


class Gate(Struct, frozen=True, kw_only=True):
    """What judging came to.

    Attributes:
        tests: of each test its checks, figures, violations and notes.
        violations: of the run as a whole.
        new, missing: tests that only the one or only the other side has.
    """

    tests: tuple[TestResult, ...]
    violations: tuple[Violation, ...] = ()
    warnings: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether nothing is violated."""
        return not self.violations and not any(test.violations for test in self.tests)


def judge_stored(now: Stored, before: Stored, settings: Settings, limits: Limits) -> Gate:
    """Judge the tests of one stored run, or several, against a baseline."""
    noisy = sum(regressions.is_noisy(metric) for metric in settings.checks) * len(now.tests)
    standards = judge.Standards("ignore", of_stored(before), family=max(1, noisy))
    tests = [_test(test_id, runs, settings, limits, standards) for test_id, runs in now.tests.items()]
    over, untold = judge.run_budget(tests, limits.run.values())
    return Gate(
        tests=tuple(tests),
        violations=(*over, *judge.over_the_suite(tests)),
        warnings=tuple(untold),
        new=tuple(test_id for test_id in now.tests if test_id not in before.tests),
        missing=tuple(test_id for test_id in before.tests if test_id not in now.tests),
    )


def _test(test_id: str, runs: Sequence[Run], settings: Settings, limits: Limits, standards: judge.Standards) -> TestResult:
    baseline = standards.baseline
    before = baseline.runs_of(test_id, None)
    checks = judge.regressed(before, runs, settings, standards) if before else []
    violations = [judge.violation_of(check) for check in checks if check.verdict == "regressed" and check.fails]
    notes = [check.text for check in checks if check.verdict != "unchanged" and judge.violation_of(check) not in violations]
    over: list[Violation] = []
    for run in runs:
        found, untold = _limits(run, limits)
        over += found
        notes += untold
    known = [violation for violation in over if judge.was_over(violation, before)]
    calls = [call for run in runs for call in run]
    totals = Totals(calls)
    replayed = sum(call.source == "replay" for call in calls)
    return TestResult(
        test_id=test_id, live=len(calls) - replayed, replayed=replayed, figures=totals.values, unknown=totals.unknown,
        checks=tuple(checks), violations=(*violations, *(violation for violation in over if violation not in known)),
        warnings=(*notes, *(f"pre_existing in {baseline.name}: {violation.text}" for violation in known)),
    )  # fmt: skip


def _limits(run: Run, limits: Limits) -> tuple[list[Violation], list[str]]:
    totals = Totals(run)
    replayed = sum(call.source == "replay" for call in run)
    source = budgets.recorded_share(len(run) - replayed, replayed)
    return budgets.check(totals.values, totals.unknown, limits.test.values(), source=source, spenders=budgets.of_calls(run))


class Difference(Struct, frozen=True):
    """A test that is not the same on both sides; ``lines`` say how."""

    test_id: str
    lines: tuple[str, ...]


COUNTS = ("calls", "failures", "tokens", "input_tokens", "output_tokens", "cost_usd")
TIMES = ("latency",)


def differences(before: Stored, now: Stored, terms: Terms) -> list[Difference]:
    """Compare the latest runs of all tests: figures, requests with what changed first, and answers."""
    found = []
    for test_id in dict.fromkeys((*before.tests, *now.tests)):
        if test_id not in now.tests or test_id not in before.tests:
            found.append(Difference(test_id, ("missing" if test_id not in now.tests else "new",)))
            continue
        old, new = before.tests[test_id][-1], now.tests[test_id][-1]
        counts, times = _figures(old, new, COUNTS), _figures(old, new, TIMES)
        if lines := [*counts, *changes.differences(old, new, terms, all_requests=True)]:  # times always differ
            found.append(Difference(test_id, (*times, *lines)))
    return found


def _figures(old: Run, new: Run, names: Sequence[str]) -> list[str]:
    before, now = Totals(old).values, Totals(new).values
    told = [(METRICS[name].unit, name, before[name], now[name]) for name in names if name in before and name in now]
    return [f"{name} {show(unit, first)} → {show(unit, second)}" for unit, name, first, second in told if first != second]
