"""Conditions: what they mean, and where a bad one goes wrong."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pytest_llmlog.query import rows
from pytest_llmlog.query.where import WhereError, parse, predicate


def holds(condition: str, **cells: Any) -> bool:
    row = SimpleNamespace(**{"timestamp": "2026-02-25T06:13:20.000Z", "status": "success", "usage": None, **cells})
    return predicate(parse(condition), rows.getter)(row)


@pytest.mark.parametrize(
    ("condition", "cells", "expected"),
    [
        ("status = success", {}, True),
        ("status == 'success'", {}, True),
        ("status != success", {}, False),
        ("latency > 3s", {"latency_seconds": 3.1}, True),
        ("latency > 500ms", {"latency_seconds": 0.4}, False),
        ("latency >= 2min", {"latency_seconds": 120.0}, True),
        ("tokens < 2k", {"tokens": 1999}, True),
        ("input_tokens = 5", {"usage": SimpleNamespace(input=5)}, True),
        ("input_tokens = 5", {}, False),
        ("cost_usd > $0.05", {"cost_usd": 0.06}, True),
        ("model like 'gpt-4%'", {"model": "gpt-4o"}, True),
        ("model like 'gpt_4o'", {"model": "gpt-4o"}, True),
        ("model like gpt", {"model": "gpt-4o"}, False),
        ("model not like 'gpt-4%'", {"model": "gpt-4o"}, False),
        ("prompt contains 'a.b'", {"prompt": "xa.by"}, True),
        ("prompt contains 'a.b'", {"prompt": "xaxby"}, False),
        ("prompt like 'a%z'", {"prompt": "a\nz"}, True),
        ("model in (gpt-4o, 'o 1')", {"model": "o 1"}, True),
        ("model not in (gpt-4o)", {"model": "o1"}, True),
        ("model in (gpt-4o, null)", {"model": None}, True),
        ("stream = true", {"stream": True}, True),
        ("finish_reasons contains length", {"finish_reasons": ["stop", None, "length"]}, True),
        ("day = 2026-02-25", {}, True),
        ("failures = 0 and calls = 1", {}, True),
        ("not status = failure or status = failure", {}, True),
        ("not (status = failure or status = success)", {}, False),
        ("not not status = success", {}, True),
        ("status = failure or status = success and tokens = 1", {"tokens": 2}, False),
        ("labels.team = it", {"labels": {"team": "it"}}, True),
        ("labels.a.b-c = 2", {"labels": {"a.b-c": 2}}, True),
        ("labels.\"team name\" like 'i%'", {"labels": {"team name": "it"}}, True),
        ("labels.urgent = true and labels.none = null", {"labels": {"urgent": True, "none": None}}, True),
        ("labels.team = it", {"labels": None}, False),
        # what a call does not tell
        ("tokens > 5", {"tokens": None}, False),
        ("not tokens > 5", {"tokens": None}, True),
        ("tokens != 5", {"tokens": None}, True),
        ("tokens = null", {"tokens": None}, True),
        ("tokens is not null", {"tokens": None}, False),
        ("model like '%'", {"model": None}, False),
    ],
)
def test_a_condition_holds_or_does_not(condition: str, cells: dict[str, Any], expected: bool) -> None:
    assert holds(condition, **cells) is expected


@pytest.mark.parametrize(
    ("condition", "place", "reason"),
    [
        ("", 0, "ends too early"),
        ("latency >", 9, "ends too early"),
        ("latncy > 3", 0, "'latncy' is no field"),
        ("labels = it", 0, "'labels' is no field of a record; there are timestamp"),
        ("status = success and labels. = it", 21, "expected the name of a label"),
        ("labels. 'team' = it", 0, "expected the name of a label"),
        ("latency > fast", 10, "latency_seconds is a number (with s, ms, us, m, min, h), not 'fast'"),
        ("status = 'failure", 9, "the quotation does not end"),
        ("(status = failure", 17, "expected ')'"),
        ("status = failure)", 16, "expected and, or, or the end"),
        ("status failure", 7, "expected =, !=,"),
        ("status = and", 9, "expected a value of status"),
        ("tokens like '5%'", 7, "tokens is no text"),
        ("tokens > null", 9, "nothing is more or less than null"),
        ("stream = 1", 9, "stream is true or false"),
        ("stream > true", 7, "stream is true or false"),
        ("model not = a", 10, "expected in, like or contains behind not"),
        ("status = failure; drop table x", 18, "expected and, or, or the end"),
        ("status = !", 9, "'!' means nothing here"),
    ],
)
def test_a_bad_condition_shows_the_place(condition: str, place: int, reason: str) -> None:
    with pytest.raises(WhereError) as caught:
        parse(condition)

    shown, line, mark = str(caught.value).splitlines()
    assert reason in shown
    assert line == f"  {condition}"
    assert mark.index("^") == place + 2 == caught.value.place + 2
