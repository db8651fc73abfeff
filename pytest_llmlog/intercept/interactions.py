"""From an exchange to its record: what the provider reads, what the scope knows, what the clock said."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from pytest_llmlog import callcontext, clock, encode, reading
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


class Timing(NamedTuple):
    """When a call was made and how long it took, in seconds from sending it."""

    moment: Moment
    latency: float
    first_chunk: float | None


def request_id() -> str:
    """A fresh id: 32 hexadecimal digits."""
    return os.urandom(16).hex()


def _said(asked: Asked, scope: Scope, moment: Moment) -> dict[str, Any]:
    """Template, input, conversation and labels: as the application said, else as the prompt shows."""
    if not moment.is_telling:
        return {"prompt_template": None, "input": None, "session_id": scope.session_id, "labels": {}}
    found = _found(asked, moment.said or callcontext.CallContext(), scope.session_id)
    text, _ = scope.recorder.redactor.bytes(encode.line(found))
    said: dict[str, Any] = msgspec.json.decode(text)
    return said


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


def _scope_fields(scope: Scope, moment: Moment) -> dict[str, Any]:
    recorder = scope.recorder
    return {
        "request_id": request_id(),
        "run_id": recorder.run_id,
        "test_id": scope.test_id,
        "worker_id": recorder.worker_id,
        "git_commit": recorder.git_commit,
        **moment.trace,
    }


def _attempt(request: Request, scope: Scope, key: str) -> int:
    """The SDK's own count of retries where it sends one, else how often the same request just failed."""
    count = request.headers.get("x-stainless-retry-count", "")
    return int(count) + 1 if count.isdigit() else scope.attempt(key)


def live(exchange: Exchange, endpoint: Endpoint, scope: Scope, key: str, timing: Timing, redacted: int) -> Interaction:
    """The record of a call that went to the provider; the exchange is free of credentials."""
    request = exchange.request
    asked = reading.asked(request, endpoint)
    return Interaction(
        timestamp=timing.moment.timestamp,
        schema_version=SCHEMA_VERSION,
        event="llm.call",
        source="live",
        latency_seconds=round(timing.latency, 6),
        time_to_first_chunk_seconds=None if timing.first_chunk is None else round(timing.first_chunk, 6),
        attempt=_attempt(request, scope, key),
        redacted=redacted,
        **reading.read(exchange, endpoint, asked, key),
        **_scope_fields(scope, timing.moment),
        **_said(asked, scope, timing.moment),
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
    said = {**fresh, **_scope_fields(scope, moment), **_said(asked, scope, moment), **changed}
    return replace(recorded, timestamp=moment.timestamp, source="replay", origin=None, **said)
