"""What the stand-in's answers are made of: texts, tool calls and values, all computed from the request."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

CREATED = 1_760_000_000
"""The moment all answers claim to be made, so that the same request has the same answer."""

ANSWER = (
    "LLMs learn general patterns of language from huge amounts of text and are then steered by a prompt, while traditional "
    "ML trains a separate model on labelled features for each task. So an LLM can handle many tasks without retraining, at "
    "the price of cost, latency and less predictable answers."
)


def identifier(body: Any) -> str:
    """Return an id that only depends on the request."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:24]


def token_count(text: str) -> int:
    """Return a rule-of-thumb count, one token for each four characters: no tokenizer, and stable."""
    return max(1, len(text) // 4)


def words(text: str) -> list[str]:
    """Cut a text into the pieces a stream sends."""
    return re.findall(r"\S+\s*", text)


def user_text(messages: list[dict[str, Any]]) -> str:
    """Return the text of the last user message."""
    content = next((entry.get("content") for entry in reversed(messages) if entry.get("role") == "user"), "")
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if "text" in part)
    return str(content)


def reply_text(messages: list[dict[str, Any]], schema: dict[str, Any] | None, *, as_json: bool = False) -> str:
    """Return the answer's text: JSON by a schema, the result of a tool, or a sentence about the question."""
    asked = user_text(messages)
    if schema is not None or as_json:
        return json.dumps(value(schema or {"type": "object"}, asked))
    if messages and messages[-1].get("role") == "tool":
        return f"I looked it up: {messages[-1].get('content')}"
    if "How do LLMs differ from traditional ML?" in asked:
        return ANSWER
    return f"You asked about {len(asked.split())} words, beginning with: {' '.join(asked.split()[:8])}"


def wants_tools(messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None) -> bool:
    """Tell whether the answer is a tool call: tools are offered, and none has been called yet."""
    return bool(tools) and not any(entry.get("role") == "tool" for entry in messages)


def call_tools(messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    """Return the calls to make: every tool the user names, else the first."""
    asked = user_text(messages)
    functions = [tool.get("function") or tool for tool in tools]
    named = [function for function in functions if function["name"] in asked] or functions[:1]
    return [(function["name"], value(function.get("parameters") or {"type": "object"}, asked)) for function in named]


def _last_place(word: str, text: str) -> int:
    """Where a word last stands in a text; -1 where it does not."""
    return max((found.start() for found in re.finditer(rf"\b{re.escape(word)}\b", text, re.IGNORECASE)), default=-1)


def value(schema: dict[str, Any], asked: str) -> Any:
    """Return a value that holds to a JSON Schema, taken from the question where it can be."""
    if "$ref" in schema or "anyOf" in schema:
        return value(next(iter(schema.get("anyOf", [{}])), {}), asked)
    if "enum" in schema:
        return max(schema["enum"], key=lambda entry: _last_place(str(entry), asked))
    kind = schema.get("type")
    if kind == "object":
        return {name: value(entry, asked) for name, entry in schema.get("properties", {}).items()}
    if kind == "array":
        return [value(schema.get("items", {}), asked)]
    if kind in ("integer", "number"):
        return int(found[0]) if (found := re.findall(r"\d+", asked)) else 1
    if kind == "boolean":
        return "not" not in asked
    return " ".join(asked.split()[-6:])
