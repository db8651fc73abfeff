"""OpenAI chat completions and legacy completions, plain and streamed.

Wire format: https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

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
    in_band_error,
    message,
    parse_arguments,
    place,
    text_part,
    tool_calls,
)  # fmt: skip
from pytest_llmlog.providers.openai import asked, with_usage
from pytest_llmlog.traffic import Exchange, Request, Response


def media_part(modality: str, url: str) -> Part:
    """An image or a sound, by its address or as base64 in a data URL."""
    if url.startswith("data:"):
        head, _, content = url[5:].partition(",")
        return {"type": "blob", "modality": modality, "mime_type": head.partition(";")[0], "content": content}
    return {"type": "uri", "modality": modality, "uri": url}


def _content_part(part: dict[str, Any]) -> Part:
    kind = part.get("type")
    if kind in ("text", "input_text", "output_text"):
        return text_part(str(part.get("text", "")))
    if kind == "image_url":
        image = part.get("image_url")
        return media_part("image", str(as_object(image).get("url", "") if isinstance(image, dict) else image))
    if kind == "input_audio":
        audio = as_object(part.get("input_audio"))
        return {"type": "blob", "modality": "audio", "mime_type": f"audio/{audio.get('format')}", "content": audio.get("data")}
    if kind == "file":
        return {**as_object(part.get("file")), "type": "file"}
    if kind == "refusal":
        return {"type": "refusal", "content": part.get("refusal")}
    return {**part, "type": str(kind)}


def content_parts(content: Any) -> list[Part]:
    """The content of a message: a text, or a list of texts, images, sounds and files."""
    if isinstance(content, str):
        return [text_part(content)]
    return (
        [
            text_part(part) if isinstance(part, str) else _content_part(part)
            for part in content or ()
            if isinstance(part, (str, dict))
        ]
        if isinstance(content, list)
        else []
    )


def _call_part(call: dict[str, Any]) -> Part:
    function = as_object(call.get("function") or call.get("custom"))
    arguments = function.get("arguments", function.get("input"))
    return {
        "type": "tool_call",
        "id": as_text(call.get("id")),
        "name": str(function.get("name") or ""),
        "arguments": parse_arguments(arguments),
    }


def _calls(entry: dict[str, Any]) -> list[Part]:
    legacy = [{"function": entry["function_call"]}] if isinstance(entry.get("function_call"), dict) else []
    return [_call_part(call) for call in as_objects(entry.get("tool_calls")) + legacy]


def read_message(entry: dict[str, Any]) -> Message:
    """One message of a request or a choice, in the OpenTelemetry form."""
    role = str(entry.get("role") or "assistant")
    content = entry.get("content")
    if role in ("tool", "function"):
        texts = [part["content"] for part in content_parts(content) if part["type"] == "text"]
        return message(role, {"type": "tool_call_response", "id": as_text(entry.get("tool_call_id")), "response": "".join(texts)})
    thought = entry.get("reasoning_content") or entry.get("reasoning")
    reasoning = [{"type": "reasoning", "content": thought}] if isinstance(thought, str) else []
    refusal = [{"type": "refusal", "content": entry["refusal"]}] if isinstance(entry.get("refusal"), str) else []
    return message(role, *reasoning, *content_parts(content), *refusal, *_calls(entry))


def read_body(body: dict[str, Any], missing: str, **fields: Any) -> Answered:
    """Read a whole answer."""
    choices = as_objects(body.get("choices"))
    messages, reasons = [], []
    for choice in choices:
        entry = read_message(as_object(choice.get("message") or {"content": choice.get("text")}))
        reason = as_text(choice.get("finish_reason"))
        if reason:
            entry["finish_reason"] = reason
        reasons.append(reason)
        messages.append(entry)
    return with_usage(
        body.get("usage"), missing, response=answer_text(tuple(messages)), messages=tuple(messages), tool_calls=tool_calls(messages),
        finish_reasons=tuple(reasons), response_id=as_text(body.get("id")), response_model=as_text(body.get("model")) or None, **fields,
    )  # fmt: skip


def _add_text(target: dict[str, Any], delta: dict[str, Any], *names: str) -> None:
    for name in names:
        if isinstance(delta.get(name), str):
            target[name] = (target.get(name) or "") + delta[name]


def _add_delta(target: dict[str, Any], delta: dict[str, Any]) -> None:
    _add_text(target, delta, "content", "refusal", "reasoning_content", "reasoning")
    if isinstance(role := delta.get("role"), str):
        target["role"] = role
    if isinstance(delta.get("function_call"), dict):
        _add_text(target.setdefault("function_call", {}), delta["function_call"], "name", "arguments")
    for call in as_objects(delta.get("tool_calls")):
        known = target.setdefault("_calls", {}).setdefault(place(call.get("index", len(target["_calls"]))), {"function": {}})
        known["id"] = call.get("id") or known.get("id")
        _add_text(known["function"], as_object(call.get("function") or call.get("custom")), "name", "arguments", "input")


def assemble(chunks: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Put the chunks of a stream together into the body the same call would have had without ``stream``."""
    body: dict[str, Any] = {}
    choices: dict[Any, dict[str, Any]] = {}
    for chunk in chunks:
        body = {**body, **{name: chunk[name] for name in ("id", "model", "usage") if chunk.get(name)}}
        for position, piece in enumerate(as_objects(chunk.get("choices"))):
            choice = choices.setdefault(place(piece.get("index", position)), {"message": {}})
            _add_delta(choice["message"], as_object(piece.get("delta")) or {"content": piece.get("text")})
            choice["finish_reason"] = piece.get("finish_reason") or choice.get("finish_reason")
    for choice in choices.values():
        choice["message"]["tool_calls"] = list(choice["message"].pop("_calls", {}).values())
    return {**body, "choices": by_index(choices)}


