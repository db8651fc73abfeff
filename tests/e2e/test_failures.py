"""Failures are records too, and replay as they were."""

from __future__ import annotations

import time

import pytest

from conftest import Suite
from openai_standin import Reply

CLIENT = """
import asyncio, os, time
import openai, pytest
if int(openai.__version__.partition(".")[0]) < 3:  # the SDK's own HTTP library
    import httpx as httpx2
else:
    import httpx2

def create(client=None, **more):
    client = client or openai.OpenAI(max_retries=0, timeout=0.5)
    return client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Why?"}], **more)
"""

ERROR = {"error": {"message": "Slow down, please.", "type": "requests", "param": None, "code": "rate_limit_exceeded"}}
RATE_LIMITED = Reply(429, ERROR, {"retry-after": "7", "x-ratelimit-remaining-requests": "0"})


@pytest.mark.parametrize(
    ("reply", "exception", "expected"),
    [
        (
            Reply(
                401,
                {"error": {"message": "Incorrect API key provided.", "type": "invalid_request_error", "code": "invalid_api_key"}},
            ),
            "AuthenticationError",
            {"http_status": 401, "error": "Incorrect API key provided.", "error_code": "invalid_api_key"},
        ),
        (
            RATE_LIMITED,
            "RateLimitError",
            {"http_status": 429, "error": "Slow down, please.", "error_type": "requests", "retry_after_seconds": 7.0},
        ),
        (Reply(500, "oh no", {"content-type": "text/plain"}), "InternalServerError", {"http_status": 500}),
        (Reply(999, "odd", {"content-type": "text/plain"}), "InternalServerError", {"http_status": 999}),
        (Reply(200, '{"id": "chatcmpl', {}), "Exception", {"http_status": 200, "error_type": "MalformedResponse"}),
        (Reply(cut_after=0), "APIConnectionError", {"error_type": "RemoteProtocolError"}),
        (Reply(delay=1.0, body={}), "APITimeoutError", {"error_type": "ReadTimeout"}),
    ],
    ids=["401", "429", "500", "999", "malformed", "no-answer", "timeout"],
)
def test_a_failed_call_is_recorded_and_replayed(suite: Suite, reply: Reply, exception: str, expected: dict[str, object]) -> None:
    known = f"openai.{exception}" if exception != "Exception" else "Exception"
    suite.write(
        test_it=f"{CLIENT}\ndef test_it(llmlog):\n    with pytest.raises({known}):\n        create()\n    assert llmlog[-1].error"
    )
    assert suite.server is not None
    suite.server.push(reply)
    suite.run("--llmlog-mode=record").assert_outcomes(passed=1)
    suite.replay_offline().assert_outcomes(passed=1)

    live, replay = suite.records()
    assert {name: live[name] for name in expected} == expected
    assert live["status"] == replay["status"] == "failure"
    assert replay["error"] == live["error"]
    assert live["tokens"] is None


def test_a_refused_connection_is_a_record(suite: Suite) -> None:
    suite.write(test_it=f"{CLIENT}\ndef test_it():\n    with pytest.raises(openai.APIConnectionError):\n        create()")
    suite.run("--llmlog-mode=record", OPENAI_BASE_URL="http://127.0.0.1:1/v1").assert_outcomes(passed=1)
    suite.replay_offline().assert_outcomes(passed=1)
    assert [record["error_type"] for record in suite.records()] == ["ConnectError", "ConnectError"]
    assert "http_status" not in suite.records()[0]


RETRIES = f"""{CLIENT}
import anyio

@pytest.fixture
def pauses(monkeypatch):
    # What the SDK asks to sleep, not what the clock says: a busy machine is not a pause.
    asked, pause, apause = [], time.sleep, anyio.sleep
    def sleep(seconds):
        asked.append(seconds)
        pause(seconds)
    async def asleep(seconds):
        asked.append(seconds)
        await apause(seconds)
    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(anyio, "sleep", asleep)
    yield asked
    print("PAUSED", sum(asked))

def test_sync(llmlog, pauses):
    answer = create(openai.OpenAI(max_retries=2))
    assert answer.choices[0].message.content
    assert [call.attempt for call in llmlog] == [1, 2, 3]
    assert [call.status for call in llmlog] == ["failure", "failure", "success"]

def test_async(llmlog, pauses):
    async def run():
        async with openai.AsyncOpenAI(max_retries=2) as client:
            await client.chat.completions.create(model="gpt-4o", messages=[{{"role": "user", "content": "Why?"}}])
    asyncio.run(run())
    assert [call.attempt for call in llmlog] == [1, 2, 3]
"""


