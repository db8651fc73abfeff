"""Which recorded request a new one equals: the replay key, and the fields that make the key of the nearest miss differ."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from types import EllipsisType
from typing import Any

import msgspec

from pytest_llmlog.errors import ConfigError
from pytest_llmlog.redact import CREDENTIAL_QUERY
from pytest_llmlog.traffic import UNPARSED, Request

_sorted = msgspec.json.Encoder(order="sorted")
_BOUNDARY = re.compile(r'boundary="?([^";]+)"?')

Path = tuple[str | int | EllipsisType, ...]
"""A place inside a JSON value; ``...`` stands for every entry."""


def digest(data: bytes) -> str:
    """128 bits of BLAKE2b as 32 hexadecimal digits."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def digest_json(value: Any) -> str:
    """Hash a JSON value whatever the order of its keys."""
    return digest(_sorted_json(value))


_STEP = re.compile(r"\.([^.\[\]]+)|\[(?:(\d+|\*)|('[^']*'|\"[^\"]*\"))\]")


def parse_path(text: str) -> Path:
    """Read a JSON path of names, indexes and ``*``: ``$.metadata.trace``, ``$.messages[*].name``.

    Raises:
        ConfigError: it is not such a path.
    """
    steps: list[str | int | EllipsisType] = []
    position = 1
    while position < len(text) and (match := _STEP.match(text, position)):
        name, index, quoted = match.groups()
        steps.append(quoted[1:-1] if quoted else ... if "*" in (name, index) else name or int(index))
        position = match.end()
    if not text.startswith("$") or position != len(text) or not steps:
        raise ConfigError(f"llmlog_ignore: {text!r} is not a JSON path; write it like $.metadata.trace or $.messages[*].name")
    return tuple(steps)


def without(value: Any, paths: Sequence[Path]) -> Any:
    """Return the JSON value without what stands at the paths; the value itself is not changed."""
    if not paths:
        return value
    if isinstance(value, dict):
        entries = ((name, entry, _below(paths, name)) for name, entry in value.items())
        return {name: without(entry, below) for name, entry, below in entries if () not in below}
    if isinstance(value, list):
        numbered = ((entry, _below(paths, index)) for index, entry in enumerate(value))
        return [without(entry, below) for entry, below in numbered if () not in below]
    return value


def _below(paths: Sequence[Path], step: str | int) -> list[Path]:
    """What is left of the paths that go through a name or index."""
    return [path[1:] for path in paths if path and path[0] in (step, ...)]


def _plain_query(request: Request) -> list[list[str]]:
    return sorted([name, value] for name, value in request.query if name.lower() not in CREDENTIAL_QUERY)


def _sorted_json(value: Any) -> bytes:
    try:
        return _sorted.encode(value)
    except UnicodeEncodeError:  # a lone surrogate, which JSON can spell and UTF-8 cannot
        return json.dumps(value, sort_keys=True).encode()


def canonical_body(request: Request, ignore: Sequence[Path] = ()) -> bytes:
    """JSON with sorted keys and without ignored paths, multipart with a fixed boundary, anything else as it is."""
    if (value := request.json) is not UNPARSED:
        return _sorted_json(without(value, ignore) if ignore else value)
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
    return {"method": request.method, "host": request.host, "path": request.path, "query": _plain_query(request), "body": body}


def leaves(value: Any) -> set[tuple[str, str]]:
    """Every (place, value) of a JSON value, to count what two have in common; however deep it is."""
    found: set[tuple[str, str]] = set()
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        place, entry = waiting.pop()
        if isinstance(entry, Mapping):
            waiting += ((f"{place}.{name}", inner) for name, inner in entry.items())
        elif isinstance(entry, list):
            waiting += ((f"{place}[{index}]", inner) for index, inner in enumerate(entry))
        else:
            found.add((place, repr(entry)))
    return found


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
    try:
        text = str(wanted)
        return max(ties[:20], key=lambda index: _alike(text, str(candidates[index])))
    except RecursionError:
        return ties[0]


def _alike(first: str, second: str) -> float:
    from difflib import SequenceMatcher

    return SequenceMatcher(None, first, second, autojunk=False).quick_ratio()
