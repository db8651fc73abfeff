"""What the plugin adds to the start of pytest: absent, installed, enabled, and enabled on many tests that make no call."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

from sidebyside import processes
from sidebyside.values import Spread

PLUGIN = "pytest_llmlog"
UNSET = ("PYTHONPATH", "PYTEST_ADDOPTS", "CI", "PYTHONDONTWRITEBYTECODE")
"""What a user's shell does not have: without byte code pytest rewrites the assertions of all plugins' modules at each start."""


@dataclass(frozen=True)
class Start:
    """How a session is started; ``name`` is for the table, ``installed`` tells whether the plugin is there at all."""

    name: str
    installed: bool
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Started:
    """Seconds that sessions took; ``wall_over`` and ``cpu_over`` are what they took more than the first one of the same turn."""

    start: Start
    what: str
    wall: Spread
    cpu: Spread
    wall_over: Spread
    cpu_over: Spread


ABSENT = Start("not installed", installed=False)
STARTS = (
    ABSENT,
    Start("installed, -p no:llmlog", installed=True, arguments=("-p", "no:llmlog")),
    Start("installed, not enabled", installed=True),
    Start("enabled", installed=True, arguments=("--llmlog",)),
)
TWO = (ABSENT, STARTS[-1])


def environment(folder: Path, installed: bool) -> Path:
    """Make a virtual environment out of links to this one's packages, with or without the plugin and with no other plugin of pytest's.

    Returns:
        Its Python.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    there = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    plugins = {str(found.name) for found in distributions() if any(entry.group == "pytest11" for entry in found.entry_points)}
    left_out = {name.replace("-", "_").lower() for name in plugins} - {PLUGIN}
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        is_plugin = path.suffix == ".dist-info" and path.name.split("-")[0].lower() in left_out
        if not is_plugin and path.suffix != ".pth" and (installed or PLUGIN not in path.name):
            (there / path.name).symlink_to(path)
    if installed and not (there / PLUGIN).exists():  # an editable installation, whose package is found by a .pth file
        (there / PLUGIN).symlink_to(Path(__file__).parents[2] / PLUGIN)
    return folder / "bin" / "python"


def _session(python: Path, folder: Path, arguments: Sequence[str]) -> tuple[float, float]:
    """Wall and CPU seconds of one session, from the start of its process to its end."""
    environ = {name: value for name, value in os.environ.items() if name not in UNSET}
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, "test_it.py"]
    began, used = processes.clock()
    subprocess.run(command, cwd=folder, env=environ, stdout=subprocess.DEVNULL, check=True)
    ended, now = processes.clock()
    return ended - began, now - used


def _compare(what: str, starts: Sequence[Start], rounds: int, pythons: dict[bool, Path], folder: Path, *more: str) -> list[Started]:
    turns = []
    for number in range(rounds + 1):  # the first one warms up: byte code is written, files are read
        order = starts if number % 2 else starts[::-1]
        turn = {start.name: _session(pythons[start.installed], folder, [*start.arguments, *more]) for start in order}
        if number:
            turns.append(turn)
    rows = []
    for start in starts:
        wall, cpu = ([turn[start.name][kind] for turn in turns] for kind in (0, 1))
        floor = starts[0].name
        over = [[turn[start.name][kind] - turn[floor][kind] for turn in turns] for kind in (0, 1)]
        rows.append(Started(start, what, Spread.of(wall), Spread.of(cpu), Spread.of(over[0]), Spread.of(over[1])))
    return rows


def measure(quick: bool, tell: Callable[[str], None]) -> list[Started]:
    """Run sessions of all kinds in turns."""
    rounds, many = (2, 500) if quick else (15, 5000)
    with tempfile.TemporaryDirectory(prefix="llmlog-benchmark-") as name:
        tell("start-up of pytest")
        pythons = {installed: environment(Path(name, f"env-{installed}"), installed) for installed in (False, True)}
        folder = Path(name, "suite")
        folder.mkdir()
        (folder / "pytest.ini").write_text("[pytest]\n")
        (folder / "test_it.py").write_text("def test_it():\n    pass\n")
        rows = _compare("--collect-only, 1 test", STARTS, rounds, pythons, folder, "--collect-only")
        source = f"import pytest\n\n@pytest.mark.parametrize('n', range({many}))\ndef test_it(n):\n    pass\n"
        (folder / "test_it.py").write_text(source)
        rows += _compare(f"--collect-only, {many:,} tests", TWO, max(1, rounds // 3), pythons, folder, "--collect-only")
        return rows + _compare(f"{many:,} tests run, none makes a call", TWO, max(1, rounds // 3), pythons, folder)
