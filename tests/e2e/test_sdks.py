"""Other providers' own SDKs against a loopback server: recorded, then replayed without it, equal in what the SDK returns."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, NamedTuple

import pytest

from conftest import Suite
from openai_standin import Reply
from unit import test_readers as samples

HEAD = """
import asyncio, json, os
import pytest
BASE = os.environ["OPENAI_BASE_URL"][:-3]
def seen(name, value):
    # What the SDK returned when it was recorded, and what it returns now.
    path = os.path.join(os.path.dirname(__file__), name + ".seen")
    value = json.loads(json.dumps(value, default=str))
    if not os.path.exists(path):
        open(path, "w").write(json.dumps(value))
    assert json.load(open(path)) == value
"""

TOOL = {"name": "add", "description": "Add.", "input_schema": {"type": "object", "properties": {"a": {"type": "integer"}}}}

CLAUDE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x-1", "stop_reason": "end_turn", "stop_sequence": None,
    "content": [{"type": "text", "text": "One"}],
    "usage": {"input_tokens": 5, "cache_read_input_tokens": 10, "cache_creation_input_tokens": 0, "output_tokens": 2},
}  # fmt: skip
CLAUDE_STREAM: list[Any] = [
    {"type": "message_start", "message": {**CLAUDE, "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "One"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
]


BATCH = {
    "id": "msgbatch_1", "type": "message_batch", "processing_status": "in_progress", "created_at": "2026-01-01T00:00:00Z",
    "expires_at": "2026-01-02T00:00:00Z", "ended_at": None, "archived_at": None, "cancel_initiated_at": None, "results_url": None,
    "request_counts": {"processing": 1, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0},
}  # fmt: skip
COHERE_STREAM: list[Any] = [
    {"type": "message-start", "id": "c1", "delta": {"message": {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}}},
    {"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": ""}}}},
    {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "One"}}}},
    {"type": "content-end", "index": 0},
    {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": {"tokens": {"input_tokens": 3, "output_tokens": 1}}}},
]  # fmt: skip
COHERE_EMBED = {"id": "e1", "texts": ["Hi"], "embeddings": {"float": [[0.5, 0.25]]}, "response_type": "embeddings_by_type"}
COHERE_RERANK = {"id": "r1", "results": [{"index": 1, "relevance_score": 0.9}], "meta": {"billed_units": {"search_units": 1}}}


def _named(events: list[Any]) -> bytes:
    """Events with their types, as Anthropic sends them."""
    return b"".join(f"event: {event['type']}\n".encode() + samples.events(event) for event in events)


SSE = {"content-type": "text/event-stream"}
GEMINI = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "One"}]}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1, "thoughtsTokenCount": 5, "totalTokenCount": 9},
    "modelVersion": "gemini-x-1", "responseId": "r1",
}  # fmt: skip
CHAT = {
    "id": "c1", "object": "chat.completion", "created": 1, "model": "model-x",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "One"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
}  # fmt: skip
CHUNKS: list[Any] = [
    {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "model-x", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "On"}, "finish_reason": None}]},
    {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "model-x", "choices": [{"index": 0, "delta": {"content": "e"}, "finish_reason": "stop"}], "usage": CHAT["usage"]},
    "[DONE]",
]  # fmt: skip
CALLS = {**CHAT, "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": None, "tool_calls": [
    {"id": "t1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1, "b": 2}'}}]}}]}  # fmt: skip
COHERE = {
    "id": "co1", "finish_reason": "COMPLETE", "message": {"role": "assistant", "content": [{"type": "text", "text": "One"}]},
    "usage": {"billed_units": {"input_tokens": 1, "output_tokens": 1}, "tokens": {"input_tokens": 3, "output_tokens": 1}},
}  # fmt: skip
OLLAMA = {"model": "llama", "created_at": "2026-01-01T00:00:00Z", "message": {"role": "assistant", "content": "One"}, "done": True,
          "done_reason": "stop", "prompt_eval_count": 3, "eval_count": 1}  # fmt: skip


class Case(NamedTuple):
    """An SDK's package, a test's body, what the server answers, and the records' provider, tokens and answers."""

    package: str
    source: str
    replies: list[Reply]
    provider: str
    tokens: int | None
    answers: int = 1


