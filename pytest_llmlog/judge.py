"""After a test: what did not hold, what to save, and what it came to, as values."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from pytest_llmlog import budgets, changes, golden, regressions
from pytest_llmlog.baseline import Baseline
from pytest_llmlog.budgets import Limit
from pytest_llmlog.calls import Calls
from pytest_llmlog.checks import RESPONSE
from pytest_llmlog.compare import Scorer, Terms
from pytest_llmlog.errors import GoldenError
from pytest_llmlog.intercept.explain import how_to_record
from pytest_llmlog.intercept.scope import Scope
from pytest_llmlog.metrics import Metric, Totals
from pytest_llmlog.record import Budget, CheckResult, Interaction, TestResult, Violation, subject
from pytest_llmlog.regress import ALPHA, significant
from pytest_llmlog.settings import Settings
from pytest_llmlog.significance import fisher, wilson
from pytest_llmlog.stored import base_id

ANY = Settings()
"""How a fixture, which no marker can be put on, is judged."""


class Standards(Struct, frozen=True):
    """What all tests of a run are held to.

    Attributes:
        unplayed: what a recorded call that is not made means: fail, warn or ignore.
        baseline: what tests are compared with.
        accept: which recordings become goldens at once, none, new, changed or all; empty for those of tests that pass.
        scorer: the user's own similarity of two answers.
        family: how many noisy comparisons the suite makes.
    """

    unplayed: str
    baseline: Baseline
    accept: str = ""
    scorer: Scorer | None = None
    family: int = 1


Saved = Literal["created", "updated", "pending"] | None


def _unplayed(scope: Scope, *, teardown: bool) -> str | None:
    """Say which recorded calls were not made, where calls are replayed."""
    queue = scope.queue if not scope.left_to_cassette and scope.replays else None
    left = queue.unplayed(teardown=teardown) if queue else []
    if queue is None or not left:
        return None
    total = len(queue)
    head = f"llmlog: {len(left)} of {total} recorded calls not made (unplayed)"
    calls = [f"  {subject(call)}" for call in left[:10]]
    more = [f"  … and {len(left) - 10} more"] if len(left) > 10 else []
    return "\n".join([head, *calls, *more, f"  golden: {scope.golden_name}", how_to_record(scope)])


def _check(scope: Scope, unplayed: str, *, teardown: bool) -> None:
    """Put what does not hold on the scope, each thing once."""
    try:
        text = _unplayed(scope, teardown=teardown) if unplayed != "ignore" else None
        kind = "unplayed"
    except GoldenError as exc:
        text, kind = str(exc), "golden"
    if text is None or any(violation.kind == kind for violation in scope.violations):
        return
    if kind == "unplayed" and unplayed == "warn":
        scope.warnings += [text] if text not in scope.warnings else []
    else:
        scope.violations.append(Violation(kind=kind, text=text))


def _check_limits(scope: Scope, settings: Settings, standards: Standards) -> None:
    """Put the limits that do not hold on the scope, each once: what a teardown adds may break further ones."""
    broken = {violation.metric for violation in scope.violations if violation.kind == "budget"}
    limits = [limit for name, limit in settings.limits.items() if name not in broken]
    if not limits:
        return
    source = budgets.recorded_share(scope.sums["live"].calls, scope.sums["replay"].calls)
    spenders = budgets.of_calls(Calls(lambda: scope.lines))
    totals = scope.totals
    violations, untold = budgets.check(totals.values, totals.unknown, limits, source=source, spenders=spenders)
    baseline = standards.baseline
    before = baseline.runs_of(scope.test_id or "", scope.golden_path) if violations and baseline.explicit else []
    old = [violation for violation in violations if was_over(violation, before)]
    scope.violations += [violation for violation in violations if violation not in old]
    notes = [*untold, *(f"pre_existing in {standards.baseline.name}: {_plain(violation.text)}" for violation in old)]
    scope.warnings += [text for text in notes if text not in scope.warnings]


def was_over(violation: Violation, before: Sequence[Sequence[Interaction]]) -> bool:
    """Whether a baseline that was asked for was over the limit as well, and it is no worse now: that is no news to fail for."""
    told = [Totals(run).values.get(violation.metric or "", 0) for run in before]
    return bool(told) and median(told) > (violation.limit or 0) and (violation.value or 0) <= median(told)


def _is_repeated(scope: Scope, settings: Settings) -> bool:
    """Whether this is one run of several, which are judged together when the last of them is over."""
    return scope.mode == "live" and settings.runs > 1


def _check_regressions(scope: Scope, settings: Settings, standards: Standards, *, teardown: bool) -> None:
    """Judge once what the test did against its baseline: at its end, or after the teardown of one that calls models there."""
    if scope.checks or not settings.checks or _is_repeated(scope, settings) or (not teardown and _calls_in_teardown(scope)):
        return
    now = tuple(Calls(lambda: scope.lines))
    before = standards.baseline.runs_of(scope.test_id or "", scope.golden_path)
    try:
        found = regressed(before, [now], settings, standards)
    except ValueError as exc:  # the user's scorer
        scope.violations.append(Violation(kind="regression", text=f"llmlog: response: {exc}"))
        return
    explicit = standards.baseline.explicit
    scope.checks += [replace(result, text="") if result.verdict == "new" and not explicit else result for result in found]
    accepted = scope.mode == "record" and standards.accept in ("changed", "all")
    for result in found:
        if result.verdict == "regressed" and result.fails and not accepted:
            scope.violations.append(violation_of(result))
        elif result.verdict == "regressed":
            scope.warnings.append(f"{_plain(result.text)}{' (accepted)' if accepted and result.fails else ''}")


def _calls_in_teardown(scope: Scope) -> bool:
    text = golden.read(scope.golden_path) if scope.golden_path is not None else None
    return text is not None and scope.golden_path is not None and golden.parse(scope.golden_path, text).in_teardown > 0


def _plain(text: str) -> str:
    """A verdict's text for the summary, which has our name above it."""
    return text.removeprefix("llmlog: ")


