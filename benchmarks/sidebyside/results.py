"""Everything that one run has measured, and how it reads: a page of Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sidebyside.asked import Asked
from sidebyside.goldens import Golden
from sidebyside.logs import Rate
from sidebyside.startup import Started
from sidebyside.tools import TOOLS
from sidebyside.values import Row, Spread, percentile


@dataclass(frozen=True)
class Results:
    """What was measured; ``calls`` are rows with the name of their family."""

    facts: dict[str, str]
    quick: bool
    calls: Sequence[tuple[str, Row]]
    streams: Sequence[Row]
    started: Sequence[Started]
    rates: Sequence[Rate]
    goldens: Sequence[Golden]
    asked: Sequence[Asked]


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def calls(results: Results, action: str) -> str:
    """The tables of what is recorded or replayed, one for each family."""
    families = dict.fromkeys(family for family, _ in results.calls)
    parts = []
    for family in families:
        rows = [row for name, row in results.calls if name == family and row.case.action == action]
        parts.append(
            f"### {action.capitalize()}: {family}\n\n" + table(_HEADS, map(_call, sorted(rows, key=lambda row: row.case.calls)))
        )
    return "\n".join(parts)


_HEADS = ("calls in a test", "tool", "wall ÷ floor", "CPU ÷ floor", "CPU µs a call", "floor, CPU µs", "tests", "file, KB a call")


def _call(row: Row) -> Sequence[object]:
    head = (f"{row.case.calls:,}", row.case.tool)
    size = f"{row.size / row.case.calls / 1000:.1f}" if row.size and row.stopped is None else "–"
    if row.fault is not None:
        return (*head, f"failed: {_reason(row.fault)}", "", "", "", "", size)
    if row.stopped is not None:
        return (
            *head,
            f"> {TOOLS[row.case.tool].limit:.0f} s: given up after {row.stopped:.0f} s and {row.done:,} calls",
            "",
            "",
            "",
            "",
            size,
        )
    figures = (row.wall_ratio.told(), row.cpu_ratio.told(), row.cpu.told("{:,.0f}", 1e6), row.floor_cpu.told("{:,.0f}", 1e6))
    return (*head, *figures, len(row.rounds), size)


def _reason(fault: str) -> str:
    """The line of pytest's output that says what was raised, without the paths of a folder that is gone."""
    lines = fault.strip().splitlines()
    found = next((line[1:].strip() for line in lines if line.startswith("E ")), lines[-1])
    return re.sub(r"(?<!\S)/\S+", "…", found).replace("|", "/")[:200]


def streams(results: Results) -> str:
    """The table of first chunks."""

    def line(row: Row) -> Sequence[object]:
        if row.fault is not None or not row.delays:
            return (row.case.width, row.case.tool, "failed", "", "")
        told = (_delays(row.delays), _delays(row.bare), f"{(percentile(row.delays, 0.5) - percentile(row.bare, 0.5)) * 1000:.2f}")
        return (row.case.width, row.case.tool, *told)

    heads = (
        "streams at once",
        "tool, recording",
        "delay, ms: median / 95 % / 99 % / greatest",
        "the same without a tool",
        "medians' difference, ms",
    )
    return table(heads, map(line, sorted(results.streams, key=lambda row: row.case.width)))


def _delays(values: Sequence[float]) -> str:
    return " / ".join(f"{percentile(values, share) * 1000:.2f}" for share in (0.5, 0.95, 0.99, 1.0))


def started(results: Results) -> str:
    """The table of start-up."""

    def line(row: Started) -> Sequence[object]:
        times = (row.wall, row.cpu, row.wall_over, row.cpu_over)
        return (row.what, row.start.name, *(each.told("{:.1f}", 1000) for each in times), row.wall.count)

    return table(
        ("session", "plugin", "wall, ms", "CPU, ms", "wall over the first, ms", "CPU over the first, ms", "sessions"),
        map(line, results.started),
    )


def rates(results: Results) -> str:
    """The table of logs."""

    def line(row: Rate) -> Sequence[object]:
        ratios = f"{row.wall_ratio.told()}; CPU {row.cpu_ratio.told()}"
        memory = "–" if row.memory is None else "{} → {}".format(*row.memory)
        return (row.what, row.wall.told("{:,.0f}"), row.cpu.told("{:,.0f}"), ratios, row.floor, memory)

    heads = (
        "records of 1 KB",
        "a second",
        "a CPU second",
        "time ÷ floor",
        "floor",
        "peak memory of a file and of one 4 times as long, MB",
    )
    return table(heads, map(line, results.rates))


def goldens(results: Results) -> str:
    """The table of goldens."""

    def told(time: Spread, ratio: Spread) -> str:
        return f"{time.told('{:,.2f}')}; {ratio.median:.2f} ×"

    def line(row: Golden) -> Sequence[object]:
        size = f"{row.size / row.interactions / 1000:.1f}"
        figures = (told(row.save, row.save_ratio), told(row.load, row.load_ratio), told(row.open, row.open_ratio))
        return (f"{row.interactions:,}", size, *figures)

    heads = ("interactions", "KB each", "save, CPU ms; ÷ json.dumps", "load whole; ÷ json.loads", "open for replay; ÷ json.loads")
    return table(heads, map(line, results.goldens))


def asked(results: Results) -> str:
    """The table of questions to a big log."""
    lines = ((f"{row.lines:,} ({row.size / 1e6:,.0f} MB)", row.question, row.way, row.answered.told()) for row in results.asked)
    return table(("log", "question", "way", "wall seconds (CPU), peak memory"), lines)
