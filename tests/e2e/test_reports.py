"""What a run leaves for people and for CI: the terminal, reports, annotations, JUnit; and the same from the stored run."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from conftest import Suite
from e2e.test_modes import ASK
from e2e.test_regressions import answer, git
from pytest_llmlog import validation
from pytest_llmlog.cli import main

DESK = f"""{ASK}
import pytest

@pytest.mark.llmlog(regress={{"input_tokens": "0"}})
def test_worse():
    ask("What is up?" + os.environ.get("MORE", ""))

@pytest.mark.llmlog(max_tokens=1)
def test_dear():
    ask("One long question that costs more than it may")

def test_same():
    ask("Same?")

def test_quiet():
    pass
"""
SECRET = "Whistle twice at the north gate"


def recorded(suite: Suite) -> None:
    """Two commits' worth of a suite: goldens on main, and a longer prompt now."""
    suite.write(test_it=DESK.replace("max_tokens=1", "max_tokens=1000"))
    suite.run("--llmlog-mode=record").assert_outcomes(passed=4)
    git(suite, "init", "-q", "-b", "main")
    git(suite, "add", ".")
    git(suite, "commit", "-qm", "one")
    suite.write(test_it=DESK)


def section(result: pytest.RunResult) -> list[str]:
    text = result.stdout.str()
    found = re.search(r"(?s)\n-+ llmlog -+\n(.*?)\n=+ ", text)
    return found[1].splitlines() if found else []


def test_the_terminal_tells_what_got_worse_and_why(suite: Suite) -> None:
    recorded(suite)
    result = suite.run("--llmlog-mode=live", "--llmlog-budget=calls:9", "--color=no", MORE=" Tell me more.", COLUMNS="60")
    shown = section(result)
    assert shown[0].startswith("3 calls: 3 live")
    assert "p50" in " ".join(shown[:3])
    assert any("budget: calls 6 of 9 left" in line for line in shown[:4])
    assert "violations: 1 regression, 1 budget" in shown
    place = next(
        number for number, line in enumerate(shown) if line.startswith("  test_it.py::test_worse: regressed: input_tokens")
    )
    assert shown[place + 1] == "    call 1: chat gpt-4o: What is up? Tell me more.: prompt changed"
    table = shown[
        shown.index(next(line for line in shown if line.startswith("regressed "))) : shown.index(
            "violations: 1 regression, 1 budget"
        )
    ]
    assert all(len(line) <= 60 for line in table)
    assert [line.split()[0] for line in table if line[0] != " "] == ["regressed", "tests"]
    assert sum("test_it.py::test_worse" in line for line in table) == 1
    assert "\x1b" not in result.stdout.str()
    assert "test_quiet" not in "\n".join(shown)
    whole = section(suite.run("--llmlog-mode=live", "--tb=no", MORE=" Tell me more."))
    assert [part.count("    +What is up? Tell me more.") for part in (shown, whole)] == [1, 1]
    assert whole.count("      +What is up? Tell me more.") == 1  # with the violation, for pytest shows no failures


def test_quiet_and_nothing_without_a_call(suite: Suite) -> None:
    recorded(suite)
    assert section(suite.replay_offline("-q", "-k", "same")) == []
    assert "llmlog" not in re.sub(r"llmlog: mode.*|plugins: .*", "", suite.run("-k", "quiet").stdout.str())
    colored = suite.run("--llmlog-mode=live", "--color=yes", MORE=" Tell me more.").stdout.str()
    assert "\x1b[31mviolations: 1 regression, 1 budget\x1b[0m" in colored


