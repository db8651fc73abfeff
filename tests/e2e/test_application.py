"""Without pytest: ``capture()`` in an application; and pytest without ``--llmlog``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import RunApplication, Suite
from e2e.test_modes import ASK
from openai_standin import Reply, StandIn

ASKING = """
import asyncio, threading, time, sys, os
import openai, pytest_llmlog

def ask(text, **more):
    return openai.OpenAI(max_retries=0).chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": text}], **more)
"""


def _records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_calls_from_threads_and_tasks_are_logged_and_those_outside_are_not(application: RunApplication, tmp_path: Path) -> None:
    application(f"""{ASKING}
ask("before")
with pytest_llmlog.capture("calls.log", session_id="s") as calls:
    thread = threading.Thread(target=ask, args=["thread"])
    thread.start()
    thread.join()
    async def run():
        async with openai.AsyncOpenAI() as client:
            await asyncio.gather(*(client.chat.completions.create(model="gpt-4o", messages=[{{"role": "user", "content": t}}]) for t in "ab"))
    asyncio.run(run())
    assert calls.tokens == sum(call.tokens for call in calls), calls
    assert [call.source for call in calls] == ["live"] * 3
ask("after")
""")
    records = _records(tmp_path / "calls.log")
    assert sorted(record["prompt"] for record in records) == ["a", "b", "thread"]
    assert {record["session_id"] for record in records} == {"s"}
    assert not {"test_id", "wire"} & set(records[0])


def test_of_nested_blocks_the_inner_one_has_the_call(application: RunApplication, tmp_path: Path) -> None:
    application(f"""{ASKING}
with pytest_llmlog.capture("outer.log") as outer:
    ask("one")
    with pytest_llmlog.capture("inner.log", wire=True) as inner:
        ask("two")
    ask("three")
    assert (len(outer), len(inner)) == (2, 1)
""")
    assert [record["prompt"] for record in _records(tmp_path / "outer.log")] == ["one", "three"]
    (inner,) = _records(tmp_path / "inner.log")
    assert inner["wire"]["response"]["status"] == 200


def test_the_sequence_keeps_the_newest(application: RunApplication, tmp_path: Path) -> None:
    application(f"""{ASKING}
with pytest_llmlog.capture("calls.log", keep=2) as calls:
    for text in "abc":
        ask(text)
    assert [call.prompt for call in calls] == ["b", "c"]
""")
    assert len(_records(tmp_path / "calls.log")) == 3


def test_a_log_that_becomes_unwritable_does_not_harm_the_program(application: RunApplication, tmp_path: Path) -> None:
    printed = application(f"""{ASKING}
import logging, resource
logging.basicConfig(stream=sys.stdout, format="%(message)s")
with pytest_llmlog.capture("calls.log"):
    ask("first")
    size = os.path.getsize("calls.log")
    import signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, resource.RLIM_INFINITY))
    assert ask("second").choices
    assert ask("third").choices
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    ask("fourth")
""")
    assert printed.count("calls could not be logged") == 1
    lines = (tmp_path / "calls.log").read_text(encoding="utf-8").splitlines()
    good = [json.loads(line)["prompt"] for line in lines if line.endswith("}")]
    assert good == ["first", "fourth"]


def test_a_redaction_of_the_users_own_and_one_that_fails(application: RunApplication, tmp_path: Path) -> None:
    application(f"""{ASKING}
def mask(text):
    return text.replace("Ada", "[name]")
def broken(text):
    raise RuntimeError("no")
with pytest_llmlog.capture("masked.log", redact=mask):
    ask("I am Ada")
with pytest_llmlog.capture("broken.log", redact=broken):
    assert ask("I am Ada").choices
""")
    assert "Ada" not in (tmp_path / "masked.log").read_text()
    assert "[name]" in (tmp_path / "masked.log").read_text()
    assert (tmp_path / "broken.log").read_text() == ""


def test_long_records_are_truncated_and_odd_text_is_written(application: RunApplication, tmp_path: Path, server: StandIn) -> None:
    body = '{"id":"c","object":"chat.completion","created":1,"model":"gpt-4o","choices":[{"index":0,"message":{"role":"assistant","content":"\\ud800 odd"},"finish_reason":"stop"}],"x":NaN}'
    server.push(Reply(200, body))
    application(f"""{ASKING}
with pytest_llmlog.capture("calls.log"):
    assert ask("odd").choices[0].message.content.endswith(" odd")
    ask("long " * 100_000)
