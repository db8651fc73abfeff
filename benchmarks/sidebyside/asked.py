"""Questions to a big log, as ``questions`` measures them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import questions


@dataclass(frozen=True)
class Asked:
    """How a way answered a question to a log of so many lines and bytes."""

    lines: int
    size: int
    question: str
    way: str
    answered: questions.Answered


def measure(quick: bool, tell: Callable[[str], None]) -> list[Asked]:
    """Ask each way both questions; the best of three, and plain Python once."""
    from pytest_llmlog.query import compact, sources

    lines = 10_000 if quick else 1_000_000
    ways = [way for way, (module, _) in questions.WAYS.items() if find_spec(module) and not (quick and "llmlog" not in way)]
    with tempfile.TemporaryDirectory(prefix="llmlog-benchmark-") as name:
        path = Path(name, "big.log")
        tell(f"a log of {lines:,} lines")
        questions.make(path, lines)
        compact.compact(sources.Source(str(path)), Path(f"{path}.parquet"))
        found = []
        for question in ("stats", "find"):
            for way in ways:
                tell(f"{question}: {way}")
                runs = 1 if quick or way == "plain Python" else 3
                found.append(Asked(lines, path.stat().st_size, question, way, questions.measure(way, path, question, runs)))
        return found
