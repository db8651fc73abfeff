"""Amounts as people write them, figures as calls tell them, limits as both."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_llmlog import budgets
from pytest_llmlog.errors import ConfigError
from pytest_llmlog.metrics import METRICS, Totals, parse_amount, show
from pytest_llmlog.record import Interaction, Usage


def call(**fields: Any) -> Interaction:
    base: dict[str, Any] = {
        "timestamp": "2026-01-01T00:00:00.000Z", "schema_version": 1, "event": "llm.call", "request_id": "0" * 32, "run_id": "r",
        "session_id": "s", "prompt_template": None, "input": None, "prompt": "Hi", "response": "Yo", "tokens": None,
        "latency_seconds": 1.0, "status": "success", "source": "live", "provider": "openai", "operation": "chat", "model": "m",
        "stream": False, "attempt": 1, "prompt_hash": "0" * 32, "request_hash": "0" * 32,
    }  # fmt: skip
    return Interaction(**{**base, **fields})


@pytest.mark.parametrize(
    ("unit", "value", "amount"),
    [
        ("seconds", 3, 3), ("seconds", 0.5, 0.5), ("seconds", "3s", 3), ("seconds", "3 s", 3), ("seconds", "500ms", 0.5),
        ("seconds", "2min", 120), ("seconds", "1.5", 1.5), ("seconds", "0", 0),
        ("tokens", "50k", 50_000), ("tokens", "1.5M", 1_500_000), ("tokens", "1,200", 1200), ("tokens", "1_200", 1200), ("tokens", 7, 7),
        ("usd", "$0.05", 0.05), ("usd", "0.05 usd", 0.05), ("usd", ".5", 0.5), ("usd", 2, 2), ("count", "3", 3),
    ],
)  # fmt: skip
def test_an_amount_is_read(unit: Any, value: Any, amount: float) -> None:
    assert parse_amount(unit, value) == pytest.approx(amount)


@pytest.mark.parametrize(
    ("unit", "value"),
    [
        ("seconds", "50k"), ("seconds", "3 parsecs"), ("seconds", "-1s"), ("seconds", ""), ("seconds", None), ("seconds", True),
        ("tokens", "$5"), ("tokens", "3s"), ("tokens", -1), ("tokens", float("nan")), ("tokens", float("inf")), ("tokens", "many"),
        ("usd", "$5k"), ("usd", "5 eur"), ("usd", [5]), ("count", "3ms"), ("usd", "$"), ("tokens", "٣"),
    ],
)  # fmt: skip
def test_anything_else_is_no_amount(unit: Any, value: Any) -> None:
    with pytest.raises(ValueError, match="expected .* like .*, not "):
        parse_amount(unit, value)


def test_amounts_are_shown_for_a_person() -> None:
    assert [show("seconds", 0.25), show("seconds", 3), show("usd", 0.0731), show("usd", 12), show("tokens", 1204)] == [
        "250 ms", "3.00 s", "$0.0731", "$12.00", "1,204",
    ]  # fmt: skip


def test_calls_come_to_sums_and_greatest_figures() -> None:
    usage = Usage(input=10, output=5, total=15, cached_input=4)
    calls = [
        call(tokens=15, usage=usage, cost_usd=0.5, latency_seconds=1.0, time_to_first_chunk_seconds=0.2),
        call(tokens=15, usage=usage, latency_seconds=3.0),
        call(status="failure", error="no", latency_seconds=None),
    ]
    totals = Totals(calls)
    assert totals.values == {
        "tokens": 30, "input_tokens": 20, "output_tokens": 10, "cached_tokens": 8, "cost_usd": 0.5, "latency": 3.0,
        "total_latency": 4.0, "time_to_first_chunk": 0.2, "calls": 3, "failures": 1,
    }  # fmt: skip
    # A failed call tells nothing, and need not.
    assert totals.unknown == {"reasoning_tokens": 2, "cost_usd": 1, "time_to_first_chunk": 1}
    again = Totals()
    again.merge(Totals(calls[:1]).values, Totals(calls[:1]).unknown)
    again.merge(Totals(calls[1:]).values, Totals(calls[1:]).unknown)
    assert (again.values, again.unknown) == (totals.values, totals.unknown)


def test_what_is_known_counts_and_what_is_not_is_no_violation() -> None:
    calls = [call(tokens=600), call(tokens=None)]
    totals = Totals(calls)

    def judged(maximum: int) -> tuple[list[Any], list[str]]:
        limit = budgets.Limit("tokens", maximum)
        return budgets.check(totals.values, totals.unknown, [limit], source="recorded", spenders=budgets.of_calls(calls))

    (violation,), untold = judged(500)
    assert violation.text.splitlines() == ["llmlog: over budget: tokens 600 > 500 (recorded)", "         600  call 1: chat m: Hi"]
    assert (violation.metric, violation.value, violation.limit, untold) == ("tokens", 600, 500, [])
    violations, (text,) = judged(600)
    assert violations == []
    assert "cannot be judged, 1 calls do not tell it" in text


@pytest.mark.parametrize(
    ("texts", "test", "run"),
    [
        (["tokens:50k", "cost_usd:$1"], {}, {"tokens": 50_000, "cost_usd": 1}),
        (["test.latency:3s", "run.calls:4"], {"latency": 3}, {"calls": 4}),
        (["tokens:1", "tokens:2"], {}, {"tokens": 2}),
    ],
)
def test_expressions_are_for_the_run_or_each_test(texts: list[str], test: Any, run: Any) -> None:
    limits = budgets.of_expressions(texts, "here")
    assert {name: limit.maximum for name, limit in limits.test.items()} == test
    assert {name: limit.maximum for name, limit in limits.run.items()} == run


@pytest.mark.parametrize("text", ["tokens", "token:5", "latency:50k", ":5", "test.:5", "tokens:"])
def test_an_expression_that_cannot_be_read_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match=f"here '{text}'"):
        budgets.of_expressions([text], "here")


def test_every_metric_is_a_keyword() -> None:
    assert {limit.metric for limit in budgets.of_keywords(dict.fromkeys(budgets.KEYWORDS, 1), "m").values()} == set(METRICS)
    for bad in ("tokens", "max_token", "maximum"):
        with pytest.raises(ConfigError, match="there is no such keyword"):
            budgets.of_keywords({bad: 1}, "m")
