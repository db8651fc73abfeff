"""No way out: replay connects to nobody, blocked networks stay closed, and calls that go round the capture are named."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Suite
from openai_standin import Reply

CLIENTS = """
import asyncio, http.client, json, os, urllib.request
import aiohttp, httpx, httplib2, openai, pytest, requests, urllib3
from urllib.parse import urlsplit

BASE = os.environ["OPENAI_BASE_URL"]
URL = BASE + "/chat/completions"
BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
DATA = json.dumps(BODY).encode()
HEADERS = {"content-type": "application/json", "authorization": "Bearer sk-standin"}

def test_openai():
    assert openai.OpenAI(max_retries=0).chat.completions.create(**BODY).choices[0].message.content

def test_openai_async():
    async def ask():
        async with openai.AsyncOpenAI(max_retries=0) as client:
            return [part async for part in await client.chat.completions.create(**BODY, stream=True)]
    assert asyncio.run(ask())

def test_httpx():
    assert httpx.post(URL, json=BODY, headers=HEADERS).json()["choices"]

def test_requests():
    assert requests.post(URL, json=BODY, headers=HEADERS).json()["choices"]

def test_urllib3():
    assert json.loads(urllib3.PoolManager().request("POST", URL, body=DATA, headers=HEADERS).data)["choices"]

def test_aiohttp():
    async def ask():
        async with aiohttp.ClientSession() as session, session.post(URL, json=BODY, headers=HEADERS) as response:
            return await response.json()
    assert asyncio.run(ask())["choices"]

def test_http_client():
    place = urlsplit(URL)
    connection = http.client.HTTPConnection(place.hostname, place.port)
    connection.request("POST", place.path, DATA, HEADERS)
    assert json.loads(connection.getresponse().read())["choices"]

def test_urllib():
    with urllib.request.urlopen(urllib.request.Request(URL, DATA, HEADERS)) as response:
        assert json.loads(response.read())["choices"]

def test_httplib2():
    assert json.loads(httplib2.Http().request(URL, "POST", DATA, HEADERS)[1])["choices"]
"""
CLIENT_COUNT = CLIENTS.count("\ndef test_")


class Door:
    """A port of this machine that counts who knocks, and hangs up."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port, self.knocks = self._socket.getsockname()[1], 0
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                found, _ = self._socket.accept()
            except OSError:
                return
            self.knocks += 1
            found.close()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.fixture
def door() -> Iterator[Door]:
    opened = Door()
    yield opened
    opened.close()


def test_replay_connects_to_nobody(suite: Suite, door: Door) -> None:
    suite.write(test_it=CLIENTS)
    suite.run("--llmlog-mode=record").assert_outcomes(passed=CLIENT_COUNT)
    there = f"http://127.0.0.1:{door.port}/v1"
    suite.run("--llmlog-mode=replay", OPENAI_BASE_URL=there).assert_outcomes(passed=CLIENT_COUNT)
    for golden in suite.goldens():
        (suite.path / "goldens" / "test_it" / golden).unlink()
    result = suite.run("--llmlog-mode=replay", OPENAI_BASE_URL=there)
    result.assert_outcomes(failed=CLIENT_COUNT)
    assert door.knocks == 0
    suite.run("--llmlog-mode=live", "-k", "test_requests", OPENAI_BASE_URL=there).assert_outcomes(failed=1)
    assert door.knocks > 0  # the door does count


def test_recording_through_a_closed_network_works_for_every_client(suite: Suite) -> None:
    """What a captured call needs to connect stays open, by whatever thread or task its client looks names up and connects."""
    assert suite.server is not None
    suite.ini("llmlog_block_network = true", "llmlog_hosts = llm.test")
    suite.write(
        conftest="""
import socket
import pytest
from pytest_llmlog.intercept import outlets

outlets._is_home = lambda host: False  # nothing is this machine: only captured calls can connect
real = socket.getaddrinfo

def found(host, *args, **more):
    import sys
    sys.audit("socket.getaddrinfo", host, *args[:1], 0, 0, 0)
    return real("127.0.0.1" if host in ("llm.test", b"llm.test") else host, *args, **more)

socket.getaddrinfo = found
""",
        test_it=CLIENTS,
    )
    there = f"http://llm.test:{suite.server.base_url.split(':')[2]}"
    # httplib2 has the system look the name up while it connects, which knows nothing of this one.
    result = suite.run("--llmlog-mode=record", "-k", "not httplib2", OPENAI_BASE_URL=there)
    result.assert_outcomes(passed=CLIENT_COUNT - 1, deselected=1)
    result.stdout.no_fnmatch_line("*went round*")


