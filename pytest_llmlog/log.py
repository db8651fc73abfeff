"""The append-only log: a writer that never tears a line, and a reader that gets past torn ones."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

from pytest_llmlog.errors import LogError
from pytest_llmlog.files import make_private_folder, open_private_file

Fsync = Literal["never", "failure", "always"]

LINE_LIMIT = 256 * 1024
"""Longest line written, in bytes: what Loki accepts and most collectors can be set to."""

READ_LIMIT = 32 * 1024 * 1024
"""Longest line read, in bytes; more is skipped and named, so that memory stays flat. No longer line is written either."""

PIECES = os.sysconf("SC_IOV_MAX") if hasattr(os, "writev") else 0
"""How many pieces the system writes in one call."""

CLOSED = -1
"""No file's descriptor."""

RECORD_START = b'{"timestamp":'
"""How every line begins: where a record glued behind a torn line can be found again."""


class LogWriter:
    """Appends whole lines to a file that other processes and threads append to as well.

    One ``os.write`` a line on an ``O_APPEND`` descriptor; after a rotation by rename the next line goes to the new file.

    Args:
        path: the file; it and its folder are made, readable by the owner alone.
        fsync: which records are forced to the disk.

    Raises:
        LogError: the file cannot be opened for appending.
    """

    def __init__(self, path: Path, fsync: Fsync = "never") -> None:
        self.path = path.absolute()  # a program may change its folder
        self._name = str(self.path)
        self._fsync = fsync
        self._lock = threading.Lock()
        self._torn = False
        self._descriptor = self._open()

    @property
    def forces(self) -> bool:
        """Whether lines are forced to the disk."""
        return self._fsync != "never"

    def _open(self) -> int:
        try:
            make_private_folder(self.path.parent)
            descriptor = open_private_file(self.path, os.O_RDWR | os.O_APPEND)
        except OSError as exc:
            raise LogError(self.path, exc.strerror or str(exc)) from exc
        state = os.fstat(descriptor)
        self._identity = (state.st_ino, state.st_dev)
        self._close_torn_line(descriptor, state.st_size)
        return descriptor

    @staticmethod
    def _close_torn_line(descriptor: int, size: int) -> None:
        """End a line that a killed process left open, so that the next record does not glue itself to it."""
        if size and hasattr(os, "pread") and os.pread(descriptor, 1, size - 1) != b"\n":
            os.write(descriptor, b"\n")

    def _rotated(self) -> bool:
        try:
            state = os.stat(self._name)
        except FileNotFoundError:
            return True
        return (state.st_ino, state.st_dev) != self._identity

    def write(self, *lines: bytes, failure: bool = False) -> None:
        """Append lines, newlines included, in one piece.

        Raises:
            OSError: it could not be written whole; the next line starts behind a newline of its own.
        """
        with self._lock:
            if self._descriptor == CLOSED:
                raise OSError(f"{self.path}: the call ended after its log was closed")
            if self._rotated():
                old, self._descriptor = self._descriptor, self._open()
                os.close(old)
            self._append((b"\n", *lines) if self._torn else lines)
            if self._fsync == "always" or (failure and self._fsync == "failure"):
                os.fsync(self._descriptor)

    def _append(self, lines: Sequence[bytes]) -> None:
        """Write lines; of what a full disk or a size limit cut off, the rest, or an end before the next line."""
        written = _write(self._descriptor, lines)
        self._torn = written != sum(map(len, lines))
        if self._torn:
            # The operating system says why in an OSError of its own when nothing more can be written.
            rest = b"".join(lines)[written:]
            self._torn = os.write(self._descriptor, rest) != len(rest)
            if self._torn:
                raise OSError(errno.ENOSPC, "a line was cut off", self._name)

    def enter_child(self) -> None:
        """Give the lock up in a forked process, where the thread that held it does not exist; both go on with the same file."""
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the descriptor; writing afterwards is an error."""
        with self._lock:
            os.close(self._descriptor)
            self._descriptor = CLOSED  # its number may be another file's soon


def _write(descriptor: int, lines: Sequence[bytes]) -> int:
    """Write in one call of the system's, and without a copy where it takes so many pieces."""
    if 1 < len(lines) <= PIECES:
        return os.writev(descriptor, lines)
    return os.write(descriptor, b"".join(lines))


