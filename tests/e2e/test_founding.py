"""The founding example, field for field, and its failure twin; from an application and from a test."""

from __future__ import annotations

import json
from pathlib import Path

from conftest import RunApplication, Suite
from openai_standin import Reply, StandIn

QUESTION = "How do LLMs differ from traditional ML?"

APPLICATION = (
    """
import sys
import openai, pytest_llmlog

with pytest_llmlog.capture("llm_interactions.log", session_id="session-1") as calls:
    prompt = pytest_llmlog.render("basic_question", "Answer the following question: {user_input}", user_input=%r)
    try:
        openai.OpenAI(max_retries=0).chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": prompt}])
    except openai.APIError as error:
        print(type(error).__name__)
    assert len(calls) == 1
assert "pytest" not in sys.modules and "_pytest" not in sys.modules
"""
    % QUESTION
)


def _record(path: Path) -> dict[str, object]:
    record: dict[str, object] = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
    return record


def test_the_founding_example(application: RunApplication, tmp_path: Path) -> None:
    (tmp_path / "llm_interactions.log").write_text("earlier\n")
    application(APPLICATION)
    lines = (tmp_path / "llm_interactions.log").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "earlier"
    assert len(lines) == 2
    record = json.loads(lines[1])
    assert next(iter(record)) == "timestamp"
    assert record["session_id"] == "session-1"
    assert record["prompt_template"] == "basic_question"
    assert record["input"] == QUESTION
    assert record["prompt"] == f"Answer the following question: {QUESTION}"
    assert record["response"].startswith("LLMs learn general patterns")
    assert record["tokens"] == 78
    assert 0 < record["latency_seconds"] < 10
    assert record["status"] == "success"
    assert "error" not in record


def test_its_failure_twin(application: RunApplication, tmp_path: Path, server: StandIn) -> None:
    server.push(
        Reply(429, {"error": {"message": "Rate limit reached for gpt-4o", "type": "tokens", "code": "rate_limit_exceeded"}})
    )
    assert "RateLimitError" in application(APPLICATION)
    record = _record(tmp_path / "llm_interactions.log")
    assert record["prompt_template"] == "basic_question"
    assert record["input"] == QUESTION
    assert record["response"] is None
    assert record["tokens"] is None
    assert record["status"] == "failure"
    assert record["error"] == "Rate limit reached for gpt-4o"


SUITE = """
import openai, pytest, pytest_llmlog

def ask(prompt):
    return openai.OpenAI().chat.completions.create(model="gpt-4o", messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": prompt}])

def test_said(llmlog):
    with llmlog.context(prompt_template="greeting", input={"name": "Ada"}, session_id="s-1", labels={"a": 1}, template_version="v2"):
        with pytest_llmlog.context(labels={"b": 2}):
            ask("Hello Ada")
    ask("Bye")
    first, second = llmlog
    assert (first.prompt_template, first.input, first.session_id, first.labels, first.template_version) == ("greeting", {"name": "Ada"}, "s-1", {"a": 1, "b": 2}, "v2")
    assert (second.prompt_template, second.input, second.labels) == (None, None, {})
    assert second.session_id == "test_it.py::test_said"

def test_left_before_the_stream_is_read(llmlog):
    with llmlog.context(prompt_template="streamed"):
        stream = openai.OpenAI().chat.completions.create(model="gpt-4o", stream=True, messages=[{"role": "user", "content": "Go"}])
    assert list(stream)
    assert llmlog[-1].prompt_template == "streamed"

def test_a_template_rendered_later_is_not_of_an_earlier_call(llmlog):
    ask(llmlog.render("first", "Say {word} twice.", word="so"))
    llmlog.render("second", "Say {word} twice.", word="so")
    assert llmlog[-1].prompt_template == "first"

def test_rendered(llmlog):
    ask(llmlog.render("two", "From {a} to {b}.", a="Ulm", b="Bonn"))
    assert (llmlog[-1].prompt_template, llmlog[-1].input) == ("two", {"a": "Ulm", "b": "Bonn"})

def test_recognised(llmlog):
    ask("Summarise this text in one line:\\nA long\\nstory.\\n")
    assert (llmlog[-1].prompt_template, llmlog[-1].input) == ("summary", "A long\\nstory.")
    assert len(llmlog[-1].template_hash) == 32
"""


def test_templates_are_said_rendered_or_recognised_recording_and_replaying(suite: Suite) -> None:
    suite.ini("llmlog_templates = prompts/*.txt")
    (suite.path / "prompts").mkdir()
    (suite.path / "prompts" / "summary.txt").write_text("Summarise this text in one line:\n{text}\n")
    suite.write(test_it=SUITE)
    suite.run().assert_outcomes(passed=5)
    suite.replay_offline().assert_outcomes(passed=5)