""")
    odd, long = _records(tmp_path / "calls.log")
    assert odd["response"].endswith(" odd")
    lines = (tmp_path / "calls.log").read_bytes().splitlines()
    assert len(lines[1]) < 256 * 1024
    assert long["truncated"]["prompt"] > 500_000
    assert long["prompt"].startswith("long long")


def test_an_application_under_test_keeps_its_own_log(suite: Suite) -> None:
    suite.write(
        test_it=f"{ASK}\nimport pytest_llmlog\ndef test_it(llmlog):\n    with pytest_llmlog.capture('own.log'):\n        ask('hi')\n    assert len(llmlog) == 1\n"
    )
    suite.run("--llmlog-mode=record").assert_outcomes(passed=1)
    suite.replay_offline().assert_outcomes(passed=1)
    assert [record["source"] for record in _records(suite.path / "own.log")] == ["live", "replay"]
    assert len(suite.records()) == 2


INERT = """
import sys
def test_it(request):
    assert not [name for name in sys.modules if name.startswith("pytest_llmlog.") and name.split(".")[1] not in ("plugin", "options")]
    assert not [name for name in ("msgspec", "jsonschema", "deepdiff", "genai_prices", "wrapt", "httpx", "httpx2", "openai") if name in sys.modules]
"""


def test_without_the_switch_the_plugin_is_inert(suite: Suite) -> None:
    suite.write(test_it=INERT)
    result = suite.pytester.runpytest_subprocess(
        "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:anyio", "--strict-markers"
    )
    result.assert_outcomes(passed=1)
    assert not suite.log.parent.exists()
    assert "llmlog:" not in result.stdout.str()


def test_without_the_switch_the_fixture_skips_where_the_log_is_read(suite: Suite) -> None:
    suite.write(
        test_it=f"{ASK}\n@pytest.mark.llmlog\ndef test_it(llmlog):\n    with llmlog.context(prompt_template='t'):\n        assert ask('hi')\n    assert llmlog.tokens\n"
    )
    suite.run("--version")  # sets the environment
    result = suite.pytester.runpytest_subprocess("-p", "no:cacheprovider", "-rs", "--strict-markers")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*run it with --llmlog*"])


@pytest.mark.parametrize(
    "statement", ["import pytest_llmlog", "from pytest_llmlog import capture, context, render, Interaction, Usage, Calls"]
)
def test_importing_the_package_imports_no_http_client_and_no_pytest(statement: str, application: RunApplication) -> None:
    application(
        f"import sys\n{statement}\nassert not {{'httpx', 'httpx2', 'openai', 'pytest', '_pytest', 'deepdiff'}} & set(sys.modules)"
    )
    assert sys.version_info >= (3, 10)


def test_what_is_under_way_when_the_block_ends_is_no_success(application: RunApplication, server: StandIn, tmp_path: Path) -> None:
    server.push(Reply(delay=3.0), Reply(events=EVENTS, pause=0.01))
    application(f"""{ASKING}
with pytest_llmlog.capture("waiting.log"):
    thread = threading.Thread(target=ask, args=["late"])
    thread.start()
    while not __import__("pytest_llmlog.intercept.running", fromlist=["x"]).captures.current().open_calls:
        time.sleep(0.01)
thread.join()
with pytest_llmlog.capture("streaming.log"):
    stream = ask("later", stream=True)
    next(stream)
list(stream)
""")
    for name in ("waiting.log", "streaming.log"):
        (record,) = _records(tmp_path / name)
        assert (record["status"], record["error_type"]) == ("failure", "Unfinished")
        assert "over before the answer" in record["error"]


EVENTS: list[str | dict[str, Any]] = [
    {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o", "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]}
    for word in ("One ", "two ", "three ")
]  # fmt: skip


def test_an_error_inside_a_stream_is_the_reason_and_what_came_before_is_kept(
    application: RunApplication, server: StandIn, tmp_path: Path
) -> None:
    server.push(Reply(events=[EVENTS[0], {"error": {"message": "server exploded", "type": "server_error", "code": "boom"}}]))
    application(f"""{ASKING}
with pytest_llmlog.capture("calls.log"):
    try:
        list(ask("why", stream=True))
    except openai.APIError as error:
        assert "server exploded" in str(error)
