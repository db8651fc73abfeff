"""Compressed files read as what they hold: gzip and Zstandard, by how they begin."""

from __future__ import annotations

import gzip
import io
import mmap
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
"""How such files begin: RFC 1952, RFC 8878."""

Advance = Callable[[int], None]
"""Told of so many bytes more that were read."""


def is_packed(head: bytes) -> bool:
    """Whether a file that begins so is compressed."""
    return head.startswith((GZIP, ZSTD))


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
