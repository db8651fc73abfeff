"""Anthropic's messages, plain and streamed, wherever they are served, and the text completions before them.

Wire format: https://docs.anthropic.com/en/api/messages and …/messages-streaming
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pytest_llmlog.providers.base import (
    Answered,
    Asked,
    Part,
    answer_text,
    as_object,
    as_objects,
    as_text,
    asked_prompt,
    by_index,
    count,
    in_band_error,
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
from pytest_llmlog.traffic import Exchange, Request, Response

ELSEWHERE = frozenset({"messages", "model", "system", "tools", "stream"})
"""Fields of a request that the record keeps elsewhere than in params."""


def _source_part(block: dict[str, Any]) -> Part:
    """An image or a document: base64, text, an address or an uploaded file."""
    source = as_object(block.get("source"))
    modality = {"modality": "image"} if block.get("type") == "image" else {}
    if source.get("type") == "url":
        return {"type": "uri", **modality, "uri": source.get("url")}
    if source.get("type") == "base64":
        return {"type": "blob", **modality, "mime_type": source.get("media_type"), "content": source.get("data")}
    if source.get("type") == "text":
        return text_part(str(source.get("data", "")))
    return {**source, "type": "file"}


def _part(block: dict[str, Any]) -> Part:
    kind = block.get("type")
    if kind == "text":
        return text_part(str(block.get("text", "")))
    if kind == "thinking":
        return {"type": "reasoning", "content": str(block.get("thinking", ""))}
    if kind == "tool_use":
        name, arguments = str(block.get("name") or ""), parse_arguments(block.get("input"))
        return {"type": "tool_call", "id": as_text(block.get("id")), "name": name, "arguments": arguments}
    if kind == "tool_result":
        content = block.get("content")
        texts = [part["content"] for part in parts(content) if part["type"] == "text"]
        answer = content if isinstance(content, str) else "".join(texts) or content
        return {"type": "tool_call_response", "id": as_text(block.get("tool_use_id")), "response": answer}
    if kind in ("image", "document"):
        return _source_part(block)
    return {**block, "type": str(kind)}


def parts(content: Any) -> list[Part]:
    """The content of a message: a text, or a list of blocks."""
    return [text_part(content)] if isinstance(content, str) else [_part(block) for block in as_objects(content)]


def usage(value: Any) -> Usage | None:
    """Read usage; ``input_tokens`` on the wire leaves out what was read from and written to the cache.

    Source: https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching#tracking-cache-performance
    """
    found = as_object(value)
    fresh, out = count(found.get("input_tokens")), count(found.get("output_tokens"))
    if fresh is None and out is None:
        return None
    read, written = count(found.get("cache_read_input_tokens")), count(found.get("cache_creation_input_tokens"))
    into = None if fresh is None else fresh + (read or 0) + (written or 0)
    return Usage(input=into, output=out, total=total(into, out), cached_input=read, cache_write_input=written)


def answer(body: dict[str, Any], **fields: Any) -> Answered:
    """Read a whole message."""
    reason = as_text(body.get("stop_reason"))
    said = message(str(body.get("role") or "assistant"), *parts(body.get("content")))
    if reason:
        said["finish_reason"] = reason
    counted = usage(body.get("usage"))
    known = {
        "response": answer_text((said,)), "messages": (said,), "tool_calls": tool_calls((said,)), "usage": counted,
        "usage_missing": None if counted else "the response has no usage", "finish_reasons": reasons(reason),
        "response_id": as_text(body.get("id")), "response_model": as_text(body.get("model")),
    }  # fmt: skip
    return Answered(**{**known, **fields})


def _add_delta(block: dict[str, Any], delta: dict[str, Any]) -> None:
    for name in ("text", "thinking"):
        if isinstance(delta.get(name), str):
            block[name] = str(block.get(name) or "") + delta[name]
    if isinstance(delta.get("partial_json"), str):
        written = block.get("input")
        block["input"] = (written if isinstance(written, str) else "") + delta["partial_json"]


def assemble(events: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Put a stream's events together into the message they tell; ``message_delta`` overrides what ``message_start`` said."""
    body: dict[str, Any] = {}
    blocks: dict[Any, dict[str, Any]] = {}
    for event in events:
        kind, index = event.get("type"), place(event.get("index"))
        if kind == "message_start":
            body = dict(as_object(event.get("message")))
        elif kind == "content_block_start":
            blocks[index] = dict(as_object(event.get("content_block")))
        elif kind == "content_block_delta":
            _add_delta(blocks.setdefault(index, {"type": "text"}), as_object(event.get("delta")))
        elif kind == "message_delta":
            told = {name: value for name, value in as_object(event.get("usage")).items() if value is not None}
            body = {**body, **as_object(event.get("delta")), "usage": {**as_object(body.get("usage")), **told}}
    return {**body, "content": by_index(blocks) if blocks else body.get("content")}


