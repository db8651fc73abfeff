"""Many calls at once, many calls in one test, many tests: nothing mixed up, nothing twice, nothing kept that is over."""

from __future__ import annotations

import json
import threading
from collections import Counter
from pathlib import Path

from conftest import RunApplication, Suite
from e2e.test_application import ASKING
from openai_standin import Received, Reply, StandIn

STREAMS = 64

STREAMING = """
import json, os
import anyio, httpx, pytest

STREAMS = 64
URL = os.environ["OPENAI_BASE_URL"] + "/chat/completions"

def body(text):
    return {"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": text}]}

def said(lines):
    events = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    return "".join(event["choices"][0]["delta"]["content"] for event in events)

def ask(text):
    with httpx.stream("POST", URL, json=body(text), timeout=30, verify=False) as response:
        return said(list(response.iter_lines()))

async def ask_async(client, text, heard):
    async with client.stream("POST", URL, json=body(text)) as response:
        heard[text] = said([line async for line in response.aiter_lines()])

def check(heard, log, kind):
    assert heard == {f"{kind} {n}": f"{kind} {n} one two " for n in range(STREAMS)}
    assert {call.prompt: call.response for call in log} == heard
    assert len(log) == len({call.request_id for call in log}) == STREAMS

def test_threads(llmlog):
    from concurrent.futures import ThreadPoolExecutor
    prompts = [f"thread {n}" for n in range(STREAMS)]
    with ThreadPoolExecutor(STREAMS) as pool:
        check(dict(zip(prompts, pool.map(ask, prompts))), llmlog, "thread")

@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_tasks(llmlog, backend):
    heard = {}
    async def run():
        async with httpx.AsyncClient(timeout=30) as client, anyio.create_task_group() as group:
            for n in range(STREAMS):
                group.start_soon(ask_async, client, f"{backend} {n}", heard)
    anyio.run(run, backend=backend)
    check(heard, llmlog, backend)
"""


def _words(received: Received) -> Reply:
    """A stream that says again what was asked, in three chunks."""
    words = [received.json()["messages"][0]["content"] + " ", "one ", "two "]
    return Reply(events=[{"choices": [{"index": 0, "delta": {"content": word}}]} for word in words], pause=0.001)


def test_sixty_four_streams_at_once_keep_their_chunks_and_their_tests_apart(suite: Suite) -> None:
    suite.write(test_it=STREAMING)
    together = threading.Barrier(STREAMS)

    def reply(received: Received) -> Reply:
        together.wait(timeout=30)  # nobody gets a byte before all have asked
        return _words(received)

    assert suite.server is not None
    suite.server.push(*[reply] * (3 * STREAMS))
    suite.run("--llmlog-mode=record").assert_outcomes(passed=3)
    suite.replay_offline().assert_outcomes(passed=3)
    records = suite.records()
    assert len(records) == len({record["request_id"] for record in records}) == 6 * STREAMS
    for record in records:
        kind = record["prompt"].split()[0]
        assert record["test_id"] == f"test_it.py::{'test_threads' if kind == 'thread' else f'test_tasks[{kind}]'}"
    assert len(suite.server.requests) == 3 * STREAMS


COUNTED = """
import gc, os, pathlib
import httpx, pytest

URL = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
CLIENT = httpx.Client(headers={"authorization": "Bearer sk-standin"})

def ask(text):
    assert CLIENT.post(URL, json={"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}).json()["choices"]

def alive():
    gc.collect()
    kinds = [type(thing).__name__ for thing in gc.get_objects() if str(type(thing).__module__).startswith("pytest_llmlog.")]
    return {kind: kinds.count(kind) for kind in ("Scope", "LiveCall", "ReplayedCall", "ReplayQueue", "_Deferred")}
"""

MANY_CALLS = f"""{COUNTED}
COUNT = 500

def test_it(llmlog):
    for number in range(COUNT):
        ask(f"number {{number}}")
    assert [call.prompt for call in llmlog] == [f"number {{number}}" for number in range(COUNT)]
    assert alive()["LiveCall"] <= 1 and alive()["ReplayedCall"] <= 1  # that of the response which the client holds
"""


def test_many_calls_in_one_test_are_recorded_and_replayed_in_order_and_let_go(suite: Suite) -> None:
    suite.write(test_it=MANY_CALLS)
    suite.run("--llmlog-mode=record").assert_outcomes(passed=1)
    suite.replay_offline().assert_outcomes(passed=1)
    assert [call["prompt"] for call in suite.goldens()["test_it.json"]["interactions"]] == [f"number {n}" for n in range(500)]
    assert len({record["request_id"] for record in suite.records()}) == 1000


MANY_TESTS = f"""{COUNTED}
@pytest.fixture(scope="module", params=range(3))
def of_module(request):
    ask(f"module {{request.param}}")

@pytest.mark.parametrize("number", range(40))
def test_it(llmlog, of_module, number):
    ask(f"number {{number}}")
    assert len(llmlog) == 1

def test_failing():
    ask("failing")
    assert False
"""

