"""Each API's wire against the record: bodies written by hand from the documented formats."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from pytest_llmlog import providers, reading
from pytest_llmlog.providers import recognise
from pytest_llmlog.providers.base import count
from pytest_llmlog.traffic import Exchange, Request, Response


def read(
    url: str,
    asked: Any,
    answered: Any,
    *,
    content_type: str = "application/json",
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> dict[str, Any]:
    body = answered if isinstance(answered, bytes) else json.dumps(answered).encode()
    request = Request("POST", url, {"content-type": "application/json"}, json.dumps(asked).encode())
    endpoint = recognise("POST", request.host, request.path)
    assert endpoint is not None
    assert endpoint.known or endpoint.reader.accepts(request)
    response = Response(status, {"content-type": content_type, **(headers or {})}, [(0.1, body)])
    return reading.read(Exchange(request, response), endpoint, reading.asked(request, endpoint), "0" * 32)


def events(*data: Any) -> bytes:
    return "".join(f"data: {entry if isinstance(entry, str) else json.dumps(entry)}\n\n" for entry in data).encode()


def lines(*data: Any) -> bytes:
    return "".join(f"{json.dumps(entry)}\n" for entry in data).encode()


def binary(*messages: tuple[str, Any]) -> bytes:
    """Amazon's event stream; the type of an exception goes into its own header."""
    stream = b""
    for kind, payload in messages:
        name = b":exception-type" if kind.endswith("Exception") else b":event-type"
        headers = bytes([len(name)]) + name + b"\x07" + struct.pack(">H", len(kind)) + kind.encode()
        data = json.dumps(payload).encode()
        prelude = struct.pack(">II", 16 + len(headers) + len(data), len(headers))
        message = prelude + struct.pack(">I", crc32(prelude)) + headers + data
        stream += message + struct.pack(">I", crc32(message))
    return stream


def counts(fields: dict[str, Any]) -> tuple[Any, ...]:
    usage = fields["usage"]
    return (usage.input, usage.output, usage.total, usage.cached_input, usage.cache_write_input, usage.reasoning_output)


ANTHROPIC = {"model": "claude-x", "max_tokens": 9, "system": "Be brief.", "tools": [{"name": "f"}],
             "messages": [{"role": "user", "content": "Hi"}]}  # fmt: skip


def test_anthropic_counts_the_cache_as_input() -> None:
    found = read("https://api.anthropic.com/v1/messages", ANTHROPIC, {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x-1", "stop_reason": "tool_use",
        "content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Sure. "},
                    {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
                    {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}],
        "usage": {"input_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20, "output_tokens": 7}})  # fmt: skip
    assert counts(found) == (125, 7, 132, 100, 20, None)
    assert (found["provider"], found["operation"], found["model"]) == ("anthropic", "chat", "claude-x")
    assert (found["response"], found["finish_reasons"], found["tools"]) == ("Sure. ", ("tool_use",), ("f",))
    assert [(call.id, call.name, call.arguments) for call in found["tool_calls"]] == [("t", "f", {"a": 1})]
    assert found["prompt"] == "system: Be brief.\n\nuser: Hi"
    assert found["params"] == {"max_tokens": 9}


def _anthropic_stream(*ends: Any) -> bytes:
    return events(
        {"type": "message_start", "message": {"id": "m", "model": "c", "role": "assistant", "content": [], "usage": {"input_tokens": 3, "output_tokens": 1}}},
        *({"type": "content_block_start", "index": i, "content_block": {"type": "text", "text": ""}} for i in range(12)),
        *({"type": "content_block_delta", "index": i, "delta": {"type": "text_delta", "text": f"{i} "}} for i in range(12)),
        {"type": "content_block_start", "index": 12, "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {}}},
        {"type": "content_block_delta", "index": 12, "delta": {"type": "input_json_delta", "partial_json": '{"a":'}},
        {"type": "content_block_delta", "index": 12, "delta": {"type": "input_json_delta", "partial_json": "1}"}},
        *ends,
    )  # fmt: skip


def test_anthropic_streams_are_put_together_and_cumulative_counts_not_added_up() -> None:
    delta = {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 40}}
    found = read("http://localhost:1/v1/messages", ANTHROPIC, _anthropic_stream(delta), content_type="text/event-stream")
    assert found["response"] == "0 1 2 3 4 5 6 7 8 9 10 11 "  # blocks from the tenth on keep their place
    assert [call.arguments for call in found["tool_calls"]] == [{"a": 1}]
    assert (counts(found)[:3], found["stream"], found["status"]) == ((3, 40, 43), True, "success")


def test_an_error_inside_a_stream_keeps_what_was_said() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    found = read("https://api.anthropic.com/v1/messages", ANTHROPIC, _anthropic_stream(error), content_type="text/event-stream")
    assert (found["status"], found["error"], found["error_type"]) == ("failure", "Overloaded", "overloaded_error")
    assert found["response"].startswith("0 1 ")


GEMINI = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}], "systemInstruction": {"parts": [{"text": "Brief."}]},
          "generationConfig": {"temperature": 0}, "tools": [{"functionDeclarations": [{"name": "f"}]}, {"googleSearch": {}}]}  # fmt: skip
