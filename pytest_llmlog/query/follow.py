"""A log read while it is written: through rotation by rename or by copying, and on from where a former reader stopped."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from glob import escape, glob
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct
from msgspec.structs import replace

from pytest_llmlog import clock, log, matching
from pytest_llmlog.errors import ConfigError
from pytest_llmlog.query.sources import ENDS_EARLY, Source, opened

POLL = 0.2
"""Seconds between two looks at a file that did not grow."""

BLOCK = 1 << 16
"""Bytes read at once when the end of a line is looked for from the end."""


class Position(Struct, frozen=True):
    """How far a log was read.

    Attributes:
        file: hash of the file's first line, whatever its name is by now; empty before there is one.
        begins: that line's timestamp, by which rotated files are ordered.
        offset: bytes read of the file, uncompressed.
    """

    file: str = ""
    begins: str = ""
    offset: int = 0


class Written(Struct, frozen=True):
    """A whole line, and the position behind it."""

    line: bytes
    position: Position


def _identify(file: BinaryIO) -> Position | None:
    """A file by its first line; None as long as that is not whole."""
    try:
        file.seek(0)
        first = file.readline(log.READ_LIMIT)
    except ENDS_EARLY:
        return None
    if not first.endswith(b"\n"):
        return None
    begins = (
        first[len(log.RECORD_START) :].lstrip(b' "')[:24].decode("ascii", "replace") if first.startswith(log.RECORD_START) else ""
    )
    return Position(matching.digest(first), begins)


def _end(file: BinaryIO) -> int:
    """The byte behind the last whole line: one that is being written will be read when it is."""
    size = file.seek(0, os.SEEK_END)
    while size:
        begin = max(0, size - BLOCK)
        file.seek(begin)
        if (found := file.read(size - begin).rfind(b"\n")) >= 0:
            return begin + found + 1
        size = begin
    return 0


def _beside(path: Path) -> dict[str, int]:
    """The names that a log may have been rotated to, compressed ones last, each with its file's number."""
    names = sorted(glob(f"{escape(str(path))}[.-]*"), key=lambda name: (name.endswith((".gz", ".zst")), name))
    found = {}
    for name in names:
        with suppress(OSError):
            found[name] = os.stat(name).st_ino
    return found


def _rotated(path: Path) -> list[tuple[Position, str]]:
    """The files that a log was rotated to, oldest first; one that is there twice, as it was and compressed, counts once."""
    while True:
        before = _beside(path)
        found = _identified(before)
        if _beside(path) == before:  # else files were renamed one to the name of the other meanwhile
            return sorted(found, key=lambda each: each[0].begins)


def _identified(names: Iterable[str]) -> list[tuple[Position, str]]:
    found: dict[str, tuple[Position, str]] = {}
    for name in names:
        try:
            with opened(Source(name)) as file:
                position = _identify(file)
        except (ConfigError, *ENDS_EARLY):
            continue
        if position is not None and position.begins:
            found.setdefault(position.file, (position, name))
    return list(found.values())


def beginning(path: Path) -> Position:
    """The position before all that a log holds now and all that it will: files that were rotated away earlier are behind it."""
    try:
        with path.open("rb") as file:
            here = _identify(file)
    except OSError:
        here = None
    return Position(begins=here.begins[:-1] if here is not None and here.begins else clock.timestamp())


class Follower:
    """Reads the whole lines of a log, one after the other.

    Args:
        path: the log; it may not be there yet.
        start: where to begin; None for the end of what is there now.
        sleep: waits so many seconds; a test gives its own.

    Attributes:
        lost: whether the file in which a former reader stopped is gone, and what was left in it.
    """

    def __init__(self, path: Path, start: Position | None = Position(), *, sleep: Callable[[float], None] = time.sleep) -> None:  # noqa: B008
        self._path, self._start, self._sleep = path, start, sleep
        self.lost = False

    def lines(self, *, follow: bool) -> Iterator[Written | None]:
        """Yield whole lines; None whenever there is none for now, when following, and the end when not."""
        last, skip = self._start or Position(), self._start is None
        while True:
            file = self._open()
            if file is None:
                if not follow:
                    yield from self._missed(last, None)
                    return
                skip = False  # of a log that is made later, all is new
                yield None
                self._sleep(POLL)
                continue
            with file:
                if skip:
                    last, skip = replace(_identify(file) or Position(), offset=_end(file)), False
                for written in self._missed(last, file):
                    last = written.position
                    yield written
                for each in self._of(file, last, follow=follow):
                    last = each.position if each else last
                    yield each
            if not follow:
                return

    def _open(self) -> BinaryIO | None:
        try:
            return self._path.open("rb")
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise ConfigError(f"{self._path}: cannot be read: {exc.strerror}") from exc

    def _missed(self, last: Position, live: BinaryIO | None) -> Iterator[Written]:
        """What stands behind a position in files that were rotated away: its own file's rest, and all of later ones."""
        here = _identify(live) if live is not None else None
        if last == Position() or (here is not None and here.file == last.file):
            return
        rotated = _rotated(self._path)
        here = here or (_identify(live) if live is not None else None)
        if here is not None:  # what was rotated since it was opened is newer, and comes after it
            rotated = [each for each in rotated if each[0].file != here.file and each[0].begins <= here.begins]
        self.lost = self.lost or (bool(last.file) and all(position.file != last.file for position, _ in rotated))
        for position, name in rotated:
            if position.file == last.file or position.begins > last.begins:
                with opened(Source(name)) as file:
                    yield from self._rest(file, position, last.offset if position.file == last.file else 0)

    def _rest(self, file: BinaryIO, position: Position, offset: int) -> Iterator[Written]:
        """The whole lines from an offset on."""
        file.seek(offset)
        while (line := file.readline(log.READ_LIMIT)).endswith(b"\n") or len(line) == log.READ_LIMIT:
            offset += len(line)
            yield Written(line, Position(position.file, position.begins, offset))

    def _of(self, file: BinaryIO, last: Position, *, follow: bool) -> Iterator[Written | None]:
        """The lines of one open file until another has its name, where a writer may add a last one while it is renamed, or its place."""
        known, offset, gone = "", last.offset, 0
        while True:
            position = _identify(file)
            if position is not None:
                if not known:  # while the last look was taken it may have been renamed, and read to there under its new name
                    known, offset = position.file, last.offset if position.file == last.file else 0
                if position.file != known:
                    return  # copied away, cut off, and written to again
                for written in self._rest(file, position, offset):
                    offset = written.position.offset
                    yield written
            if not follow or gone > 1:
                return
            yield None
            self._sleep(POLL)
            gone = gone + 1 if self._is_renamed(file) else 0
            if known and os.fstat(file.fileno()).st_size < offset:
                return  # copied away and cut off

    def _is_renamed(self, file: BinaryIO) -> bool:
        try:
            state = self._path.stat()
        except OSError:
            return True
        here = os.fstat(file.fileno())
        return (state.st_ino, state.st_dev) != (here.st_ino, here.st_dev)
