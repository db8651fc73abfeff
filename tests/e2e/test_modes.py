"""Modes, goldens and matching, as a developer and a build server meet them."""

from __future__ import annotations

import json

import pytest

from conftest import Suite
from openai_standin import Reply

ASK = """
import openai, os, pytest

def ask(text, **more):
    return openai.OpenAI().chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": text}], **more).choices[0].message.content
"""

ONE = f"{ASK}\ndef test_one(llmlog):\n    assert ask('one two three four five six seven eight nine ten eleven')\n"
CHANGED = ONE.replace("seven", "SEVEN")


def test_auto_records_what_has_no_golden_and_replays_what_has(suite: Suite) -> None:
    suite.write(test_it=ONE)
    first = suite.run()
    first.assert_outcomes(passed=1)
    first.stdout.fnmatch_lines(["*1 call: 1 live*", "*goldens: 1 created*"])
    assert suite.server is not None
    connections = suite.server.connections
    second = suite.run()
    second.assert_outcomes(passed=1)
    second.stdout.fnmatch_lines(["*1 call: 1 replayed*"])
    assert suite.server.connections == connections


@pytest.mark.parametrize("mode", ["auto", "replay"])
def test_a_changed_prompt_fails_with_what_differs(suite: Suite, mode: str) -> None:
    suite.write(test_it=ONE)
    suite.run().assert_outcomes(passed=1)
    assert suite.server is not None
    connections = suite.server.connections
    before = suite.goldens()
    suite.write(test_it=CHANGED)
    result = suite.run(f"--llmlog-mode={mode}")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            f"*not in the golden, and mode {mode} makes no live call*",
            "*request: POST 127.0.0.1/v1/chat/completions (model gpt-4o)*",
            "*goldens/test_it/test_one.json*",
            "*body.messages[[]0[]].content*",
            "*- *six seven eight*",
            "*+ *six SEVEN eight*",
            '*--llmlog-mode=record "test_it.py::test_one"*',
        ]
    )
    assert suite.server.connections == connections
    assert suite.goldens() == before
    assert "APIConnectionError" not in result.stdout.str()


def test_ci_replays_by_default_and_never_writes_goldens(suite: Suite) -> None:
    suite.write(test_it=ONE)
    result = suite.run(CI="true")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*mode replay*", "*there is no golden yet*"])
    assert not suite.goldens()
    assert suite.server is not None
    assert suite.server.connections == 0


def test_record_replaces_after_a_pass_and_leaves_a_pending_file_after_a_failure(suite: Suite) -> None:
    suite.write(test_it=ONE)
    suite.run().assert_outcomes(passed=1)
    before = suite.goldens()["test_one.json"]
    suite.write(test_it=CHANGED.replace("assert", "assert not"))
    suite.run("--llmlog-mode=record").assert_outcomes(failed=1)
    assert suite.goldens()["test_one.json"] == before
    pending = suite.path / "goldens" / "test_it" / "test_one.json.new"
    assert "SEVEN" in json.loads(pending.read_text())["interactions"][0]["prompt"]
    suite.write(test_it=CHANGED)
    result = suite.run("--llmlog-mode=record")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*goldens: 1 updated*"])
    assert "SEVEN" in suite.goldens()["test_one.json"]["interactions"][0]["prompt"]
    assert not pending.exists()


def test_live_calls_compares_and_writes_no_golden(suite: Suite) -> None:
    suite.write(test_it=ONE + "def test_new():\n    ask('something new')\n")
    suite.run("-k", "one").assert_outcomes(passed=1)
    before = suite.goldens()
    assert suite.server is not None
    suite.server.push(lambda received: Reply(200, {**_answer(), "id": "chatcmpl-drift"}))
    result = suite.run("--llmlog-mode=live")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        [
            "*test_one: not as in the baseline golden:",
            "  call 1: chat gpt-4o: one two*: provider drift",
            "*test_new: new: chat gpt-4o: something new*",
        ]
    )
    assert suite.goldens() == before


def _answer() -> dict[str, object]:
    message = {"role": "assistant", "content": "Another answer.", "refusal": None}
    return {
        "object": "chat.completion", "created": 1, "model": "gpt-4o", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }  # fmt: skip


def test_off_leaves_calls_untouched(suite: Suite) -> None:
    suite.write(
        test_it=f"{ASK}\ndef test_it():\n    assert ask('hello')\ndef test_log(llmlog):\n    assert ask('hello')\n    assert llmlog[-1]\n"
    )
    result = suite.run("--llmlog-mode=off", "-rs")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*llmlog is in mode off*"])
    assert not suite.log.exists()
    assert not suite.goldens()


def test_equal_requests_replay_in_recorded_order(suite: Suite) -> None:
    suite.write(
        test_it=f"{ASK}\ndef test_it():\n    heard = [ask('same') for _ in range(3)]\n    assert heard == ['a', 'b', 'c']\n"
    )
    assert suite.server is not None
    for text in "abc":
        reply = _answer()
        reply["choices"][0]["message"]["content"] = text  # type: ignore[index]
        suite.server.push(Reply(200, {**reply, "id": f"chatcmpl-{text}"}))
    suite.run("--llmlog-mode=record").assert_outcomes(passed=1)
    suite.replay_offline().assert_outcomes(passed=1)
    suite.write(test_it=f"{ASK}\ndef test_it():\n    for _ in range(4):\n        ask('same')\n")
    result = suite.replay_offline()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*the golden holds 3 such calls, all replayed already*"])


