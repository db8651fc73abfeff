"""aiohttp: the session's ``_request``, the one place that every request of every client made with it passes through.

It is no public name, but there is no public one: aiohttp has no transports, and its tracing sees no body.
"""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import AsyncIterator
from types import ModuleType, SimpleNamespace
from typing import Any

from pytest_llmlog.intercept import exchange, outlets
from pytest_llmlog.intercept.exchange import CANCELLATIONS, ReplayedCall
from pytest_llmlog.intercept.live import LiveCall
from pytest_llmlog.intercept.patches import original_of
from pytest_llmlog.traffic import Request

MODULES = ("aiohttp.client",)

_listening: dict[int, LiveCall] = {}
"""The calls whose bodies are under way, by the identity of their stream: a stream takes no attributes."""


class _NoConnection:
    """Stands in for the connection that a stream slows down when it is read slowly."""

    _reading_paused = False
    connected = False

    def pause_reading(self) -> None: ...

    def resume_reading(self, resume_parser: bool = True) -> None: ...


def _classes(client: ModuleType) -> SimpleNamespace:
    """Make the stream that records, and the stream and the response that replay."""
    from aiohttp.client_reqrep import ClientResponse
    from aiohttp.streams import StreamReader

    class Recording(StreamReader):
        """Tells the call about what arrives, when it arrives."""

        __slots__ = ()

        def feed_data(self, data: bytes, *args: Any) -> Any:
            if (call := _listening.get(id(self))) is not None and data:
                call.chunk(bytes(data))
            return super().feed_data(data, *args)

        def feed_eof(self) -> None:
            super().feed_eof()
            _end(self)

        def set_exception(self, exc: BaseException, *args: Any) -> None:
            super().set_exception(exc, *args)
            _end(self, exc)

    class Replaying(StreamReader):
        """Gives the next recorded piece whenever there is none left, then ends as the recorded stream ended."""

        __slots__ = ("_call", "_failure", "_pieces")

        def __init__(self, call: ReplayedCall, failure: BaseException | None) -> None:
            self._call, self._failure = call, failure
            self._pieces = [piece for _, piece in call.response.pieces] if call.response else []
            super().__init__(_NoConnection(), 2**30, loop=asyncio.get_running_loop())  # type: ignore[arg-type]
            if not self._pieces and failure is None and call.response is not None and call.response.ended == "whole":
                self.feed_eof()

        async def _wait(self, func_name: str) -> None:
            if self._pieces:
                self.feed_data(self._pieces.pop(0))
            elif self._failure is not None:
                await _lose_patience(self._call)
                self.set_exception(self._failure)
                raise self._failure
            else:
                self._call.past_the_end()
                self.feed_eof()

    class Replayed(ClientResponse):
        """A response that never had a connection."""

        def __init__(self, method: str, url: Any, info: Any, call: ReplayedCall, failure: BaseException | None) -> None:
            import inspect

            from multidict import CIMultiDict, CIMultiDictProxy

            known = inspect.signature(ClientResponse.__init__).parameters
            absent: dict[str, Any] = {"writer": None, "continue100": None, "timer": None, "session": None}
            if "stream_writer" in known:
                absent["stream_writer"] = SimpleNamespace(output_size=0)
            super().__init__(method, url, request_info=info, traces=[], loop=asyncio.get_running_loop(), **absent)
            assert call.response is not None
            self.status, self.reason = call.response.status, ""
            self._headers = CIMultiDictProxy(CIMultiDict(call.response.headers))
            self._raw_headers = tuple((name.encode(), value.encode()) for name, value in call.response.headers.items())
            self.content = Replaying(call, failure)

    return SimpleNamespace(Recording=Recording, Replayed=Replayed)


def _end(stream: Any, error: BaseException | None = None) -> None:
    call = _listening.pop(id(stream), None)
    if call is not None:
        call.finish("error" if error else "whole", error)


async def _lose_patience(call: ReplayedCall) -> None:
    """Where the caller had lost patience, give nothing until it does so again."""
    if call.failure is not None and call.failure.type in CANCELLATIONS:
        await asyncio.Event().wait()


def _exception(client: ModuleType, url: Any, call: ReplayedCall) -> BaseException:
    """The recorded exception, of the same class if this aiohttp or Python has it."""
    import aiohttp

    assert call.failure is not None
    text = call.failure.text
    # asyncio before builtins: before Python 3.11 its TimeoutError, the one aiohttp raises, is a class of its own.
    found = (getattr(module, call.failure.type, None) for module in (aiohttp, asyncio, builtins))
    kind = next(
        (kind for kind in found if isinstance(kind, type) and issubclass(kind, BaseException)), aiohttp.ClientConnectionError
    )
    key = SimpleNamespace(host=url.host, port=url.port, is_ssl=url.scheme == "https", ssl=True)
    arguments: tuple[Any, ...] = (key, OSError(0, text)) if issubclass(kind, aiohttp.ClientConnectorError) else (text,)
    try:
        error: BaseException = kind(*arguments)
    except TypeError:
        error = aiohttp.ClientConnectionError(text)
    return error


