"""What all reading commands share: sources, formats, help, exit codes, colours, pipes, a progress bar."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import pty
import shutil
import subprocess
import sys
import time
from pathlib import Path

import cramjam
import pytest

from logs import failure, lines, llmlog, record, rows, write
from pytest_llmlog.cli import main

LLMLOG = [sys.executable, "-c", "from pytest_llmlog.cli import main; main()"]
CALLS = [record(number, prompt=f"question {number}", cost_usd=0.01) for number in range(3)]


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_has_an_example(name: str) -> None:
    result = llmlog(name, "--help")

    assert result.exit_code == 0
    assert f"Example: llmlog {name}" in " ".join(result.stdout.split())
    assert "\\b" not in result.stdout  # the sign that keeps a list's lines apart


def calls_of(*arguments: str | Path, stdin: bytes | None = None) -> int:
    return sum(row["calls"] for row in rows(llmlog("stats", "--json", *arguments, stdin=stdin)))


@pytest.mark.parametrize(
    "pack", [bytes, gzip.compress, lambda data: bytes(cramjam.zstd.compress(data))], ids=["plain", "gzip", "zstandard"]
)
@pytest.mark.parametrize("engine", ["stream", "duckdb"])
def test_standard_input_is_read_as_it_is_packed(pack, engine: str) -> None:
    done = subprocess.run(
        [*LLMLOG, "stats", "-", "--json", "--engine", engine], input=pack(lines(CALLS)), capture_output=True, timeout=60, check=True
    )

    assert json.loads(done.stdout)["calls"] == 3
    assert done.stderr == b""


def test_patterns_name_several_files_each_once(tmp_path: Path) -> None:
    for name in ("a.log", "b.log", "c.txt"):
        write(tmp_path / name, *CALLS)

    assert calls_of(tmp_path / "*.log", tmp_path / "a.log") == 6


def test_the_default_is_the_log_of_this_directory_with_what_was_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".llmlog").mkdir()
    write(tmp_path / ".llmlog" / "llm_interactions.log", *CALLS)
    (tmp_path / ".llmlog" / "llm_interactions.log.1.gz").write_bytes(gzip.compress(lines(CALLS)))

    assert calls_of() == 6


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["stats", "missing.log"], "missing.log: there is no such file"),
        (["stats", "*.none"], "*.none: nothing matches"),
        (["stats", "."], ".: cannot be read: Is a directory"),
        (["stats"], "llm_interactions.log: there is no such file"),
        (["find", "a", "missing.log"], "missing.log: there is no such file"),
        (["show", "last", "missing.log"], "missing.log: there is no such file"),
        (["tail", "missing.log"], "missing.log: there is no such file"),
        (["stats", "a.log", "--where", "latncy > 3"], "--where: 'latncy' is no field"),
        (["stats", "a.log", "--since", "yesterday"], "--since yesterday: expected 30m, 12h, 7d"),
        (["stats", "a.log", "--engine", "oracle"], "--engine oracle: expected auto"),
    ],
)
def test_what_cannot_be_done_is_named_and_gives_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.log", *CALLS)

    result = llmlog(*arguments)

    assert result.exit_code == 2
    assert text in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("command", [["stats"], ["find", "question"], ["tail"], ["show", "last"]], ids=lambda command: command[0])
def test_malformed_lines_are_skipped_counted_and_the_first_is_named(tmp_path: Path, command: list[str]) -> None:
    path = tmp_path / "calls.log"
    path.write_bytes(lines(CALLS[:2]) + b"oops\n" + lines(CALLS[2:]) + b'{"timestamp":"torn')

    result = llmlog(*command, path)

    assert result.exit_code == 0
    assert f"passed over: {path}:3: not JSON" in result.stderr
    assert f"(byte {len(lines(CALLS[:2]))})" in result.stderr


def test_since_is_a_time_ago_or_a_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "calls.log", record(0), record(3600), record(90_000))
    monkeypatch.setattr("pytest_llmlog.clock.now", lambda: 1_772_000_000.0 + 90_060)

    counts = [
        calls_of(path, "--since", since)
        for since in ("2m", "1d", "36h", "2026-02-26", "2026-02-25T07:00:00", "2026-02-25T08:00+01:00")
    ]

    assert counts == [1, 1, 3, 1, 2, 2]


def test_csv_is_read_back_and_starts_no_formula(tmp_path: Path) -> None:
    path = write(tmp_path / "calls.log", record(prompt='=HYPERLINK("x")', response='a "b",\nc'))

    result = llmlog("find", "a", path, "--csv")

    (row,) = csv.DictReader(io.StringIO(result.stdout))
    assert (row["prompt"], row["response"], row["tokens"], row["error"]) == ('\'=HYPERLINK("x")', 'a "b",\nc', "10", "")


HOSTILE = "\x1b[2J\x1b]0;owned\x07 \u202egnp.exe [red]markup[/red] \r over"


@pytest.mark.parametrize(
    "command", [["stats", "--by", "template"], ["find", "owned"], ["tail"], ["show", "last"]], ids=lambda each: each[0]
)
def test_what_a_model_said_cannot_steer_the_terminal(tmp_path: Path, command: list[str]) -> None:
    path = write(tmp_path / "calls.log", record(prompt=HOSTILE, response=HOSTILE, prompt_template=HOSTILE))

    result = llmlog(*command, path)

    assert result.exit_code == 0
    assert not {"\x1b", "\x07", "\u202e", "\r"} & set(result.stdout)
    assert "[red]markup" in result.stdout


def test_a_reader_that_has_seen_enough_ends_the_program_silently(tmp_path: Path) -> None:
    path = write(tmp_path / "calls.log", *(record(number, session_id=f"s{number}") for number in range(20_000)))

    process = subprocess.Popen(
        [*LLMLOG, "stats", str(path), "--by", "session", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    process.stdout.close()

    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(30) == 141


def on_terminal(*arguments: str, **environ: str) -> str:
    """What the command writes to a terminal, on both streams."""
    ours, theirs = pty.openpty()
    variables = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "CI", "FORCE_COLOR", "COLUMNS")}
    process = subprocess.Popen([*LLMLOG, *arguments], stdout=theirs, stderr=theirs, env={**variables, "TERM": "xterm", **environ})
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:  # the end of a terminal
        pass
    os.close(ours)
    assert process.wait(30) == 0
    return shown.decode()


def test_colours_only_on_a_terminal_and_not_where_nobody_wants_them(tmp_path: Path) -> None:
    path = write(tmp_path / "calls.log", failure())

    assert "\x1b[" in on_terminal("tail", str(path))
    assert "\x1b[" not in on_terminal("tail", str(path), NO_COLOR="1")
    assert "\x1b[" not in on_terminal("stats", str(path), NO_COLOR="1")


def test_a_table_that_is_wider_than_the_terminal_is_shown_row_below_row(tmp_path: Path) -> None:
    calls = [failure(number, error_type=f"A{'rather' * number}LongError", model=f"m{number}") for number in range(3)]
    path = write(tmp_path / "calls.log", *calls)

    narrow, wide = (on_terminal("stats", str(path), COLUMNS=width).replace("\r", "").splitlines() for width in ("60", "250"))

    assert max(map(len, narrow)) <= 60
    assert [line.split() for line in narrow[:3]] == [["model", "m0"], ["calls", "1"], ["failures", "1", "(1×", "ALongError)"]]
    assert sum(not line.strip() for line in narrow) == 2
    assert any(line.split()[:2] == ["m0", "1"] for line in wide)


@pytest.mark.parametrize(
    "command",
    [["stats"], ["validate"], ["tail"], ["export", "--to", "csv"], ["gate", "--baseline", "{quick}"]],
    ids=lambda each: each[0],
)
def test_a_progress_bar_for_what_takes_over_a_second(tmp_path: Path, command: list[str]) -> None:
    slow = tmp_path / "slow.log"
    os.mkfifo(slow)
    quick = write(tmp_path / "quick.log", *CALLS)

    feeder = subprocess.Popen(
        [sys.executable, "-c", "import sys, time; f = open(sys.argv[1], 'wb'); time.sleep(2); f.close()", str(slow)]
    )
    try:
        shown = on_terminal(*(each.format(quick=quick) for each in command), str(slow))
    finally:
        feeder.wait(30)

    assert "reading" in shown
    assert "reading" not in on_terminal("stats", str(quick))


def test_a_log_is_read_while_it_is_written(tmp_path: Path) -> None:
    path = write(tmp_path / "calls.log", *CALLS)
    with path.open("ab") as writer:
        for number in range(5):
            writer.write(lines([record(number)]))
            writer.flush()
            assert calls_of(path) == 4 + number


@pytest.mark.parametrize(
    "command",
    [["stats"], ["find", "question"], ["tail"], ["show", "last"], ["weird"], ["export", "--to", "csv"]],
    ids=lambda command: command[0],
)
def test_a_line_that_is_still_being_written_is_no_fault(tmp_path: Path, command: list[str]) -> None:
    path = tmp_path / "calls.log"
    path.write_bytes(lines(CALLS) + lines(CALLS[:1])[:90])

    result = llmlog(command[0], *command[1:2], path, *command[2:]) if command[0] in ("find", "show") else llmlog(*command, path)

    assert result.exit_code == 0
    assert "passed over" not in result.stderr
    assert llmlog("validate", path).exit_code == 1  # which checks that a log is whole


COMPLETE = """
eval "$(_LLMLOG_COMPLETE=bash_source llmlog)"
complete -p llmlog
for words in 'llmlog sta' 'llmlog stats --eng' 'llmlog export --to open'; do
    COMP_WORDS=($words) COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 )) COMPREPLY=()
    _llmlog_completion llmlog "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
    echo "${COMPREPLY[@]}"
