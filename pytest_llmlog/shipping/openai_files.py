"""A record as one line of OpenAI's files: training examples, requests of a batch, chat completions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pytest_llmlog.shipping.formats import Line, Record, as_text, begin, line

Message = Mapping[str, Any]
Chat = list[dict[str, Any]]

ROLES = {"model": "assistant", "chatbot": "assistant", "function": "tool"}
"""Other providers' words for the roles of OpenAI's chat."""

KINDS = frozenset({"text", "tool_call", "tool_call_response", "reasoning"})
"""Parts of a message that a chat of texts and tool calls can hold, or leave out."""

PARAMETERS = frozenset({
    "audio", "frequency_penalty", "logit_bias", "logprobs", "max_completion_tokens", "max_tokens", "metadata", "modalities",
    "n", "prediction", "presence_penalty", "prompt_cache_key", "reasoning_effort", "response_format", "safety_identifier",
    "seed", "service_tier", "stop", "store", "temperature", "top_logprobs", "top_p", "user", "verbosity",
    "web_search_options",
})  # fmt: skip
"""What OpenAI's chat takes beside messages and tools: https://platform.openai.com/docs/api-reference/chat/create"""

OF_TOOLS = ("tool_choice", "parallel_tool_calls")
"""Parameters that mean something only beside tools."""


def _is_text(messages: Any) -> bool:
    kinds = {part.get("type") for message in messages or () for part in message.get("parts", ())}
    return bool(messages) and kinds <= KINDS


def _parts(message: Message, kind: str) -> list[Mapping[str, Any]]:
    return [part for part in message.get("parts", ()) if part.get("type") == kind]


def _content(message: Message) -> str:
    return "".join(str(part.get("content", "")) for part in _parts(message, "text"))


