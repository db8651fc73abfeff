"""Times are judged with the length of the answers in mind, while the suite runs and when it is over."""

from __future__ import annotations

from typing import Any

from pytest_llmlog import judge, regressions
from pytest_llmlog.checks import Check
from pytest_llmlog.compare import Terms
from pytest_llmlog.record import CheckResult, TestResult, Usage
from pytest_llmlog.regress import Threshold
from unit.test_metrics import call

LATENCY = Check("latency", Threshold(0.25, 0.25))


def runs(seconds: float, tokens: int, count: int = 6, **more: Any) -> list[Any]:
    usage = Usage(input=1, output=tokens, total=tokens + 1)
    return [[call(latency_seconds=seconds + n / 100, tokens=tokens + 1, usage=usage, **more)] for n in range(count)]


def judged(before: list[Any], now: list[Any], family: int = 1) -> CheckResult:
    (found,) = regressions.judge(before, now, [LATENCY], Terms(), "golden", family=family)
    return found


def test_a_longer_answer_is_not_a_slower_model() -> None:
    slower = judged(runs(2.0, 100), runs(4.0, 100))
    assert slower.verdict == "regressed"
    assert "the requests are the same: provider drift" in slower.text
    longer = judged(runs(2.0, 100), runs(4.0, 200))
    assert (longer.verdict, longer.p) == ("not_comparable", None)
    assert "the answers are longer; per output token 20 ms → 20 ms" in longer.text


def test_the_suite_counts_what_one_test_could_not_show_but_no_longer_answers() -> None:
    def suite(tokens: int) -> list[TestResult]:
        checks = [judged(runs(2.0, 100, 5), runs(4.0, tokens, 5), family=50) for _ in range(50)]
        assert {check.verdict for check in checks} <= {"insufficient_data", "not_comparable"}
        return [TestResult(test_id=f"test_{n}", checks=(check,)) for n, check in enumerate(checks)]

    assert len(judge.over_the_suite(suite(100))) == 50
    assert judge.over_the_suite(suite(200)) == []


def test_only_what_is_alike_is_compared() -> None:
    assert "models differ: m → n" in judged(runs(2.0, 9), runs(4.0, 9, model="n")).text
    assert "hosts differ" in judged(runs(2.0, 9, server_address="a:1"), runs(4.0, 9, server_address="b:1")).text
    assert judged(runs(2.0, 9, server_address="a:1"), runs(4.0, 9, server_address="a:2")).verdict == "regressed"
    assert "streaming differ" in judged(runs(2.0, 9), runs(4.0, 9, stream=True)).text
    assert "nothing was measured now" in judged(runs(2.0, 9), runs(4.0, 9, source="replay")).text
    assert "the baseline was replayed" in judged(runs(2.0, 9, source="replay"), runs(4.0, 9)).text
    assert judged([], runs(4.0, 9)).verdict == "new"
