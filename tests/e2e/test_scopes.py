"""Whom a call belongs to: tests of every kind, fixtures of every scope, threads and tasks."""

from __future__ import annotations

import json

from conftest import Suite
from e2e.test_modes import ASK

ASYNC = f"""{ASK}
async def ask_async(text):
    async with openai.AsyncOpenAI() as client:
        answer = await client.chat.completions.create(model="gpt-4o", messages=[{{"role": "user", "content": text}}])
    return answer.choices[0].message.content
"""


def _owners(suite: Suite, source: str = "live") -> dict[str, list[str]]:
    owners: dict[str, list[str]] = {}
    for record in suite.records():
        if record["source"] == source:
            owners.setdefault(record["test_id"], []).append(record["prompt"])
    return owners


def _twice(suite: Suite, count: int, *args: str) -> dict[str, list[str]]:
    """Record, replay offline, and see that both give every call to the same owner."""
    suite.run("--llmlog-mode=record", *args).assert_outcomes(passed=count)
    suite.replay_offline(*args).assert_outcomes(passed=count)
    live, replayed = _owners(suite), _owners(suite, "replay")
    assert {owner: sorted(prompts) for owner, prompts in replayed.items()} == {
        owner: sorted(prompts) for owner, prompts in live.items()
    }
    return live


def test_parametrised_and_class_based_tests_have_goldens_of_their_own(suite: Suite) -> None:
    suite.write(
        test_it=f"""{ASK}
class TestGroup:
    @pytest.mark.parametrize("text", ["a/b:c", "a b c", "A", "a", "ü", "x" * 300])
    def test_it(self, text):
        assert ask(text)

    class TestInner:
        def test_it(self):
            assert ask("inner")

def test_it():
    assert ask("outer")
"""
    )
    owners = _twice(suite, 8)
    assert owners["test_it.py::TestGroup::TestInner::test_it"] == ["inner"]
    names = list(suite.goldens())
    assert len(names) == len({name.lower() for name in names}) == 8
    assert "TestGroup.TestInner.test_it.json" in names
    assert "test_it.json" in names
    assert "TestGroup.test_it[a].json" in names
    assert all(len(name) < 150 and not set(name) & set('<>:"/\\|?* ') for name in names)


FIXTURES = f"""{ASK}
@pytest.fixture(scope="session")
def of_session():
    ask("session")
    yield
    ask("session teardown")

@pytest.fixture(scope="module", params=["p", "q"])
def of_module(request, of_session):
    return ask("module " + request.param)

@pytest.fixture(scope="class")
def of_class():
    ask("class")

@pytest.fixture
def of_test():
    ask("setup")
    yield
    ask("teardown")

class TestIt:
    def test_first(self, of_module, of_class, of_test):
        ask("first")

    def test_second(self, of_module, of_class):
        ask("second")

def test_lazily(request):
    ask("before")
    request.getfixturevalue("of_session")
    ask("after")
"""


def test_fixtures_of_a_wider_scope_own_their_calls(suite: Suite) -> None:
    suite.write(test_it=FIXTURES)
    owners = _twice(suite, 5)
    assert owners["test_it.py::fixture of_session"] == ["session", "session teardown"]
    assert owners["test_it.py::fixture of_module[0]"] == ["module p"]
    assert owners["test_it.py::fixture of_module[1]"] == ["module q"]
    assert set(owners["test_it.py::fixture TestIt.of_class"]) == {"class"}
    assert owners["test_it.py::TestIt::test_first[p]"] == ["setup", "first", "teardown"]
    assert owners["test_it.py::test_lazily"] == ["before", "after"]
    names = set(suite.goldens())
    assert {
        "fixture-of_session.json",
        "fixture-of_module[0].json",
        "fixture-of_module[1].json",
        "fixture-TestIt.of_class.json",
    } <= names
    # Any part of the suite replays alone.
    for part in ("test_second", "test_lazily", "first and p"):
        result = suite.replay_offline("-k", part)
        assert result.ret == 0, part


def test_a_changed_fixture_fails_the_tests_that_need_it(suite: Suite) -> None:
    suite.write(test_it=FIXTURES)
    suite.run().assert_outcomes(passed=5)
    suite.write(test_it=FIXTURES.replace('ask("session")', 'ask("another session")'))
    result = suite.replay_offline("-k", "test_first")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*not in the golden*", "*fixture-of_session.json*"])


