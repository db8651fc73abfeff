"""Which recorded request a new one equals: the replay key, and the fields that make the key of the nearest miss differ."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from pytest_llmlog.errors import ConfigError
from pytest_llmlog.redact import CREDENTIAL_QUERY
from pytest_llmlog.traffic import UNPARSED, Request

_sorted = msgspec.json.Encoder(order="sorted")
_BOUNDARY = re.compile(r'boundary="?([^";]+)"?')

Path = tuple[str | int, ...]
"""A place inside a JSON value; ``*`` stands for every entry."""


def digest(data: bytes) -> str:
    """128 bits of BLAKE2b as 32 hexadecimal digits."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def digest_json(value: Any) -> str:
    """Hash a JSON value whatever the order of its keys."""
    return digest(_sorted.encode(value))


_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\*|'[^']*'|\"[^\"]*\")\]")


def parse_path(text: str) -> Path:
    """Read a JSON path of names, indexes and ``*``: ``$.metadata.trace``, ``$.messages[*].name``.

    Raises:
        ConfigError: it is not such a path.
    """
    steps, position = [], 1
    while position < len(text) and (match := _STEP.match(text, position)):
        name, index = match.groups()
        steps.append(name if name is not None else int(index) if index.isdigit() else index.strip("'\""))
        position = match.end()
    if not text.startswith("$") or position != len(text) or not steps:
        raise ConfigError(f"llmlog_ignore: {text!r} is not a JSON path; write it like $.metadata.trace or $.messages[*].name")
    return tuple(steps)


def without(value: Any, paths: Iterable[Path]) -> Any:
    """Return the JSON value without what stands at the paths; the value itself is not changed."""
    for path in paths:
        value = _without(value, path)
    return value


def _without(value: Any, path: Path) -> Any:
    step, rest = path[0], path[1:]
    if isinstance(value, dict):
        chosen = set(value) if step == "*" else {step}
        if not rest:
            return {name: entry for name, entry in value.items() if name not in chosen}
        return {name: _without(entry, rest) if name in chosen else entry for name, entry in value.items()}
    if isinstance(value, list) and (step == "*" or isinstance(step, int)):
        if not rest:
            return [entry for index, entry in enumerate(value) if step not in ("*", index)]
        return [_without(entry, rest) if step in ("*", index) else entry for index, entry in enumerate(value)]
    return value


def _plain_query(request: Request) -> list[list[str]]:
    return sorted([name, value] for name, value in request.query if name.lower() not in CREDENTIAL_QUERY)


def canonical_body(request: Request, ignore: Sequence[Path] = ()) -> bytes:
    """JSON with sorted keys and without ignored paths, multipart with a fixed boundary, anything else as it is."""
    if (value := request.json) is not UNPARSED:
        return _sorted.encode(without(value, ignore) if ignore else value)
    if match := _BOUNDARY.search(request.headers.get("content-type", "")):
        return request.body.replace(match[1].encode(), b"boundary")
    return request.body


def key(request: Request, ignore: Sequence[Path] = ()) -> str:
    """The replay key: method, host, path, query without credentials, canonical body.

    The scheme and the port are not part of it: a server on another loopback port is the same server.
    """
    head = (
        [request.method, request.host, request.path, *_plain_query(request)]
        if request.query
        else [request.method, request.host, request.path]
    )
    return digest(msgspec.json.encode(head) + b"\n" + canonical_body(request, ignore))


def exact_key(request: Request) -> str:
    """A key of the bytes as they are: equal for requests that need no canonical form to be equal."""
    return digest(f"{request.method} {request.host} {request.path} {request.query}\n".encode() + request.body)


def comparable(request: Request, ignore: Sequence[Path] = ()) -> dict[str, Any]:
    """What the key is made of, as one JSON value that can be compared field by field."""
    value = request.json
    body = without(value, ignore) if value is not UNPARSED else canonical_body(request).decode("utf-8", "replace")
    return {"method": request.method, "host": request.host, "path": request.path, "query": dict(request.query), "body": body}


def leaves(value: Any, place: str = "") -> set[tuple[str, str]]:
    """Every (place, value) of a JSON value, to count what two have in common."""
    if isinstance(value, Mapping):
        return set().union(*(leaves(entry, f"{place}.{name}") for name, entry in value.items()))
    if isinstance(value, list):
        return set().union(*(leaves(entry, f"{place}[{index}]") for index, entry in enumerate(value)))
    return {(place, repr(value))}


def nearest(wanted: dict[str, Any], candidates: Sequence[dict[str, Any]]) -> int | None:
    """Index of the candidate that shares most places and values; at a tie the one whose text is most alike, then the first.

    Cost is linear in the candidates and is paid only on a miss.
    """
    if not candidates:
        return None
    target = leaves(wanted)
    shared = [len(target & leaves(candidate)) for candidate in candidates]
    best = max(shared)
    ties = [index for index, count in enumerate(shared) if count == best]
    text = str(wanted)
    return max(ties[:20], key=lambda index: _alike(text, str(candidates[index])))


def _alike(first: str, second: str) -> float:
    from difflib import SequenceMatcher

    return SequenceMatcher(None, first, second, autojunk=False).quick_ratio()