def _found(method: str, url: Any) -> Any:
    """As ``exchange.endpoint_of``; a websocket is let through and told of, since what it says back and forth is no exchange."""
    found = exchange.endpoint_of(method, url.host or "", url.path)
    if found is not None and url.scheme in ("ws", "wss") and not found[1][0].replays:
        outlets.connects(url.host or "", "a websocket of aiohttp")
        return None
    return found


async def _sent(session: Any, data: Any, json: Any) -> tuple[bytes, Any, str | None]:
    """The body's bytes, what to send in place of ``data``, and the content type it has by itself."""
    from aiohttp import FormData, Payload

    if json is not None:
        return str(session.json_serialize(json)).encode(), data, "application/json"
    if data is None or isinstance(data, (bytes, bytearray)):
        return bytes(data or b""), data, None
    if isinstance(data, str):
        return data.encode(), data, None
    if hasattr(data, "read") and hasattr(data, "seek"):
        place = data.tell()
        content = data.read()
        data.seek(place)
        return content if isinstance(content, bytes) else str(content).encode(), data, None
    if hasattr(data, "__aiter__") and not isinstance(data, Payload):
        pieces = [piece async for piece in data]
        return b"".join(pieces), _again(pieces), None
    payload = data if isinstance(data, Payload) else (data if isinstance(data, FormData) else FormData(data))()
    return await payload.as_bytes(), payload, payload.content_type


async def _again(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def is_ready(client: ModuleType) -> bool:
    """Whether the module has been imported to its end."""
    return hasattr(client, "ClientSession") and hasattr(client, "_RequestContextManager")


def patch(client: ModuleType) -> None:
    """Put capture into aiohttp's sessions; once, however often it is asked for."""
    kind = client.ClientSession
    if hasattr(kind._request, "llmlog_original"):
        return
    original = kind._request
    classes = _classes(client)

    async def request(self: Any, method: str, str_or_url: Any, **given: Any) -> Any:
        url = self._build_url(str_or_url)
        if given.get("params"):
            url = url.extend_query(given["params"])
        found = _found(method.upper(), url)
        if found is None:
            return await original(self, method, str_or_url, **given)
        body, data, content_type = await _sent(self, given.get("data"), given.get("json"))
        given = given if data is None else {**given, "data": data}
        headers = {str(name).lower(): str(value) for name, value in {**self.headers, **dict(given.get("headers") or {})}.items()}
        if content_type is not None:
            headers.setdefault("content-type", content_type)
        call = exchange.begin(Request(method.upper(), str(url), headers, body), *found)
        if call is None:
            return await original(self, method, str_or_url, **given)
        if isinstance(call, ReplayedCall):
            return await replay(self, method, url, call, given)
        return await live(self, method, str_or_url, call, given)

    async def live(session: Any, method: str, url: Any, call: LiveCall, given: dict[str, Any]) -> Any:
        try:
            response = await original(session, method, url, **given)
        except BaseException as exc:
            if isinstance(getattr(exc, "status", None), int):
                call.responded(exc.status, {})  # type: ignore[attr-defined]
            call.finish("error", exc)
            raise
        headers = {name.lower(): value for name, value in response.headers.items()}
        if session.auto_decompress:
            headers.pop("content-encoding", None)
        call.responded(response.status, headers)
        _listen(response, call, classes.Recording)
        return response

    async def replay(session: Any, method: str, url: Any, call: ReplayedCall, given: dict[str, Any]) -> Any:
        from aiohttp import RequestInfo
        from multidict import CIMultiDict, CIMultiDictProxy

        failure = _exception(client, url, call) if call.failure else None
        if call.response is None:
            assert failure is not None
            await _lose_patience(call)
            raise failure
        info = RequestInfo(url, method, CIMultiDictProxy(CIMultiDict()), url)
        response = classes.Replayed(method, url, info, call, failure)
        check = given.get("raise_for_status")
        check = session._raise_for_status if check is None else check
        if callable(check):
            await check(response)
        elif check:
            response.raise_for_status()
        return response

    request.llmlog_original = original  # type: ignore[attr-defined]
    kind._request = request


def _listen(response: Any, call: LiveCall, recording: type) -> None:
    """Hear what the body's stream is fed, and what it has been fed already."""
    stream = response.content
    for piece in getattr(stream, "_buffer", ()):
        call.chunk(bytes(piece))
    if stream.is_eof():
        call.finish()
        return
    _listening[id(stream)] = call
    stream.__class__ = recording
    close = response.close

    def closed() -> None:
        if _listening.pop(id(stream), None) is not None:
            call.finish("closed")
        close()

    response.close = closed


def unpatch(client: ModuleType) -> None:
    """Take capture out again, unless somebody has patched over it since: then it stays, and finds no scope."""
    original = original_of(client.ClientSession._request)
    if original is not None:
        client.ClientSession._request = original
