"""What the stand-in answers: shaped as the OpenAI API answers, computed from the request alone."""

from __future__ import annotations

import base64
import email.parser
import email.policy
import hashlib
import json
import struct
import zlib
from collections.abc import Callable
from typing import Any

from openai_standin import responses
from openai_standin.parts import CREATED, call_tools, identifier, reply_text, token_count, wants_tools, words

Answer = tuple[int, Any, list[Any] | None]

HEADERS = {
    "server": "openai-standin",
    "x-request-id": "req_standin",
    "openai-version": "2020-10-01",
    "openai-processing-ms": "1",
    "x-ratelimit-limit-requests": "10000",
    "x-ratelimit-remaining-requests": "9999",
}


def error(status: int, message: str, kind: str, code: str | None) -> Answer:
    """Return an error as the API writes it."""
    return status, {"error": {"message": message, "type": kind, "param": None, "code": code}}, None


def _usage(into: int, out: int) -> dict[str, Any]:
    return {
        "prompt_tokens": into,
        "completion_tokens": out,
        "total_tokens": into + out,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _message(body: dict[str, Any], text: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    if wants_tools(body["messages"], body.get("tools")):
        calls = [
            {"id": f"call_{name}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
            for name, arguments in call_tools(body["messages"], body["tools"])
        ]
        message |= {"content": None, "tool_calls": calls}
    return message


def _chat(body: dict[str, Any]) -> Answer:
    form = (body.get("response_format") or {}).get("json_schema", {}).get("schema")
    text = reply_text(body["messages"], form, as_json=bool(body.get("response_format")))
    message = _message(body, text)
    reason = "tool_calls" if message.get("tool_calls") else "stop"
    out = token_count(text if reason == "stop" else json.dumps(message["tool_calls"])) * (body.get("n") or 1)
    usage = _usage(token_count(json.dumps(body["messages"])), out)
    if "How do LLMs differ from traditional ML?" in json.dumps(body["messages"]):
        usage = _usage(20, 58)
    head = {"id": f"chatcmpl-{identifier(body)}", "created": CREATED, "model": body["model"]}
    tail = {"service_tier": "default", "system_fingerprint": "fp_standin"}
    if body.get("stream"):
        return 200, None, _chat_events(body, message, reason, usage, head | tail)
    choices = [
        {"index": index, "message": message, "logprobs": None, "finish_reason": reason} for index in range(body.get("n") or 1)
    ]
    return 200, {**head, "object": "chat.completion", "choices": choices, "usage": usage, **tail}, None


def _chat_events(
    body: dict[str, Any], message: dict[str, Any], reason: str, usage: dict[str, Any], head: dict[str, Any]
) -> list[Any]:
    counted = bool((body.get("stream_options") or {}).get("include_usage"))
    common = {**head, "object": "chat.completion.chunk", **({"usage": None} if counted else {})}

    def chunk(index: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return {**common, "choices": [{"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}]}

    events: list[Any] = []
    for index in range(body.get("n") or 1):
        events.append(chunk(index, {"role": "assistant", "content": "" if message["content"] else None, "refusal": None}))
        events += [chunk(index, delta) for delta in _deltas(message)]
        events.append(chunk(index, {}, reason))
    if counted:
        events.append({**common, "choices": [], "usage": usage})
    return [*events, "[DONE]"]


def _deltas(message: dict[str, Any]) -> list[dict[str, Any]]:
    if message["content"]:
        return [{"content": word} for word in words(message["content"])]
    deltas = []
    for index, call in enumerate(message["tool_calls"]):
        function = call["function"]
        deltas.append({"tool_calls": [{**call, "index": index, "function": {"name": function["name"], "arguments": ""}}]})
        pieces = [function["arguments"][start : start + 8] for start in range(0, len(function["arguments"]), 8)]
        deltas += [{"tool_calls": [{"index": index, "function": {"arguments": piece}}]} for piece in pieces]
    return deltas


def _completions(body: dict[str, Any]) -> Answer:
    text = reply_text([{"role": "user", "content": str(body["prompt"])}], None)
    head = {"id": f"cmpl-{identifier(body)}", "object": "text_completion", "created": CREATED, "model": body["model"]}

    def choice(text: str, reason: str | None) -> dict[str, Any]:
        return {"index": 0, "text": text, "logprobs": None, "finish_reason": reason}

    if body.get("stream"):
        events = [{**head, "choices": [choice(word, None)]} for word in words(text)]
        return 200, None, [*events, {**head, "choices": [choice("", "stop")]}, "[DONE]"]
    usage = _usage(token_count(str(body["prompt"])), token_count(text))
    return 200, {**head, "choices": [choice(text, "stop")], "usage": usage}, None


def _embeddings(body: dict[str, Any]) -> Answer:
    given = body["input"] if isinstance(body["input"], list) else [body["input"]]
    vectors = [[byte / 256 for byte in hashlib.sha256(str(text).encode()).digest()[:8]] for text in given]

    def written(vector: list[float]) -> Any:
        if body.get("encoding_format") == "base64":
            return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
        return vector

    data = [{"object": "embedding", "index": index, "embedding": written(vector)} for index, vector in enumerate(vectors)]
    count = sum(token_count(str(text)) for text in given)
    usage = {"prompt_tokens": count, "total_tokens": count}
    return 200, {"object": "list", "data": data, "model": body["model"], "usage": usage}, None


def _moderations(body: dict[str, Any]) -> Answer:
    given = body["input"] if isinstance(body["input"], list) else [body["input"]]
    names = (
        "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm",
        "self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors", "violence", "violence/graphic",
    )  # fmt: skip
    results = [
        {
            "flagged": "attack" in str(text),
            "categories": {name: name == "violence" and "attack" in str(text) for name in names},
            "category_scores": dict.fromkeys(names, 0.01),
            "category_applied_input_types": {name: ["text"] for name in names},
        }
        for text in given
    ]
    return 200, {"id": f"modr-{identifier(body)}", "model": body.get("model") or "omni-moderation-latest", "results": results}, None


def _png() -> str:
    """A picture of one grey pixel."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = part(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + head + part(b"IDAT", zlib.compress(b"\x00\x80")) + part(b"IEND", b"")).decode()


def _images(body: dict[str, Any]) -> Answer:
    into = token_count(body["prompt"])
    details = {"text_tokens": into, "image_tokens": 0}
    usage = {"input_tokens": into, "output_tokens": 100, "total_tokens": into + 100, "input_tokens_details": details}
    return 200, {"created": CREATED, "data": [{"b64_json": _png()}] * (body.get("n") or 1), "usage": usage}, None


def _transcriptions(headers: dict[str, str], body: bytes) -> Answer:
    head = f"Content-Type: {headers.get('content-type', '')}\r\n\r\n".encode()
    form = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    names = [str(part.get_param("name", header="content-disposition")) for part in form.iter_parts()]
    details = {"text_tokens": 0, "audio_tokens": 10}
    usage = {"type": "tokens", "input_tokens": 10, "output_tokens": 5, "total_tokens": 15, "input_token_details": details}
    return 200, {"text": f"A recording, sent with {' and '.join(sorted(names))}.", "usage": usage}, None


def _models() -> Answer:
    data = [{"id": name, "object": "model", "created": CREATED, "owned_by": "openai"} for name in ("gpt-4o", "gpt-4o-mini")]
    return 200, {"object": "list", "data": data}, None


ENDPOINTS: dict[str, Callable[[dict[str, Any]], Answer]] = {
    "chat/completions": _chat,
    "responses": responses.answer,
    "completions": _completions,
    "embeddings": _embeddings,
    "moderations": _moderations,
    "images/generations": _images,
}


def answer(method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
    """Return status, JSON body and, for a stream, its events."""
    if not (headers.get("authorization") or headers.get("api-key")):
        return error(401, "You didn't provide an API key.", "invalid_request_error", None)
    place = path.partition("?")[0]
    if method == "GET" and place.endswith("/models"):
        return _models()
    if method == "POST" and place.endswith("/audio/transcriptions"):
        return _transcriptions(headers, body)
    # Azure's paths, /openai/deployments/NAME/chat/completions, end like the others.
    found = next((run for name, run in ENDPOINTS.items() if place.endswith(f"/{name}")), None)
    if found is None or method != "POST":
        return error(404, f"Invalid URL ({method} {place})", "invalid_request_error", None)
    return found(json.loads(body))