GEMINI_USAGE = {
    "promptTokenCount": 8,
    "candidatesTokenCount": 2,
    "thoughtsTokenCount": 30,
    "totalTokenCount": 40,
    "cachedContentTokenCount": 4,
}


def _candidate(text: str, **more: Any) -> dict[str, Any]:
    return {
        "candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, **more}],
        "modelVersion": "gemini-x-1",
        "responseId": "r",
    }


@pytest.mark.parametrize("encoding", ["whole", "array", "events"])
def test_gemini_counts_thoughts_as_output_in_every_encoding(encoding: str) -> None:
    pieces = [_candidate("One "), {**_candidate("two", finishReason="STOP"), "usageMetadata": GEMINI_USAGE}]
    verb, body, kind = {
        "whole": (
            "generateContent",
            {**_candidate("One two", finishReason="STOP"), "usageMetadata": GEMINI_USAGE},
            "application/json",
        ),
        "array": ("streamGenerateContent", pieces, "application/json"),
        "events": ("streamGenerateContent", events(*pieces).replace(b"\n", b"\r\n"), "text/event-stream"),
    }[encoding]
    found = read(f"https://generativelanguage.googleapis.com/v1beta/models/gemini-x:{verb}", GEMINI, body, content_type=kind)
    assert counts(found) == (8, 32, 40, 4, None, 30)
    assert (found["response"], found["model"], found["response_model"]) == ("One two", "gemini-x", "gemini-x-1")
    assert (found["stream"], found["finish_reasons"], found["tools"]) == (encoding != "whole", ("STOP",), ("f", "googleSearch"))
    assert found["params"] == {"temperature": 0}
    assert found["prompt"] == "system: Brief.\n\nuser: Hi"


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        ("us-central1-aiplatform.googleapis.com", "gcp.vertex_ai"),
        ("aiplatform.googleapis.com", "gcp.vertex_ai"),
        ("proxy.test", "gcp.gemini"),
    ],
)
def test_vertex_is_told_by_its_hosts(host: str, provider: str) -> None:
    url = f"https://{host}/v1/projects/p/locations/l/publishers/google/models/gemini-x:generateContent"
    assert read(url, GEMINI, _candidate("x"))["provider"] == provider


def test_anthropic_on_vertex() -> None:
    url = "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/anthropic/models/claude-x@1:rawPredict"
    asked = {name: value for name, value in ANTHROPIC.items() if name != "model"} | {"anthropic_version": "vertex-2023-10-16"}
    found = read(
        url,
        asked,
        {"type": "message", "content": [{"type": "text", "text": "x"}], "usage": {"input_tokens": 1, "output_tokens": 2}},
    )
    assert (found["provider"], found["model"], found["response"], found["tokens"]) == ("gcp.vertex_ai", "claude-x@1", "x", 3)


