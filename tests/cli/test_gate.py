"""``llmlog gate`` and ``llmlog diff`` over runs that a suite left behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from click.testing import CliRunner, Result

from conftest import Suite
from e2e.test_modes import ASK
from e2e.test_regressions import answer, git
from pytest_llmlog.cli import main

TESTS = f"""{ASK}
def test_a():
    ask("Who is a?" + os.environ.get("MORE", ""))

def test_b():
    ask("Who is b?")
"""


def llmlog(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


@pytest.fixture
def two_runs(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Suite, str, str]]:
    """A run that is committed, and one with a longer prompt in one test."""
    suite.write(test_it=TESTS)
    suite.run("--llmlog-mode=record").assert_outcomes(passed=2)
    git(suite, "init", "-q", "-b", "main")
    git(suite, "add", ".")
    git(suite, "commit", "-qm", "one")
    suite.run("--llmlog-mode=record", MORE=" Tell me more.").assert_outcomes(passed=2)
    monkeypatch.chdir(suite.path)
    first, second = dict.fromkeys(record["run_id"] for record in suite.records())
    yield suite, first, second


def test_a_stored_run_is_judged_again_with_other_thresholds(two_runs: tuple[Suite, str, str]) -> None:
    _, first, second = two_runs
    for baseline in (first[:8], "git:main"):
        result = llmlog("gate", "last", "--baseline", baseline, "--fail", "input_tokens:0", "--fail", "response")
        assert result.exit_code == 1
        lines = result.output.splitlines()
        assert lines[0].startswith("test_it.py::test_a: regressed: input_tokens 10 → 14")
        assert "  call 1: chat gpt-4o: Who is a? Tell me more.: prompt changed" in lines
        assert lines[-1] == "2 tests: 1 do not hold"
        assert not any("test_b" in line for line in lines)
    assert llmlog("gate", second[:8], "--baseline", first[:8], "--fail", "input_tokens:50%").exit_code == 0
    assert llmlog("gate", "goldens", "--baseline", "last", "--fail", "response").exit_code == 0
    warned = llmlog("gate", "last", "--baseline", first[:8], "--warn", "input_tokens:0")
    assert (warned.exit_code, "regressed: input_tokens" in warned.output) == (0, True)


def test_budgets_and_what_was_over_before(two_runs: tuple[Suite, str, str]) -> None:
    _, first, second = two_runs
    result = llmlog("gate", second, "--baseline", first, "--budget", "test.input_tokens:11", "--budget", "calls:1")
    assert result.exit_code == 1
    assert "test_it.py::test_a: over budget: input_tokens 14 > 11 (measured now)" in result.output
    assert "llmlog: over budget: calls 2 > 1" in result.output
    result = llmlog("gate", second, "--baseline", second[:8], "--budget", "test.input_tokens:11")
    assert (result.exit_code, "pre_existing in run" in result.output) == (0, True)


def test_json_and_tests_of_one_side(two_runs: tuple[Suite, str, str]) -> None:
    suite, first, _ = two_runs
    suite.write(test_it=TESTS.replace("test_b", "test_c"))
    suite.run("--llmlog-mode=record", "-k", "test_c").assert_outcomes(passed=1)
    result = llmlog("gate", "last", "--baseline", first, "--fail", "response", "--json")
    found = json.loads(result.output)
    assert (found["holds"], found["new"]) == (True, ["test_it.py::test_c"])
    assert found["missing"] == ["test_it.py::test_a", "test_it.py::test_b"]


def test_latency_is_judged_over_the_runs_of_a_log(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    suite.write(test_it=TESTS)
    assert suite.server is not None
    for _ in range(6):
        suite.run("--llmlog-mode=live", "-k", "test_b")
    suite.log.rename(suite.path / "before.log")
    suite.server.push(*[replace(answer("Somebody."), delay=0.5)] * 6)
    for _ in range(6):
        suite.run("--llmlog-mode=live", "-k", "test_b")
    monkeypatch.chdir(suite.path)
    result = llmlog("gate", str(suite.log), "--baseline", "before.log", "--fail", "latency:25%+200ms")
    assert result.exit_code == 1
    assert "medians of 6 → 6 runs, p = 0.0011 (baseline before.log" in result.output
    assert "the requests are the same: provider drift" in result.output


def test_a_difference_is_shown(two_runs: tuple[Suite, str, str]) -> None:
    _, first, second = two_runs
    result = llmlog("diff", first[:8], second[:8])
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines[0] == "test_it.py::test_a"
    assert "  input_tokens 10 → 14" in lines
    assert "  call 1: chat gpt-4o: Who is a? Tell me more.: prompt changed" in lines
    assert lines[-1] == "1 tests differ"
    assert llmlog("diff", "goldens", "last").exit_code == 0
    (found,) = json.loads(llmlog("diff", "git:main", "goldens", "--json").output)
    assert found["test_id"] == "test_it.py::test_a"
    assert llmlog("diff", "git:main", "goldens", "--compare", "none").exit_code == 1  # the requests differ all the same


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["gate", "ffff", "--baseline", "last"], "there is no such run"),
        (["gate", "last", "--baseline", "git:nowhere"], "is in no git repository that knows 'nowhere'"),
        (["gate", "last", "--baseline", "last", "--fail", "speed:5%"], "'speed' is no metric"),
        (["gate", "last", "--baseline", "last", "--compare", "alike"], "expected exact, text"),
        (["gate", "last"], "Missing option '--baseline'"),
        (["diff", "nowhere", "last"], "expected golden, git:REF, last"),
        (["diff", "last", "last", "--log", "nowhere.log"], "nowhere.log"),
    ],
)
def test_what_cannot_be_judged_says_why(two_runs: tuple[Suite, str, str], arguments: list[str], text: str) -> None:
    result = llmlog(*arguments)
    assert result.exit_code == 2
    assert text in result.output
