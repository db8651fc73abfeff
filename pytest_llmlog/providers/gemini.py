"""Google's generateContent and embedContent, on Gemini's and Vertex AI's hosts, plain and streamed in both encodings.

Wire format: https://ai.google.dev/api/generate-content and https://ai.google.dev/api/embeddings
"""

from __future__ import annotations

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
    count,
    in_band_error,
    message,
    path_model,
    place,
    text_part,
    tool_calls,
    total,
)  # fmt: skip
from pytest_llmlog.record import Usage
from pytest_llmlog.traffic import Exchange, Request, Response

ELSEWHERE = frozenset(
    {"contents", "systemInstruction", "system_instruction", "tools", "generationConfig", "generation_config", "model"}
)

FINISH_REASONS = (
    "FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII",
    "MALFORMED_FUNCTION_CALL",
)  # fmt: skip
"""The enumeration of google.cloud.aiplatform.v1.Candidate.FinishReason, for servers that write its numbers."""


def _either(body: dict[str, Any], camel: str, snake: str) -> Any:
    """A field by the name of protocol buffers' JSON form, or by the one of its definition: servers take both."""
    return body[camel] if camel in body else body.get(snake)


def _part(part: dict[str, Any]) -> Part:
    if isinstance(text := part.get("text"), str):
        return {"type": "reasoning", "content": text} if part.get("thought") else text_part(text)
    if call := as_object(_either(part, "functionCall", "function_call")):
        name, arguments = str(call.get("name") or ""), as_object(call.get("args"))
        return {"type": "tool_call", "id": as_text(call.get("id")), "name": name, "arguments": arguments}
    if answer := as_object(_either(part, "functionResponse", "function_response")):
        id = as_text(answer.get("id")) or as_text(answer.get("name"))
        return {"type": "tool_call_response", "id": id, "response": answer.get("response")}
    if data := as_object(_either(part, "inlineData", "inline_data")):
        mime = as_text(_either(data, "mimeType", "mime_type"))
        return {"type": "blob", "modality": (mime or "").partition("/")[0], "mime_type": mime, "content": data.get("data")}
    if file := as_object(_either(part, "fileData", "file_data")):
        return {"type": "uri", "mime_type": _either(file, "mimeType", "mime_type"), "uri": _either(file, "fileUri", "file_uri")}
    return {**part, "type": next(iter(part), "empty")}


def _parts(content: Any) -> list[Part]:
    if isinstance(content, str):
        return [text_part(content)]
    inner = as_object(content).get("parts")
    return [_part(part) for part in as_objects([inner] if isinstance(inner, dict) else inner)]


def _turns(contents: Any) -> list[Message]:
    given = contents if isinstance(contents, list) else [contents]
    turns = [(as_object(turn).get("role") or "user", _parts(turn)) for turn in given]
    return [message(str(role), *parts) for role, parts in turns if parts]


def _tool_names(body: dict[str, Any]) -> tuple[str, ...]:
    names: list[str] = []
    tools = body.get("tools")
    for tool in as_objects([tools] if isinstance(tools, dict) else tools):
        declared = as_objects(_either(tool, "functionDeclarations", "function_declarations"))
        names += [str(entry.get("name")) for entry in declared] or [name for name in tool if "unction" not in name]
    return tuple(names)


def usage(value: Any) -> Usage | None:
    """Read usageMetadata; thoughts are counted beside the candidates, and cached tokens inside the prompt.

    Source: https://ai.google.dev/api/generate-content#UsageMetadata
    """
    found = as_object(value)
    into, said = count(found.get("promptTokenCount")), count(found.get("candidatesTokenCount"))
    thought, whole = count(found.get("thoughtsTokenCount")), count(found.get("totalTokenCount"))
    tools = count(found.get("toolUsePromptTokenCount"))
    if into is None and said is None and whole is None:
        return None
    out = None if said is None and thought is None else (said or 0) + (thought or 0)
    if into is not None and tools:
        into += tools
    if out is None and into is not None and whole == into:
        out = 0  # protocol buffers' JSON form leaves zeros out
    return Usage(
        input=into, output=out, total=whole if whole is not None else total(into, out), reasoning_output=thought,
        cached_input=count(found.get("cachedContentTokenCount")),
    )  # fmt: skip


def _reason(value: Any) -> str | None:
    if isinstance(value, int) and 0 <= value < len(FINISH_REASONS):
        return FINISH_REASONS[value]
    return as_text(value)