BEDROCK = "https://bedrock-runtime.eu-west-1.amazonaws.com/model/us.amazon.nova-v1%3A0"
CONVERSE = {"messages": [{"role": "user", "content": [{"text": "Hi"}]}], "inferenceConfig": {"maxTokens": 5},
            "toolConfig": {"tools": [{"toolSpec": {"name": "f"}}]}}  # fmt: skip
TURN = (
    ("messageStart", {"role": "assistant"}), ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "On"}}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "e"}}),
    ("contentBlockStart", {"contentBlockIndex": 1, "start": {"toolUse": {"toolUseId": "t", "name": "f"}}}),
    ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"toolUse": {"input": '{"a": 1}'}}}), ("messageStop", {"stopReason": "tool_use"}),
    ("metadata", {"usage": {"inputTokens": 5, "outputTokens": 2, "totalTokens": 17, "cacheReadInputTokens": 10}}),
)  # fmt: skip


def test_bedrock_converse_streams_binary_messages() -> None:
    found = read(f"{BEDROCK}/converse-stream", CONVERSE, binary(*TURN), content_type="application/vnd.amazon.eventstream")
    assert (found["provider"], found["model"], found["stream"]) == ("aws.bedrock", "us.amazon.nova-v1:0", True)
    assert counts(found) == (15, 2, 17, 10, None, None)
    assert (found["response"], found["finish_reasons"]) == ("One", ("tool_use",))
    assert [(call.name, call.arguments) for call in found["tool_calls"]] == [("f", {"a": 1})]


def test_a_binary_stream_is_read_up_to_a_wrong_checksum_and_ends_with_its_exception() -> None:
    whole = binary(*TURN)
    damaged = whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:]
    found = read(f"{BEDROCK}/converse-stream", CONVERSE, damaged, content_type="application/vnd.amazon.eventstream")
    assert (found["response"], found["usage"]) == ("One", None)
    failed = binary(*TURN[:2], ("throttlingException", {"message": "Slow down"}))
    found = read(f"{BEDROCK}/converse-stream", CONVERSE, failed, content_type="application/vnd.amazon.eventstream")
    assert (found["status"], found["error"], found["error_type"]) == ("failure", "Slow down", "throttlingException")


@pytest.mark.parametrize(
    ("asked", "answered", "text", "reason", "tokens"),
    [
        ({"inputText": "Hi"}, {"inputTextTokenCount": 3, "results": [{"tokenCount": 4, "outputText": "Yo", "completionReason": "FINISH"}]}, "Yo", "FINISH", (3, 4)),
        ({"prompt": "Hi", "max_gen_len": 9}, {"generation": "Yo", "prompt_token_count": 3, "generation_token_count": 4, "stop_reason": "stop"}, "Yo", "stop", (3, 4)),
        ({"prompt": "Hi"}, {"outputs": [{"text": "Yo", "stop_reason": "stop"}]}, "Yo", "stop", (8, 9)),
        ({"prompt": "Hi"}, {"completions": [{"data": {"text": "Yo"}, "finishReason": {"reason": "endoftext"}}]}, "Yo", "endoftext", (8, 9)),
        ({"prompt": "Hi", "max_tokens_to_sample": 9}, {"completion": "Yo", "stop_reason": "stop_sequence"}, "Yo", "stop_sequence", (8, 9)),
        ({"messages": [{"role": "user", "content": "Hi"}]}, {"choices": [{"message": {"content": "Yo"}, "finish_reason": "stop"}],
                                                               "usage": {"prompt_tokens": 3, "completion_tokens": 4}}, "Yo", "stop", (3, 4)),
    ],
    ids=["titan", "llama", "mistral", "jurassic", "claude-2", "openai-shaped"],
)  # fmt: skip
def test_bedrock_invoke_by_model_family(asked: Any, answered: Any, text: str, reason: str, tokens: tuple[int, int]) -> None:
    headers = {"x-amzn-bedrock-input-token-count": "8", "x-amzn-bedrock-output-token-count": "9"}
    found = read("http://localhost:1/model/any.model-v1:0/invoke", asked, answered, headers=headers)
    assert (found["prompt"], found["response"], found["finish_reasons"]) == ("Hi", text, (reason,))
    assert (found["usage"].input, found["usage"].output) == tokens
    assert found["model"] == "any.model-v1:0"


