"""Nothing that is secret reaches the disk: keys in every place of a call, content policies, modes of files."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from conftest import RunApplication, Suite
from openai_standin import Reply
from pytest_llmlog import validation

KEY = "sk-proj-" + "Ab3" * 14
MASK = "[REDACTED]"

ASK = """
import openai, os

def ask(text, **more):
    return openai.OpenAI(max_retries=0).chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": text}], **more)
"""


def everything(suite: Suite) -> str:
    """All that stands in files of ours, and in their names."""
    files = [path for folder in (".llmlog", "goldens") for path in (suite.path / folder).rglob("*")]
    return "\n".join([*map(str, files), *(path.read_text("utf-8", "surrogateescape") for path in files if path.is_file())])


def chunk(text: str) -> dict[str, object]:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o", "choices": [choice]}


@pytest.mark.parametrize("cut", [4, 20, 40])
def test_a_key_over_two_events_of_a_stream(suite: Suite, cut: int) -> None:
    assert suite.server is not None
    suite.server.push(Reply(events=[chunk("It is "), chunk(KEY[:cut]), chunk(KEY[cut:] + ", yes"), "[DONE]"]))
    suite.write(
        test_it=f"""{ASK}
def test_it(llmlog):
    got = "".join(part.choices[0].delta.content for part in ask("which key?", stream=True))
    assert got in ("It is {KEY}, yes", "It is {MASK}, yes"), got
    assert llmlog[0].response == "It is {MASK}, yes"
    assert llmlog[0].redacted == 1
"""
    )
    suite.run("--llmlog-wire").assert_outcomes(passed=1)
    assert KEY[8:15] not in everything(suite)
    suite.replay_offline().assert_outcomes(passed=1)


def test_every_place_of_a_call(suite: Suite) -> None:
    secret = "v4lue-of-it-0123"
    suite.write(
        test_it=f"""{ASK}
import base64, httpx2, pytest
from pytest_llmlog import context

KEY, SECRET = {KEY!r}, {secret!r}

def test_error():
    with pytest.raises(openai.AuthenticationError):
        ask("fail")

def test_prompt_and_answer():
    ask(f"the key is {{KEY}} and {{SECRET}}, the words password and token stay")

def test_base64():
    hidden = base64.b64encode(f"my key: {{KEY}} and {{SECRET}}".encode()).decode()
    ask([{{"type": "text", "text": "see"}}, {{"type": "image_url", "image_url": {{"url": f"data:image/png;base64,{{hidden}}"}}}}])

def test_multipart():
    openai.OpenAI().audio.transcriptions.create(model="whisper-1", file=("a.wav", b"RIFF\\x00\\xff" + KEY.encode()), prompt=SECRET)

def test_url_and_headers():
    base = os.environ["OPENAI_BASE_URL"].replace("://", f"://me:{{SECRET}}@")
    client = openai.OpenAI(base_url=base, default_query={{"api_key": KEY, "a": "1"}}, default_headers={{"cookie": f"s={{KEY}}"}})
    client.chat.completions.create(model="gpt-4o", messages=[{{"role": "user", "content": "x"}}])

def test_context():
    with context(input=f"in {{KEY}}", labels={{"a": SECRET}}):
        ask("context")
"""
    )
    assert suite.server is not None
    suite.server.push(
        Reply(status=401, body={"error": {"message": f"Incorrect API key: {KEY} or {secret}", "type": "x", "code": "y"}})
    )
    result = suite.run("--llmlog-wire", MY_API_KEY=secret)
    result.assert_outcomes(passed=6)
    found = everything(suite)
    assert KEY[8:20] not in found
    assert secret not in found
    assert "the words password and token stay" in found
    assert f"Incorrect API key: {MASK} or {MASK}" in found


def test_a_key_in_the_name_of_a_test(suite: Suite) -> None:
    suite.write(test_it=f"{ASK}\nimport pytest\n@pytest.mark.parametrize('text', ['{KEY}'])\ndef test_id(text):\n    ask('x')\n")
    result = suite.run()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*not saved: it holds what looks like a credential*"])
    assert suite.records()[0]["test_id"] == f"test_it.py::test_id[{MASK}]"
    assert KEY not in everything(suite)
    suite.run("--llmlog-mode=record", "-p", "no:terminal")
    assert KEY not in everything(suite)


def test_a_credential_of_the_environment_in_the_name_of_a_test(suite: Suite) -> None:
    secret = "my-env-secret-77"
    suite.write(test_it=f"{ASK}\nimport pytest\n@pytest.mark.parametrize('text', ['{secret}'])\ndef test_id(text):\n    ask('x')\n")
    result = suite.run("-p", "no:cacheprovider", MY_API_KEY=secret)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*not saved: it holds what looks like a credential, in its test's name*"])
    assert secret not in everything(suite)


@pytest.mark.parametrize("content", ["hash", "none"])
def test_a_log_without_content(suite: Suite, content: str) -> None:
    suite.ini(f"llmlog_content = {content}")
    suite.write(
        test_it=f"""{ASK}
from pytest_llmlog import context
def test_it(llmlog):
    with context(input={{"word": "Confidential"}}):
        ask("Confidential question", tools=[{{"type": "function", "function": {{"name": "look_up", "parameters": {{"type": "object",
            "properties": {{"word": {{"type": "string"}}}}}}}}}}])
    assert llmlog[0].prompt == "Confidential question"
    assert llmlog[0].tool_calls[0].arguments == {{"word": "Confidential question"}}

def test_fails(llmlog):
    ask("Confidential too")
    llmlog.check(max_tokens=1)
