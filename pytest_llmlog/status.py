"""A line now and then while a run records: how many calls so far, and what they cost; between pytest's own lines, in a terminal only."""

from __future__ import annotations

import threading
from contextlib import nullcontext

import pytest

from pytest_llmlog import clock
from pytest_llmlog.metrics import show

INTERVAL = 5.0
"""Seconds between two lines, and before the first."""


class Status:
    """Counts live calls, and tells of them through pytest's reporter.

    It writes as pytest's live log does: with capturing suspended, on a line of its own, after which the reporter begins the next
    test's line anew. Nothing is written where that could mix with something else: without a terminal, in a worker, under ``-q``,
    under ``-s``, and from threads; what they call is counted and told with the next line.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._calls, self._cost = 0, 0.0
        self._told, self._at = 0, clock.monotonic()
        self._lock = threading.Lock()

    def count(self, calls: int, cost: float) -> None:
        """Count live calls in, and tell when it is time."""
        with self._lock:
            self._calls += calls
            self._cost += cost
        due = self._calls > self._told and clock.monotonic() - self._at >= INTERVAL
        if due and threading.current_thread() is threading.main_thread():
            self._tell()

    def _tell(self) -> None:
        config = self._config
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        if reporter is None or not bool(reporter.isatty) or hasattr(config, "workerinput"):
            return
        if config.get_verbosity() < 0 or config.getoption("capture", "no") == "no":
            return
        self._told, self._at = self._calls, clock.monotonic()
        money = f", {show('usd', self._cost)}" if self._cost else ""
        capturing = config.pluginmanager.get_plugin("capturemanager")
        with capturing.global_and_fixture_disabled() if capturing is not None else nullcontext():
            reporter.write_ensure_prefix(f"llmlog: {self._calls:,} live call{'' if self._calls == 1 else 's'}{money} so far")
            reporter.flush()
