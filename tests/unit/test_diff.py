"""Differences, as text for a person."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_llmlog import diff

LONG = "A sentence that is rather long, so that a diff of its lines is worth more than both in full.\n"


@pytest.mark.parametrize("value", [{}, [], None, 1, "x", {"a": [1, {"b": None}], "c": "x"}, [1, 1.5, True, None], LONG])
def test_equal_values_have_no_differences(value: Any) -> None:
    assert diff.fields(value, value) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"a": 1}, {"a": 2}, ["a:", "  - 1", "  + 2"]),
        ({"a": "x"}, {"a": "y"}, ["a:", "  - 'x'", "  + 'y'"]),
        ({"a": 1}, {"a": "1"}, ["a:", "  - 1", "  + '1'"]),
        ({"a": None}, {"a": 0}, ["a:", "  - None", "  + 0"]),
        ({"a": True}, {"a": 1}, ["a:", "  - True", "  + 1"]),
        ({}, {"a": 1}, ["a:", "  + 1"]),
        ({"a": 1}, {}, ["a:", "  - 1"]),
        ({"a": [1]}, {"a": [1, 2]}, ["a[1]:", "  + 2"]),
        ({"a": [1, 2]}, {"a": [1]}, ["a[1]:", "  - 2"]),
        ({"a": {"b": [{"c": 1}]}}, {"a": {"b": [{"c": 2}]}}, ["a.b[0].c:", "  - 1", "  + 2"]),
        (1, 2, ["$:", "  - 1", "  + 2"]),
        ([], {}, ["$:", "  - []", "  + {}"]),
    ],
)
def test_each_difference_names_place_and_values(old: Any, new: Any, expected: list[str]) -> None:
    assert diff.fields(old, new) == expected


def test_every_difference_is_named() -> None:
    text = diff.fields({"a": 1, "b": 1, "c": 1}, {"a": 2, "b": 1, "d": 1})
    assert sorted(line for line in text if not line.startswith(" ")) == ["a:", "c:", "d:"]


def test_a_long_text_is_compared_by_lines() -> None:
    text = diff.fields({"t": LONG * 3 + "old\n" + LONG * 3}, {"t": LONG * 3 + "new\n" + LONG * 3})
    assert text[0] == "t:"
    assert "  -old" in text
    assert "  +new" in text
    assert len(text) < 10


def test_a_long_value_is_shortened() -> None:
    lines = diff.fields({"a": [0]}, {"a": [[1] * 200]})
    assert lines
    assert all(len(line) <= 130 for line in lines)


@pytest.mark.parametrize(
    ("old", "new"), [(LONG, LONG.rstrip("\n")), ("a\nb", "a\nb\n"), ("a\r\nb", "a\nb"), ("a\u2028b\n", "a\nb\n"), ("", "\n")]
)
def test_a_difference_of_line_ends_is_shown(old: str, new: str) -> None:
    assert len(diff.fields({"t": old}, {"t": new})) > 1


@pytest.mark.parametrize("name", ["it's", "a.b", "ü", "a b", 'say "hi"', "-"])
def test_odd_names_stand_in_the_place(name: str) -> None:
    place = diff.fields({"o": {name: 1}}, {"o": {name: 2}})[0]
    assert name in place
    assert not place.startswith("root")


def test_a_unified_diff_has_no_header() -> None:
    assert diff.lines("a\nb\nc", "a\nx\nc") == ["@@ -1,3 +1,3 @@", " a", "-b", "+x", " c"]
    assert diff.lines("same", "same") == []