done
"""


def test_bash_itself_completes_commands_options_and_choices() -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    done = subprocess.run(
        ["bash", "-c", COMPLETE], env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.splitlines()[1:] == ["stats", "--engine", "openinference openai-jsonl openai-batch openai-stored"]
    assert "_llmlog_completion" in done.stdout
    assert done.stderr == ""


def test_shells_complete_commands_and_options() -> None:
    variables = {**os.environ, "_LLMLOG_COMPLETE": "bash_complete", "COMP_WORDS": "llmlog sta", "COMP_CWORD": "1"}
    script = shutil.which("llmlog", path=str(Path(sys.executable).parent))
    assert script is not None

    done = subprocess.run([script], env=variables, capture_output=True, text=True, timeout=30, check=True)

    assert done.stdout == "plain,stats\n"


def test_start_up_is_quick(tmp_path: Path) -> None:
    """Nothing heavy is imported for a small question."""
    path = write(tmp_path / "calls.log", *CALLS)
    source = f"import sys; from click.testing import CliRunner; from pytest_llmlog.cli import main; CliRunner().invoke(main, ['stats', {str(path)!r}, '--json']); print(*sys.modules)"

    begin = time.perf_counter()
    loaded = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=True).stdout.split()

    assert time.perf_counter() - begin < 10
    assert not {"duckdb", "ibis", "pytest", "rich.console", "deepdiff", "jsonschema", "genai_prices"} & set(loaded)


def test_compressed_runs_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = lines([record(test_id="test_a.py::test_a", response="old")])
    (tmp_path / "before.log.gz").write_bytes(gzip.compress(before))
    (tmp_path / "now.log.zst").write_bytes(
        bytes(cramjam.zstd.compress(lines([record(test_id="test_a.py::test_a", response="new")])))
    )
    (tmp_path / "cut.log.gz").write_bytes(gzip.compress(before)[:-20])

    assert llmlog("diff", "before.log.gz", "before.log.gz").exit_code == 0
    assert "-old" in llmlog("diff", "before.log.gz", "now.log.zst").stdout.replace("- ", "-").replace("'", "")
    assert llmlog("diff", "before.log.gz", "cut.log.gz").exit_code == 2
    assert "cut.log.gz:1: the compressed file ends early" in llmlog("gate", "cut.log.gz", "--baseline", "before.log.gz").stderr


PACKS = {
    "plain": bytes,
    "gz": gzip.compress,
    "zst": lambda data: bytes(cramjam.zstd.compress(data)),
}


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The log of two runs of a test, the second of which asks for more and is still being written; the halves of a third."""
    monkeypatch.chdir(tmp_path)
    test = {"test_id": "test_a.py::test_a", "usage": {"input": 8, "output": 2}}
    one, two = record(0, run_id="aaaa1", **test), record(10, run_id="bbbb2", **{**test, "usage": {"input": 9, "output": 2}})
    late = record(5, run_id="aaaa1", **test)  # of the first run, which goes on while the second one does
    (tmp_path / "base.log").write_bytes(lines([one]))
    for name, pack in PACKS.items():
        (tmp_path / f"head.log.{name}").write_bytes(
            pack(lines([one, two, {**late, "timestamp": two["timestamp"]}]) + lines([two])[:60])
        )
    write(tmp_path / "part.log.1", two)  # the newer one, as logrotate names them
    write(tmp_path / "part.log.2", one, late)
    assert llmlog("compact", tmp_path / "part.log.2", "--keep").exit_code == 0
    return tmp_path


