"""Whether two answers are the same, by the policy that a test chooses."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

from msgspec import Struct

from pytest_llmlog import diff, matching
from pytest_llmlog.record import Interaction, ToolCall

PolicyName = Literal["exact", "text", "json", "shape", "similar", "none"]

Scorer = Callable[[str, str], float]
"""The similarity of two texts, from 0 to 1: the user's own, an embedding model or a judge."""


class Policy(Struct, frozen=True):
    """How answers are compared; ``minimum`` is the least similarity of ``similar``.

    ``exact``: character by character; ``text``: white space folded; ``json``: parsed values; ``shape``: types and keys of parsed
    values; ``similar``: at least so similar; ``none``: not at all. Tool calls count by name and arguments under every policy but
    ``shape``, where the arguments' shape does, ``similar``, where their names do, and ``none``.
    """

    name: PolicyName
    minimum: float | None = None

    def __str__(self) -> str:
        return self.name if self.minimum is None else f"{self.name}:{self.minimum:g}"


class Terms(Struct, frozen=True):
    """How answers are compared: the policy, JSON paths of a JSON answer that do not count, and the user's own scorer.

    Paths are written as ``llmlog_ignore`` has them; the scorer takes the place of rapidfuzz's token-set ratio under ``similar``.
    """

    policy: Policy = Policy("exact")
    ignore: tuple[str, ...] = ()
    scorer: Scorer | None = None


def parse_policy(text: str) -> Policy:
    """Read a policy: its name, ``similar:0.85`` with the least similarity.

    Raises:
        ValueError: it is none; the text says what there are.
    """
    name, colon, minimum = text.strip().partition(":")
    if name == "similar" and colon:
        try:
            least = float(minimum)
        except ValueError:
            least = -1.0
        if 0 <= least <= 1:
            return Policy("similar", least)
    elif not colon and name != "similar" and name in get_args(PolicyName):
        return Policy(name)  # type: ignore[arg-type]
    raise ValueError(f"expected exact, text, json, shape, similar:X with X from 0 to 1, or none, not {text!r}")


class Comparison(Struct, frozen=True, kw_only=True):
    """What comparing two answers came to; ``lines`` show the difference to a person, ``-`` before and ``+`` now."""

    same: bool
    policy: str
    score: float | None = None
    scorer: str | None = None
    lines: tuple[str, ...] = ()


def compare(old: Interaction, new: Interaction, terms: Terms) -> Comparison:
    """Compare the answers of two interactions: their text and the tool calls they ask for.

    Raises:
        ValueError: the scorer fails, or gives something else than a number from 0 to 1.
    """
    policy = terms.policy
    if policy.name == "none":
        return Comparison(same=True, policy=str(policy))
    status = [] if old.status == new.status else [f"- {old.status}", f"+ {new.status}: {new.error or ''}".rstrip(": ")]
    first, second = old.response or "", new.response or ""
    called, calls = _calls(old.tool_calls, policy), _calls(new.tool_calls, policy)
    tools = [f"tool_calls{line}" if line.startswith("[") else line for line in diff.fields(called, calls)]
    if policy.name == "similar":
        score, name = _similarity(first, second, terms.scorer)
        unlike = score < (policy.minimum or 0)
        lines = (*status, *(_text_lines(first, second) if unlike else ()), *tools)
        return Comparison(same=not (unlike or tools or status), policy=str(policy), score=score, scorer=name, lines=lines)
    texts = _values(first, second, policy, terms.ignore) if policy.name in ("json", "shape") else _texts(first, second, policy)
    return Comparison(same=not (status or texts or tools), policy=str(policy), lines=(*status, *texts, *tools))


def _texts(old: str, new: str, policy: Policy) -> list[str]:
    if policy.name == "text":
        old, new = " ".join(old.split()), " ".join(new.split())
    return [] if old == new else _text_lines(old, new)


def _text_lines(old: str, new: str) -> list[str]:
    lines = [line for line in diff.lines(old, new) if not line.startswith("@@")]
    return lines or [f"- {old!r}", f"+ {new!r}"]


def _values(old: str, new: str, policy: Policy, ignore: Sequence[str]) -> list[str]:
    if old == new:
        return []
    try:
        first, second = (_without(json.loads(text), ignore) for text in (old, new))
    except (ValueError, RecursionError):
        return ["not JSON:", *_text_lines(old, new)]
    if policy.name == "shape":
        first, second = shape(first), shape(second)
    return diff.fields(first, second)


def _without(value: Any, ignore: Sequence[str]) -> Any:
    return matching.without(value, [matching.parse_path(path) for path in ignore])


def _calls(calls: Sequence[ToolCall], policy: Policy) -> list[Any]:
    """What of tool calls counts; their ids are random."""
    if policy.name == "similar":
        return [call.name for call in calls]
    return [{"name": call.name, "arguments": shape(call.arguments) if policy.name == "shape" else call.arguments} for call in calls]


DEEPEST = 100
"""Levels of an answer of which the shape is told; a model can nest them for as long as it likes."""


def shape(value: Any, depth: int = 0) -> Any:
    """The types and keys of a JSON value; a list's is that of its different elements, in order of their writing."""
    if depth > DEEPEST:
        return "…"
    if isinstance(value, dict):
        return {key: shape(entry, depth + 1) for key, entry in value.items()}
    if isinstance(value, list):
        shapes = {json.dumps(found, sort_keys=True): found for found in (shape(entry, depth + 1) for entry in value)}
        return [shapes[text] for text in sorted(shapes)]
    if isinstance(value, bool) or value is None:
        return "null" if value is None else "boolean"
    return "text" if isinstance(value, str) else "number"


LONGEST = 100_000
"""Characters of an answer that are scored: twice as many take four times as long, and a million a minute."""


def _similarity(old: str, new: str, scorer: Scorer | None) -> tuple[float, str]:
    """The similarity of two texts, and the name of what scored it.

    The token-set ratio compares the words two texts share with those they do not, whatever their order:
    https://rapidfuzz.github.io/RapidFuzz/Usage/fuzz.html#token-set-ratio
    """
    if scorer is None:
        from rapidfuzz import fuzz

        score = 1.0 if old == new else fuzz.token_set_ratio(old[:LONGEST], new[:LONGEST]) / 100
        return score, "rapidfuzz.token_set_ratio"
    name = f"{getattr(scorer, '__module__', '')}.{getattr(scorer, '__qualname__', type(scorer).__qualname__)}".lstrip(".")
    try:
        score = float(scorer(old, new))
    except Exception as exc:
        raise ValueError(f"the scorer {name} failed: {type(exc).__name__}: {exc}") from exc
    if not 0 <= score <= 1:
        raise ValueError(f"the scorer {name} gave {score!r}: expected a number from 0 to 1")
    return score, name
