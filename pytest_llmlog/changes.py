"""What changed between two recordings of a test: calls paired, and for each difference what changed first."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from pytest_llmlog import diff
from pytest_llmlog.compare import Comparison, Terms, compare
from pytest_llmlog.record import Interaction, subject

Cause = Literal["template", "input", "prompt", "parameters", "tools", "model", "provider drift"]

Pair = tuple[Interaction | None, Interaction | None]
"""A call before and now; None where there is none."""

SHOWN = 12
"""How many lines of a difference are shown."""


def pairs(before: Sequence[Interaction], now: Sequence[Interaction]) -> list[Pair]:
    """Pair the calls of two recordings: equal requests in order, then the rest of each operation in order.

    In the order of ``now``; calls that are no longer made come last.
    """
    same: dict[str, deque[int]] = defaultdict(deque)
    for place, call in enumerate(before):
        same[call.request_hash].append(place)
    found: dict[int, int] = {}
    for place, call in enumerate(now):
        if same[call.request_hash]:
            found[place] = same[call.request_hash].popleft()
    rest: dict[str, deque[int]] = defaultdict(deque)
    for place in sorted(set(range(len(before))) - set(found.values())):
        rest[before[place].operation].append(place)
    for place, call in enumerate(now):
        if place not in found and rest[call.operation]:
            found[place] = rest[call.operation].popleft()
    made: list[Pair] = [(before[found[place]] if place in found else None, call) for place, call in enumerate(now)]
    return made + [(call, None) for place, call in enumerate(before) if place not in set(found.values())]


def reordered(before: Sequence[Interaction], now: Sequence[Interaction]) -> bool:
    """Whether the same requests were made in another order."""
    first, second = [call.request_hash for call in before], [call.request_hash for call in now]
    return first != second and sorted(first) == sorted(second)


def cause(before: Interaction, now: Interaction) -> Cause:
    """What changed first on the way from the template to the answer; with an equal request it is the provider."""
    if (before.prompt_template, before.template_hash) != (now.prompt_template, now.template_hash):
        return "template"
    if before.input != now.input:
        return "input"
    if before.prompt_hash != now.prompt_hash:
        return "prompt"
    if before.params != now.params:
        return "parameters"
    if before.tools != now.tools:
        return "tools"
    return "model" if before.model != now.model else "provider drift"


class Change(Struct, frozen=True, kw_only=True):
    """One call that is not as before.

    ``number`` is its place among the calls made now, from 1; None for a call that is no longer made. ``lines`` show for a
    person what changed first.
    """

    verdict: Literal["changed", "new", "missing"]
    number: int | None
    subject: str
    cause: Cause | None = None
    lines: tuple[str, ...] = ()

    def text(self) -> str:
        who = f"call {self.number}: {self.subject}" if self.number is not None else self.subject
        why = f": {self.cause} changed" if self.cause not in (None, "provider drift") else f": {self.cause}" if self.cause else ""
        return "\n".join([f"{who}{why}" if self.verdict == "changed" else f"{self.verdict}: {who}", *self.lines])


def _shown(lines: Sequence[str]) -> tuple[str, ...]:
    more = (f"  … {len(lines) - SHOWN} more lines",) if len(lines) > SHOWN else ()
    return (*(f"  {line}" for line in lines[:SHOWN]), *more)


def _what(before: Interaction, now: Interaction, why: Cause) -> list[str]:
    """The difference of what changed first, and the prompt's where that follows from it."""
    prompts = [line for line in diff.lines(before.prompt, now.prompt) if not line.startswith("@@")]
    if why == "template":
        names = [f"- {before.prompt_template}", f"+ {now.prompt_template}"] if before.prompt_template != now.prompt_template else []
        return names + prompts
    if why == "input":
        return diff.fields(before.input, now.input) + prompts
    if why == "prompt":
        return prompts or diff.fields(before.messages, now.messages)
    if why == "parameters":
        return diff.fields(before.params, now.params)
    if why == "tools":
        return diff.fields(list(before.tools), list(now.tools))
    return [f"- {before.model}", f"+ {now.model}"] if why == "model" else []


def change(number: int | None, before: Interaction | None, now: Interaction | None) -> Change | None:
    """Describe a pair of which something differs in the request or one side is missing; None when the requests are equal."""
    if before is None or now is None:
        known = now if now is not None else before
        assert known is not None
        return Change(verdict="new" if before is None else "missing", number=number, subject=subject(known))
    why = cause(before, now)
    if why == "provider drift":
        return None
    return Change(verdict="changed", number=number, subject=subject(now), cause=why, lines=_shown(_what(before, now, why)))


def requests(before: Sequence[Interaction], now: Sequence[Interaction]) -> list[Change]:
    """Every call whose request is not as before, in the order of ``pairs``."""
    found = []
    for number, (old, new) in enumerate(pairs(before, now), start=1):
        described = change(number if new is not None else None, old, new)
        if described is not None:
            found.append(described)
    return found


def differences(
    before: Sequence[Interaction], now: Sequence[Interaction], terms: Terms, *, all_requests: bool = False
) -> list[str]:
    """Every answer that is not as before under the terms, with what changed first, and every call more or less.

    Args:
        before: the calls compared with.
        now: the calls of now.
        terms: how answers are compared.
        all_requests: show a request that changed though its answer is the same, too.

    Raises:
        ValueError: the scorer fails, or does not score.
    """
    lines: list[str] = []
    if reordered(before, now):
        lines.append("order changed: the same calls in another order")
        lines += [f"  {number}. {subject(call)}" for number, call in enumerate(now[:SHOWN], start=1)]
    for number, (old, new) in enumerate(pairs(before, now), start=1):
        changed = change(number if new is not None else None, old, new)
        if old is None or new is None:
            lines += changed.text().splitlines() if changed is not None else []
            continue
        compared = compare(old, new, terms)
        if compared.same and not (all_requests and changed is not None):
            continue
        lines += (changed.text() if changed is not None else f"call {number}: {subject(new)}: provider drift").splitlines()
        lines += [] if compared.same else [f"  answer ({_how(compared)}):", *(f"    {line}" for line in compared.lines)]
    return lines


def _how(compared: Comparison) -> str:
    return compared.policy if compared.score is None else f"{compared.policy}, {compared.score:.2f} by {compared.scorer}"
