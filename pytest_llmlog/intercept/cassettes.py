"""What vcrpy and cassetter play: their cassettes' public methods, watched, because they answer before or behind our transports."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from pytest_llmlog.intercept import exchange, in_use
from pytest_llmlog.intercept.patches import original_of
from pytest_llmlog.traffic import Request

MODULES = ("vcr.cassette", "cassetter.cassette")

KEPT = {
    f"_{library.capitalize()}{kind}": (library, name, method)
    for library in ("httpx", "httpx2")
    for kind, name, method in (
        ("HttpTransport_handle_request", "HTTPTransport", "handle_request"),
        ("AsyncHttpTransport_handle_async_request", "AsyncHTTPTransport", "handle_async_request"),
    )
} | {"_AiohttpClientSessionRequest": ("aiohttp.client", "ClientSession", "_request")}
"""Where vcrpy, when it is imported, keeps the methods it goes on with: those of before us, if that was first."""


def is_ready(module: ModuleType) -> bool:
    """Whether the module has been imported to its end."""
    return hasattr(module, "Cassette") and (module.__name__ != "vcr.cassette" or hasattr(module, "CassetteContextDecorator"))


def patch(module: ModuleType) -> None:
    """Watch a tool's cassettes; once, however often it is asked for."""
    if module.__name__ == "vcr.cassette":
        _replace(module.CassetteContextDecorator, "__enter__", _entering)
        _replace(module.CassetteContextDecorator, "__exit__", _leaving)
        _replace(module.Cassette, "play_response", _vcr_playing)
        _hand_over()
    else:
        _replace(module.Cassette, "match", _cassetter_playing)


def unpatch(module: ModuleType) -> None:
    """Watch no longer, except where somebody has patched over it since: there it stays, and finds no scope."""
    if module.__name__ == "vcr.cassette":
        _restore(module.CassetteContextDecorator, "__enter__")
        _restore(module.CassetteContextDecorator, "__exit__")
        _restore(module.Cassette, "play_response")
        in_use.entered.clear()  # whose end is not seen any more
    else:
        _restore(module.Cassette, "match")


def _replace(kind: type, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    original = getattr(kind, name)
    if not hasattr(original, "llmlog_original"):
        ours = make(original)
        ours.llmlog_original = original  # type: ignore[attr-defined]
        setattr(kind, name, ours)


def _restore(kind: type, name: str) -> None:
    original = original_of(getattr(kind, name))
    if original is not None:
        setattr(kind, name, original)


def _hand_over() -> None:
    """Let vcrpy go on with the captured methods, so that what it records is seen as well."""
    kept = sys.modules["vcr.patch"]
    for name, (library, kind, method) in KEPT.items():
        module = sys.modules.get(library)
        ours = getattr(getattr(module, kind, None), method, None)
        if ours is not None and original_of(ours) is getattr(kept, name, ours):
            setattr(kept, name, ours)


def _entering(original: Callable[..., Any]) -> Callable[..., Any]:
    def enter(self: Any) -> Any:
        cassette = original(self)
        in_use.entered.append((self, cassette))
        return cassette

    return enter


def _leaving(original: Callable[..., Any]) -> Callable[..., Any]:
    def leave(self: Any, *exc_info: Any) -> Any:
        in_use.entered[:] = [entry for entry in in_use.entered if entry[0] is not self]
        return original(self, *exc_info)

    return leave


def _vcr_playing(original: Callable[..., Any]) -> Callable[..., Any]:
    def play_response(self: Any, request: Any) -> Any:
        response = original(self, request)
        exchange.played(lambda: _vcr_request(request), lambda: _vcr_response(response))
        return response

    return play_response


def _cassetter_playing(original: Callable[..., Any]) -> Callable[..., Any]:
    def match(self: Any, method: str, uri: str, headers: Any, body: bytes | None) -> Any:
        in_use.passed_on.set(True)
        found = original(self, method, uri, headers, body)
        if not self.verifies:  # else the answer comes from the server all the same
            in_use.passed_on.set(False)
            asked = Request(method, uri, _plain(headers), body or b"")
            exchange.played(lambda: asked, lambda: _cassetter_response(found[1]))
        return found

    return match


def _plain(headers: Mapping[Any, Any]) -> dict[str, str]:
    """Headers of which a value may be a list of them."""
    return {
        str(name).lower(): ", ".join(map(str, value)) if isinstance(value, list) else str(value) for name, value in headers.items()
    }


def _bytes(content: Any) -> bytes:
    if hasattr(content, "read"):
        content = content.read()
    if content is None or isinstance(content, (bytes, bytearray, str)):
        return content.encode() if isinstance(content, str) else bytes(content or b"")
    return json.dumps(content).encode() if isinstance(content, dict) else b"".join(content)  # what aiohttp is given as JSON


def _vcr_request(request: Any) -> Request:
    return Request(request.method, request.uri, _plain(request.headers), _bytes(request.body))


def _vcr_response(response: Mapping[str, Any]) -> tuple[int, dict[str, str], bytes]:
    if "status_code" in response:  # how early versions kept httpx's
        return response["status_code"], _plain(response["headers"]), _bytes(response["content"])
    return response["status"]["code"], _plain(response["headers"]), _bytes(response["body"]["string"])


def _cassetter_response(response: Any) -> tuple[int, dict[str, str], bytes]:
    return response.status, _plain(response.headers), _bytes(sys.modules["cassetter.compare"].body_to_bytes(response.body))
