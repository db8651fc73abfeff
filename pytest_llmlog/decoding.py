"""Content encodings undone piece by piece, so that a compressed stream keeps its chunk boundaries."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

Step = Callable[[bytes], bytes]


class _Deflate:
    """``deflate`` is zlib-wrapped by RFC 9110, and raw from some servers."""

    def __init__(self) -> None:
        self._head = b""
        self._decoder = zlib.decompressobj()

    def __call__(self, data: bytes) -> bytes:
        if len(self._head) >= 2:
            return self._decoder.decompress(data)
        self._head += data
        if len(self._head) < 2:  # the two bytes of zlib's header decide
            return b""
        try:
            return self._decoder.decompress(self._head)
        except zlib.error:
            self._decoder = zlib.decompressobj(-zlib.MAX_WBITS)
            return self._decoder.decompress(self._head)


class _Whole:
    """A decoder of whole bodies, where no library is installed that can take pieces.

    cramjam is there always: HTTP clients do not know it. With brotli or zstandard they would ask servers for other encodings
    than without this package.
    """

    def __init__(self, decompress: Callable[[bytes], Any]) -> None:
        self._decompress = decompress

    def __call__(self, data: bytes) -> bytes:
        return bytes(self._decompress(data)) if data else b""


def _brotli() -> Step:
    for name in ("brotli", "brotlicffi"):
        try:
            decoder = import_module(name).Decompressor()
        except ImportError:
            continue
        return decoder.process if hasattr(decoder, "process") else decoder.decompress  # type: ignore[no-any-return]
    from cramjam import brotli

    return _Whole(brotli.decompress)


def _zstd() -> Step:
    for name in ("compression.zstd", "zstandard"):
        try:
            decoder = import_module(name).ZstdDecompressor()
        except ImportError:
            continue
        return decoder.decompressobj().decompress if hasattr(decoder, "decompressobj") else decoder.decompress  # type: ignore[no-any-return]
    from cramjam import zstd

    return _Whole(zstd.decompress)


STEPS: dict[str, Callable[[], Step]] = {
    "gzip": lambda: zlib.decompressobj(zlib.MAX_WBITS | 16).decompress,
    "x-gzip": lambda: zlib.decompressobj(zlib.MAX_WBITS | 16).decompress,
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
