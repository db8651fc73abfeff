"""The log: appending validated records, validating a file, reading it; each beside the plainest way to do about the same."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import questions
from pytest_llmlog import log
from pytest_llmlog.intercept.recorder import Recorder
from sidebyside import processes
from sidebyside.values import Spread


@dataclass(frozen=True)
class Rate:
    """Lines a second of wall time and of CPU time; ``floor`` says what was measured beside it, in turns.

    ``memory`` is the peak in MB, of a file and of one four times as long.
    """

    what: str
    floor: str
    wall: Spread
    cpu: Spread
    wall_ratio: Spread
    cpu_ratio: Spread
    memory: tuple[int, int] | None = None


Work = Callable[[], int]
"""Does the work, and returns how many lines it was."""


def _timed(work: Work) -> tuple[float, float]:
    """Wall and CPU seconds a line, processes that it waited for included."""
    began, used = processes.clock()
    count = work()
    ended, now = processes.clock()
    return (ended - began) / count, (now - used) / count


def _rate(what: str, floor: str, turns: Sequence[tuple[tuple[float, float], tuple[float, float]]]) -> Rate:
    """Of turns of (the floor's wall and CPU seconds a line, ours)."""

    def rate(kind: int) -> Spread:
        return Spread.of([1 / ours[kind] for _, ours in turns])

    def ratio(kind: int) -> Spread:
        return Spread.of([ours[kind] / base[kind] for base, ours in turns])

    return Rate(what, floor, rate(0), rate(1), ratio(0), ratio(1))


def _append(folder: Path, records: list[dict[str, Any]], count: int, rounds: int) -> Rate:
    writer = log.LogWriter(folder / "appended.log")
    recorder = Recorder("0" * 32, writer, print)
    plain = (folder / "plain.log").open("ab", buffering=0)

    def ours() -> int:
        for record in islice(cycle(records), count):
            line, _ = recorder.checked(record)
            assert line is not None
            recorder.write([line], failure=False)
        return count

    def floor() -> int:
        for record in islice(cycle(records), count):
            plain.write(json.dumps(record).encode() + b"\n")
        return count

    try:
        turns = [(_timed(floor), _timed(ours)) for _ in range(rounds)]
        return _rate("append: validated, cleaned of credentials, one write a line", "json.dumps and one write a line", turns)
    finally:
        writer.close()
        plain.close()


def _read(path: Path, rounds: int) -> Rate:
    def ours() -> int:
        with path.open("rb") as file:
            return sum(line.fault is None for line in log.read(file))

    def floor() -> int:
        with path.open("rb") as file:
            return sum(json.loads(line) is not None for line in file)

    return _rate("read past every fault", "json.loads of each line", [(_timed(floor), _timed(ours)) for _ in range(rounds)])


VALIDATE = """
import sys
from pathlib import Path
from pytest_llmlog.cli import main
try:
    main(["validate", sys.argv[1]])
finally:
    print(next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")), file=sys.stderr)
"""
PLAIN = """
import json, sys
with open(sys.argv[1], "rb") as file:
    for line in file:
        json.loads(line)
"""


def _validate(short: Path, long: Path, count: int, rounds: int) -> Rate:
    """The seconds for ``count`` lines that a long log has more than a short one, which takes the process's start off."""
    peaks: dict[Path, int] = {}

    def validated(path: Path) -> int:
        done = subprocess.run([sys.executable, "-c", VALIDATE, str(path)], capture_output=True, text=True, check=True)
        peaks[path] = int(done.stderr.split()[-2]) // 1024
        return count

    def parsed(path: Path) -> int:
        subprocess.run([sys.executable, "-c", PLAIN, str(path)], check=True)
        return count

    def beyond(work: Callable[[Path], int]) -> tuple[float, float]:
        less, more = _timed(lambda: work(short)), _timed(lambda: work(long))
        return more[0] - less[0], more[1] - less[1]

    turns = [(beyond(parsed), beyond(validated)) for _ in range(rounds)]
    rate = _rate("llmlog validate, without the process's start", "json.loads of each line", turns)
    return replace(rate, memory=(peaks[short], peaks[long]))


def measure(quick: bool, tell: Callable[[str], None]) -> list[Rate]:
    """Measure everything about logs of records of 1 KB."""
    tell("logs")
    count, rounds = (20_000, 3) if quick else (200_000, 5)
    with tempfile.TemporaryDirectory(prefix="llmlog-benchmark-") as name:
        folder = Path(name)
        short, long = folder / "short.log", folder / "long.log"
        questions.make(short, count // 4)
        questions.make(long, count)
        with long.open("rb") as file:
            records = [json.loads(line) for line in islice(file, 1000)]
        return [
            _append(folder, records, min(count, 50_000), rounds),
            _validate(short, long, count - count // 4, rounds),
            _read(long, rounds),
        ]
