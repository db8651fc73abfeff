"""What a run came to: the results of its tests, what does not hold of it as a whole, and where that is kept and shown."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from pytest_llmlog import files, judge, junit, publishing, stored
from pytest_llmlog.baseline import Baseline
from pytest_llmlog.budgets import Limit
from pytest_llmlog.coverage import Watch
from pytest_llmlog.files import make_private_folder, write_private_file
from pytest_llmlog.intercept.recorder import Recorder
from pytest_llmlog.options import Options
from pytest_llmlog.record import Interaction, RunResult, TestResult, Violation
from pytest_llmlog.reports import terminal
from pytest_llmlog.runs import OUTSIDE


class Conclusion:
    """What a run came to so far; of a worker of xdist, the part that is sent to its controller.

    Attributes:
        results: of tests, fixtures, and of what was called outside of them.
        faults: of our own, each a text; leaks: calls that went round the capture.
    """

    def __init__(
        self,
        config: pytest.Config,
        options: Options,
        recorder: Recorder,
        *,
        baseline: Baseline,
        limits: Collection[Limit],
        coverage: Watch,
        faults: list[str],
    ) -> None:
        self._config, self._options, self._recorder = config, options, recorder
        self._baseline, self._limits, self._coverage = baseline, limits, coverage
        self._log_begins = options.log.stat().st_size if options.log.exists() else 0
        self._violations: list[Violation] = []
        self._warnings: list[str] = []
        self._annotations: list[str] = []
        self.results: list[TestResult] = []
        self.faults, self.leaks = faults, list[str]()

    def leak(self, test_id: str, text: str) -> None:
        """A call went round the capture."""
        self.leaks.append(f"{test_id or OUTSIDE}: {text}")

    @property
    def _has_calls(self) -> bool:
        return any(test.live or test.replayed for test in self.results)

    def made(self, test_ids: Sequence[str]) -> Sequence[Sequence[Interaction]]:
        """The interactions of this run's tests, from the log, where those of workers are as well."""
        made: dict[str, list[Interaction]] = {test_id: [] for test_id in test_ids}
        for call in stored.interactions(self._options.log, self._log_begins):
            if call.run_id == self._recorder.run_id and call.test_id in made:
                made[call.test_id].append(call)
        return [calls for calls in made.values() if calls]

    def sent(self) -> dict[str, Any]:
        """For the controller: tests went with their own reports, fixtures and what was called outside of tests have none."""
        others = [result for result in self.results if result.test_id == OUTSIDE or "::fixture " in result.test_id]
        return {"others": msgspec.to_builtins(others), "faults": self.faults, "leaks": self.leaks}

    def receive(self, sent: Mapping[str, Any]) -> None:
        """Take what a worker has sent."""
        self.results += msgspec.convert(sent["others"], list[TestResult])
        self.leaks += sent["leaks"]
        self.faults += [fault for fault in sent["faults"] if fault not in self.faults]

    def _judged(self) -> tuple[list[Violation], list[str]]:
        """What does not hold of the run as a whole, and what cannot be judged."""
        violations, warnings = judge.run_budget(self.results, self._limits)
        leaks, leak_warnings = judge.leaks(list(dict.fromkeys(self.leaks)), self._options.leaks)
        return [*violations, *judge.over_the_suite(self.results), *leaks], [*warnings, *leak_warnings]

    def tell_junit(self) -> None:
        """Tell the writer of JUnit files, before it writes; what fixtures still call when a stopped session ends is not in them."""
        if self._has_calls:
            junit.tell(self._config, judge.figures_of(self.results), self._judged()[0])

    def conclude(self, session: pytest.Session) -> None:
        """Judge the run as a whole, and leave what it came to where it is looked for."""
        self._violations, self._warnings = self._judged()
        if self._violations and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        self._keep(session.config.rootpath)

    @property
    def _result(self) -> RunResult:
        return RunResult(
            run_id=self._recorder.run_id, mode=self._options.mode, log_path=self.shown(self._options.log),
            baseline=self._baseline.name, content=self._options.content,  # type: ignore[arg-type]
            budgets=judge.budgets_of(self.results, self._limits), coverage=self._coverage.result(), tests=tuple(self.results),
            violations=tuple(self._violations), warnings=tuple(self._warnings), faults=tuple(self.faults),
        )  # fmt: skip

    def _keep(self, root: Path) -> None:
        """Leave it beside the log, for runs that are compared with it, and in the reports asked for."""
        try:
            result = self._result if self._options.content == "full" else self._result.without_content()
            text, _ = self._recorder.redactor.bytes(msgspec.json.encode(result))
            if self._has_calls:
                path = stored.summary_path(self._options.log, self._recorder.run_id)
                make_private_folder(path.parent)
                write_private_file(path, text)
        except Exception as exc:  # a full disk, or the user's own redaction step
            self.faults.append(f"the summary of the run could not be written: {exc}")
            return
        self._annotations = publishing.publish(
            msgspec.json.decode(text, type=RunResult), self._options, self._baseline,
            root=root, log_begins=self._log_begins, fault=self.faults.append,
        )  # fmt: skip

    def show(self, reporter: Any) -> None:
        """Write it under pytest's own summary."""
        verbosity, unseen = self._config.get_verbosity(), self._config.getoption("tbstyle") == "no"
        look = terminal.Look(self._config.get_terminal_writer().fullwidth, verbosity > 0, unseen)
        told = self._result
        if self._options.content != "full":
            told = replace(told.without_content(), warnings=told.warnings, faults=told.faults)
        terminal.write(told, reporter, look, quiet=verbosity < 0)
        for path in self._options.report if verbosity >= 0 else ():
            reporter.write_line(f"llmlog report: {self.shown(path)}")
        for line in self._annotations:
            reporter.write_line(line)

    def shown(self, path: Path) -> str:
        """A path for a person."""
        return files.relative(path, str(self._config.rootpath))