def test_what_models_say_does_not_steer_the_terminal_or_github(suite: Suite) -> None:
    suite.write(
        test_it=f"{ASK}\nimport pytest\n@pytest.mark.llmlog(regress={{'response': True}})\ndef test_it(llmlog):\n    ask('Hi')\n"
    )
    suite.run("--llmlog-mode=record")
    hostile = "fine\n::error::owned\n\x1b[2J\x1b[31m\u202egnp.exe"
    for arguments in (["-v"], ["--tb=no"]):
        assert suite.server is not None
        suite.server.push(answer(hostile))
        result = suite.run("--llmlog-mode=live", "--color=no", *arguments, GITHUB_ACTIONS="true")
        text = result.stdout.str()
        result.assert_outcomes(failed=1)
        assert "\x1b" not in text
        assert "\u202e" not in text
        commands = [line for line in text.splitlines() if line.lstrip().startswith("::")]
        assert len(commands) == 1
        assert commands[0].startswith("::error file=test_it.py,line=")
        assert "owned" in commands[0]


@pytest.mark.parametrize("arguments", [[], ["-n2"]], ids=["one process", "xdist"])
def test_reports_of_a_run_and_of_the_stored_run_are_the_same(
    suite: Suite, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(suite)
    asked = [f"--llmlog-report=out/now.{kind}" for kind in ("html", "md", "json")]
    result = suite.run("--llmlog-mode=live", *asked, *arguments, MORE=" Tell me more.")
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["llmlog report: out/now.html", "llmlog report: out/now.md", "llmlog report: out/now.json"])
    monkeypatch.chdir(suite.path)
    again = CliRunner().invoke(
        main, ["report", "last", *(part for kind in ("html", "md", "json") for part in ("-o", f"out/again.{kind}"))]
    )
    assert (again.exit_code, again.output.count("report: out/again")) == (0, 3), again.output
    for kind in ("md", "json", "html"):
        first, second = ((suite.path / "out" / f"{name}.{kind}").read_text(encoding="utf-8") for name in ("now", "again"))
        assert first == second
    value = json.loads((suite.path / "out" / "now.json").read_text(encoding="utf-8"))
    assert validation.faults(value, "report") == []
    assert [(test["test_id"], test["verdict"], test["changed"]) for test in value["tests"]] == [
        ("test_it.py::test_worse", "regressed", ["prompt, answer"]),
        ("test_it.py::test_dear", "over budget", []),
        ("test_it.py::test_same", "unchanged", []),
    ]
    assert value["tests"][0]["before"]["input_tokens"] < value["tests"][0]["figures"]["input_tokens"]
    assert (value["tests"][0]["file"], value["tests"][0]["line"] > 1, value["tests"][0]["outcome"]) == (
        "test_it.py",
        True,
        "failed",
    )
    assert len(value["trend"]) == 2
    text = (suite.path / "out" / "now.md").read_text(encoding="utf-8")
    assert text.startswith("## llmlog: 1 regressed, 1 over budget\n")
    assert "<details><summary>1 test unchanged</summary>" in text


def test_head_against_base_after_a_recording(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """The golden that a run has just replaced is compared with the committed one."""
    recorded(suite)
    suite.write(
        test_it=DESK.replace("max_tokens=1", "max_tokens=1000").replace(
            "@pytest.mark.llmlog(regress", "@pytest.mark.llmlog(runs=1) #"
        )
    )
    suite.run("--llmlog-mode=record", "--llmlog-report=r.json", MORE=" Tell me more.").assert_outcomes(passed=4)
    monkeypatch.chdir(suite.path)
    assert CliRunner().invoke(main, ["report", "last", "--baseline", "git:main", "-o", "comment.md"]).exit_code == 0
    text = Path("comment.md").read_text(encoding="utf-8")
    assert "1 changed" in text.splitlines()[0]
    assert "| changed | prompt, answer |" in text
    assert "\n+    What is up? Tell me more.\n" in text
    value = json.loads(Path("r.json").read_text(encoding="utf-8"))
    assert [test["verdict"] for test in value["tests"]] == ["changed", "unchanged", "unchanged"]
    suite.write(test_it=DESK.split("@pytest.mark.llmlog(max_tokens=1)")[0])
    suite.run("--llmlog-mode=live")
    assert CliRunner().invoke(main, ["report", "last", "--baseline", "git:main", "-o", "comment.md"]).exit_code == 0
    assert "2 missing" in Path("comment.md").read_text(encoding="utf-8")


def test_github_gets_annotations_and_a_summary(suite: Suite, tmp_path: Path) -> None:
    recorded(suite)
    summary = suite.path / "summary.md"
    summary.write_text("of the step before\n")
    variables = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary), "GITHUB_WORKSPACE": str(suite.path.parent)}
    result = suite.run("--llmlog-mode=live", MORE=" Tell me more.", **variables)
    name = suite.path.name
    result.stdout.fnmatch_lines(
        [f"::error file={name}/test_it.py,line=*,title=llmlog%3A test_it.py%3A%3Atest_worse::regressed: input_tokens *%0A*"]
    )
    assert summary.read_text(encoding="utf-8").startswith("of the step before\n## llmlog: 1 regressed, 1 over budget\n")
    before = summary.read_text(encoding="utf-8")
    suite.run("-k", "quiet", **variables)
    assert summary.read_text(encoding="utf-8") == before