"""
    )
    for arguments in ([], ["--llmlog-mode=replay"]):
        suite.run(*arguments)
    records = suite.records()
    assert len(records) >= 3
    private = "\n".join(path.read_text() for path in (suite.path / ".llmlog").rglob("*") if path.is_file())
    assert "onfidential" not in private
    assert "Confidential question" in json.dumps(suite.goldens())
    expected = "blake2b:" if content == "hash" else ""
    assert all(record["prompt"].startswith(expected) and len(record["prompt"]) == (40 if expected else 0) for record in records)
    live, replayed = records[0], next(record for record in records[1:] if record["prompt_hash"] == records[0]["prompt_hash"])
    assert live["prompt"] == replayed["prompt"]
    assert live["tool_calls"][0]["name"] == "look_up"
    assert live["tokens"] and live["latency_seconds"] is not None
    assert all(validation.is_valid(record) for record in records)


def test_an_unknown_content_policy_is_a_usage_error(suite: Suite) -> None:
    suite.ini("llmlog_content = some")
    suite.write(test_it=f"{ASK}\ndef test_it(): ask('x')")
    result = suite.run()
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*llmlog_content*some*full*hash*none*"])


def test_a_key_that_a_step_of_the_users_brings_in_is_masked(suite: Suite) -> None:
    suite.ini("llmlog_redact = own:step")
    step = f"def step(text):\n    return text.replace('put it here', {KEY!r})\n"
    suite.write(own=step, test_it=f"{ASK}\ndef test_it():\n    ask('put it here')\n")
    suite.run("--llmlog-mode=record").assert_outcomes(passed=1)
    assert KEY not in everything(suite)
    assert suite.records()[0]["prompt"] == MASK


def test_a_key_that_it_brings_in_where_no_record_looks_keeps_the_golden_back(suite: Suite) -> None:
    assert suite.server is not None
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o", "unread": "put it here", "choices": []}
    suite.server.push(Reply(body=body))
    suite.ini("llmlog_redact = own:step")
    step = f"def step(text):\n    return text.replace('put it here', {KEY!r})\n"
    suite.write(own=step, test_it=f"{ASK}\ndef test_it():\n    ask('x')\n")
    result = suite.run("--llmlog-mode=record")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*not saved: it holds what looks like a credential*"])
    assert [path.name for path in (suite.path / "goldens").rglob("*.json*")] == []


def test_a_step_of_the_users_that_raises_stops_the_write_and_not_the_call(suite: Suite) -> None:
    suite.ini("llmlog_redact = mine:step")
    suite.write(
        mine="def step(text):\n    if 'poison' in text: raise RuntimeError('own step')\n    return text",
        test_it=f"""{ASK}
def test_one():
    assert ask("poison").choices[0].message.content
def test_two():
    assert ask("poison again").choices[0].message.content
def test_three():
    assert ask("fine").choices[0].message.content
""",
    )
    result = suite.run("--llmlog-mode=live")
    result.assert_outcomes(passed=3)
    assert [record["prompt"] for record in suite.records()] == ["fine"]
    assert result.stdout.str().count("the redaction step of your own raised RuntimeError (mine.py:2)") == 1
    assert "poison" not in everything(suite)


@pytest.mark.parametrize("end", ["sys.exit(3)", "pytest.fail(text)", "raise GeneratorExit"])
def test_a_step_of_the_users_that_would_end_the_program_stops_the_write_alone(suite: Suite, end: str) -> None:
    suite.ini("llmlog_redact = mine:step")
    suite.write(
        mine=f"import sys, pytest\ndef step(text):\n    {end}", test_it=f"{ASK}\ndef test_it():\n    assert ask('private words')\n"
    )
    result = suite.run("--llmlog-mode=live")
    result.assert_outcomes(passed=1)
    assert result.ret == 0
    assert suite.records() == []
    assert "private words" not in result.stdout.str()


def test_a_step_of_the_users_that_raises_while_replaying(suite: Suite) -> None:
    suite.write(mine="def step(text):\n    raise RuntimeError('own step')", test_it=f"{ASK}\ndef test_it():\n    assert ask('x')")
    suite.run().assert_outcomes(passed=1)
    suite.ini("llmlog_redact = mine:step", "llmlog_templates = *.txt")
    (suite.path / "a.txt").write_text("{word}")
    result = suite.run("--llmlog-mode=replay")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*step of your own raised RuntimeError (mine.py:2)*"])


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o277])
def test_files_are_their_owners_alone_whatever_the_umask(suite: Suite, umask: int) -> None:
    suite.write(conftest=f"import os\nos.umask({umask})", test_it=f"{ASK}\ndef test_it():\n    assert ask('x')")
    suite.run("--llmlog-mode=live").assert_outcomes(passed=1)
    ours = suite.path / ".llmlog"
    modes = {path.relative_to(suite.path).parts[-1]: stat.S_IMODE(path.stat().st_mode) for path in (ours, *ours.rglob("*"))}
    summary = next(name for name in modes if name.endswith(".json"))
    assert modes == {".llmlog": 0o700, "runs": 0o700, ".gitignore": 0o600, "llm_interactions.log": 0o600, summary: 0o600}


def test_an_application_can_keep_content_out_of_its_log(application: RunApplication, tmp_path: Path) -> None:
    application(
        """
import os
os.umask(0)
import openai
from pytest_llmlog import capture
with capture("deep/app.log", content="hash") as calls:
    openai.OpenAI().chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Confidential"}])
assert calls[0].prompt == "Confidential"
"""
    )
    text = (tmp_path / "deep" / "app.log").read_text()
    assert "Confidential" not in text
    assert '"prompt":"blake2b:' in text
    assert stat.S_IMODE((tmp_path / "deep" / "app.log").stat().st_mode) == 0o600
