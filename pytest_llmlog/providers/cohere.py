"""Cohere's chat (v1 and v2), generate, embed and rerank, plain and streamed.

Wire format: https://docs.cohere.com/v2/reference/chat and https://docs.cohere.com/v1/reference/chat
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
    asked_prompt,
    by_index,
    count,
    message,
    path_model,
    place,
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

ROLES = {"user": "user", "chatbot": "assistant", "system": "system", "tool": "tool"}


def usage(value: Any) -> Usage | None:
    """Read ``usage`` (v2) or ``meta`` (v1): tokens as counted, else as billed.

    Source: https://docs.cohere.com/docs/rate-limits, "billed_units" and "tokens"
    """
    found = as_object(value)
    counted, billed = as_object(found.get("tokens")), as_object(found.get("billed_units"))
    into = count(counted.get("input_tokens", billed.get("input_tokens")))
    out = count(counted.get("output_tokens", billed.get("output_tokens")))
    if into is None and out is None:
        return None
    return Usage(input=into, output=out, total=total(into, out), cached_input=count(found.get("cached_tokens")))


def _answered(said: list[Message], counted: Usage | None, **fields: Any) -> Answered:
    return Answered(
        response=answer_text(tuple(said)), messages=tuple([entry for entry in said if entry["parts"]]), tool_calls=tool_calls(said),
        usage=counted, usage_missing=None if counted else "the response has no token counts", **fields,
    )  # fmt: skip


class ChatV2:
    """Chat, version 2: messages in OpenAI's manner."""

    def accepts(self, request: Request) -> bool:
        return isinstance(as_object(request.json).get("messages"), list)

    def asked(self, request: Request) -> Asked:
        body = as_object(request.json)
        return Asked(
            model=as_text(body.get("model")), messages=tuple([read_message(entry) for entry in as_objects(body.get("messages"))]),
            params=rest(body, frozenset({"messages", "model", "tools", "stream"})), tools=tool_names(body),
        )  # fmt: skip

    def answered(self, exchange: Exchange) -> Answered:
        response = exchange.response
        assert response is not None
        chunks = response.chunks
        body = as_object(response.json) if chunks is None else self._assemble(chunks)
        said = self._message(as_object(body.get("message")))
        return _answered(
            [said], usage(body.get("usage")), finish_reasons=reasons(body.get("finish_reason")), response_id=as_text(body.get("id")),
            stream=chunks is not None,
        )  # fmt: skip

    def _message(self, entry: dict[str, Any]) -> Message:
        blocks = as_objects(entry.get("content"))
        thoughts = [str(block.get("thinking", "")) for block in blocks if block.get("type") == "thinking"]
        plan = [entry["tool_plan"]] if entry.get("tool_plan") else []
        said = read_message({**entry, "content": [block for block in blocks if block.get("type") != "thinking"]})
        reasoning: list[Part] = [{"type": "reasoning", "content": str(thought)} for thought in thoughts + plan]
        return message("assistant", *reasoning, *said["parts"])

    def _assemble(self, events: Iterable[dict[str, Any]]) -> dict[str, Any]:
        """Put a stream's events together; source: https://docs.cohere.com/v2/docs/streaming"""
        body: dict[str, Any] = {}
        blocks: dict[Any, dict[str, Any]] = {}
        calls: dict[Any, dict[str, Any]] = {}
        plan = ""
        for event in events:
            kind, index, delta = event.get("type"), place(event.get("index")), as_object(event.get("delta"))
            told = as_object(delta.get("message"))
            if kind == "message-start":
                body = {"id": event.get("id")}
            elif kind in ("content-start", "content-delta"):
                block = blocks.setdefault(index, {"type": "text"})
                for name, value in as_object(told.get("content")).items():
                    block[name] = f"{block.get(name, '')}{value}" if name in ("text", "thinking") else value
            elif kind == "tool-plan-delta":
                plan += str(told.get("tool_plan", ""))
            elif kind in ("tool-call-start", "tool-call-delta"):
                piece = as_object(told.get("tool_calls"))
                call = calls.setdefault(index, {"function": {"arguments": ""}})
                function = as_object(piece.get("function"))
                call["id"] = piece.get("id") or call.get("id")
                call["function"]["name"] = function.get("name") or call["function"].get("name")
                call["function"]["arguments"] += str(function.get("arguments") or "")
            elif kind == "message-end":
                body = {**body, **delta}
        content, wanted = by_index(blocks), by_index(calls)
        return {**body, "message": {"content": content, "tool_plan": plan, "tool_calls": wanted}}

    def finished(self, response: Response) -> bool:
        return any(as_object(event.json).get("type") == "message-end" for event in response.events[-2:])


