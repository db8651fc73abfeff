"""Where records are read from: plain, ``.gz`` and ``.zst`` logs, Parquet, patterns, standard input."""

from __future__ import annotations

import gzip
import io
import mmap
import os
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from glob import glob, has_magic
from pathlib import Path
from typing import BinaryIO, cast

from msgspec import Struct

from pytest_llmlog.errors import ConfigError

GZIP, ZSTD, PARQUET = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1"
"""How such files begin: RFC 1952, RFC 8878, the Parquet format's magic number."""

STDIN = "-"

Advance = Callable[[int], None]
"""Told of so many bytes more that were read."""


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
        return f"{self.source}:{self.line} (byte {self.offset}): {self.reason}"


class Damage:
    """What could not be read: how many places, and the first of them."""

    def __init__(self) -> None:
        self.count = 0
        self.first: Fault | None = None

    def add(self, fault: Fault) -> None:
        self.count += 1
        self.first = self.first or fault


def _cannot(name: str, exc: OSError) -> ConfigError:
    return ConfigError(f"{name}: cannot be read: {exc.strerror or exc}")


def matching(names: Sequence[str]) -> list[str]:
    """Names with patterns replaced by what they match; a name that means nothing stays."""
    return [found for name in names for found in (_globbed(name) or [name])]


def _globbed(name: str) -> list[str]:
    return sorted(glob(name, recursive=True)) if has_magic(name) and not os.path.lexists(name) else []


def _named(name: str) -> list[str]:
    if name == STDIN or os.path.lexists(name):
        return [name]
    found = _globbed(name)
    if not found:
        raise ConfigError(f"{name}: {'nothing matches' if has_magic(name) else 'there is no such file'}")
    return found


def expand(names: Sequence[str]) -> list[Source]:
    """The files that names and patterns mean, each once.

    Raises:
        ConfigError: there is no such file, or it cannot be read.
    """
    found = dict.fromkeys(path for name in names for path in _named(name) if name in (path, STDIN) or not os.path.isdir(path))
    return [_source(name) for name in found]


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


PACKED = ".parquet"
"""The end of a compacted log's name."""

LIVE = Path(".llmlog") / "llm_interactions.log"


def default() -> list[str]:
    """The log of the working directory, with what was rotated away or compacted beside it."""
    beside = [name for name in sorted(glob(f"{LIVE}.*")) if name.endswith(PACKED) or not os.path.exists(f"{name}{PACKED}")]
    return [*beside, *([str(LIVE)] if LIVE.exists() or not beside else [])]


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


@contextmanager
def unpacked(raw: BinaryIO, advance: Advance = lambda _: None) -> Iterator[io.BufferedReader]:
    """A file's bytes as they are, or uncompressed; how it begins decides, not its name."""
    counted = io.BufferedReader(_Counted(raw, advance), 1 << 20)
    head = counted.peek(4)[:4]
    if head.startswith(GZIP):
        yield cast("io.BufferedReader", gzip.GzipFile(fileobj=counted))
    elif head == ZSTD:
        with _zstandard(counted) as plain:
            yield plain
    else:
        yield cast("io.BufferedReader", counted)


class _Counted(io.RawIOBase):
    """Tells how much was read, so that progress is one of bytes on the disk."""

    def __init__(self, raw: BinaryIO, advance: Advance) -> None:
        self._raw, self._advance = raw, advance

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count: int = self._raw.readinto(buffer)  # type: ignore[attr-defined]
        self._advance(count)
        return count

    def seekable(self) -> bool:
        return self._raw.seekable()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._raw.seek(offset, whence)


@contextmanager
def _zstandard(packed: BinaryIO) -> Iterator[io.BufferedReader]:
    """Zstandard by way of a temporary file: cramjam takes no pieces, and other libraries would change what HTTP clients ask for.

    What an archive that ends early or is damaged still gives is read, and then the fault raised.
    """
    import cramjam

    with tempfile.NamedTemporaryFile(prefix="llmlog-") as source, tempfile.NamedTemporaryFile(prefix="llmlog-") as target:
        shutil.copyfileobj(packed, source)
        source.flush()
        fault = ""
        with mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                cramjam.zstd.decompress_into(data, cramjam.File(target.name, read=True, write=True, truncate=True))
            except (cramjam.DecompressionError, OSError) as exc:
                fault = str(exc)
        with open(target.name, "rb", buffering=0) as plain:
            yield io.BufferedReader(_Then(plain, fault), 1 << 20)


class _Then(io.RawIOBase):
    """A file, and behind its end the fault that it ends with."""

    def __init__(self, file: io.RawIOBase, fault: str) -> None:
        self._file, self._fault = file, fault

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count = self._file.readinto(buffer)
        if not count and self._fault:
            raise EOFError(self._fault)
        return int(count)

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)


ENDS_EARLY = (EOFError, gzip.BadGzipFile, zlib.error)
"""What reading a compressed file raises that is damaged or still being written."""
