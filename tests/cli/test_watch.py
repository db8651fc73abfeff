"""``llmlog watch``: alerts to standard output, a command or a webhook."""

from __future__ import annotations

import http.server
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

from logs import BEGIN, failure, lines, llmlog, record, rows, write
from pytest_llmlog.log import LogWriter

ALERT = "rate(status=failure) > 0.5 over 5m"
CALLS = [failure(0, prompt_template="\x1b[31mred"), record(1), record(2), record(3)]


def test_a_log_is_replayed_by_its_own_time(tmp_path: Path) -> None:
    path = write(tmp_path / "calls.log", *CALLS)

    shown = llmlog("watch", path, "--alert", ALERT, "--replay")
    found = rows(llmlog("watch", path, "--alert", ALERT, "--alert", "count() > 9 over 1m", "--replay", "--json"))

    assert shown.exit_code == 1
    first, cause, last = shown.stdout.splitlines()
    assert first == f"2026-02-25T06:13:21.000Z FIRING {ALERT}: 1 (1 calls)"
    assert cause == f"  {CALLS[0]['request_id']}  {CALLS[0]['timestamp']}  \\x1b[31mred  gpt-4o  RateLimitError  1.000 s"
    assert last == f"2026-02-25T06:13:22.000Z CLEARED {ALERT}: 0.5 (2 calls)"
    assert [(event["state"], event["alert"]) for event in found] == [("firing", ALERT), ("cleared", ALERT)]
    assert found[0]["causes"][0]["request_id"] == CALLS[0]["request_id"]
    assert llmlog("watch", path, "--alert", "count() > 9 over 1m", "--replay").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--alert", "p95(latency) >"], "--alert: the expression ends too early"),
        ([], "Missing option '--alert'"),
        (["--alert", ALERT, "--replay", "missing.log"], "missing.log: there is no such file"),
    ],
)
def test_a_wrong_use_is_explained(arguments: list[str], text: str) -> None:
    result = llmlog("watch", *arguments)

    assert result.exit_code == 2
    assert text in result.stderr


def test_a_command_gets_each_event_and_its_failure_ends_nothing(tmp_path: Path) -> None:
    path, out = write(tmp_path / "calls.log", *CALLS), tmp_path / "out"
    program = tmp_path / "program.py"
    program.write_text(
        f"import json, os, sys\n(line,) = sys.stdin.readlines()\nassert line.endswith(chr(10))\nevent = json.loads(line)\n"
        f"open({str(out)!r}, 'a').write(os.environ['LLMLOG_STATE'] + ' ' + event['alert'] + '\\n')\nsys.exit(3)\n",
        encoding="utf-8",
    )

    result = llmlog("watch", path, "--alert", ALERT, "--replay", "--exec", f"{sys.executable} '{program}'")
    missing = llmlog("watch", path, "--alert", ALERT, "--replay", "--exec", "/no/such/program")

    assert out.read_text().splitlines() == [f"firing {ALERT}", f"cleared {ALERT}"]
    assert result.stderr.count("exit code 3") == 2
    assert missing.exit_code == 1
    assert "--exec /no/such/program: " in missing.stderr


@pytest.fixture
def hook() -> Iterator[Any]:
    """A webhook on loopback that refuses the first try."""
    got: list[dict[str, Any]] = []
    tries = iter([503])

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = next(tries, 200)
            got.extend([json.loads(body)] if status == 200 else [])
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", got
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_webhook_gets_each_event_and_is_tried_again(tmp_path: Path, hook: Any) -> None:
    url, got = hook
    path = write(tmp_path / "calls.log", *CALLS)

    result = llmlog("watch", path, "--alert", ALERT, "--replay", "--webhook", url)

    assert [event["state"] for event in got] == ["firing", "cleared"]
    assert result.stderr == ""


def test_a_log_is_watched_as_it_is_written_and_the_clock_clears(tmp_path: Path) -> None:
    path = write(tmp_path / "calls.log", *CALLS)
    process = subprocess.Popen(
        [sys.executable, "-c", "from pytest_llmlog.cli import main; main()", "watch", str(path), "--json", "--alert", "count(status=failure) >= 2 over 2s"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    killer = threading.Timer(30, process.kill)
    killer.start()
    try:
        time.sleep(2)  # until it waits at the end
        writer = LogWriter(path)
        for _ in range(3):
            writer.write(lines([failure(time.time() - BEGIN, latency_seconds=0.0)]))
        writer.close()
        fired, cleared = (json.loads(process.stdout.readline()) for _ in range(2))
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        killer.cancel()

    assert (fired["state"], fired["value"], cleared["state"], cleared["value"]) == ("firing", 2.0, "cleared", 0.0)
    assert (process.returncode, errors) == (130, b"")
