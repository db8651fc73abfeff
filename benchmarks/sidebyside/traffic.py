"""What is asked and answered: requests of a size, told apart by their number, and answers shaped as OpenAI's."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

CHUNKS = 100
"""Chunks of a streamed answer."""

HEADERS = {"content-type": "application/json", "x-request-id": "req_bench", "openai-version": "2020-10-01"}
STREAM_HEADERS = {**HEADERS, "content-type": "text/event-stream; charset=utf-8"}
SENTENCE = "Why do language models differ from what came before them? "
HEAD = {"id": "chatcmpl-bench", "created": 1_760_000_000, "model": "gpt-4o-2024-08-06", "system_fingerprint": "fp_bench"}
USAGE = {
    "prompt_tokens": 300, "completion_tokens": 120, "total_tokens": 420,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0,
                                  "rejected_prediction_tokens": 0},
}  # fmt: skip


def text(size: int) -> str:
    """So many characters."""
    return (SENTENCE * (size // len(SENTENCE) + 1))[:size]


def messages(number: int, size: int) -> list[dict[str, str]]:
    """A conversation of about ``size`` bytes that no other number has."""
    return [{"role": "system", "content": "Be brief."}, {"role": "user", "content": f"{number:08d} {text(size - 200)}"}]


@lru_cache
def answer(size: int) -> bytes:
    """A whole answer of about ``size`` bytes."""
    message: dict[str, Any] = {"role": "assistant", "content": text(size - 700), "refusal": None, "annotations": []}
    choices = [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}]
    return _compact({**HEAD, "object": "chat.completion", "choices": choices, "usage": USAGE, "service_tier": "default"})


def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
    """One chunk of a streamed answer, as the server sends it."""
    choices = [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
    return b"data: " + _compact({**HEAD, "object": "chat.completion.chunk", "choices": choices}) + b"\n\n"


DONE = b"data: [DONE]\n\n"


@lru_cache
def events(size: int) -> tuple[bytes, ...]:
    """A streamed answer in ``CHUNKS`` chunks, with about ``size`` bytes of text."""
    words = text(size)
    step = size // (CHUNKS - 2)
    pieces = [event({"content": words[start : start + step]}) for start in range(0, step * (CHUNKS - 2), step)]
    return (*pieces, event({}, "stop"), DONE)


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