JUDGED = "test_a.py::test_a: regressed: input_tokens 8 → 9 (+12 %), allowed 0 (baseline base.log, measured now)"


@pytest.mark.parametrize("name", [*(f"head.log.{name}" for name in PACKS), "head.log.p*", "part.log.[12]", "part.log.*[1t]"])
def test_the_last_run_of_any_log_is_judged(runs: Path, name: str) -> None:
    result = llmlog("gate", "last", "--log", name, "--baseline", "base.log", "--fail", "input_tokens:0")

    assert (result.exit_code, result.stdout.splitlines()[0], result.stderr) == (1, JUDGED, "")


@pytest.mark.parametrize("pack", PACKS.values(), ids=PACKS)
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["gate", "-", "--baseline", "base.log", "--fail", "input_tokens:0"], JUDGED),
        (["gate", "last", "--log", "-", "--baseline", "base.log", "--fail", "input_tokens:0"], JUDGED),
        (["gate", "base.log", "--baseline", "-", "--budget", "test.calls:1", "--fail", "calls:0"], "1 tests: all hold"),
        (["diff", "base.log", "-"], "  input_tokens 8 → 9"),
        (["diff", "-", "base.log"], "  input_tokens 9 → 8"),
    ],
)
def test_one_side_may_come_by_standard_input(runs: Path, arguments: list[str], text: str, pack) -> None:
    result = llmlog(*arguments, stdin=pack((runs / "part.log.1").read_bytes()))

    assert text in result.stdout.splitlines()
    assert result.stderr == ""