class Chat:
    """Chat completions."""

    field = "messages"

    def accepts(self, request: Request) -> bool:
        return isinstance(as_object(request.json).get(self.field), (list, str))

    def asked(self, request: Request) -> Asked:
        body = as_object(request.json)
        return asked(request, body, [read_message(entry) for entry in as_objects(body.get("messages"))])

    def answered(self, exchange: Exchange) -> Answered:
        response = exchange.response
        assert response is not None
        chunks = response.chunks
        if chunks is None:
            body = as_object(response.json)
            return (
                in_band_error(body)
                if body.get("error") and not body.get("choices")
                else read_body(body, "the response has no usage")
            )
        wanted = as_object(as_object(exchange.request.json).get("stream_options")).get("include_usage")
        missing = "the stream ended before its usage" if wanted else "streamed without stream_options.include_usage"
        said = read_body(assemble(chunks), missing, stream=True)
        failed = next((chunk for chunk in chunks if chunk.get("error")), None)
        return in_band_error(failed, said) if failed else said

    def finished(self, response: Response) -> bool:
        events = response.events
        if any(event.data.startswith("[DONE]") for event in events[-2:]):
            return True
        reasons = self._reasons(events)
        return bool(reasons) and all(reasons.values())

    def _reasons(self, events: list[Any]) -> dict[Any, Any]:
        pieces = [piece for event in events for piece in as_objects(as_object(event.json).get("choices"))]
        reasons: dict[Any, Any] = {}
        for piece in pieces:
            index = place(piece.get("index"))
            reasons[index] = piece.get("finish_reason") or reasons.get(index)
        return reasons


class Completions(Chat):
    """Legacy completions: a prompt in, ``choices[].text`` out."""

    field = "prompt"

    def asked(self, request: Request) -> Asked:
        body = as_object(request.json)
        prompt = body.get("prompt")
        texts = [entry if isinstance(entry, str) else str(entry) for entry in (prompt if isinstance(prompt, list) else [prompt])]
        return asked(request, body, [message("user", *map(text_part, texts))] if prompt is not None else [])
