"""Which cases there are, and how a case becomes a row: by a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sidebyside import processes, server
from sidebyside.tools import OURS, TOOLS, VARIED
from sidebyside.values import Case, Round, Row

MODULES = {
    "cassetter": "cassetter",
    "pytest-recording": "pytest_recording",
    "langsmith": "langsmith",
    "pytest-llmlog": "pytest_llmlog",
}
PLAIN = "plain"
FAMILIES: dict[str, tuple[Case, ...]] = {
    PLAIN: tuple(Case("", "record", calls, rounds=rounds) for calls, rounds in ((10, 30), (100, 10), (1_000, 4), (10_000, 2))),
    "streamed in 100 chunks": (Case("", "record", 100, streamed=True, rounds=5),),
    "64 at once": (Case("", "record", 128, width=64, rounds=6),),
    "64 at once, streamed": (Case("", "record", 128, width=64, streamed=True, rounds=4),),
    "bodies of 200 KB": (Case("", "record", 100, size=200_000, rounds=4),),
}
"""What every tool is measured with, the smaller before the greater: a tool whose test is given up is spared the greater ones."""

QUICK: dict[str, tuple[Case, ...]] = {PLAIN: (Case("", "record", 50, rounds=3),)}
QUICK_OURS: dict[str, tuple[Case, ...]] = {
    "streamed in 100 chunks": (Case("", "record", 10, streamed=True, rounds=2),),
    "64 at once": (Case("", "record", 64, width=64, rounds=2),),
    "bodies of 200 KB": (Case("", "record", 10, size=200_000, rounds=2),),
}
PACED = (Case("", "paced", 20, streamed=True, rounds=1), Case("", "paced", 256, streamed=True, width=64, rounds=2))
PACED_QUICK = (Case("", "paced", 5, streamed=True, rounds=1), Case("", "paced", 128, streamed=True, width=64, rounds=1))
"""Streams whose first chunk is timed; the tools record. All that stand on vcrpy wait for the whole answer, so one of them is enough."""


def installed(tool: str) -> bool:
    """Whether a tool is there to be measured."""
    return find_spec(MODULES[TOOLS[tool].package]) is not None


def measure(quick: bool, tell: Callable[[str], None]) -> Iterator[tuple[str, Row]]:
    """Yield the rows of all tools, each with the name of its family: what is recorded, and what of that is replayed."""
    for tool in filter(installed, TOOLS):
        for family, cases in _families(tool, quick).items():
            given_up = set[str]()
            for case in cases:
                tell(f"{tool}: {case.calls} calls, {family}")
                for row in _pair(replace(case, tool=tool), given_up):
                    yield family, row


def _families(tool: str, quick: bool) -> dict[str, tuple[Case, ...]]:
    if quick:
        return QUICK | QUICK_OURS if tool == OURS else QUICK
    return FAMILIES if tool in VARIED else {PLAIN: FAMILIES[PLAIN][:-1]}


def _pair(case: Case, given_up: set[str]) -> Iterator[Row]:
    """The row of recording and that of replaying what was recorded; less where a smaller one was given up."""
    with tempfile.TemporaryDirectory(prefix="llmlog-benchmark-") as name:
        folder = Path(name)
        with server.running() as base_url:
            recorded = run(replace(case, rounds=0) if "record" in given_up else case, folder, base_url)
            recorded_at = base_url
        rows = [] if "record" in given_up else [recorded]
        if recorded.fault is None and "replay" not in given_up:
            rows.append(_replayed(case, folder, recorded_at))
        given_up.update(row.case.action for row in rows if row.stopped is not None)
        yield from rows


def _replayed(case: Case, folder: Path, base_url: str) -> Row:
    """The row of replaying: each test has a copy of what the first one recorded, so that it is asked the same."""
    grow = TOOLS[case.tool].grow
    if grow and (warm := _file(folder, "warm]")) and not _file(folder, "tool-0"):
        grow(warm, warm.with_name(warm.name.replace("warm", "tool-0")), case.calls)
    case, first = replace(case, action="replay"), _file(folder, "tool-0")
    if first is None:
        return Row(case, fault="nothing was recorded")
    for number in range(1, case.rounds):
        copy = first.with_name(first.name.replace("tool-0", f"tool-{number}"))
        copy.unlink(missing_ok=True)
        os.link(first, copy)
    return run(case, folder, base_url)


def run(case: Case, folder: Path, base_url: str) -> Row:
    """The row of a case, by a process of its own."""
    command = [sys.executable, "-m", "sidebyside.worker", json.dumps(asdict(case)), base_url, str(folder)]
    result = folder / "result.json"
    result.unlink(missing_ok=True)
    environ = processes.environ(LANGSMITH_TRACING="false", CI="", PYTEST_ADDOPTS="")
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    if not result.exists():
        return Row(case, fault=done.stderr[-3000:])
    return _row(case, folder, json.loads(result.read_text(encoding="utf-8")))


def _row(case: Case, folder: Path, found: dict[str, Any]) -> Row:
    tests = {each["id"]: each for each in found["timed"]}
    recording = _file(folder, "tool-0")
    return Row(
        case,
        rounds=tuple(_rounds(tests)),
        stopped=found.get("stopped"),
        done=found.get("done", 0),
        size=recording.stat().st_size if recording else None,
        delays=tuple(delay for id, each in tests.items() if id.startswith("tool-") for delay in each["delays"]),
        bare=tuple(delay for id, each in tests.items() if id.startswith("floor-") for delay in each["delays"]),
        fault=found.get("fault"),
    )


def _rounds(tests: dict[str, dict[str, Any]]) -> Iterator[Round]:
    """A test of the tool, and the mean of the floors before and after it."""
    order = [each for id, each in tests.items() if not id.startswith("warm")]
    for before, test, after in zip(order[::2], order[1::2], order[2::2], strict=False):
        floor = [(each["wall"] / each["calls"], each["cpu"] / each["calls"]) for each in (before, after)]
        wall, cpu = (sum(values) / 2 for values in zip(*floor, strict=True))
        yield Round(wall, cpu, test["wall"] / test["calls"], test["cpu"] / test["calls"])


def _file(folder: Path, part: str) -> Path | None:
    """The golden or cassette of a test."""
    return next((path for path in sorted(folder.rglob("*")) if part in path.name and path.is_file()), None)


def paced(quick: bool, tell: Callable[[str], None]) -> Iterator[Row]:
    """Yield the rows of streams whose first chunk is timed."""
    for tool in (OURS,) if quick else filter(installed, VARIED):
        for case in PACED_QUICK if quick else PACED:
            with tempfile.TemporaryDirectory(prefix="llmlog-benchmark-") as name, server.running() as base_url:
                tell(f"{tool}: the first chunk of {case.calls} streams, {case.width} at once")
                yield run(replace(case, tool=tool), Path(name), base_url)
