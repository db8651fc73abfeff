"""Content encodings undone piece by piece, so that a compressed stream keeps its chunk boundaries."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

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


def _brotli() -> Step:
    try:
        import brotli
    except ImportError:
        import brotlicffi as brotli
    decoder = brotli.Decompressor()
    return decoder.process if hasattr(decoder, "process") else decoder.decompress  # type: ignore[no-any-return]


def _zstd() -> Step:
    try:
        from compression import zstd  # type: ignore[import-not-found]

        return zstd.ZstdDecompressor().decompress  # type: ignore[no-any-return]
    except ImportError:
        import zstandard

        return zstandard.ZstdDecompressor().decompressobj().decompress  # type: ignore[no-any-return]


STEPS: dict[str, Callable[[], Step]] = {
    "gzip": lambda: zlib.decompressobj(zlib.MAX_WBITS | 16).decompress,
    "x-gzip": lambda: zlib.decompressobj(zlib.MAX_WBITS | 16).decompress,
    "deflate": _Deflate,
    "br": _brotli,
    "zstd": _zstd,
    "identity": lambda: bytes,
}


def decode(pieces: Sequence[tuple[float, bytes]], encoding: str) -> list[tuple[float, bytes]] | None:
    """Undo the encodings of a ``Content-Encoding`` header; None when one is unknown, not installed, or not what it says.

    A piece that yields nothing by itself is dropped: its bytes come out of a later one.
    """
    try:
        steps = [STEPS[name.strip().lower()]() for name in reversed(encoding.split(","))]
    except (KeyError, ImportError):
        return None
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
