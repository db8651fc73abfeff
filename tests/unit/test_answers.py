"""What a failed assertion on an answer tells, and what it takes to pass."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_llmlog import answers
from pytest_llmlog.calls import Calls
from pytest_llmlog.compare import Terms
from pytest_llmlog.record import Interaction, ToolCall
from unit.test_metrics import call

TEAM = {"type": "object", "required": ["team"], "properties": {"team": {"enum": ["it", "hr"]}}}


def calls(*made: Interaction, golden: list[Interaction] | None = None) -> Calls:
    return Calls(lambda: [msgspec.json.encode(each) for each in made], lambda: (golden, Terms()))


def failure(assertion: Any, *arguments: Any, **more: Any) -> str:
    with pytest.raises(AssertionError) as caught:
        assertion(*arguments, **more)
    return str(caught.value)


def test_an_answer_holds_to_a_schema_or_the_place_is_named() -> None:
    made = calls(call(response='{"team": "it"}'))
    made.assert_schema(TEAM)
    made.assert_schema(True)
    assert "the answer breaks the schema at $.team: 'it' is not one of ['hr']" in failure(
        made.assert_schema, {"properties": {"team": {"enum": ["hr"]}}}
    )
    assert "the answer is not JSON" in failure(calls(call(response="it")).assert_schema, TEAM)
    assert "'team' is a required property" in failure(calls(call(response="{}"), call()).assert_schema, TEAM, call=0)


def test_references_reach_local_files_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "team.json").write_text(json.dumps({"$defs": {"team": TEAM["properties"]["team"]}}))  # type: ignore[index]
    (tmp_path / "answer.json").write_text(json.dumps({"properties": {"team": {"$ref": "parts/team.json#/$defs/team"}}}))
    for path in (tmp_path / "answer.json", str(tmp_path / "answer.json")):
        calls(call(response='{"team": "it"}')).assert_schema(path)
        assert "at $.team: 'x' is not one of" in failure(calls(call(response='{"team": "x"}')).assert_schema, path)
    monkeypatch.chdir(tmp_path)
    assert "at $.team" in failure(
        calls(call(response='{"team": "x"}')).assert_schema, {"properties": {"team": {"$ref": "parts/team.json#/$defs/team"}}}
    )


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "nothing"}, "the schema is no JSON Schema: .*'nothing' is not valid"),
        ({"$ref": "https://example.com/a.json"}, "the schema: .ref 'https://example.com/a.json' leads nowhere: .*is no local file"),
        ({"$ref": "nowhere.json"}, "leads nowhere: .*No such file.*nowhere.json"),
        ("nowhere.json", "nowhere.json: cannot be read: No such file"),
    ],
)
def test_a_schema_that_is_none_is_named(schema: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        calls(call(response="{}")).assert_schema(schema)


def test_tool_calls() -> None:
    tools = (ToolCall(id="1", name="add", arguments={"a": 1, "b": 2}), ToolCall(id="2", name="stop", arguments={}))
    made = calls(call(tool_calls=tools), call())
    made.assert_tool_call("add")
    made.assert_tool_call("add", {"b": 2, "a": 1})
    made.assert_tool_call("add", lambda arguments: arguments["a"] < 2)
    made.assert_tool_call("stop", {}, call=0)
    assert failure(made.assert_tool_call, "add", {"a": 1, "b": 3}).splitlines() == [
        "no call of the tool add({'a': 1, 'b': 3}); the model asked for 2:", "  add({'a': 1, 'b': 2})", "  stop({})",
        "nearest, - asked for, + expected:", "  b:", "    - 2", "    + 3",
    ]  # fmt: skip
    assert "asked for 0" in failure(made.assert_tool_call, "add", call=1)
    assert failure(made.assert_tool_call, "remove").startswith("no call of the tool remove; the model asked for 2:")


def test_finish_reasons() -> None:
    made = calls(call(finish_reasons=("stop", "length")))
    made.assert_finish_reason("stop", "length")
    assert "finish reasons: 'stop', 'length'; expected 'stop'" in failure(made.assert_finish_reason, "stop")
    assert "none was told" in failure(calls(call()).assert_finish_reason, "stop")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"response_messages": ({"role": "assistant", "parts": [{"type": "refusal", "content": "I will not."}]},)}, "I will not."),
        ({"finish_reasons": ("SAFETY",)}, "SAFETY"),
        ({"response_messages": ({"role": "assistant", "parts": [{"type": "blocked", "blockReason": "OTHER"}]},)}, "OTHER"),
        ({"status": "failure", "error": "The prompt was filtered", "error_code": "content_filter"}, "The prompt was filtered"),
        ({"finish_reasons": ("content_filter",)}, "content_filter"),
        ({"finish_reasons": ("refusal",)}, "refusal"),
    ],
)
def test_refusals(fields: dict[str, Any], words: str) -> None:
    made = calls(call(**fields))
    made.assert_refused()
    assert f"refused: {words!r}" in failure(made.assert_not_refused)
    answered = calls(call(finish_reasons=("stop",)))
    answered.assert_not_refused()
    assert "not refused; the answer: 'Yo'" in failure(answered.assert_refused)


def test_the_golden() -> None:
    before = [call(response="a  b"), call(response="c", prompt="two", request_hash="2" * 32)]
    same = calls(call(response="a b"), call(response="c", prompt="two", request_hash="2" * 32), golden=before)
    same.assert_matches_golden("text")
    assert "call 1: chat m: Hi: provider drift\n    answer (exact):" in failure(same.assert_matches_golden)
    fewer = calls(call(response="a  b"), golden=before)
    assert "missing: chat m: two" in failure(fewer.assert_matches_golden)
    assert "0.00 by test_answers.test_the_golden.<locals>.<lambda>" in failure(
        same.assert_matches_golden, "similar:0.5", scorer=lambda old, new: 0.0
    )
    calls(call()).assert_matches_golden()  # nothing was recorded yet


def test_two_interactions_are_explained_field_by_field() -> None:
    left = call(response="a", request_id="1" * 32, params={"temperature": 0})
    right = call(response="b", request_id="2" * 32, params={"temperature": 1})
    assert answers.explain(left, right) == [
        "two interactions that differ in response, params", "response: 'a' != 'b'", "params: {'temperature': 0} != {'temperature': 1}",
        "and so in request_id",
    ]  # fmt: skip
    assert answers.explain(left, call(response="a", request_id="3" * 32, params={"temperature": 0}))[0].endswith(
        "nothing that tells"
    )
    long = [call(response="word " * 30), call(response="word " * 29 + "end")]
    assert answers.explain(*long)[1] == "response:"