def test_bedrock_invoke_streams() -> None:
    pieces = [
        {"outputText": "On", "index": 0},
        {
            "outputText": "e",
            "completionReason": "FINISH",
            "amazon-bedrock-invocationMetrics": {"inputTokenCount": 3, "outputTokenCount": 2},
        },
    ]
    chunks = [("chunk", {"bytes": base64.b64encode(json.dumps(piece).encode()).decode()}) for piece in pieces]
    body, kind = binary(*chunks), "application/vnd.amazon.eventstream"
    found = read(f"{BEDROCK}/invoke-with-response-stream", {"inputText": "Hi"}, body, content_type=kind)
    assert (found["response"], found["finish_reasons"], found["stream"], found["tokens"]) == ("One", ("FINISH",), True, 5)


def test_cohere_v2() -> None:
    asked = {"model": "command", "messages": [{"role": "user", "content": "Hi"}]}
    usage = {"billed_units": {"input_tokens": 1, "output_tokens": 2}, "tokens": {"input_tokens": 10.0, "output_tokens": 3.0}}
    body = events(
        {"type": "message-start", "id": "c1"}, {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "Ask."}}},
        {"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": ""}}}},
        {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "One"}}}},
        {"type": "tool-call-start", "index": 0, "delta": {"message": {"tool_calls": {"id": "t", "function": {"name": "f", "arguments": ""}}}}},
        {"type": "tool-call-delta", "index": 0, "delta": {"message": {"tool_calls": {"function": {"arguments": '{"a":1}'}}}}},
        {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL", "usage": usage}},
    )  # fmt: skip
    found = read("https://api.cohere.com/v2/chat", asked, body, content_type="text/event-stream")
    assert (found["response"], found["response_id"], found["finish_reasons"]) == ("One", "c1", ("TOOL_CALL",))
    assert counts(found)[:3] == (10, 3, 13)
    assert [(call.id, call.name, call.arguments) for call in found["tool_calls"]] == [("t", "f", {"a": 1})]


def test_cohere_v1_streams_lines_and_its_last_one_has_all() -> None:
    asked = {"message": "Hi", "chat_history": [{"role": "CHATBOT", "message": "Yes?"}], "preamble": "Brief.", "stream": True}
    whole = {
        "response_id": "r",
        "text": "One",
        "finish_reason": "COMPLETE",
        "meta": {"tokens": {"input_tokens": 4, "output_tokens": 1}},
    }
    body = lines(
        {"event_type": "stream-start", "generation_id": "g"}, {"event_type": "text-generation", "text": "One"},
        {"event_type": "stream-end", "finish_reason": "COMPLETE", "response": whole},
    )  # fmt: skip
    found = read("https://api.cohere.com/v1/chat", asked, body, content_type="application/stream+json")
    assert (found["prompt"], found["response"], found["response_id"]) == (
        "system: Brief.\n\nassistant: Yes?\n\nuser: Hi",
        "One",
        "r",
    )
    assert (found["tokens"], found["stream"]) == (5, True)


