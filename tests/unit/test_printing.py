"""What strangers say reaches neither a terminal nor a CI service as anything but text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmlog.printing import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, naïve, 日本語, 🔥👩\u200d🚒", "plain, naïve, 日本語, 🔥👩\u200d🚒"),
        ("two\nlines\tand a\u00a0space", "two\nlines\tand a\u00a0space"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("over\rwritten", "over\\x0dwritten"),
        ("\u202egnp.exe \u2066isolated\u2069", "\\u202egnp.exe \\u2066isolated\\u2069"),
        ("hidden\u200b \U000e0041", "hidden\\u200b \\U000e0041"),
        ("::error::owned", "\\x3a:error::owned"),
        ("fine\n  ::set-output name=a::b", "fine\n  \\x3a:set-output name=a::b"),
        ("##[group]x ##vso[task] ##teamcity[x] ## [x]", "##\\x5bgroup]x ##vso\\x5btask] ##teamcity\\x5bx] ## [x]"),
        ("test_a.py::test_b", "test_a.py::test_b"),
    ],
)
def test_what_is_written_out_and_what_stays(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_whatever_is_said(text: str) -> None:
    shown = printable(text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]", shown)
    assert not any(line.lstrip().startswith("::") for line in shown.splitlines())
    assert printable(shown) == shown
