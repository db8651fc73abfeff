"""The runs that a log holds: which there are, what each came to, and one of them whole."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from pytest_llmlog import stored
from pytest_llmlog.errors import ConfigError, LogError
from pytest_llmlog.log import READ_LIMIT
from pytest_llmlog.metrics import Totals
from pytest_llmlog.record import Interaction, RunResult, TestResult

OUTSIDE = "outside of tests"
"""Stands for the test of calls that were made while modules were imported."""

TREND = 30
"""How many runs a trend shows."""

TREND_BYTES = 64 * 1024 * 1024
"""How much of a log's end is read for a trend."""


class Head(Struct, frozen=True, gc=False):
    """What of a record tells which run it belongs to, and what it came to."""

    timestamp: str
    run_id: str
    source: str = ""
    tokens: int | None = None
    cost_usd: float | None = None
    latency_seconds: float | None = None


class Point(Struct, frozen=True):
    """One run in a trend: its first call's time, and what its calls came to; latencies are quantiles in seconds."""

    run_id: str
    timestamp: str
    calls: int
    replayed: int
    tokens: int
    cost_usd: float
    p50: float | None
    p95: float | None


_head = msgspec.json.Decoder(Head).decode


def heads(path: Path, offset: int = 0) -> Iterator[tuple[int, Head]]:
    """The records of a log from a byte on, each with its own first byte; what cannot be read is passed over.

    Raises:
        LogError: the log cannot be opened.
    """
    try:
        file = path.open("rb")
    except OSError as exc:
        raise LogError(path, exc.strerror or str(exc)) from exc
    with file:
        file.seek(offset)
        while line := file.readline(READ_LIMIT):
            with suppress(msgspec.DecodeError, UnicodeDecodeError):
                yield offset, _head(line)
            offset += len(line)


def quantile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that a share of all values do not exceed (nearest rank); None without values."""
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)] if ordered else None


def trend(path: Path, until: str) -> list[Point]:
    """The latest runs of a log up to one, oldest first, as far as the end of the log tells."""
    start = max(0, path.stat().st_size - TREND_BYTES) if path.exists() else 0
    found: dict[str, list[Head]] = {}
    for _, head in heads(path, start) if path.exists() else ():
        found.setdefault(head.run_id, []).append(head)
    ids = list(found)
    last = ids.index(until) + 1 if until in found else len(ids)
    return [_point(run_id, found[run_id]) for run_id in ids[max(0, last - TREND) : last]]


def _point(run_id: str, made: Sequence[Head]) -> Point:
    times = [head.latency_seconds for head in made if head.latency_seconds is not None]
    return Point(
        run_id, made[0].timestamp, len(made), sum(head.source == "replay" for head in made), sum(head.tokens or 0 for head in made),
        round(sum(head.cost_usd or 0.0 for head in made), 9), quantile(times, 0.5), quantile(times, 0.95),
    )  # fmt: skip


def calls_of(path: Path, run_id: str, offset: int = 0) -> list[Interaction]:
    """The interactions of a run that stand in a log from a byte on."""
    return [call for call in stored.interactions(path, offset) if call.run_id == run_id]


Found = tuple[RunResult, Sequence[Interaction]]


def find(text: str, root: Path, log_path: Path) -> Found:
    """A run that a person names, with its interactions: ``last``, a run's id or its beginning, a log, goldens, ``git:REF``.

    Raises:
        ConfigError: there is no such run, or several.
        GoldenError: a golden is damaged.
        LogError: the log cannot be read.
    """
    path = root / text
    if path.exists() and not (path.is_dir() or stored.is_golden(path)):
        return _of_log(path, "last")
    if not path.exists() and re.fullmatch(r"last|[0-9a-f]{4,32}", text):
        return _of_log(log_path, text)
    tests = stored.resolve(text, root, log_path).tests
    calls = [replace(call, test_id=test_id) for test_id, found in tests.items() for call in found[-1]]
    results = tuple(summed(test_id, found[-1]) for test_id, found in tests.items())
    return RunResult(run_id=text, mode="stored", log_path=text, tests=results), calls


def _of_log(path: Path, text: str) -> Found:
    begins: dict[str, int] = {}
    for offset, head in heads(path):
        if text == "last" or head.run_id.startswith(text):
            begins.setdefault(head.run_id, offset)
    if not begins or (text != "last" and len(begins) > 1):
        raise ConfigError(f"run {text!r}: {'several runs begin so' if begins else 'there is no such run'} in {path}")
    run_id, offset = list(begins.items())[-1]
    calls = calls_of(path, run_id, offset)
    try:
        return msgspec.json.decode(stored.summary_path(path, run_id).read_bytes(), type=RunResult), calls
    except (OSError, ValueError):  # an application's run has none
        tests = tuple(summed(test_id, own) for test_id, own in by_owner(calls).items())
        return RunResult(run_id=run_id, mode="log", log_path=str(path), content=_content(calls), tests=tests), calls


def by_owner(calls: Iterable[Interaction]) -> dict[str, list[Interaction]]:
    """Calls by whose they are: a test's, or a session's of an application."""
    found: dict[str, list[Interaction]] = {}
    for call in calls:
        session = OUTSIDE if call.session_id == call.run_id else call.session_id
        found.setdefault(call.test_id or session, []).append(call)
    return found


def _content(calls: Iterable[Interaction]) -> Literal["full", "hash", "none"]:
    """How much of what was said the records hold, where no summary tells."""
    for call in calls:
        if call.prompt.startswith("blake2b:"):
            return "hash"
        if call.prompt or call.response:
            return "full"
    return "none"


def summed(test_id: str, calls: Sequence[Interaction]) -> TestResult:
    """What calls came to, as the result of a test of which nothing else is known."""
    totals = Totals(calls)
    replayed = [call for call in calls if call.source == "replay"]
    live = [call for call in calls if call.source != "replay"]
    return TestResult(
        test_id=test_id, passed=True, live=len(live), replayed=len(replayed), failed_calls=sum(call.status == "failure" for call in calls),
        live_tokens=sum(call.tokens or 0 for call in live), replayed_tokens=sum(call.tokens or 0 for call in replayed),
        live_cost_usd=sum(call.cost_usd or 0.0 for call in live), replayed_cost_usd=sum(call.cost_usd or 0.0 for call in replayed),
        live_latencies=tuple(call.latency_seconds for call in live if call.latency_seconds is not None),
        replayed_latencies=tuple(call.latency_seconds for call in replayed if call.latency_seconds is not None),
        figures=totals.values, unknown=totals.unknown,
    )  # fmt: skip
