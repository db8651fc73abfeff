"""How much of what was said a log holds: all of it, hashes that still compare, or nothing."""

from __future__ import annotations

from typing import Any, Literal

from pytest_llmlog import matching

Content = Literal["full", "hash", "none"]

DROPPED = ("messages", "response_messages", "tools", "params", "labels", "wire")
"""Fields that are nothing but content, or that may hold some; all of them may be missing."""


def _hash(value: Any) -> str:
    return f"blake2b:{matching.digest_json(value)}"


def limited(record: dict[str, Any], content: Content) -> dict[str, Any]:
    """A record's fields as a log may hold them.

    Prompt, response, input, the error's text and tool arguments become ``blake2b:`` and 32 hexadecimal digits, alike for alike
    values, or go (``none``). Names, figures, times, ids and the record's own hashes stay.
    """
    if content == "full":
        return record
    hashed = content == "hash"
    result = {name: value for name, value in record.items() if name not in DROPPED}
    result["prompt"] = _hash(record["prompt"]) if hashed else ""
    for name in ("response", "input"):
        value = record[name]
        if isinstance(value, dict) and hashed:
            result[name] = {each: _hash(entry) for each, entry in value.items()}
        else:
            result[name] = _hash(value) if hashed and value is not None else None
    if record.get("error") is not None:
        result["error"] = _hash(record["error"]) if hashed else f"[{record.get('error_type') or 'error'}]"
    if record.get("tool_calls"):
        result["tool_calls"] = [
            {**call, "arguments": _hash(call["arguments"]) if hashed else None} for call in record["tool_calls"]
        ]
    return result