def tool_names(body: dict[str, Any]) -> tuple[str, ...]:
    return tuple([name for tool in as_objects(body.get("tools")) if isinstance(name := tool.get("name") or tool.get("type"), str)])


class Messages:
    """Messages."""

    def accepts(self, request: Request) -> bool:
        body = as_object(request.json)
        return isinstance(body.get("messages"), list) and ("max_tokens" in body or "anthropic_version" in body)

    def asked(self, request: Request) -> Asked:
        body = as_object(request.json)
        system = [message("system", *parts(body["system"]))] if body.get("system") else []
        turns = [message(str(turn.get("role") or "user"), *parts(turn.get("content"))) for turn in as_objects(body.get("messages"))]
        return Asked(
            model=as_text(body.get("model")) or path_model(request),
            messages=tuple(system + turns),
            params=rest(body, ELSEWHERE),
            tools=tool_names(body),
        )

    def answered(self, exchange: Exchange) -> Answered:
        response = exchange.response
        assert response is not None
        chunks = response.chunks
        return answer(as_object(response.json)) if chunks is None else self.streamed(chunks)

    def streamed(self, events: list[dict[str, Any]], **fields: Any) -> Answered:
        failed = next((event for event in events if event.get("type") == "error"), None)
        said = answer(assemble(events), stream=True, **fields)
        return in_band_error(failed, said) if failed else said

    def finished(self, response: Response) -> bool:
        return any(as_object(event.json).get("type") == "message_stop" for event in response.events[-2:])


class Complete:
    """Text completions: a prompt in, ``completion`` out; streamed, each event adds to it."""

    def accepts(self, request: Request) -> bool:
        return "max_tokens_to_sample" in as_object(request.json)

    def asked(self, request: Request) -> Asked:
        return asked_prompt(request)

    def answered(self, exchange: Exchange) -> Answered:
        response = exchange.response
        assert response is not None
        chunks = response.chunks
        return self.read([as_object(response.json)] if chunks is None else chunks, stream=chunks is not None)

    def read(self, pieces: list[dict[str, Any]], **fields: Any) -> Answered:
        if failed := next((piece for piece in pieces if piece.get("type") == "error"), None):
            return in_band_error(failed)
        texts = [piece["completion"] for piece in pieces if isinstance(piece.get("completion"), str)]
        told = {name: value for piece in pieces for name, value in piece.items() if value is not None}
        text = "".join(texts) if texts else None
        known = {
            "response": text, "messages": (message("assistant", text_part(text)),) if text is not None else (),
            "usage_missing": "this API reports no usage", "finish_reasons": reasons(told.get("stop_reason")),
            "response_id": as_text(told.get("id")), "response_model": as_text(told.get("model")),
        }  # fmt: skip
        return Answered(**{**known, **fields})

    def finished(self, response: Response) -> bool:
        return any(as_object(event.json).get("stop_reason") for event in response.events[-2:])