@pytest.mark.parametrize("name", [*(f"head.log.{name}" for name in PACKS), "part.log.[12]", "part.log.2.parquet", "-"])
def test_a_report_is_made_of_any_log(runs: Path, name: str) -> None:
    result = llmlog("report", name, "--baseline", "base.log", "-o", "out.json", stdin=(runs / "part.log.1").read_bytes())

    assert (result.exit_code, result.output) == (0, "report: out.json\n")
    first = "parquet" in name
    assert json.loads((runs / "out.json").read_bytes())["run_id"] == ("aaaa1" if first else "bbbb2")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["gate", "-", "--baseline", "-"], "-: standard input can be read once"),
        (["diff", "-", "last", "--log", "-"], "-: standard input can be read once"),
        (["diff", "none*.log", "base.log"], "none*.log: nothing matches"),
        (["gate", "cccc", "--log", "part.log.[12]", "--baseline", "base.log"], "there is no such run in part.log.[12]"),
        (["report", "-", "--baseline", "-", "-o", "a.json"], "-: standard input can be read once"),
    ],
)
def test_what_cannot_be_compared_is_named(runs: Path, arguments: list[str], text: str) -> None:
    result = llmlog(*arguments, stdin=b"")

    assert (result.exit_code, result.stdout) == (2, "")
    assert text in result.stderr


