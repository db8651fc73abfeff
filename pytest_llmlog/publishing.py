"""What leaves a session when it is over: reports, and what GitHub shows of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from pytest_llmlog import recap, reports, runs
from pytest_llmlog.baseline import Baseline
from pytest_llmlog.errors import LlmlogError
from pytest_llmlog.options import Options
from pytest_llmlog.record import RunResult
from pytest_llmlog.reports import github


def check(options: Options) -> None:
    """Find out at the start whether the reports can be made.

    Raises:
        ConfigError: one cannot.
    """
    for path in options.report:
        reports.check(path, "llmlog_report / --llmlog-report")


def publish(
    run: RunResult, options: Options, baseline: Baseline, *, root: Path, log_begins: int, fault: Callable[[str], None]
) -> list[str]:
    """Write the reports that were asked for and the step's summary; return the lines that annotate tests.

    Args:
        run: the run, without credentials.
        options: of the run.
        baseline: what its tests were compared with.
        root: pytest's root directory.
        log_begins: the byte of the log where the run begins.
        fault: takes what could not be done: a run is not failed by its report.
    """
    on_github = os.environ.get("GITHUB_ACTIONS") == "true" or "GITHUB_STEP_SUMMARY" in os.environ
    called = any(test.live or test.replayed or test.violations for test in run.tests)
    if not options.report and not (on_github and called):
        return []
    try:
        calls = runs.calls_of(options.log, run.run_id, log_begins)
        made = recap.of_run(run, calls, baseline, root=Path.cwd(), trend=runs.trend(options.log, run.run_id))
        for path in options.report:
            reports.write(made, path)
        if not called:
            return []
        github.append_summary(made)
        return list(github.commands(made, root))
    except (LlmlogError, OSError) as exc:
        fault(f"the report could not be written: {exc}")
    except Exception as exc:  # a fault of ours, or of a library that draws
        fault(f"the report could not be written: {type(exc).__name__}: {exc}")
    return []
