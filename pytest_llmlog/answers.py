"""Assertions on answers: what a test expects of an interaction, and what a person has to know when it is not so."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import EllipsisType
from typing import Any

from pytest_llmlog import changes, diff, validation
from pytest_llmlog.compare import Terms
from pytest_llmlog.printing import printable
from pytest_llmlog.record import Interaction, ToolCall, subject

REFUSALS = frozenset(
    {"refusal", "content_filter", "content_filtered", "guardrail_intervened", "safety", "prohibited_content", "blocklist", "spii"}
)
"""Finish reasons, in lower case, that mean an answer was withheld."""

SHOWN = 300
"""How many characters of an answer an assertion shows."""


def failure(text: str) -> AssertionError:
    """The failed assertion that a text tells, whatever a model said in it."""
    return AssertionError(printable(text))


def _shown(text: str | None) -> str:
    if text is None:
        return "no text"
    return repr(text) if len(text) <= SHOWN else f"{text[:SHOWN]!r}… ({len(text):,} characters)"


def refusal(call: Interaction) -> str | None:
    """Why the model or its provider refused to answer: its words, else the finish reason; None when it did not."""
    for message in call.response_messages:
        for part in message.get("parts", ()):
            if part.get("type") in ("refusal", "blocked"):
                return str(part.get("content") or part.get("blockReason") or part["type"])
    if call.error_code == "content_filter":  # Azure's, of a prompt
        return call.error or "content_filter"
    return next((reason for reason in call.finish_reasons if reason and reason.lower() in REFUSALS), None)


def assert_schema(call: Interaction, schema: dict[str, Any] | bool | str | os.PathLike[str]) -> None:
    """Hold the answer, parsed as JSON, against the user's own JSON Schema.

    Raises:
        AssertionError: the answer is not JSON, or breaks the schema; the text has the most telling error.
        ValueError: the schema cannot be read or is none.
    """
    __tracebackhide__ = True
    try:
        answer = call.response_json()
    except ValueError as exc:
        raise failure(f"{subject(call)}\n  {exc}") from None
    fault = validation.user_fault(answer, schema if isinstance(schema, (dict, bool)) else Path(schema))
    if fault is not None:
        raise failure(
            f"{subject(call)}\n  the answer breaks the schema at {fault.place}: {fault.reason}\n  answer: {_shown(call.response)}"
        )


Expected = EllipsisType | Callable[[Any], bool] | Any


def assert_tool_call(calls: Sequence[Interaction], name: str, arguments: Expected = ...) -> None:
    """Expect that one of the interactions asks for a tool: by name, and by arguments where they are given.

    Args:
        calls: the interactions to look at.
        name: the tool's name.
        arguments: equal to these, or such that a function of them is true; ``...`` takes any.

    Raises:
        AssertionError: none does; the text lists what was asked for, with what differs in the nearest.
    """
    __tracebackhide__ = True
    asked = [tool for call in calls for tool in call.tool_calls]
    named = [tool for tool in asked if tool.name == name]
    if any(_fits(tool, arguments) for tool in named):
        return
    wanted = name if arguments is ... else f"{name}({getattr(arguments, '__name__', repr(arguments))})"
    lines = [
        f"no call of the tool {wanted}; the model asked for {len(asked)}:",
        *(f"  {tool.name}({tool.arguments!r})" for tool in asked),
    ]
    if named and arguments is not ... and not callable(arguments):
        differences = (diff.fields(tool.arguments, arguments) for tool in named)
        lines += ["nearest, - asked for, + expected:", *(f"  {line}" for line in min(differences, key=len))]
    raise failure("\n".join(lines))


def _fits(tool: ToolCall, arguments: Expected) -> bool:
    if arguments is ...:
        return True
    return bool(arguments(tool.arguments)) if callable(arguments) else bool(tool.arguments == arguments)


def assert_finish_reason(call: Interaction, allowed: Sequence[str]) -> None:
    """Expect that every choice of an answer ended for one of these reasons, in the provider's own words.

    Raises:
        AssertionError: another did, or the provider told none.
    """
    __tracebackhide__ = True
    if not call.finish_reasons or not set(call.finish_reasons) <= set(allowed):
        found = ", ".join(map(repr, call.finish_reasons)) or "none was told"
        raise failure(f"{subject(call)}\n  finish reasons: {found}; expected {' or '.join(map(repr, allowed))}")


def assert_refused(call: Interaction, *, refused: bool) -> None:
    """Expect that the model refused to answer, or that it did not.

    Raises:
        AssertionError: it is the other way round.
    """
    __tracebackhide__ = True
    found = refusal(call)
    if refused and found is None:
        raise failure(f"{subject(call)}\n  not refused; the answer: {_shown(call.response)}")
    if not refused and found is not None:
        raise failure(f"{subject(call)}\n  refused: {_shown(found)}")


def assert_matches(before: Sequence[Interaction], now: Sequence[Interaction], terms: Terms) -> None:
    """Expect the answers of before under the terms, and no call more or less.

    Raises:
        AssertionError: not so; the text has every difference and, under ``similar``, each score and what scored it.
        ValueError: a scorer that does not score.
    """
    __tracebackhide__ = True
    if lines := changes.differences(before, now, terms):
        raise failure("\n".join(["not as in the golden:", *(f"  {line}" for line in lines)]))


VARYING = (
    "timestamp",
    "request_id",
    "run_id",
    "latency_seconds",
    "time_to_first_chunk_seconds",
    "response_id",
    "provider_request_id",
    "wire",
)
"""Fields that differ between any two interactions."""


DERIVED = {
    "messages": "prompt",
    "response_messages": "response",
    "prompt_hash": "prompt",
    "request_hash": "prompt",
    "usage": "tokens",
}
"""Fields that differ when another one does."""


def explain(left: Interaction, right: Interaction) -> list[str]:
    """Why two interactions are not equal, field by field, shortest first: pytest shows the first few lines.

    Fields that differ between any two calls, or because another one does, are only named.
    """
    old, new = ({name: getattr(call, name) for name in call.__struct_fields__} for call in (left, right))
    differing = [name for name in old if old[name] != new[name]]
    telling = [name for name in differing if name not in VARYING and DERIVED.get(name) not in differing]
    lines = [_difference(name, old[name], new[name]) for name in telling]
    others = [name for name in differing if name not in telling]
    head = f"two interactions that differ in {', '.join(telling) or 'nothing that tells'}"
    tail = [f"and so in {', '.join(others)}"] if others else []
    return [head, *(line for found in sorted(lines, key=len) for line in found), *tail]


def _difference(name: str, old: Any, new: Any) -> list[str]:
    if max(len(repr(old)), len(repr(new))) <= 60:
        return [f"{name}: {old!r} != {new!r}"]
    return diff.fields({name: old}, {name: new})
