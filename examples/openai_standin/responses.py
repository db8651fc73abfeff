"""The responses API of the stand-in, plain and streamed."""

from __future__ import annotations

import json
from typing import Any

from openai_standin.parts import CREATED, call_tools, identifier, reply_text, token_count, wants_tools, words


def _messages(body: dict[str, Any]) -> list[dict[str, Any]]:
    given = body.get("input")
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    return [
        {"role": "tool", "content": item["output"]} if item.get("type") == "function_call_output" else item for item in given or []
    ]


def _output(body: dict[str, Any], key: str) -> list[dict[str, Any]]:
    messages = _messages(body)
    items: list[dict[str, Any]] = []
    if body.get("reasoning"):
        summary = [{"type": "summary_text", "text": "Thinking about the question."}]
        items.append({"id": f"rs_{key}", "type": "reasoning", "summary": summary})
    if wants_tools(messages, body.get("tools")):
        for number, (name, arguments) in enumerate(call_tools(messages, body["tools"])):
            call = {"call_id": f"call_{name}", "name": name, "arguments": json.dumps(arguments)}
            items.append({"id": f"fc_{key}_{number}", "type": "function_call", "status": "completed", **call})
        return items
    form = ((body.get("text") or {}).get("format") or {}).get("schema")
    text = {"type": "output_text", "text": reply_text(messages, form), "annotations": [], "logprobs": []}
    return [*items, {"id": f"msg_{key}", "type": "message", "status": "completed", "role": "assistant", "content": [text]}]


def _response(body: dict[str, Any]) -> dict[str, Any]:
    key = identifier(body)
    output = _output(body, key)
    into, out = token_count(json.dumps(body.get("input"))), token_count(json.dumps(output))
    thought = 64 if body.get("reasoning") else 0
    usage = {
        "input_tokens": into,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": out + thought,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": into + out + thought,
    }
    return {
        "id": f"resp_{key}", "object": "response", "created_at": CREATED, "status": "completed", "background": False,
        "error": None, "incomplete_details": None, "instructions": body.get("instructions"), "max_output_tokens": None,
        "model": body["model"], "output": output, "parallel_tool_calls": True, "previous_response_id": None,
        "reasoning": body.get("reasoning") or {"effort": None, "summary": None}, "service_tier": "default", "store": True,
        "temperature": 1.0, "text": body.get("text") or {"format": {"type": "text"}}, "tool_choice": "auto",
        "tools": body.get("tools") or [], "top_p": 1.0, "truncation": "disabled", "usage": usage, "user": None, "metadata": {},
    }  # fmt: skip


def _item_events(index: int, item: dict[str, Any]) -> list[dict[str, Any]]:
    """Everything a stream says about one item of output."""
    place = {"output_index": index, "item_id": item["id"]}
    begun = {**item, "status": "in_progress"} if "status" in item else dict(item)
    events: list[dict[str, Any]] = []
    if item["type"] == "message":
        part = item["content"][0]
        where = {**place, "content_index": 0}
        begun["content"] = []
        events.append({"type": "response.content_part.added", **where, "part": {**part, "text": ""}})
        events += [{"type": "response.output_text.delta", **where, "delta": word, "logprobs": []} for word in words(part["text"])]
        events.append({"type": "response.output_text.done", **where, "text": part["text"], "logprobs": []})
        events.append({"type": "response.content_part.done", **where, "part": part})
    if item["type"] == "function_call":
        begun["arguments"] = ""
        events.append({"type": "response.function_call_arguments.delta", **place, "delta": item["arguments"]})
        events.append(
            {"type": "response.function_call_arguments.done", **place, "name": item["name"], "arguments": item["arguments"]}
        )
    first = {"type": "response.output_item.added", "output_index": index, "item": begun}
    return [first, *events, {"type": "response.output_item.done", "output_index": index, "item": item}]


def answer(body: dict[str, Any]) -> tuple[int, Any, list[Any] | None]:
    """Return status, JSON body and, for a stream, its events."""
    response = _response(body)
    if not body.get("stream"):
        return 200, response, None
    begun = {**response, "status": "in_progress", "output": [], "usage": None}
    events = [{"type": "response.created", "response": begun}, {"type": "response.in_progress", "response": begun}]
    for index, item in enumerate(response["output"]):
        events += _item_events(index, item)
    events.append({"type": "response.completed", "response": response})
    return 200, None, [{**event, "sequence_number": number} for number, event in enumerate(events)]