def test_teardown_calls_are_not_unplayed_before_the_teardown(suite: Suite) -> None:
    source = f"{ASK}\n@pytest.fixture\ndef closing():\n    yield\n    ask('bye')\n\ndef test_it(closing):\n    ask('hi')\n"
    suite.write(test_it=source)
    suite.run().assert_outcomes(passed=1)
    assert suite.goldens()["test_it.json"]["in_teardown"] == 1
    suite.replay_offline().assert_outcomes(passed=1)
    suite.write(test_it=source.replace("    ask('bye')\n", ""))
    result = suite.replay_offline()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*1 of 2 recorded calls not made*", "*bye*"])


def test_asyncio_tests_and_fixtures(suite: Suite) -> None:
    suite.ini("asyncio_mode = auto", "asyncio_default_fixture_loop_scope = module", "asyncio_default_test_loop_scope = module")
    suite.write(
        test_it=f"""{ASYNC}
import asyncio, pytest_asyncio

@pytest_asyncio.fixture(scope="module")
async def shared():
    return await ask_async("shared")

async def test_one(shared):
    await asyncio.gather(*(ask_async(f"one {{number}}") for number in range(3)))

async def test_two(shared):
    await asyncio.create_task(ask_async("two"))
"""
    )
    owners = _twice(suite, 2)
    assert owners["test_it.py::fixture shared"] == ["shared"]
    assert sorted(owners["test_it.py::test_one"]) == ["one 0", "one 1", "one 2"]
    assert owners["test_it.py::test_two"] == ["two"]


def test_anyio_tests_on_both_backends(suite: Suite) -> None:
    suite.write(
        test_it=f"""{ASYNC}
import anyio

@pytest.fixture(scope="module", params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param

@pytest.fixture(scope="module")
async def shared(anyio_backend):
    return await ask_async("shared")

@pytest.mark.anyio
async def test_it(shared):
    async with anyio.create_task_group() as group:
        group.start_soon(ask_async, "left")
        group.start_soon(ask_async, "right")
"""
    )
    owners = _twice(suite, 2)
    assert sorted(owners["test_it.py::test_it[asyncio]"]) == ["left", "right"]
    assert sorted(owners["test_it.py::test_it[trio]"]) == ["left", "right"]


def test_a_refused_call_fails_an_asynchronous_test(suite: Suite) -> None:
    suite.ini("asyncio_mode = auto", "asyncio_default_fixture_loop_scope = function")
    source = f"""{ASYNC}
import asyncio, anyio

async def test_awaited():
    await ask_async("known")

async def test_in_a_task():
    await asyncio.gather(*(ask_async("known") for _ in range(3)))

@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
def test_in_a_group(anyio_backend):
    async def run():
        async with anyio.create_task_group() as group:
            group.start_soon(ask_async, "known")
            group.start_soon(anyio.sleep, 0.05)
    anyio.run(run, backend=anyio_backend)
"""
    suite.write(test_it=source)
    suite.run().assert_outcomes(passed=4)
    suite.write(test_it=source.replace('"known"', '"changed"'))
    result = suite.replay_offline()
    result.assert_outcomes(failed=4)
    assert result.stdout.str().count("llmlog: not in the golden") >= 4


def test_threads_belong_to_the_test_that_started_them(suite: Suite) -> None:
    suite.write(
        test_it=f"""{ASK}
import threading
from concurrent.futures import ThreadPoolExecutor

POOL = ThreadPoolExecutor(4)
client = openai.OpenAI()

@pytest.mark.parametrize("number", range(3))
def test_pool(llmlog, number):
    list(POOL.map(ask, [f"{{number}} {{part}}" for part in range(8)]))
    assert len(llmlog) == 8

def test_thread():
    thread = threading.Thread(target=ask, args=["thread"])
    thread.start()
    thread.join()
"""
    )
    owners = _twice(suite, 4)
    for number in range(3):
        assert sorted(owners[f"test_it.py::test_pool[{number}]"]) == [f"{number} {part}" for part in range(8)]
    assert owners["test_it.py::test_thread"] == ["thread"]


