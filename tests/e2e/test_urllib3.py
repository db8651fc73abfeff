"""requests, urllib3 and botocore: recorded against a real server, replayed without it, equal in what the caller gets."""

from __future__ import annotations

import base64
import json

import pytest

from conftest import Suite
from openai_standin import Received, Reply
from unit import test_readers as samples

EVENTS = [{"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o", "choices": [
    {"index": 0, "delta": {"content": word}, "finish_reason": None}]} for word in ("One ", "two ", "three ")]  # fmt: skip

HEAD = """
import json, os, time
import pytest, requests, urllib3
URL = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
KEY = {"authorization": "Bearer sk-standin"}
def body(text, **more):
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], **more}
def seen(name, value):
    # What the caller got when it was recorded, and what it gets now.
    path = os.path.join(os.path.dirname(__file__), name + ".seen")
    if not os.path.exists(path):
        open(path, "w").write(json.dumps(value))
    assert json.load(open(path)) == value
"""

PLAIN = f"""{HEAD}
def test_requests(llmlog):
    answer = requests.post(URL, json=body("Hi"), headers=KEY, timeout=5)
    seen("requests", [answer.status_code, answer.json(), answer.headers["content-type"]])
    assert llmlog[-1].response == answer.json()["choices"][0]["message"]["content"]

def test_urllib3_preloaded(llmlog):
    answer = urllib3.PoolManager().request("POST", URL, json=body("Hi"), headers=KEY)
    seen("urllib3", [answer.status, answer.json()])
    assert llmlog.tokens == answer.json()["usage"]["total_tokens"]

def test_streamed(llmlog):
    answer = requests.post(URL, json=body("Hi", stream=True), headers=KEY, stream=True, timeout=5)
    lines = list(answer.iter_lines())
    seen("streamed", [line.decode() for line in lines])
    assert llmlog[-1].response == "One two three "
    assert llmlog[-1].stream

def test_gzip(llmlog):
    answer = requests.post(URL, json=body("Hi"), headers=KEY, timeout=5)
    seen("gzip", answer.json())
    assert llmlog[-1].response == "Grüße"

def test_error(llmlog):
    answer = requests.post(URL, json=body("Hi"), headers=KEY, timeout=5)
    assert answer.status_code == 429
    assert (llmlog[-1].status, llmlog[-1].error, llmlog[-1].retry_after_seconds) == ("failure", "Slow down", 7.0)

def test_a_body_in_pieces(llmlog):
    pieces = [json.dumps(body("Hi"))[:10].encode(), json.dumps(body("Hi"))[10:].encode()]
    answer = requests.post(URL, data=iter(pieces), headers={{**KEY, "content-type": "application/json"}}, timeout=5)
    seen("pieces", answer.json())
    assert llmlog[-1].prompt == "Hi"

def test_left_early(llmlog):
    with requests.post(URL, json=body("Hi", stream=True), headers=KEY, stream=True, timeout=5) as answer:
        next(answer.iter_lines(chunk_size=1))
    assert llmlog[-1].error_type == "StreamClosed"
"""


def test_what_is_recorded_replays_without_the_server(suite: Suite) -> None:
    suite.write(test_it=PLAIN)
    assert suite.server is not None
    whole = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o", "choices": [{"index": 0, "message": {"role": "assistant", "content": "Grüße"}, "finish_reason": "stop"}]}  # fmt: skip
    answer = {**whole, "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}
    suite.server.push(
        Reply(200, answer), Reply(200, answer), Reply(events=[*EVENTS, "[DONE]"], pause=0.01), Reply(200, whole, gzip=True),
        Reply(429, {"error": {"message": "Slow down"}}, {"retry-after": "7"}), Reply(200, answer), Reply(events=list(EVENTS), pause=0.05),
    )  # fmt: skip
    suite.run("--llmlog-mode=record").assert_outcomes(passed=7)
    suite.run("--llmlog-mode=replay", OPENAI_API_KEY=None, OPENAI_BASE_URL="http://127.0.0.1:9/v1").assert_outcomes(passed=7)
    records = suite.records()
    assert [record["source"] for record in records] == ["live"] * 7 + ["replay"] * 7
    assert "sk-standin" not in suite.log.read_text()


FAILURES = f"""{HEAD}
def test_refused(llmlog):
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.post("http://127.0.0.1:9/v1/chat/completions", json=body("Hi"), timeout=5)
    assert (llmlog[-1].status, llmlog[-1].error_type) == ("failure", "NewConnectionError")

def test_timeout(llmlog):
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.post(URL, json=body("Hi"), timeout=0.3)
    assert llmlog[-1].error_type == "ReadTimeoutError"

def test_cut(llmlog):
    got = []
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        for piece in requests.post(URL, json=body("Hi", stream=True), stream=True, timeout=5).iter_content(None):
            got.append(piece)
    assert b"One" in b"".join(got)
    assert (llmlog[-1].status, llmlog[-1].response) == ("failure", "One two ")

def test_retries(llmlog, monkeypatch):
    session = requests.Session()
    retry = urllib3.Retry(total=3, status_forcelist=[503], allowed_methods=None, backoff_factor=0.2)
    session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retry))
    pauses, sleep = [], time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: pauses.append(seconds) or sleep(seconds))
    answer = session.post(URL, json=body("Hi"), timeout=5)
    assert answer.status_code == 200
    assert [(call.status, call.http_status, call.attempt) for call in llmlog] == [("failure", 503, 1), ("failure", None, 2), ("success", 200, 3)]
    assert bool(pauses) == (llmlog[0].source == "live")
"""


def test_failures_and_retries(suite: Suite) -> None:
    suite.write(test_it=FAILURES)
    assert suite.server is not None
    suite.server.push(
        Reply(delay=1.0), Reply(events=list(EVENTS), cut_after=2), Reply(503, {}), Reply(cut_after=0), Reply(200, {"choices": []})
    )
    suite.run("--llmlog-mode=record").assert_outcomes(passed=4)
    suite.run("--llmlog-mode=replay", OPENAI_BASE_URL="http://127.0.0.1:9/v1").assert_outcomes(passed=4)


REFUSED = f"""{HEAD}
def test_it():
    try:
        requests.post(URL, json=body("PROMPT"), timeout=5)
    except Exception:
        pass
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


THREADS = f"""{HEAD}
from concurrent.futures import ThreadPoolExecutor
def test_threads(llmlog):
    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=64))
    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda n: session.post(URL, json=body(f"call {{n}}"), headers=KEY, timeout=30).json(), range(256)))
    assert len(llmlog) == 256
    told = {{call.prompt: call.response_id for call in llmlog}}
    assert told == {{f"call {{n}}": answer["id"] for n, answer in enumerate(answers)}}
