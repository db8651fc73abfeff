"""Ollama's own chat, generate and embed; a stream is one JSON object a line.

Wire format: https://github.com/ollama/ollama/blob/main/docs/api.md
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
    count,
    in_band_error,
    message,
    reasons,
    rest,
    text_part,
    tool_calls,
    total,
)  # fmt: skip
from pytest_llmlog.providers.openai import tool_names
from pytest_llmlog.providers.openai_chat import content_parts, read_message
from pytest_llmlog.record import Usage
from pytest_llmlog.traffic import Exchange, Request, Response

ELSEWHERE = frozenset({"messages", "model", "tools", "stream", "prompt", "system", "images", "input", "options"})


def _images(entry: dict[str, Any]) -> list[Part]:
    images = entry.get("images")
    return [{"type": "blob", "modality": "image", "content": image} for image in images] if isinstance(images, list) else []


def usage(body: dict[str, Any]) -> Usage | None:
    """Read the counts of the final object; a prompt that was cached whole has no ``prompt_eval_count``."""
    into, out = count(body.get("prompt_eval_count")), count(body.get("eval_count"))
    return None if into is None and out is None else Usage(input=into, output=out, total=total(into, out))


class _Reader:
    """What chat and generate share: a model, options, and an answer in one object or several."""

    field = ""

    def accepts(self, request: Request) -> bool:
        body = as_object(request.json)
        return isinstance(body.get("model"), str) and isinstance(body.get(self.field), (str, list))

    def asked(self, request: Request) -> Asked:
        body = as_object(request.json)
        return Asked(
            model=as_text(body.get("model")), messages=tuple(self._messages(body)), tools=tool_names(body),
            params={**rest(body, ELSEWHERE), **as_object(body.get("options"))},
        )  # fmt: skip

    def answered(self, exchange: Exchange) -> Answered:
        response = exchange.response
        assert response is not None
        chunks = response.chunks
        pieces = [as_object(response.json)] if chunks is None else chunks
        last = pieces[-1] if pieces else {}
        said = message("assistant", *self._said(pieces))
        counted = usage(last)
        answer = Answered(
            response=answer_text((said,)), messages=(said,) if said["parts"] else (), tool_calls=tool_calls((said,)), usage=counted,
            usage_missing=None if counted else "the response has no token counts", finish_reasons=reasons(last.get("done_reason")),
            response_model=as_text(last.get("model")), stream=chunks is not None,
        )  # fmt: skip
        failed = next((piece for piece in pieces if piece.get("error")), None)
        return in_band_error(failed, answer) if failed else answer

    def _messages(self, body: dict[str, Any]) -> list[Message]:
        return []

    def _said(self, pieces: list[dict[str, Any]]) -> list[Part]:
        return []

    def finished(self, response: Response) -> bool:
        return any(piece.get("done") for piece in (response.chunks or [])[-1:])


def _joined(pieces: list[dict[str, Any]], name: str, kind: str) -> list[Part]:
    texts = [piece[name] for piece in pieces if isinstance(piece.get(name), str)]
    return [{"type": kind, "content": "".join(texts)}] if any(texts) or (texts and kind == "text") else []


class Chat(_Reader):
    """Chat."""

    field = "messages"

    def _messages(self, body: dict[str, Any]) -> list[Message]:
        entries = as_objects(body.get("messages"))
        return [{**(said := read_message(entry)), "parts": [*said["parts"], *_images(entry)]} for entry in entries]

    def _said(self, pieces: list[dict[str, Any]]) -> list[Part]:
        entries = [as_object(piece.get("message")) for piece in pieces]
        calls = [part for entry in entries for part in read_message({"tool_calls": entry.get("tool_calls")})["parts"]]
        return [*_joined(entries, "thinking", "reasoning"), *_joined(entries, "content", "text"), *calls]


class Generate(_Reader):
    """Generate: a prompt in, ``response`` out."""

    field = "prompt"

    def _messages(self, body: dict[str, Any]) -> list[Message]:
        system = [message("system", text_part(body["system"]))] if body.get("system") else []
        return [*system, message("user", text_part(str(body.get("prompt", ""))), *_images(body))]

    def _said(self, pieces: list[dict[str, Any]]) -> list[Part]:
        return [*_joined(pieces, "thinking", "reasoning"), *_joined(pieces, "response", "text")]


class Embed(_Reader):
    """Embed and the older embeddings; the vectors stay in the wire."""

    def accepts(self, request: Request) -> bool:
        body = as_object(request.json)
        return isinstance(body.get("model"), str) and ("input" in body or "prompt" in body)

    def _messages(self, body: dict[str, Any]) -> list[Message]:
        parts = content_parts(body.get("input", body.get("prompt")))
        return [message("user", *parts)] if parts else []
