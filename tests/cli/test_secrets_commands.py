"""``llmlog scan`` and ``llmlog redact``: secrets in old files are listed by place, and taken out."""

from __future__ import annotations

import base64
import gzip
import json
import os
import stat
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pytest_llmlog import encode, matching, validation, wire
from pytest_llmlog.cli import main
from pytest_llmlog.golden import Golden
from pytest_llmlog.log import LogWriter
from pytest_llmlog.playback import open_queue
from pytest_llmlog.shapes import MASK
from pytest_llmlog.traffic import Exchange, Request, Response
from unit.test_golden import ask, interaction

KEY = "sk-proj-" + "Ab3" * 14
FIXTURES = Path(__file__).parent.parent.parent / "fixtures"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def record(**more: Any) -> bytes:
    value = json.loads((FIXTURES / "valid" / "log-minimal.log").read_bytes().splitlines()[0])
    return encode.line({**value, **more})


def old_golden(path: Path, request: Request, response: Response | None = None) -> Path:
    """A golden as one was saved before keys were looked for."""
    answered = response or Response(200, {"content-type": "application/json"}, [(0.1, b'{"answer": 1}')])
    call = interaction(1, request, wire=wire.dump(Exchange(request, answered)))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode.golden_bytes(Golden(1, "test_a.py::test_a", interactions=(call,))))
    return path


@pytest.mark.parametrize(
    ("secret", "shown"),
    [
        (KEY, "sk-proj"),
        ("AKIA" + "Q3" * 8, "AKIAQ3Q3"),
        (base64.b64encode(f"key={KEY}".encode()).decode(), "in base64"),
        ("v4lue-of-it-9", "a credential of the environment"),
    ],
)
def test_scan_names_file_line_column_and_kind_and_never_the_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str, shown: str
) -> None:
    monkeypatch.setenv("MY_API_KEY", "v4lue-of-it-9")
    path = tmp_path / "llm.log"
    line = record(prompt=f"it is {secret}, yes")
    path.write_bytes(record() + line)
    result = run("scan", path)
    assert result.exit_code == 1
    first, count = result.stdout.splitlines()
    assert first == f"{path}:2:{line.decode().index(secret) + 1}: {shown}"
    assert count == "1 found"
    assert secret not in result.output


def test_scan_walks_folders_and_passes_over_what_is_no_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = (
        ".llmlog/llm_interactions.log",
        ".llmlog/runs/1.json",
        "tests/goldens/a/b.json.new",
        "cassettes/a.yaml",
        "node_modules/a.json",
        "a.py",
    )
    for name in files:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"key: {KEY}\n")
    found = [line.partition(":")[0] for line in run("scan").stdout.splitlines()]
    assert sorted(found[:-1]) == sorted(files[:4])
    assert found[-1] == "4 found"


@pytest.mark.parametrize("text", ["Forget the password, please.", "How many tokens? token=5", "sk-short", "a" * 500])
def test_scan_finds_nothing_in_prose(tmp_path: Path, text: str) -> None:
    path = tmp_path / "llm.log"
    path.write_bytes(record(prompt=text))
    assert (run("scan", path).exit_code, run("scan", path).stdout) == (0, "0 found\n")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "llm.log"
    path.write_bytes(record(prompt=KEY))
    for command in ("scan", "redact"):
        result = run(command, tmp_path / "missing.log", path)
        assert result.exit_code == 2
        assert "missing.log: cannot be read" in result.stderr
    assert KEY.encode() not in path.read_bytes()  # the others are done all the same