BLOCKED = """
import asyncio, socket, subprocess, sys, threading, urllib.request
import pytest, requests

def test_name():
    with pytest.raises(Exception):
        requests.get("http://example.com/")

def test_address():
    socket.create_connection(("192.0.2.1", 80), timeout=0.1)

def test_datagram():
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53))

def test_address_of_the_new_kind():
    socket.socket(socket.AF_INET6).connect(("2001:db8::1", 80))

def test_asyncio():
    asyncio.run(asyncio.open_connection("example.com", 80))

def test_thread():
    thread = threading.Thread(target=lambda: urllib.request.urlopen("http://example.com/"))
    thread.start()
    thread.join()

def test_other_questions_about_names():
    for question in (lambda: socket.gethostbyaddr("192.0.2.1"), lambda: socket.getfqdn("example.com"), lambda: socket.gethostbyname("example.com"),
                     lambda: socket.getnameinfo(("192.0.2.1", 80), 0)):
        with pytest.raises(pytest.fail.Exception):
            question()

def test_sockets_below_the_internets():
    with socket.socket(socket.AF_VSOCK) as other:
        other.connect((2, 80))

def test_grpc():
    import grpc
    for target, options in (("ipv4:127.0.0.1:1,192.0.2.1:443", ()), ("127.0.0.1:1", [("grpc.http_proxy", "http://192.0.2.1:3128")])):
        with pytest.raises(pytest.fail.Exception):
            grpc.insecure_channel(target, options=options)

def test_while_a_captured_call_waits():
    import openai, threading, time
    asked = threading.Thread(target=lambda: openai.OpenAI(max_retries=0).chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}]))
    asked.start()
    time.sleep(0.5)
    assert asked.is_alive()
    socket.create_connection(("192.0.2.1", 443), timeout=0.1)

def test_loopback():
    with socket.create_server(("127.0.0.1", 0)) as server:
        for host in ("127.0.0.1", "localhost"):
            socket.create_connection((host, server.getsockname()[1])).close()
    first, second = socket.socketpair()
    first.close(), second.close()
"""


def test_a_blocked_network_is_closed_but_for_loopback(suite: Suite) -> None:
    suite.write(test_it=BLOCKED)
    assert suite.server is not None
    suite.server.push(Reply(delay=2.0, body={"choices": []}))
    result = suite.run("--llmlog-block-network", "--llmlog-mode=live", "-p", "no:threadexception")
    result.assert_outcomes(passed=1, failed=10)
    result.stdout.fnmatch_lines(
        ["*--llmlog-block-network has closed this way out", "*to: example.com, by *", "*to: 192.0.2.1, by *"]
    )


def test_blocking_without_the_plugin_is_a_usage_error(suite: Suite) -> None:
    suite.write(test_it="def test_it(): pass")
    result = suite.pytester.runpytest_subprocess("--llmlog-block-network")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*--llmlog-block-network has no effect without --llmlog*"])


LEAKS = """
import asyncio, os, socket, subprocess, sys
import pytest, requests

PORT = int(os.environ["PORT"])

def test_sockets_of_its_own():
    with pytest.raises(OSError):
        socket.create_connection(("nowhere.api.openai.com", 443), timeout=0.1)

def test_websocket():
    import websockets.sync.client
    with pytest.raises(Exception):
        websockets.sync.client.connect(f"ws://127.0.0.1:{PORT}/v1/realtime")

def test_websocket_of_aiohttp():
    import aiohttp
    async def connect():
        async with aiohttp.ClientSession() as session:
            await session.ws_connect(f"ws://127.0.0.1:{PORT}/v1/realtime")
    with pytest.raises(aiohttp.ClientError):
        asyncio.run(connect())

def test_asyncio_streams():
    with pytest.raises(OSError):
        asyncio.run(asyncio.open_connection("nowhere.api.anthropic.com", 443))

def test_grpc():
    import grpc
    with grpc.insecure_channel(f"127.0.0.1:{PORT}") as channel:
        with pytest.raises(grpc.RpcError):
            channel.unary_unary("/google.ai.generativelanguage.v1.GenerativeService/GenerateContent")(b"", timeout=5)

def test_program():
    subprocess.run([sys.executable, "-c", "print('https://api.mistral.ai/v1')"], check=True)

def test_script():
    subprocess.run([sys.executable, "worker.py"], check=True)

def test_fork():
    child = os.fork()
    if not child:
        with pytest.raises(OSError):
            socket.create_connection(("nowhere.api.openai.com", 443), timeout=0.1)
        os._exit(0)
    os.waitpid(child, 0)

def test_shell():
    os.system("curl -s --max-time 1 https://nowhere.openrouter.ai/api/v1/chat/completions")

def test_fine():
    subprocess.run([sys.executable, "-c", "pass  # https://example.com"], check=True)
    with pytest.raises(OSError):
        socket.create_connection(("example.invalid", 443), timeout=0.1)
"""
NAMED = {
    "test_sockets_of_its_own": "nowhere.api.openai.com, by test_it",
    "test_websocket": "127.0.0.1, by websockets",
    "test_websocket_of_aiohttp": "127.0.0.1, by a websocket of aiohttp",
    "test_asyncio_streams": "nowhere.api.anthropic.com, by ",
    "test_grpc": "127.0.0.1, by grpc",
    "test_program": "api.mistral.ai, by the program `",
    "test_script": "api.groq.com, by the program `",
    "test_shell": "nowhere.openrouter.ai, by the program `curl",
    "test_fork": "nowhere.api.openai.com, by test_it",
}


