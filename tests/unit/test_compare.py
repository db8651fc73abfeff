"""When two answers are the same, by each policy."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmlog.compare import Policy, Terms, compare, parse_policy, shape
from pytest_llmlog.record import ToolCall
from unit.test_metrics import call

POLICIES = ["exact", "text", "json", "shape", "similar:0.8", "none"]


def same(policy: str, old: str | None, new: str | None, **more: Any) -> bool:
    return compare(call(response=old), call(response=new), Terms(parse_policy(policy), **more)).same


@pytest.mark.parametrize(
    ("old", "new", "under"),
    [
        ("a b", "a b", POLICIES),
        ("a  b\n", "a b", ["text", "similar:0.8", "none"]),
        ('{"a": 1, "b": [1]}', '{"b":[1],"a":1}', ["json", "shape", "none"]),
        ('{"a": 1, "b": [1]}', '{"a": 2.5, "b": [1, 2, 3]}', ["shape", "none"]),
        ('{"a": 1}', '{"a": "1"}', ["similar:0.8", "none"]),
        ("The quick brown fox", "the brown fox, quick: The quick brown fox", ["similar:0.8", "none"]),
        ("not json", "not json either way", ["similar:0.8", "none"]),
        (None, "", POLICIES),
        ("yes", "no", ["none"]),
    ],
)
def test_each_policy(old: str | None, new: str | None, under: list[str]) -> None:
    assert [policy for policy in POLICIES if same(policy, old, new)] == under


def test_ignored_paths_and_the_places_that_differ() -> None:
    old, new = '{"id": 1, "team": {"name": "it"}}', '{"id": 2, "team": {"name": "hr"}}'
    found = compare(call(response=old), call(response=new), Terms(Policy("json"), ("$.id",)))
    assert found.lines == ("team.name:", "  - 'it'", "  + 'hr'")
    assert same("json", old, new, ignore=("$.id", "$.team.name"))
    assert compare(call(response="{"), call(response="[]"), Terms(Policy("json"))).lines[0] == "not JSON:"


def test_tool_calls_count_without_their_ids() -> None:
    def with_calls(*calls: tuple[str, str, Any]) -> Any:
        return call(
            response=None, tool_calls=tuple(ToolCall(id=id, name=name, arguments=arguments) for id, name, arguments in calls)
        )

    one, again, other = with_calls(("1", "add", {"a": 1})), with_calls(("2", "add", {"a": 1})), with_calls(("1", "add", {"a": 2}))
    for policy in POLICIES:
        assert compare(one, again, Terms(parse_policy(policy))).same
    assert [policy for policy in POLICIES if compare(one, other, Terms(parse_policy(policy))).same] == [
        "shape",
        "similar:0.8",
        "none",
    ]
    assert compare(one, other, Terms()).lines == ("tool_calls[0].arguments.a:", "  - 1", "  + 2")


def test_a_failure_is_no_answer() -> None:
    failed = call(response=None, status="failure", error="overloaded")
    assert compare(call(response=None), failed, Terms()).lines == ("- success", "+ failure: overloaded")


def test_the_scorer_is_named() -> None:
    found = compare(call(response="a b c"), call(response="x y z"), Terms(parse_policy("similar:0.5")))
    assert (found.same, found.scorer) == (False, "rapidfuzz.token_set_ratio")
    assert found.score is not None
    assert found.score < 0.5

    def half(old: str, new: str) -> float:
        return 0.5 if (old, new) == ("a", "b") else 0.0

    found = compare(call(response="a"), call(response="b"), Terms(parse_policy("similar:0.5"), scorer=half))
    assert (found.same, found.score, found.scorer) == (True, 0.5, "test_compare.test_the_scorer_is_named.<locals>.half")


@pytest.mark.parametrize(
    "scorer", [lambda old, new: 2, lambda old, new: 1 / 0, lambda old, new: None, lambda old, new: float("nan")]
)
def test_a_scorer_that_does_not_score_is_an_error_that_names_it(scorer: Any) -> None:
    with pytest.raises(ValueError, match=r"the scorer test_compare.<lambda>"):
        compare(call(response="a"), call(response="b"), Terms(parse_policy("similar:0.5"), scorer=scorer))


@pytest.mark.parametrize("text", ["", "same", "similar", "similar:", "similar:2", "similar:x", "similar:nan", "json:1", "EXACT"])
def test_what_is_no_policy_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="expected exact, text, json, shape, similar:X"):
        parse_policy(text)


def test_the_shape_of_a_value() -> None:
    assert shape({"a": [1, 2.5, "x"], "b": None, "c": True, "d": []}) == {
        "a": ["number", "text"],
        "b": "null",
        "c": "boolean",
        "d": [],
    }


@given(st.one_of(st.none(), st.text()))
def test_an_answer_is_the_same_as_itself_under_every_policy(text: str | None) -> None:
    for policy in POLICIES:
        assert same(policy, text, text)
