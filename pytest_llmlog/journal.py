"""Live calls on the disk until their golden is: what a killed run has paid for can be recovered from here."""

from __future__ import annotations

import errno
import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from pytest_llmlog import encode, files
from pytest_llmlog.circumstances import Circumstances, Identity
from pytest_llmlog.content import Content
from pytest_llmlog.wire import Wire

SUFFIX = ".jsonl"


class Head(Struct, frozen=True, kw_only=True):
    """The first line: whose calls follow, where their golden belongs, and how the log was to hold them.

    ``ignore`` are the JSON paths that matching leaves out, ``wire`` whether the log holds exchanges.
    """

    journal_version: Literal[2] = 2
    test_id: str
    golden: str
    identity: Identity
    ignore: tuple[str, ...] = ()
    content: Content = "full"
    wire: bool = False
    line_limit: Annotated[int, Meta(ge=1)]


class Entry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A further line: one call that has ended, free of credentials. What its record says beside this is read from the exchange."""

    in_teardown: bool = False
    unfinished: bool = False
    circumstances: Circumstances
    wire: Wire


def folder_of(log_path: Path) -> Path:
    """Where the journals of runs with this log are: beside it."""
    return log_path.parent / "pending"


class Journal:
    """The calls of one test or fixture; the file is made with the first one, and locked as long as its process lives."""

    def __init__(self, folder: Path, head: Head) -> None:
        self._folder, self._head = folder, head
        self._path: Path | None = None
        self._descriptor = -1
        self._lock = threading.Lock()

    def add(self, line: bytes) -> None:
        """Append an ``Entry`` as one line.

        Raises:
            OSError: it could not be written whole.
        """
        with self._lock:
            if self._path is None:
                self._open()
            if os.write(self._descriptor, line) != len(line):
                os.write(self._descriptor, b"\n")
                raise OSError(errno.ENOSPC, "a line was cut off", str(self._path))

    def _open(self) -> None:
        files.make_private_folder(self._folder)
        path = self._folder / f"{uuid.uuid4().hex}{SUFFIX}"
        self._descriptor = files.open_private_file(path, os.O_RDWR | os.O_APPEND)
        self._path = path
        _try_lock(self._descriptor)
        os.write(self._descriptor, encode.line(self._head))

    def enter_child(self) -> None:
        """Leave the file to the process that this one is a fork of; its lock would outlive that otherwise."""
        self._lock = threading.Lock()
        if self._path is not None:
            os.close(self._descriptor)
            self._path = None

    def close(self, *, keep: bool) -> None:
        """End it, and remove it unless its calls are nowhere else."""
        with self._lock:
            if self._path is None:
                return
            os.close(self._descriptor)
            if not keep:
                with suppress(OSError):
                    self._path.unlink()
            self._path = None


def _try_lock(descriptor: int) -> bool:
    """Lock an open file until it is closed, by whatever end of the process; False when another process holds it."""
    try:
        import fcntl
    except ImportError:  # Windows: a file that is open cannot be removed there, which is as good
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def left(folder: Path) -> list[Path]:
    """The journals that no living process writes, oldest first; those that hold nothing yet are removed."""
    try:
        found = [path for path in folder.iterdir() if path.name.endswith(SUFFIX) and path.is_file() and not path.is_symlink()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    ended = sorted((path for path in found if not _is_in_use(path)), key=lambda path: (path.stat().st_mtime, path.name))
    return [path for path in ended if not _removed(path)]


def _removed(path: Path) -> bool:
    """Remove a journal that was begun, and ended by a kill or a full disk before a call was in it."""
    try:
        with path.open("rb") as file:
            is_begun = file.readline(files.SIZE_LIMIT).endswith(b"\n") and file.read(1) != b""
        if not is_begun:
            path.unlink()
    except OSError:
        return False
    return not is_begun


def _is_in_use(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return True
    try:
        return not _try_lock(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def claimed(path: Path) -> Iterator[None]:
    """Have a journal for oneself while it is recovered.

    Raises:
        ValueError: another process has it.
        OSError: it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
    try:
        if not _try_lock(descriptor) or not path.exists():
            raise ValueError("another process has it")
        yield
    finally:
        os.close(descriptor)


class Damaged(Struct, frozen=True):
    """A line that is no call: its number, from 1, and why."""

    number: int
    reason: str


def read(path: Path) -> tuple[Head, list[Entry], list[Damaged]]:
    """A journal's calls, in the order in which they ended, and the lines that cannot be read; what a kill cut off at its end is none.

    Raises:
        ValueError: it is no journal.
        OSError: it cannot be read, or is too large.
    """
    first, *lines = files.read_whole(path).split(b"\n")
    try:
        head = msgspec.json.decode(first, type=Head)
    except (ValueError, RecursionError) as exc:
        raise ValueError(f"is no journal: {exc}") from exc
    entries, damaged = [], []
    for number, line in enumerate(lines[:-1], start=2):  # the last has no end
        try:
            entries.append(msgspec.json.decode(line, type=Entry))
        except (ValueError, RecursionError) as exc:
            damaged.append(Damaged(number, str(exc)))
    return head, entries, damaged