""")
    (record,) = _records(tmp_path / "calls.log")
    assert (record["status"], record["error"], record["error_type"]) == ("failure", "server exploded", "server_error")
    assert (record["error_code"], record["response"]) == ("boom", "One ")


def test_a_relative_log_stays_where_it_was_opened(application: RunApplication, tmp_path: Path) -> None:
    application(f"""{ASKING}
with pytest_llmlog.capture("calls.log"):
    ask("one")
    os.mkdir("elsewhere")
    os.chdir("elsewhere")
    ask("two")
""")
    assert [record["prompt"] for record in _records(tmp_path / "calls.log")] == ["one", "two"]
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_credentials_in_addresses_inside_a_body_and_keys_of_letters_stay_off_the_disk(
    application: RunApplication, server: StandIn, tmp_path: Path
) -> None:
    key = "abcdefghijklmnopqrstuvwxyzabcdefghijklmn"
    server.push(Reply(401, {"error": {"message": f"Incorrect API key provided: {key}"}}))
    application(
        f"""{ASKING}
with pytest_llmlog.capture("calls.log", wire=True):
    try:
        ask([{{"type": "text", "text": "my password and token are in {key}, see https://host:8080/a@b?page=2"}},
             {{"type": "image_url", "image_url": {{"url": "https://u:pw123456!@x.y/i.png?sv=1&sig=SECRETSIG12345&se=2"}}}}])
    except openai.AuthenticationError:
        pass
""",
        OPENAI_API_KEY=key,
    )
    text = (tmp_path / "calls.log").read_text()
    (record,) = _records(tmp_path / "calls.log")
    assert not [secret for secret in (key, "pw123456", "SECRETSIG") if secret in text]
    assert record["messages"][0]["parts"][1]["uri"] == "https://[REDACTED]@x.y/i.png?sv=1&sig=[REDACTED]&se=2"
    assert record["prompt"].startswith("my password and token are in [REDACTED], see https://host:8080/a@b?page=2")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [("fsync='sometimes'", ValueError), ("redact=5", TypeError), ("keep=-1", ValueError)],
)
def test_an_argument_that_cannot_be_used_is_named(tmp_path: Path, arguments: str, error: type[Exception]) -> None:
    import pytest_llmlog

    name, value = arguments.split("=")
    with pytest.raises(error, match=name), pytest_llmlog.capture(tmp_path / "log", **{name: eval(value)}):
        pass
    assert not (tmp_path / "log").exists()


def test_what_context_is_given_is_text_or_an_error(application: RunApplication, tmp_path: Path) -> None:
    application(f"""{ASKING}
with pytest_llmlog.capture("calls.log", session_id=7) as calls:
    with pytest_llmlog.context(prompt_template=7, template_version=2, input={{"a": 5}}):
        ask("one")
    for wrong in (5, ["a"]):
        try:
            with pytest_llmlog.context(input=wrong):
                raise AssertionError("taken")
        except TypeError as error:
            assert "input" in str(error)
    assert (calls[0].prompt_template, calls[0].template_version, calls[0].input, calls[0].session_id) == ("7", "2", {{"a": 5}}, "7")
""")
    assert len(_records(tmp_path / "calls.log")) == 1


def test_a_cassette_goes_on_answering_when_a_block_inside_of_it_has_ended(
    application: RunApplication, server: StandIn, tmp_path: Path
) -> None:
    application("""
import asyncio, os, pytest_llmlog
import aiohttp, httpx

URL = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
HEADERS = {"authorization": "Bearer sk-standin"}

async def ask_async():
    async with httpx.AsyncClient() as client:
        await client.post(URL, json=BODY, headers=HEADERS)
    async with aiohttp.ClientSession() as session, session.post(URL, json=BODY, headers=HEADERS) as response:
        await response.read()

def ask():
    httpx.post(URL, json=BODY, headers=HEADERS)
    asyncio.run(ask_async())

with pytest_llmlog.capture("first.log"):
    import vcr  # which keeps what it finds now
    with vcr.use_cassette("kept.yaml", allow_playback_repeats=True):
        ask()
with vcr.use_cassette("kept.yaml", record_mode="none", allow_playback_repeats=True) as cassette:
    with pytest_llmlog.capture("second.log"):
        ask()
    ask()
    assert cassette.play_count == 6
""")
    assert len(server.requests) in (1, 3)  # when recorded: vcrpy from 9 on repeats an answer within the run that records it
    for name in ("first.log", "second.log"):
        assert len(_records(tmp_path / name)) == 3
