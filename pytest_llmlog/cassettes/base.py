"""What every foreign format is read into."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from pytest_llmlog import traffic


class CassetteError(ValueError):
    """A recording, or one interaction of it, that cannot be read; the text says why."""


class Recording(NamedTuple):
    """One recorded exchange; what the format does not tell is None.

    ``started`` is seconds since the epoch, ``seconds`` the time from sending to the last byte.
    """

    exchange: traffic.Exchange
    started: float | None = None
    seconds: float | None = None


def headers(given: Any) -> dict[str, str]:
    """Headers as a mapping of names to a value or several, as pairs, or as ``Name: value``; names in lower case."""
    if isinstance(given, dict):
        pairs: Iterable[Any] = given.items()
    else:
        while isinstance(given, list) and len(given) == 1 and given[0] and isinstance(given[0], list) and _is_nested(given[0]):
            given = given[0]  # a set that Python wrote as a list inside a list
        pairs = [_pair(entry) for entry in given or ()]
    return {_text(name).lower(): _joined(value) for name, value in pairs}


def _is_nested(entry: list[Any]) -> bool:
    return isinstance(entry[0], (list, tuple))


def _pair(entry: Any) -> tuple[Any, Any]:
    if isinstance(entry, str):
        name, _, value = entry.partition(":")
        return name, value.strip()
    if isinstance(entry, dict):
        return entry.get("name", ""), entry.get("value", "")
    name, value = entry
    return name, value


def _joined(value: Any) -> str:
    return ", ".join(map(_text, value)) if isinstance(value, (list, tuple)) else _text(value)


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def as_bytes(value: Any) -> bytes:
    """A body as a format keeps it: bytes, text, or parsed JSON."""
    if value is None:
        return b""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    import json

    return json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass")
