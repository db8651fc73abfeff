"""The program of the article that this project began with, unchanged, on the SDK of its time: openai 0.28."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import pytest

from conftest import Suite
from openai_standin import Reply

PROGRAM = """
import openai, os
openai.api_base = os.environ["OPENAI_BASE_URL"]

PROMPT_TEMPLATE = "Answer briefly and clearly: {user_input}"

def ask(user_input):
    prompt = PROMPT_TEMPLATE.format(user_input=user_input)
    response = openai.ChatCompletion.create(model="gpt-4", messages=[{"role": "user", "content": prompt}])
    return response["choices"][0]["message"]["content"], response["usage"]["total_tokens"]
"""

TEST = """
import asyncio
import openai, pytest, program

def test_ask(llmlog):
    assert program.ask("How do LLMs differ from traditional ML?") == ("LLMs learn general patterns.", 78)
    call = llmlog[-1]
    assert (call.prompt_template, call.input) == ("basic_question", "How do LLMs differ from traditional ML?")
    assert call.prompt == "Answer briefly and clearly: How do LLMs differ from traditional ML?"
    assert (call.response, call.tokens, call.status) == ("LLMs learn general patterns.", 78, "success")

def test_streamed(llmlog):
    chunks = openai.ChatCompletion.create(model="gpt-4", messages=[{"role": "user", "content": "Hi"}], stream=True)
    assert "".join(chunk["choices"][0]["delta"]["content"] for chunk in chunks) == "One two "
    assert (llmlog[-1].response, llmlog[-1].stream) == ("One two ", True)

def test_async(llmlog):
    async def run():
        return await openai.ChatCompletion.acreate(model="gpt-4", messages=[{"role": "user", "content": "Hi"}])
    assert asyncio.run(run())["usage"]["total_tokens"] == 78
    assert llmlog.tokens == 78

def test_failure(llmlog):
    with pytest.raises(openai.error.RateLimitError):
        program.ask("too much")
    assert (llmlog[-1].status, llmlog[-1].error) == ("failure", "Rate limit reached")
"""

ANSWER = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4-0613",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "LLMs learn general patterns."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 21, "completion_tokens": 57, "total_tokens": 78},
}  # fmt: skip
EVENTS = [{"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4-0613", "choices": [
    {"index": 0, "delta": {"content": word}, "finish_reason": None}]} for word in ("One ", "two ")]  # fmt: skip


def _old_sdk() -> bool:
    try:
        return version("openai").startswith("0.")
    except PackageNotFoundError:
        return False


@pytest.mark.skipif(not _old_sdk(), reason="openai 0.28 is not installed")
def test_the_founding_program_is_recorded_and_replayed(suite: Suite) -> None:
    suite.ini("llmlog_templates = prompts/*.txt")
    (suite.path / "prompts").mkdir()
    (suite.path / "prompts" / "basic_question.txt").write_text("Answer briefly and clearly: {user_input}\n")
    suite.write(program=PROGRAM, test_it=TEST)
    assert suite.server is not None
    limited = Reply(429, {"error": {"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}})
    suite.server.push(Reply(200, ANSWER), Reply(events=[*EVENTS, "[DONE]"], pause=0.02), Reply(200, ANSWER), limited)
    suite.run("--llmlog-mode=record").assert_outcomes(passed=4)
    suite.replay_offline().assert_outcomes(passed=4)
    assert [record["source"] for record in suite.records()] == ["live"] * 4 + ["replay"] * 4
