"""The bodies of http.client's responses, recorded while they are read."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from http.client import HTTPResponse
from typing import Any

from pytest_llmlog.intercept.bodies import plain
from pytest_llmlog.intercept.live import LiveCall


class _Tee:
    """Tells a call what is read from a response."""

    def __init__(self, call: LiveCall) -> None:
        self.call = call
        self._busy = False

    def hear(self, response: Any, read: Callable[[], Any], data_of: Callable[[Any], bytes] = bytes) -> Any:
        if self._busy:  # one way of reading is made of another
            return read()
        self._busy = True
        try:
            got = read()
        except BaseException as exc:
            if partial := getattr(exc, "partial", b""):
                self.call.chunk(bytes(partial))
            self.call.finish("error", exc)
            raise
        finally:
            self._busy = False
        if data := data_of(got):
            self.call.chunk(data)
        if response.isclosed() or response.length == 0:  # a response read line by line does not notice its own end
            self.call.finish()
        return got

    def leave(self) -> None:
        if not self._busy:
            self.call.finish("closed")


def listen(response: Any, call: LiveCall) -> None:
    """Have the call told about the response and what is read from it."""
    call.responded(response.status, plain(response.headers))
    if response.isclosed():  # there is no body
        call.finish()
        return
    response.llmlog_tee = _Tee(call)
    response.__class__ = _recording(type(response))  # type: ignore[arg-type]  # mypy knows no class as hashable


@cache
def _recording(kind: type[HTTPResponse]) -> type[HTTPResponse]:
    class Recording(kind):  # type: ignore[misc, valid-type]
        llmlog_tee: _Tee

        def read(self, *amount: Any, **more: Any) -> Any:
            return self.llmlog_tee.hear(self, lambda: super(Recording, self).read(*amount, **more))

        def read1(self, *amount: Any, **more: Any) -> Any:
            return self.llmlog_tee.hear(self, lambda: super(Recording, self).read1(*amount, **more))

        def readline(self, *limit: Any, **more: Any) -> Any:
            return self.llmlog_tee.hear(self, lambda: super(Recording, self).readline(*limit, **more))

        def readinto(self, buffer: Any) -> Any:
            return self.llmlog_tee.hear(self, lambda: super(Recording, self).readinto(buffer), lambda count: bytes(buffer[:count]))

        def close(self) -> None:
            try:
                super().close()
            finally:
                self.llmlog_tee.leave()

    return Recording
