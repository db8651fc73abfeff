"""Beside pytest's own options and other plugins."""

from __future__ import annotations

from collections import Counter
from importlib.util import find_spec

import pytest

from conftest import Suite
from e2e.test_modes import ASK
from openai_standin import Reply


def needs(*modules: str) -> pytest.MarkDecorator:
    """Skip a test by the names of the plugins that are missing: the extra ``plugins`` has them."""
    missing = [module for module in modules if find_spec(module) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


MANY = f"""{ASK}
@pytest.fixture(scope="session")
def shared():
    return ask("shared")

@pytest.mark.parametrize("number", range(6))
def test_it(llmlog, shared, number):
    assert ask(f"number {{number}}")
    assert len(llmlog) == 1
"""


def test_xdist_workers_share_one_log_and_one_run(suite: Suite) -> None:
    suite.write(test_it=MANY)
    result = suite.run("--llmlog-mode=record", "-n2")
    result.assert_outcomes(passed=6)
    records = suite.records()
    assert sorted(record["prompt"] for record in records if record["prompt"] != "shared") == [f"number {n}" for n in range(6)]
    assert len({record["run_id"] for record in records}) == 1
    assert {record["worker_id"] for record in records} == {"gw0", "gw1"}
    result.stdout.fnmatch_lines(["*8 calls: 8 live*", "*goldens: *created*"])
    assert len(suite.goldens()) == 7

    replayed = suite.replay_offline("-n2")
    replayed.assert_outcomes(passed=6)
    replayed.stdout.fnmatch_lines(["*8 calls: 8 replayed*"])
    suite.replay_offline().assert_outcomes(passed=6)


def test_xdist_reports_a_refused_call_on_its_test(suite: Suite) -> None:
    suite.write(test_it=MANY)
    suite.run().assert_outcomes(passed=6)
    suite.write(test_it=MANY.replace('f"number {number}"', '"number 3"'))
    result = suite.replay_offline("-n2")
    result.assert_outcomes(passed=1, failed=5)
    result.stdout.fnmatch_lines(["*not in the golden*"])


def test_a_part_of_the_suite_deletes_nothing(suite: Suite) -> None:
    suite.write(test_it=MANY)
    suite.run().assert_outcomes(passed=6)
    before = set(suite.goldens())
    suite.run("--llmlog-mode=record", "-k", "2").assert_outcomes(passed=1, deselected=5)
    assert set(suite.goldens()) == before
    suite.replay_offline("-k", "2 or 4").assert_outcomes(passed=2, deselected=4)


FAILING = f"""{ASK}
def test_a():
    ask("a")

def test_b():
    ask("b")

def test_c():
    ask("c")
"""


def test_exit_first_and_last_failed_see_a_refused_call(suite: Suite) -> None:
    suite.write(test_it=FAILING)
    suite.run().assert_outcomes(passed=3)
    suite.write(test_it=FAILING.replace('ask("b")', 'ask("changed")'))
    suite.replay_offline("-x").assert_outcomes(passed=1, failed=1)
    # --lf keeps its list in the cache, which the other runs here go without.
    suite.run("--llmlog-mode=replay", "-p", "cacheprovider").assert_outcomes(passed=2, failed=1)
    suite.run("--llmlog-mode=replay", "-p", "cacheprovider", "--lf").assert_outcomes(failed=1)


def test_junit_has_the_violation(suite: Suite) -> None:
    suite.write(test_it=FAILING)
    suite.run().assert_outcomes(passed=3)
    suite.write(test_it=FAILING.replace('    ask("b")', "    pass"))
    suite.replay_offline("--junitxml=report.xml").assert_outcomes(passed=2, failed=1)
    report = (suite.path / "report.xml").read_text()
    assert 'failures="1"' in report
    assert "1 of 1 recorded calls not made" in report


RERUN = f"""{ASK}
import pathlib
def test_it(llmlog):
    tries = pathlib.Path("tries")
    count = int(tries.read_text()) + 1 if tries.exists() else 1
    tries.write_text(str(count))
    ask("same")
    assert len(llmlog) == 1
    assert count % 3 == 0
"""


def test_reruns_start_afresh_and_only_the_passing_one_is_kept(suite: Suite) -> None:
    suite.write(test_it=RERUN)
    result = suite.run("--llmlog-mode=record", "--reruns", "2")
    result.assert_outcomes(passed=1)
    assert len(suite.records()) == 3
    assert len(suite.goldens()["test_it.json"]["interactions"]) == 1
    suite.replay_offline("--reruns", "2").assert_outcomes(passed=1)
    assert not (suite.path / "goldens" / "test_it" / "test_it.json.new").exists()


def test_a_refused_call_is_rerun_like_any_failure(suite: Suite) -> None:
    suite.write(test_it=FAILING)
    suite.run().assert_outcomes(passed=3)
    suite.write(test_it=FAILING.replace('ask("b")', 'ask("changed")'))
    result = suite.replay_offline("--reruns", "1", "-k", "test_b")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*1 rerun*"])


def test_a_skipped_test_saves_nothing(suite: Suite) -> None:
    suite.write(test_it=f"{ASK}\ndef test_it():\n    ask('x')\n    pytest.skip('enough')\n".replace("import", "import pytest,", 1))
    suite.run("--llmlog-mode=auto").assert_outcomes(skipped=1)
    assert not suite.goldens()


def test_quiet_and_without_calls_there_is_no_summary(suite: Suite) -> None:
    suite.write(test_it=FAILING + "\ndef test_none():\n    pass\n")
    result = suite.run("-k", "none")
    result.assert_outcomes(passed=1, deselected=3)
    assert "- llmlog -" not in result.stdout.str()
    assert "- llmlog -" not in suite.run("-q").stdout.str()
    assert "- llmlog -" in suite.run().stdout.str()


TOGETHER = """
import asyncio, os
import httpx, pytest
from inline_snapshot import snapshot as inline

URL = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
HEADERS = {"authorization": "Bearer sk-standin"}
TRIES = []

def body(text):
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}

def ask(text):
    return httpx.post(URL, json=body(text), headers=HEADERS).json()["usage"]["total_tokens"]

@pytest.fixture(scope="module")
def shared():
    return ask("shared")

@pytest.mark.timeout(30)
def test_timeout(llmlog, shared):
    assert ask("timeout") == llmlog.tokens

@pytest.mark.timeout(30, method="thread")
def test_timeout_by_thread(llmlog):
    assert ask("thread") == llmlog.tokens

@pytest.mark.asyncio
async def test_asyncio(llmlog):
    async with httpx.AsyncClient() as client:
        await asyncio.gather(*(client.post(URL, json=body(text), headers=HEADERS) for text in ("left", "right")))
    assert len(llmlog) == 2

@pytest.mark.flaky(reruns=2)
def test_rerun(llmlog):
    TRIES.append(ask("again"))
    assert len(llmlog) == 1 and len(TRIES) == 2

def test_syrupy(snapshot, llmlog):
    ask("syrupy")
    assert [call.prompt for call in llmlog] == snapshot

def test_inline(llmlog):
    ask("inline")
    assert [call.prompt for call in llmlog] == inline(["inline"])

def test_benchmark(benchmark, llmlog):
    benchmark.pedantic(ask, args=["timed"], rounds=3, iterations=1)
    assert len(llmlog) == 3

@pytest.mark.vcr
def test_recording(llmlog):
    ask("vcr")
    assert len(llmlog) == 1
"""

CASSETTES = [name for name in ("pytest_recording", "cassetter") if find_spec(name) is not None]
"""Who owns the marker vcr and ``--record-mode``: these two cannot be installed together."""

OTHERS = ("pytest_rerunfailures", "pytest_timeout", "pytest_randomly", "syrupy", "inline_snapshot", "pytest_benchmark")
NAMES = (
    "--llmlog-mode", "--record-mode", "--reruns", "--timeout", "--randomly-seed", "--snapshot-update", "--inline-snapshot", "--benchmark-only",
    "llmlog_mode", "asyncio_mode", "@pytest.mark.llmlog", "@pytest.mark.vcr",
)  # fmt: skip


@needs(*OTHERS, *(CASSETTES or ("pytest_recording",)))
def test_with_all_the_other_plugins_at_once_every_call_is_logged_once_on_its_test(suite: Suite) -> None:
    suite.ini("asyncio_default_fixture_loop_scope = function", "markers = flaky")
    suite.write(test_it=TOGETHER)
    known = "".join(suite.run(option).stdout.str() for option in ("--help", "--markers", "--fixtures"))
    assert [name for name in NAMES if name not in known] == []
    strict = ("--strict-markers", "--strict-config")
    suite.run("--llmlog-mode=record", "--record-mode=once", "--snapshot-update", *strict).assert_outcomes(passed=8)
    assert suite.server is not None
    assert len(suite.server.requests) == len(suite.records()) == 13
    live = Counter((record["test_id"], record["prompt"]) for record in suite.records())
    assert set(live.values()) == {1, 2, 3}  # the test that is run again, and the three rounds of the benchmark
    for seed in (1, 2, 3):
        suite.log.unlink()
        suite.run("--llmlog-mode=replay", f"--randomly-seed={seed}", *strict).assert_outcomes(passed=8)
        assert Counter((record["test_id"], record["prompt"]) for record in suite.records()) == live
        assert {record["source"] for record in suite.records()} == {"replay"}
    assert len(suite.server.requests) == 13


HANGING = f"""{ASK}
def test_before():
    ask("before")

@pytest.mark.timeout(1.5, method="METHOD")
def test_hangs():
    ask("hangs")

def test_after(llmlog):
    ask("after")
    assert [call.prompt for call in llmlog] == ["after"]
"""


@needs("pytest_timeout")
@pytest.mark.parametrize("method", ["signal", "thread"])
def test_a_call_that_a_timeout_ends_is_its_own_tests_failure_and_no_other_call_is_lost(suite: Suite, method: str) -> None:
    suite.write(test_it=HANGING.replace("METHOD", method))
    assert suite.server is not None
    suite.server.push(lambda _: _answered("before"), Reply(delay=6), lambda _: _answered("after"))
    result = suite.run("--llmlog-mode=record", *UNSHUFFLED)
    records = {record["prompt"]: record for record in suite.records()}  # each line is whole
    assert records["before"]["status"] == "success"
    if method == "thread":  # pytest-timeout ends the process there and then
        assert result.ret == 1
        assert "test_after" not in {record["test_id"].rpartition("::")[2] for record in records.values()}
        return
    result.assert_outcomes(passed=2, failed=1)
    assert records["hangs"]["test_id"] == "test_it.py::test_hangs"
    assert (records["hangs"]["status"], records["hangs"]["error_type"]) == ("failure", "Failed")
    assert "Timeout" in records["hangs"]["error"]
    assert records["after"]["test_id"] == "test_it.py::test_after"
    assert len(suite.records()) == 3


def _answered(text: str) -> Reply:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return Reply(body={"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o", "choices": [choice]})


UNSHUFFLED = ("-p", "no:randomly")

CASSETTE = """
import asyncio, json, os, urllib.request
import aiohttp, httpx, httpx2, pytest, requests

URL = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
HEADERS = {"authorization": "Bearer sk-standin", "content-type": "application/json"}

def body(text):
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}

def over_httpx(text, library=httpx):
    return library.post(URL, json=body(text), headers=HEADERS).json()

def over_httpx2(text):
    return over_httpx(text, httpx2)

def over_async_httpx(text):
    async def run():
        async with httpx.AsyncClient() as client:
            return (await client.post(URL, json=body(text), headers=HEADERS)).json()
    return asyncio.run(run())

def over_requests(text):
    return requests.post(URL, json=body(text), headers=HEADERS).json()

def over_aiohttp(text):
    async def run():
        async with aiohttp.ClientSession() as session, session.post(URL, json=body(text), headers=HEADERS) as response:
            return await response.json()
    return asyncio.run(run())

def over_urllib(text):
    return json.loads(urllib.request.urlopen(urllib.request.Request(URL, json.dumps(body(text)).encode(), HEADERS)).read())

CLIENTS = [over_httpx, over_httpx2, over_async_httpx, over_requests, over_aiohttp, *OVER_HTTP_CLIENT]

@pytest.mark.vcr
@pytest.mark.llmlog(max_tokens=500)
@pytest.mark.parametrize("ask", CLIENTS)
def test_marked(llmlog, ask):
    assert ask(ask.__name__)["choices"]
    assert [call.prompt for call in llmlog] == [ask.__name__]
    assert llmlog.tokens > 0

def test_unmarked(llmlog):
    assert over_httpx("golden")["choices"]
    assert len(llmlog) == 1
"""


@pytest.mark.parametrize(
    ("plugin", "conftest"),
    [
        pytest.param("pytest_recording", "", marks=needs("pytest_recording"), id="vcrpy-imported-late"),
        pytest.param("pytest_recording", "import vcr\n", marks=needs("pytest_recording"), id="vcrpy-imported-early"),
        pytest.param("cassetter", "", marks=needs("cassetter"), id="cassetter"),
    ],
)
def test_a_cassette_in_use_answers_and_its_calls_are_logged_once_without_a_golden(suite: Suite, plugin: str, conftest: str) -> None:
    """vcrpy keeps what it found when it was imported, before us or after."""
    with_vcr = plugin == "pytest_recording"
    clients = 6 if with_vcr else 5  # cassetter does not know http.client
    suite.pytester.makeconftest(conftest)
    suite.ini("asyncio_default_fixture_loop_scope = function", "markers = vcr")
    suite.write(test_it=CASSETTE.replace("OVER_HTTP_CLIENT", "[over_urllib]" if with_vcr else "[]"))
    assert suite.server is not None

    suite.run("--record-mode=once").assert_outcomes(passed=clients + 1)  # mode auto, and no cassette or golden yet
    assert len(suite.server.requests) == len(suite.records()) == clients + 1
    assert {record["source"] for record in suite.records()} == {"live"}
    assert set(suite.goldens()) == {"test_unmarked.json"}

    for mode in ("auto", "replay", "live"):
        suite.log.unlink()
        suite.run(f"--llmlog-mode={mode}").assert_outcomes(passed=clients + 1)
        marked = [record for record in suite.records() if "test_marked" in record["test_id"]]
        assert len({record["test_id"] for record in marked}) == len(marked) == clients
        assert {(record["source"], record["latency_seconds"]) for record in marked} == {("replay", None)}
    assert len(suite.server.requests) == clients + 2  # the unmarked test's, in mode live
    assert set(suite.goldens()) == {"test_unmarked.json"}


OWN_CASSETTE = f"""{ASK}
import pytest_llmlog, vcr
KEEPING = vcr.VCR(record_mode="MODE", cassette_library_dir="cassettes")

def test_it(llmlog):
    ask("golden before")
    with KEEPING.use_cassette("own.yaml") as cassette, pytest_llmlog.capture("own.log"):
        ask("cassette")
    ask("golden after")
    assert cassette.play_count == PLAYED
    assert [call.prompt for call in llmlog] == ["golden before", "cassette", "golden after"]

@KEEPING.use_cassette("decorated.yaml")
def test_decorated(llmlog):
    ask("decorated")
    assert len(llmlog) == 1
"""


@needs("vcr")
def test_a_cassette_of_the_tests_own_for_some_of_its_calls(suite: Suite) -> None:
    suite.write(test_it=OWN_CASSETTE.replace("MODE", "once").replace("PLAYED", "0"))
    suite.run("--llmlog-mode=record").assert_outcomes(passed=2)
    golden = suite.goldens()["test_it.json"]["interactions"]
    assert [call["prompt"] for call in golden] == ["golden before", "golden after"]
    suite.write(test_it=OWN_CASSETTE.replace("MODE", "none").replace("PLAYED", "1"))
    assert suite.server is not None
    asked = len(suite.server.requests)
    suite.log.unlink()
    (suite.path / "own.log").unlink()
    suite.run("--llmlog-mode=replay").assert_outcomes(passed=2)
    assert sorted(record["prompt"] for record in suite.records()) == ["cassette", "decorated", "golden after", "golden before"]
    assert {record["source"] for record in suite.records()} == {"replay"}
    assert len((suite.path / "own.log").read_text().splitlines()) == 1
    # A golden from before there was a cassette is neither missed nor overwritten.
    (suite.path / "goldens" / "test_it" / "test_decorated.json").write_text(
        (suite.path / "goldens" / "test_it" / "test_it.json").read_text()
    )
    for mode in ("replay", "record"):
        suite.run(f"--llmlog-mode={mode}", "-k", "decorated").assert_outcomes(passed=1, deselected=1)
        assert len(suite.goldens()["test_decorated.json"]["interactions"]) == 2
    assert len(suite.server.requests) == asked


@needs("vcr")
def test_on_replay_a_cassette_that_could_record_asks_nobody(suite: Suite) -> None:
    suite.write(
        test_it=f"""{ASK}
import requests, vcr
URL = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
BODY = {{"model": "gpt-4o", "messages": [{{"role": "user", "content": "x"}}]}}

@pytest.mark.parametrize("ask", [ask, lambda text: requests.post(URL, json=BODY)])
def test_it(ask, tmp_path):
    with vcr.use_cassette(str(tmp_path / "new.yaml"), record_mode="all"):
        ask("unknown")
"""
    )
    result = suite.run("--llmlog-mode=replay")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*not in the golden*", "*a cassette is in use, and has no answer to it*"])
    assert suite.server is not None
    assert suite.server.requests == []
