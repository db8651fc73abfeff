"""One pytest session: a scope for each test and fixture, goldens after each, and what the run came to."""

from __future__ import annotations

import uuid
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, NoReturn

import msgspec
import pytest
from msgspec.structs import replace

from pytest_llmlog import (
    answers,
    baseline,
    budgets,
    coverage,
    git,
    golden,
    intercept,
    journal,
    judge,
    matching,
    playback,
    pricing,
    publishing,
    redact,
    regressions,
    repeats,
    startup,
    templates,
)
from pytest_llmlog.calls import Calls
from pytest_llmlog.circumstances import Identity
from pytest_llmlog.compare import Terms
from pytest_llmlog.conclusion import Conclusion
from pytest_llmlog.errors import ConfigError, LogError
from pytest_llmlog.intercept.outlets import Watch
from pytest_llmlog.intercept.recorder import Recorder
from pytest_llmlog.intercept.running import tests
from pytest_llmlog.intercept.scope import Mode, Scope
from pytest_llmlog.journal import Head, Journal
from pytest_llmlog.log import LogWriter
from pytest_llmlog.metrics import METRICS
from pytest_llmlog.options import Options
from pytest_llmlog.places import PLACE, Place, fixture_place, test_place
from pytest_llmlog.printing import printable
from pytest_llmlog.record import Interaction, TestResult, Violation
from pytest_llmlog.runs import OUTSIDE
from pytest_llmlog.settings import Settings, of_marker
from pytest_llmlog.status import Status
from pytest_llmlog.stored import base_id

SCOPE = pytest.StashKey[Scope]()
SETTINGS = pytest.StashKey[Settings]()
ENTERED = pytest.StashKey[ExitStack]()
PASSED = pytest.StashKey[bool]()
RESULT = pytest.StashKey[TestResult]()
OUTCOME = pytest.StashKey[Literal["passed", "failed", "skipped"]]()


COSTS = {"functions": 84, "hashes": 0, "parses": 0, "opens": 0, "writes": 0, "imports": 0}
"""What a test without calls may cost at most, in counted operations of this package. Tests hold it."""


def _refuse(text: str) -> NoReturn:
    """Raise pytest's own failure: no SDK retries it and no ``except Exception`` swallows it."""
    pytest.fail(printable(text), pytrace=False)


def _fail(violations: Sequence[Violation]) -> None:
    if violations:
        pytest.fail(printable("\n\n".join(violation.text for violation in violations)), pytrace=False)


PROPERTY = "llmlog_"
"""How the names of our ``user_properties`` begin, which JUnit files show."""

_PROPERTIES = {name: f"{PROPERTY}{name}" for name in METRICS}
"""Made once: pytest keeps each test's to the end of the run."""


def _other_properties(item: pytest.Item) -> list[tuple[str, object]]:
    return [entry for entry in item.user_properties if not entry[0].startswith(PROPERTY)]


def _properties(scope: Scope) -> list[tuple[str, object]]:
    """What a test's calls came to by metric, and the limits that do not hold; nothing for a test without calls."""
    scope.flush()
    figures = [(_PROPERTIES[name], figure) for name, figure in scope.totals.values.items()]
    return [*figures, *((f"{PROPERTY}violation", violation.text.partition("\n")[0]) for violation in scope.violations)]


def _forget(item: pytest.Item) -> None:
    """Let go of a test that is over: pytest keeps its items to the end of the run."""
    keys: tuple[pytest.StashKey[Any], ...] = (SCOPE, SETTINGS, ENTERED, PASSED, RESULT, OUTCOME, PLACE)
    for key in keys:
        if key in item.stash:
            del item.stash[key]


