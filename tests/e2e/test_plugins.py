"""Beside pytest's own options and other plugins."""

from __future__ import annotations

from conftest import Suite
from e2e.test_modes import ASK

MANY = f"""{ASK}
@pytest.fixture(scope="session")
def shared():
    return ask("shared")

@pytest.mark.parametrize("number", range(6))
def test_it(llmlog, shared, number):
    assert ask(f"number {{number}}")
    assert len(llmlog) == 1
"""


def test_xdist_workers_share_one_log_and_one_run(suite: Suite) -> None:
    suite.write(test_it=MANY)
    result = suite.run("--llmlog-mode=record", "-n2")
    result.assert_outcomes(passed=6)
    records = suite.records()
    assert sorted(record["prompt"] for record in records if record["prompt"] != "shared") == [f"number {n}" for n in range(6)]
    assert len({record["run_id"] for record in records}) == 1
    assert {record["worker_id"] for record in records} == {"gw0", "gw1"}
    result.stdout.fnmatch_lines(["*8 calls: 8 live*", "*goldens: *created*"])
    assert len(suite.goldens()) == 7

    replayed = suite.replay_offline("-n2")
    replayed.assert_outcomes(passed=6)
    replayed.stdout.fnmatch_lines(["*8 calls: 8 replayed*"])
    suite.replay_offline().assert_outcomes(passed=6)


def test_xdist_reports_a_refused_call_on_its_test(suite: Suite) -> None:
    suite.write(test_it=MANY)
    suite.run().assert_outcomes(passed=6)
    suite.write(test_it=MANY.replace('f"number {number}"', '"number 3"'))
    result = suite.replay_offline("-n2")
    result.assert_outcomes(passed=1, failed=5)
    result.stdout.fnmatch_lines(["*not in the golden*"])


def test_a_part_of_the_suite_deletes_nothing(suite: Suite) -> None:
    suite.write(test_it=MANY)
    suite.run().assert_outcomes(passed=6)
    before = set(suite.goldens())
    suite.run("--llmlog-mode=record", "-k", "2").assert_outcomes(passed=1, deselected=5)
    assert set(suite.goldens()) == before
    suite.replay_offline("-k", "2 or 4").assert_outcomes(passed=2, deselected=4)


FAILING = f"""{ASK}
def test_a():
    ask("a")

def test_b():
    ask("b")

def test_c():
    ask("c")
"""


def test_exit_first_and_last_failed_see_a_refused_call(suite: Suite) -> None:
    suite.write(test_it=FAILING)
    suite.run().assert_outcomes(passed=3)
    suite.write(test_it=FAILING.replace('ask("b")', 'ask("changed")'))
    suite.replay_offline("-x").assert_outcomes(passed=1, failed=1)
    # --lf keeps its list in the cache, which the other runs here go without.
    suite.run("--llmlog-mode=replay", "-p", "cacheprovider").assert_outcomes(passed=2, failed=1)
    suite.run("--llmlog-mode=replay", "-p", "cacheprovider", "--lf").assert_outcomes(failed=1)


def test_junit_has_the_violation(suite: Suite) -> None:
    suite.write(test_it=FAILING)
    suite.run().assert_outcomes(passed=3)
    suite.write(test_it=FAILING.replace('    ask("b")', "    pass"))
    suite.replay_offline("--junitxml=report.xml").assert_outcomes(passed=2, failed=1)
    report = (suite.path / "report.xml").read_text()
    assert 'failures="1"' in report
    assert "1 of 1 recorded calls not made" in report


RERUN = f"""{ASK}
import pathlib
def test_it(llmlog):
    tries = pathlib.Path("tries")
    count = int(tries.read_text()) + 1 if tries.exists() else 1
    tries.write_text(str(count))
    ask("same")
    assert len(llmlog) == 1
    assert count % 3 == 0
"""


def test_reruns_start_afresh_and_only_the_passing_one_is_kept(suite: Suite) -> None:
    suite.write(test_it=RERUN)
    result = suite.run("--llmlog-mode=record", "--reruns", "2")
    result.assert_outcomes(passed=1)
    assert len(suite.records()) == 3
    assert len(suite.goldens()["test_it.json"]["interactions"]) == 1
    suite.replay_offline("--reruns", "2").assert_outcomes(passed=1)
    assert not (suite.path / "goldens" / "test_it" / "test_it.json.new").exists()


def test_a_refused_call_is_rerun_like_any_failure(suite: Suite) -> None:
    suite.write(test_it=FAILING)
    suite.run().assert_outcomes(passed=3)
    suite.write(test_it=FAILING.replace('ask("b")', 'ask("changed")'))
    result = suite.replay_offline("--reruns", "1", "-k", "test_b")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*1 rerun*"])


def test_a_skipped_test_saves_nothing(suite: Suite) -> None:
    suite.write(test_it=f"{ASK}\ndef test_it():\n    ask('x')\n    pytest.skip('enough')\n".replace("import", "import pytest,", 1))
    suite.run("--llmlog-mode=auto").assert_outcomes(skipped=1)
    assert not suite.goldens()


def test_quiet_and_without_calls_there_is_no_summary(suite: Suite) -> None:
    suite.write(test_it=FAILING + "\ndef test_none():\n    pass\n")
    result = suite.run("-k", "none")
    result.assert_outcomes(passed=1, deselected=3)
    assert "- llmlog -" not in result.stdout.str()
    assert "- llmlog -" not in suite.run("-q").stdout.str()
    assert "- llmlog -" in suite.run().stdout.str()
