"""Values to JSON text, whatever they are."""

from __future__ import annotations

import json
import math
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pytest_llmlog import encode
from pytest_llmlog.record import ToolCall, Usage


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def cyclic() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("é🙂\u2028", "é🙂\u2028"),
        ("a\nb\r\n\0", "a\nb\r\n\0"),
        (math.nan, None),
        (math.inf, None),
        ([1.5, -math.inf], [1.5, None]),
        ({1: "a", None: "b"}, {"1": "a", "None": "b"}),
        ((1, 2), [1, 2]),
        (Path("a/b"), str(Path("a/b"))),
        (2**63, 2**63),
        (None, None),
        (ToolCall(name="f", arguments={"a": 1}), {"id": None, "name": "f", "arguments": {"a": 1}}),
    ],
)
def test_a_line_is_one_line_of_json(value: Any, expected: Any) -> None:
    text = encode.line({"value": value})
    assert text.endswith(b"\n")
    assert text.count(b"\n") == 1
    assert json.loads(text) == {"value": expected}


@pytest.mark.parametrize(
    "value",
    [
        "\ud800",
        2**64,
        -(2**70),
        {"n": [10**40]},
        {2**70: 1},
        {"\ud800": 2**64},
        b"\xff",
        {1, 2},
        {(1, 2): 3},
        object(),
        1 + 2j,
        date(2026, 1, 1),
    ],
    ids=[
        "surrogate",
        "2**64",
        "-2**70",
        "nested-big",
        "big-name",
        "surrogate-and-big",
        "bytes",
        "set",
        "tuple-name",
        "object",
        "complex",
        "date",
    ],
)
def test_a_line_never_fails_on_odd_input(value: Any) -> None:
    text = encode.line({"value": value})
    assert text.count(b"\n") == 1
    assert list(json.loads(text)) == ["value"]


@pytest.mark.parametrize("value", [deep(100_000), cyclic()], ids=["deep", "cyclic"])
def test_a_line_never_fails_on_depth(value: Any) -> None:
    assert encode.line({"value": value}).count(b"\n") == 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("ok", "ok"),
        ({"a": [math.nan, (1, "x")]}, {"a": [None, [1, "x"]]}),
        ({1: {2: 3}}, {"1": {"2": 3}}),
        (True, True),
        (0, 0),
    ],
)
def test_clean(value: Any, expected: Any) -> None:
    assert encode.clean(value) == expected


def test_a_lone_surrogate_becomes_the_replacement_character() -> None:
    assert encode.clean("a\ud800b") == "a\ufffdb"


def test_records_become_plain() -> None:
    assert encode.plain(Usage(total=1))["total"] == 1
    assert encode.plain({"p": Path("x"), "n": [1, None]}) == {"p": "x", "n": [1, None]}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, "{}"),
        ([], "[]"),
        ([1, "a", None, True], '[1, "a", null, true]'),
        ({"a": 1}, '{\n  "a": 1\n}'),
        ({"a": [1, 2], "b": {}}, '{\n  "a": [1, 2],\n  "b": {}\n}'),
        ([[]], "[\n  []\n]"),
        ([1, {"a": [], "b": [0.5, "]\n["]}, 2], '[\n  1,\n  {\n    "a": [],\n    "b": [0.5, "]\\n["]\n  },\n  2\n]'),
        ([0.0000378, 1e16], "[0.0000378, 1e16]"),
        ([{"a": 1}], '[\n  {\n    "a": 1\n  }\n]'),
        ({"a": {"b": [{"c": "é\n"}]}}, '{\n  "a": {\n    "b": [\n      {\n        "c": "é\\n"\n      }\n    ]\n  }\n}'),
    ],
)
def test_a_page_for_reading(value: Any, expected: str) -> None:
    assert encode.golden_bytes(value) == (expected + "\n").encode()
    assert json.loads(expected) == value


@pytest.mark.parametrize(
    "value", [{"a": "\ud800", "b": math.nan}, {"a": (1, (2,))}, {1: Path("x")}, {"n": 10**40}, "\u2028", {"k\n": "\0\x7f"}]
)
def test_a_golden_is_valid_json_whatever_is_in_it(value: Any) -> None:
    read = json.loads(encode.golden_bytes(value), parse_constant=pytest.fail)
    assert read == json.loads(json.dumps(encode.clean(encode.plain(value))))


def record(**changes: Any) -> dict[str, Any]:
    return {"timestamp": "t", "prompt": "p", "response": "r", "params": {}, **changes}


@pytest.mark.parametrize("limit", [4096, 10_000])
@pytest.mark.parametrize(
    "changes",
    [
        {"prompt": "x" * 50_000},
        {"prompt": "é" * 50_000, "response": "🙂" * 50_000},
        {"messages": [{"role": "user", "parts": [{"type": "text", "content": "x" * 50_000}]}]},
        {"messages": [{"role": "user", "parts": [{"type": "text", "content": "short"}]}] * 5000},
        {"wire": {"request": {"body": {"text": "x" * 50_000}}}, "prompt": "x" * 5_000},
        {"tools": ["tool"] * 50_000},
        {"prompt": "\n" * 50_000},
        {"labels": {f"label {number}": number for number in range(5_000)}},
        {"input": {"a": "x" * 50_000}, "error": "e" * 50_000},
    ],
    ids=["prompt", "unicode", "messages", "many-messages", "wire", "tools", "escapes", "many-labels", "input"],
)
def test_a_long_record_is_cut_to_the_limit(changes: dict[str, Any], limit: int) -> None:
    whole = record(**changes)
    sizes = {name: len(encode.line(value)) - 1 for name, value in whole.items()}
    before = repr(whole)
    short = encode.shortened(whole, limit)
    assert len(encode.line(short)) <= limit
    assert short["truncated"]
    assert short["truncated"] == {name: sizes[name] for name in short["truncated"]}
    assert short["timestamp"] == "t"
    assert repr(whole) == before


def test_a_short_record_is_left_as_it_is() -> None:
    whole = record(wire={"request": {}})
    assert encode.shortened(whole, 4096) == whole


def test_the_wire_goes_first_and_whole() -> None:
    whole = record(wire={"request": {"body": {"text": "x" * 9_000}}}, prompt="y" * 2_000)
    short = encode.shortened(whole, 4096)
    assert "wire" not in short
    assert short["prompt"] == whole["prompt"]
    assert list(short["truncated"]) == ["wire"]


def test_a_cut_text_says_how_much_is_missing() -> None:
    short = encode.shortened(record(prompt="x" * 10_000), 4096)
    kept, _, rest = short["prompt"].partition("… [")
    assert int(rest.removesuffix(" more characters]")) == 10_000 - len(kept)
