"""Relative limits as people write them, and what changed first."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_llmlog import changes, checks
from pytest_llmlog.errors import ConfigError
from unit.test_metrics import call


@pytest.mark.parametrize(
    ("text", "percent", "amount"),
    [
        ("latency:25%+250ms", 0.25, 0.25), ("latency:25 % + 250 ms", 0.25, 0.25), ("input_tokens:0", 0, 0),
        ("output_tokens:50%+50", 0.5, 50), ("output_tokens:50%", 0.5, 0), ("output_tokens:1k", 0, 1000), ("cost_usd:10%+$0.01", 0.1, 0.01),
        ("latency:12.5%", 0.125, 0), ("calls:0", 0, 0),
    ],
)  # fmt: skip
def test_an_expression(text: str, percent: float, amount: float) -> None:
    (check,) = checks.of_expressions([text], "here", fails=True).values()
    assert check.threshold is not None
    assert (check.threshold.percent, check.threshold.amount) == pytest.approx((percent, amount))


def test_response_has_no_threshold_and_a_marker_may_leave_it() -> None:
    assert checks.of_expressions(["response"], "here", fails=False)["response"] == checks.Check("response", None, False)
    found = checks.of_mapping({"response": True, "input_tokens": 0, "calls": "2"}, "there")
    assert list(found) == ["response", "input_tokens", "calls"]
    assert checks.of_mapping({"response": False}, "there") == {}


@pytest.mark.parametrize(
    "text",
    ["latency", "latency:", "latency:25", "speed:5", "latency:25%250ms", "latency:+5s", "latency:25%+", "input_tokens:5s", "response:5", ":", "latency:-5%"],
)  # fmt: skip
def test_what_cannot_be_read_is_named(text: str) -> None:
    if text == "latency:25":  # seconds, without a unit
        assert checks.of_expressions([text], "here", fails=True)["latency"].allowed() == "25.00 s"
        return
    with pytest.raises(ConfigError, match="here '"):
        checks.of_expressions([text], "here", fails=True)


def test_a_mapping_is_wanted() -> None:
    with pytest.raises(ConfigError, match="expected a mapping"):
        checks.of_mapping("latency:5%", "there")


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({"prompt_template": "b", "prompt_hash": "1" * 32}, "template"),
        ({"template_hash": "b", "prompt_hash": "1" * 32}, "template"),
        ({"input": "b", "prompt_hash": "1" * 32}, "input"),
        ({"prompt_hash": "1" * 32, "model": "n"}, "prompt"),
        ({"params": {"temperature": 1}, "tools": ("a",)}, "parameters"),
        ({"tools": ("a",), "model": "n"}, "tools"),
        ({"model": "n"}, "model"),
        ({"response": "other"}, "provider drift"),
    ],
)
def test_what_changed_first(changed: dict[str, Any], cause: str) -> None:
    assert changes.cause(call(), call(**changed)) == cause


def hashed(*names: str, **more: Any) -> list[Any]:
    return [call(request_hash=name * 32, prompt=name, **more) for name in names]


def test_calls_are_paired_by_request_then_by_order() -> None:
    def paired(before: list[Any], now: list[Any]) -> list[tuple[str | None, str | None]]:
        return [(old and old.prompt, new and new.prompt) for old, new in changes.pairs(before, now)]

    assert paired(hashed("a", "b"), hashed("b", "a")) == [("b", "b"), ("a", "a")]
    assert paired(hashed("a", "b", "c"), hashed("a", "d", "c")) == [("a", "a"), ("b", "d"), ("c", "c")]
    assert paired(hashed("a", "a"), hashed("a")) == [("a", "a"), ("a", None)]
    assert paired(hashed("a"), hashed("a", "a")) == [("a", "a"), (None, "a")]
    assert paired(hashed("a", operation="chat"), hashed("b", operation="embeddings")) == [(None, "b"), ("a", None)]
    assert changes.reordered(hashed("a", "b"), hashed("b", "a"))
    assert not changes.reordered(hashed("a", "b"), hashed("a", "c"))


def test_a_change_shows_what_it_is() -> None:
    (found,) = changes.requests([call(params={"temperature": 0})], [call(params={"temperature": 1})])
    assert found.text().splitlines() == ["call 1: chat m: Hi: parameters changed", "  temperature:", "    - 0", "    + 1"]
    assert [entry.text() for entry in changes.requests([], [call()])] == ["new: call 1: chat m: Hi"]
    assert [entry.text() for entry in changes.requests([call()], [])] == ["missing: chat m: Hi"]
