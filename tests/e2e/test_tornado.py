"""Tornado's client: recorded against a real server, replayed without it, equal in what the caller gets."""

from __future__ import annotations

import pytest

from conftest import Suite
from e2e.test_http_client import EVENTS, WHOLE
from openai_standin import Reply

pytest.importorskip("tornado")

HEAD = """
import asyncio, json, os, time
import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.simple_httpclient import HTTPTimeoutError
URL = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
KEY = {"authorization": "Bearer sk-standin", "content-type": "application/json"}
def request(text="Hi", url=URL, ask={}, **more):
    body = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": text}], **ask})
    return HTTPRequest(url, "POST", headers=KEY, body=body, **more)
def fetch(*args, **more):
    async def main():
        return await AsyncHTTPClient().fetch(*args, **more)
    return asyncio.run(main())
def seen(name, value):
    # What the caller got when it was recorded, and what it gets now.
    path = os.path.join(os.path.dirname(__file__), name + ".seen")
    if not os.path.exists(path):
        open(path, "w").write(json.dumps(value))
    assert json.load(open(path)) == value
"""

PLAIN = f"""{HEAD}
def test_json(llmlog):
    answer = fetch(request())
    seen("json", [answer.code, answer.headers["content-type"], json.loads(answer.body)])
    assert (llmlog[-1].prompt, llmlog[-1].response, llmlog.tokens) == ("Hi", "Grüße", 3)

def test_streamed(llmlog):
    pieces, moments, lines = [], [], []
    def piece(data):
        pieces.append(data.decode())
        moments.append(time.monotonic())
    asked = request(ask={{"stream": True}}, streaming_callback=piece, header_callback=lines.append)
    answer = fetch(asked)
    assert answer.body == b""
    assert asked.streaming_callback is piece
    seen("pieces", [answer.code, pieces])
    assert lines[0].startswith("HTTP/1.1 200") and lines[-1] == "\\r\\n"
    assert any(line.lower().startswith("content-type: text/event-stream") for line in lines)
    assert (llmlog[-1].response, llmlog[-1].stream) == ("One two three ", True)
    if llmlog[-1].source == "live":
        assert moments[-1] - moments[0] > 0.3
        assert llmlog[-1].latency_seconds - llmlog[-1].time_to_first_chunk_seconds > 0.3

def test_gzip(llmlog):
    seen("gzip", json.loads(fetch(request()).body))
    assert llmlog[-1].response == "Grüße"

def test_error(llmlog):
    with pytest.raises(HTTPClientError) as caught:
        fetch(request())
    seen("error", [caught.value.code, caught.value.response.body.decode()])
    assert (llmlog[-1].error, llmlog[-1].retry_after_seconds) == ("Slow down", 7.0)

def test_error_as_an_answer(llmlog):
    assert fetch(request(), raise_error=False).code == 429

def test_other_traffic(llmlog):
    from tornado.web import Application, RequestHandler
    class Hello(RequestHandler):
        def get(self):
            self.write("hello")
    async def main():
        server = Application([("/hello", Hello)]).listen(0, "127.0.0.1")
        port = next(iter(server._sockets.values())).getsockname()[1]
        pieces = []
        await AsyncHTTPClient().fetch(f"http://127.0.0.1:{{port}}/hello", streaming_callback=pieces.append)
        server.stop()
        return b"".join(pieces)
    assert asyncio.run(main()) == b"hello"
    assert not llmlog
"""


def test_what_is_recorded_replays_without_the_server(suite: Suite) -> None:
    suite.write(test_it=PLAIN)
    assert suite.server is not None
    slow = Reply(429, {"error": {"message": "Slow down"}}, {"retry-after": "7"})
    suite.server.push(Reply(200, WHOLE), Reply(events=[*EVENTS, "[DONE]"], pause=0.15), Reply(200, WHOLE, gzip=True), slow, slow)
    suite.run("--llmlog-mode=record").assert_outcomes(passed=6)
    suite.run("--llmlog-mode=replay", OPENAI_BASE_URL="http://127.0.0.1:9/v1").assert_outcomes(passed=6)
    assert [record["source"] for record in suite.records()] == ["live"] * 5 + ["replay"] * 5
    assert "sk-standin" not in suite.log.read_text()


FAILURES = f"""{HEAD}
def test_refused(llmlog):
    with pytest.raises(ConnectionRefusedError):
        fetch(request(url="http://127.0.0.1:9/v1/chat/completions"))
    assert (llmlog[-1].status, llmlog[-1].error_type) == ("failure", "ConnectionRefusedError")

def test_timeout(llmlog):
    with pytest.raises(HTTPTimeoutError) as caught:
        fetch(request(request_timeout=0.3))
    assert caught.value.code == 599
    assert llmlog[-1].error_type == "HTTPTimeoutError"

def test_cut(llmlog):
    pieces = []
    with pytest.raises(Exception) as caught:
        fetch(request(ask={{"stream": True}}, streaming_callback=pieces.append))
    seen("cut", [type(caught.value).__name__, b"".join(pieces).decode()])
    events = [json.loads(line[6:]) for line in b"".join(pieces).decode().splitlines() if line.startswith("data: ")]
    assert events
    assert llmlog[-1].status == "failure"
    assert llmlog[-1].response == "".join(event["choices"][0]["delta"]["content"] for event in events)

def test_64_at_once(llmlog):
    async def main():
        client = AsyncHTTPClient(force_instance=True, max_clients=64)
        answers = await asyncio.gather(*(client.fetch(request(f"call {{n}}")) for n in range(64)))
        return [json.loads(answer.body)["id"] for answer in answers]
    ids = asyncio.run(main())
    assert {{call.prompt: call.response_id for call in llmlog}} == {{f"call {{n}}": id for n, id in enumerate(ids)}}
"""


def test_failures_and_many_calls_at_once(suite: Suite) -> None:
    suite.write(test_it=FAILURES)
    assert suite.server is not None
    suite.server.push(Reply(delay=1.0), Reply(events=list(EVENTS), cut_after=2, pause=0.05))
    suite.run("--llmlog-mode=record").assert_outcomes(passed=4)
    suite.run("--llmlog-mode=replay", OPENAI_BASE_URL="http://127.0.0.1:9/v1").assert_outcomes(passed=4)
    assert len(suite.records()) == 2 * 67


def test_a_changed_prompt_is_refused(suite: Suite) -> None:
    source = f"{HEAD}\ndef test_it():\n    try:\n        fetch(request('PROMPT'))\n    except Exception:\n        pass\n"
    suite.write(test_it=source.replace("PROMPT", "one"))
    suite.run("--llmlog-mode=record").assert_outcomes(passed=1)
    suite.write(test_it=source.replace("PROMPT", "two"))
    assert suite.server is not None
    before = suite.server.connections
    result = suite.run("--llmlog-mode=replay")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*- 'one'*", "*+ 'two'*"])
    assert suite.server.connections == before