KEY = "sk-proj-" + "Ab3" * 14


@pytest.mark.parametrize("pack", PACKS.values(), ids=PACKS)
@pytest.mark.parametrize(
    ("command", "code", "told"),
    [
        (["validate", "-"], 0, "3 valid, 0 faults"),
        (["validate", "{}.log"], 0, "3 valid, 0 faults"),
        (["validate", "*.parquet"], 0, "3 valid, 0 faults"),
        (["weird", "-"], 0, "0 stand out"),
        (["find", "question", "-"], 0, "3 found"),
        (["show", "last", "-"], 0, "question 2"),
        (["tail", "-"], 0, "question 2"),
        (["tail", "-n", "1", "{}.*"], 0, "question 2"),
        (["export", "--to", "csv", "-"], 0, "question 2"),
        (["scan", "-"], 1, "-:2:"),
        (["scan", "*.log"], 1, "{}.log:2:"),
        (["scan", "*.parquet"], 1, "{}.log.parquet:2:"),
        (["scan", "-", "--json"], 1, '{{"file": "-", "line": 2, '),
        (["scan", "{}.log", "--csv"], 1, "file,line,column,shape\n{}.log,2,"),
        (["watch", "-", "--replay", "--alert", "count() > 2 over 1h"], 1, "FIRING count() > 2 over 1h: 3 (3 calls)"),
        (["watch", "*.log", "--replay", "--alert", "count() > 2 over 1h"], 1, "FIRING"),
        (["find", "--like", "{}.log:1", "{}.log"], 0, "2 found"),
        (["find", "--like", "{}.log.parquet:1", "{}.log", "--json"], 0, "question 1"),
    ],
    ids=lambda each: " ".join(each[:2]) if isinstance(each, list) else "",
)
def test_every_reading_command_takes_any_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], code: int, told: str, pack
) -> None:
    monkeypatch.chdir(tmp_path)
    keyed = [CALLS[0], {**CALLS[1], "response": KEY}, CALLS[2]]
    (tmp_path / "calls.log").write_bytes(pack(lines(keyed)))
    assert llmlog("compact", "calls.log", "--keep").exit_code == 0

    result = llmlog(*(each.format("calls") for each in command), stdin=pack(lines(keyed)))

    assert (result.exit_code, told.format("calls") in result.stdout) == (code, True), result.output
    assert result.stderr.replace("3 exported\n", "") == ""


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (["redact", "-"], "redact: standard input has no place of its own\n  fix: name the file"),
        (["recover", "--log", "-"], "recover: standard input has no place of its own"),
        (["prune", "--log", "-"], "prune: standard input has no place of its own"),
        (["import", "-"], "import: standard input has no place of its own"),
        (["tail", "-f", "-"], "tail -f: name one log that is written as it is"),
        (["tail", "-f", "*.log"], "tail -f: name one log that is written as it is"),
        (["watch", "-", "--alert", "count() > 1 over 1m"], "watch: name one log that is written as it is"),
        (["watch", "packed.log.gz", "--alert", "count() > 1 over 1m"], "watch: name one log that is written as it is"),
        (["export", "--to", "csv", "-", "--follow"], "--follow and --state: name one log that is written as it is"),
        (["export", "--to", "csv", "--state", "state", "a.log", "b.log"], "--follow and --state: name one log"),
        (["redact", "packed.log.gz"], "packed.log.gz: cannot be read or written: is compressed or Parquet"),
        (["find", "--like", "*.l*:1"], "--like *.l*:1: names 2 files; give one"),
    ],
    ids=lambda each: " ".join(each[:2]) if isinstance(each, list) else "",
)
def test_what_is_changed_or_followed_is_one_file_with_a_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "calls.log", *CALLS)
    (tmp_path / "packed.log.gz").write_bytes(gzip.compress(lines(CALLS)))

    result = llmlog(*command, stdin=b"")

    assert (result.exit_code, result.stdout) == (2, "")
    assert text in result.stderr
