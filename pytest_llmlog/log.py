"""The append-only log: a writer that never tears a line, and a reader that gets past torn ones."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

from pytest_llmlog.errors import LogError

Fsync = Literal["never", "failure", "always"]

LINE_LIMIT = 256 * 1024
"""Longest line written, in bytes: what Loki accepts and most collectors can be set to."""

READ_LIMIT = 64 * 1024 * 1024
"""Longest line read, in bytes; more is skipped and named, so that memory stays flat."""

CLOSED = -1
"""No file's descriptor."""

RECORD_START = b'{"timestamp":'
"""How every line begins: where a record glued behind a torn line can be found again."""


def make_private_folder(folder: Path) -> None:
    """Create a folder that only its owner can enter, whatever the umask; one that is there is left as it is."""
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)


def open_private_file(path: Path, flags: int) -> int:
    """Open a file, made if need be for its owner alone, whatever the umask; return its descriptor."""
    flags |= getattr(os, "O_CLOEXEC", 0)
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return os.open(path, flags | os.O_CREAT, 0o600)
    if hasattr(os, "fchmod"):
        os.fchmod(descriptor, 0o600)
    return descriptor


def write_private_file(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read."""
    with os.fdopen(open_private_file(path, os.O_WRONLY | os.O_TRUNC), "wb") as file:
        file.write(data)


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

    def write(self, line: bytes, *, failure: bool = False) -> None:
        """Append one line or several, newlines included.

        Raises:
            OSError: it could not be written whole; the next line starts behind a newline of its own.
        """
        with self._lock:
            if self._descriptor == CLOSED:
                raise OSError(f"{self.path}: the call ended after its log was closed")
            if self._rotated():
                old, self._descriptor = self._descriptor, self._open()
                os.close(old)
            self._append(b"\n" + line if self._torn else line)
            if self._fsync == "always" or (failure and self._fsync == "failure"):
                os.fsync(self._descriptor)

    def _append(self, line: bytes) -> None:
        """Write a line; of one that a full disk or a size limit cut off, the rest, or an end before the next line."""
        written = os.write(self._descriptor, line)
        self._torn = written != len(line)
        if self._torn:
            # The operating system says why in an OSError of its own when nothing more can be written.
            self._torn = os.write(self._descriptor, line[written:]) != len(line) - written
            if self._torn:
                raise OSError(f"{self.path}: a line of {len(line)} bytes was cut off")

    def enter_child(self) -> None:
        """Give the lock up in a forked process, where the thread that held it does not exist; both go on with the same file."""
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the descriptor; writing afterwards is an error."""
        with self._lock:
            os.close(self._descriptor)
            self._descriptor = CLOSED  # its number may be another file's soon


class Line(msgspec.Struct, frozen=True):
    """One line of a log, or one part of a torn line.

    Attributes:
        number: from 1.
        offset: first byte, from 0.
        value: the parsed JSON, when ``fault`` is None.
        fault: why it could not be read.
    """

    number: int
    offset: int
    value: object = None
    fault: str | None = None


def _read_lines(file: BinaryIO) -> Iterator[tuple[int, bytes, bool]]:
    """Yield (offset, line, cut); of a line over the limit only the beginning is kept."""
    offset = 0
    while line := file.readline(READ_LIMIT):
        start, cut = offset, False
        offset += len(line)
        while not line.endswith(b"\n") and (more := file.readline(READ_LIMIT)):
            cut = cut or more not in (b"\n", b"\r\n")
            offset += len(more)
            if more.endswith(b"\n"):
                break
        yield start, line, cut


_decode = msgspec.json.Decoder().decode


def _parse(number: int, offset: int, text: bytes) -> Line:
    try:
        return Line(number, offset, _decode(text))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        return Line(number, offset, fault=f"not JSON: {exc}")


def _salvage(number: int, offset: int, text: bytes) -> Iterator[Line]:
    """Read the records glued behind a torn one."""
    starts = [0]
    while (found := text.find(RECORD_START, starts[-1] + 1)) > 0:
        starts.append(found)
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        yield _parse(number, offset + start, text[start:end])


def read(file: BinaryIO) -> Iterator[Line]:
    """Read a log past its faults, line by line in flat memory; empty lines are passed over."""
    for number, (offset, raw, cut) in enumerate(_read_lines(file), start=1):
        text = raw.removeprefix(b"\xef\xbb\xbf").strip() if offset == 0 else raw.strip()
        offset += raw.find(text)
        if not text:
            continue
        if cut:
            yield Line(number, offset, fault=f"longer than {READ_LIMIT} bytes")
            continue
        parsed = _parse(number, offset, text)
        if parsed.fault and text.find(RECORD_START, 1) > 0:
            yield from _salvage(number, offset, text)
        else:
            yield parsed
