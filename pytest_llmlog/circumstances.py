"""What a live call's record says beside the exchange itself; kept until the record is made, in memory and in the journal."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

LAST = 2**63 - 1
"""In the year 2262."""


class Identity(Struct, frozen=True, gc=False):
    """Whose calls they are: what the records of one test or ``capture()`` block share."""

    run_id: str
    session_id: str
    test_id: str | None = None
    worker_id: str | None = None
    git_commit: str | None = None


class Said(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A call's template, input, conversation and labels, as the application said or the prompt shows."""

    prompt_template: str | None = None
    template_hash: str | None = None
    template_version: str | None = None
    input: str | dict[str, Any] | None = None
    session_id: str
    labels: dict[str, Any] = {}


class Circumstances(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """When and how one call was made.

    Attributes:
        at: when, in nanoseconds since 1970-01-01 UTC; seconds count from then.
        redacted: how many credentials were taken out of the exchange.
        said: what anything told of it, where anything did.
        trace_id, span_id: of the OpenTelemetry span it was made in.
    """

    request_id: str
    at: Annotated[int, Meta(ge=0, le=LAST)]
    latency_seconds: float
    time_to_first_chunk_seconds: float | None = None
    redacted: int = 0
    said: Said | None = None
    trace_id: str | None = None
    span_id: str | None = None