def test_junit_has_the_run_as_well(suite: Suite) -> None:
    recorded(suite)
    suite.run("--llmlog-mode=live", "--llmlog-budget=calls:2", "--junitxml=junit.xml", MORE=" Tell me more.").assert_outcomes(
        passed=2, failed=2
    )
    top = next(iter(ET.parse(suite.path / "junit.xml").getroot()))
    assert top.attrib["failures"] == "3"
    properties = {entry.attrib["name"]: entry.attrib["value"] for entry in top.findall("properties/property")}
    assert float(properties["llmlog_calls"]) == 3
    cases = {case.attrib["name"]: case for case in top.iter("testcase")}
    failure = cases["budget 1"].find("failure")
    assert failure is not None
    assert failure.attrib["message"].startswith("llmlog: over budget: calls 3 > 2")
    assert cases["test_worse"].find("failure") is not None


def test_a_plugin_that_cannot_be_hashed_is_no_hindrance(suite: Suite) -> None:
    recorded(suite)
    plugin = "class Unhashable(dict):\n    pass\ndef pytest_configure(config):\n    config.pluginmanager.register(Unhashable(), 'unhashable')\n"
    conftest = suite.path / "conftest.py"
    conftest.write_text((conftest.read_text() if conftest.exists() else "") + "\n" + plugin)
    suite.run("--junitxml=junit.xml").stdout.no_fnmatch_line("*unhashable*")
    assert "llmlog_calls" in (suite.path / "junit.xml").read_text()


@pytest.mark.parametrize("content", ["hash", "none"])
def test_reports_say_no_more_than_the_log(suite: Suite, content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded(suite)
    suite.ini(f"llmlog_content = {content}", "llmlog_report = r.html r.md r.json")
    summary = suite.path / "summary.md"
    result = suite.run("--llmlog-mode=live", MORE=f" {SECRET}", GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary))
    commands = "\n".join(line for line in result.stdout.lines if line.startswith("::"))
    assert "::regression: input_tokens" in commands
    monkeypatch.chdir(suite.path)
    assert (
        CliRunner().invoke(main, ["report", "last", "--baseline", "git:main", "-o", "again.html", "-o", "again.md"]).exit_code == 0
    )
    written = [
        path.read_text(encoding="utf-8") for path in (*suite.path.glob("*.html"), *suite.path.glob("*.md"), suite.path / "r.json")
    ]
    assert len(written) == 6
    for text in (*written, commands):
        assert SECRET not in text
        assert "What is up" not in text
    assert "regressed" in written[-1]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--llmlog-report=r.pdf"], "*llmlog_report / --llmlog-report*r.pdf*has to end in .html, .md, .json*"),
        (["--llmlog-report=."], "*has to end in*"),
    ],
)
def test_a_report_that_cannot_be_made_is_a_usage_error_before_any_test(suite: Suite, arguments: list[str], told: str) -> None:
    suite.write(test_it=DESK)
    result = suite.run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([told])
    assert suite.records() == []