def violation_of(result: CheckResult) -> Violation:
    """The violation that a regression is."""
    return Violation(kind="regression", text=result.text, metric=result.metric, value=result.now, limit=result.before)


def regressed(
    before: Sequence[Sequence[Interaction]], now: Sequence[Sequence[Interaction]], settings: Settings, standards: Standards
) -> list[CheckResult]:
    """Judge runs of a test against its earlier ones by the test's checks."""
    terms, name = Terms(settings.compare, settings.ignore, standards.scorer), standards.baseline.name
    return regressions.judge(before, now, settings.checks.values(), terms, name, family=standards.family)


def after_call(scope: Scope, standards: Standards, settings: Settings = ANY) -> TestResult:
    """What did not hold when the test's body, or a fixture's setup, is over."""
    scope.flush()
    _check(scope, standards.unplayed, teardown=False)
    _check_limits(scope, settings, standards)
    try:
        _check_regressions(scope, settings, standards, teardown=False)
    except GoldenError as exc:
        _note_golden(scope, exc)
    return TestResult(test_id=scope.test_id or "", violations=tuple(scope.violations))


def after_failure(scope: Scope, standards: Standards, settings: Settings) -> None:
    """A test that failed by itself may be over its limits as well: all that does not hold is shown at once."""
    scope.flush()
    _check_limits(scope, settings, standards)


def _note_golden(scope: Scope, error: GoldenError) -> None:
    if not any(violation.text == str(error) for violation in scope.violations):
        scope.violations.append(Violation(kind="golden", text=str(error)))


def finish(scope: Scope, *, passed: bool, standards: Standards, settings: Settings = ANY) -> TestResult:
    """Close a scope: end its open calls, check, save its golden, and sum it up.

    The violations given are all of the test's; those that were there before it have been told.
    """
    differences: list[str] = []
    scope.close()
    if passed:
        _check(scope, standards.unplayed, teardown=True)
        _check_limits(scope, settings, standards)
    passed = passed and not scope.violations
    saved: Saved = None
    lost = False
    try:
        if passed:
            _check_regressions(scope, settings, standards, teardown=True)
            passed = not scope.violations
        differences = _differences(scope, settings, standards)
        saved = _save(scope, standards.accept, passed=passed)
    except GoldenError as exc:
        _note_golden(scope, exc)
        lost = True
    scope.close_journal(keep=lost)
    result = replace(_sums(scope), golden=saved, golden_path=scope.golden_name or None)
    return replace(
        result, passed=passed, checks=tuple(scope.checks), differences=tuple(differences), warnings=tuple(scope.warnings),
        violations=tuple(scope.violations), compare=str(settings.compare), ignore=settings.ignore,
    )  # fmt: skip