def test_ollama_streams_lines() -> None:
    asked = {"model": "llama", "messages": [{"role": "user", "content": "Hi", "images": ["AAAA"]}], "options": {"seed": 1}}
    body = lines(
        {"model": "llama", "message": {"role": "assistant", "thinking": "Hm."}, "done": False},
        {"model": "llama", "message": {"role": "assistant", "content": "One"}, "done": False},
        {"model": "llama", "message": {"content": "", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]}, "done": False},
        {"model": "llama", "message": {"content": ""}, "done": True, "done_reason": "stop", "prompt_eval_count": 3, "eval_count": 2},
    )  # fmt: skip
    found = read("http://localhost:11434/api/chat", asked, body, content_type="application/x-ndjson")
    assert (found["provider"], found["response"], found["tokens"], found["finish_reasons"]) == ("ollama", "One", 5, ("stop",))
    assert [(call.name, call.arguments) for call in found["tool_calls"]] == [("f", {"a": 1})]
    assert (found["params"], found["stream"]) == ({"seed": 1}, True)


def test_a_stream_without_usage_says_so_and_a_zero_that_protocol_buffers_leave_out_is_zero() -> None:
    found = read("http://localhost:1/api/generate", {"model": "m", "prompt": "Hi"}, {"model": "m", "response": "x", "done": True})
    assert (found["usage"], found["tokens"], found["usage_missing"]) == (None, None, "the response has no token counts")
    usage = {"promptTokenCount": 8, "totalTokenCount": 8}
    found = read("http://localhost:1/v1/models/m:generateContent", GEMINI, {"candidates": [], "usageMetadata": usage})
    assert counts(found)[:3] == (8, 0, 8)


@pytest.mark.parametrize(
    ("url", "asked", "answered", "operation", "tokens"),
    [
        ("https://api.cohere.com/v2/embed", {"model": "e", "texts": ["a", "b"]}, {"id": "i", "meta": {"billed_units": {"input_tokens": 4}}}, "embeddings", 4),
        ("https://api.cohere.com/v2/rerank", {"model": "e", "query": "q", "documents": ["a"]}, {"id": "i", "results": [{"index": 0}]}, "rerank", None),
        ("http://h/v1/models/m:batchEmbedContents", {"requests": [{"content": {"parts": [{"text": "a"}]}}]}, {"embeddings": []}, "embeddings", None),
        ("http://h/v1/models/m:predict", {"instances": [{"content": "a"}]}, {"predictions": [{"embeddings": {"statistics": {"token_count": 6.0}}}]}, "embeddings", 6),
        ("http://h/api/embed", {"model": "m", "input": ["a"]}, {"model": "m", "prompt_eval_count": 2}, "embeddings", 2),
        ("http://h/complete", {"prompt": "a", "maximum_tokens": 5}, {"completions": [{"completion": "b"}], "num_tokens_prompt_total": 1, "num_tokens_generated": 2}, "text_completion", 3),
        ("https://api.replicate.com/v1/models/o/m/predictions", {"input": {"prompt": "a"}}, {"id": "p", "status": "succeeded", "output": ["b"]}, "text_completion", None),
        ("http://h/ml/v1/text/generation", {"model_id": "m", "input": "a"}, {"results": [{"generated_text": "b", "input_token_count": 2, "generated_token_count": 3}]}, "text_completion", 5),
        ("http://h/generate", {"inputs": "a"}, [{"generated_text": "b", "details": {"generated_tokens": 3}}], "text_completion", 3),
        ("https://api.groq.com/openai/v1/never-heard-of", {"prompt": "a"}, {"x": 1}, "other", None),
    ],
)  # fmt: skip
def test_other_operations(url: str, asked: Any, answered: Any, operation: str, tokens: int | None) -> None:
    found = read(url, asked, answered)
    assert (found["operation"], found["tokens"], found["status"]) == (operation, tokens, "success")
    assert found["prompt"].startswith(("a", "q"))


