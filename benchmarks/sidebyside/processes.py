"""Processes that the benchmarks start: what they inherit, and the time they take."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

HERE = Path(__file__).parents[1]
"""The folder that a process finds these modules in."""


def environ(**more: str) -> dict[str, str]:
    """The environment of a process that imports these modules, wherever it runs."""
    return {**os.environ, "PYTHONPATH": str(HERE), **more}


def clock() -> tuple[float, float]:
    """Seconds of wall time, and of CPU time of this process and of those that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return time.perf_counter(), sum(each.ru_utime + each.ru_stime for each in used)
