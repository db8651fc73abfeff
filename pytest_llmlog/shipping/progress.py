"""What an export remembers, so that the next one loses and doubles nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

import msgspec
from msgspec import Struct

from pytest_llmlog.errors import ConfigError
from pytest_llmlog.files import open_private_file
from pytest_llmlog.query.follow import Position
from pytest_llmlog.shipping.formats import Record


class State(Struct, frozen=True):
    """How far a log was exported, and how long the output file was then."""

    position: Position = Position()
    written: int = 0


def load(path: Path | None) -> State | None:
    """The state that an export left; None without one.

    Raises:
        ConfigError: the file holds something else.
    """
    if path is None or not path.exists():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=State)
    except (OSError, ValueError) as exc:
        raise ConfigError(f"{path}: is no state of an export: {exc}\n  fix: name another file, or remove it to begin anew") from exc


def save(path: Path, state: State) -> None:
    """Keep a state, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(open_private_file(temporary, os.O_WRONLY | os.O_TRUNC), "wb") as file:
        file.write(msgspec.json.encode(state))
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


class Sink(Protocol):
    """Where records go, a batch at a time."""

    written: int
    """Length of the output, where that is a file."""

    def send(self, records: Sequence[Record]) -> None:
        """Take a batch; it is where it should be when this returns."""

    def close(self) -> None:
        """Let go."""


class Remote:
    """A sink over a connection."""

    def __init__(self, sender: object) -> None:
        self._sender, self.written = sender, 0

    def send(self, records: Sequence[Record]) -> None:
        self._sender.send(records)  # type: ignore[attr-defined]

    def close(self) -> None:
        self._sender.close()  # type: ignore[attr-defined]


class File:
    """A sink of lines: appended to a file, of which what a killed export wrote behind its state is cut off."""

    def __init__(self, file: BinaryIO, lines: object, header: bytes, written: int, *, durable: bool) -> None:
        self._file, self._lines, self._durable = file, lines, durable
        self.written = written
        if not written:
            self._put([header])

    def _put(self, lines: Iterable[bytes]) -> None:
        data = b"".join(lines)
        self._file.write(data)
        self._file.flush()
        self.written += len(data)

    def send(self, records: Sequence[Record]) -> None:
        self._put(line for record in records if (line := self._lines(record)) is not None)  # type: ignore[operator]
        if self._durable:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        if self._durable:
            self._file.close()


def opened(path: Path, state: State) -> BinaryIO:
    """The output file, cut off where the state says it ended.

    Raises:
        ConfigError: it is shorter than that, or cannot be written.
    """
    try:
        file = os.fdopen(open_private_file(path, os.O_RDWR), "r+b")
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be written: {exc.strerror}") from exc
    size = os.fstat(file.fileno()).st_size
    if size < state.written:
        file.close()
        raise ConfigError(f"{path}: is shorter than the export left it\n  fix: remove the state to begin anew")
    file.truncate(state.written)
    file.seek(state.written)
    return file
