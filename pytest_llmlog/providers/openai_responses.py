"""OpenAI responses, plain and streamed.

Wire format: https://platform.openai.com/docs/api-reference/responses
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from pytest_llmlog.providers.base import (
    Answered,
    Asked,
    Message,
    Part,
    as_object,
    as_objects,
    as_text,
    by_index,
    in_band_error,
    message,
    parse_arguments,
    place,
    text_part,
    tool_calls,
)  # fmt: skip
from pytest_llmlog.providers.openai import asked, with_usage
from pytest_llmlog.providers.openai_chat import media_part
from pytest_llmlog.traffic import Exchange, Request, Response, ServerSentEvent

LAST_EVENTS = ("response.completed", "response.incomplete", "response.failed", "error")


def _content_part(part: dict[str, Any]) -> Part:
    kind = part.get("type")
    if kind in ("input_text", "output_text", "text", "summary_text", "reasoning_text"):
        return text_part(str(part.get("text", "")))
    if kind == "input_image" and part.get("image_url"):
        return media_part("image", str(part["image_url"]))
    if kind in ("input_file", "input_image"):
        return {**part, "type": "file"}
    if kind == "refusal":
        return {"type": "refusal", "content": part.get("refusal")}
    return {**part, "type": str(kind)}


def _content(content: Any) -> list[Part]:
    return [text_part(content)] if isinstance(content, str) else [_content_part(part) for part in as_objects(content)]


def _call(item: dict[str, Any]) -> Part:
    arguments = item.get("arguments", item.get("input"))
    return {
        "type": "tool_call",
        "id": as_text(item.get("call_id")) or as_text(item.get("id")),
        "name": str(item.get("name") or ""),
        "arguments": parse_arguments(arguments),
    }


def read_item(item: dict[str, Any]) -> Message:
    """One item of input or output, in the OpenTelemetry message form."""
    kind = item.get("type", "message")
    if kind == "message":
        return message(str(item.get("role") or "user"), *_content(item.get("content")))
    if kind in ("function_call", "custom_tool_call"):
        return message("assistant", _call(item))
    if kind in ("function_call_output", "custom_tool_call_output"):
        return message("tool", {"type": "tool_call_response", "id": as_text(item.get("call_id")), "response": item.get("output")})
    if kind == "reasoning":
        thoughts = as_objects(item.get("summary")) + as_objects(item.get("content"))
        return message("assistant", *({"type": "reasoning", "content": str(thought.get("text", ""))} for thought in thoughts))
    return message("assistant", {**item, "type": str(kind)})


def _finish_reason(body: dict[str, Any]) -> tuple[str, ...]:
    reason = as_text(as_object(body.get("incomplete_details")).get("reason")) or as_text(body.get("status"))
    return (reason,) if reason else ()


def _text(messages: list[Message]) -> str | None:
    """The texts of all message items, as the SDK's ``output_text`` has them: joined without a separator."""
    texts = [part["content"] for entry in messages for part in entry["parts"] if part["type"] == "text"]
    return "".join(texts) if texts else None


def _answer(body: dict[str, Any], missing: str) -> Answered:
    error = as_object(body.get("error"))
    messages = [read_item(item) for item in as_objects(body.get("output"))]
    return with_usage(
        body.get("usage"), missing, response=_text(messages), messages=tuple([entry for entry in messages if entry["parts"]]),
        tool_calls=tool_calls(messages), finish_reasons=_finish_reason(body),
        response_id=as_text(body.get("id")), response_model=as_text(body.get("model")),
        error=(as_text(error.get("message")) or "the response failed") if error or body.get("status") == "failed" else None,
        error_type=as_text(error.get("type")), error_code=as_text(error.get("code")),
    )  # fmt: skip


def _partial(events: list[ServerSentEvent]) -> dict[str, Any]:
    """What a stream that broke off had said: finished items, and the text of the one that was under way."""
    body: dict[str, Any] = {}
    items: dict[Any, dict[str, Any]] = {}
    for data in as_objects([event.json for event in events]):
        index, kind = place(data.get("output_index")), data.get("type")
        if kind in ("response.created", "response.in_progress"):
            body = {**as_object(data.get("response")), "status": None}
        elif kind in ("response.output_item.added", "response.output_item.done"):
            items[index] = dict(as_object(data.get("item")))
        elif kind == "response.output_text.delta":
            item = items.setdefault(index, {"type": "message", "role": "assistant"})
            text = "".join(str(part.get("text", "")) for part in as_objects(item.get("content")))
            item["content"] = [{"type": "output_text", "text": text + str(data.get("delta", ""))}]
    return {**body, "output": by_index(items)}


class Responses:
    """The responses API."""

    def accepts(self, request: Request) -> bool:
        body = as_object(request.json)
        return "model" in body and ("input" in body or "prompt" in body or "instructions" in body)

    def asked(self, request: Request) -> Asked:
        body = as_object(request.json)
        system = [message("system", text_part(body["instructions"]))] if isinstance(body.get("instructions"), str) else []
        given = body.get("input")
        items = [message("user", text_part(given))] if isinstance(given, str) else [read_item(item) for item in as_objects(given)]
        return asked(request, body, system + items)

    def answered(self, exchange: Exchange) -> Answered:
        response = exchange.response
        assert response is not None
        if not response.is_event_stream:
            return _answer(as_object(response.json), "the response has no usage")
        return self._streamed(response.events)

    def _streamed(self, events: list[ServerSentEvent]) -> Answered:
        last = next((data for event in reversed(events) if (data := as_object(event.json)).get("type") in LAST_EVENTS), None)
        if last is None:
            return _answer(_partial(events), "the stream ended before its usage")
        if last["type"] != "error":
            return _answer(as_object(last.get("response")), "the response has no usage")
        return in_band_error(last, replace(_answer(_partial(events), "the stream ended with an error"), stream=True))

    def finished(self, response: Response) -> bool:
        return any(as_object(event.json).get("type") in LAST_EVENTS for event in response.events[-2:])
