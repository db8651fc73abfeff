"""Whether a run was a full one, and which goldens its tests and fixtures have: what pruning needs to know."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from pytest_llmlog import files
from pytest_llmlog.places import fixture_place, test_place
from pytest_llmlog.record import Coverage

SENT = "llmlog_coverage"
"""The name under which a worker of xdist sends what it saw."""


class Watch:
    """A plugin object that watches what is collected and run."""

    def __init__(self, config: pytest.Config, golden_dir: Path | None) -> None:
        self._config, self._golden_dir, self._root = config, golden_dir, str(config.rootpath)
        self._seen = 0
        self._collected = 0
        self._ran: set[str] = set()
        self._goldens: set[str] = set()
        self._partial = self._is_narrowed()

    def _is_narrowed(self) -> bool:
        """Whether the command line leaves tests out before they are collected."""
        option = self._config.option
        narrowed = any(getattr(option, name, None) for name in ("lf", "ignore", "ignore_glob", "pyargs", "collectonly"))
        return narrowed or not all(Path(self._config.invocation_params.dir, arg).is_dir() for arg in self._config.args)

    def _shown(self, path: Path) -> str:
        return files.relative(path, self._root).replace(os.sep, "/")

    def pytest_itemcollected(self) -> None:
        self._seen += 1

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._partial = self._partial or report.outcome != "passed"  # its tests, and so their goldens, are not known

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._collected = len(session.items)
        self._partial = self._partial or self._seen != self._collected

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self._ran.add(item.nodeid)
        self._goldens.add(self._shown(test_place(item, self._golden_dir).path))

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Generator[None, Any, Any]:
        if fixturedef.scope != "function":
            self._goldens.add(self._shown(fixture_place(fixturedef, request, self._golden_dir)[1].path))
        return (yield)

    # Workers of xdist see all that is collected and run a part of it

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        output = getattr(self._config, "workeroutput", None)
        if output is not None:
            output[SENT] = [self._partial, self._collected, sorted(self._ran), sorted(self._goldens)]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        partial, collected, ran, goldens = getattr(node, "workeroutput", {}).get(SENT, (True, 0, (), ()))
        self._partial = self._partial or partial or error is not None
        self._collected = max(self._collected, collected)
        self._ran.update(ran)
        self._goldens.update(goldens)

    def result(self) -> Coverage | None:
        """What the run covered; None when it was not a full one: ``-k``, ``-x``, a shard, a deselected or uncollected test."""
        if self._partial or not self._collected or len(self._ran) != self._collected:
            return None
        folders = sorted({self._shown(Path(self._config.invocation_params.dir, arg).resolve()) for arg in self._config.args})
        golden_dir = self._shown(self._golden_dir) if self._golden_dir else None
        return Coverage(tuple(folders), golden_dir, tuple(sorted(self._goldens)))
