"""One pytest session: a scope for each test and fixture, goldens after each, and what the run came to."""

from __future__ import annotations

import os
import pkgutil
import uuid
from collections.abc import Callable, Generator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import pytest
from msgspec.structs import replace

from pytest_llmlog import budgets, git, intercept, judge, matching, playback, pricing, providers, redact, templates
from pytest_llmlog.calls import Calls
from pytest_llmlog.errors import ConfigError, LogError
from pytest_llmlog.intercept.scope import Mode, Recorder, Scope, tests
from pytest_llmlog.log import LogWriter, make_private_folder
from pytest_llmlog.options import Options
from pytest_llmlog.places import fixture_place, test_place
from pytest_llmlog.record import RunResult, TestResult, Violation
from pytest_llmlog.reports import terminal
from pytest_llmlog.settings import Settings, of_marker

SCOPE = pytest.StashKey[Scope]()
SETTINGS = pytest.StashKey[Settings]()
ENTERED = pytest.StashKey[ExitStack]()
PASSED = pytest.StashKey[bool]()
RESULT = pytest.StashKey[TestResult]()

OUTSIDE = "outside of tests"
"""Stands for the test of calls that were made while modules were imported."""


def _refuse(text: str) -> NoReturn:
    """Raise pytest's own failure: no SDK retries it and no ``except Exception`` swallows it."""
    pytest.fail(text, pytrace=False)


def _fail(result: TestResult) -> None:
    if result.violations:
        pytest.fail("\n\n".join(violation.text for violation in result.violations), pytrace=False)


PROPERTY = "llmlog_"
"""How the names of our ``user_properties`` begin, which JUnit files show."""


def _other_properties(item: pytest.Item) -> list[tuple[str, object]]:
    return [entry for entry in item.user_properties if not entry[0].startswith(PROPERTY)]


def _properties(scope: Scope) -> list[tuple[str, object]]:
    """What a test's calls came to by metric, and the limits that do not hold; nothing for a test without calls."""
    scope.flush()
    figures = [(f"{PROPERTY}{name}", figure) for name, figure in scope.totals.values.items()]
    return [*figures, *((f"{PROPERTY}violation", violation.text.partition("\n")[0]) for violation in scope.violations)]


