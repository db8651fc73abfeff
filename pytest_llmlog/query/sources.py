"""Where records are read from: plain, ``.gz`` and ``.zst`` logs, Parquet, patterns, standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from glob import glob, has_magic
from pathlib import Path
from typing import BinaryIO, cast

from msgspec import Struct

from pytest_llmlog.errors import ConfigError
from pytest_llmlog.unpacking import ENDS_EARLY, Advance, is_packed, unpacked

PARQUET = b"PAR1"
"""How a Parquet file begins."""

STDIN = "-"

PACKED = ".parquet"
"""The end of a compacted log's name."""


class Source(Struct, frozen=True):
    """One file by its name as given; ``-`` is standard input, and a pipe is read as that is."""

    name: str
    is_parquet: bool = False
    is_pipe: bool = False

    @property
    def size(self) -> int:
        """Bytes on the disk; 0 where nobody knows."""
        return 0 if self.is_pipe else os.stat(self.name).st_size


class Fault(Struct, frozen=True):
    """A place where no record could be read: the line from 1, the byte from 0, and why."""

    source: str
    line: int
    offset: int
    reason: str

    def __str__(self) -> str:
        return f"{self.source}:{self.line}: {self.reason} (byte {self.offset})"


SHOWN = 100
"""Faults that are kept to be named: a file that is no log has one in each line."""


class Damage:
    """What could not be read: how many places, and the first of them, each with its line and byte.

    Attributes:
        unfinished: a last line that may still be being written, which counts as no fault.
        cut: a compressed file that ends early, so that nobody knows what is missing; counted as well.
    """

    def __init__(self) -> None:
        self.count = 0
        self.faults: list[Fault] = []
        self.unfinished: Fault | None = None
        self.cut: Fault | None = None

    @property
    def first(self) -> Fault | None:
        return self.faults[0] if self.faults else None

    def add(self, fault: Fault) -> None:
        self.count += 1
        if len(self.faults) < SHOWN:
            self.faults.append(fault)


def _cannot(name: str, exc: OSError) -> ConfigError:
    return ConfigError(f"{name}: cannot be read: {exc.strerror or exc}")


def matching(names: Sequence[str]) -> list[str]:
    """Names with patterns replaced by what they match; a name that means nothing stays."""
    return [found for name in names for found in (_globbed(name) or [name])]


def _globbed(name: str) -> list[str]:
    return sorted(glob(name, recursive=True)) if has_magic(name) and not os.path.lexists(name) else []


def compacted(name: str) -> str:
    """Where the Parquet file of a log goes: beside it, ``calls.log.1.gz`` as ``calls.log.1.parquet``."""
    return f"{name.removesuffix('.gz').removesuffix('.zst')}{PACKED}"


def _once(names: Sequence[str]) -> list[str]:
    """Names without the logs whose Parquet file is among them: what ``compact --keep`` left would count twice."""
    there = set(names)
    return [name for name in names if name.endswith(PACKED) or compacted(name) not in there]


def _named(name: str) -> list[str]:
    if name == STDIN or os.path.lexists(name):
        return [name]
    found = _globbed(name)
    if not found:
        raise ConfigError(f"{name}: {'nothing matches' if has_magic(name) else 'there is no such file'}")
    return found


def expand(names: Sequence[str]) -> list[Source]:
    """The files that names and patterns mean, each once; of a log and the Parquet file made of it only that.

    Raises:
        ConfigError: there is no such file, or it cannot be read.
    """
    found = dict.fromkeys(path for name in names for path in _named(name) if name in (path, STDIN) or not os.path.isdir(path))
    return [_source(name) for name in _once(list(found))]


def _source(name: str) -> Source:
    if name == STDIN:
        return Source(name, is_pipe=True)
    try:
        if not os.path.isdir(name) and not os.path.isfile(name):
            return Source(name, is_pipe=True)
        with open(name, "rb") as file:
            return Source(name, is_parquet=file.read(4) == PARQUET)
    except OSError as exc:
        raise _cannot(name, exc) from exc


LIVE = Path(".llmlog") / "llm_interactions.log"


def default() -> list[str]:
    """The log of the working directory, with what was rotated away or compacted beside it."""
    beside = _once(sorted(glob(f"{LIVE}.*")))
    return [*beside, *([str(LIVE)] if LIVE.exists() or not beside else [])]


def is_plain(source: Source) -> bool:
    """Whether a file holds its lines as they are."""
    if source.is_pipe or source.is_parquet:
        return False
    with open(source.name, "rb") as file:
        return not is_packed(file.read(4))


@contextmanager
def opened(source: Source, advance: Advance = lambda _: None) -> Iterator[BinaryIO]:
    """The bytes of a log, uncompressed; of Parquet none.

    Raises:
        ConfigError: it cannot be opened.
    """
    try:
        raw = cast("BinaryIO", sys.stdin.buffer) if source.name == STDIN else open(source.name, "rb", buffering=0)  # noqa: SIM115
    except OSError as exc:
        raise _cannot(source.name, exc) from exc
    with raw, unpacked(raw, advance) as file:
        yield cast("BinaryIO", file)


__all__ = [
    "ENDS_EARLY", "LIVE", "PACKED", "STDIN", "Advance", "Damage", "Fault", "Source", "default", "expand", "is_plain", "matching", "opened", "unpacked",
]  # fmt: skip
