"""Tornado's HTTP clients: ``fetch_impl``, which every implementation of its ``AsyncHTTPClient`` has."""

from __future__ import annotations

import builtins
import copy
import io
from types import ModuleType
from typing import Any

from pytest_llmlog.intercept import exchange
from pytest_llmlog.intercept.bodies import plain, sent
from pytest_llmlog.intercept.exchange import ReplayedCall
from pytest_llmlog.intercept.live import LiveCall
from pytest_llmlog.intercept.patches import original_of
from pytest_llmlog.traffic import Request

MODULES = ("tornado.simple_httpclient", "tornado.curl_httpclient")

FAILED = 599
"""The status that Tornado gives a response that never came."""


def _client(module: ModuleType) -> Any:
    return getattr(module, "SimpleAsyncHTTPClient", None) or getattr(module, "CurlAsyncHTTPClient", None)


def _listening(request: Any, call: LiveCall) -> Any:
    """The request with callbacks that tell the call, as a copy: the original is the caller's."""
    told = type(request)(copy.copy(request.request), request.defaults)  # a proxy that adds defaults, around the request itself
    streaming, heading = request.streaming_callback, request.header_callback
    headers: dict[str, str] = {}

    def head(line: str) -> Any:
        name, colon, value = line.partition(":")
        if line.startswith("HTTP/"):
            status = line.split()[1:2]
            headers.clear()
            call.responded(int(status[0]) if status and status[0].isdigit() else 0, headers)
        elif colon:
            headers[name.strip().lower()] = value.strip()
        return heading(line) if heading is not None else None

    def piece(data: bytes) -> Any:
        call.chunk(data)
        return streaming(data)

    if streaming is not None:
        told.request.streaming_callback, told.request.header_callback = piece, head
    return told


def _finish(call: LiveCall, response: Any) -> None:
    if response.code == FAILED and response.error is not None:
        call.finish("error", response.error)
        return
    call.responded(response.code, plain(response.headers))
    if response.body:
        call.chunk(response.body)
    call.finish()


def _replay(request: Any, call: ReplayedCall, started: float, now: float) -> Any:
    """Give the callbacks what they got when it was recorded, and return the response."""
    from tornado.httpclient import HTTPResponse
    from tornado.httputil import HTTPHeaders

    answered, body = call.response, b""
    headers = HTTPHeaders(dict(answered.headers) if answered else {})
    if answered is not None:
        if request.header_callback is not None:
            for line in (f"HTTP/1.1 {answered.status} ", *(f"{name}: {value}" for name, value in headers.get_all()), ""):
                request.header_callback(f"{line}\r\n")
        if request.streaming_callback is not None:
            for _, piece in answered.pieces:
                request.streaming_callback(piece)
        else:
            body = answered.body
    if call.failure is not None:
        return HTTPResponse(request, FAILED, error=_exception(call.failure.type, call.failure.text), request_time=now - started)
    assert answered is not None
    return HTTPResponse(request, answered.status, headers, io.BytesIO(body), request.url, request_time=now - started)


def _exception(name: str, text: str) -> BaseException:
    """The recorded exception, of the same class if this Tornado or Python has it."""
    from tornado import httpclient, iostream, simple_httpclient

    found = (getattr(module, name, None) for module in (simple_httpclient, httpclient, iostream, builtins))
    kind: Any = next((kind for kind in found if isinstance(kind, type) and issubclass(kind, BaseException)), ConnectionError)
    status, _, message = text.removeprefix("HTTP ").partition(": ")
    if kind is httpclient.HTTPClientError:
        return httpclient.HTTPClientError(int(status) if status.isdigit() else FAILED, message)
    error: BaseException = kind(text)
    return error


def is_ready(module: ModuleType) -> bool:
    """Whether the module has been imported to its end."""
    return hasattr(_client(module), "fetch_impl")


def patch(module: ModuleType) -> None:
    """Put capture into the client; once, however often it is asked for."""
    kind = _client(module)
    if hasattr(kind.fetch_impl, "llmlog_original"):
        return
    original = kind.fetch_impl

    def fetch_impl(self: Any, request: Any, callback: Any) -> None:
        found = exchange.endpoint_at(request.method, request.url)
        call = found and exchange.begin(Request(request.method, request.url, plain(request.headers), sent(request.body)[0]), *found)
        if not call:
            original(self, request, callback)
        elif isinstance(call, ReplayedCall):
            now = self.io_loop.time()
            callback(_replay(request, call, request.start_time, now))
        else:
            live = call

            def called(response: Any) -> Any:
                _finish(live, response)
                return callback(response)

            original(self, _listening(request, live), called)

    fetch_impl.llmlog_original = original  # type: ignore[attr-defined]
    kind.fetch_impl = fetch_impl


def unpatch(module: ModuleType) -> None:
    """Take capture out again, unless somebody has patched over it since: then it stays, and finds no scope."""
    kind = _client(module)
    if (original := original_of(kind.fetch_impl)) is not None:
        kind.fetch_impl = original