COUNTING = """
import json, pathlib
def pytest_unconfigure(config):
    import test_it
    pathlib.Path("alive.json").write_text(json.dumps(test_it.alive()))
"""


def test_of_a_test_that_is_over_nothing_is_kept_but_its_result(suite: Suite) -> None:
    suite.pytester.makeconftest(COUNTING)
    suite.write(test_it=MANY_TESTS)
    for run in (lambda: suite.run("--llmlog-mode=record"), suite.replay_offline):
        run().assert_outcomes(passed=120, failed=1)
        alive = json.loads((suite.path / "alive.json").read_text())
        assert alive.pop("Scope") <= 2  # the run's own, and that of the call which the client holds on to
        assert max(alive.values()) <= 1, alive


def test_in_an_application_that_runs_for_long_memory_stays_flat(
    application: RunApplication, server: StandIn, tmp_path: Path
) -> None:
    """Each call asks something else, with a signature of its own, and one in four fails."""
    server.push(*[Reply(503 if number % 4 == 0 else 200, {"choices": []}) for number in range(2_400)])
    application(f"""{ASKING}
import gc, http.client, json, tracemalloc
from urllib.parse import urlsplit
place = urlsplit(os.environ["OPENAI_BASE_URL"])
connection = http.client.HTTPConnection(place.hostname, place.port)

def call(number):
    body = json.dumps({{"model": "gpt-4o", "messages": [{{"role": "user", "content": f"number {{number}}"}}]}})
    signature = f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{{number:08}}/us-east-1, Signature={{number:064x}}"
    connection.request("POST", "/v1/chat/completions", body, {{"authorization": signature, "content-type": "application/json"}})
    connection.getresponse().read()

def held():
    gc.collect()
    return tracemalloc.get_traced_memory()[0]

with pytest_llmlog.capture("calls.log", keep=10) as calls:
    for number in range(1_400):
        call(number)
    tracemalloc.start()
    before = held()
    for number in range(1_400, 1_900):
        call(number)
    first = held()
    for number in range(1_900, 2_400):
        call(number)
    last = held()
    assert len(calls) == 10
assert last - first < 20_000, (before, first, last)
""")
    lines = (tmp_path / "calls.log").read_text().splitlines()
    assert len(lines) == 2_400
    assert sum(json.loads(line)["status"] == "failure" for line in lines) == 600


LEFT_OPEN = """
import asyncio, json, os, threading
import httpx, pytest

URL = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
KEPT = {}

def body(text):
    return {"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": text}]}

def word(line):
    return json.loads(line[6:])["choices"][0]["delta"]["content"]

def begin(text):
    client = httpx.Client(timeout=10)
    response = client.send(client.build_request("POST", URL, json=body(text)), stream=True)
    lines = filter(None, response.iter_lines())
    assert word(next(lines)) == f"{text} "
    return lines

def test_leaves_it(llmlog):
    KEPT["stream"] = begin("left")

def test_reads_on(llmlog):
    assert word(next(begin("other"))) == "one "
    try:
        rest = [word(line) for line in KEPT["stream"]]
    except httpx.TransportError as error:  # on replay
        rest = ["one ", "two "] if "over before" in str(error) else [str(error)]
    assert rest == ["one ", "two "]
    KEPT.clear()

def test_leaves_a_thread_reading(llmlog):
    lines, KEPT["go"], KEPT["read"] = begin("thread"), threading.Event(), []
    def read():
        KEPT["go"].wait(10)
        try:
            KEPT["read"] += [word(line) for line in lines]
        except httpx.TransportError:
            KEPT["read"] += ["one ", "two "]
    KEPT["thread"] = threading.Thread(target=read)
    KEPT["thread"].start()

def test_while_the_thread_reads(llmlog):
    KEPT["go"].set()
    KEPT["thread"].join()
    assert KEPT["read"] == ["one ", "two "]
    list(begin("while"))
    assert [call.response for call in llmlog] == ["while one two "]

@pytest.mark.asyncio(loop_scope="module")
async def test_leaves_a_task_reading(llmlog):
    KEPT["begun"], KEPT["go"] = asyncio.Event(), asyncio.Event()
    async def read():
        async with httpx.AsyncClient(timeout=10) as client, client.stream("POST", URL, json=body("task")) as response:
            heard = []
            try:
                async for line in response.aiter_lines():
                    if line:
                        heard.append(word(line))
                        KEPT["begun"].set()
                        await KEPT["go"].wait()
            except httpx.TransportError:
                heard += ["one ", "two "]
            return heard
    KEPT["task"] = asyncio.create_task(read())
    await KEPT["begun"].wait()

@pytest.mark.asyncio(loop_scope="module")
async def test_while_the_task_reads(llmlog):
    KEPT["go"].set()
    assert await KEPT["task"] == ["task ", "one ", "two "]
    assert len(llmlog) == 0
"""

LEFT = {"test_leaves_it": "left", "test_leaves_a_thread_reading": "thread", "test_leaves_a_task_reading": "task"}