class Session:
    """The plugin object of an enabled run: it opens scopes, judges and saves when they end, and reports at the end."""

    def __init__(self, config: pytest.Config, options: Options, recorder: Recorder, faults: list[str]) -> None:
        self._config, self._options, self._recorder, self._faults = config, options, recorder, faults
        self._ignore = recorder.ignore
        self._results: list[TestResult] = []
        self._fixture_scopes: dict[Any, Scope] = {}
        self._cleanup = ExitStack()
        self._run_scope = self._scope("", None)
        self._run_violations: list[Violation] = []
        self._run_warnings: list[str] = []
        where = "llmlog_budget / --llmlog-budget"
        self._limits = budgets.of_expressions(options.budget, where)
        self._settings = Settings(self._limits.test)

    @classmethod
    def start(cls, config: pytest.Config, options: Options) -> Session:
        """Open the log and begin to capture.

        Raises:
            pytest.UsageError: an option that cannot be used, or a log that cannot be written.
        """
        worker: dict[str, Any] = getattr(config, "workerinput", {})
        faults: list[str] = []
        try:
            recorder = Recorder(
                worker.get("llmlog_run_id") or uuid.uuid4().hex,
                LogWriter(_log_path(options), options.fsync),  # type: ignore[arg-type]
                faults.append,
                redactor=redact.Redactor(custom=_custom_redaction(options.redact)),
                ignore=[matching.parse_path(path) for path in options.ignore],
                hosts=options.hosts,
                ignore_hosts=options.ignore_hosts,
                keep_wire=options.wire,
                line_limit=options.line_limit,
                worker_id=worker.get("workerid"),
                git_commit=git.commit(config.rootpath),
            )
            session = cls(config, options, recorder, faults)
            session._begin()
        except (LogError, ConfigError) as exc:
            raise pytest.UsageError(str(exc)) from exc
        return session

    def _begin(self) -> None:
        loaded = _load_templates(self._options, self._config.rootpath)
        for pattern in templates.unmatched(self._options.templates, self._config.rootpath):
            self._faults.append(f"llmlog_templates: no file matches {pattern!r} below {self._config.rootpath}")
        templates.registry.register(loaded)
        self._cleanup.callback(templates.registry.forget, [template.name for template in loaded])
        playback.preload()
        if self._options.mode in ("record", "live"):
            pricing.preload()
        intercept.install()
        self._cleanup.callback(intercept.uninstall)
        self._cleanup.enter_context(tests.beneath(self._run_scope))

    def _scope(self, test_id: str, path: Path | None) -> Scope:
        def queue() -> playback.ReplayQueue | None:
            return None if path is None else playback.open_queue(path, self._ignore)

        return Scope(
            self._recorder,
            session_id=test_id or self._recorder.run_id,
            test_id=test_id or None,
            mode=self._mode,
            queue=queue,
            golden_path=path,
            refuse=_refuse,
        )

    @property
    def _mode(self) -> Mode:
        return self._options.mode  # type: ignore[return-value]

    def calls_of(self, item: pytest.Item) -> Calls:
        """The interactions of a test, as it sees them."""
        return Calls(lambda: item.stash[SCOPE].lines)

    # What markers say

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        try:
            self._settings_of(metafunc.definition)
        except ConfigError as exc:
            raise pytest.Collector.CollectError(f"{metafunc.definition.nodeid}: {exc}") from None

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
        item.stash[SETTINGS] = self._settings
        result = yield
        try:
            item.stash[SETTINGS] = self._settings_of(item)
        except ConfigError as exc:  # of an item that pytest does not generate, a unittest's
            pytest.fail(str(exc), pytrace=False)
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        result = yield
        _fail(judge.after_call(item.stash[SCOPE], self._options.unplayed, item.stash[SETTINGS]))
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
            item.stash[RESULT] = judge.finish(scope, passed=passed, unplayed=self._options.unplayed, settings=item.stash[SETTINGS])
            if passed:
                _fail(item.stash[RESULT])

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
            hidden = [violation.text for violation in scope.violations if violation.text not in shown]
            report.sections += [("llmlog", text) for text in hidden]
        if call.when == "teardown" and (result := item.stash.get(RESULT, None)) is not None:
            report.llmlog = msgspec.to_builtins(result)
        return report

    def _expected_failure(self, item: pytest.Item, report: Any, scope: Scope) -> None:
        """A failure that was expected is a result like any other, and what it called is kept; one of ours was not expected."""
        if not scope.violations:
            item.stash[PASSED] = True
            return
        del report.wasxfail
        report.outcome = "failed"
        report.longrepr = "\n\n".join(violation.text for violation in scope.violations)

    # Fixtures of a wider scope than one test own the calls they make

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Generator[None, Any, Any]:
        if fixturedef.scope == "function":
            return (yield)
        name, path = fixture_place(fixturedef, request, self._options.golden_dir)
        scope = self._scope(name, path)
        teardown = ExitStack()
        fixturedef.addfinalizer(lambda: self._fixture_ended(scope, teardown))
        with tests.enter(scope):
            value = yield
        _fail(judge.after_call(scope, self._options.unplayed))
        scope.passed = True
        fixturedef.addfinalizer(lambda: self._fixture_ends(scope, teardown))
        return value

    def _fixture_ends(self, scope: Scope, teardown: ExitStack) -> None:
        scope.begin_teardown()
        teardown.enter_context(tests.enter(scope))

    def _fixture_ended(self, scope: Scope, teardown: ExitStack) -> None:
        teardown.close()
        result = judge.finish(scope, passed=scope.passed, unplayed=self._options.unplayed)
        self._results.append(result)
        if scope.passed:
            _fail(result)

    # The run

    def pytest_report_header(self) -> str:
        return f"llmlog: mode {self._options.mode}, log {self._shown_log}"

    @property
    def _shown_log(self) -> str:
        log, root = self._options.log, self._config.rootpath
        return str(log.relative_to(root)) if log.is_relative_to(root) else str(log)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if (result := getattr(report, "llmlog", None)) is not None:
            self._results.append(msgspec.convert(result, TestResult))

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput["llmlog_run_id"] = self._recorder.run_id

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        sent = getattr(node, "workeroutput", {}).get("llmlog")
        if sent:
            self._results += msgspec.convert(sent["others"], list[TestResult])
            self._faults += [fault for fault in sent["faults"] if fault not in self._faults]

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        outside = judge.finish(self._run_scope, passed=False, unplayed="ignore")
        if outside.live or outside.replayed:
            self._results.append(replace(outside, test_id=OUTSIDE))
        output = getattr(self._config, "workeroutput", None)
        if output is not None:
            # Tests went with their own reports; fixtures and what was called outside of tests have none.
            others = [result for result in self._results if result.test_id == OUTSIDE or "::fixture " in result.test_id]
            output["llmlog"] = {"others": msgspec.to_builtins(others), "faults": self._faults}
            return
        self._run_violations, self._run_warnings = judge.run_budget(self._results, self._limits.run.values())
        if self._run_violations and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        result = RunResult(
            run_id=self._recorder.run_id, mode=self._options.mode, log_path=self._shown_log,
            tests=tuple(self._results), violations=tuple(self._run_violations), warnings=tuple(self._run_warnings),
            faults=tuple(self._faults),
        )  # fmt: skip
        terminal.write(result, terminalreporter, verbosity=self._config.get_verbosity())

    def pytest_unconfigure(self) -> None:
        self._cleanup.close()
        if self._recorder.log is not None:
            self._recorder.log.close()


def _log_path(options: Options) -> Path:
    """The log's path; the default folder is made with a ``.gitignore`` of its own."""
    if options.log_is_default:
        ignore = options.log.parent / ".gitignore"
        try:
            make_private_folder(options.log.parent)
            if not ignore.exists():
                ignore.write_text("*\n", encoding="utf-8")
        except OSError as exc:
            raise LogError(options.log, exc.strerror or str(exc)) from exc
    return options.log


def _custom_redaction(name: str) -> Callable[[str], str] | None:
    if not name:
        return None
    try:
        step = pkgutil.resolve_name(name)
    except (ValueError, ImportError, AttributeError) as exc:
        raise ConfigError(f"llmlog_redact: {name!r} cannot be imported ({exc}); write it like package.module:function") from exc
    if not callable(step):
        raise ConfigError(f"llmlog_redact: {name!r} is not callable")
    return step  # type: ignore[no-any-return]


def _load_templates(options: Options, root: Path) -> list[templates.Template]:
    try:
        return templates.load(options.templates, root)
    except (OSError, ValueError, NotImplementedError) as exc:
        raise ConfigError(f"llmlog_templates: {exc}") from exc


def set_placeholders(config: pytest.Config) -> None:
    """Let clients be made without a key, until the run ends; a live call that would need one is refused and says so."""
    for name in providers.KEY_VARIABLES.values():
        if not os.environ.get(name):
            config.add_cleanup(partial(_restore_variable, name, os.environ.get(name)))
            os.environ[name] = redact.PLACEHOLDER_KEY


def _restore_variable(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