"""


def test_64_threads_lose_nothing(suite: Suite) -> None:
    suite.write(test_it=THREADS)
    assert suite.server is not None
    suite.run("--llmlog-mode=record").assert_outcomes(passed=1)
    suite.replay_offline("-k", "threads").assert_outcomes(passed=1)
    assert len(suite.records()) == 512


BEDROCK = """
import os
import boto3, botocore.config, pytest
def client():
    config = botocore.config.Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=5)
    return boto3.client("bedrock-runtime", region_name="eu-west-1", endpoint_url=os.environ["OPENAI_BASE_URL"][:-3],
                        aws_access_key_id="AKIAABCDEFGHIJKLMNOP", aws_secret_access_key="secret-of-the-test", config=config)
ASK = {"modelId": "us.amazon.nova-v1:0", "messages": [{"role": "user", "content": [{"text": "Hi"}]}]}

def test_converse(llmlog):
    answer = client().converse(**ASK)
    assert answer["output"]["message"]["content"] == [{"text": "One"}]
    assert (llmlog[-1].provider, llmlog[-1].model, llmlog.tokens) == ("aws.bedrock", "us.amazon.nova-v1:0", 7)

def test_converse_stream(llmlog):
    events = list(client().converse_stream(**ASK)["stream"])
    assert [next(iter(event)) for event in events][:2] == ["messageStart", "contentBlockDelta"]
    assert (llmlog[-1].response, llmlog[-1].stream, llmlog[-1].usage.cached_input) == ("One", True, 10)
    assert llmlog[-1].tool_calls[0].arguments == {"a": 1}

def test_invoke(llmlog):
    answer = client().invoke_model(modelId="amazon.titan-text", body='{"inputText": "Hi"}')
    assert b"Yo" in answer["body"].read()
    assert (llmlog[-1].prompt, llmlog[-1].response, llmlog.tokens) == ("Hi", "Yo", 7)

def test_invoke_stream(llmlog):
    answer = client().invoke_model_with_response_stream(modelId="amazon.titan-text", body='{"inputText": "Hi"}')
    assert [event["chunk"]["bytes"] for event in answer["body"]] == [b'{"outputText": "On"}', b'{"outputText": "e", "completionReason": "FINISH"}']
    assert (llmlog[-1].response, llmlog[-1].stream) == ("One", True)

def test_throttled(llmlog):
    with pytest.raises(client().exceptions.ThrottlingException):
        client().converse(**ASK)
    assert (llmlog[-1].http_status, llmlog[-1].error) == (429, "Slow down")
"""


def _bedrock(received: Received) -> Reply:
    stream = {"content-type": "application/vnd.amazon.eventstream"}
    if received.path.endswith("converse-stream"):
        body = samples.binary(*samples.TURN)
        return Reply(200, None, stream, chunks=[body[:100], body[100:]])
    if received.path.endswith("converse"):
        message = {"role": "assistant", "content": [{"text": "One"}]}
        usage = {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}
        return Reply(200, {"output": {"message": message}, "stopReason": "end_turn", "usage": usage, "metrics": {"latencyMs": 1}})
    if received.path.endswith("invoke"):
        return Reply(
            200, {"inputTextTokenCount": 3, "results": [{"tokenCount": 4, "outputText": "Yo", "completionReason": "FINISH"}]}
        )
    pieces = [{"outputText": "On"}, {"outputText": "e", "completionReason": "FINISH"}]
    inner = [base64.b64encode(json.dumps(piece).encode()).decode() for piece in pieces]
    return Reply(
        200, None, stream, chunks=[samples.binary(("chunk", {"bytes": inner[0]})), samples.binary(("chunk", {"bytes": inner[1]}))]
    )


def test_bedrock(suite: Suite) -> None:
    pytest.importorskip("boto3")
    suite.write(test_it=BEDROCK)
    assert suite.server is not None
    throttled = Reply(429, {"message": "Slow down"}, {"x-amzn-errortype": "ThrottlingException"})
    suite.server.push(*[_bedrock] * 4, throttled)
    suite.run("--llmlog-mode=record").assert_outcomes(passed=5)
    suite.replay_offline().assert_outcomes(passed=5)
    everything = suite.log.read_text() + json.dumps(suite.goldens())
    assert "AKIAABCD" not in everything
    assert "secret-of-the-test" not in everything