def _save(scope: Scope, accept: str, *, passed: bool) -> Saved:
    path = scope.golden_path
    if path is None or scope.in_child or scope.mode not in ("auto", "record") or (scope.left_to_cassette and not scope.recorded):
        return None
    if scope.mode == "auto" and not (scope.recorded and passed):
        return None
    known = os.path.exists(path)
    if (known and scope.mode == "auto") or not (scope.recorded or (known and passed)):
        return None
    redactor = scope.recorder.redactor
    if not redactor.is_clean(f"{scope.test_id} {path}".encode("utf-8", "surrogateescape")):
        named = Path(redactor.without_credentials(str(path))[0])
        raise GoldenError(
            named, "$", "not saved: it holds what looks like a credential, in its test's name", "name the test otherwise"
        )
    calls = tuple(map(msgspec.Raw, scope.recorded))
    made = golden.Recording(golden.GOLDEN_VERSION, scope.test_id or "", scope.in_teardown, calls)
    is_searched = not redactor.has_own_step  # what the user's own step returns is not looked through again before
    accepted = accept in ("", "all", "changed" if known else "new")
    if not passed or not accepted:
        golden.save(golden.pending_path(path), made, is_searched=is_searched)
        return "pending"
    golden.save(path, made, is_searched=is_searched)
    golden.pending_path(path).unlink(missing_ok=True)
    return "updated" if known else "created"


def _sums(scope: Scope) -> TestResult:
    live, replay = scope.sums["live"], scope.sums["replay"]
    return TestResult(
        test_id=scope.test_id or "",
        live=live.calls,
        replayed=replay.calls,
        failed_calls=live.failed + replay.failed,
        live_tokens=live.tokens,
        replayed_tokens=replay.tokens,
        live_cost_usd=live.cost_usd,
        replayed_cost_usd=replay.cost_usd,
        live_latencies=tuple(live.latencies),
        replayed_latencies=tuple(replay.latencies),
        figures=scope.totals.values,
        unknown=scope.totals.unknown,
    )


def _differences(scope: Scope, settings: Settings, standards: Standards) -> list[str]:
    """What models were asked and answered that is not as in the baseline; shown, whether it fails the test or not."""
    judged = any(result.metric == RESPONSE for result in scope.checks)
    if scope.mode not in ("live", "record") or judged or _is_repeated(scope, settings):
        return []
    now = tuple(Calls(lambda: scope.lines))
    before = standards.baseline.runs_of(scope.test_id or "", scope.golden_path)
    if not before:
        return [f"new: {subject(call)}" for call in now] if scope.mode == "live" else []
    try:
        found = changes.differences(before[-1], now, Terms(settings.compare, settings.ignore, standards.scorer))
    except ValueError as exc:  # the user's scorer
        return [str(exc)]
    return ["\n  ".join([f"not as in the baseline {standards.baseline.name}:", *found])] if found else []


def run_budget(tests: Sequence[TestResult], limits: Iterable[Limit]) -> tuple[list[Violation], list[str]]:
    """Which limits of the run do not hold, and which cannot be judged."""
    totals = _totals(tests)
    live, replayed = sum(test.live for test in tests), sum(test.replayed for test in tests)

    def spenders(metric: Metric) -> list[tuple[float, str]]:
        return [(figure, test.test_id) for test in tests if (figure := test.figures.get(metric.name))]

    source = budgets.recorded_share(live, replayed)
    return budgets.check(totals.values, totals.unknown, limits, source=source, spenders=spenders)