class ChatV1:
    """Chat, version 1: a message and the history before it; a stream is one JSON object a line."""

    def accepts(self, request: Request) -> bool:
        return isinstance(as_object(request.json).get("message"), str)

    def asked(self, request: Request) -> Asked:
        body = as_object(request.json)
        preamble = [message("system", text_part(body["preamble"]))] if isinstance(body.get("preamble"), str) else []
        last = [message("user", text_part(body["message"]))] if body.get("message") else []
        results = [message("tool", *map(self._result, as_objects(body.get("tool_results"))))] if body.get("tool_results") else []
        return Asked(
            model=as_text(body.get("model")) or path_model(request),
            messages=tuple(preamble + [self._turn(turn) for turn in as_objects(body.get("chat_history"))] + last + results),
            params=rest(body, frozenset({"message", "model", "chat_history", "preamble", "tools", "tool_results", "stream"})),
            tools=tool_names(body),
        )

    def _turn(self, turn: dict[str, Any]) -> Message:
        role = str(turn.get("role", "")).lower()
        text = turn.get("message")
        parts = [text_part(text)] if isinstance(text, str) and text else []
        results = [self._result(result) for result in as_objects(turn.get("tool_results"))]
        return message(ROLES.get(role, role), *parts, *self._calls(turn), *results)

    def _calls(self, entry: dict[str, Any]) -> list[Part]:
        calls = as_objects(entry.get("tool_calls"))
        return [
            {"type": "tool_call", "id": None, "name": str(call.get("name") or ""), "arguments": call.get("parameters")}
            for call in calls
        ]

    def _result(self, result: dict[str, Any]) -> Part:
        name = as_text(as_object(result.get("call")).get("name"))
        return {"type": "tool_call_response", "id": name, "response": result.get("outputs")}

    def answered(self, exchange: Exchange) -> Answered:
        response = exchange.response
        assert response is not None
        chunks = response.chunks
        return self.read(as_object(response.json)) if chunks is None else self._streamed(chunks)

    def read(self, body: dict[str, Any], **fields: Any) -> Answered:
        text = as_text(body.get("text"))
        said = message("assistant", *([text_part(text)] if text is not None else []), *self._calls(body))
        id = as_text(body.get("response_id")) or as_text(body.get("generation_id"))
        return _answered(
            [said], usage(body.get("meta")), finish_reasons=reasons(body.get("finish_reason")), response_id=id, **fields
        )

    def _streamed(self, events: list[dict[str, Any]]) -> Answered:
        end: dict[str, Any] = next((event for event in reversed(events) if event.get("event_type") == "stream-end"), {})
        if isinstance(end.get("response"), dict):
            return self.read({"finish_reason": end.get("finish_reason"), **end["response"]}, stream=True)
        text = "".join(str(event.get("text", "")) for event in events if event.get("event_type") == "text-generation")
        started = next((event for event in events if event.get("event_type") == "stream-start"), {})
        calls = next((event["tool_calls"] for event in events if event.get("event_type") == "tool-calls-generation"), None)
        return self.read({**started, "text": text, "tool_calls": calls, "finish_reason": end.get("finish_reason")}, stream=True)

    def finished(self, response: Response) -> bool:
        return any(chunk.get("event_type") == "stream-end" for chunk in (response.chunks or [])[-1:])


class Generate:
    """Generate: a prompt in, texts out."""

    def accepts(self, request: Request) -> bool:
        return isinstance(as_object(request.json).get("prompt"), str)

    def asked(self, request: Request) -> Asked:
        return asked_prompt(request)

    def answered(self, exchange: Exchange) -> Answered:
        response = exchange.response
        assert response is not None
        chunks = response.chunks
        return self.read(as_object(response.json)) if chunks is None else self.streamed(chunks)

    def read(self, body: dict[str, Any], **fields: Any) -> Answered:
        texts = as_objects(body.get("generations"))
        finish = tuple([reason for text in texts if isinstance(reason := text.get("finish_reason"), str)])
        said = [message("assistant", text_part(str(text.get("text", "")))) for text in texts]
        return _answered(said, usage(body.get("meta")), finish_reasons=finish, response_id=as_text(body.get("id")), **fields)

    def streamed(self, pieces: list[dict[str, Any]], **fields: Any) -> Answered:
        end = as_object(next((piece for piece in pieces if piece.get("is_finished")), {}))
        text = "".join(str(piece["text"]) for piece in pieces if not piece.get("is_finished") and piece.get("text"))
        whole = as_object(end.get("response"))
        one = {"text": text, "finish_reason": end.get("finish_reason")}
        return self.read({"id": end.get("id"), **whole, "generations": whole.get("generations") or [one]}, stream=True, **fields)

    def finished(self, response: Response) -> bool:
        return any(chunk.get("is_finished") for chunk in (response.chunks or [])[-1:])


class Inputs:
    """Embed and rerank: texts in, vectors or scores out; the vectors stay in the wire."""

    fields = ("query", "texts", "documents", "inputs", "images", "input")

    def accepts(self, request: Request) -> bool:
        body = as_object(request.json)
        return any(isinstance(body.get(name), list) for name in self.fields) or isinstance(body.get("input"), str)

    def asked(self, request: Request) -> Asked:
        body = as_object(request.json)
        parts = [part for name in self.fields for part in self._parts(body.get(name))]
        return Asked(
            model=as_text(body.get("model")) or path_model(request), messages=(message("user", *parts),) if parts else (),
            params=rest(body, frozenset({"model", *self.fields})),
        )  # fmt: skip

    def _parts(self, given: Any) -> list[Part]:
        if isinstance(given, list):
            given = [entry.get("content", entry) if isinstance(entry, dict) else entry for entry in given]
            given = [inner for entry in given for inner in (entry if isinstance(entry, list) else [entry])]
        return content_parts(given)

    def answered(self, exchange: Exchange) -> Answered:
        body = as_object(exchange.response.json) if exchange.response else {}
        counted = usage(body.get("meta")) or self._plain_usage(as_object(body.get("usage")))
        scores: list[Part] = [{**result, "type": "rerank"} for result in as_objects(body.get("results"))]
        return Answered(
            messages=(message("assistant", *scores),) if scores else (), usage=counted,
            usage_missing=None if counted else "the response has no token counts", response_id=as_text(body.get("id")),
            response_model=as_text(body.get("model")),
        )  # fmt: skip

    def _plain_usage(self, found: dict[str, Any]) -> Usage | None:
        """What others with the same paths report: a total."""
        whole = count(found.get("total_tokens"))
        return None if whole is None else Usage(input=count(found.get("prompt_tokens", whole)), total=whole)

    def finished(self, response: Response) -> bool:
        return False
