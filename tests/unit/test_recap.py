"""A run beside its baseline: what each call and each test is called, and in which order reports show them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_llmlog import recap
from pytest_llmlog.baseline import Baseline
from pytest_llmlog.record import CheckResult, Interaction, Repeat, RunResult, TestResult, Violation
from unit.test_metrics import call

BUDGET = Violation(kind="budget", text="over")
SIMILAR = '{"id": 1, "team": "it"}', '{"id": 2, "team": "it"}'


def told(before: list[Interaction], now: list[Interaction], **result: Any) -> recap.Test:
    """One test of a run against a baseline that was asked for."""
    run = RunResult(run_id="r", mode="live", log_path="log", tests=(TestResult(test_id="test_a", live=len(now), **result),))
    found = recap.of_run(run, now, Baseline("git:main", True, lambda *_: [before] if before else []), root=Path())
    return found.tests[0]


def made(**fields: Any) -> Interaction:
    return call(**{"test_id": "test_a", "prompt_hash": "0" * 32, "request_hash": "0" * 32, **fields})


@pytest.mark.parametrize(
    ("before", "now", "result", "verdict"),
    [
        ([made()], [made()], {}, "unchanged"),
        ([made()], [made()], {"outcome": "failed"}, "failed"),
        ([made()], [made()], {"outcome": "failed", "repeat": Repeat(of="t", number=1, settings={})}, "warned"),
        ([made()], [made()], {"outcome": "failed", "violations": (BUDGET,)}, "over budget"),
        ([made()], [made()], {"violations": (BUDGET, Violation(kind="refused", text=""))}, "refused"),
        ([made()], [made(response="other")], {}, "changed"),
        ([made(response=SIMILAR[0])], [made(response=SIMILAR[1])], {"compare": "json", "ignore": ("$.id",)}, "unchanged"),
        ([made(response=SIMILAR[0])], [made(response=SIMILAR[1])], {"compare": "json"}, "changed"),
        ([made(), made()], [made()], {}, "changed"),
        ([], [made()], {}, "new"),
        ([made(latency_seconds=1.0)], [made(latency_seconds=1.2)], {"figures": {"latency": 1.2}}, "unchanged"),
        ([made(latency_seconds=1.0)], [made(latency_seconds=1.6)], {"figures": {"latency": 1.6}}, "changed"),
        ([made()], [made()], {"checks": (CheckResult(metric="tokens", verdict="regressed", fails=False),)}, "warned"),
        ([made()], [], {}, "no baseline"),
    ],
)
def test_verdicts(before: list[Interaction], now: list[Interaction], result: dict[str, Any], verdict: str) -> None:
    assert told(before, now, **result).verdict == verdict


def test_a_call_says_what_changed_first() -> None:
    [found] = told([made(prompt="old", prompt_hash="1" * 32, request_hash="1" * 32)], [made(prompt="new", response="other")]).calls
    assert (found.verdict, found.cause, found.answer) == ("changed", "prompt", True)
    assert found.lines(1)[1:3] == ["  -old", "  +new"]
    [drift] = told([made()], [made(response="other")]).calls
    assert (drift.cause, drift.lines(2)[0].endswith(": provider drift")) == ("provider drift", True)


def test_bad_tests_come_first_reruns_are_one_and_missing_ones_are_of_the_same_files() -> None:
    results = (
        TestResult(test_id="a.py::fine", outcome="passed", figures={"calls": 1}, live=1),
        TestResult(test_id="a.py::flaky", outcome="failed", violations=(BUDGET,), figures={"calls": 1}, live=1),
        TestResult(test_id="a.py::bad", outcome="failed", violations=(BUDGET,)),
        TestResult(test_id="a.py::flaky", outcome="passed", figures={"calls": 1}, live=1),
    )
    run = RunResult(run_id="r", mode="live", log_path="log", tests=results)
    calls = [made(test_id="a.py::fine"), made(test_id="a.py::flaky", response="wrong"), made(test_id="a.py::flaky")]
    before = Baseline("git:main", True, lambda *_: [[made()]])
    found = recap.of_run(run, calls, before, root=Path(), known=["a.py::gone", "b.py::elsewhere", "a.py::fine"])
    assert [(test.result.test_id, test.verdict) for test in found.tests] == [
        ("a.py::bad", "over budget"), ("a.py::gone", "missing"), ("a.py::fine", "unchanged"), ("a.py::flaky", "unchanged"),
    ]  # fmt: skip
    assert [each.verdict for each in found.tests[-1].calls] == ["no baseline", "unchanged"]
    assert [test.result.test_id for test in found.failing] == ["a.py::bad"]


def test_a_log_without_content_is_shown_beside_nothing() -> None:
    violation = Violation(kind="regression", text="quotes a secret", metric="tokens", value=2, limit=1)
    run = RunResult(
        run_id="r",
        mode="live",
        log_path="log",
        content="hash",
        tests=(TestResult(test_id="test_a", live=1, violations=(violation,)),),
    )
    found = recap.of_run(
        run, [made(prompt="blake2b:0")], Baseline("git:main", True, lambda *_: [[made(prompt="secret")]]), root=Path()
    )
    [test] = found.tests
    assert (test.calls[0].before, test.before, test.verdict) == (None, {}, "regressed")
    assert "secret" not in repr(found)
