"""aiohttp: recorded against a real server, replayed without it, equal in what the caller gets."""

from __future__ import annotations

import pytest

from conftest import Suite
from openai_standin import Reply

EVENTS = [{"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o", "choices": [
    {"index": 0, "delta": {"content": word}, "finish_reason": None}]} for word in ("One ", "two ", "three ")]  # fmt: skip

HEAD = """
import asyncio, json, os, time
import aiohttp, pytest
URL = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
KEY = {"authorization": "Bearer sk-standin"}
def body(text, **more):
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], **more}
def seen(name, value):
    path = os.path.join(os.path.dirname(__file__), name + ".seen")
    if not os.path.exists(path):
        open(path, "w").write(json.dumps(value))
    assert json.load(open(path)) == value
def run(ask, **options):
    async def main():
        async with aiohttp.ClientSession(headers=KEY, **options) as session:
            return await ask(session)
    return asyncio.run(main())
"""

PLAIN = f"""{HEAD}
def test_json(llmlog):
    async def ask(session):
        async with session.post(URL, json=body("Hi")) as answer:
            return [answer.status, await answer.json(), answer.headers["content-type"]]
    seen("json", run(ask))
    assert llmlog.tokens == 3
    assert llmlog[-1].prompt == "Hi"

def test_streamed(llmlog):
    moments = []
    async def ask(session):
        lines = []
        async with session.post(URL, data=json.dumps(body("Hi", stream=True)), headers={{"content-type": "application/json"}}) as answer:
            async for line in answer.content:
                lines.append(line.decode())
                moments.append(time.monotonic())
        return lines
    seen("streamed", run(ask))
    assert llmlog[-1].response == "One two three "
    if llmlog[-1].source == "live":
        assert moments[-1] - moments[0] > 0.3
        assert llmlog[-1].latency_seconds - llmlog[-1].time_to_first_chunk_seconds > 0.3

def test_gzip(llmlog):
    async def ask(session):
        async with session.post(URL, json=body("Hi")) as answer:
            return await answer.text()
    seen("gzip", run(ask))
    assert llmlog[-1].response == "Grüße"

def test_form(llmlog):
    async def ask(session):
        form = aiohttp.FormData()
        form.add_field("model", "whisper-1")
        form.add_field("file", b"RIFF", filename="a.wav", content_type="audio/wav")
        async with session.post(URL.replace("chat/completions", "audio/transcriptions"), data=form) as answer:
            return await answer.json()
    seen("form", run(ask))
    assert (llmlog[-1].model, llmlog[-1].response) == ("whisper-1", "Hello.")

def test_pieces(llmlog):
    async def pieces():
        yield json.dumps(body("Hi"))[:9].encode()
        yield json.dumps(body("Hi"))[9:].encode()
    async def ask(session):
        async with session.post(URL, data=pieces(), headers={{"content-type": "application/json"}}) as answer:
            return await answer.json()
    seen("pieces", run(ask))
    assert llmlog[-1].prompt == "Hi"

def test_error(llmlog):
    async def ask(session):
        with pytest.raises(aiohttp.ClientResponseError) as caught:
            await session.post(URL, json=body("Hi"))
        return caught.value.status
    assert run(ask, raise_for_status=True) == 429
    assert (llmlog[-1].status, llmlog[-1].http_status) == ("failure", 429)

def test_left_early(llmlog):
    async def ask(session):
        answer = await session.post(URL, json=body("Hi", stream=True))
        await answer.content.readany()
        answer.close()
    run(ask)
    assert llmlog[-1].error_type == "StreamClosed"
"""