def test_a_client_made_at_import_time_a_shared_one_and_a_custom_one(suite: Suite) -> None:
    suite.pytester.makeconftest("import openai\nCLIENT = openai.OpenAI()\n")
    suite.write(
        test_it=f"""{ASK}
import httpx
if int(openai.__version__.partition(".")[0]) < 3:  # the SDK's own HTTP library
    import httpx as httpx2
else:
    import httpx2
from conftest import CLIENT

def create(client):
    return client.chat.completions.create(model="gpt-4o", messages=[{{"role": "user", "content": "Hi"}}])

@pytest.mark.parametrize("number", range(2))
def test_shared(llmlog, number):
    create(CLIENT)
    assert len(llmlog) == 1

class Passing(httpx2.BaseTransport):
    def __init__(self):
        self.inner = httpx2.HTTPTransport()
    def handle_request(self, request):
        return self.inner.handle_request(request)

class Deriving(httpx2.HTTPTransport):
    def handle_request(self, request):
        return super().handle_request(request)

@pytest.mark.parametrize("transport", [Passing, Deriving, lambda: httpx2.HTTPTransport(retries=1)])
def test_custom(llmlog, transport):
    create(openai.OpenAI(http_client=httpx2.Client(transport=transport())))
    assert len(llmlog) == 1

def test_legacy_httpx(llmlog):
    create(openai.OpenAI(http_client=httpx.Client()))
    assert len(llmlog) == 1
"""
    )
    assert [len(prompts) for prompts in _twice(suite, 6).values()] == [1] * 6


def test_calls_while_modules_are_imported_are_logged_but_never_reach_the_network_on_replay(suite: Suite) -> None:
    suite.write(test_it=f"{ASK}\nANSWER = ask('at import')\ndef test_it():\n    assert ANSWER\n")
    suite.run().assert_outcomes(passed=1)
    (record,) = suite.records()
    assert "test_id" not in record
    assert suite.server is not None
    connections = suite.server.connections
    result = suite.run("--llmlog-mode=replay")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*not in the golden*"])
    assert suite.server.connections == connections


def test_an_unittest_case(suite: Suite) -> None:
    suite.write(
        test_it=f"{ASK}\nimport unittest\nclass Case(unittest.TestCase):\n    def test_it(self):\n        self.assertTrue(ask('unit'))\n"
    )
    assert _twice(suite, 1) == {"test_it.py::Case::test_it": ["unit"]}


def test_goldens_are_readable_and_hold_no_credential(suite: Suite) -> None:
    suite.write(test_it=f"{ASK}\ndef test_it():\n    ask('the key is sk-' + 'a1B' * 8 + ' and Ü', stream=False)\n")
    suite.run().assert_outcomes(passed=1)
    suite.replay_offline().assert_outcomes(passed=1)
    text = (suite.path / "goldens" / "test_it" / "test_it.json").read_text(encoding="utf-8")
    assert "sk-" not in text
    assert "[REDACTED] and Ü" in text
    golden = json.loads(text)
    assert golden["interactions"][0]["redacted"] >= 1
    assert golden["interactions"][0]["wire"]["request"]["body"]["json"]["model"] == "gpt-4o"
    assert not {"authorization", "cookie"} & set(golden["interactions"][0]["wire"]["request"]["headers"])


ISOLATED = """
import unittest, openai

def ask(text):
    return openai.OpenAI().chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": text}])

class TestIt(unittest.IsolatedAsyncioTestCase):
    async def test_async(self):
        async with openai.AsyncOpenAI() as client:
            await client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "async"}])

    def test_sync(self):
        ask("sync")
"""


def test_unittest_copies_of_a_context_made_before_the_test_do_not_hide_it(suite: Suite) -> None:
    suite.write(test_it=ISOLATED)
    suite.run("--llmlog-mode=record").assert_outcomes(passed=2)
    assert set(suite.goldens()) == {"TestIt.test_async.json", "TestIt.test_sync.json"}
    suite.replay_offline().assert_outcomes(passed=2)
    assert {record["test_id"].rpartition("::")[2] for record in suite.records()} == {"test_async", "test_sync"}


XFAIL = """
import openai, pytest

@pytest.mark.xfail
def test_it():
    openai.OpenAI().chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "TEXT"}])
    assert False
"""


def test_an_expected_failure_keeps_its_golden_and_a_refused_call_is_not_what_was_expected(suite: Suite) -> None:
    suite.write(test_it=XFAIL)
    suite.run().assert_outcomes(xfailed=1)
    assert list(suite.goldens()) == ["test_it.json"]
    suite.replay_offline().assert_outcomes(xfailed=1)
    suite.write(test_it=XFAIL.replace("TEXT", "OTHER"))
    result = suite.replay_offline()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*not in the golden*", "*+ 'OTHER'*"])
