"""Values to JSON text: one line for the log, readable pages for goldens; never fails on odd input."""

from __future__ import annotations

import json
import math
import re
from itertools import islice
from typing import Any

import msgspec

DEEPEST = 200
"""Levels of nesting that are written; no API comes near."""

_SURROGATE = re.compile("[\ud800-\udfff]")

_encoder = msgspec.json.Encoder()


def plain(value: Any) -> Any:
    """Turn records into dicts, lists, texts and numbers: what a JSON Schema judges."""
    return msgspec.to_builtins(value, enc_hook=str)


def clean(value: Any, depth: int = 0) -> Any:
    """Make a value valid JSON: lone surrogates become U+FFFD, NaN and infinities null, keys texts, and an end of depth."""
    if isinstance(value, str):
        return value if value.isascii() else _SURROGATE.sub("\ufffd", value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth > DEEPEST:
        return "…"
    if isinstance(value, dict):
        return {clean(str(name)): clean(entry, depth + 1) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(entry, depth + 1) for entry in value]
    return value if isinstance(value, (int, type(None))) else str(value)


def line(record: dict[str, Any]) -> bytes:
    """One JSON object with its newline."""
    try:
        return _encoder.encode_lines((record,))
    except (UnicodeEncodeError, TypeError, ValueError, RecursionError):
        return _encoder.encode(clean(record)) + b"\n"


def _cut(value: Any, size: int) -> Any:
    """Shorten every text inside a value to so many characters, every list and object to so many entries."""
    if isinstance(value, str) and len(value) > size:
        return f"{value[:size]}… [{len(value) - size} more characters]"
    if isinstance(value, dict):
        return {name[: max(size, 20)]: _cut(entry, size) for name, entry in islice(value.items(), size)}
    if isinstance(value, (list, tuple)):
        return [_cut(entry, size) for entry in value[:size]]
    return value


CUTTABLE = (
    "wire", "messages", "prompt", "response_messages", "response", "input", "tool_calls", "error", "params", "labels", "tools", "rate_limit",
)  # fmt: skip
"""Fields that can be long, those first that other fields repeat."""


def shortened(record: dict[str, Any], limit: int) -> dict[str, Any]:
    """Cut long fields until the line fits the limit in bytes; ``truncated`` tells each field's original size.

    The wire goes first and whole, because half of it cannot be replayed.
    """
    sizes = {name: len(line(record[name])) - 1 for name in CUTTABLE if record.get(name)}
    truncated: dict[str, int] = {}
    result = dict(record)
    if "wire" in sizes and len(line(result)) > limit:
        truncated["wire"] = sizes.pop("wire")
        result = {name: entry for name, entry in record.items() if name != "wire"} | {"truncated": truncated}
    size = limit
    while (size := size // 4) and len(line(result)) > limit:
        for name in sorted(sizes, key=lambda name: -sizes[name]):
            cut = _cut(record[name], size)
            if cut != record[name] and len(line(result)) > limit:
                truncated[name] = sizes[name]
                result |= {name: cut, "truncated": truncated}
    return result


def pretty(value: Any, indent: str = "") -> str:
    """JSON for reading: two spaces a level, and a list without objects or lists inside on one line."""
    inner = indent + "  "
    if isinstance(value, dict) and value:
        rows = [f"{inner}{_scalar(str(name))}: {pretty(entry, inner)}" for name, entry in value.items()]
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    if isinstance(value, (list, tuple)) and any(isinstance(entry, (dict, list, tuple)) for entry in value):
        return "[\n" + ",\n".join(inner + pretty(entry, inner) for entry in value) + f"\n{indent}]"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_scalar, value)) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def golden_bytes(golden: Any) -> bytes:
    """A golden's page of text, ended by a newline."""
    return (pretty(clean(plain(golden))) + "\n").encode()
