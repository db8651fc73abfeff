"""What is promised, what was measured of it, and whether it holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sidebyside.results import Results
from sidebyside.rows import PLAIN
from sidebyside.tools import OURS, TOOLS
from sidebyside.values import Row, percentile

PEERS = {"cassetter": 2, "pytest-recording": 50}
"""How many times faster replay is than theirs."""


@dataclass(frozen=True)
class Promise:
    """``held`` is None where this run has not measured it."""

    what: str
    limit: str
    measured: str
    held: bool | None


def kept(results: Results) -> list[Promise]:
    """Judge every promise by medians."""
    return [*_ratios(results), *_peers(results), *_chunks(results), *_start(results), *_log(results), *_questions(results)]


def _plain(results: Results, action: str) -> dict[tuple[str, int], Row]:
    rows = (row for family, row in results.calls if family == PLAIN and row.case.action == action and row.fault is None)
    return {(row.case.tool, row.case.calls): row for row in rows}


def _ratios(results: Results) -> Iterator[Promise]:
    for action, what in (
        ("replay", "replay, log and validation on, against the client over its library's own MockTransport, whole tests"),
        ("record", "recording, against the same calls without the plugin, loopback server, whole tests"),
    ):
        ours = {calls: row for (tool, calls), row in _plain(results, action).items() if tool == OURS and row.rounds}
        told = "; ".join(
            f"{row.wall_ratio.median:.2f} × (CPU {row.cpu_ratio.median:.2f} ×) at {calls:,}" for calls, row in ours.items()
        )
        yield Promise(what, "≤ 1.15 ×", told, all(row.wall_ratio.median <= 1.15 for row in ours.values()) if ours else None)


def _peers(results: Results) -> Iterator[Promise]:
    rows = _plain(results, "replay")
    most = max((calls for tool, calls in rows if tool == OURS and calls <= 1000), default=0)
    ours = rows.get((OURS, most))
    if ours is None or not ours.rounds:
        return
    for (tool, calls), row in rows.items():
        factor = PEERS.get(TOOLS[tool].package)
        if factor is None or calls != most:
            continue
        # Of a test that was given up, the calls made by then: those to come take longer.
        theirs = row.stopped / max(1, row.done) if row.stopped is not None else row.cpu.median
        times, added = theirs / ours.cpu.median, (theirs - ours.floor_cpu.median) / (ours.cpu.median - ours.floor_cpu.median)
        told = f"{'at least ' if row.stopped is not None else ''}{times:.1f} ×; of the time beyond the client's own {added:.1f} ×"
        held = times >= factor if most == 1000 else None
        yield Promise(f"against {tool} at {most:,} interactions, CPU time a call", f"at 1,000: ≥ {factor} ×", told, held)


def _chunks(results: Results) -> Iterator[Promise]:
    for row in results.streams:
        if row.case.tool != OURS or not row.delays:
            continue
        late, bare = (percentile(values, 0.95) * 1000 for values in (row.delays, row.bare))
        told = f"95 % within {late:.2f} ms; without the plugin {bare:.2f} ms"
        alone = row.case.width == 1  # 64 at once keep the client itself busy
        held = late <= 5 if alone else late - bare <= 5
        limit = "within 5 ms of its arrival" if alone else "within 5 ms of when it comes without the plugin"
        yield Promise(f"first chunk of a stream, {row.case.width} at once, recording", limit, told, held)


def _start(results: Results) -> Iterator[Promise]:
    found = next((row for row in results.started if row.start.name == "installed, not enabled"), None)
    if found is not None:
        over = found.wall_over
        held = over.median <= 0.01 if over.count >= 5 else None  # of fewer sessions the median is chance
        yield Promise("start of pytest, installed but not enabled", "≤ 10 ms", f"{over.told('{:.1f}', 1000)} ms", held)


def _log(results: Results) -> Iterator[Promise]:
    for beginning, least in (("append", 50_000), ("llmlog validate", 100_000)):
        for rate in results.rates:
            if rate.what.startswith(beginning):
                yield Promise(rate.what, f"≥ {least:,} a second", rate.wall.told("{:,.0f}"), rate.wall.median >= least)
                if rate.memory:
                    short, long = rate.memory
                    yield Promise(
                        "memory of llmlog validate",
                        "flat",
                        f"{short} MB, and {long} MB for four times the lines",
                        long <= short * 1.1,
                    )


def _questions(results: Results) -> Iterator[Promise]:
    for row in results.asked:
        if row.way == "llmlog, DuckDB":
            limit, told = row.answered.wall <= 3 and row.answered.peak <= 500, row.answered.told()
            held = limit if row.lines == 1_000_000 else None
            yield Promise(
                f"llmlog {row.question} over {row.lines:,} lines ({row.size / 1e9:.2f} GB)",
                "1,000,000 lines: ≤ 3 s, ≤ 500 MB",
                told,
                held,
            )
