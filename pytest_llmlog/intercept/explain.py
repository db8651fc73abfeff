"""The texts of refused calls: what came, what was expected, how to mend it."""

from __future__ import annotations

from pytest_llmlog import diff, matching
from pytest_llmlog.intercept.scope import Scope
from pytest_llmlog.playback import ReplayQueue
from pytest_llmlog.providers import KEY_VARIABLES, known_host
from pytest_llmlog.traffic import Request

IN_CHILD = (
    "this process was forked from the test's: the calls it makes are logged, but only the test's own process records a golden"
)

LONGEST = 60
"""Lines of a difference shown; a prompt can change everywhere."""


def _subject(request: Request) -> str:
    body = request.json
    model = f" (model {body['model']})" if isinstance(body, dict) and isinstance(body.get("model"), str) else ""
    return f"{request.method} {request.host}{request.path}{model}"


def how_to_record(owner: Scope) -> str:
    """The command that records the test again."""
    where = f' "{owner.test_id}"' if owner.test_id else ""
    return f"to record it: pytest --llmlog --llmlog-mode=record{where}"


def _indented(lines: list[str]) -> list[str]:
    shown = lines if len(lines) <= LONGEST else [*lines[:LONGEST], f"… {len(lines) - LONGEST} more lines"]
    return [f"  {line}" for line in shown]


def explain_miss(request: Request, owner: Scope, queue: ReplayQueue | None, *, by_cassette: bool = False) -> str:
    """Say that the golden does not hold a request, and what differs from the nearest one it holds."""
    golden_name = owner.golden_name or "none, the call was made outside of any test"
    head = [
        f"llmlog: not in the golden, and mode {owner.mode} makes no live call here",
        f"  request: {_subject(request)}",
        f"  golden:  {golden_name}",
    ]
    tail = [IN_CHILD if owner.in_child else how_to_record(owner)]
    if queue is None:
        why = "a cassette is in use, and has no answer to it" if by_cassette else "there is no golden yet"
        return "\n".join([*head, why, *tail])
    if times := queue.recorded(request):
        calls = "call" if times == 1 else "calls"
        return "\n".join([*head, f"the golden holds {times} such {calls}, all replayed already: the test made one more", *tail])
    nearest = queue.nearest(request)
    if nearest is None:
        return "\n".join([*head, "the golden holds no call at all", *tail])
    ignore = owner.recorder.ignore
    changes = diff.fields(matching.comparable(nearest, ignore), matching.comparable(request, ignore))
    return "\n".join([*head, "nearest recorded request differs in (- recorded, + now):", *_indented(changes), *tail])


def explain_missing_key(request: Request, owner: Scope) -> str:
    """Say that a live call has no API key."""
    variable = KEY_VARIABLES.get(known_host(request.host) or "", "the API key's environment variable")
    return "\n".join(
        [
            f"llmlog: no API key for {request.host}: {variable} is not set",
            f"  request: {_subject(request)}",
            f"mode {owner.mode} makes a live call here; set {variable}, or replay the golden with --llmlog-mode=replay",
        ]
    )


def explain_stream_end(owner: Scope, subject: str) -> str:
    """Say that the test reads further into a stream than when it was recorded."""
    return "\n".join(
        [
            "llmlog: the recorded stream ends here, because the test left it early when it was recorded",
            f"  request: {subject}",
            f"  golden:  {owner.golden_name}",
            how_to_record(owner),
        ]
    )
