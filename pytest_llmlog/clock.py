"""The one place that reads a clock, so that a test can replace it."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from functools import lru_cache

monotonic = time.perf_counter
"""Seconds on a clock that never goes back; only differences mean anything."""


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")


nanoseconds = time.time_ns
"""Nanoseconds since 1970-01-01 UTC."""


def timestamp() -> str:
    """Return the present moment as RFC 3339 in UTC with milliseconds: ``2026-03-09T14:05:06.789Z``."""
    return timestamp_at(nanoseconds())


def timestamp_at(moment: int) -> str:
    """Return a moment, in nanoseconds since 1970-01-01 UTC, in the same form."""
    seconds, fraction = divmod(moment, 1_000_000_000)
    return f"{_second(seconds)}.{fraction // 1_000_000:03d}Z"


def timestamp_of(seconds: float) -> str:
    """Return a moment, in seconds since 1970-01-01 UTC, in the same form."""
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return f"{_second(whole)}.{milliseconds:03d}Z"


def now() -> float:
    """Seconds since 1970-01-01 UTC."""
    return time.time()