def assemble(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """Put the chunks of a stream together into one response: parts added up, counts and reasons from the last to have them."""
    body: dict[str, Any] = {}
    candidates: dict[Any, dict[str, Any]] = {}
    for chunk in chunks:
        body = {**body, **{name: value for name, value in chunk.items() if name != "candidates"}}
        for position, piece in enumerate(as_objects(chunk.get("candidates"))):
            known = candidates.setdefault(place(piece.get("index", position)), {"content": {"role": "model", "parts": []}})
            parts = known["content"]["parts"]
            for part in as_objects(as_object(piece.get("content")).get("parts")):
                last = parts[-1] if parts else {}
                joins = set(part) <= {"text", "thought"} and set(last) <= {"text", "thought"} and last
                if joins and bool(part.get("thought")) == bool(last.get("thought")):
                    parts[-1] = {**last, "text": f"{last.get('text', '')}{part.get('text', '')}"}
                else:
                    parts.append(part)
            known["finishReason"] = piece.get("finishReason") or known.get("finishReason")
    return {**body, "candidates": by_index(candidates)}


class Generate:
    """generateContent and streamGenerateContent."""

    def accepts(self, request: Request) -> bool:
        return "contents" in as_object(request.json)

    def asked(self, request: Request) -> Asked:
        body = as_object(request.json)
        system = _parts(_either(body, "systemInstruction", "system_instruction"))
        config = as_object(_either(body, "generationConfig", "generation_config"))
        others = {name: value for name, value in body.items() if name not in ELSEWHERE}
        return Asked(
            model=path_model(request),
            messages=tuple(([message("system", *system)] if system else []) + _turns(body.get("contents"))),
            params={**others, **config},
            tools=_tool_names(body),
        )

    def answered(self, exchange: Exchange) -> Answered:
        response = exchange.response
        assert response is not None
        chunks, whole = response.chunks, response.json
        if chunks is None and isinstance(whole, list):  # a stream that did not ask for alt=sse is one JSON array
            chunks = as_objects(whole)
        if chunks is None:
            return self._answer(as_object(whole), stream=False)
        failed = next((chunk for chunk in chunks if chunk.get("error")), None)
        said = self._answer(assemble(chunks), stream=True)
        return in_band_error(failed, said) if failed else said

    def _answer(self, body: dict[str, Any], *, stream: bool) -> Answered:
        messages, finish = [], []
        for candidate in as_objects(body.get("candidates")):
            said = message("assistant", *_parts(candidate.get("content")))
            if reason := _reason(candidate.get("finishReason")):
                said["finish_reason"] = reason
                finish.append(reason)
            messages.append(said)
        if not messages and (blocked := as_object(body.get("promptFeedback"))):
            messages.append(message("assistant", {**blocked, "type": "blocked"}))
        counted = usage(body.get("usageMetadata"))
        return Answered(
            response=answer_text(tuple(messages)), messages=tuple(messages), tool_calls=tool_calls(messages), usage=counted,
            usage_missing=None if counted else "the response has no usageMetadata", stream=stream,
            finish_reasons=tuple(finish), response_id=as_text(body.get("responseId")),
            response_model=as_text(body.get("modelVersion")),
        )  # fmt: skip

    def finished(self, response: Response) -> bool:
        pieces = [piece for event in response.events[-1:] for piece in as_objects(as_object(event.json).get("candidates"))]
        return any(piece.get("finishReason") for piece in pieces)


class Embed:
    """embedContent, batchEmbedContents, and Vertex AI's predict with texts; the vectors stay in the wire."""

    def accepts(self, request: Request) -> bool:
        body = as_object(request.json)
        return bool({"content", "requests", "instances"} & set(body))

    def asked(self, request: Request) -> Asked:
        body = as_object(request.json)
        given = [body, *as_objects(body.get("requests")), *as_objects(body.get("instances"))]
        parts = [part for entry in given for part in _parts(entry.get("content"))]
        params = {name: value for name, value in body.items() if name not in ("content", "requests", "instances", "model")}
        return Asked(model=path_model(request), messages=(message("user", *parts),) if parts else (), params=params)

    def answered(self, exchange: Exchange) -> Answered:
        body = as_object(exchange.response.json) if exchange.response else {}
        told = [as_object(as_object(entry.get("embeddings")).get("statistics")) for entry in as_objects(body.get("predictions"))]
        counts = [tokens for entry in told if (tokens := count(entry.get("token_count"))) is not None]
        counted = Usage(input=sum(counts), total=sum(counts)) if counts else usage(body.get("usageMetadata"))
        return Answered(usage=counted, usage_missing=None if counted else "this API reports no usage")

    def finished(self, response: Response) -> bool:
        return False
