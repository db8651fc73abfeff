"""httplib2: its connections, which it opens before it says what it will ask for."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from pytest_llmlog.intercept import running

MODULES = ("httplib2",)

_KINDS = ("HTTPConnectionWithTimeout", "HTTPSConnectionWithTimeout")


def is_ready(module: ModuleType) -> bool:
    """Whether the module has been imported to its end."""
    return hasattr(module, "Http") and all(hasattr(module, name) for name in _KINDS)


def patch(module: ModuleType) -> None:
    """Have connections opened when the request is sent, which http.client does by itself: a replayed one needs none."""
    for name in _KINDS:
        _put_off(getattr(module, name))


def _put_off(kind: Any) -> None:
    if hasattr(kind.connect, "llmlog_original"):
        return
    original = kind.connect

    def connect(self: Any) -> None:
        if "llmlog_asked" not in self.__dict__ and running.current():
            return  # no request yet; sending one comes here again
        original(self)

    connect.llmlog_original = original  # type: ignore[attr-defined]
    kind.connect = connect


def unpatch(module: ModuleType) -> None:
    """Take it out again, unless somebody has patched over it since."""
    for name in _KINDS:
        kind = getattr(module, name)
        if (original := getattr(kind.connect, "llmlog_original", None)) is not None:
            kind.connect = original
