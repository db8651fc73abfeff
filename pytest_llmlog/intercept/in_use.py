"""Cassettes of other tools that are in use while a test runs: they answer then, and goldens stand back."""

from __future__ import annotations

import sys
from contextvars import ContextVar
from typing import Any

from pytest_llmlog.traffic import Request

entered: list[tuple[Any, Any]] = []
"""The cassettes of vcrpy that are open, the innermost last, each behind the block it was opened by."""

passed_on: ContextVar[bool] = ContextVar("llmlog_passed_on", default=False)
"""Whether cassetter was asked for the running code's call and has no answer: what comes to us next, it records."""


def _vcr_request(request: Request) -> Any:
    return sys.modules["vcr.request"].Request(request.method, request.url, request.body, dict(request.headers))


def claims(request: Request) -> bool:
    """Whether a cassette plays or records a request; those of hosts that it leaves out are none of its."""
    if entered:
        return bool(entered[-1][1].filter_request(_vcr_request(request)))
    claimed = passed_on.get()
    if claimed:
        passed_on.set(False)
    return claimed


def will_play(request: Request) -> bool:
    """Whether vcrpy answers a request from its cassette. Cassetter decides before a request comes to us."""
    return bool(entered) and bool(entered[-1][1].can_play_response_for(_vcr_request(request)))
