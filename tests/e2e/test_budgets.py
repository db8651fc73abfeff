"""Budgets in real sessions: of a test by marker and fixture, of each test and of the run by ini file and command line."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from conftest import Suite
from e2e.test_modes import ASK

MARKED = f"""{ASK}
@pytest.mark.llmlog(max_tokens=3, max_calls="1", max_latency="10s")
def test_dear(llmlog):
    ask("One")
    ask("Two")

@pytest.mark.llmlog(max_tokens="50k", max_cost_usd="$0.05")
def test_cheap(llmlog):
    ask("One")

def test_none():
    pass
"""


@pytest.mark.parametrize("mode", ["record", "replay"])
def test_all_that_does_not_hold_is_on_the_tests_own_report(suite: Suite, mode: str) -> None:
    suite.write(test_it=MARKED.replace('max_tokens=3, max_calls="1", ', ""))
    suite.run("--llmlog-mode=record").assert_outcomes(passed=3)
    suite.write(test_it=MARKED)
    result = suite.run(f"--llmlog-mode={mode}", "--junit-xml=junit.xml")

    result.assert_outcomes(passed=2, failed=1)
    share = {"record": "measured now", "replay": "recorded"}[mode]
    result.stdout.fnmatch_lines(
        [f"llmlog: over budget: tokens * > 3 ({share})", "*call 1: chat*: One", f"llmlog: over budget: calls 2 > 1 ({share})"]
    )
    result.stdout.fnmatch_lines(["FAILED test_it.py::test_dear*"])
    result.stdout.no_fnmatch_line("*over budget: latency*")
    cases = {case.get("name"): case for case in ET.parse(suite.pytester.path / "junit.xml").iter("testcase")}
    properties = {entry.get("name"): entry.get("value") for entry in cases["test_dear"].iter("property")}
    assert properties["llmlog_calls"] == "2"
    assert float(properties["llmlog_tokens"] or 0) > 3
    assert "llmlog_latency" in properties
    assert properties["llmlog_violation"] == f"llmlog: over budget: calls 2 > 1 ({share})"
    assert cases["test_dear"].find("failure") is not None
    assert not list(cases["test_none"].iter("property"))


def test_a_test_over_its_budget_leaves_its_recording_pending(suite: Suite) -> None:
    suite.write(test_it=MARKED)
    suite.run("--llmlog-mode=record").assert_outcomes(passed=2, failed=1)
    assert [path.name for path in suite.pytester.path.rglob("*.json.new")] == ["test_dear.json.new"]


CHECKED = f"""{ASK}
def test_it(llmlog):
    ask("One")
    llmlog.check(max_tokens="1k", max_latency="10s")
    llmlog.check(max_tokens=1, max_calls=0, max_failures=0)
"""


def test_the_fixture_checks_all_at_once(suite: Suite) -> None:
    suite.write(test_it=CHECKED)
    result = suite.run("--llmlog-mode=record")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*llmlog.check(max_tokens=1, max_calls=0*", "E*over budget: tokens * > 1 (measured now)", "E*over budget: calls 1 > 0*"]
    )
    result.stdout.no_fnmatch_line("*over budget: failures*")


@pytest.mark.parametrize(
    ("marker", "text"),
    [
        ("max_token=5", "*@pytest.mark.llmlog(max_token=*there is no such keyword; there are max_tokens,*"),
        ("max_latency='50k'", "*@pytest.mark.llmlog(max_latency='50k')*expected seconds from 0, like 3, \"3s\"*"),
        ("5", "*@pytest.mark.llmlog(5)*keywords only*"),
    ],
)
def test_a_marker_that_cannot_be_read_stops_the_collection(suite: Suite, marker: str, text: str) -> None:
    suite.write(test_it=f"import pytest\n@pytest.mark.llmlog({marker})\ndef test_it(): pass\n", test_other="def test_it(): pass\n")
    result = suite.run()
    result.assert_outcomes(errors=1)
    assert result.ret == 2
    result.stdout.fnmatch_lines(["*ERROR collecting test_it.py*", text])


def test_a_marker_of_a_unittest_fails_it(suite: Suite) -> None:
    suite.write(
        test_it="import pytest, unittest\nclass T(unittest.TestCase):\n    @pytest.mark.llmlog(max_token=5)\n    def test_it(self): pass\n"
    )
    result = suite.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*there is no such keyword*"])


def test_the_nearest_marker_counts_and_the_ini_file_is_last(suite: Suite) -> None:
    suite.ini("llmlog_budget = test.calls:1")
    suite.write(
        test_it=f"""{ASK}
