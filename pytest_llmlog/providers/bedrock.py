"""Amazon Bedrock's converse, plain and streamed.

Wire format: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pytest_llmlog.providers import eventstream
from pytest_llmlog.providers.base import (
    Answered,
    Asked,
    Message,
    Part,
    answer_text,
    as_object,
    as_objects,
    as_text,
    by_index,
    count,
    message,
    parse_arguments,
    path_model,
    place,
    reasons,
    rest,
    text_part,
    tool_calls,
    total,
)  # fmt: skip
from pytest_llmlog.record import Usage
from pytest_llmlog.traffic import Exchange, Request, Response, parse_json

ELSEWHERE = frozenset({"messages", "system", "toolConfig", "inferenceConfig"})


def _media(kind: str, given: dict[str, Any]) -> Part:
    source = as_object(given.get("source"))
    mime = f"{kind}/{given.get('format')}"
    if "bytes" in source:
        return {"type": "blob", "modality": kind, "mime_type": mime, "content": source["bytes"]}
    return {"type": "uri", "modality": kind, "mime_type": mime, "uri": as_object(source.get("s3Location")).get("uri")}


def _part(block: dict[str, Any]) -> Part:
    if isinstance(text := block.get("text"), str):
        return text_part(text)
    if call := as_object(block.get("toolUse")):
        arguments = parse_arguments(call.get("input"))
        return {
            "type": "tool_call",
            "id": as_text(call.get("toolUseId")),
            "name": str(call.get("name") or ""),
            "arguments": arguments,
        }
    if result := as_object(block.get("toolResult")):
        content = as_objects(result.get("content"))
        texts = [entry["text"] for entry in content if isinstance(entry.get("text"), str)]
        answer = "".join(texts) or (content[0].get("json") if len(content) == 1 else content)
        return {"type": "tool_call_response", "id": as_text(result.get("toolUseId")), "response": answer}
    if thought := as_object(block.get("reasoningContent")):
        text = as_object(thought.get("reasoningText")).get("text", thought.get("text", ""))
        return {"type": "reasoning", "content": str(text)}
    for kind in ("image", "document", "video", "audio"):
        if isinstance(block.get(kind), dict):
            return _media(kind, block[kind])
    return {**block, "type": next(iter(block), "empty")}


def _parts(content: Any) -> list[Part]:
    return [text_part(content)] if isinstance(content, str) else [_part(block) for block in as_objects(content)]


def read_turns(body: dict[str, Any]) -> tuple[Message, ...]:
    """System and messages of a request."""
    system = [message("system", *_parts(body["system"]))] if body.get("system") else []
    turns = as_objects(body.get("messages"))
    return (*system, *[message(str(turn.get("role") or "user"), *_parts(turn.get("content"))) for turn in turns])


def tool_names(body: dict[str, Any]) -> tuple[str, ...]:
    tools = as_objects(as_object(body.get("toolConfig")).get("tools"))
    names = [as_object(tool.get("toolSpec")).get("name") or next(iter(tool), None) for tool in tools]
    return tuple([name for name in names if isinstance(name, str)])


def usage(value: Any) -> Usage | None:
    """Read usage; ``inputTokens`` on the wire leaves out what was read from and written to the cache.

    Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html
    """
    found = as_object(value)
    fresh, out = count(found.get("inputTokens")), count(found.get("outputTokens"))
    if fresh is None and out is None:
        return None
    read, written = count(found.get("cacheReadInputTokens")), count(found.get("cacheWriteInputTokens"))
    into = None if fresh is None else fresh + (read or 0) + (written or 0)
    whole = count(found.get("totalTokens"))
    return Usage(
        input=into, output=out, total=total(into, out) if whole is None else whole, cached_input=read, cache_write_input=written
    )


def answer(body: dict[str, Any], **fields: Any) -> Answered:
    """Read a whole answer."""
    entry = as_object(as_object(body.get("output")).get("message"))
    said = message(str(entry.get("role") or "assistant"), *_parts(entry.get("content")))
    reason = as_text(body.get("stopReason"))
    if reason:
        said["finish_reason"] = reason
    counted = usage(body.get("usage"))
    return Answered(
        response=answer_text((said,)), messages=(said,) if said["parts"] else (), tool_calls=tool_calls((said,)), usage=counted,
        usage_missing=None if counted else "the response has no usage", finish_reasons=reasons(reason), **fields,
    )  # fmt: skip


def _add_delta(block: dict[str, Any], delta: dict[str, Any]) -> None:
    if isinstance(delta.get("text"), str):
        block["text"] = block.get("text", "") + delta["text"]
    if isinstance(written := as_object(delta.get("toolUse")).get("input"), str):
        call = block.setdefault("toolUse", {})
        call["input"] = call.get("input", "") + written
    if isinstance(thought := as_object(delta.get("reasoningContent")).get("text"), str):
        text = as_object(as_object(block.get("reasoningContent")).get("reasoningText")).get("text", "")
        block["reasoningContent"] = {"reasoningText": {"text": text + thought}}


def assemble(events: Iterable[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """Put a stream's events, each with its type, together into the answer they tell."""
    body: dict[str, Any] = {}
    entry: dict[str, Any] = {}
    blocks: dict[Any, dict[str, Any]] = {}
    for kind, event in events:
        index = place(event.get("contentBlockIndex"))
        if kind == "messageStart":
            entry["role"] = event.get("role")
        elif kind == "contentBlockStart":
            blocks[index] = {name: dict(as_object(value)) for name, value in as_object(event.get("start")).items()}
        elif kind == "contentBlockDelta":
            _add_delta(blocks.setdefault(index, {}), as_object(event.get("delta")))
        elif kind == "messageStop":
            body["stopReason"] = event.get("stopReason")
        elif kind == "metadata":
            body["usage"] = event.get("usage")
    entry["content"] = [block for block in by_index(blocks) if block]
    return {**body, "output": {"message": entry}}


def events(response: Response) -> list[tuple[str, dict[str, Any]]] | None:
    """The events of a binary stream with their types; None when the body is none. An exception's type ends in Exception."""
    if response.content_type != eventstream.CONTENT_TYPE and not eventstream.looks_like(response.body):
        return None
    found = eventstream.messages(response.body)
    return [(_kind(entry.headers), as_object(parse_json(entry.payload))) for entry in found]


def _kind(headers: dict[str, str]) -> str:
    return headers.get(":exception-type") or headers.get(":error-code") or headers.get(":event-type", "")


def stream_failure(found: list[tuple[str, dict[str, Any]]]) -> Answered | None:
    """The exception that a stream ended with."""
    for kind, event in found:
        if kind.lower().endswith(("exception", "error")):
            text = as_text(event.get("message")) or as_text(event.get("Message")) or kind
            return Answered(error=text, error_type=kind, stream=True)
    return None


class Converse:
    """Converse and converse-stream."""

    def accepts(self, request: Request) -> bool:
        return isinstance(as_object(request.json).get("messages"), list)

    def asked(self, request: Request) -> Asked:
        body = as_object(request.json)
        params = {**rest(body, ELSEWHERE), **as_object(body.get("inferenceConfig"))}
        return Asked(model=path_model(request), messages=read_turns(body), params=params, tools=tool_names(body))

    def answered(self, exchange: Exchange) -> Answered:
        response = exchange.response
        assert response is not None
        found = events(response)
        if found is None:
            return answer(as_object(response.json))
        return stream_failure(found) or answer(assemble(found), stream=True)

    def finished(self, response: Response) -> bool:
        return any(kind == "metadata" for kind, _ in (events(response) or [])[-1:])
