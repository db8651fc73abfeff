"""What a question to a log costs: this package's engines against plain Python, polars and DuckDB's auto-detection.

Run with ``python benchmarks/questions.py [LINES ...]``. Each way answers the same question in a process of its own, so that its peak
memory is its own: calls, failures, the 95th percentile of the latency and the sum of the tokens for each model (``stats``), or how
many prompts and answers hold a text (``find``). ``compacted`` reads the Parquet file that ``llmlog compact`` makes. Printed is a
Markdown table of wall seconds, the best of three, with the processor seconds of that run and the peak resident memory; a way that a library is missing for is left out.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

MODELS = ("gpt-4o-mini", "gpt-4o", "claude-sonnet-4", "gemini-2.5-flash")
WORDS = [
    "the",
    "printer",
    "is",
    "on",
    "fire",
    "and",
    "nobody",
    "knows",
    "why",
    "a",
    "model",
    "answers",
    "tickets",
    "about",
    "invoices",
    "returns",
    "access",
    "keys",
    "shipping",
]
NEEDLE = "fire fire fire"
RUNS = 3


def make(path: Path, count: int) -> None:
    """Write a log of records of about 1 KB."""
    import msgspec

    from pytest_llmlog import clock, matching

    chance, encode = random.Random(7), msgspec.json.Encoder().encode
    with path.open("wb") as file:
        for number in range(count):
            prompt, answer = " ".join(chance.choices(WORDS, k=24)), " ".join(chance.choices(WORDS, k=24))
            failed, asked, told = chance.random() < 0.03, chance.randint(50, 900), chance.randint(5, 400)
            digest = matching.digest(prompt.encode())
            record: dict[str, Any] = {
                "timestamp": clock.timestamp_of(1_772_000_000 + number * 7), "schema_version": 1, "event": "llm.call",
                "request_id": f"{number:032x}", "run_id": f"{number // 1000:032x}", "session_id": f"s{number // 20}",
                "prompt_template": chance.choice(["triage", "answer", "summary", None]), "input": None, "prompt": prompt,
                "response": None if failed else answer, "tokens": None if failed else asked + told,
                **({} if failed else {"usage": {"input": asked, "output": told, "total": asked + told, "cached_input": asked // 2, "source": "provider"},
                                      "cost_usd": round(asked * 1e-6 + told * 4e-6, 9), "cost_source": "provider"}),
                "latency_seconds": round(chance.lognormvariate(0, 0.7), 6), "status": "failure" if failed else "success",
                **({"error": "Rate limit reached for this model", "error_type": "RateLimitError"} if failed else {}),
                "source": "live", "provider": "openai", "operation": "chat", "model": chance.choice(MODELS), "stream": False,
                "finish_reasons": ["stop"], "attempt": 1, "prompt_hash": digest, "request_hash": digest, "test_id": f"tests/test_a.py::test_{number % 50}",
            }  # fmt: skip
            file.write(encode(record) + b"\n")


def ours(path: Path, question: str, engine: str) -> object:
    from pytest_llmlog.query import engines, finding, sources
    from pytest_llmlog.query.columns import COLUMNS

    chosen = engines.choose(engine, lambda: sources.expand([str(path)]), sources.Damage(), advance=lambda _: None)
    return chosen.stats([COLUMNS["model"]], None) if question == "stats" else len(finding.of_text(chosen, NEEDLE, None))


def plain(path: Path, question: str) -> object:
    if question == "find":
        with path.open(encoding="utf-8") as file:
            return sum(NEEDLE in (call["prompt"] or "") or NEEDLE in (call["response"] or "") for call in map(json.loads, file))
    groups: dict[str, list[Any]] = {}
    with path.open(encoding="utf-8") as file:
        for call in map(json.loads, file):
            group = groups.setdefault(call["model"], [0, 0, [], 0])
            group[0] += 1
            group[1] += call["status"] == "failure"
            group[2].append(call["latency_seconds"])
            group[3] += call["tokens"] or 0
    return {model: (*group[:2], sorted(group[2])[int(0.95 * len(group[2]))], group[3]) for model, group in groups.items()}


def polars(path: Path, question: str) -> object:
    import polars as pl

    frame = pl.scan_ndjson(path, infer_schema_length=1000)
    if question == "find":
        held = pl.col("prompt").str.contains(NEEDLE, literal=True) | pl.col("response").str.contains(NEEDLE, literal=True)
        return frame.filter(held).select(pl.len()).collect(engine="streaming").item()
    figures = (
        pl.len(),
        (pl.col("status") == "failure").sum().alias("failures"),
        pl.col("latency_seconds").quantile(0.95),
        pl.col("tokens").sum(),
    )
    return frame.group_by("model").agg(*figures).collect(engine="streaming").rows()


def automatic(path: Path, question: str) -> object:
    import duckdb

    if question == "find":
        held = f"contains(prompt, '{NEEDLE}') or contains(response, '{NEEDLE}')"
        return duckdb.connect().execute(f"SELECT count(*) FROM read_json_auto('{path}') WHERE {held}").fetchall()
    figures = "model, count(*), count(*) FILTER (status = 'failure'), quantile_cont(latency_seconds, 0.95), sum(tokens)"
    return duckdb.connect().execute(f"SELECT {figures} FROM read_json_auto('{path}') GROUP BY model").fetchall()


WAYS: dict[str, tuple[str, Any]] = {
    "llmlog, DuckDB": ("duckdb", lambda path, question: ours(path, question, "duckdb")),
    "llmlog, streaming": ("msgspec", lambda path, question: ours(path, question, "stream")),
    "llmlog, compacted": ("duckdb", lambda path, question: ours(Path(f"{path}.parquet"), question, "duckdb")),
    "plain Python": ("json", plain),
    "polars": ("polars", polars),
    "DuckDB's auto-detection": ("duckdb", automatic),
}


def peak_memory() -> int:
    """The most resident memory this process had, in MB: not by getrusage, which counts what its parent had when it forked."""
    found = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(found.split()[1]) // 1024


@dataclass(frozen=True)
class Answered:
    """Wall and processor seconds of the best run, from the start of a process to its answer, and the peak memory of all in MB."""

    wall: float
    cpu: float
    peak: int

    def told(self) -> str:
        """For the table."""
        return f"{self.wall:.2f} s ({self.cpu:.2f}), {self.peak:,} MB"


def measure(way: str, path: Path, question: str, runs: int = RUNS) -> Answered:
    """Answer a question so many times, each in a process of its own."""
    best, peak = (float("inf"), 0.0), 0
    for _ in range(runs):
        begin, used = time.perf_counter(), _used()
        done = subprocess.run(
            [sys.executable, __file__, "--one", way, str(path), question], capture_output=True, text=True, check=True
        )
        best, peak = min(best, (time.perf_counter() - begin, _used() - used)), max(peak, int(done.stdout))
    return Answered(*best, peak)


def _used() -> float:
    """Processor seconds of the processes that ended so far."""
    found = os.times()
    return found.children_user + found.children_system


def main(counts: list[int]) -> None:
    """Print the table."""
    from pytest_llmlog.query import compact, sources

    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}\n")
    print("| lines | question | " + " | ".join(WAYS) + " |\n|---|---|" + "---|" * len(WAYS))
    with tempfile.TemporaryDirectory(prefix="llmlog-benchmark-") as folder:
        for count in counts:
            path = Path(folder, f"{count}.log")
            make(path, count)
            compact.compact(sources.Source(str(path)), Path(f"{path}.parquet"))
            for question in ("stats", "find"):
                cells = [measure(way, path, question).told() if find_spec(module) else "–" for way, (module, _) in WAYS.items()]
                print(f"| {count:,} ({path.stat().st_size / 1e6:,.0f} MB) | {question} | " + " | ".join(cells) + " |", flush=True)
            path.unlink()
            Path(f"{path}.parquet").unlink()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        WAYS[sys.argv[2]][1](Path(sys.argv[3]), sys.argv[4])
        print(peak_memory())
    else:
        main([int(count) for count in sys.argv[1:]] or [10_000, 100_000, 1_000_000])
