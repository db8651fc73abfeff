"""The log: lines that are written whole or not at all, reading past torn ones, and values as JSON text."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmlog import encode, log, validation
from pytest_llmlog.errors import LogError
from pytest_llmlog.log import LogWriter

FIXTURES = Path(__file__).parent.parent.parent / "fixtures"
posix = pytest.mark.skipif(os.name == "nt", reason="file modes and limits of POSIX")


def entry(number: int, size: int = 0) -> bytes:
    """A line that begins as every record does."""
    return encode.line({"timestamp": "2025-06-01T09:30:00.000Z", "number": number, "padding": "x" * size})


def read(data: bytes) -> list[log.Line]:
    return list(log.read(io.BytesIO(data)))


def numbers(data: bytes) -> list[int | None]:
    """The entries' numbers in order; None for what could not be read."""
    return [None if line.fault else line.value["number"] for line in read(data)]  # type: ignore[index]


# Writing.


@posix
@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o077])
def test_the_log_and_its_folder_are_the_owners_alone(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "logs" / "calls.log"
    before = os.umask(umask)
    try:
        LogWriter(path).close()
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@posix
def test_a_folder_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    folder.chmod(0o755)

    LogWriter(folder / "calls.log").close()

    assert stat.S_IMODE(folder.stat().st_mode) == 0o755


def test_missing_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c" / "calls.log"

    writer = LogWriter(path)
    writer.write(entry(1))
    writer.close()

    assert path.read_bytes() == entry(1)


def test_opening_again_keeps_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "calls.log"
    for number in (1, 2, 3):
        writer = LogWriter(path)
        writer.write(entry(number))
        writer.close()

    assert path.read_bytes() == entry(1) + entry(2) + entry(3)


@pytest.mark.parametrize("count", [0, 1, 2, 5000], ids=["none", "one", "two", "more than the system takes at once"])
def test_several_lines_are_written_in_order(tmp_path: Path, count: int) -> None:
    writer = LogWriter(tmp_path / "calls.log", fsync="always")
    writer.write(*map(entry, range(count)))
    writer.write(entry(count), failure=True)
    writer.close()

    assert numbers(writer.path.read_bytes()) == [*range(count), count]


@posix
@pytest.mark.parametrize("torn", [entry(2)[:40], entry(2)[:-1], b"\x00\x00", b"{"])
def test_a_torn_last_line_is_closed_on_opening(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "calls.log"
    path.write_bytes(entry(1) + torn)

    writer = LogWriter(path)
    writer.write(entry(3))
    writer.close()

    assert path.read_bytes() == entry(1) + torn + b"\n" + entry(3)


@pytest.mark.parametrize("content", [b"", entry(1), entry(1) + b"\n"])
def test_a_whole_file_is_opened_without_a_change(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "calls.log"
    path.write_bytes(content)

    LogWriter(path).close()

    assert path.read_bytes() == content


@posix
def test_after_a_rotation_the_next_line_goes_to_the_new_file(tmp_path: Path) -> None:
    path, rotated = tmp_path / "calls.log", tmp_path / "calls.log.1"
    writer = LogWriter(path)
    writer.write(entry(1))
    path.rename(rotated)
    writer.write(entry(2))
    writer.write(entry(3))
    writer.close()

    assert rotated.read_bytes() == entry(1)
    assert path.read_bytes() == entry(2) + entry(3)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@posix
def test_a_file_put_in_the_place_of_the_rotated_one_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "calls.log"
    writer = LogWriter(path)
    writer.write(entry(1))
    path.rename(tmp_path / "calls.log.1")
    path.write_bytes(entry(7))
    writer.write(entry(2))
    writer.close()

    assert path.read_bytes() == entry(7) + entry(2)


@posix
def test_a_deleted_folder_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "calls.log"
    writer = LogWriter(path)
    path.unlink()
    path.parent.rmdir()
    writer.write(entry(1))
    writer.close()

    assert path.read_bytes() == entry(1)


def block_the_folder(path: Path) -> Callable[[], None]:
    path.parent.rename(path.parent.with_name("moved"))
    path.parent.write_text("in the way")
    return path.parent.unlink


def block_the_file(path: Path) -> Callable[[], None]:
    path.rename(path.with_name("moved"))
    path.mkdir()
    return path.rmdir


@posix
@pytest.mark.parametrize("block", [block_the_folder, block_the_file])
def test_a_rotation_that_fails_does_not_stop_the_lines_after_it(
    tmp_path: Path, block: Callable[[Path], Callable[[], None]]
) -> None:
    path = tmp_path / "logs" / "calls.log"
    writer = LogWriter(path)
    writer.write(entry(1))
    unblock = block(path)
    for number in (2, 3):
        with pytest.raises((OSError, LogError), match=r"calls\.log"):
            writer.write(entry(number))
    unblock()

    writer.write(entry(4))
    writer.close()

    assert path.read_bytes() == entry(4)


@posix
@pytest.mark.parametrize("block", [block_the_folder, block_the_file])
def test_a_rotation_that_fails_leaves_other_files_of_the_process_alone(
    tmp_path: Path, block: Callable[[Path], Callable[[], None]]
) -> None:
    path = tmp_path / "logs" / "calls.log"
    writer = LogWriter(path)
    block(path)
    with pytest.raises((OSError, LogError)):
        writer.write(entry(1))
    others = [os.open(tmp_path / f"other{number}", os.O_WRONLY | os.O_CREAT) for number in range(3)]
    with pytest.raises((OSError, LogError)):
        writer.write(entry(2))

    written = []
    for other in others:
        with contextlib.suppress(OSError):
            written.append(os.write(other, b"whole"))
            os.close(other)

    assert written == [5, 5, 5]


def test_threads_share_a_writer(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path / "calls.log")

    def write(first: int) -> None:
        for number in range(first, first + 200):
            writer.write(entry(number, 2_000))

    threads = [threading.Thread(target=write, args=(first,)) for first in range(0, 800, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()

    assert sorted(numbers(writer.path.read_bytes()), key=str) == sorted(range(800), key=str)


WRITER = """
import sys
from pathlib import Path
from pytest_llmlog import encode
from pytest_llmlog.log import LogWriter

path, first = Path(sys.argv[1]), int(sys.argv[2])
writer = LogWriter(path)
for number in range(first, first + 500):
    writer.write(encode.line({"timestamp": "2025-06-01T09:30:00.000Z", "number": number, "padding": "x" * 20_000}))
writer.close()
"""


@posix
def test_processes_do_not_tear_each_others_lines(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "calls.log"
    running = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(first)]) for first in range(0, 2000, 500)]
    assert [process.wait(timeout=120) for process in running] == [0, 0, 0, 0]

    with path.open("rb") as file:
        lines = list(log.read(file))
    found = [line.value for line in lines]

    assert [line.fault for line in lines if line.fault] == []
    assert sorted(value["number"] for value in found) == list(range(2000))  # type: ignore[index]
    assert {len(value["padding"]) for value in found} == {20_000}  # type: ignore[index]
    for first in range(0, 2000, 500):
        own = [value["number"] for value in found if first <= value["number"] < first + 500]  # type: ignore[index]
        assert own == sorted(own)


LIMITED = """
import resource, sys
from pathlib import Path
from pytest_llmlog import encode
from pytest_llmlog.log import LogWriter

def line(number):
    return encode.line({"timestamp": "2025-06-01T09:30:00.000Z", "number": number, "padding": "x" * 1000})

writer = LogWriter(Path(sys.argv[1]))
writer.write(line(1))
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (len(line(1)) + int(sys.argv[2]), hard))
def for_each(*numbers):
    for number in numbers:
        try:
            writer.write(line(number))
        except OSError as exc:
            print("OSError", exc.errno)

for_each(2)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
writer.write(line(3))
writer.close()
"""


def write_past_a_limit(path: Path, room: int, program: str = LIMITED) -> bytes:
    command = [sys.executable, "-c", program, str(path), str(room)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("OSError"), done.stdout
    return path.read_bytes()


@posix
@pytest.mark.parametrize("room", [0, 1, 300, 1000])
def test_a_line_that_does_not_fit_raises_and_the_next_one_is_read_whole(tmp_path: Path, room: int) -> None:
    data = write_past_a_limit(tmp_path / "calls.log", room)

    assert [number for number in numbers(data) if number is not None] == [1, 3]


@posix
@pytest.mark.parametrize("room", [0, 1, 300, 1000])
def test_the_line_after_one_that_did_not_fit_is_a_line_of_its_own(tmp_path: Path, room: int) -> None:
    data = write_past_a_limit(tmp_path / "calls.log", room)

    assert entry(3, 1000) in data.splitlines(keepends=True)


@posix
def test_several_lines_that_do_not_fit_cost_no_good_one(tmp_path: Path) -> None:
    program = LIMITED.replace("for_each(2)", "for_each(2, 2, 2)")
    data = write_past_a_limit(tmp_path / "calls.log", 300, program)

    assert data.count(b"\n") == 3
    assert [number for number in numbers(data) if number is not None] == [1, 3]


@posix
@pytest.mark.parametrize("room", [300, 1500])
def test_of_lines_written_together_those_that_fit_are_whole(tmp_path: Path, room: int) -> None:
    program = LIMITED.replace("writer.write(line(number))", "writer.write(line(number), line(number))")
    data = write_past_a_limit(tmp_path / "calls.log", room, program)

    assert [number for number in numbers(data) if number is not None] == [1, *[2] * (room // 1000), 3]


def file_in_the_way(folder: Path) -> Path:
    (folder / "logs").write_text("in the way")
    return folder / "logs" / "calls.log"


def folder_in_the_way(folder: Path) -> Path:
    (folder / "calls.log").mkdir()
    return folder / "calls.log"


def name_too_long(folder: Path) -> Path:
    return folder / ("x" * 300)


@pytest.mark.parametrize("place", [file_in_the_way, folder_in_the_way, name_too_long])
def test_a_log_that_cannot_be_opened_is_named(tmp_path: Path, place: Any) -> None:
    path = place(tmp_path)

    with pytest.raises(LogError) as caught:
        LogWriter(path)

    assert caught.value.path == path
    assert caught.value.reason
    assert str(path) in str(caught.value)
    assert caught.value.reason in str(caught.value)


# Reading.


def test_what_was_written_is_read(tmp_path: Path) -> None:
    first, second = entry(1), entry(2)

    lines = read(first + second)

    assert [(line.number, line.offset, line.fault) for line in lines] == [(1, 0, None), (2, len(first), None)]
    assert [line.value for line in lines] == [json.loads(first), json.loads(second)]


@pytest.mark.parametrize("data", [b"", b"\n", b"\n\n\r\n \t\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
def test_a_log_without_lines_is_read_as_nothing(data: bytes) -> None:
    assert read(data) == []


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize(
    "torn",
    [
        entry(9)[:-1][:30] + b"\n",
        b'{"timestamp":\n',
        b"\x00" * 4096 + b"\n",
        b'{"timestamp":"\xff\xfe"}\n',
        b'{"timestamp":"\xed\xa0\x80"}\n',
        b'{"timestamp":NaN}\n',
        b"{'timestamp':1}\n",
        b'{"timestamp":1} tail\n',
        b"[" * 100_000 + b"\n",
        b'{"timestamp":"a\tb"}\n',
    ],
)
def test_a_fault_is_numbered_and_the_rest_is_read(torn: bytes, number: int) -> None:
    whole = [entry(1), entry(2), entry(3)]
    whole.insert(number - 1, torn)

    lines = read(b"".join(whole))

    assert [line.number for line in lines] == [1, 2, 3, 4]
    assert [line.number for line in lines if line.fault] == [number]
    assert lines[number - 1].offset == len(b"".join(whole[: number - 1]))
    assert (lines[number - 1].fault or "").startswith(("not JSON: ", "4096 NUL bytes"))
    assert [line.value["number"] for line in lines if not line.fault] == [1, 2, 3]  # type: ignore[index]


@pytest.mark.parametrize(
    ("before", "torn"),
    [
        (b"", entry(8)[:30]),
        (entry(0), entry(8)[:30]),
        (entry(0), entry(8)[:-2]),
        (entry(0), b"\x00" * 4096),
        (entry(0), b"\xff\xfe"),
        (entry(0), b'{"timestamp":'),
        (entry(0) + b"\n\r\n", entry(8)[:5]),
        (entry(0), entry(7)[:30] + entry(8)[:30]),
    ],
)
def test_records_glued_behind_a_torn_one_are_found_again(before: bytes, torn: bytes) -> None:
    data = before + torn + entry(5)[:-1] + entry(6) + entry(7)

    lines = read(data)

    assert [number for number in numbers(data) if number is not None] == [*([0] if before else []), 5, 6, 7]
    assert any(line.fault for line in lines)
    by_entry = {line.value["number"]: line for line in lines if line.fault is None}  # type: ignore[index]
    torn_number = before.count(b"\n") + 1
    assert {line.number for line in lines if line.fault} == {torn_number}
    assert [by_entry[number].number for number in (5, 6, 7)] == [torn_number, torn_number, torn_number + 1]
    assert [by_entry[number].offset for number in (5, 6, 7)] == [data.index(entry(number)[:-1]) for number in (5, 6, 7)]


def test_whole_records_on_one_line_are_all_found() -> None:
    data = entry(1)[:-1] + entry(2)[:-1] + entry(3)

    assert numbers(data) == [1, 2, 3]
    assert [line.offset for line in read(data)] == [0, len(entry(1)) - 1, 2 * (len(entry(1)) - 1)]


def test_text_that_looks_like_a_record_is_left_in_its_record() -> None:
    record = {"timestamp": "t", "number": 1, "prompt": 'quote: {"timestamp":"x"}', "input": {"timestamp": "inside"}}

    [line] = read(encode.line(record))

    assert line.value == record


@pytest.mark.parametrize("length", [1, 4096])
def test_nul_bytes_where_a_crash_lost_a_line_are_counted(length: int) -> None:
    data = entry(1) + b"\x00" * length + b"\n" + entry(2)

    assert [line.fault for line in read(data)] == [None, f"{length} NUL bytes", None]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b'{"timestamp":"t","number":1,"number":2}', "number"),
        (b'{"timestamp":"t","deep":[{"a":1,"b":2,"a":1}]}', "a"),
        (b'{ "timestamp" : "t", "timestamp" : "u" }', "timestamp"),
        (b'{"timestamp":"t","\\u0061":1,"a":1}', "a"),
    ],
)
def test_a_key_that_is_there_twice_is_a_fault(text: bytes, name: str) -> None:
    lines = read(entry(1) + text + b"\n" + entry(2))

    assert [line.fault for line in lines] == [None, f"key {name!r} is there twice", None]
    assert lines[1].offset == len(entry(1))


@pytest.mark.parametrize(
    "text", [b'{ "timestamp": "t", "n": 1.50, "a": {"n": 1}, "b": {"n": 1} }', b'{"timestamp":"\\u00e9","e":1e2}']
)
def test_another_writers_spacing_and_spelling_are_no_fault(text: bytes) -> None:
    assert [line.fault for line in read(text)] == [None]


def test_a_byte_order_mark_does_not_hide_the_first_line() -> None:
    data = b"\xef\xbb\xbf" + entry(1) + entry(2)

    assert numbers(data) == [1, 2]
    assert [line.offset for line in read(data)][1] == 3 + len(entry(1))


@pytest.mark.parametrize("lead", [b"\xef\xbb\xbf", b"  ", b"\t", b"\xef\xbb\xbf \t"])
def test_the_offset_of_a_salvaged_record_counts_what_stands_before_the_line(lead: bytes) -> None:
    torn = entry(8)[:30]
    data = lead + torn + entry(5) + entry(6)

    offsets = [line.offset for line in read(data) if line.fault is None]

    assert offsets == [len(lead + torn), len(lead + torn + entry(5))]


def test_line_numbers_count_empty_lines() -> None:
    data = b"\n\n" + entry(1) + b" \r\n" + entry(2)[:-1] + b"\r\n" + entry(3)[:-1]

    assert [(line.number, data[line.offset : line.offset + 13]) for line in read(data)] == [
        (3, b'{"timestamp":'),
        (5, b'{"timestamp":'),
        (6, b'{"timestamp":'),
    ]
    assert numbers(data) == [1, 2, 3]


@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_line_over_the_limit_is_skipped_and_named(monkeypatch: pytest.MonkeyPatch, end: bytes) -> None:
    monkeypatch.setattr(log, "READ_LIMIT", 200)
    long = entry(2, 1000)[:-1] + end
    data = entry(1) + long + (entry(3) if end else b"")

    lines = read(data)

    assert [(line.number, bool(line.fault)) for line in lines] == [(1, False), (2, True), (3, False)][: 3 if end else 2]
    assert lines[1].offset == len(entry(1))
    assert "200 bytes" in (lines[1].fault or "")
    if end:
        assert lines[2].offset == len(entry(1) + long)


@pytest.mark.parametrize("length", range(150, 420, 7))
def test_a_record_behind_a_line_over_the_limit_is_found_again(monkeypatch: pytest.MonkeyPatch, length: int) -> None:
    monkeypatch.setattr(log, "READ_LIMIT", 100)
    data = entry(1) + b"\x00" * length + entry(2) + entry(3)

    assert [number for number in numbers(data) if number is not None] == [1, 2, 3]
    assert [line.offset for line in read(data) if line.fault is None] == [
        0,
        len(entry(1)) + length,
        len(entry(1)) + length + len(entry(2)),
    ]


@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_line_of_just_the_limit_is_read(monkeypatch: pytest.MonkeyPatch, end: bytes) -> None:
    line = entry(1)[:-1]
    monkeypatch.setattr(log, "READ_LIMIT", len(line))

    assert numbers(line + end) == [1]


@settings(max_examples=200, deadline=None)
@given(
    data=st.lists(
        st.one_of(st.binary(max_size=40), st.sampled_from([entry(1), entry(2)[:-1], entry(3)[:20], b"\n", b"\x00"])), max_size=8
    ).map(b"".join)
)
def test_reading_never_fails_and_finds_each_whole_line(data: bytes) -> None:
    lines = read(data)

    assert all(line.offset < len(data) for line in lines)
    assert [line.number for line in lines] == sorted(line.number for line in lines)
    whole = [number for number, line in enumerate(data.split(b"\n"), start=1) if line.strip() == entry(1).strip()]
    assert set(whole) <= {line.number for line in lines if line.fault is None}


# Records to text.


def minimal() -> dict[str, Any]:
    value: dict[str, Any] = json.loads((FIXTURES / "valid" / "log-minimal.log").read_bytes())
    return value


def every_field() -> dict[str, Any]:
    value: dict[str, Any] = json.loads((FIXTURES / "valid" / "log-every-field.log").read_bytes())
    del value["truncated"]
    return value


def message(text: str) -> dict[str, Any]:
    return {"role": "user", "parts": [{"type": "text", "content": text}]}


LONG: dict[str, Any] = {
    "text": {"prompt": "x" * 500_000, "messages": [message("x" * 500_000)]},
    "emoji": {"prompt": "🙂" * 200_000, "response": "é" * 300_000},
    "control characters": {"prompt": "\x00" * 200_000},
    "many messages": {"messages": [message(f"message {number}") for number in range(20_000)]},
    "messages of many parts": {"messages": [{"role": "user", "parts": [{"type": "text", "content": "x" * 60}] * 300}] * 300},
    "error": {"status": "failure", "error": "e" * 500_000},
    "input of one long text": {"input": {"document": "d" * 500_000}},
    "input of many variables": {"input": {f"variable {number}": number for number in range(40_000)}},
    "long names": {"labels": {"n" * 500_000: 1}},
    "labels": {"labels": {f"label {number}": "v" for number in range(40_000)}},
    "params": {"params": {"response_format": {"properties": {f"field {number}": {"type": "string"} for number in range(20_000)}}}},
    "arguments": {"tool_calls": [{"id": "1", "name": "look_up", "arguments": {"text": "a" * 500_000}}]},
    "wire": {"wire": {"request": {"method": "POST", "url": "https://x/", "body": {"text": "w" * 500_000}}}},
    "list in a list": {"params": {"logit_bias": [[number] * 100 for number in range(5_000)]}},
}


@pytest.mark.parametrize("limit", [4096, 16 * 1024, log.LINE_LIMIT])
@pytest.mark.parametrize("name", LONG)
def test_a_shortened_record_fits_and_stays_valid(name: str, limit: int) -> None:
    record = {**minimal(), **LONG[name]}
    assert validation.is_valid(record)

    short = encode.shortened(record, limit)

    assert validation.faults(short) == []
    assert len(encode.line(short)) <= limit


@pytest.mark.parametrize("name", LONG)
def test_a_shortened_record_notes_the_original_sizes(name: str) -> None:
    record = {**minimal(), **LONG[name]}

    short = encode.shortened(record, 16 * 1024)

    changed = {field for field in record if short.get(field) != record[field]}
    assert changed
    assert short["truncated"] == {field: len(encode.line(record[field])) - 1 for field in changed}


@pytest.mark.parametrize("record", [minimal(), every_field()])
def test_a_record_that_fits_is_left_as_it_is(record: dict[str, Any]) -> None:
    assert encode.shortened(record, len(encode.line(record))) == record


def test_the_wire_goes_first_and_whole() -> None:
    record = {**every_field(), "wire": LONG["wire"]["wire"], "prompt": "x" * 20_000}

    short = encode.shortened(record, 64 * 1024)

    assert "wire" not in short
    assert list(short["truncated"]) == ["wire"]
    assert {name: value for name, value in short.items() if name != "truncated"} == {n: v for n, v in record.items() if n != "wire"}


def test_a_cut_text_begins_as_before_and_says_how_much_is_gone() -> None:
    short = encode.shortened({**minimal(), "prompt": "abc" * 100_000}, 16 * 1024)

    kept, _, rest = short["prompt"].partition("… [")
    assert ("abc" * 100_000).startswith(kept)
    assert len(kept) > 100
    assert rest == f"{300_000 - len(kept)} more characters]"


def test_shortening_leaves_the_original_alone() -> None:
    record = {**minimal(), "messages": [message("x" * 50_000)], "labels": {"a": ["y" * 50_000]}}
    before = json.dumps(record)

    encode.shortened(record, 4096)

    assert json.dumps(record) == before


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.fixed_dictionaries(
        {name: st.integers(0, 30_000) for name in ("prompt", "response", "messages", "params", "tools", "labels")}
    ),
    character=st.sampled_from(["x", "é", "🙂", "\n", '"', "\u2028"]),
    limit=st.integers(6000, 20_000),
)
def test_shortening_holds_for_any_mix_of_long_texts(sizes: dict[str, int], character: str, limit: int) -> None:
    text = {name: character * size for name, size in sizes.items()}
    record = {
        **minimal(),
        "prompt": text["prompt"],
        "response": text["response"],
        "messages": [message(text["messages"])] * 3,
        "params": {"stop": [text["params"]]},
        "tools": [text["tools"]],
        "labels": {"note": text["labels"]},
    }

    short = encode.shortened(record, limit)

    assert len(encode.line(short)) <= limit
    assert validation.faults(short) == []
    changed = {field for field in record if short[field] != record[field]}
    assert short.get("truncated", {}) == {field: len(encode.line(record[field])) - 1 for field in changed}


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("wrap", [lambda n: n, lambda n: [n], lambda n: {"deep": [{"er": n}]}])
def test_numbers_that_json_lacks_become_null(number: float, wrap: Any) -> None:
    text = encode.line({"timestamp": "t", "labels": wrap(number), "more": "\ud800"})

    assert json.loads(text, parse_constant=pytest.fail)["labels"] == wrap(None)
    assert json.loads(encode.line({"a": wrap(number)}), parse_constant=pytest.fail)["a"] == wrap(None)


@pytest.mark.parametrize("surrogate", ["\ud800", "\udfff", "\udcff"])
def test_a_lone_surrogate_becomes_the_replacement_character(surrogate: str) -> None:
    text = encode.line({"prompt": f"a{surrogate}b", "labels": {f"n{surrogate}": [surrogate]}})

    assert json.loads(text) == {"prompt": "a\ufffdb", "labels": {"n\ufffd": ["\ufffd"]}}


@pytest.mark.parametrize("text", ["🙂", "\u2028\u2029\x85", "a\nb\r\x00\x7f", "שלום", '"\\', "\ufeff\ufffd\uffff"])
def test_a_line_is_one_line_and_keeps_its_text(text: str) -> None:
    line = encode.line({"prompt": text, text: 1})

    assert line.count(b"\n") == 1
    assert line.endswith(b"}\n")
    assert json.loads(line) == {"prompt": text, text: 1}


class Odd:
    def __str__(self) -> str:
        return "odd"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Odd(), "odd"),
        ({1: Odd()}, {"1": "odd"}),
        ({None: 1}, {"None": 1}),
        ((1, (2,)), [1, [2]]),
        (2**70, 2**70),
        (-0.0, 0.0),
        (1 + 2j, "(1+2j)"),
    ],
)
def test_values_that_are_no_json_become_text(value: Any, expected: Any) -> None:
    assert json.loads(encode.line({"labels": value})) == {"labels": expected}


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def ring() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize("value", [nested(100_000), ring()], ids=["deep", "ring"])
def test_a_value_without_a_bottom_still_gives_a_line(value: Any) -> None:
    line = encode.line({"timestamp": "t", "labels": {"value": value}})

    assert json.loads(line)["timestamp"] == "t"


def json_values() -> st.SearchStrategy[Any]:
    leaf = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters(exclude_categories=())))
    return st.recursive(
        leaf, lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=())), inner), max_leaves=10
    )