@pytest.mark.parametrize(
    ("asked", "prompt"),
    [
        ({"messages": [{"role": "user", "content": "Hi"}]}, "Hi"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}], "system": "Be kind", "max_tokens": 9}, "system: Be kind\n\nuser: Hi"),
        ({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}, "Hi"),
        ({"model": "m", "input": [{"role": "user", "content": "Hi"}]}, "Hi"),
        *(({name: "Hi"}, "Hi") for name in ("prompt", "input", "inputs", "text", "query", "message", "inputText")),
        ({"nothing": "of this"}, ""),
        ([], ""),
    ],
)  # fmt: skip
def test_an_unknown_api_of_a_known_host_tells_its_prompt(asked: Any, prompt: str) -> None:
    fields = read("https://api.mistral.ai/v9/quite-new", asked, {"id": "r1", "model": "m-1"})
    assert (fields["operation"], fields["provider"], fields["prompt"], fields["status"]) == (
        "other",
        "mistral_ai",
        prompt,
        "success",
    )
    assert fields["response_model"] == "m-1"
    chat = {"choices": [{"message": {"role": "assistant", "content": "Yo"}}], "usage": {"total_tokens": 3}}
    fields = read("https://api.mistral.ai/v9/quite-new", asked, chat)
    assert (fields["response"], fields["tokens"]) == ("Yo", 3)


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("http://localhost/v1/messages/count_tokens", {"model": "c", "messages": [{"role": "user", "content": "Hi"}]}),
        ("http://localhost/v1beta/models/g:countTokens", {"contents": [{"parts": [{"text": "Hi"}]}]}),
    ],
)
def test_counting_tokens_is_no_chat(url: str, asked: Any) -> None:
    fields = read(url, asked, {"totalTokens": 3, "input_tokens": 3})
    assert (fields["operation"], fields["prompt"], fields.get("tokens")) == ("other", "Hi", None)


def test_the_error_of_every_shape_is_found() -> None:
    shapes = (
        {"error": {"message": "no"}},
        {"error": "no"},
        {"message": "no"},
        {"detail": "no"},
        [{"error": {"message": "no", "status": "BAD"}}],
    )
    for shape in shapes:
        found = read("https://api.groq.com/v1/chat/completions", {"messages": []}, shape, status=400)
        assert (found["status"], found["error"]) == ("failure", "no")


def test_what_a_foreign_reader_cannot_read_is_still_told() -> None:
    class Broken:
        def asked(self, request: Request) -> Any:
            raise ValueError("no")

        def answered(self, exchange: Exchange) -> Any:
            raise KeyError("no")

    from pytest_llmlog.providers import Endpoint

    endpoint = Endpoint("mine", "chat", Broken(), True)  # type: ignore[arg-type]
    request = Request("POST", "http://h/x", {}, b"{}")
    exchange = Exchange(request, Response(200, {}, [(0.1, b"{}")]))
    found = reading.read(exchange, endpoint, reading.asked(request, endpoint), "0" * 32)
    assert (found["provider"], found["status"], found["http_status"]) == ("mine", "success", 200)
    assert found["usage_missing"] == "the answer could not be read: KeyError: 'no'"


def test_a_package_brings_its_own_provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "providers.md").read_text(encoding="utf-8")
    (tmp_path / "acme_llmlog.py").write_text(page.partition("```python\n")[2].partition("```")[0])
    info = tmp_path / "acme-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[{providers.GROUP}]\nacme = acme_llmlog\n")
    monkeypatch.syspath_prepend(tmp_path)
    _forget()
    try:
        found = read("https://api.acme.test/acme/say", {"model": "m", "say": "Hi"}, {"said": "Yo", "words": 1})
        other = read("https://api.acme.test/else", {"prompt": "Hi"}, {})
    finally:
        _forget()
    assert (found["provider"], found["prompt"], found["response"], found["tokens"]) == ("acme", "Hi", "Yo", 1)
    assert (other["provider"], other["operation"]) == ("acme", "other")


def _forget() -> None:
    providers._routes.cache_clear()
    recognise.cache_clear()


@pytest.mark.parametrize(
    ("said", "read"), [(7, 7), (6.0, 6), (1.5, None), (-1, None), (True, None), ("7", None), (10**400, None), (2**53, None)]
)
def test_a_token_count_is_a_number_that_can_be_added_up(said: object, read: int | None) -> None:
    assert count(said) == read