def leaks(found: Sequence[str], policy: str) -> tuple[list[Violation], list[str]]:
    """Calls of models that went round the capture: what fails the run, and what is only shown."""
    if not found or policy == "ignore":
        return [], []
    head = f"llmlog: {len(found)} ways to a model went round the capture: not recorded, and not replayed"
    text = "\n".join([head, *(f"  {each}" for each in found)])
    return ([Violation(kind="leak", text=text)], []) if policy == "fail" else ([], [_plain(text)])


def figures_of(tests: Sequence[TestResult]) -> dict[str, float]:
    """What the calls of a run came to, by metric."""
    return _totals(tests).values


def _totals(tests: Sequence[TestResult]) -> Totals:
    totals = Totals()
    for test in tests:
        totals.merge(test.figures, test.unknown)
    return totals


def budgets_of(tests: Sequence[TestResult], limits: Iterable[Limit]) -> tuple[Budget, ...]:
    """The limits of the run beside what was spent."""
    spent = figures_of(tests)
    return tuple(Budget(limit.metric, spent.get(limit.metric, 0), limit.maximum) for limit in limits)


def over_the_suite(tests: Sequence[TestResult]) -> list[Violation]:
    """Regressions that only the comparisons of the whole suite together show: see ``regress.significant``."""
    noisy = [(test, check) for test in tests for check in test.checks if regressions.is_noisy(check.metric)]
    worse = [check.p if check.p is not None and (check.now or 0) > (check.before or 0) else 1.0 for _, check in noisy]
    return [
        replace(
            violation_of(check), text=f"{test.test_id}\n{check.text.replace(check.verdict, 'regressed over the whole suite', 1)}"
        )
        for (test, check), counts in zip(noisy, significant(worse), strict=True)
        if counts and check.verdict != "regressed" and check.fails
    ]


def repeated(
    outcomes: Sequence[TestResult],
    runs: Sequence[Sequence[Interaction]],
    settings: Settings,
    standards: Standards,
    path: Path | None,
) -> TestResult:
    """The one verdict on the runs of a repeated test: how many passed, and whether its figures got worse.

    Args:
        outcomes: of each run.
        runs: the interactions of each run that made any.
        settings: of the test.
        standards: of the suite.
        path: the test's golden.
    """
    test_id, total = base_id(outcomes[0].test_id), len(outcomes)
    passed = sum(outcome.passed for outcome in outcomes)
    before = standards.baseline.runs_of(test_id, path)
    checks = regressed(before, runs, settings, standards) if runs else []
    low, high = wilson(passed, total)
    rate = f"pass rate {passed} of {total} ({passed / total:.0%}, 95 % interval {low:.0%} to {high:.0%})"
    violations = [violation_of(check) for check in checks if check.verdict == "regressed" and check.fails]
    if passed / total < settings.pass_rate:
        failures = [
            f"run {outcome.repeat.number}:\n{outcome.repeat.failure}"
            for outcome in outcomes
            if outcome.repeat and outcome.repeat.failure
        ]
        text = "\n".join([f"llmlog: {rate}, at least {settings.pass_rate:.0%} wanted", *failures[:3]])
        violations.insert(
            0, Violation(kind="pass_rate", text=text, metric="pass_rate", value=passed / total, limit=settings.pass_rate)
        )
    fell = _rate_fell(standards.baseline, test_id, passed, total)
    notes = [_plain(check.text) for check in checks if check.verdict == "regressed" and not check.fails]
    return TestResult(
        test_id=test_id, passed=not violations and not fell, checks=tuple(checks), warnings=(rate, *notes), violations=(*violations, *fell)
    )  # fmt: skip


def _rate_fell(baseline: Baseline, test_id: str, passed: int, total: int) -> list[Violation]:
    """Whether the pass rate fell by more than chance: Fisher's exact test against the baseline's runs."""
    passed_before, before = baseline.passes_of(test_id)
    p = fisher(passed_before, before, passed, total) if before else 1.0
    if p >= ALPHA:
        return []
    text = f"llmlog: regressed: pass rate {passed_before} of {before} → {passed} of {total}, p = {p:.2g} (baseline {baseline.name})"
    return [Violation(kind="regression", text=text, metric="pass_rate", value=passed / total, limit=passed_before / before)]
