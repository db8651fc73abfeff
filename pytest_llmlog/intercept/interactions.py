"""From an exchange to its record: what the provider reads, what the scope knows, what the clock said."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import asdict, replace

from pytest_llmlog import callcontext, clock, encode, matching, reading
from pytest_llmlog.circumstances import Circumstances, Identity, Said
from pytest_llmlog.intercept.scope import Scope
from pytest_llmlog.playback import Recorded
from pytest_llmlog.providers import Endpoint
from pytest_llmlog.providers.base import Asked, part_text, prompt_text
from pytest_llmlog.record import SCHEMA_VERSION, Interaction
from pytest_llmlog.templates import Match, registry
from pytest_llmlog.traffic import Exchange, Request


class Moment(Struct, frozen=True, gc=False):
    """What holds while a call is made, and no longer when its record is; ``at`` in nanoseconds since 1970-01-01 UTC."""

    at: int
    said: callcontext.CallContext | None
    trace: Mapping[str, str]

    @classmethod
    def now(cls) -> Moment:
        return cls(clock.nanoseconds(), callcontext.current(), _trace())

    @property
    def timestamp(self) -> str:
        return clock.timestamp_at(self.at)

    @property
    def is_telling(self) -> bool:
        """Whether there is a template, an input or a conversation to be told from it."""
        return self.said is not None or not registry.is_empty


def request_id() -> str:
    """A fresh id: 32 hexadecimal digits."""
    return os.urandom(16).hex()


_SAYS_NOTHING: Mapping[str, Any] = {
    "prompt_template": None,
    "template_hash": None,
    "template_version": None,
    "input": None,
    "labels": {},
}


def _told(identity: Identity, said: Said | None) -> dict[str, Any]:
    return {**asdict(identity), **(_SAYS_NOTHING if said is None else asdict(said))}


def said(request: Request, endpoint: Endpoint, moment: Moment, scope: Scope) -> Said | None:
    """Template, input, conversation and labels: as the application said, else as the prompt shows; None where neither tells any."""
    return _said(reading.asked(request, endpoint), moment, scope) if moment.is_telling else None


def _said(asked: Asked, moment: Moment, scope: Scope) -> Said:
    found = _found(asked, moment.said or callcontext.CallContext(), scope.session_id)
    text, _ = scope.recorder.redactor.bytes(encode.line(found))
    return msgspec.json.decode(text, type=Said)


def _found(asked: Asked, said: callcontext.CallContext, test_session: str) -> dict[str, Any]:
    found = _recognised(asked) if said.prompt_template is None or said.input is None else None
    if found and said.prompt_template not in (None, found.name):
        found = None
    return {
        "prompt_template": said.prompt_template or (found.name if found else None),
        "template_hash": found.hash if found else None,
        "template_version": said.template_version,
        "input": said.input if said.input is not None else (found.input if found else None),
        "session_id": said.session_id or test_session,
        "labels": said.labels,
    }


def _recognised(asked: Asked) -> Match | None:
    """Look at the user's texts from the last one back, then at the other messages', then at the whole prompt."""
    latest_first = asked.messages[::-1]
    ordered = sorted(latest_first, key=lambda entry: entry["role"] != "user")
    texts = [text for entry in ordered for part in entry["parts"] if (text := part_text(part))]
    return registry.recognise([*texts, prompt_text(asked.messages)])


_NO_TRACE: Mapping[str, str] = {}


def _trace() -> Mapping[str, str]:
    """The active OpenTelemetry span, if the application itself uses OpenTelemetry."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return _NO_TRACE
    span = trace.get_current_span().get_span_context()
    return {"trace_id": f"{span.trace_id:032x}", "span_id": f"{span.span_id:016x}"} if span.is_valid else _NO_TRACE


def _attempt(request: Request, key: str, tries: Callable[[str], int]) -> int:
    """The SDK's own count of retries where it sends one, else how often the same request just failed."""
    count = request.headers.get("x-stainless-retry-count", "")
    return int(count) + 1 if count.isdigit() else tries(key)


def live(
    exchange: Exchange,
    endpoint: Endpoint,
    identity: Identity,
    circumstances: Circumstances,
    ignore: Sequence[matching.Path],
    tries: Callable[[str], int],
) -> Interaction:
    """The record of a call that went to the provider.

    Args:
        exchange: free of credentials.
        endpoint: where it went.
        identity: whose it is.
        circumstances: what the exchange does not tell.
        ignore: JSON paths of the body that matching leaves out.
        tries: says which try of a request this is, by its replay key.
    """
    request = exchange.request
    key, asked = matching.key(request, ignore), reading.asked(request, endpoint)
    first = circumstances.time_to_first_chunk_seconds
    return Interaction(
        timestamp=clock.timestamp_at(circumstances.at),
        schema_version=SCHEMA_VERSION,
        event="llm.call",
        source="live",
        request_id=circumstances.request_id,
        latency_seconds=round(circumstances.latency_seconds, 6),
        time_to_first_chunk_seconds=None if first is None else round(first, 6),
        attempt=_attempt(request, key, tries),
        redacted=circumstances.redacted,
        **reading.read(exchange, endpoint, asked, key),
        trace_id=circumstances.trace_id,
        span_id=circumstances.span_id,
        **_told(identity, circumstances.said),
    )


def replayed(
    recorded: Recorded, endpoint: Endpoint, scope: Scope, request: Request | None, moment: Moment, **changed: Any
) -> Recorded:
    """The record of a call answered from the golden: what was recorded, made now, by this test, but for the fields given as changed.

    The request, without credentials, is given where it may differ from the recorded one.
    """
    asked, fresh = Asked(), {}
    if request is not None:
        asked = reading.asked(request, endpoint)
        fresh = reading.request_fields(request, endpoint, asked, recorded.request_hash)
    elif moment.is_telling:
        asked = Asked(messages=recorded.parsed.messages)
    told = _told(scope.identity, _said(asked, moment, scope) if moment.is_telling else None)
    return replace(
        recorded, timestamp=moment.timestamp, source="replay", origin=None, request_id=request_id(),
        **{**fresh, **moment.trace, **told, **changed},
    )  # fmt: skip