class Session:
    """The plugin object of an enabled run: it opens scopes, judges and saves when they end, and reports at the end."""

    def __init__(self, config: pytest.Config, options: Options, recorder: Recorder, faults: list[str], status: Status) -> None:
        self._config, self._options, self._recorder, self._status = config, options, recorder, status
        self._ignore = recorder.ignore
        self._cleanup = ExitStack()
        self._run_scope = self._scope("", None)
        self._any_checks = False
        limits = budgets.of_expressions(options.budget, "llmlog_budget / --llmlog-budget")
        self._settings = startup.settings(options, limits.test)
        self._standards = judge.Standards(
            options.unplayed,
            baseline.resolve(options.baseline, config.rootpath, options.log, recorder.run_id),
            options.accept,
            startup.imported(options.scorer, "llmlog_scorer"),
        )
        faults += [f"baseline: passed over {fault}" for fault in self._standards.baseline.faults]
        self._coverage = coverage.Watch(config, options.golden_dir)
        self._run = Conclusion(
            config,
            options,
            recorder,
            baseline=self._standards.baseline,
            limits=limits.run.values(),
            coverage=self._coverage,
            faults=faults,
        )
        self._watch = Watch(recorder, self._run.leak, block=options.block_network)
        self._repeats = repeats.Repeats(self._run.made, self._standards)

    @classmethod
    def start(cls, config: pytest.Config, options: Options) -> Session:
        """Open the log and begin to capture.

        Raises:
            pytest.UsageError: an option that cannot be used, or a log that cannot be written.
        """
        worker: dict[str, Any] = getattr(config, "workerinput", {})
        faults: list[str] = []
        status = Status(config)
        try:
            if not worker:
                publishing.check(options)
            recorder = Recorder(
                worker.get("llmlog_run_id") or uuid.uuid4().hex,
                LogWriter(startup.log_path(options), options.fsync),  # type: ignore[arg-type]
                faults.append,
                redactor=redact.Redactor(custom=startup.imported(options.redact, "llmlog_redact")),
                ignore=[matching.parse_path(path) for path in options.ignore],
                hosts=options.hosts,
                ignore_hosts=options.ignore_hosts,
                keep_wire=options.wire,
                content=options.content,  # type: ignore[arg-type]
                line_limit=options.line_limit,
                worker_id=worker.get("workerid"),
                git_commit=git.commit(config.rootpath),
                noticed=lambda call: status.count(1, call.cost_usd or 0.0),
            )
            session = cls(config, options, recorder, faults, status)
            session._begin()
        except (LogError, ConfigError) as exc:
            raise pytest.UsageError(str(exc)) from exc
        return session

    def _begin(self) -> None:
        loaded = startup.load_templates(self._options, self._config.rootpath)
        for pattern in templates.unmatched(self._options.templates, self._config.rootpath):
            self._run.faults.append(f"llmlog_templates: no file matches {pattern!r} below {self._config.rootpath}")
        templates.registry.register(loaded)
        self._cleanup.callback(templates.registry.forget, [template.name for template in loaded])
        playback.preload()
        if self._options.mode in ("record", "live"):
            pricing.preload()
        self._config.pluginmanager.register(self._coverage, "llmlog-coverage")
        intercept.install()
        self._cleanup.callback(intercept.uninstall)
        self._watch.begin()
        self._cleanup.callback(self._watch.end)
        self._cleanup.enter_context(tests.beneath(self._run_scope))

    def _scope(self, test_id: str, place: Place | None) -> Scope:
        path = place.path if place is not None else None

        def queue() -> playback.ReplayQueue | None:
            return None if path is None else playback.open_queue(path, self._ignore)

        return Scope(
            self._recorder,
            session_id=test_id or self._recorder.run_id,
            journal=lambda identity: self._journal(identity, test_id, path) if path is not None else None,
            test_id=test_id or None,
            mode=self._mode,
            queue=queue,
            golden_path=path,
            golden_root=place.root if place is not None else None,
            refuse=_refuse,
        )

    def _journal(self, identity: Identity, test_id: str, path: Path) -> Journal | None:
        recorder = self._recorder
        if recorder.redactor.without_credentials(f"{test_id} {path}")[1]:
            return None  # no golden is saved under a name that holds a key
        head = Head(
            test_id=test_id, golden=str(path), identity=identity, ignore=self._options.ignore, content=recorder.content,
            wire=recorder.keep_wire, line_limit=recorder.line_limit,
        )  # fmt: skip
        return Journal(journal.folder_of(self._options.log), head)

    @property
    def _mode(self) -> Mode:
        return self._options.mode  # type: ignore[return-value]

    def calls_of(self, item: pytest.Item) -> Calls:
        """The interactions of a test, as it sees them."""
        scope, settings = item.stash[SCOPE], item.stash[SETTINGS]  # those of this run of the test: a rerun has others
        path = scope.golden_path

        def recorded() -> tuple[Sequence[Interaction] | None, Terms]:
            text = golden.read(path) if path is not None else None
            found = golden.parse(path, text).before_teardown if path is not None and text is not None else None
            return found, Terms(settings.compare, settings.ignore, self._standards.scorer)

        return Calls(lambda: scope.lines, recorded, scope.warnings.append)

    # What markers say

    @pytest.hookimpl(trylast=True)  # so that the repeat comes last in an id
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        try:
            settings = self._settings_of(metafunc.definition)
        except ConfigError as exc:
            raise pytest.Collector.CollectError(f"{metafunc.definition.nodeid}: {exc}") from None
        self._any_checks = self._any_checks or bool(settings.checks)
        if settings.runs > 1 and self._mode == "live":
            repeats.parametrize(metafunc, settings.runs)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        if self._any_checks:
            tests = {base_id(item.nodeid): self._settings_of(item) for item in session.items}
            noisy = sum(regressions.is_noisy(metric) for settings in tests.values() for metric in settings.checks)
            self._standards = replace(self._standards, family=max(1, noisy))

    def _settings_of(self, item: pytest.Item) -> Settings:
        settings = self._settings
        for marker in reversed(list(item.iter_markers("llmlog"))):
            settings = of_marker(marker.args, marker.kwargs, settings)
        return settings

    # Tests

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, None, None]:
        place = test_place(item, self._options.golden_dir)
        scope = item.stash[SCOPE] = self._scope(item.nodeid, place)
        item.stash[PASSED] = False
        item.stash[ENTERED] = ExitStack()
        item.stash[ENTERED].enter_context(tests.enter(scope))
        item.stash[SETTINGS], fault = self._settings, ""
        try:
            item.stash[SETTINGS] = self._settings_of(item)
        except ConfigError as exc:  # of an item that pytest does not generate, a unittest's
            fault = str(exc)
        result = yield
        if fault:
            pytest.fail(fault, pytrace=False)
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        try:
            result = yield
        except BaseException:
            judge.after_failure(item.stash[SCOPE], self._standards, item.stash[SETTINGS])
            raise
        _fail(judge.after_call(item.stash[SCOPE], self._standards, item.stash[SETTINGS]).violations)
        item.stash[PASSED] = True
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, None, None]:
        scope = item.stash[SCOPE]
        scope.begin_teardown()
        passed = False
        try:
            result = yield
            passed = item.stash[PASSED]
            return result
        finally:
            item.stash[ENTERED].close()
            known = len(scope.violations)
            item.stash[RESULT] = judge.finish(scope, passed=passed, standards=self._standards, settings=item.stash[SETTINGS])
            if passed:
                _fail(item.stash[RESULT].violations[known:])

    def pytest_assertrepr_compare(self, op: str, left: object, right: object) -> list[str] | None:
        if op == "==" and isinstance(left, Interaction) and isinstance(right, Interaction):
            return answers.explain(left, right)
        return None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
        scope = item.stash.get(SCOPE, None)
        if scope is not None and call.when != "setup":
            item.user_properties[:] = [*_other_properties(item), *_properties(scope)]
        report = yield
        if scope is not None and call.when == "call" and hasattr(report, "wasxfail"):
            self._expected_failure(item, report, scope)
        if scope is not None and report.failed and call.when == "call":
            shown = str(report.longrepr)
            texts = [printable(violation.text) for violation in scope.violations]
            report.sections += [("llmlog", text) for text in texts if text not in shown]
        repeat = repeats.of(item, item.stash.get(SETTINGS, self._settings), self._standards.family)
        if repeat is not None and report.failed and call.when == "call":
            repeats.note_failure(item, report)
        if call.when == "setup" or (report.outcome != "passed" and item.stash.get(OUTCOME, "") != "failed"):
            item.stash[OUTCOME] = "failed" if report.outcome == repeats.FAILED else report.outcome
        if call.when == "teardown" and (result := item.stash.get(RESULT, None)) is not None:
            file, line, _ = item.location
            told = replace(
                result, repeat=repeat, file=file, line=None if line is None else line + 1, outcome=item.stash.get(OUTCOME, None)
            )
            report.llmlog = msgspec.to_builtins(told)
        if call.when == "teardown":
            _forget(item)
        return report

    def pytest_report_teststatus(self, report: pytest.TestReport) -> repeats.Status | None:
        return repeats.status(report)

    def _expected_failure(self, item: pytest.Item, report: Any, scope: Scope) -> None:
        """A failure that was expected is a result like any other, and what it called is kept; one of ours was not expected."""
        if not scope.violations:
            item.stash[PASSED] = True
            return
        del report.wasxfail
        report.outcome = "failed"
        report.longrepr = printable("\n\n".join(violation.text for violation in scope.violations))

    # Fixtures of a wider scope than one test own the calls they make

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Generator[None, Any, Any]:
        if fixturedef.scope == "function":
            return (yield)
        scope = self._scope(*fixture_place(fixturedef, request, self._options.golden_dir))
        teardown = ExitStack()
        fixturedef.addfinalizer(lambda: self._fixture_ended(scope, teardown))
        with tests.enter(scope):
            value = yield
        _fail(judge.after_call(scope, self._standards).violations)
        scope.passed = True
        fixturedef.addfinalizer(lambda: self._fixture_ends(scope, teardown))
        return value

    def _fixture_ends(self, scope: Scope, teardown: ExitStack) -> None:
        scope.begin_teardown()
        teardown.enter_context(tests.enter(scope))

    def _fixture_ended(self, scope: Scope, teardown: ExitStack) -> None:
        teardown.close()
        known = len(scope.violations)
        result = judge.finish(scope, passed=scope.passed, standards=self._standards)
        self._run.results.append(result)
        if scope.passed:
            _fail(result.violations[known:])

    # The run

    def pytest_report_header(self) -> list[str]:
        left = len(journal.left(journal.folder_of(self._options.log)))
        waiting = [f"llmlog: {left} recordings of a run that did not end wait: llmlog recover"] if left else []
        return [f"llmlog: mode {self._options.mode}, log {self._run.shown(self._options.log)}", *waiting]

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        is_worker = hasattr(self._config, "workerinput")  # the report goes on to the controller, with all it says
        if not is_worker and (result := getattr(report, "llmlog", None)) is not None:
            del report.llmlog  # pytest keeps its reports to the end of the run
            found = msgspec.convert(result, TestResult)
            self._run.results.append(found)
            if self._config.pluginmanager.has_plugin("dsession"):  # the calls of workers are seen here alone
                self._status.count(found.live, found.live_cost_usd)
            verdict = self._repeats.take(found)
            if verdict is not None:
                outcome = "passed" if verdict.passed else "failed"
                self._run.results.append(replace(verdict, file=found.file, line=found.line, outcome=outcome))
                repeats.report_of(verdict, report.location, lambda told: self._config.hook.pytest_runtest_logreport(report=told))

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput["llmlog_run_id"] = self._recorder.run_id

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        sent = getattr(node, "workeroutput", {}).get("llmlog")
        if sent:
            self._run.receive(sent)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        self._watch.collect()
        output = getattr(self._config, "workeroutput", None)
        if output is None:
            self._run.tell_junit()
        yield
        outside = judge.finish(self._run_scope, passed=False, standards=self._standards)
        if outside.live or outside.replayed:
            self._run.results.append(replace(outside, test_id=OUTSIDE))
        if output is None:
            self._run.conclude(session)
        else:
            output["llmlog"] = self._run.sent()

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        self._run.show(terminalreporter)

    def pytest_unconfigure(self) -> None:
        self._cleanup.close()
        if self._recorder.log is not None:
            self._recorder.log.close()
