"""Cassettes of vcrpy and pytest-recording, old ones too, and those of cassetter, which has the same bones.

Format: https://github.com/kevin1024/vcrpy/blob/master/vcr/serialize.py and what projects' own serializers add
(``parsed_body``, ``base64``).
"""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime
from typing import Any

from pytest_llmlog.cassettes.base import CassetteError, Recording, as_bytes, headers
from pytest_llmlog.traffic import Exchange, Request, Response

LARGEST = 10_000_000
"""Values in one cassette, a text counting once more for each KiB: a few aliases of aliases stand for more than any memory holds."""


def load_yaml(content: bytes) -> Any:
    """Parse YAML; Python's own tags, which old cassettes have, give plain values and never run anything.

    Raises:
        CassetteError: it is not YAML.
    """
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc]
        pass

    def plain(loader: Any, _: str, node: Any) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return loader.construct_scalar(node)
        if isinstance(node, yaml.SequenceNode):
            return loader.construct_sequence(node, deep=True)
        return loader.construct_mapping(node, deep=True)

    Loader.add_multi_constructor("tag:yaml.org,2002:python/", plain)
    try:
        document = yaml.load(content, Loader=Loader)
    except Exception as exc:  # PyYAML's own, and whatever its constructors meet in a date or a number
        raise CassetteError(f"damaged: {exc}") from exc
    if _size(document, {}) > LARGEST:
        raise CassetteError("its aliases repeat more than a cassette can hold")
    return document


def _size(value: Any, sizes: dict[int, int]) -> int:
    """How many values there are when every alias is followed; each is looked at once.

    Raises:
        CassetteError: a value is inside of itself, or too deep.
    """
    if not isinstance(value, (dict, list)):
        return 1 + (len(value) >> 10 if isinstance(value, (str, bytes)) else 0)
    if id(value) not in sizes:
        sizes[id(value)] = LARGEST  # until it is known: only of one inside of itself is it asked
        try:
            sizes[id(value)] = 1 + sum(_size(entry, sizes) for entry in (value.values() if isinstance(value, dict) else value))
        except RecursionError as exc:
            raise CassetteError("nested too deeply") from exc
    return sizes[id(value)]


def entries(document: Any) -> list[Any]:
    """The interactions of a cassette: in a list, or as two lists side by side.

    Raises:
        CassetteError: there are none.
    """
    if isinstance(document, list):
        return document
    if isinstance(document, dict):
        for name in ("interactions", "http_interactions", "recordings"):
            if isinstance(document.get(name), list):
                return list(document[name])
        requests, responses = document.get("requests"), document.get("responses")
        if isinstance(requests, list) and isinstance(responses, list):
            if len(requests) != len(responses):
                raise CassetteError(f"{len(requests)} requests, but {len(responses)} responses")
            return [{"request": asked, "response": answered} for asked, answered in zip(requests, responses, strict=True)]
    raise CassetteError("not a cassette: it has no list of interactions")


def read(entry: Any) -> Recording:
    """Read one interaction."""
    asked, answered = entry["request"], entry["response"]
    url = asked.get("uri") or asked.get("url")
    if not isinstance(url, str):
        raise CassetteError("the request has no uri")
    request = Request(str(asked.get("method") or "GET").upper(), url, headers(asked.get("headers")), _body(asked))
    pieces = [(0.0, body)] if (body := _body(answered)) else []
    response = Response(_status(answered), headers(answered.get("headers")), pieces)
    return Recording(Exchange(request, response), _moment(entry.get("recorded_at")))


def _status(answered: dict[str, Any]) -> int:
    status = answered.get("status", answered.get("status_code"))
    code = status.get("code") if isinstance(status, dict) else status
    if not isinstance(code, int) or not 100 <= code <= 599:
        raise CassetteError(f"the response's status is {code!r}")
    return code


def _body(part: dict[str, Any]) -> bytes:
    """A body under any of the names and in any of the forms that cassettes have."""
    for name in ("parsed_body", "body_json", "json"):
        if part.get(name) is not None:
            return as_bytes(part[name])
    if "body_type" in part:  # cassetter's TOML: everything as text
        return _typed(part["body_type"], part.get("body_content"))
    body = part.get("body", part.get("content"))
    if isinstance(body, dict) and set(body) <= {"type", "content"} and body.get("type") in ("json", "text", "binary", "none"):
        content = body.get("content")
        return _typed(body["type"], json.dumps(content) if body["type"] == "json" and isinstance(content, str) else content)
    if not isinstance(body, dict) or not {"string", "base64_string", "base64", "encoding", "data", "text", "json"} & set(body):
        return as_bytes(body)
    for name in ("base64_string", "base64"):
        if body.get(name) is not None:
            return _unpacked(body[name])
    content = next((body[name] for name in ("string", "data", "text", "json") if body.get(name) is not None), None)
    return _unpacked(content) if body.get("encoding") == "base64" else as_bytes(content)


def _typed(kind: Any, content: Any) -> bytes:
    """A body of cassetter's: binary is hexadecimal."""
    if kind == "binary" and isinstance(content, str):
        return bytes.fromhex(content)
    return b"" if kind == "none" else as_bytes(content)


def _unpacked(text: Any) -> bytes:
    try:
        return base64.b64decode(as_bytes(text), validate=False)
    except binascii.Error as exc:
        raise CassetteError(f"a body is no base64: {exc}") from exc


def _moment(value: Any) -> float | None:
    if isinstance(value, datetime):
        return value.timestamp()
    try:
        return datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp() if isinstance(value, str) else None
    except ValueError:
        return None