def _paused(result: pytest.RunResult) -> list[float]:
    return [float(line.split()[-1]) for line in result.outlines if "PAUSED" in line]


def test_the_clients_retries_are_interactions_and_replaying_them_costs_no_waiting(suite: Suite) -> None:
    suite.write(test_it=RETRIES)
    assert suite.server is not None
    limited = Reply(429, ERROR, {"retry-after": "1"})
    suite.server.push(limited, Reply(cut_after=0))
    recorded = suite.run("--llmlog-mode=record", "-s", "-k", "sync and not async")
    recorded.assert_outcomes(passed=1)
    suite.server.push(Reply(503, ERROR), limited)
    suite.run("--llmlog-mode=record", "-k", "async").assert_outcomes(passed=1)
    assert len(suite.server.requests) == 6
    assert _paused(recorded)[0] > 1

    result = suite.replay_offline("-s")

    result.assert_outcomes(passed=2)
    assert _paused(result) == [0, 0]


EVENTS = [{"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o", "choices": [
    {"index": 0, "delta": {"content": word}, "finish_reason": None}]} for word in ("One ", "two ", "three ", "four ")]  # fmt: skip

CUT = f"""{CLIENT}
def test_sync(llmlog):
    seen = []
    with pytest.raises((openai.APIConnectionError, httpx2.RemoteProtocolError)):
        for chunk in create(stream=True):
            seen.append(chunk.choices[0].delta.content)
    assert seen == ["One ", "two "]
    assert llmlog[-1].response == "One two "

def test_async(llmlog):
    async def run():
        async with openai.AsyncOpenAI(max_retries=0) as client:
            async for chunk in await client.chat.completions.create(model="gpt-4o", messages=[], stream=True):
                seen.append(chunk.choices[0].delta.content)
    seen = []
    with pytest.raises((openai.APIConnectionError, httpx2.RemoteProtocolError)):
        asyncio.run(run())
    assert seen == ["One ", "two "]
"""


def test_a_stream_cut_in_the_middle_keeps_what_had_arrived(suite: Suite) -> None:
    suite.write(test_it=CUT)
    assert suite.server is not None
    suite.server.push(*[Reply(events=list(EVENTS), cut_after=2)] * 2)
    suite.run("--llmlog-mode=record").assert_outcomes(passed=2)
    suite.replay_offline().assert_outcomes(passed=2)
    for record in suite.records():
        assert (record["status"], record["error_type"], record["response"]) == ("failure", "RemoteProtocolError", "One two ")


LEFT = f"""{CLIENT}
def test_left(llmlog):
    stream = create(stream=True)
    assert next(stream).choices[0].delta.content == "One "
    stream.close()
    assert llmlog[-1].status == "failure"
    assert llmlog[-1].response == "One "
"""


def test_a_stream_left_early_replays_up_to_there_and_no_further(suite: Suite) -> None:
    suite.write(test_it=LEFT)
    assert suite.server is not None
    suite.server.push(Reply(events=list(EVENTS), pause=0.05))
    suite.run("--llmlog-mode=record").assert_outcomes(passed=1)
    suite.replay_offline().assert_outcomes(passed=1)
    assert [record["error_type"] for record in suite.records()] == ["StreamClosed", "StreamClosed"]

    suite.write(test_it=f"{CLIENT}\ndef test_left():\n    list(create(stream=True))")
    result = suite.replay_offline()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*the recorded stream ends here*", "*--llmlog-mode=record*"])


CANCELLED = f"""{CLIENT}
@pytest.mark.parametrize("stream", [False, True])
def test_cancelled(llmlog, stream):
    seen = []
    async def ask():
        async with openai.AsyncOpenAI(max_retries=0) as client:
            answer = await client.chat.completions.create(model="gpt-4o", messages=[], stream=stream)
            async for chunk in answer:
                seen.append(chunk.choices[0].delta.content)
    async def run():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(ask(), 1.5)  # an SDK's first call imports much
    asyncio.run(run())
    assert seen == (["One "] if stream else [])
    assert (llmlog[-1].status, llmlog[-1].error_type) == ("failure", "CancelledError")
"""


