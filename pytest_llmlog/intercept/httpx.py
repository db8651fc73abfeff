"""httpx and httpx2: their public transport classes, patched while a run or a ``capture()`` block is open.

Sync and async are thin shells over ``exchange``; the module (httpx or httpx2) is passed in.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import cached_property
from types import ModuleType
from typing import Any

from pytest_llmlog.intercept import exchange
from pytest_llmlog.intercept.exchange import CANCELLATIONS, ReplayedCall
from pytest_llmlog.intercept.live import LiveCall
from pytest_llmlog.intercept.patches import original_of
from pytest_llmlog.intercept.retries import no_pause
from pytest_llmlog.traffic import Request

MODULES = ("httpx2", "httpx")


def _plain(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw}


class _Request(Request):
    """A request that asks httpx's own objects for what is seldom wanted."""

    def __init__(self, request: Any, body: bytes) -> None:
        self._request, self.method, self.body = request, request.method, body

    @cached_property
    def url(self) -> str:  # type: ignore[override]
        return str(self._request.url)

    @cached_property
    def headers(self) -> dict[str, str]:  # type: ignore[override]
        return _plain(self._request.headers.raw)


def _streams(module: ModuleType) -> tuple[type, type, type]:
    """Make the stream classes that this httpx accepts: both recording ones, and the one that replays."""

    class Recording(module.SyncByteStream):  # type: ignore[name-defined, misc]
        """Passes each chunk on when it arrives, and tells the call about it."""

        def __init__(self, stream: Any, call: LiveCall) -> None:
            self._stream, self._call = stream, call

        def __iter__(self) -> Iterator[bytes]:
            try:
                for chunk in self._stream:
                    self._call.chunk(chunk)
                    yield chunk
            except GeneratorExit:
                self._call.finish("closed")
                raise
            except BaseException as exc:
                self._call.finish("error", exc)
                raise
            self._call.finish()

        def close(self) -> None:
            try:
                self._stream.close()
            finally:
                self._call.finish("closed")

    class AsyncRecording(module.AsyncByteStream):  # type: ignore[name-defined, misc]
        """The same, awaited."""

        def __init__(self, stream: Any, call: LiveCall) -> None:
            self._stream, self._call = stream, call

        async def __aiter__(self) -> AsyncIterator[bytes]:
            try:
                async for chunk in self._stream:
                    self._call.chunk(chunk)
                    yield chunk
            except GeneratorExit:
                self._call.finish("closed")
                raise
            except BaseException as exc:
                self._call.finish("error", exc)
                raise
            self._call.finish()

        async def aclose(self) -> None:
            try:
                await self._stream.aclose()
            finally:
                self._call.finish("closed")

    class Replaying(module.SyncByteStream, module.AsyncByteStream):  # type: ignore[name-defined, misc]
        """Gives the recorded chunks, then ends as the recorded stream ended."""

        def __init__(self, call: ReplayedCall) -> None:
            self._call = call

        def _end(self) -> None:
            if self._call.failure is not None:
                raise _exception(module, self._call)
            self._call.past_the_end()

        def __iter__(self) -> Iterator[bytes]:
            for _, chunk in self._call.response.pieces if self._call.response else ():
                yield chunk
            self._end()

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for _, chunk in self._call.response.pieces if self._call.response else ():
                yield chunk
            await _wait_if_cancelled(self._call)
            self._end()

    return Recording, AsyncRecording, Replaying


def _exception(module: ModuleType, call: ReplayedCall) -> Exception:
    """The recorded exception, of the same class if this httpx has it."""
    assert call.failure is not None
    kind = getattr(module, call.failure.type, module.TransportError)
    is_error = isinstance(kind, type) and issubclass(kind, module.TransportError)
    error: Exception = (kind if is_error else module.TransportError)(call.failure.text)
    return error


async def _wait_if_cancelled(call: ReplayedCall) -> None:
    """Where the caller had lost patience, give nothing until it does so again."""
    if call.failure is not None and call.failure.type in CANCELLATIONS:
        from anyio import sleep_forever  # httpx itself needs anyio for this

        await sleep_forever()


def is_ready(module: ModuleType) -> bool:
    """Whether the module has been imported to its end."""
    return hasattr(module, "HTTPTransport")


def patch(module: ModuleType) -> None:
    """Put capture into the transports of httpx or httpx2; once, however often it is asked for."""
    if hasattr(module.HTTPTransport.handle_request, "llmlog_original"):
        return
    recording, async_recording, replaying = _streams(module)
    sync_original = module.HTTPTransport.handle_request
    async_original = module.AsyncHTTPTransport.handle_async_request

    def answer(call: ReplayedCall) -> Any:
        if call.retried:
            no_pause()
        if call.response is None:
            raise _exception(module, call)
        return module.Response(call.response.status, headers=call.response.headers, stream=replaying(call))

    def begin(request: Any, found: Any, body: bytes) -> ReplayedCall | LiveCall | None:
        endpoint, scopes = found
        return exchange.begin(_Request(request, body), endpoint, scopes)

    def handle_request(self: Any, request: Any) -> Any:
        found = exchange.endpoint_of(request.method, request.url.host, request.url.path)
        call = begin(request, found, request.read()) if found else None
        if call is None:
            return sync_original(self, request)
        if isinstance(call, ReplayedCall):
            return answer(call)
        try:
            response = sync_original(self, request)
        except BaseException as exc:
            call.finish("error", exc)
            raise
        call.responded(response.status_code, _plain(response.headers.raw))
        response.stream = recording(response.stream, call)
        return response

    async def handle_async_request(self: Any, request: Any) -> Any:
        found = exchange.endpoint_of(request.method, request.url.host, request.url.path)
        call = begin(request, found, await request.aread()) if found else None
        if call is None:
            return await async_original(self, request)
        if isinstance(call, ReplayedCall):
            if call.response is None:
                await _wait_if_cancelled(call)
            return answer(call)
        try:
            response = await async_original(self, request)
        except BaseException as exc:
            call.finish("error", exc)
            raise
        call.responded(response.status_code, _plain(response.headers.raw))
        response.stream = async_recording(response.stream, call)
        return response

    handle_request.llmlog_original = sync_original  # type: ignore[attr-defined]
    handle_async_request.llmlog_original = async_original  # type: ignore[attr-defined]
    module.HTTPTransport.handle_request = handle_request
    module.AsyncHTTPTransport.handle_async_request = handle_async_request


def unpatch(module: ModuleType) -> None:
    """Take capture out again, unless somebody has patched over it since: then it stays, and finds no scope."""
    for kind, name in ((module.HTTPTransport, "handle_request"), (module.AsyncHTTPTransport, "handle_async_request")):
        original = original_of(getattr(kind, name))
        if original is not None:
            setattr(kind, name, original)
