"""What the shells of blocking clients have in common: bodies that are sent, headers, and recorded bodies to be read."""

from __future__ import annotations

import io
from typing import Any

from pytest_llmlog.intercept.exchange import ReplayedCall


def sent(body: Any) -> tuple[bytes, Any]:
    """The body's bytes, and what to send: the body itself, or for one that can be read only once the same pieces again."""
    if body is None or isinstance(body, (bytes, bytearray)):
        return bytes(body or b""), body
    if isinstance(body, str):
        return body.encode(), body
    if not hasattr(body, "read"):
        pieces = list(body)
        return b"".join(map(_as_bytes, pieces)), iter(pieces)
    place = body.tell() if hasattr(body, "seek") else None
    content = _as_bytes(body.read())
    if place is None:
        return content, io.BytesIO(content)
    body.seek(place)
    return content, body


def _as_bytes(piece: Any) -> bytes:
    return piece.encode() if isinstance(piece, str) else bytes(piece)


def plain(headers: Any) -> dict[str, str]:
    """Header names in lower case, and texts."""
    return {text(name).lower(): text(value) for name, value in (headers or {}).items()}


def text(value: Any) -> str:
    """A header's name or value as text."""
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


class Pieces(io.RawIOBase):
    """The recorded body, as it is read from a socket: piece by piece, then as the recorded stream ended.

    ``head`` is what comes before the body.
    """

    def __init__(self, call: ReplayedCall, failure: BaseException | None, head: bytes = b"") -> None:
        self._pieces = [head] if head else []
        self._pieces += [piece for _, piece in call.response.pieces] if call.response else []
        self._call, self._failure = call, failure

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(1 << 20), b""))
        if not self._pieces:
            if self._failure is not None:
                raise self._failure
            self._call.past_the_end()
            return b""
        piece = self._pieces[0][:size]
        self._pieces[0] = self._pieces[0][size:]
        if not self._pieces[0]:
            self._pieces.pop(0)
        return piece

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    read1 = read
