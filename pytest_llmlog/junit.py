"""What of a run as a whole goes into a JUnit file, through pytest's own writer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from pytest_llmlog.printing import printable
from pytest_llmlog.record import Violation


def tell(config: pytest.Config, figures: Mapping[str, float], violations: Iterable[Violation]) -> None:
    """Put the run's figures into the suite's properties, and what did not hold into a failed case: it is no test's.

    Does nothing without ``--junitxml``. pytest's writer is known by the method that ``record_testsuite_property`` calls.
    """
    for _, writer in config.pluginmanager.list_name_plugin():  # not all that is registered can be hashed
        if hasattr(writer, "add_global_property") and hasattr(writer, "pytest_runtest_logreport"):
            for name, figure in figures.items():
                writer.add_global_property(f"llmlog_{name}", figure)
            for number, violation in enumerate(violations, start=1):
                place = ("llmlog", None, f"{violation.kind} {number}")
                failed = pytest.TestReport(f"llmlog::{place[2]}", place, {}, "failed", printable(violation.text), "call")
                writer.pytest_runtest_logreport(failed)