CASES = {
    "anthropic": Case("anthropic", """
import anthropic
def test_it(llmlog):
    client = anthropic.Anthropic(api_key="sk-ant-a", base_url=BASE, max_retries=0)
    asked = dict(model="claude-x", max_tokens=9, messages=[{"role": "user", "content": "Hi"}])
    seen("plain", client.messages.create(**asked).model_dump())
    with client.messages.stream(**asked) as stream:
        seen("stream", [stream.get_final_message().model_dump()])
    async def run():
        async with anthropic.AsyncAnthropic(api_key="sk-ant-a", base_url=BASE, max_retries=0) as client:
            return (await client.messages.create(**asked)).model_dump()
    seen("async", asyncio.run(run()))
    assert [call.usage.cached_input for call in llmlog] == [10, 10, 10]
    assert [call.finish_reasons for call in llmlog] == [("end_turn",)] * 3
""", [Reply(200, CLAUDE), Reply(200, None, SSE, chunks=[_named(CLAUDE_STREAM[:3]), _named(CLAUDE_STREAM[3:])]), Reply(200, CLAUDE)],
        "anthropic", 17, 3),
    "anthropic beside its messages": Case("anthropic", """
import anthropic
def test_it(llmlog):
    client = anthropic.Anthropic(api_key="sk-ant-a", base_url=BASE, max_retries=0)
    asked = dict(model="claude-x", messages=[{"role": "user", "content": "Hi"}])
    seen("count", client.messages.count_tokens(**asked).input_tokens)
    batch = client.messages.batches.create(requests=[{"custom_id": "a", "params": {"max_tokens": 9, **asked}}])
    seen("batch", batch.model_dump())
    assert {call.operation for call in llmlog} == {"other"}
    assert llmlog[0].prompt == "Hi"
""", [Reply(200, {"input_tokens": 8}), Reply(200, BATCH)], "anthropic", None, 2),
    "google-genai": Case("google.genai", """
from google import genai
def test_it(llmlog):
    client = genai.Client(api_key="AIza-test", http_options={"base_url": BASE})
    asked = dict(model="gemini-x", contents="Hi", config={"temperature": 0})
    seen("plain", client.models.generate_content(**asked).text)
    seen("stream", [chunk.text for chunk in client.models.generate_content_stream(**asked)])
    async def run():
        return (await client.aio.models.generate_content(**asked)).text
    seen("async", asyncio.run(run()))
    async def stream():
        return [chunk.text async for chunk in await client.aio.models.generate_content_stream(**asked)]
    seen("async stream", asyncio.run(stream()))
    assert [call.stream for call in llmlog] == [False, True, False, True]
    assert [call.usage.output for call in llmlog] == [6, 6, 6, 6]
""", [Reply(200, GEMINI), Reply(200, None, SSE, chunks=[samples.events(GEMINI)])] * 2, "gcp.gemini", 9, 4),
    "mistralai": Case("mistralai", """
try:
    from mistralai import Mistral
except ImportError:
    from mistralai.client import Mistral
def test_it(llmlog):
    client = Mistral(api_key="k", server_url=BASE)
    asked = dict(model="model-x", messages=[{"role": "user", "content": "Hi"}])
    seen("plain", client.chat.complete(**asked).model_dump())
    seen("stream", [event.data.choices[0].delta.content for event in client.chat.stream(**asked)])
""", [Reply(200, CHAT), Reply(events=CHUNKS)], "openai", 4, 2),
    "cohere": Case("cohere", """
import cohere
def test_it(llmlog):
    client = cohere.ClientV2(api_key="k", base_url=BASE)
    answer = client.chat(model="command", messages=[{"role": "user", "content": "Hi"}])
    seen("plain", answer.message.content[0].text)
    stream = client.chat_stream(model="command", messages=[{"role": "user", "content": "Hi"}])
    seen("stream", [event.model_dump() for event in stream])
    assert [(call.response, call.finish_reasons) for call in llmlog] == [("One", ("COMPLETE",))] * 2
""", [Reply(200, COHERE), Reply(200, None, SSE, chunks=[_named(COHERE_STREAM[:3]), _named(COHERE_STREAM[3:])])], "cohere", 4, 2),
    "cohere beside its chat": Case("cohere", """
import cohere
def test_it(llmlog):
    client = cohere.ClientV2(api_key="k", base_url=BASE)
    seen("embed", client.embed(model="embed", texts=["Hi"], input_type="search_query", embedding_types=["float"]).embeddings.float_)
    seen("rerank", client.rerank(model="rerank", query="Hi", documents=["a", "b"]).results[0].index)
    assert [call.operation for call in llmlog] == ["embeddings", "rerank"]
""", [Reply(200, COHERE_EMBED), Reply(200, COHERE_RERANK)], "cohere", None, 2),
    "groq": Case("groq", """
import groq
def test_it(llmlog):
    client = groq.Groq(api_key="k", base_url=BASE, max_retries=0)
    asked = dict(model="model-x", messages=[{"role": "user", "content": "Hi"}])
    seen("plain", client.chat.completions.create(**asked).model_dump())
    seen("stream", [chunk.choices[0].delta.content for chunk in client.chat.completions.create(**asked, stream=True)])
""", [Reply(200, CHAT), Reply(events=CHUNKS)], "openai", 4, 2),
    "ollama": Case("ollama", """
import ollama
def test_it(llmlog):
    client = ollama.Client(host=BASE)
    asked = dict(model="llama", messages=[{"role": "user", "content": "Hi"}])
    seen("plain", client.chat(**asked).message.content)
    seen("stream", [chunk.message.content for chunk in client.chat(**asked, stream=True)])
    async def run():
        return (await ollama.AsyncClient(host=BASE).chat(**asked)).message.content
    seen("async", asyncio.run(run()))
""", [Reply(200, OLLAMA), Reply(200, None, {"content-type": "application/x-ndjson"}, chunks=[
        samples.lines({**OLLAMA, "done": False, "message": {"role": "assistant", "content": "On"}}),
        samples.lines({**OLLAMA, "message": {"role": "assistant", "content": "e"}})]), Reply(200, OLLAMA)], "ollama", 4, 3),
    "litellm": Case("litellm", """
import litellm
litellm.telemetry = False
def test_it(llmlog):
    asked = dict(model="openai/model-x", api_base=BASE + "/v1", api_key="k", messages=[{"role": "user", "content": "Hi"}], num_retries=0)
    seen("plain", litellm.completion(**asked).choices[0].message.content)
    seen("stream", [chunk.choices[0].delta.content for chunk in litellm.completion(**asked, stream=True)])
    async def run():
        return (await litellm.acompletion(**asked)).choices[0].message.content
    seen("async", asyncio.run(run()))
    async def stream():
        return [chunk.choices[0].delta.content async for chunk in await litellm.acompletion(**asked, stream=True)]
    seen("async stream", asyncio.run(stream()))
""", [Reply(200, CHAT), Reply(events=CHUNKS)] * 2, "openai", 4, 4),
    "huggingface_hub": Case("huggingface_hub", """
from huggingface_hub import InferenceClient
def test_it(llmlog):
    client = InferenceClient(base_url=BASE + "/v1", api_key="k")
    answer = client.chat_completion(model="model-x", messages=[{"role": "user", "content": "Hi"}])
    seen("plain", answer.choices[0].message.content)
    stream = client.chat_completion(model="model-x", messages=[{"role": "user", "content": "Hi"}], stream=True)
    seen("stream", [chunk.choices[0].delta.content for chunk in stream])
""", [Reply(200, CHAT), Reply(events=CHUNKS)], "openai", 4, 2),
    "pydantic-ai": Case("pydantic_ai", """
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
def test_it(llmlog):
    agent = Agent(OpenAIChatModel("model-x", provider=OpenAIProvider(base_url=BASE + "/v1", api_key="k")))
    @agent.tool_plain
    def add(a: int, b: int) -> int:
        return a + b
    seen("agent", agent.run_sync("What is 1 + 2?").output)
    first, second = llmlog
    assert [(call.name, call.arguments) for call in first.tool_calls] == [("add", {"a": 1, "b": 2})]
    assert second.messages[-1]["parts"][0]["type"] == "tool_call_response"
""", [Reply(200, CALLS), Reply(200, CHAT)], "openai", 4, 2),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_an_sdk_is_recorded_and_replayed(suite: Suite, name: str) -> None:
    case = CASES[name]
    package = case.package.partition(".")[0]
    if find_spec(package) is None or (case.package != package and find_spec(case.package) is None):
        pytest.skip(f"{name} is not installed")
    suite.write(test_it=HEAD + case.source)
    assert suite.server is not None
    suite.server.push(*case.replies)
    suite.run("--llmlog-mode=record").assert_outcomes(passed=1)
    sent = len(suite.server.requests)
    suite.run("--llmlog-mode=replay").assert_outcomes(passed=1)
    assert len(suite.server.requests) == sent
    records = suite.records()
    assert [record["source"] for record in records] == ["live"] * case.answers + ["replay"] * case.answers
    assert {record["provider"] for record in records} == {case.provider}
    assert {record["tokens"] for record in records} == {case.tokens}
    assert {record["status"] for record in records} == {"success"}