@pytest.mark.parametrize(("policy", "outcome"), [("fail", "failed"), ("warn", "passed"), ("ignore", "passed")])
def test_a_call_no_longer_made(suite: Suite, policy: str, outcome: str) -> None:
    suite.ini(f"llmlog_unplayed = {policy}")
    suite.write(test_it=f"{ASK}\ndef test_it():\n    ask('first')\n    ask('second')\n")
    suite.run().assert_outcomes(passed=1)
    suite.write(test_it=f"{ASK}\ndef test_it():\n    ask('first')\n")
    result = suite.replay_offline("-v")
    result.assert_outcomes(**{outcome: 1})
    text = result.stdout.str()
    assert ("1 of 2 recorded calls not made" in text) == (policy != "ignore")
    assert ("chat gpt-4o: second" in text) == (policy != "ignore")


def test_a_failing_test_that_makes_fewer_calls_keeps_its_own_failure(suite: Suite) -> None:
    suite.write(test_it=f"{ASK}\ndef test_it():\n    ask('first')\n")
    suite.run().assert_outcomes(passed=1)
    suite.write(test_it=f"{ASK}\ndef test_it():\n    assert 1 == 2\n")
    result = suite.replay_offline()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*assert 1 == 2*"])


def test_swallowing_a_refused_call_does_not_help(suite: Suite) -> None:
    suite.write(test_it=ONE)
    suite.run().assert_outcomes(passed=1)
    swallowing = CHANGED.replace("    assert ask", "    try:\n        ask").replace(
        "eleven')", "eleven')\n    except BaseException:\n        pass"
    )
    suite.write(test_it=swallowing)
    result = suite.replay_offline()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*not in the golden*"])


def test_ignored_paths_do_not_matter_and_are_logged_as_sent(suite: Suite) -> None:
    suite.ini("llmlog_ignore = $.metadata.trace", "    $.messages[0].name")
    source = (
        f"{ASK}\nimport itertools, uuid\ndef test_it():\n    ask('hello', metadata={{'trace': str(uuid.uuid4())}}, store=True)\n"
    )
    suite.write(test_it=source)
    suite.run().assert_outcomes(passed=1)
    suite.replay_offline().assert_outcomes(passed=1)
    live, replay = suite.records()
    assert live["request_hash"] == replay["request_hash"]
    assert live["params"]["metadata"] != replay["params"]["metadata"]


def test_hosts_can_be_added_and_left_out(suite: Suite) -> None:
    suite.write(test_it=ONE)
    suite.ini("llmlog_ignore_hosts = 127.0.0.1")
    suite.run().assert_outcomes(passed=1)
    assert not suite.records()
    suite.ini("llmlog_hosts = 127.0.0.1")
    suite.write(
        test_it="import os, httpx\ndef test_it(llmlog):\n    httpx.get(os.environ['OPENAI_BASE_URL'] + '/models')\n    assert llmlog[-1].operation == 'other'"
    )
    suite.run().assert_outcomes(passed=1)
    suite.replay_offline().assert_outcomes(passed=1)


def test_other_traffic_passes_untouched(suite: Suite) -> None:
    suite.write(
        test_it="""
import importlib, importlib.util, os

def test_it(llmlog):
    clients = [importlib.import_module(name) for name in ("httpx", "httpx2") if importlib.util.find_spec(name)]
    for client in clients:
        assert client.post(os.environ["OPENAI_BASE_URL"] + "/other", json={}).status_code == 401
        # The path is known, the body is not of that API.
        assert client.post(os.environ["OPENAI_BASE_URL"] + "/responses", json={"survey": 1}).status_code == 401
    assert len(llmlog) == 0
"""
    )
    suite.run("--llmlog-mode=replay").assert_outcomes(passed=1)
    assert suite.server is not None
    assert len(suite.server.requests) in (2, 4)


def test_goldens_can_live_elsewhere(suite: Suite) -> None:
    suite.write(test_it=ONE)
    suite.run("--llmlog-golden-dir", "recordings").assert_outcomes(passed=1)
    assert (suite.path / "recordings" / "test_it" / "test_one.json").is_file()
    suite.replay_offline("--llmlog-golden-dir", "recordings").assert_outcomes(passed=1)


def test_the_log_appends_and_can_live_elsewhere_with_wire(suite: Suite) -> None:
    suite.write(test_it=ONE)
    for _ in range(2):
        suite.run("--llmlog-file", "logs/calls.jsonl", "--llmlog-wire").assert_outcomes(passed=1)
    lines = (suite.path / "logs" / "calls.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["source"] for line in lines] == ["live", "replay"]
    assert all(json.loads(line)["wire"]["response"]["status"] == 200 for line in lines)
    assert not suite.log.exists()


def test_the_default_folder_is_private_and_ignored_by_git(suite: Suite) -> None:
    suite.write(test_it=ONE)
    suite.run().assert_outcomes(passed=1)
    assert (suite.log.parent / ".gitignore").read_text() == "*\n"
    assert suite.log.parent.stat().st_mode & 0o777 == 0o700
    assert suite.log.stat().st_mode & 0o777 == 0o600