def test_a_call_that_the_caller_cancelled_waits_to_be_cancelled_again(suite: Suite) -> None:
    suite.write(test_it=CANCELLED)
    assert suite.server is not None
    suite.server.push(Reply(delay=4.0, body={}), Reply(events=list(EVENTS), pause=4.0))
    suite.run("--llmlog-mode=record").assert_outcomes(passed=2)
    suite.replay_offline().assert_outcomes(passed=2)


def test_a_stream_still_open_when_its_test_ends_is_recorded(suite: Suite) -> None:
    suite.write(
        test_it=f"{CLIENT}\nKEPT = []\ndef test_it():\n    KEPT.append(create(stream=True))\n    next(KEPT[0])\ndef test_other():\n    pass"
    )
    assert suite.server is not None
    suite.server.push(Reply(events=list(EVENTS), pause=0.05))
    suite.run("--llmlog-mode=record").assert_outcomes(passed=2)
    (record,) = suite.records()
    assert (record["test_id"], record["error_type"]) == ("test_it.py::test_it", "Unfinished")


def test_chunks_reach_the_caller_when_they_arrive(suite: Suite) -> None:
    suite.write(
        test_it=f"{CLIENT}\ndef test_it(llmlog):\n    moments = [time.monotonic() for chunk in create(stream=True)]\n"
        "    assert moments[-1] - moments[0] > 0.5\n    assert llmlog[-1].latency_seconds - llmlog[-1].time_to_first_chunk_seconds > 0.5"
    )
    assert suite.server is not None
    suite.server.push(Reply(events=[*EVENTS, "[DONE]"], pause=0.2))
    suite.run("--llmlog-mode=record").assert_outcomes(passed=1)
    begun = time.monotonic()
    suite.write(test_it=f"{CLIENT}\ndef test_it(llmlog):\n    assert len(list(create(stream=True))) == 4")
    suite.replay_offline().assert_outcomes(passed=1)
    assert time.monotonic() - begun < 30


def test_gzip_and_odd_chunk_boundaries_read_and_replay(suite: Suite) -> None:
    suite.write(
        test_it=f"{CLIENT}\ndef test_plain(llmlog):\n    assert create().choices[0].message.content == 'Grüße'\n    assert llmlog[-1].response == 'Grüße'\n"
        "def test_stream(llmlog):\n    assert ''.join(c.choices[0].delta.content for c in create(stream=True)) == 'Grüße'\n    assert llmlog[-1].response == 'Grüße'"
    )
    whole = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o",
             "choices": [{"index": 0, "message": {"role": "assistant", "content": "Grüße"}, "finish_reason": "stop"}]}  # fmt: skip
    event = 'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt-4o","choices":[{"index":0,"delta":{"content":"Grüße"}}]}\r\n\r\n'
    data = event.encode() + b"data: [DONE]\r\n\r\n"
    middle = data.index("ü".encode()) + 1
    assert suite.server is not None
    suite.server.push(
        Reply(200, whole, gzip=True), Reply(chunks=[data[:middle], data[middle : middle + 30], data[middle + 30 :]], pause=0.02)
    )
    suite.run("--llmlog-mode=record").assert_outcomes(passed=2)
    suite.replay_offline().assert_outcomes(passed=2)
    assert "base64" not in str(suite.goldens()["test_plain.json"])


def test_a_redirect_replays(suite: Suite) -> None:
    suite.write(test_it=f"{CLIENT}\ndef test_it(llmlog):\n    assert create().choices\n    assert [(c.http_status, c.status) for c in llmlog] == [(307, 'success'), (200, 'success')]")  # fmt: skip
    assert suite.server is not None
    there = f"{suite.server.base_url}/chat/completions?hop=1"
    suite.server.push(Reply(307, None, {"location": there}))
    suite.run("--llmlog-mode=record").assert_outcomes(passed=1)
    suite.run("--llmlog-mode=replay").assert_outcomes(passed=1)
    assert len(suite.server.requests) == 2