def test_a_report_that_cannot_be_written_fails_no_test(suite: Suite) -> None:
    recorded(suite)
    (suite.path / "file").write_text("")
    result = suite.run("--llmlog-mode=live", "-k", "same", "--llmlog-report=file/r.md")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["problem: the report could not be written: *file/r.md: cannot be written: *"])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["last"], "Missing option '-o' / '--output'"),
        (["last", "-o", "a.txt"], "--output 'a.txt': the name has to end in .html, .md, .json"),
        (["last", "-o", "a.md"], "cannot"),
        (["abcd1234", "-o", "a.md", "--log", "log"], "run 'abcd1234': there is no such run"),
    ],
)
def test_report_command_names_what_is_wrong(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("log").write_text("")
    result = CliRunner().invoke(main, ["report", *arguments])
    assert (result.exit_code, told in result.output) == (2, True), result.output
    assert not Path("a.md").exists()


def test_an_applications_log_makes_a_report_too(application: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert callable(application)
    application("import openai, pytest_llmlog\nwith pytest_llmlog.capture('app.log'):\n"
                "    openai.OpenAI().chat.completions.create(model='gpt-4o', messages=[{'role': 'user', 'content': 'From the shop'}])\n")  # fmt: skip
    monkeypatch.chdir(tmp_path)
    for run in (["app.log"], ["last", "--log", "app.log"]):
        result = CliRunner().invoke(main, ["report", *run, "-o", "r.json", "-o", "r.html"])
        assert result.exit_code == 0, result.output
        value = json.loads(Path("r.json").read_text())
        assert validation.faults(value, "report") == []
        assert (value["mode"], value["figures"]["calls"], value["tests"][0]["verdict"]) == ("log", 1, "no baseline")
        assert "From the shop" in Path("r.html").read_text(encoding="utf-8")


TOLD = """
import pytest_llmlog.status as status
status.INTERVAL = 0
"""


@pytest.mark.parametrize("arguments", [[], ["-v"], ["-n1"]], ids=["dots", "names", "xdist"])
def test_a_terminal_shows_how_far_a_recording_is(suite: Suite, arguments: list[str]) -> None:
    suite.write(
        conftest=TOLD, test_it=f"{ASK}\ndef test_a():\n    print('said')\n    ask('a'); ask('b')\ndef test_b():\n    ask('c')\n"
    )
    text = in_a_terminal(suite, *arguments)
    told = re.findall(r"(?m)^llmlog: \d live calls?(?:, \$[\d.]+)? so far", text)
    assert len(told) >= (2 if "-n1" in arguments else 3)
    assert told[-1].startswith("llmlog: 3 live calls, $")
    assert "said" not in text
    if arguments == ["-v"]:
        assert len(re.findall(r"(?m)^test_it\.py::test_[ab] PASSED +\[ *\d+%\]", text)) == 2
    assert "2 passed" in text


def test_a_status_is_shown_only_where_it_mixes_with_nothing(suite: Suite) -> None:
    suite.write(conftest=TOLD, test_it=f"{ASK}\ndef test_a():\n    ask('a')\n")
    for quiet in (["-q"], ["-s"]):
        assert "so far" not in in_a_terminal(suite, *quiet)
    assert "so far" not in suite.run("--llmlog-mode=record").stdout.str()


def in_a_terminal(suite: Suite, *arguments: str) -> str:
    master, slave = pty.openpty()
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--llmlog",
        "--llmlog-mode=record",
        "--color=no",
        "-p",
        "no:cacheprovider",
        *arguments,
    ]
    environ = {**os.environ, **suite.environ, "TERM": "xterm", "COLUMNS": "80"}
    running = subprocess.Popen(command, cwd=suite.path, env=environ, stdout=slave, stderr=slave, stdin=slave)
    os.close(slave)
    pieces = []
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        pieces.append(piece)
    running.wait(timeout=60)
    os.close(master)
    text = re.sub(r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)", "", b"".join(pieces).decode())
    return text.replace("\r\n", "\n")