class Line(msgspec.Struct, frozen=True):
    """One line of a log, or one part of a torn line.

    Attributes:
        number: from 1.
        offset: first byte, from 0.
        value: the parsed JSON, when ``fault`` is None.
        fault: why it could not be read.
        unfinished: whether that may be because it is still being written: the last line, the beginning of a record without its end.
    """

    number: int
    offset: int
    value: object = None
    fault: str | None = None
    unfinished: bool = False

    def told(self, path: object, fault: str | None = None) -> str:
        """A fault for a person: the file, the line, what is wrong, and the byte where the line begins."""
        return f"{path}:{self.number}: {fault or self.fault} (byte {self.offset})"


def _read_lines(file: BinaryIO) -> Iterator[tuple[int, int, bytes, bool]]:
    """Yield (number, offset, line, cut); of a line over the limit its beginning, and whatever begins like a record behind that."""
    offset, number, before = 0, 0, b"\n"
    while piece := file.readline(READ_LIMIT + 2):
        if before.endswith(b"\n"):
            number += 1
            yield number, offset, piece, _is_cut(piece)
        else:
            before = before[1 - len(RECORD_START) :]
            found = (before + piece).find(RECORD_START)
            if found >= 0:
                piece += file.readline(READ_LIMIT + 2) if _is_cut(piece) else b""
                yield number, offset - len(before) + found, (before + piece)[found:], _is_cut(piece)
        offset += len(piece)
        before = piece


def _is_cut(piece: bytes) -> bool:
    return len(piece) > READ_LIMIT and not piece.endswith(b"\n")


_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def _parse(number: int, offset: int, text: bytes, *, ended: bool = True) -> Line:
    try:
        value = _decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        nothing = not text.strip(b"\0")
        unfinished = not ended and (text.startswith(RECORD_START) or RECORD_START.startswith(text))
        return Line(number, offset, fault=f"{len(text)} NUL bytes" if nothing else f"not JSON: {exc}", unfinished=unfinished)
    name = None if _is_written_so(value, text) else repeated_key(text)
    return Line(number, offset, value) if name is None else Line(number, offset, fault=f"key {name!r} is there twice")


def _is_written_so(value: object, text: bytes) -> bool:
    """Whether the text is what this package writes for the value; then it repeats no key, and need not be read again to know."""
    try:
        return _encode(value) == text
    except (ValueError, RecursionError):
        return False


def repeated_key(text: bytes) -> str | None:
    """The first key that an object of a JSON text has twice, of which readers take one or the other; None where there is none."""
    found: list[str] = []

    def look(pairs: list[tuple[str, object]]) -> None:
        if len(names := dict(pairs)) != len(pairs):
            left = [name for name, _ in pairs]
            for name in names:
                left.remove(name)
            found.append(left[0])

    try:
        json.loads(text, object_pairs_hook=look, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return None
    return found[0] if found else None


def _salvage(number: int, offset: int, text: bytes, *, ended: bool) -> Iterator[Line]:
    """Read the records glued behind a torn one."""
    starts = [0]
    while (found := text.find(RECORD_START, starts[-1] + 1)) > 0:
        starts.append(found)
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        yield _parse(number, offset + start, text[start:end], ended=ended or end < len(text))


def read(file: BinaryIO) -> Iterator[Line]:
    """Read a log past its faults, line by line in flat memory; empty lines are passed over."""
    for number, start, raw, cut in _read_lines(file):
        text = raw.strip().removeprefix(b"\xef\xbb\xbf").strip()
        offset = start + raw.find(text)
        if not text:
            continue
        glued, ended = text.find(RECORD_START, 1) > 0, raw.endswith(b"\n")
        parsed = Line(number, offset, fault=f"longer than {READ_LIMIT} bytes") if cut else _parse(number, offset, text, ended=ended)
        if parsed.fault and glued:
            yield from _salvage(number, offset, text, ended=ended)
        else:
            yield parsed
