"""The bodies of urllib3's responses: recorded while they are read, and given again piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pytest_llmlog.intercept.bodies import plain
from pytest_llmlog.intercept.live import LiveCall


class _Tee:
    """Tells a call what a response reads."""

    def __init__(self, call: LiveCall) -> None:
        self._call = call
        self._begun = self.busy = False

    def read(self, response: Any, read: Callable[[], bytes], decode: bool | None) -> bytes:
        if not self._begun:
            self._begun = True
            headers = plain(response.headers)
            if response.decode_content if decode is None else decode:
                headers.pop("content-encoding", None)
            self._call.responded(response.status, headers)
        self.busy = True  # urllib3 closes a response that breaks while it is read
        try:
            data = read()
        except BaseException as exc:
            self._call.finish("error", exc)
            raise
        finally:
            self.busy = False
        if data:
            self._call.chunk(data)
        return data


def recording(kind: type, call: LiveCall) -> type:
    """Make a response class that passes on what it reads, and tells the call about it."""
    tee = _Tee(call)

    class Recording(kind):  # type: ignore[misc]
        def read(self, amt: int | None = None, decode_content: bool | None = None, cache_content: bool = False) -> bytes:
            data = tee.read(self, lambda: super(Recording, self).read(amt, decode_content, cache_content), decode_content)
            if amt is None or (amt and (not data or (self.closed and len(data) < amt))):
                call.finish()
            return data

        def stream(self, amt: int | None = 2**16, decode_content: bool | None = None) -> Iterator[bytes]:
            yield from super().stream(amt, decode_content)
            call.finish()

        def read1(self, amt: int | None = None, decode_content: bool | None = None) -> bytes:
            data = tee.read(self, lambda: super(Recording, self).read1(amt, decode_content), decode_content)
            if amt != 0 and not data:
                call.finish()
            return data

        def read_chunked(self, amt: int | None = None, decode_content: bool | None = None) -> Iterator[bytes]:
            chunks = super().read_chunked(amt, decode_content)
            try:
                while chunk := tee.read(self, lambda: next(chunks, b""), decode_content):
                    yield chunk
            except GeneratorExit:
                call.finish("closed")
                raise
            call.finish()

        def close(self) -> None:
            try:
                super().close()
            finally:
                if not tee.busy:
                    call.finish("closed")

    return Recording


def replaying(kind: type) -> type:
    """Make a response class that streams the recorded pieces as they came."""

    class Replaying(kind):  # type: ignore[misc]
        def stream(self, amt: int | None = 2**16, decode_content: bool | None = None) -> Iterator[bytes]:
            while not self.closed and (piece := self._fp.read(1 << 30 if amt is None else amt)):
                yield piece
            self.close()

    return Replaying
