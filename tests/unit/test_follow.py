"""A log that is followed while it is written and rotated: every line once, in order."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from logs import lines, record, write
from pytest_llmlog import encode
from pytest_llmlog.log import LogWriter
from pytest_llmlog.query import follow
from pytest_llmlog.query.follow import Follower, Position, Written

COUNT, EACH = 600, 25


def shift(path: Path) -> None:
    """Rotate as logrotate does by default: the newest is .1, and all others move on by one."""
    for number in range(COUNT, 0, -1):
        if (old := Path(f"{path}.{number}")).exists():
            old.rename(f"{path}.{number + 1}")
    path.rename(f"{path}.1")


def name_by_time(path: Path) -> None:
    path.rename(f"{path}-{len(list(path.parent.iterdir())):04}")


@pytest.mark.parametrize("rotate", [shift, name_by_time])
def test_nothing_is_lost_or_doubled_however_quickly_a_log_is_rotated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rotate: Callable[[Path], None]
) -> None:
    monkeypatch.setattr(follow, "POLL", 0.001)
    path = write(tmp_path / "calls.log", record(0, prompt="0"))

    def work() -> None:
        writer = LogWriter(path)
        for number in range(1, COUNT):
            if number % EACH == 0:
                rotate(path)
            writer.write(encode.line(record(number, prompt=str(number))))
        writer.close()

    thread = threading.Thread(target=work)
    seen: list[int] = []
    idle = 0
    for written in Follower(path, Position()).lines(follow=True):
        if written is not None:
            seen.append(int(json.loads(written.line)["prompt"]))
            if len(seen) == 1:
                thread.start()
        idle = 0 if written is not None or thread.is_alive() else idle + 1
        if idle > 20 or len(seen) > COUNT:
            break
    thread.join()

    assert seen == list(range(COUNT))


def prompts(found: list[Written | None]) -> list[str]:
    return [json.loads(each.line)["prompt"] for each in found if each is not None]


def test_a_log_that_was_copied_away_is_read_to_its_end_in_the_copy(tmp_path: Path) -> None:
    calls = [record(number, prompt=name) for number, name in enumerate("abcde")]
    path, copy = write(tmp_path / "calls.log", calls[0]), tmp_path / "calls.log.1"

    def meanwhile(_: float) -> None:
        if not copy.exists():
            write(copy, *calls[:2])
            write(path, *calls[2:])  # the same file, cut off, and by now longer than before

    found: list[Written | None] = []
    for written in Follower(path, sleep=meanwhile).lines(follow=True):
        found.append(written)
        if len(prompts(found)) == 5 or len(found) > 20:
            break

    assert prompts(found) == list("abcde")


def test_the_end_is_behind_the_last_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "calls.log"
    whole, late = lines([record(0, prompt="x" * 200_000)]), lines([record(1, prompt="late" * 30_000)])
    path.write_bytes(whole + late[:-10])

    def meanwhile(_: float) -> None:
        path.write_bytes(whole + late)

    found = []
    for written in Follower(path, None, sleep=meanwhile).lines(follow=True):
        found.append(written)
        if written is not None or len(found) > 5:
            break

    assert [each.line for each in found if each is not None] == [late]
