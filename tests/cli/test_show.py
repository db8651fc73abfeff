"""``llmlog show`` and ``llmlog tail``: calls to read, and new ones as they come."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logs import failure, lines, llmlog, record, rows, write
from pytest_llmlog import encode
from pytest_llmlog.log import LogWriter

CALLS = [
    record(0, test_id="tests/test_a.py::test_first", prompt="one"),
    record(
        9, test_id="tests/test_a.py::test_second[x%y]", prompt="user: two\n\nlines", response="Answer", cost_usd=0.002, cost_source="provider",
        usage={"input": 8, "output": 2, "cached_input": 4}, prompt_template="triage", input={"ticket": "fire"}, params={"temperature": 0},
        tool_calls=[{"id": None, "name": "open_ticket", "arguments": {"team": "it"}}], time_to_first_chunk_seconds=0.25,
    ),
    failure(5, test_id="tests/test_a.py::test_first", prompt="three", run_id="r2"),
    record(6, test_id="tests/test_a.py::test_first", prompt="four", run_id="r2"),
    record(5.5, test_id="tests/test_a.py::test_first", prompt="five", run_id="r2"),  # began before the one that ended first
]  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "calls.log", *CALLS)


@pytest.mark.parametrize(
    ("what", "numbers"),
    [
        ("last", [1]),
        (CALLS[0]["request_id"], [0]),
        (CALLS[2]["request_id"], [2]),
        ("tests/test_a.py::test_first", [2, 4, 3]),
        ("test_a.py::test_first", [2, 4, 3]),
        ("test_first", [2, 4, 3]),
        ("test_second[x%y]", [1]),
    ],
)
def test_one_call_by_id_or_last_and_all_of_a_tests_last_run(path: Path, what: str, numbers: list[int]) -> None:
    assert rows(llmlog("show", what, path, "--json")) == [CALLS[number] for number in numbers]


def test_the_calls_of_a_test_are_counted(path: Path) -> None:
    shown = llmlog("show", "test_first", path).stdout

    assert [line for line in shown.splitlines() if line.startswith("call ")] == ["call 1 of 3", "call 2 of 3", "call 3 of 3"]
    assert shown.index("three") < shown.index("five") < shown.index("four")
    assert "call 1" not in llmlog("show", "last", path).stdout


@pytest.mark.parametrize("what", ["nobody", "test_secon", "est_first"])
def test_none_is_exit_code_1(path: Path, what: str) -> None:
    result = llmlog("show", what, path)

    assert (result.exit_code, result.stderr) == (1, f"{what}: no such interaction\n")


def test_a_call_as_a_person_reads_it(path: Path) -> None:
    page = llmlog("show", "last", path).stdout

    for part in (
        "chat gpt-4o  openai  success", CALLS[1]["request_id"], "template        triage", 'params          {"temperature": 0}',
        'input\n  {"ticket": "fire"}', "prompt\n  user: two\n  \n  lines", "response\n  Answer", 'tool calls\n  open_ticket({"team": "it"})',
        "tokens   10 (8 in, 4 cached, 2 out)", "cost     $0.002 (provider)", "latency  1.00 s, first chunk 250 ms",
    ):  # fmt: skip
        assert part in page
    assert "error\n  RateLimitError Too many requests" in llmlog("show", "test_first", path).stdout


def test_the_last_ones_on_a_line_each(path: Path) -> None:
    shown = llmlog("tail", "-n", "4", path).stdout.splitlines()

    assert len(shown) == 4
    assert "ok   gpt-4o  triage  1.00 s  10 tokens  user: two lines → Answer" in shown[0]
    assert "FAIL gpt-4o" in shown[1]
    assert [json.loads(line) for line in llmlog("tail", "--json", "-n", "1", path).stdout.splitlines()] == [CALLS[-1]]
    assert llmlog("tail", "--where", "latency > 5s", path).stdout == ""


class Tail:
    """``llmlog tail -f --json`` in a process of its own."""

    def __init__(self, path: Path, *arguments: str) -> None:
        command = "from pytest_llmlog.cli import main; main()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", command, "tail", "-f", "--json", str(path), *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip

    def prompts(self, count: int) -> list[str]:
        assert self.process.stdout is not None
        killer = threading.Timer(30, self.process.kill)  # rather than wait for ever
        killer.start()
        try:
            return [json.loads(self.process.stdout.readline())["prompt"] for _ in range(count)]
        finally:
            killer.cancel()

    def end(self) -> tuple[int, bytes]:
        self.process.send_signal(signal.SIGINT)
        out, errors = self.process.communicate(timeout=30)
        assert out == b""
        return self.process.returncode, errors


@pytest.fixture
def tails() -> Iterator[Any]:
    started: list[Tail] = []

    def start(path: Path, *arguments: str) -> Tail:
        started.append(Tail(path, *arguments))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.communicate()


def test_following_goes_through_rotations_and_shows_every_record_once(tmp_path: Path, tails: Any) -> None:
    path = write(tmp_path / "calls.log", record(prompt="before"))
    tail = tails(path, "--where", "status = success")
    assert tail.prompts(1) == ["before"]  # whatever is written from here on is shown, however slow it is
    writer = LogWriter(path)

    for number in range(90):
        writer.write(encode.line(record(number, prompt=str(number))) + (encode.line(failure()) if number % 9 == 0 else b""))
        if number % 30 == 20:
            path.rename(tmp_path / f"calls.log.{number}")
            time.sleep(0.05 * (number // 30))
    writer.write(b'{"timestamp":"torn"\n' + encode.line(record(prompt="end")))
    writer.close()

    assert tail.prompts(91) == [*map(str, range(90)), "end"]
    assert tail.end() == (130, f"passed over: {path}:0: not JSON: Input data was truncated (byte 0)\n".encode())


def test_following_waits_for_the_log_and_for_the_end_of_a_line(tmp_path: Path, tails: Any) -> None:
    path = tmp_path / "later.log"
    tail = tails(path)
    with path.open("ab", buffering=0) as file:
        line = lines([record(prompt="whole")])
        file.write(line[:50])
        time.sleep(0.7)
        file.write(line[50:])

    assert tail.prompts(1) == ["whole"]


def test_following_goes_on_when_the_log_is_copied_away_and_cut_off(tmp_path: Path, tails: Any) -> None:
    path = write(tmp_path / "calls.log", record(prompt="before"))
    tail = tails(path)
    assert tail.prompts(1) == ["before"]
    with path.open("ab") as file:
        file.write(lines([record(1, prompt="late")]))
    (tmp_path / "calls.log.1").write_bytes(path.read_bytes())
    os.truncate(path, 0)
    with path.open("ab") as file:  # more than what was cut off, before anybody looks
        file.write(lines([record(2, prompt="after"), record(3, prompt="and after that")]))

    assert tail.prompts(3) == ["late", "after", "and after that"]


def test_following_takes_one_log(tmp_path: Path) -> None:
    path = write(tmp_path / "calls.log")

    result = llmlog("tail", "-f", path, path)

    assert (result.exit_code, result.stderr) == (
        2,
        "tail -f: name one log that is written as it is: no pattern, standard input, compressed file or Parquet\n",
    )