@pytest.mark.parametrize(("policy", "code"), [("fail", 1), ("warn", 0), ("ignore", 0)])
@pytest.mark.parametrize("workers", [(), ("-n2",)])
def test_calls_that_went_round_the_capture_are_named(
    suite: Suite, door: Door, policy: str, code: int, workers: tuple[str, ...]
) -> None:
    suite.ini(f"llmlog_leaks = {policy}", "llmlog_hosts = 127.0.0.1")
    suite.write(test_it=LEAKS, worker="if False:\n    from groq import Groq\n")
    result = suite.run("--llmlog-mode=live", *workers, PORT=str(door.port))
    result.assert_outcomes(passed=len(NAMED) + 1)
    assert result.ret == code
    output = result.stdout.str()
    for test, text in NAMED.items():
        assert (f"test_it.py::{test}: {text}" in output) == (policy != "ignore"), (test, output)
    assert ("9 ways to a model went round the capture" in output) == (policy != "ignore")
    assert ("llmlog: calls went round the capture" in output) == (policy == "fail")
    assert "test_fine" not in output.split("llmlog", 3)[-1]


def test_every_call_to_a_host_of_the_users_is_refused_on_replay(suite: Suite, door: Door) -> None:
    suite.ini("llmlog_hosts = 127.0.0.1")
    suite.write(
        test_it="""
import os, pytest, requests
BASE = os.environ["OPENAI_BASE_URL"]
@pytest.mark.parametrize("path, body", [("/chat/completions", b"\\x1f\\x8b"), ("/completions", "a=b"), ("/embeddings", "x"), ("/foo", "{}")])
def test_it(path, body):
    requests.post(BASE + path, data=body)
"""
    )
    suite.run("--llmlog-mode=replay", OPENAI_BASE_URL=f"http://127.0.0.1:{door.port}/v1").assert_outcomes(failed=4)
    assert door.knocks == 0


def test_captured_calls_and_hosts_that_are_ignored_are_no_leaks(suite: Suite) -> None:
    suite.ini("llmlog_leaks = fail", "llmlog_hosts = 127.0.0.1", "llmlog_ignore_hosts = api.openai.com")
    suite.write(
        test_it=f"""{CLIENTS}
import socket
def test_ignored():
    with pytest.raises(OSError):
        socket.create_connection(("nowhere.api.openai.com", 443), timeout=0.1)
"""
    )
    for mode in ("record", "replay"):
        result = suite.run(f"--llmlog-mode={mode}")
        result.assert_outcomes(passed=CLIENT_COUNT + 1)
        assert result.ret == 0


def test_leaks_are_in_the_runs_summary(suite: Suite) -> None:
    suite.ini("llmlog_leaks = fail")
    suite.write(
        test_it=f"{CLIENTS}\nimport socket\ndef test_leak():\n    with pytest.raises(OSError):\n        socket.create_connection(('nowhere.api.x.ai', 443))\n"
    )
    suite.run("--llmlog-mode=live", "-k", "httpx or leak")
    [path] = (suite.path / ".llmlog" / "runs").iterdir()
    violation = json.loads(Path(path).read_bytes())["violations"][0]
    assert violation["kind"] == "leak"
    assert "test_it.py::test_leak: nowhere.api.x.ai, by test_it" in violation["text"]


def test_nothing_is_hooked_without_the_plugin(suite: Suite) -> None:
    suite.write(test_it="import sys\ndef test_it():\n    assert 'pytest_llmlog.intercept.outlets' not in sys.modules\n")
    result = suite.pytester.runpytest_subprocess()
    assert result.ret == 0, sys.version
