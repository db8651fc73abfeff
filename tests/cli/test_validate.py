"""``llmlog validate``: every fault named by line, JSON path and reason; exit code 0, 1 or 2."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cramjam
import pytest
from click.testing import CliRunner, Result

from pytest_llmlog import encode
from pytest_llmlog.cli import main
from pytest_llmlog.errors import GoldenError
from pytest_llmlog.playback import open_queue

FIXTURES = Path(__file__).parent.parent.parent / "fixtures"
VALID = sorted((FIXTURES / "valid").iterdir())
INVALID = sorted((FIXTURES / "invalid").iterdir())
GOOD = FIXTURES / "valid" / "log-founding.log"
GOLDEN = FIXTURES / "valid" / "golden-plain.json"


def validate(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["validate", *map(str, arguments)], input=stdin, catch_exceptions=False)


def rows(result: Result) -> list[dict[str, Any]]:
    return [json.loads(row) for row in result.stdout.splitlines()]


def name_of(path: Path) -> str:
    return path.name


@pytest.mark.parametrize("path", VALID, ids=name_of)
def test_a_valid_file_is_counted(path: Path) -> None:
    lines = sum(bool(line.removeprefix(b"\xef\xbb\xbf").strip()) for line in path.read_bytes().splitlines())

    result = validate(path)

    assert (result.exit_code, result.stdout) == (0, f"{lines if path.suffix == '.log' else 1} valid, 0 faults\n")
    assert result.stderr == ""


@pytest.mark.parametrize("path", INVALID, ids=name_of)
def test_an_invalid_file_gives_one_fault_and_exit_code_1(path: Path) -> None:
    result = validate(path)

    assert result.exit_code == 1
    *faults, counts = result.stdout.splitlines()
    assert len(faults) == 1
    assert counts.endswith(" valid, 1 faults")
    assert faults[0].startswith(f"{path}:2: $" if path.suffix == ".log" else f"{path}: $")


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("log-tokens-negative.log", ":2: $.tokens: -1 is less than the minimum of 0"),
        ("log-missing-timestamp.log", ":2: $: 'timestamp' is a required property"),
        ("log-failure-without-error.log", ":2: $: 'error' is a required property"),
        ("log-status-unknown.log", ":2: $.status: 'maybe' is not one of ['success', 'failure']"),
        ("log-message-without-role.log", ":2: $.messages[0]: 'role' is a required property"),
        ("golden-newer-version.json", ": $.golden_version: 1 was expected"),
        ("golden-without-wire.json", ": $.interactions[0]: 'wire' is a required property"),
        ("golden-without-version.json", ": $: 'golden_version' is a required property"),
        (
            "golden-event-before-request.json",
            ": $.interactions[0].wire.response.body.events[0][0]: -0.2 is less than the minimum of 0",
        ),
    ],
)
def test_a_fault_names_file_line_path_and_reason(name: str, fault: str) -> None:
    path = FIXTURES / "invalid" / name

    second = path.read_bytes().index(b"\n") + 1
    at = f" (byte {second})" if path.suffix == ".log" else ""
    assert validate(path).stdout.splitlines()[0] == f"{path}{fault}{at}"


@pytest.mark.parametrize("name", ["log-torn-line.log", "log-not-utf8.log", "log-nul-bytes.log", "log-number-nan.log"])
def test_a_line_that_is_no_json_is_named_and_the_lines_after_it_are_read(name: str) -> None:
    path = FIXTURES / "invalid" / name

    fault, counts = validate(path).stdout.splitlines()

    second = path.read_bytes().index(b"\n") + 1
    assert re.fullmatch(rf"{re.escape(str(path))}:2: \$: (not JSON: .*|\d+ NUL bytes) \(byte {second}\)", fault)
    assert counts == ("3 valid, 1 faults" if "torn" in name else "2 valid, 1 faults")


@pytest.mark.parametrize(
    "content",
    [
        GOLDEN.read_bytes()[:-20],
        GOLDEN.read_bytes().replace(b"How do", b"How \xff", 1),
        b'{"golden_version": 1, "test_id": "a", "interactions": ' + b"[" * 100_000,
        b"\x00" * 300,
        b"",
    ],
    ids=["cut", "not UTF-8", "deep", "NUL", "empty"],
)
def test_a_damaged_golden_is_one_fault(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "test_a.json"
    path.write_bytes(content)

    result = validate(path)

    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 2
    assert result.stdout.startswith(str(path))


@pytest.mark.parametrize("suffix", [".json", ".json.new"])
def test_a_golden_is_judged_as_one_whatever_the_order_of_its_keys(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"test_a{suffix}"
    value = json.loads(GOLDEN.read_bytes())
    path.write_text(json.dumps({name: value[name] for name in reversed(list(value))}, indent=1), encoding="utf-8")

    assert (validate(path).exit_code, validate(path).stdout) == (0, "1 valid, 0 faults\n")


@pytest.mark.parametrize(
    "change", [lambda text: text.replace(b"1.132", b"NaN"), lambda text: text.replace(b"1.132", b"1e400")], ids=["NaN", "1e400"]
)
def test_a_golden_that_replay_cannot_read_is_not_called_valid(tmp_path: Path, change: Any) -> None:
    path = tmp_path / "test_a.json"
    path.write_bytes(change(GOLDEN.read_bytes()))
    with pytest.raises(GoldenError):
        queue = open_queue(path)
        assert queue is not None
        queue.unplayed(teardown=True)

    assert validate(path).exit_code == 1


def test_a_recording_under_review_is_a_golden(tmp_path: Path) -> None:
    path = tmp_path / "test_a.json.new"
    shutil.copy(FIXTURES / "invalid" / "golden-without-wire.json", path)

    result = validate(path)

    assert result.exit_code == 1
    assert result.stdout.splitlines()[0] == f"{path}: $.interactions[0]: 'wire' is a required property"


def test_every_fault_of_every_line_is_named(tmp_path: Path) -> None:
    good = GOOD.read_bytes().splitlines(keepends=True)[0]
    record = json.loads(good)
    path = tmp_path / "calls.log"
    path.write_bytes(
        b"\n"
        + encode.line({**record, "tokens": -1, "stream": "no"})
        + good
        + good[:200]
        + b"\n"
        + encode.line({**record, "usage": {"input": "many", "source": "provider"}})
        + good
    )

    result = validate(path)

    places = [row.removeprefix(str(path)).split(": ")[:2] for row in result.stdout.splitlines()]
    assert places[:-1] == [[":2", "$.stream"], [":2", "$.tokens"], [":4", "$"], [":5", "$.usage.input"]]
    assert result.stdout.splitlines()[-1] == "2 valid, 4 faults"
    assert result.exit_code == 1


def test_all_files_are_read_and_counted_together() -> None:
    result = validate(
        GOOD, FIXTURES / "invalid" / "log-tokens-negative.log", GOLDEN, FIXTURES / "invalid" / "golden-newer-version.json"
    )

    first, second, counts = result.stdout.splitlines()
    assert "log-tokens-negative.log:2: $.tokens" in first
    assert "golden-newer-version.json: $.golden_version" in second
    assert counts == "5 valid, 2 faults"
    assert result.exit_code == 1


@pytest.mark.parametrize("name", ["missing.log", "missing.json", "."])
def test_a_file_that_cannot_be_read_is_named_and_gives_2(tmp_path: Path, name: str) -> None:
    result = validate(tmp_path / name)

    assert result.exit_code == 2
    assert result.stderr.startswith(f"{tmp_path / name}: cannot be read: ")
    assert result.stdout == "0 valid, 0 faults\n"


def test_a_missing_file_outranks_a_fault_and_the_other_files_are_read(tmp_path: Path) -> None:
    result = validate(tmp_path / "missing.log", FIXTURES / "invalid" / "log-attempt-zero.log", GOOD)

    assert result.exit_code == 2
    assert "missing.log: cannot be read" in result.stderr
    assert "log-attempt-zero.log:2: $.attempt" in result.stdout
    assert result.stdout.splitlines()[-1] == "4 valid, 1 faults"


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: bytes(cramjam.zstd.compress(data))], ids=["gzip", "zstandard"])
def test_a_compressed_log_is_read_and_one_that_ends_early_is_named(tmp_path: Path, pack: Any) -> None:
    whole, cut = tmp_path / "calls.log.1", tmp_path / "calls.log.2"
    whole.write_bytes(pack(GOOD.read_bytes()))
    cut.write_bytes(pack(GOOD.read_bytes())[:-9])

    assert validate(whole).exit_code == 0
    result = validate(tmp_path / "calls.log.*")
    assert result.exit_code == 2
    assert f"{cut}: cannot be read: " in result.stderr


def test_no_file_is_a_wrong_use() -> None:
    result = validate()

    assert result.exit_code == 2
    assert "FILES" in result.stderr


def test_json_gives_one_object_a_fault_and_the_counts() -> None:
    path = FIXTURES / "invalid" / "log-tokens-negative.log"
    offset = path.read_bytes().index(b"\n") + 1

    result = validate("--json", path)

    assert rows(result) == [
        {"file": str(path), "line": 2, "offset": offset, "path": "$.tokens", "reason": "-1 is less than the minimum of 0"},
        {"valid": 2, "faults": 1},
    ]
    assert result.exit_code == 1


def test_json_of_a_golden_has_no_line() -> None:
    path = FIXTURES / "invalid" / "golden-newer-version.json"

    assert rows(validate("--json", path)) == [
        {"file": str(path), "line": None, "offset": None, "path": "$.golden_version", "reason": "1 was expected"},
        {"valid": 0, "faults": 1},
    ]


def test_json_of_valid_files_is_the_counts_alone(tmp_path: Path) -> None:
    assert rows(validate("--json", GOOD, GOLDEN)) == [{"valid": 3, "faults": 0}]
    assert rows(validate("--json", tmp_path / "missing.log")) == [{"valid": 0, "faults": 0}]


@pytest.mark.parametrize(
    ("stdin", "code", "output"),
    [
        (GOOD.read_bytes(), 0, "2 valid, 0 faults\n"),
        (b"", 0, "0 valid, 0 faults\n"),
        (b"\xef\xbb\xbf\n" + GOOD.read_bytes(), 0, "2 valid, 0 faults\n"),
        (GOOD.read_bytes() + b"[]\n", 1, "<stdin>:3: $: [] is not of type 'object' (byte 2359)\n2 valid, 1 faults\n"),
    ],
)
def test_a_dash_is_the_standard_input(stdin: bytes, code: int, output: str) -> None:
    result = validate("-", stdin=stdin)

    assert (result.exit_code, result.stdout) == (code, output)


def llmlog(*arguments: str | Path, stdin: bytes = b"", **environ: str) -> subprocess.CompletedProcess[bytes]:
    """Run the installed script as a user does."""
    script = shutil.which("llmlog", path=str(Path(sys.executable).parent))
    assert script, "the package is not installed with its script"
    return subprocess.run(
        [script, *map(str, arguments)], input=stdin, capture_output=True, timeout=60, check=False, env={**os.environ, **environ}
    )


@pytest.mark.parametrize(
    ("path", "code"),
    [(GOOD, 0), (FIXTURES / "invalid" / "log-torn-line.log", 1), (FIXTURES / "missing.log", 2)],
    ids=["fine", "a fault", "missing"],
)
def test_the_script_gives_the_exit_code(path: Path, code: int) -> None:
    done = llmlog("validate", path)

    assert done.returncode == code
    assert b"Traceback" not in done.stderr
    assert b" faults" in done.stdout


def test_the_script_reads_the_standard_input() -> None:
    done = llmlog("validate", "--json", "-", stdin=GOOD.read_bytes())

    assert (done.returncode, json.loads(done.stdout)) == (0, {"valid": 2, "faults": 0})


def test_the_script_prints_any_text_on_an_ascii_terminal(tmp_path: Path) -> None:
    record = {**json.loads(GOOD.read_bytes().splitlines()[0]), "status": "日本 🙂"}
    path = tmp_path / "calls.log"
    path.write_bytes(encode.line(record))

    done = llmlog("validate", path, PYTHONIOENCODING="ascii")

    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert b"$.status" in done.stdout
