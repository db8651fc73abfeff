"""Capture: the transports of HTTP clients, and the decisions about the calls that pass through them."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from functools import partial
from types import ModuleType

from pytest_llmlog.intercept import aiohttp, cassettes, grpc, http_client, httplib2, httpx, retries, tornado, urllib3

TRANSPORTS = {
    name: transport
    for transport in (httpx, urllib3, aiohttp, http_client, httplib2, tornado, grpc, cassettes)
    for name in transport.MODULES
}
"""The modules of HTTP clients, and behind them those of cassettes, each with the module here that patches it."""

_lock = threading.RLock()
_users = 0
_watched = False


def install() -> None:
    """Start capturing, in clients imported already and in those still to be imported; ``uninstall`` ends it."""
    global _users
    with _lock:
        _users += 1
        _watch()
        _each(lambda name, module: TRANSPORTS[name].patch(module))


def uninstall() -> None:
    """Stop capturing when the last who asked for it stops."""
    global _users
    with _lock:
        _users -= 1
        if _users == 0:
            _each(lambda name, module: TRANSPORTS[name].unpatch(module))
            retries.restore()


def _each(act: Callable[[str, ModuleType], None]) -> None:
    for name, transport in TRANSPORTS.items():
        if (module := sys.modules.get(name)) is not None and transport.is_ready(module):
            act(name, module)


def _watch() -> None:
    """Have later imports of an HTTP client patched as well, without importing one ourselves."""
    global _watched
    if not _watched:
        from wrapt import register_post_import_hook

        _watched = True
        for name in TRANSPORTS:
            register_post_import_hook(partial(_imported, name), name)


def _imported(name: str, module: ModuleType) -> None:
    with _lock:
        if _users and TRANSPORTS[name].is_ready(module):
            try:
                TRANSPORTS[name].patch(module)
            except Exception as exc:  # the import is the program's, and goes on
                logging.getLogger("pytest_llmlog").warning("calls over %s are not seen: %s: %s", name, type(exc).__name__, exc)