def test_redact_cleans_a_log_in_place_and_keeps_the_rest_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "llm.log"
    torn = record(prompt=f"torn {KEY}")[:-30] + b"\n"
    path.write_bytes(record() + record(prompt=f"it is {KEY}", redacted=1) + torn + record(model="m"))
    path.chmod(0o600)
    assert run("redact", path).stdout == f"{path}: 2 replaced\n"
    lines = path.read_bytes().splitlines(keepends=True)
    assert (lines[0], lines[3]) == (record(), record(model="m"))
    cleaned = json.loads(lines[1])
    assert (cleaned["prompt"], cleaned["redacted"]) == (f"it is {MASK}", 2)
    assert validation.is_valid(cleaned)
    assert lines[2] == torn.replace(KEY.encode(), MASK.encode())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.stat().st_ino
    assert run("redact", path).stdout == f"{path}: 0 replaced\n"
    assert path.stat().st_ino == before
    assert [each.name for each in tmp_path.iterdir()] == ["llm.log"]


def test_a_log_that_is_being_written_loses_no_line_to_its_cleaning(tmp_path: Path) -> None:
    path = tmp_path / "llm.log"
    path.write_bytes(record(prompt=KEY) * 200)
    writer, stop, written = LogWriter(path), threading.Event(), 0

    def write() -> None:
        nonlocal written
        while not stop.is_set():
            writer.write(record(request_id=f"{written:032x}"))
            written += 1
            time.sleep(0.0005)

    thread = threading.Thread(target=write)
    thread.start()
    for _ in range(5):
        assert run("redact", path).exit_code == 0
    stop.set()
    thread.join()
    writer.close()
    assert KEY.encode() not in path.read_bytes()
    ids = [json.loads(line)["request_id"] for line in path.read_bytes().splitlines()]
    wanted = [f"{number:032x}" for number in range(written)]
    assert sorted(each for each in ids if int(each, 16) < written) == wanted
    assert len(ids) == 200 + written


def test_a_golden_that_was_cleaned_replays_the_request_with_and_without_the_key(tmp_path: Path) -> None:
    path = old_golden(tmp_path / "goldens" / "a" / "test_a.json", ask(f"use {KEY}"))
    assert "is_there" not in path.name
    assert run("redact", path).stdout.startswith(f"{path}: ")
    assert KEY not in path.read_text()
    clean = ask(f"use {MASK}")
    queue = open_queue(path)
    assert queue is not None
    found = queue.take(matching.key(clean))
    assert found is not None
    assert found.recorded.request_hash == matching.key(clean)
    assert run("validate", path).exit_code == 0


def test_a_key_over_two_events_of_a_golden_is_found_and_cleaned(tmp_path: Path) -> None:
    def event(text: str) -> bytes:
        return b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}).encode() + b"\n\n"

    response = Response(200, {"content-type": "text/event-stream"}, [(0.1, event(f"a {KEY[:20]}")), (0.2, event(f"{KEY[20:]} b"))])
    path = old_golden(tmp_path / "goldens" / "a" / "test_a.json", ask("hi"), response)
    scanned = run("scan", path)
    assert scanned.exit_code == 1
    assert f"{path}:" in scanned.stdout
    assert run("redact", path).exit_code == 0
    text = path.read_text()
    assert KEY[8:20] not in text
    assert MASK in text
    assert run("scan", path).exit_code == 0


def test_a_damaged_golden_is_left_as_it_is(tmp_path: Path) -> None:
    path = old_golden(tmp_path / "goldens" / "a" / "test_a.json", ask(KEY))
    path.write_bytes(path.read_bytes()[:-20])
    before = path.read_bytes()
    result = run("redact", path)
    assert result.exit_code == 2
    assert "damaged" in result.stderr
    assert path.read_bytes() == before


def test_a_golden_whose_answer_was_cleaned_keeps_its_request(tmp_path: Path) -> None:
    answered = Response(200, {"content-type": "application/json"}, [(0.1, json.dumps({"answer": KEY}).encode())])
    path = old_golden(tmp_path / "goldens" / "a" / "test_a.json", ask("hi"), answered)
    before = json.loads(path.read_bytes())["interactions"][0]
    assert run("redact", path).exit_code == 0
    after = json.loads(path.read_bytes())["interactions"][0]
    assert after["wire"]["request"] == before["wire"]["request"]
    assert after["request_hash"] == before["request_hash"]
    assert after["wire"]["response"]["body"]["json"] == {"answer": MASK}
    queue = open_queue(path)
    assert queue is not None
    assert queue.take_exact(ask("hi")) is not None


