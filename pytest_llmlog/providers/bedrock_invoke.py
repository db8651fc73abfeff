"""Amazon Bedrock's invoke, plain and streamed: each model family's own bodies behind one address.

Wire formats: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
"""

from __future__ import annotations

import base64
from typing import Any

from msgspec.structs import replace

from pytest_llmlog.providers import anthropic, bedrock, cohere, openai, openai_chat
from pytest_llmlog.providers.base import (
    Answered,
    Asked,
    Part,
    answer_text,
    as_object,
    as_objects,
    as_text,
    count,
    message,
    path_model,
    rest,
    text_part,
    total,
)  # fmt: skip
from pytest_llmlog.record import Usage
from pytest_llmlog.traffic import Exchange, Request, Response, parse_json

PROMPTS = ("prompt", "inputText", "inputs", "message")
TEXTS = ("outputText", "generation", "completion", "generated_text", "text")


def _pieces(response: Response) -> list[dict[str, Any]] | None:
    """The JSON objects inside the events' ``bytes``; None when the answer is no stream."""
    found = bedrock.events(response)
    if found is None:
        return None
    inner = [as_text(event.get("bytes")) for kind, event in found if kind == "chunk"]
    try:
        return [as_object(parse_json(base64.b64decode(text))) for text in inner if text]
    except ValueError:
        return []


def _usage(body: dict[str, Any], response: Response) -> Usage | None:
    """Counts by the names the families give them, else by Bedrock's own metrics: headers, or the end of a stream."""
    metrics = as_object(body.get("amazon-bedrock-invocationMetrics"))
    headers = {
        name: int(value) for name, value in response.headers.items() if name.startswith("x-amzn-bedrock-") and value.isdigit()
    }
    results = as_objects(body.get("results"))
    said = [count(result.get("tokenCount")) for result in results]
    into = [body.get("inputTextTokenCount"), body.get("prompt_token_count"), metrics.get("inputTokenCount")]
    out = [body.get("totalOutputTextTokenCount"), body.get("generation_token_count"), metrics.get("outputTokenCount")]
    asked = _first([*into, headers.get("x-amzn-bedrock-input-token-count")])
    answered = _first([sum(filter(None, said)) if any(said) else None, *out, headers.get("x-amzn-bedrock-output-token-count")])
    return None if asked is None and answered is None else Usage(input=asked, output=answered, total=total(asked, answered))


def _first(values: list[Any]) -> int | None:
    return next((value for value in map(count, values) if value is not None), None)


def _choices(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The answers of the families with a list of them, else the body itself."""
    for name in ("results", "outputs", "generations", "completions"):
        if entries := as_objects(body.get(name)):
            return entries
    return [body]


def _choice_text(entry: dict[str, Any]) -> str | None:
    entry = as_object(entry.get("data")) or entry
    return next((entry[name] for name in TEXTS if isinstance(entry.get(name), str)), None)


def _choice_reason(entry: dict[str, Any]) -> str | None:
    reason = next(
        (entry[name] for name in ("completionReason", "stop_reason", "finish_reason", "finishReason") if entry.get(name)), None
    )
    return as_text(as_object(reason).get("reason")) or as_text(reason)


def _plain(pieces: list[dict[str, Any]], **fields: Any) -> Answered:
    """Texts and reasons of one body, or of a stream's pieces put one behind the other."""
    texts: list[str] = []
    ends: list[str | None] = []
    for place, first in enumerate(_choices(pieces[0]) if pieces else []):
        entries = [choices[place] for piece in pieces if len(choices := _choices(piece)) > place]
        found = [text for entry in [first, *entries[1:]] if (text := _choice_text(entry)) is not None]
        texts += ["".join(found)] if found else []
        ends.append(next((reason for entry in reversed(entries) if (reason := _choice_reason(entry))), None))
    said = tuple([message("assistant", text_part(text)) for text in texts])
    return Answered(response=answer_text(said), messages=said, finish_reasons=tuple(ends), **fields)


def _is_message(body: dict[str, Any]) -> bool:
    return body.get("type") == "message" or isinstance(body.get("content"), list)


class Invoke:
    """Invoke and invoke-with-response-stream: the body tells the family."""

    def accepts(self, request: Request) -> bool:
        return bool(as_object(request.json))

    def asked(self, request: Request) -> Asked:
        body = as_object(request.json)
        if "anthropic_version" in body or "max_tokens_to_sample" in body:
            reader = anthropic.Messages() if "messages" in body else anthropic.Complete()
            return reader.asked(request)
        model = path_model(request)
        if "chat_history" in body or (isinstance(body.get("message"), str) and "prompt" not in body):
            return replace(cohere.ChatV1().asked(request), model=model)
        if "inferenceConfig" in body or "schemaVersion" in body:
            return replace(bedrock.Converse().asked(request), model=model)
        if "messages" in body:
            return replace(openai_chat.Chat().asked(request), model=model)
        texts = [body[name] for name in PROMPTS if isinstance(body.get(name), str)]
        entries: list[Part] = [text_part(text) for text in texts] or openai_chat.content_parts(body.get("texts"))
        params = {**rest(body, frozenset(PROMPTS)), **as_object(body.get("textGenerationConfig"))}
        params.pop("textGenerationConfig", None)
        return Asked(model=model, messages=(message("user", *entries),) if entries else (), params=params)

    def answered(self, exchange: Exchange) -> Answered:
        response = exchange.response
        assert response is not None
        pieces = _pieces(response)
        streamed = pieces is not None
        if streamed and (failed := bedrock.stream_failure(bedrock.events(response) or [])):
            return failed
        body = as_object(response.json) if pieces is None else {name: value for piece in pieces for name, value in piece.items()}
        found = self._read(body if pieces is None else None, pieces or [body])
        counted = found.usage or _usage(body, response)
        missing = None if counted else "the response has no token counts"
        return replace(found, usage=counted, usage_missing=missing, stream=streamed)

    def _read(self, whole: dict[str, Any] | None, pieces: list[dict[str, Any]]) -> Answered:
        """By the answer's shape: Anthropic's, Nova's, OpenAI's, Cohere's, or a text under one of a few names."""
        if whole is None:
            if any(piece.get("type") in ("message_start", "content_block_delta") for piece in pieces):
                return anthropic.Messages().streamed(pieces)
            if any("contentBlockDelta" in piece or "messageStart" in piece for piece in pieces):
                told = [(name, as_object(value)) for piece in pieces for name, value in piece.items()]
                return bedrock.answer(bedrock.assemble(told))
            if any("choices" in piece and "delta" in str(piece) for piece in pieces):
                return openai_chat.read_body(openai_chat.assemble(pieces), "")
            return _plain(pieces)
        if _is_message(whole):
            return anthropic.answer(whole)
        if isinstance(whole.get("output"), dict):
            return bedrock.answer(whole)
        if "choices" in whole:
            found = openai_chat.read_body(whole, "")
            return found if found.usage else replace(found, usage=openai.usage(whole.get("usage")))
        if "text" in whole and ("chat_history" in whole or "generation_id" in whole):
            return cohere.ChatV1().read(whole)
        id = as_text(whole.get("id")) if isinstance(whole.get("id"), str) else None
        return _plain([whole], response_id=id)

    def finished(self, response: Response) -> bool:
        pieces = _pieces(response) or []
        return any("amazon-bedrock-invocationMetrics" in piece for piece in pieces[-1:])