pytestmark = pytest.mark.llmlog(max_calls=2)
def test_module():
    ask("1"); ask("2")

class TestIt:
    pytestmark = pytest.mark.llmlog(max_calls=3)
    def test_class(self):
        ask("1"); ask("2"); ask("3")
    @pytest.mark.llmlog(max_tokens=9999)
    def test_both(self):
        ask("1"); ask("2"); ask("3"); ask("4")
""",
        test_other=f"{ASK}\ndef test_ini():\n    ask('1'); ask('2')\n",
    )
    result = suite.run("--llmlog-mode=record")
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["*calls 4 > 3*", "*calls 2 > 1*"])


RUN = f"""{ASK}
@pytest.mark.parametrize("n", range(3))
def test_it(n):
    ask(f"Number {{n}}")
"""


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "xdist"])
def test_a_budget_of_the_run_fails_the_session(suite: Suite, workers: list[str]) -> None:
    suite.write(test_it=RUN)
    result = suite.run("--llmlog-mode=record", "--llmlog-budget", "calls:2", "--llmlog-budget", "tokens:1M", *workers)
    result.assert_outcomes(passed=3)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["*= llmlog: the run is over budget =*", "llmlog: over budget: calls 3 > 2 (measured now)", "*1  test_it.py::test_it*"]
    )
    result = suite.run("--llmlog-mode=replay", "--llmlog-budget", "calls:2", "-q", *workers)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*calls 3 > 2 (recorded)"])
    assert suite.run("--llmlog-mode=replay", "--llmlog-budget", "calls:3", *workers).ret == 0


def test_the_command_line_comes_before_the_ini_file(suite: Suite) -> None:
    suite.ini("llmlog_budget = calls:2 failures:0")
    suite.write(test_it=RUN)
    assert suite.run("--llmlog-mode=record").ret == 1
    assert suite.run("--llmlog-mode=replay", "--llmlog-budget=calls:3").ret == 0


def test_a_budget_that_cannot_be_read_is_a_usage_error(suite: Suite) -> None:
    suite.write(test_it=RUN)
    result = suite.run("--llmlog-budget", "money:5")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: llmlog_budget / --llmlog-budget 'money:5': 'money' is no metric; there are tokens,*"])


def test_a_test_that_fails_by_itself_shows_its_budget_too(suite: Suite) -> None:
    suite.write(test_it=f"{ASK}\n@pytest.mark.llmlog(max_calls=0)\ndef test_it():\n    ask('One')\n    assert 0, 'by itself'\n")
    result = suite.run("--llmlog-mode=live")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*by itself*", "*over budget: calls 1 > 0*"])
    # What was expected to fail is no excuse for the budget.
    suite.write(
        test_it=f"{ASK}\n@pytest.mark.xfail\n@pytest.mark.llmlog(max_calls=0)\ndef test_it():\n    ask('One')\n    assert 0\n"
    )
    suite.run("--llmlog-mode=live").assert_outcomes(failed=1)


def test_what_a_call_does_not_tell_is_shown(suite: Suite) -> None:
    suite.write(
        test_it=f"""{ASK}
@pytest.mark.llmlog(max_tokens=5)
def test_it(llmlog):
    for _ in openai.OpenAI().chat.completions.create(model="gpt-4o", messages=[{{"role": "user", "content": "Hi"}}], stream=True):
        pass
    llmlog.check(max_output_tokens=7)
"""
    )
    result = suite.run("--llmlog-mode=record")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines_random(
        [
            f"test_it.py::test_it: {name}: cannot be judged, 1 calls do not tell it*"
            for name in ("tokens at most 5", "output_tokens at most 7")
        ]
    )