def test_redact_cleans_what_a_link_points_to(tmp_path: Path) -> None:
    path, link = tmp_path / "real.log", tmp_path / "link.log"
    path.write_bytes(record(prompt=f"it is {KEY}"))
    link.symlink_to(path)
    assert run("redact", link).stdout == f"{link}: 1 replaced\n"
    assert link.is_symlink()
    assert KEY.encode() not in path.read_bytes()


def test_a_pipe_does_not_keep_a_command_waiting(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.log"
    os.mkfifo(pipe)
    for command in ("scan", "redact"):
        result = run(command, pipe)
        assert result.exit_code == 2
        assert "pipe.log: cannot be read" in result.stderr
        assert "is no ordinary file" in result.stderr
    assert (run("scan", tmp_path).exit_code, run("scan", tmp_path).stdout) == (0, "0 found\n")


PEM = "-----BEGIN PRIVATE KEY-----\n  " + "\n  ".join(["Ab3d" * 16] * 4) + "\n  -----END PRIVATE KEY-----\n"
HEX = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("text", "line", "shape"),
    [
        (f"headers:\n  authorization:\n  - Basic {base64.b64encode(b'bob:hunter22x').decode()}\n", 3, "authorization"),
        (f"headers:\n  api-key:\n  - {HEX}\n", 3, "api-key"),
        (f"headers:\n  x-api-key:\n  - {HEX}\n", 3, "api-key"),
        ("headers:\n  cookie:\n  - session=abcdefabcdef0123\n", 3, "cookie"),
        (
            "a: !!binary |\n  " + base64.encodebytes(gzip.compress(KEY.encode(), mtime=0)).decode().replace("\n", "\n  "),
            2,
            "in gzip",
        ),
        ("a: !!binary |\n  " + base64.encodebytes(b"pad " * 30 + KEY.encode()).decode().replace("\n", "\n  "), 2, "in base64"),
        (f"a: |\n  {PEM}", 2, "-----BEGIN PRI"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_scan_finds_what_cassettes_spread_over_lines(tmp_path: Path, text: str, line: int, shape: str, packed: bool) -> None:
    path = tmp_path / ("A.YAML" + ".gz" * packed)
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    result = run("scan", tmp_path)
    assert result.exit_code == 1, result.output
    assert result.stdout.startswith(f"{path}:{line}:")
    assert shape in result.stdout
    assert result.stdout.endswith("\n1 found\n")


def test_a_cassette_without_credentials_is_clean(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("a = 1\n")
    (tmp_path / "a.yaml").write_text("headers:\n  authorization:\n  - DUMMY\n  cookie:\n  - '[REDACTED]'\n  Accept:\n  - a/b\n")
    assert run("scan", tmp_path).stdout == "0 found\n"
    (tmp_path / "a.toml").write_text(f'a = "{KEY}"\n')
    assert run("scan", tmp_path).exit_code == 1


def test_redact_cleans_the_golden_that_a_link_points_to(tmp_path: Path) -> None:
    path = old_golden(tmp_path / "goldens" / "a" / "test_a.json", ask(f"use {KEY}"))
    link = tmp_path / "test_a.json"
    link.symlink_to(path)
    assert run("redact", link).exit_code == 0
    assert link.is_symlink()
    assert KEY not in path.read_text()


def test_a_link_to_itself_is_named(tmp_path: Path) -> None:
    link = tmp_path / "loop.log"
    link.symlink_to(link)
    for command in ("scan", "redact"):
        assert run(command, link).exit_code == 2