def _call(part: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": part.get("name"), "arguments": as_text(part.get("arguments")) or "{}"}
    return {"id": part.get("id"), "type": "function", "function": function}


def _chat(message: Message) -> Chat:
    """A message as the chat API has it; the answers of tools are messages of their own there, and come first."""
    answers: Chat = [
        {"role": "tool", "tool_call_id": part.get("id"), "content": as_text(part.get("response", part.get("result"))) or ""}
        for part in _parts(message, "tool_call_response")
    ]
    text, calls = _content(message), [_call(part) for part in _parts(message, "tool_call")]
    if answers and not text and not calls:
        return answers
    role = str(message.get("role")).lower()
    said = {"role": ROLES.get(role, role), "content": text or (None if calls else "")}
    return [*answers, {**said, "tool_calls": calls} if calls else said]


def _with_ids(chat: Chat) -> Chat:
    """Give calls that have no id one, and the tools' answers the id of their call: by id, by name, or the oldest that waits."""
    waiting: list[tuple[Any, str, str]] = []
    for number, entry in enumerate(chat):
        for place, call in enumerate(entry.get("tool_calls", ())):
            given, name = call["id"], str(call["function"]["name"])
            call["id"] = given or f"call_{number}_{place}"
            waiting.append((given, name, call["id"]))
        if entry["role"] == "tool":
            told = entry.get("tool_call_id")
            found = next((each for each in waiting if told is not None and told in each[:2]), waiting[0] if waiting else None)
            if found is not None:
                waiting.remove(found)
                entry["tool_call_id"] = found[2]
    return chat


def _conversation(record: Record) -> Chat | None:
    """What was asked; None where it was no chat of texts, or where the log does not hold the whole of it."""
    if record.get("operation") not in ("chat", "responses") or record.get("truncated") or not _is_text(record.get("messages")):
        return None
    return [each for message in record["messages"] for each in _chat(message)]


def _answered(record: Record) -> Sequence[Message]:
    """The choices of a call that was answered in texts and tool calls; of the responses API all items are one."""
    said = record.get("response_messages")
    if record.get("status") != "success" or not said or not _is_text(said):
        return ()
    if record.get("operation") == "responses":
        return [{"role": "assistant", "parts": [part for message in said for part in message.get("parts", ())]}]
    return said  # type: ignore[no-any-return]


def fine_tuning(record: Record) -> Line:
    """The chat format of training files: a conversation with its answer; of failures, empty answers and other calls none."""
    asked, answers = _conversation(record), _answered(record)
    said = [each for message in answers[:1] for each in _chat(message)]
    if asked is None or not any(each["content"] or each.get("tool_calls") for each in said):
        return None
    tools = _tools(record)
    example = {"messages": _with_ids([*asked, *said]), **({"tools": tools} if tools else {})}
    return json.dumps(example, ensure_ascii=False).encode() + b"\n"


def _tools(record: Record) -> list[Any] | None:
    """The tools offered, in the chat's form; a record names them, and only its wire holds them whole."""
    body = (((record.get("wire") or {}).get("request") or {}).get("body") or {}).get("json")
    tools = body.get("tools") if isinstance(body, dict) else None
    is_chat = isinstance(tools, list) and all(isinstance(tool, dict) and "function" in tool for tool in tools)
    return tools if tools and is_chat else None


def batch(record: Record) -> Line:
    """The input of the Batch API: the request again, to the API that it was made to."""
    asked = _conversation(record)
    if asked is None:
        return None
    is_chat = record.get("operation") == "chat"
    body = {"model": record.get("model"), **(_chat_body(record, asked) if is_chat else _responses_body(record, asked))}
    url = "/v1/chat/completions" if is_chat else "/v1/responses"
    request = {"custom_id": record.get("request_id"), "method": "POST", "url": url, "body": body}
    return json.dumps(request, ensure_ascii=False).encode() + b"\n"


def _chat_body(record: Record, asked: Chat) -> dict[str, Any]:
    tools, params = _tools(record), record.get("params") or {}
    taken = PARAMETERS | set(OF_TOOLS if tools else ())
    known = {name: value for name, value in params.items() if name in taken}
    return {"messages": _with_ids(asked), **known, **({"tools": tools} if tools else {})}


def _responses_body(record: Record, asked: Chat) -> dict[str, Any]:
    params = {name: value for name, value in (record.get("params") or {}).items() if name not in (*OF_TOOLS, "stream_options")}
    return {"input": [item for entry in _with_ids(asked) for item in _items(entry)], **params}


def _items(entry: dict[str, Any]) -> Chat:
    """A message of the chat as items of the responses API."""
    if entry["role"] == "tool":
        return [{"type": "function_call_output", "call_id": entry["tool_call_id"], "output": entry["content"]}]
    said = [{"role": entry["role"], "content": entry["content"]}] if entry["content"] else []
    calls = [{"type": "function_call", "call_id": call["id"], **call["function"]} for call in entry.get("tool_calls", ())]
    return [*said, *calls]


def _finish(reasons: list[str | None], message: dict[str, Any]) -> str:
    """Why a choice ended in OpenAI's words, which are all that its client takes."""
    words = ("stop", "length", "tool_calls", "content_filter", "function_call")
    return next((reason for reason in reasons if reason in words), None) or ("tool_calls" if "tool_calls" in message else "stop")


def stored_completion(record: Record) -> Line:
    """The chat completion object, with the messages that were asked beside it, as evaluations take it."""
    asked, answers = _conversation(record), _answered(record)
    if asked is None or not answers:
        return None
    usage, reasons = record.get("usage") or {}, list(record.get("finish_reasons") or [])
    messages = [_with_ids(_chat(message))[-1] for message in answers]
    return line({
        "id": record.get("response_id") or record.get("request_id"),
        "object": "chat.completion",
        "created": int(begin(record).timestamp()),
        "model": record.get("response_model") or record.get("model"),
        "messages": _with_ids(asked),
        "choices": [
            {"index": index, "message": message, "finish_reason": _finish(reasons[index : index + 1], message)}
            for index, message in enumerate(messages)
        ],
        "usage": {
            "prompt_tokens": usage.get("input"),
            "completion_tokens": usage.get("output"),
            "total_tokens": usage.get("total"),
        },
        "metadata": {"prompt_template": record.get("prompt_template"), "llmlog_request_id": record.get("request_id")},
    })  # fmt: skip


LINES: Mapping[str, Callable[[Record], Line]] = {
    "openai-jsonl": fine_tuning,
    "openai-batch": batch,
    "openai-stored": stored_completion,
}
"""OpenAI's formats, by name."""
