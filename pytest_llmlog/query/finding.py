"""Has this happened before: exact by hash or text, near by similarity, with what was answered each time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from math import ceil, floor
from typing import Any

from msgspec import Struct

from pytest_llmlog import diff
from pytest_llmlog.query.columns import COLUMNS
from pytest_llmlog.query.engines import Engine
from pytest_llmlog.query.where import Compare, Condition, In, Length, Match, Or, both

SHOWN = (
    "timestamp", "request_id", "run_id", "test_id", "prompt_template", "model", "status", "prompt", "response", "error", "error_type",
    "prompt_hash", "request_hash", "latency_seconds", "tokens", "cost_usd", "tool_calls",
)  # fmt: skip
"""The columns that a finding has."""

TEXTS = ("prompt", "response", "tool_calls", "error")
"""Where a text is looked for."""

HASHES = ("prompt_hash", "request_hash")

BATCH = 10_000
"""Prompts that are compared at once."""


class Found(Struct, frozen=True):
    """One call that is alike.

    Attributes:
        call: its columns by name.
        how: ``text``, ``hash`` or ``near``.
        similarity: of its prompt to the one looked for, from 0 to 1.
        answer: which of the different answers it gave, from 1 in the order of their first time; None without one.
    """

    call: dict[str, Any]
    how: str
    similarity: float | None = None
    answer: int | None = None


def _calls(engine: Engine, where: Condition) -> list[dict[str, Any]]:
    found = (dict(zip(SHOWN, row, strict=True)) for row in engine.select([COLUMNS[name] for name in SHOWN], where))
    return sorted(found, key=lambda call: (call["timestamp"], call["request_id"] or ""))


def answer(call: dict[str, Any]) -> str | None:
    """What a call, or a record, was answered: its text, and a line for each tool that was called; None of neither.

    Ids of calls for tools are left out: they differ each time.
    """
    told = call.get("tool_calls")
    calls = json.loads(told) if isinstance(told, str) else told or ()
    asked = [_asked(each) for each in calls if isinstance(each, dict)]
    said = [call["response"]] if isinstance(call.get("response"), str) else []
    return "\n".join([*said, *asked]) if said or asked else None


def _asked(call: dict[str, Any]) -> str:
    return f"{call.get('name')}({json.dumps(call.get('arguments'), ensure_ascii=False, sort_keys=True)})"


def _numbered(found: Sequence[Found]) -> list[Found]:
    """Number the answers by what they say."""
    numbers: dict[str, int] = {}
    result = []
    for each in found:
        said = answer(each.call)
        number = None if said is None else numbers.setdefault(said, len(numbers) + 1)
        result.append(Found(each.call, each.how, each.similarity, number))
    return result


def of_text(engine: Engine, text: str, held: Condition | None) -> list[Found]:
    """Calls whose prompt, answer or error holds a text, oldest first."""
    anywhere = Or(tuple(Match(COLUMNS[name], "contains", text) for name in TEXTS))
    return _numbered([Found(call, "text") for call in _calls(engine, both([anywhere, held]) or anywhere)])


def of_hash(engine: Engine, digest: str, held: Condition | None) -> list[Found]:
    """Calls whose prompt or request has a hash, or one that begins so, oldest first."""
    same: Condition = Or(tuple(Compare(COLUMNS[name], "=", digest) for name in HASHES))
    if len(digest) < 32:
        same = Or(tuple(Match(COLUMNS[name], "like", f"{digest}%") for name in HASHES))
    return _numbered([Found(call, "hash") for call in _calls(engine, both([same, held]) or same)])


def of_record(engine: Engine, record: dict[str, Any], least: float, held: Condition | None) -> list[Found]:
    """Calls with the same prompt or request as a record, and those whose prompt is nearly the same, the record itself left out.

    Similarity is rapidfuzz's ratio of the two prompts: 1 less the insertions and deletions that make one of the other, by their
    lengths' sum.
    """
    near = _near(engine, record, least, held)
    same = Or(tuple(Compare(COLUMNS[name], "=", record[name]) for name in HASHES if record.get(name)))
    wanted = Or((*same.of, In(COLUMNS["prompt_hash"], tuple(near)))) if near else same
    if not wanted.of:
        return []
    found = []
    for call in _calls(engine, both([wanted, held]) or wanted):
        exact = any(call[name] == record.get(name) for name in HASHES)
        if call["request_id"] != record.get("request_id"):
            found.append(Found(call, "hash" if exact else "near", 1.0 if exact else near[call["prompt_hash"]]))
    return _numbered(found)


def _near(engine: Engine, record: dict[str, Any], least: float, held: Condition | None) -> dict[str, float]:
    """The hashes of prompts that are near, each with its similarity; a prompt is compared once, however often it was sent."""
    from rapidfuzz.fuzz import ratio
    from rapidfuzz.process import extract

    prompt = record.get("prompt")
    if not isinstance(prompt, str) or not prompt:
        return {}
    seen: set[str] = set()
    near: dict[str, float] = {}
    found = engine.select([COLUMNS["prompt_hash"], COLUMNS["prompt"]], both([_as_long(prompt, least), held]))
    while batch := list(islice(found, BATCH)):
        others = {digest: other for digest, other in batch if digest is not None and other is not None and digest not in seen}
        seen.update(others)
        scored = extract(prompt, others, scorer=ratio, score_cutoff=least * 100, limit=None)
        near |= {digest: round(score / 100, 3) for _, score, digest in scored if score}
    return near


def _as_long(prompt: str, least: float) -> Length | None:
    """What a text's length must be to be so near: of two lengths the sum times 1 - ``least`` is no less than the difference."""
    if not least:
        return None
    share = least / (2 - least)
    return Length(COLUMNS["prompt"], floor(len(prompt) * share), ceil(len(prompt) / share))


def differences(found: Sequence[Found], first: str | None = None) -> Iterator[tuple[int, list[str]]]:
    """How each answer differs from a given one, else from the first of them: its number, and the lines of a diff."""
    answers = {each.answer: answer(each.call) or "" for each in found if each.answer is not None}
    base = answers.get(1, "") if first is None else first
    for number, text in answers.items():
        if number is not None and text != base:
            yield number, diff.lines(base, text) or ["(only line ends differ)"]
