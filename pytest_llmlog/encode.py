"""Values to JSON text: one line for the log, readable pages for goldens; never fails on odd input."""

from __future__ import annotations

import math
import re
from itertools import islice
from typing import Any

import msgspec

DEEPEST = 200
"""Levels of nesting that are written; no API comes near."""

_SURROGATE = re.compile("[\ud800-\udfff]")

_encoder = msgspec.json.Encoder(enc_hook=str)


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


def line(record: Any) -> bytes:
    """One JSON object with its newline."""
    try:
        return _encoder.encode(record) + b"\n"  # encode_lines of msgspec 0.22 loses 48 bytes a call
    except (UnicodeEncodeError, TypeError, ValueError, RecursionError):
        return _encoder.encode(clean(record if isinstance(record, dict) else plain(record))) + b"\n"


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
    sizes = {name: len(line(record[name])) for name in CUTTABLE if record.get(name)}
    truncated: dict[str, int] = {}
    result = dict(record)
    over = len(line(result)) - limit
    if "wire" in sizes and over > 0:
        truncated["wire"] = sizes.pop("wire") - 1
        result = {name: entry for name, entry in record.items() if name != "wire"} | {"truncated": truncated}
        over = len(line(result)) - limit
    now, size = dict(sizes), limit
    while (size := size // 4) and over > 0:
        for name in sorted(sizes, key=lambda name: -sizes[name]):
            cut = _cut(record[name], size) if over > 0 else record[name]
            if cut != record[name]:
                truncated[name] = sizes[name] - 1
                result |= {name: cut, "truncated": truncated}
                before, now[name] = now[name], len(line(cut))
                over += now[name] - before  # near enough to go on; what ``truncated`` adds is counted when all are cut
        over = len(line(result)) - limit
    return result


def golden_bytes(value: Any) -> bytes:
    """JSON for reading: two spaces a level, and a list without objects or lists inside on one line; ended by a newline."""
    try:
        text = _encoder.encode(value)
    except (UnicodeEncodeError, TypeError, ValueError, RecursionError):
        text = _encoder.encode(clean(plain(value)))
    return b"\n".join(_with_flat_lists(msgspec.json.format(text, indent=2).split(b"\n"))) + b"\n"


def _with_flat_lists(lines: list[bytes]) -> list[bytes]:
    """Indented JSON with each list that holds no object or list on one line: no text in JSON holds a line's end."""
    result, done = [], 0
    for start in [number for number, line in enumerate(lines) if line.endswith(b"[")]:
        end = start + 1
        while (entry := lines[end].lstrip())[:1] not in b"[{]":
            end += 1
        if entry.startswith(b"]"):
            result += lines[done:start]
            result.append(lines[start] + b" ".join(map(bytes.strip, lines[start + 1 : end])) + entry)
            done = end + 1
    return result + lines[done:]
