"""http.client, and so urllib and httplib2: a connection's public methods, from ``putrequest`` to ``getresponse``.

Nothing is sent before the request is whole, because only then is it known whether it is replayed; http.client itself sends
nothing before that either, except a body that the caller writes with ``send``.
"""

from __future__ import annotations

import builtins
import http.client
import io
import re
import socket
import ssl
import sys
from collections.abc import Callable
from http import HTTPStatus
from types import ModuleType
from typing import Any

from pytest_llmlog.intercept import exchange
from pytest_llmlog.intercept.bodies import Pieces, sent, text
from pytest_llmlog.intercept.exchange import ReplayedCall
from pytest_llmlog.intercept.http_client_bodies import listen
from pytest_llmlog.intercept.live import LiveCall
from pytest_llmlog.traffic import Request

MODULES = ("http.client",)

FRAMING = ("content-length", "transfer-encoding", "connection")
"""Headers about the recorded bytes on their connection: what is replayed ends with its connection."""

_original: dict[str, Callable[..., Any]] = {}
"""http.client's own methods; they stay here, for whoever is still inside of ours when capture ends."""


class _Asked:
    """The request that a connection is putting together, and what was decided about it."""

    def __init__(self, method: str, url: str, found: Any) -> None:
        self.method, self.url, self.found = method, url, found
        self.headers: dict[str, str] = {}
        self.body: bytearray | None = None
        """What the caller has written itself so far, while the request is held back."""
        self.call: LiveCall | ReplayedCall | None = None


class _RecordedSocket:
    """Takes whatever is sent, and gives the recorded response or failure."""

    def __init__(self, call: ReplayedCall) -> None:
        self._call = call
        self._failure = _exception(call.failure.type, call.failure.text) if call.failure else None

    def sendall(self, data: Any) -> None:
        # Who could not connect never came to reading.
        if self._failure is not None and self._call.response is None and not _is_from_reading(self._failure):
            raise self._failure

    def makefile(self, mode: str = "rb", *args: Any) -> Any:
        return io.BufferedReader(Pieces(self._call, self._failure, _head(self._call)))

    def settimeout(self, seconds: float | None) -> None: ...

    def setsockopt(self, *option: Any) -> None: ...

    def shutdown(self, how: int) -> None: ...

    def close(self) -> None: ...


def _head(call: ReplayedCall) -> bytes:
    if call.response is None:
        return b""
    status = call.response.status
    reason = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
    headers = "".join(f"{name}: {value}\r\n" for name, value in call.response.headers.items() if name not in FRAMING)
    return f"HTTP/1.1 {status} {reason}\r\n{headers}\r\n".encode("latin-1", "replace")


def _exception(name: str, text: str) -> BaseException:
    """The recorded exception, of the same class if this Python has it, with its error number."""
    found = (getattr(module, name, None) for module in (builtins, http.client, socket, ssl))
    kind = next((kind for kind in found if isinstance(kind, type) and issubclass(kind, BaseException)), ConnectionError)
    if issubclass(kind, http.client.IncompleteRead):
        return kind(b"")
    numbered = re.match(r"\[Errno (-?\d+)\] (.*)", text, re.DOTALL)
    return kind(int(numbered[1]), numbered[2]) if numbered and issubclass(kind, OSError) else kind(text)


def _is_from_reading(error: BaseException) -> bool:
    """Whether http.client meets such an error when it reads, rather than when it connects."""
    return isinstance(error, (http.client.HTTPException, TimeoutError, ConnectionResetError, BrokenPipeError))


def _asked(connection: Any, method: str, url: str) -> _Asked | None:
    urllib3 = sys.modules.get("urllib3.connection")
    if urllib3 is not None and isinstance(connection, urllib3.HTTPConnection):
        return None  # the pool above it is captured
    if "://" not in url:
        scheme = "https" if connection.default_port == 443 else "http"
        host = getattr(connection, "_tunnel_host", None) or connection.host
        url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{connection.port}{url}"
    found = exchange.endpoint_at(method, url)
    return _Asked(method, url, found) if found else None


def putrequest(self: Any, method: str, url: str, *args: Any, **more: Any) -> None:
    self.llmlog_asked = _asked(self, method, url)
    _original["putrequest"](self, method, url, *args, **more)


def putheader(self: Any, header: Any, *values: Any) -> None:
    _original["putheader"](self, header, *values)
    if (asked := getattr(self, "llmlog_asked", None)) is not None:
        asked.headers[text(header).lower()] = ", ".join(map(text, values))


def endheaders(self: Any, message_body: Any = None, *, encode_chunked: bool = False) -> None:
    asked = getattr(self, "llmlog_asked", None)
    if asked is None:
        _original["endheaders"](self, message_body, encode_chunked=encode_chunked)
    elif message_body is None and (asked.headers.get("content-length", "0") != "0" or "transfer-encoding" in asked.headers):
        asked.body = bytearray()
    else:
        _ask(self, asked, message_body, encode_chunked=encode_chunked)


def send(self: Any, data: Any) -> None:
    asked = getattr(self, "llmlog_asked", None)
    if asked is None or asked.body is None:
        _original["send"](self, data)
        return
    asked.body += sent(data)[0]
    if len(asked.body) >= int(asked.headers.get("content-length", sys.maxsize)):
        _ask(self, asked, bytes(asked.body))


def _ask(self: Any, asked: _Asked, body: Any, *, encode_chunked: bool = False) -> None:
    asked.body = None
    content, body = sent(body)
    asked.call = exchange.begin(Request(asked.method, asked.url, asked.headers, content), *asked.found)
    if isinstance(asked.call, ReplayedCall):
        self.sock = _RecordedSocket(asked.call)
    try:
        _original["endheaders"](self, body, encode_chunked=encode_chunked)
    except BaseException as exc:
        self.__dict__.pop("llmlog_asked", None)
        if isinstance(asked.call, LiveCall):
            asked.call.finish("error", exc)
        raise


def getresponse(self: Any) -> Any:
    asked = self.__dict__.pop("llmlog_asked", None)
    if asked is None:
        return _original["getresponse"](self)
    if asked.body is not None:  # framed by the caller, who need not say where it ends
        _ask(self, asked, bytes(asked.body))
    try:
        response = _original["getresponse"](self)
    except BaseException as exc:
        if isinstance(asked.call, LiveCall):
            asked.call.finish("error", exc)
        raise
    finally:
        if isinstance(self.sock, _RecordedSocket):
            self.sock = None
    if isinstance(asked.call, LiveCall):
        listen(response, asked.call)
    return response


_METHODS = (putrequest, putheader, endheaders, send, getresponse)


def is_ready(module: ModuleType) -> bool:
    """Whether the module has been imported to its end."""
    return hasattr(module, "HTTPSConnection") and hasattr(module, "responses")


def patch(module: ModuleType) -> None:
    """Put capture into http.client's connections; once, however often it is asked for."""
    for method in _METHODS:
        current = getattr(module.HTTPConnection, method.__name__)
        if _original.setdefault(method.__name__, current) is current:
            setattr(module.HTTPConnection, method.__name__, method)


def unpatch(module: ModuleType) -> None:
    """Take capture out again, except where somebody has patched over it since: there it stays, and finds no scope."""
    for method in _METHODS:
        if getattr(module.HTTPConnection, method.__name__) is method:
            setattr(module.HTTPConnection, method.__name__, _original[method.__name__])
