"""Tests that are run several times: one item a run, so that every plugin sees them, and one verdict on all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from pytest_llmlog import judge
from pytest_llmlog.printing import printable
from pytest_llmlog.record import Interaction, Repeat, TestResult
from pytest_llmlog.settings import Settings
from pytest_llmlog.stored import base_id

PARAMETER = "llmlog_repeat"
"""The parameter that tells the runs apart."""

FAILED = "run failed"
"""The outcome of a failed run: what it means is decided when all are over."""

FAILURE = pytest.StashKey[str]()

Status = tuple[str, str, str]


def parametrize(metafunc: pytest.Metafunc, runs: int) -> None:
    """Make an item of each run; its number comes last in the id."""
    numbers = range(1, runs + 1)
    metafunc.fixturenames.append(PARAMETER)
    metafunc.parametrize(PARAMETER, numbers, ids=[f"#{number}" for number in numbers])


def of(item: pytest.Item, settings: Settings, family: int) -> Repeat | None:
    """Which run of which test an item is; None for one that is not repeated."""
    callspec = getattr(item, "callspec", None)
    number = callspec.params.get(PARAMETER) if callspec is not None else None
    if number is None:
        return None
    said = msgspec.to_builtins(settings)
    return Repeat(of=base_id(item.nodeid), number=number, settings=said, family=family, failure=item.stash.get(FAILURE, ""))


def note_failure(item: pytest.Item, report: pytest.TestReport) -> None:
    """Keep why a run failed, for the verdict, and let the report not fail the session by itself."""
    item.stash[FAILURE] = report.longreprtext
    report.outcome = FAILED  # type: ignore[assignment]


def status(report: pytest.TestReport) -> Status | None:
    """How pytest shows the reports that are ours; a verdict is counted, but is no test that progress is shown for."""
    if report.outcome == FAILED:
        return FAILED, "f", "RUN FAILED"
    if getattr(report, "llmlog_verdict", False):
        return ("failed" if report.failed else ""), "", ""
    return None


class Repeats:
    """The runs of repeated tests as their reports come in, from this process or from workers.

    Args:
        made: gives the interactions of tests by their ids, as far as they made any.
        standards: what tests are held to.
    """

    def __init__(self, made: Callable[[Sequence[str]], Sequence[Sequence[Interaction]]], standards: judge.Standards) -> None:
        self._made, self._standards = made, standards
        self._outcomes: dict[str, list[TestResult]] = {}

    def take(self, result: TestResult) -> TestResult | None:
        """Take the result of a run; the last run of a test brings the verdict."""
        if result.repeat is None:
            return None
        outcomes = self._outcomes.setdefault(result.repeat.of, [])
        outcomes.append(result)
        settings = msgspec.convert(result.repeat.settings, Settings)
        if len(outcomes) < settings.runs:
            return None
        runs = self._made([outcome.test_id for outcome in outcomes])
        standards = replace(self._standards, family=result.repeat.family)  # a controller collects no tests
        return judge.repeated(outcomes, runs, settings, standards, Path(result.golden_path) if result.golden_path else None)


def report_of(verdict: TestResult, location: tuple[str, int | None, str], log: Callable[[pytest.TestReport], object]) -> None:
    """Report a verdict as a test's."""
    text = printable("\n\n".join(violation.text for violation in verdict.violations))
    file, line, name = location
    told = pytest.TestReport(
        verdict.test_id, (file, line, base_id(name)), {}, "passed" if verdict.passed else "failed", text or None, "call"
    )
    told.llmlog_verdict = True  # type: ignore[attr-defined]
    log(told)
    told.llmlog_verdict = False  # type: ignore[attr-defined]  # in the short summary it is a failed test like any other
