"""http.client, urllib and httplib2: recorded against a real server, replayed without it, equal in what the caller gets."""

from __future__ import annotations

import pytest

from conftest import Suite
from openai_standin import Reply

EVENTS = [{"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o", "choices": [
    {"index": 0, "delta": {"content": word}, "finish_reason": None}]} for word in ("One ", "two ", "three ")]  # fmt: skip

WHOLE = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o", "choices": [
    {"index": 0, "message": {"role": "assistant", "content": "Grüße"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}  # fmt: skip

HEAD = """
import http.client, io, json, os, time, urllib.error, urllib.request
from urllib.parse import urlsplit
import pytest
URL = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
KEY = {"authorization": "Bearer sk-standin", "content-type": "application/json"}
def body(text="Hi", **more):
    return json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": text}], **more}).encode()
def connection(**more):
    return http.client.HTTPConnection(urlsplit(URL).netloc, **more)
def seen(name, value):
    # What the caller got when it was recorded, and what it gets now.
    path = os.path.join(os.path.dirname(__file__), name + ".seen")
    if not os.path.exists(path):
        open(path, "w").write(json.dumps(value))
    assert json.load(open(path)) == value
"""

PLAIN = f"""{HEAD}
def test_urllib(llmlog):
    with urllib.request.urlopen(urllib.request.Request(URL, body(), KEY), timeout=5) as answer:
        seen("urllib", [answer.status, answer.reason, answer.headers["content-type"], json.load(answer)])
    assert (llmlog[-1].prompt, llmlog[-1].response, llmlog.tokens) == ("Hi", "Grüße", 3)

def test_one_connection_for_two_calls(llmlog):
    line = connection(timeout=5)
    for text in ("one", "two"):
        line.request("POST", "/v1/chat/completions", body(text), KEY)
        seen(text, json.loads(line.getresponse().read()))
    line.close()
    assert [call.prompt for call in llmlog] == ["one", "two"]

def test_streamed(llmlog):
    moments = []
    answer = urllib.request.urlopen(urllib.request.Request(URL, body(stream=True), KEY), timeout=5)
    lines = []
    for line in answer:
        lines.append(line.decode())
        moments.append(time.monotonic())
    seen("streamed", lines)
    assert (llmlog[-1].response, llmlog[-1].stream) == ("One two three ", True)
    if llmlog[-1].source == "live":
        assert moments[-1] - moments[0] > 0.3
        assert llmlog[-1].latency_seconds - llmlog[-1].time_to_first_chunk_seconds > 0.3

@pytest.mark.parametrize("way", ["read(5)", "read1(7)", "readinto(bytearray(3))"])
def test_ways_of_reading(llmlog, way):
    line = connection(timeout=5)
    line.request("POST", "/v1/chat/completions", body(stream=True), KEY)
    answer = line.getresponse()
    while eval(f"answer.{{way}}"):
        pass
    assert llmlog[-1].response == "One two three "

def test_lines_of_a_whole_body(llmlog):
    line = connection(timeout=5)
    line.request("POST", "/v1/chat/completions", body(), KEY)
    seen("lines", [piece.decode() for piece in line.getresponse()])
    assert llmlog[-1].response == "Grüße"

def test_gzip(llmlog):
    import gzip
    answer = urllib.request.urlopen(urllib.request.Request(URL, body(), KEY), timeout=5)
    text = answer.read()
    seen("gzip", json.loads(gzip.decompress(text) if answer.headers["content-encoding"] == "gzip" else text))
    assert llmlog[-1].response == "Grüße"

def test_error(llmlog):
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(URL, body(), KEY), timeout=5)
    seen("error", [caught.value.code, caught.value.read().decode()])
    assert (llmlog[-1].status, llmlog[-1].error, llmlog[-1].retry_after_seconds) == ("failure", "Slow down", 7.0)

def test_a_body_written_by_hand(llmlog):
    line = connection(timeout=5)
    line.putrequest("POST", "/v1/chat/completions")
    line.putheader("Content-Type", "application/json")
    line.putheader("Content-Length", str(len(body())))
    line.endheaders()
    line.send(body()[:10])
    line.send(io.BytesIO(body()[10:]))
    seen("by hand", json.loads(line.getresponse().read()))
    assert llmlog[-1].prompt == "Hi"

def test_a_body_in_pieces(llmlog):
    line = connection(timeout=5)
    line.request("POST", "/v1/chat/completions", iter([body()[:10], body()[10:]]), {{"Content-Type": "application/json"}})
    seen("in pieces", json.loads(line.getresponse().read()))
    assert llmlog[-1].prompt == "Hi"

def test_left_early(llmlog):
    with urllib.request.urlopen(urllib.request.Request(URL, body(stream=True), KEY), timeout=5) as answer:
        answer.readline()
    assert llmlog[-1].error_type == "StreamClosed"
"""


def test_what_is_recorded_replays_without_the_server(suite: Suite) -> None:
    suite.write(test_it=PLAIN)
    assert suite.server is not None
    answer, stream = Reply(200, WHOLE), Reply(events=[*EVENTS, "[DONE]"], pause=0.01)
    suite.server.push(
        answer, answer, answer, Reply(events=[*EVENTS, "[DONE]"], pause=0.15), stream, stream, stream, answer, Reply(200, WHOLE, gzip=True),
        Reply(429, {"error": {"message": "Slow down"}}, {"retry-after": "7"}), answer, answer, Reply(events=list(EVENTS), pause=0.05),
    )  # fmt: skip
    suite.run("--llmlog-mode=record").assert_outcomes(passed=12)
    suite.run("--llmlog-mode=replay", OPENAI_BASE_URL="http://127.0.0.1:9/v1").assert_outcomes(passed=12)
    assert [record["source"] for record in suite.records()] == ["live"] * 13 + ["replay"] * 13
    assert "sk-standin" not in suite.log.read_text()


FAILURES = f"""{HEAD}
def test_refused(llmlog):
    with pytest.raises(urllib.error.URLError) as caught:
        urllib.request.urlopen(urllib.request.Request("http://127.0.0.1:9/v1/chat/completions", body(), KEY), timeout=5)
    assert isinstance(caught.value.reason, ConnectionRefusedError)
    assert (llmlog[-1].status, llmlog[-1].error_type) == ("failure", "ConnectionRefusedError")

def test_timeout(llmlog):
    line = connection(timeout=0.3)
    line.request("POST", "/v1/chat/completions", body(), KEY)
    with pytest.raises(TimeoutError):
        line.getresponse()
    assert llmlog[-1].status == "failure"

def test_dropped(llmlog):
    line = connection(timeout=5)
    line.request("POST", "/v1/chat/completions", body(), KEY)
    with pytest.raises(http.client.RemoteDisconnected):
        line.getresponse()
    assert llmlog[-1].error_type == "RemoteDisconnected"

def test_cut(llmlog):
    answer = urllib.request.urlopen(urllib.request.Request(URL, body(stream=True), KEY), timeout=5)
    got = []
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        while piece := answer.read1(4096):
            got.append(piece)
    assert b"One" in b"".join(got)
    assert (llmlog[-1].status, llmlog[-1].response) == ("failure", "One two ")
"""


def test_failures(suite: Suite) -> None:
    suite.write(test_it=FAILURES)
    assert suite.server is not None
    suite.server.push(Reply(delay=1.0), Reply(cut_after=0), Reply(events=list(EVENTS), cut_after=2, pause=0.05))
    suite.run("--llmlog-mode=record").assert_outcomes(passed=4)
    suite.run("--llmlog-mode=replay", OPENAI_BASE_URL="http://127.0.0.1:9/v1").assert_outcomes(passed=4)
    assert len(suite.records()) == 8


HTTPLIB2 = f"""{HEAD}
import httplib2
def test_json(llmlog):
    answer, content = httplib2.Http(timeout=5).request(URL, "POST", body(), KEY)
    seen("json", [answer.status, json.loads(content)])
    assert (llmlog[-1].response, llmlog.tokens) == ("Grüße", 3)

def test_two_on_one_connection(llmlog):
    client = httplib2.Http(timeout=5)
    contents = [json.loads(client.request(URL, "POST", body(text), KEY)[1]) for text in ("one", "two")]
    seen("two", contents)
    assert [call.prompt for call in llmlog] == ["one", "two"]

def test_error(llmlog):
    answer, content = httplib2.Http(timeout=5).request(URL, "POST", body(), KEY)
    assert (answer.status, llmlog[-1].error) == (429, "Slow down")

def test_refused(llmlog):
    with pytest.raises(ConnectionRefusedError):
        httplib2.Http(timeout=5).request("http://127.0.0.1:9/v1/chat/completions", "POST", body(), KEY)
    assert llmlog[-1].error_type == "ConnectionRefusedError"
"""


def test_httplib2(suite: Suite) -> None:
    pytest.importorskip("httplib2")
    suite.write(test_it=HTTPLIB2)
    assert suite.server is not None
    answer = Reply(200, WHOLE)
    suite.server.push(answer, answer, answer, Reply(429, {"error": {"message": "Slow down"}}))
    suite.run("--llmlog-mode=record").assert_outcomes(passed=4)
    suite.run("--llmlog-mode=replay", OPENAI_BASE_URL="http://127.0.0.1:9/v1").assert_outcomes(passed=4)
    assert len(suite.records()) == 10


UNTOUCHED = f"""{HEAD}
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import httplib2, urllib3
class Hello(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        content = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
    def log_message(self, *args): ...

class Mine(http.client.HTTPConnection):
    def connect(self):
        super().connect()
        self.sock.settimeout(5)

def test_it(llmlog):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hello)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{{server.server_port}}/hello"
    assert urllib.request.urlopen(url, b"one").read() == b"one"
    assert httplib2.Http().request(url, "POST", b"two")[1] == b"two"
    assert urllib3.PoolManager().request("POST", url, body=b"three").data == b"three"
    mine = Mine("127.0.0.1", server.server_port)
    mine.connect()
    mine.request("POST", "/hello", io.BytesIO(b"four"), {{"content-length": "4"}})
    assert mine.getresponse().read() == b"four"
    server.shutdown()
    assert not llmlog
"""


def test_other_traffic_passes(suite: Suite) -> None:
    pytest.importorskip("httplib2")
    suite.write(test_it=UNTOUCHED)
    suite.run("--llmlog-mode=replay").assert_outcomes(passed=1)


REFUSED = f"""{HEAD}
def test_it():
    try:
        urllib.request.urlopen(urllib.request.Request(URL, body("PROMPT"), KEY), timeout=5).read()
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
