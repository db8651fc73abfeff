"""The interactions of a test as its author sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from pytest_llmlog import callcontext
from pytest_llmlog.calls import Calls
from pytest_llmlog.record import Interaction, Usage

HEX = "0123456789abcdef0123456789abcdef"


def line(**changes: Any) -> bytes:
    values: dict[str, Any] = {
        "timestamp": "2026-03-09T14:05:06.789Z", "schema_version": 1, "event": "llm.call", "request_id": HEX, "run_id": "run",
        "session_id": "s", "prompt_template": None, "input": None, "prompt": "hi", "response": "yes", "tokens": None,
        "latency_seconds": 0.5, "status": "success", "source": "live", "provider": "openai", "operation": "chat", "model": "m",
        "stream": False, "attempt": 1, "prompt_hash": HEX, "request_hash": HEX, **changes,
    }  # fmt: skip
    return msgspec.json.encode(Interaction(**values)) + b"\n"


def calls(*lines: bytes) -> Calls:
    return Calls(lambda: lines)


KNOWN = line(tokens=5, usage=Usage(input=3, output=2, total=5, cached_input=1), cost_usd=0.25)
MORE = line(tokens=7, usage=Usage(input=4, output=3, total=7, reasoning_output=2), cost_usd=0.5)
UNKNOWN = line()


@pytest.mark.parametrize(
    ("lines", "tokens", "cost", "latency"),
    [
        ([], 0, 0, 0),
        ([UNKNOWN], None, None, 0.5),
        ([UNKNOWN, UNKNOWN], None, None, 1.0),
        ([KNOWN], 5, 0.25, 0.5),
        ([KNOWN, MORE], 12, 0.75, 1.0),
        ([KNOWN, UNKNOWN, MORE], 12, 0.75, 1.5),
        ([line(usage=Usage(input=3), cost_usd=0.0)], None, 0.0, 0.5),
        ([line(usage=Usage(total=0), tokens=0)], 0, None, 0.5),
    ],
)
def test_sums(lines: list[bytes], tokens: int | None, cost: float | None, latency: float) -> None:
    made = calls(*lines)
    assert (made.tokens, made.cost_usd, made.latency_seconds) == (tokens, cost, latency)
    assert len(made) == len(lines)
    assert repr(made) == f"<{len(lines)} interactions, {tokens} tokens>"


def test_each_count_is_summed_by_itself() -> None:
    assert calls(KNOWN, MORE, UNKNOWN).usage == Usage(input=7, output=5, total=12, cached_input=1, reasoning_output=2)
    assert calls().usage == Usage()


def test_one_estimate_makes_the_sum_an_estimate() -> None:
    assert calls(KNOWN, line(usage=Usage(total=1, source="estimated"))).usage.source == "estimated"
    assert calls(KNOWN, MORE).usage.source == "provider"


def test_it_is_a_sequence_that_grows() -> None:
    made: list[bytes] = []
    view = Calls(lambda: made)
    assert isinstance(view, Sequence)
    assert not view
    assert list(view) == []
    made.extend([line(prompt="a"), line(prompt="b"), line(prompt="c")])
    assert view
    assert [call.prompt for call in view] == ["a", "b", "c"]
    assert [call.prompt for call in reversed(view)] == ["c", "b", "a"]
    assert (view[0].prompt, view[-1].prompt) == ("a", "c")
    assert view[1] in view


@pytest.mark.parametrize(
    ("cut", "expected"), [(slice(1, None), "bc"), (slice(-1, None), "c"), (slice(None, None, -1), "cba"), (slice(5, 9), "")]
)
def test_slices(cut: slice, expected: str) -> None:
    part = calls(line(prompt="a"), line(prompt="b"), line(prompt="c"))[cut]
    assert "".join(call.prompt for call in part) == expected


@pytest.mark.parametrize(("count", "index"), [(0, 0), (0, -1), (2, 2), (2, -3), (1, 10)])
def test_an_index_too_far_says_how_many_there_are(count: int, index: int) -> None:
    with pytest.raises(IndexError) as caught:
        calls(*[KNOWN] * count)[index]
    assert str(caught.value) == f"there is no interaction {index}: {count} were made so far"


@pytest.mark.parametrize(("response", "expected"), [('{"a": [1, "é"]}', {"a": [1, "é"]}), (" 5\n", 5), ("null", None), ('""', "")])
def test_the_last_answer_as_json(response: str, expected: object) -> None:
    assert calls(line(response="not this"), line(response=response)).response_json() == expected


@pytest.mark.parametrize("response", ["", "Sure! Here it is: {}", '{"a": ', "```json\n{}\n```"])
def test_an_answer_that_is_no_json_is_shown(response: str) -> None:
    with pytest.raises(ValueError, match="the answer is not JSON") as caught:
        calls(line(response=response)).response_json()
    assert repr(response) in str(caught.value)


def test_only_the_beginning_of_a_long_answer_is_shown() -> None:
    with pytest.raises(ValueError, match="the answer is not JSON") as caught:
        calls(line(response="x" * 200 + "END")).response_json()
    assert "x" * 200 in str(caught.value)
    assert "END" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "expected"), [("Slow down, please.", "Slow down, please."), (None, "the response holds no text")]
)
def test_no_answer_says_why(error: str | None, expected: str) -> None:
    with pytest.raises(ValueError, match="there is no answer to parse") as caught:
        calls(line(response=None, error=error)).response_json()
    assert expected in str(caught.value)


def test_no_call_has_no_answer() -> None:
    with pytest.raises(IndexError, match="there is no interaction -1: 0 were made so far"):
        calls().response_json()


def test_context_holds_inside_the_block_and_nests() -> None:
    made = calls()
    before = callcontext.current()
    with made.context(prompt_template="t", session_id="s", labels={"a": 1, "b": 1}, input={"q": 1}):
        with made.context(template_version="2", labels={"b": 2}):
            said = callcontext.current()
            assert said == callcontext.CallContext(
                prompt_template="t", template_version="2", session_id="s", input={"q": 1}, labels={"a": 1, "b": 2}
            )
        outer = callcontext.current()
        assert outer is not None
        assert (outer.template_version, outer.labels) == (None, {"a": 1, "b": 1})
    assert callcontext.current() is before


def test_context_ends_with_an_exception() -> None:
    before = callcontext.current()
    with pytest.raises(RuntimeError), calls().context(session_id="s"):
        raise RuntimeError
    assert callcontext.current() is before


def test_render_formats() -> None:
    assert calls().render("calls-greeting", "Hello {name}, {template}", name="you", template="x") == "Hello you, x"
