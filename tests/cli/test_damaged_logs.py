"""A damaged log is read past its faults by every command, and each fault is named with the byte where it begins."""

from __future__ import annotations

import json
import re
import resource
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pytest_llmlog import encode
from pytest_llmlog.cli import main

FIXTURES = Path(__file__).parent.parent.parent / "fixtures"
RUN = "0123456789abcdef0123456789abcdef"
KEY = "sk-proj-" + "Ab3" * 14


def record(number: int, **more: Any) -> bytes:
    value = json.loads((FIXTURES / "valid" / "log-minimal.log").read_bytes().splitlines()[0])
    told = {"run_id": RUN, "request_id": f"{number:032x}", "test_id": f"test_a.py::test_{number}", "session_id": "s", **more}
    return encode.line({**value, **told})


DAMAGE = {
    "torn": record(90)[:70] + b"\n",
    "glued": record(91)[:70],
    "nul": b"\x00" * 5000 + b"\n",
    "utf-8": record(92).replace(b"test_92", b"test_\xff\xfe"),
    "mark": b"\xef\xbb\xbf",
    "twice": record(93).replace(b'"status":', b'"status":"failure","status":', 1),
    "number": b"[1]\n",
    "deep": b"[" * 100_000 + b"\n",
    "huge": b'{"timestamp":' + b"9" * 1_000_000 + b"}\n",
    "long": b'{"timestamp":"' + b"x" * 40_000_000 + b'"}\n',
}
FAULTY = [name for name in DAMAGE if name != "mark"]


@pytest.fixture
def damaged(tmp_path: Path) -> tuple[Path, dict[str, int]]:
    """A log with every damage, each between two records, and the byte at which each begins."""
    data, places = [record(0)], {}
    for number, (name, damage) in enumerate(DAMAGE.items(), start=1):
        places[name] = sum(map(len, data))
        data += [damage, record(number)]
    path = tmp_path / "llm.log"
    path.write_bytes(b"".join(data))
    return path, places


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def bytes_named(text: str) -> set[int]:
    return {int(found) for found in re.findall(r"\(byte (\d+)\)$", text, re.MULTILINE)}


def test_validate_reads_all_records_and_names_each_fault(damaged: tuple[Path, dict[str, int]]) -> None:
    path, places = damaged
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = run("validate", path)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1].startswith(f"{len(DAMAGE) + 1} valid, ")
    assert bytes_named(result.stdout) == {places[name] for name in FAULTY}
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000  # KB: no line is kept whole for long


@pytest.mark.parametrize("command", ["gate", "diff"])
def test_commands_that_compare_runs_pass_over_and_name_each_fault(damaged: tuple[Path, dict[str, int]], command: str) -> None:
    path, places = damaged
    arguments = (path, "--baseline", path) if command == "gate" else (path, path)
    result = run(command, *arguments, *(("--json",) if command == "gate" else ()))
    assert result.exit_code == 0, result.output
    assert bytes_named(result.stderr) == {places[name] for name in FAULTY}
    if command == "gate":
        assert len(json.loads(result.stdout)["tests"]) == len(DAMAGE) + 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("stats",),
        ("stats", "--engine=duckdb"),
        ("find", "hello"),
        ("show", "last"),
        ("tail", "-n", "50"),
        ("weird",),
        ("export", "--to=csv"),
    ],
)
def test_commands_that_ask_the_log_read_all_records_and_name_each_fault(
    damaged: tuple[Path, dict[str, int]], arguments: tuple[str, ...]
) -> None:
    path, places = damaged
    command, *options = arguments
    result = run(command, *options, path)
    assert result.exit_code in (0, 1), result.output
    # They read the columns they need, the last value of a key that is there twice: finding that takes reading all of every line.
    assert bytes_named(result.stderr) == {places[name] for name in FAULTY if name != "twice"}


def test_secrets_are_found_and_cleaned_between_faults(damaged: tuple[Path, dict[str, int]]) -> None:
    path, _ = damaged
    with path.open("ab") as file:
        file.write(record(99, prompt=f"my key {KEY}"))
    number = path.read_bytes().count(b"\n")
    scanned = run("scan", path)
    assert scanned.exit_code == 1
    assert f"{path}:{number}:" in scanned.stdout
    cleaned = run("redact", path)
    assert (cleaned.exit_code, cleaned.stdout) == (0, f"{path}: 1 replaced\n")
    assert KEY.encode() not in path.read_bytes()
    assert run("validate", path).stdout.splitlines()[-1].startswith(f"{len(DAMAGE) + 2} valid, ")
