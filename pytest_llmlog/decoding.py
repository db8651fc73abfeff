"""Content encodings undone piece by piece, so that a compressed stream keeps its chunk boundaries."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from importlib import import_module

Step = Callable[[bytes], bytes]

LIMIT = 256 * 1024 * 1024
"""Largest body that is unpacked, in bytes: a few hundred can stand for more than any memory holds."""

SLICE = 64
"""Bytes given to a decoder at a time that cannot be told when to stop; brotli makes at most 200 MB of them."""


class TooLarge(ValueError):
    """A body unpacks to more than ``LIMIT``."""


class _Zlib:
    """A decoder of zlib's that stops at the limit."""

    def __init__(self, window: int) -> None:
        self._decoder, self._left = zlib.decompressobj(window), LIMIT

    def __call__(self, data: bytes) -> bytes:
        found = self._decoder.decompress(data, self._left + 1)
        self._left -= len(found)
        if self._left < 0:
            raise TooLarge
        return found


class _Sliced:
    """A decoder that is fed little by little, and no more when it has made too much of that."""

    def __init__(self, step: Step) -> None:
        self._step, self._left = step, LIMIT

    def __call__(self, data: bytes) -> bytes:
        made = []
        for start in range(0, len(data), SLICE):
            made.append(self._step(data[start : start + SLICE]))
            self._left -= len(made[-1])
            if self._left < 0:
                raise TooLarge
        return b"".join(made)


class _Deflate:
    """``deflate`` is zlib-wrapped by RFC 9110, and raw from some servers."""

    def __init__(self) -> None:
        self._head = b""
        self._decoder = _Zlib(zlib.MAX_WBITS)

    def __call__(self, data: bytes) -> bytes:
        if len(self._head) >= 2:
            return self._decoder(data)
        self._head += data
        if len(self._head) < 2:  # the two bytes of zlib's header decide
            return b""
        try:
            return self._decoder(self._head)
        except zlib.error:
            self._decoder = _Zlib(-zlib.MAX_WBITS)
            return self._decoder(self._head)


class _Whole:
    """A decoder of whole bodies, where no library is installed that can take pieces.

    cramjam is there always: HTTP clients do not know it. With brotli or zstandard they would ask servers for other encodings
    than without this package.
    """

    def __init__(self, decompress_into: Callable[[bytes, bytearray], int]) -> None:
        self._decompress_into = decompress_into

    def __call__(self, data: bytes) -> bytes:
        size = min(LIMIT, 1 << 16 | len(data) * 32)
        while data:
            room = bytearray(size)
            try:
                return bytes(room[: self._decompress_into(data, room)])
            except Exception:  # too little room, or no such encoding: cramjam tells them apart by its text alone
                if size == LIMIT:
                    raise
                size = min(LIMIT, size * 64)
        return b""


def _brotli() -> Step:
    for name in ("brotli", "brotlicffi"):
        try:
            decoder = import_module(name).Decompressor()
        except ImportError:
            continue
        return _Sliced(decoder.process if hasattr(decoder, "process") else decoder.decompress)
    from cramjam import brotli

    return _Whole(brotli.decompress_into)


def _zstd() -> Step:
    for name in ("compression.zstd", "zstandard"):
        try:
            decoder = import_module(name).ZstdDecompressor()
        except ImportError:
            continue
        return _Sliced(decoder.decompressobj().decompress if hasattr(decoder, "decompressobj") else decoder.decompress)
    from cramjam import zstd

    return _Whole(zstd.decompress_into)


STEPS: dict[str, Callable[[], Step]] = {
    "gzip": lambda: _Zlib(zlib.MAX_WBITS | 16),
    "x-gzip": lambda: _Zlib(zlib.MAX_WBITS | 16),
    "deflate": _Deflate,
    "br": _brotli,
    "zstd": _zstd,
    "identity": lambda: bytes,
}


def decode(pieces: Sequence[tuple[float, bytes]], encoding: str) -> list[tuple[float, bytes]] | None:
    """Undo the encodings of a ``Content-Encoding`` header; None when one is unknown, or not what it says.

    A piece that yields nothing by itself is dropped: its bytes come out of a later one.
    """
    try:
        steps = [STEPS[name.strip().lower()]() for name in reversed(encoding.split(","))]
    except KeyError:
        return None
    if pieces and any(isinstance(step, _Whole) for step in steps):
        pieces = [(pieces[-1][0], b"".join(piece for _, piece in pieces))]
    decoded = []
    try:
        for seconds, piece in pieces:
            for step in steps:
                piece = step(piece)
            if piece:
                decoded.append((seconds, piece))
    except Exception:  # each library has errors of its own for bytes that are not its encoding
        return None
    return decoded
