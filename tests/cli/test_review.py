"""``llmlog review``, ``accept`` and ``reject``: from a real recording that waits to the golden it becomes."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from conftest import Suite
from e2e.test_modes import ASK
from pytest_llmlog import validation
from pytest_llmlog.cli import main

TESTS = f"""{ASK}
@pytest.mark.llmlog(regress={{"input_tokens": 0}})
@pytest.mark.parametrize("who", ["a", "b"])
def test_it(who):
    ask(f"Who is {{who}}?" + os.environ.get("MORE", ""))
"""
A, B = "test_it.py::test_it[a]", "test_it.py::test_it[b]"


@pytest.fixture
def waiting(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> Iterator[Suite]:
    """Two goldens, and beside each a recording with a longer prompt."""
    suite.write(test_it=TESTS)
    suite.run("--llmlog-mode=record").assert_outcomes(passed=2)
    suite.run("--llmlog-mode=record", MORE=" Tell me more.\x1b[2J").assert_outcomes(failed=2)
    monkeypatch.chdir(suite.path)
    assert len(list(suite.path.rglob("*.json.new"))) == 2
    yield suite


def llmlog(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


def pending(suite: Suite) -> list[str]:
    return sorted(path.name for path in suite.path.rglob("*.json.new"))


def golden(suite: Suite, name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((suite.path / "goldens" / "test_it" / name).read_text())
    return found


def test_without_a_terminal_it_shows_and_asks_nothing(waiting: Suite) -> None:
    result = llmlog("review")
    assert result.exit_code == 1
    for line in (A, "  call 1: chat gpt-4o: Who is a? Tell me more.\\x1b[2J: prompt changed", "    -Who is a?", "2 waiting"):
        assert line in result.output.splitlines()
    assert any(line.startswith("  tokens ") and "→" in line for line in result.output.splitlines())
    assert "\x1b" not in result.output
    assert len(pending(waiting)) == 2
    assert llmlog("review", "goldens/nowhere").exit_code == 2


def test_an_accepted_recording_is_the_golden_with_its_reason(waiting: Suite) -> None:
    result = llmlog("accept", A, "--reason", "it should tell more")
    assert (result.exit_code, result.output) == (0, f"accepted: {A}\n")
    assert golden(waiting, "test_it[a].json")["reason"] == "it should tell more"
    assert validation.is_valid(golden(waiting, "test_it[a].json"), "golden")
    assert pending(waiting) == ["test_it[b].json.new"]
    waiting.run("--llmlog-mode=replay", MORE=" Tell me more.\x1b[2J").assert_outcomes(passed=1, failed=1)
    # The next recording has no reason yet.
    waiting.run("--llmlog-mode=record", "-k", "[a]").assert_outcomes(passed=1)
    assert "reason" not in golden(waiting, "test_it[a].json")


def test_a_rejected_recording_is_gone_and_the_golden_stays(waiting: Suite) -> None:
    before = golden(waiting, "test_it[b].json")
    assert llmlog("reject", "goldens/test_it/test_it[b].json").exit_code == 0
    assert golden(waiting, "test_it[b].json") == before
    assert pending(waiting) == ["test_it[a].json.new"]
    assert llmlog("accept", "--all").output == f"accepted: {A}\n"
    assert llmlog("review").exit_code == 0


def test_nothing_is_done_when_one_name_is_not_known(waiting: Suite) -> None:
    for names, text in (([A, "test_other"], "'test_other' is not among the recordings that wait:"), (["nothing"], A)):
        result = llmlog("accept", *names)
        assert result.exit_code == 2
        assert text in result.output
    assert len(pending(waiting)) == 2
    assert llmlog("accept").exit_code == 2
    assert llmlog("accept", "--all", A).exit_code == 2
    assert llmlog("accept", "test_it[a]").exit_code == 0


def test_a_damaged_recording_is_named_and_nothing_is_done(waiting: Suite) -> None:
    path = waiting.path / "goldens" / "test_it" / "test_it[a].json.new"
    path.write_text("{")
    for command in (["review"], ["accept", "--all"], ["reject", B]):
        result = llmlog(*command)
        assert result.exit_code == 2
        assert "test_it[a].json.new: $: damaged, not JSON" in result.output
    assert len(pending(waiting)) == 2


def in_a_terminal(suite: Suite, typed: str, *arguments: str, **environ: str) -> tuple[int, str]:
    """Run the command in a pseudo terminal, and type."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", "from pytest_llmlog.cli import main; main()", *arguments]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=suite.path, env={**os.environ, **environ})
    os.close(theirs)
    os.write(ours, typed.encode())
    shown = b""
    while True:
        try:
            data = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not data:
            break
        shown += data
    os.close(ours)
    return process.wait(timeout=30), shown.decode()


def test_in_a_terminal_it_asks(waiting: Suite) -> None:
    code, shown = in_a_terminal(waiting, "x\na\nbecause\ns\n", "review", TERM="xterm")
    assert code == 1
    assert "[a]ccept, [r]eject, [s]kip, [q]uit" in shown
    assert "\x1b[31m" in shown  # colours
    assert "\x1b[2J" not in shown  # not the recording's
    assert golden(waiting, "test_it[a].json")["reason"] == "because"
    assert pending(waiting) == ["test_it[b].json.new"]
    code, shown = in_a_terminal(waiting, "\x04", "review", NO_COLOR="1")
    assert (code, pending(waiting)) == (1, ["test_it[b].json.new"])
    assert "\x1b[3" not in shown
    code, _ = in_a_terminal(waiting, "r\n", "review", str(Path("goldens")))
    assert (code, pending(waiting)) == (0, [])