@settings(max_examples=200, deadline=None)
@given(value=json_values())
def test_any_value_gives_a_line_that_reads_back(value: Any) -> None:
    [line] = read(encode.line({"timestamp": "t", "value": value}))

    assert line.fault is None
    assert line.value["value"] == msgspec.json.decode(msgspec.json.encode(encode.clean(value)))  # type: ignore[index]


@settings(max_examples=200, deadline=None)
@given(value=json_values())
def test_a_goldens_page_reads_back(value: Any) -> None:
    page = encode.golden_bytes({"value": value})

    assert page.endswith(b"\n")
    assert json.loads(page, parse_constant=pytest.fail) == {"value": json.loads(json.dumps(encode.clean(value)))}


@pytest.mark.parametrize("path", sorted((FIXTURES / "valid").glob("*.json")), ids=lambda path: path.name)
def test_a_golden_is_written_as_it_was_read(path: Path) -> None:
    assert encode.golden_bytes(json.loads(path.read_bytes())) == path.read_bytes()


def test_a_closed_log_is_never_written_to_though_its_descriptors_number_is_anothers_now(tmp_path: Path) -> None:
    log = LogWriter(tmp_path / "calls.log")
    log.close()
    other = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)  # takes the number that has become free
    with pytest.raises(OSError, match="closed"):
        log.write(b"{}\n")
    os.close(other)
    assert (tmp_path / "other").read_bytes() == b""