def test_a_stream_left_open_is_recorded_once_on_its_own_test_and_harms_no_other(suite: Suite) -> None:
    suite.write(test_it=LEFT_OPEN)
    assert suite.server is not None

    def slowly(received: Received) -> Reply:
        return Reply(events=_words(received).events, pause=0.05)

    suite.server.push(*[slowly] * 5)
    suite.run("--llmlog-mode=record", "-p", "no:randomly").assert_outcomes(passed=6)
    live = suite.records()
    suite.replay_offline().assert_outcomes(passed=6)
    for records in (live, suite.records()[len(live) :]):
        assert len(records) == 5
        by_test = {record["test_id"].removeprefix("test_it.py::"): record for record in records}
        for test, prompt in LEFT.items():
            record = by_test[test]
            assert (record["prompt"], record["response"], record["status"]) == (prompt, f"{prompt} ", "failure")
            assert record["error_type"] == "Unfinished"
        assert by_test["test_while_the_thread_reads"]["response"] == "while one two "
        assert set(by_test) == {*LEFT, "test_reads_on", "test_while_the_thread_reads"}


NESTED = """
import asyncio, os, threading
from concurrent.futures import ThreadPoolExecutor
import anyio, httpx, pytest, pytest_llmlog

URL = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
POOL = ThreadPoolExecutor(8)  # outlives every test, and its threads every context

def given(text):
    return {"json": {"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}, "headers": {"authorization": "Bearer sk-standin"}}

def ask(text):
    return httpx.post(URL, verify=False, **given(text))

async def ask_async(text):
    async with httpx.AsyncClient(verify=False) as client:  # whose certificates take long to load, and are not needed
        await client.post(URL, **given(text))

async def captured(name):
    with pytest_llmlog.capture(f"{name}.log", session_id=name) as calls:
        await ask_async(f"{name} 0")
        await anyio.sleep(0.02)
        with pytest_llmlog.capture("inner.log", session_id=f"inner {name}"):
            await ask_async(f"{name} inner")
            await anyio.sleep(0.02)
        await ask_async(f"{name} 1")
    assert [call.prompt for call in calls] == [f"{name} 0", f"{name} 1"]

@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_blocks_of_tasks(llmlog, backend):
    async def run():
        async with anyio.create_task_group() as group:
            for number in range(10):
                group.start_soon(captured, f"{backend} {number}")
    anyio.run(run, backend=backend)
    assert len(llmlog) == len({call.prompt for call in llmlog}) == 30

def test_blocks_of_threads(llmlog):
    def run(number):
        anyio.run(captured, f"thread {number}")
    list(POOL.map(run, range(10)))
    assert len(llmlog) == len({call.prompt for call in llmlog}) == 30

@pytest.fixture(scope="package")
def of_package():
    POOL.submit(ask, "package").result()
    yield
    POOL.submit(ask, "package teardown").result()

@pytest.mark.parametrize("number", range(3))
def test_pool(llmlog, of_package, number):
    list(POOL.map(ask, [f"pool {number} {part}" for part in range(8)]))
    assert sorted(call.prompt for call in llmlog) == [f"pool {number} {part}" for part in range(8)]

class TestGroup:
    @pytest.fixture(scope="class", autouse=True)
    def of_class(self):
        thread = threading.Thread(target=ask, args=["class"])
        thread.start()
        thread.join()
        ask("class too")

    def test_it(self, llmlog):
        anyio.run(lambda: anyio.to_thread.run_sync(ask, "to thread"))
        asyncio.run(asyncio.to_thread(ask, "asyncio to thread"))
        assert {"to thread", "asyncio to thread"} <= {call.prompt for call in llmlog}
"""


def test_blocks_nested_in_tasks_and_threads_and_a_pool_that_outlives_tests(suite: Suite) -> None:
    suite.write(test_it=NESTED)
    suite.run("--llmlog-mode=record").assert_outcomes(passed=7)
    live = Counter((record["test_id"].removeprefix("test_it.py::"), record["prompt"]) for record in suite.records())
    assert set(live.values()) == {1}
    assert {prompt for test, prompt in live if test == "fixture of_package"} == {"package", "package teardown"}
    assert {prompt for test, prompt in live if test == "fixture TestGroup.of_class"} == {"class", "class too"}
    assert sum(live.values()) == 3 * 30 + 3 * 8 + 2 + 4
    for number in range(10):
        assert len((suite.path / f"thread {number}.log").read_text().splitlines()) == 2
    inner = [json.loads(line) for line in (suite.path / "inner.log").read_text().splitlines()]
    assert Counter(record["prompt"] for record in inner) == {
        f"{kind} {number} inner": 1 for kind in ("asyncio", "trio", "thread") for number in range(10)
    }
    suite.log.unlink()
    suite.replay_offline().assert_outcomes(passed=7)
    assert Counter((record["test_id"].removeprefix("test_it.py::"), record["prompt"]) for record in suite.records()) == live