def test_what_is_recorded_replays_without_the_server(suite: Suite) -> None:
    suite.write(test_it=PLAIN)
    assert suite.server is not None
    whole = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o", "choices": [{"index": 0, "message": {"role": "assistant", "content": "Grüße"}, "finish_reason": "stop"}]}  # fmt: skip
    answer = {**whole, "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}
    suite.server.push(
        Reply(200, answer), Reply(events=[*EVENTS, "[DONE]"], pause=0.15), Reply(200, whole, gzip=True), Reply(200, {"text": "Hello."}),
        Reply(200, answer), Reply(429, {"error": {"message": "Slow down"}}), Reply(events=list(EVENTS), pause=0.1),
    )  # fmt: skip
    suite.run("--llmlog-mode=record").assert_outcomes(passed=7)
    suite.run("--llmlog-mode=replay", OPENAI_BASE_URL="http://127.0.0.1:9/v1").assert_outcomes(passed=7)
    assert [record["source"] for record in suite.records()] == ["live"] * 7 + ["replay"] * 7
    assert "sk-standin" not in suite.log.read_text()


FAILURES = f"""{HEAD}
def test_refused(llmlog):
    async def ask(session):
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.post("http://127.0.0.1:9/v1/chat/completions", json=body("Hi"))
    run(ask)
    assert (llmlog[-1].status, llmlog[-1].error_type) == ("failure", "ClientConnectorError")

def test_timeout(llmlog):
    async def ask(session):
        with pytest.raises(asyncio.TimeoutError):
            await session.post(URL, json=body("Hi"), timeout=aiohttp.ClientTimeout(total=0.5))
    run(ask)
    assert llmlog[-1].status == "failure"

def test_cut(llmlog):
    got = []
    async def ask(session):
        answer = await session.post(URL, json=body("Hi", stream=True))
        with pytest.raises(aiohttp.ClientPayloadError):
            async for piece in answer.content.iter_any():
                got.append(piece)
    run(ask)
    assert b"One" in b"".join(got)
    assert (llmlog[-1].status, llmlog[-1].response) == ("failure", "One two ")

def test_cancelled(llmlog):
    async def ask(session):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(session.post(URL, json=body("Hi")), 0.5)
    run(ask)
    assert llmlog[-1].error_type == "CancelledError"

def test_64_at_once(llmlog):
    async def ask(session):
        async def one(n):
            async with session.post(URL, json=body(f"call {{n}}")) as answer:
                return (await answer.json())["id"]
        return await asyncio.gather(*map(one, range(64)))
    ids = run(ask)
    assert {{call.prompt: call.response_id for call in llmlog}} == {{f"call {{n}}": id for n, id in enumerate(ids)}}
"""


def test_failures_and_many_calls_at_once(suite: Suite) -> None:
    suite.write(test_it=FAILURES)
    assert suite.server is not None
    suite.server.push(Reply(delay=2.0), Reply(events=list(EVENTS), cut_after=2, pause=0.05), Reply(delay=2.0))
    suite.run("--llmlog-mode=record").assert_outcomes(passed=5)
    suite.run("--llmlog-mode=replay", OPENAI_BASE_URL="http://127.0.0.1:9/v1").assert_outcomes(passed=5)
    assert len(suite.records()) == 2 * 68


REFUSED = f"""{HEAD}
def test_it():
    async def ask(session):
        try:
            await session.post(URL, json=body("PROMPT"))
        except Exception:
            pass
    run(ask)
"""


def test_a_changed_prompt_is_refused(suite: Suite) -> None:
    suite.write(test_it=REFUSED.replace("PROMPT", "one"))
    suite.run("--llmlog-mode=record").assert_outcomes(passed=1)
    suite.write(test_it=REFUSED.replace("PROMPT", "two"))
    assert suite.server is not None
    before = suite.server.connections
    result = suite.run("--llmlog-mode=replay")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*- 'one'*", "*+ 'two'*"])
    assert suite.server.connections == before


STACKED = """
import asyncio
import httpx_aiohttp, os
def test_it(llmlog):
    async def main():
        async with httpx_aiohttp.HttpxAiohttpClient() as client:
            body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}
            answer = await client.post(os.environ["OPENAI_BASE_URL"] + "/chat/completions", json=body, headers={"authorization": "Bearer sk-standin"})
            return answer.json()["choices"][0]["message"]["content"]
    said = asyncio.run(main())
    assert [(call.prompt, call.response) for call in llmlog] == [("Hi", said)]
"""


def test_aiohttp_under_httpx_is_recorded_once(suite: Suite) -> None:
    pytest.importorskip("httpx_aiohttp")
    suite.write(test_it=STACKED)
    suite.run("--llmlog-mode=record").assert_outcomes(passed=1)
    suite.run("--llmlog-mode=replay", OPENAI_BASE_URL="http://127.0.0.1:9/v1").assert_outcomes(passed=1)
    assert len(suite.records()) == 2
