"""Capture: the transports of HTTP clients, and the decisions about the calls that pass through them."""

from __future__ import annotations

import sys
import threading

from pytest_llmlog.intercept import httpx, retries

_lock = threading.RLock()
_users = 0
_watched = False


def install() -> None:
    """Start capturing, in clients imported already and in those still to be imported; ``uninstall`` ends it."""
    global _users
    with _lock:
        _users += 1
        _watch()
        for name in httpx.MODULES:
            if (module := sys.modules.get(name)) is not None and hasattr(module, "HTTPTransport"):
                httpx.patch(module)


def uninstall() -> None:
    """Stop capturing when the last who asked for it stops."""
    global _users
    with _lock:
        _users -= 1
        if _users == 0:
            for name in httpx.MODULES:
                if (module := sys.modules.get(name)) is not None and hasattr(module, "HTTPTransport"):
                    httpx.unpatch(module)
            retries.restore()


def _watch() -> None:
    """Have later imports of an HTTP client patched as well, without importing one ourselves."""
    global _watched
    if not _watched:
        from wrapt import register_post_import_hook

        _watched = True
        for name in httpx.MODULES:
            register_post_import_hook(_imported, name)


def _imported(module: object) -> None:
    with _lock:
        if _users and hasattr(module, "HTTPTransport"):
            httpx.patch(module)  # type: ignore[arg-type]
