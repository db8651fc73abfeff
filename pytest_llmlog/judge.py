"""After a test: what did not hold, what to save, and what it came to, as values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from msgspec.structs import replace

from pytest_llmlog import budgets, golden
from pytest_llmlog.budgets import Limit
from pytest_llmlog.calls import Calls
from pytest_llmlog.errors import GoldenError
from pytest_llmlog.intercept.explain import how_to_record
from pytest_llmlog.intercept.scope import Scope
from pytest_llmlog.metrics import Metric, Totals
from pytest_llmlog.record import Interaction, TestResult, Violation, subject
from pytest_llmlog.settings import Settings

OF_THE_RUN = ("worker_id", "git_commit", "trace_id", "span_id")
"""What belongs to a run and would only make a golden's diff longer."""

ANY = Settings()
"""How a fixture, which no marker can be put on, is judged."""

Saved = Literal["created", "updated", "pending"] | None


def _unplayed(scope: Scope, *, teardown: bool) -> str | None:
    """Say which recorded calls were not made, where calls are replayed."""
    queue = scope.queue if scope.replays else None
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


def _check_limits(scope: Scope, settings: Settings) -> None:
    """Put the limits that do not hold on the scope, each once: what a teardown adds may break further ones."""
    broken = {violation.metric for violation in scope.violations}
    limits = [limit for name, limit in settings.limits.items() if name not in broken]
    if not limits:
        return
    source = budgets.recorded_share(scope.sums["live"].calls, scope.sums["replay"].calls)
    spenders = budgets.of_calls(Calls(lambda: scope.lines))
    totals = scope.totals
    violations, untold = budgets.check(totals.values, totals.unknown, limits, source=source, spenders=spenders)
    scope.violations += violations
    scope.warnings += [text for text in untold if text not in scope.warnings]


def after_call(scope: Scope, unplayed: str, settings: Settings = ANY) -> TestResult:
    """What did not hold when the test's body, or a fixture's setup, is over."""
    scope.flush()
    _check(scope, unplayed, teardown=False)
    _check_limits(scope, settings)
    return TestResult(test_id=scope.test_id or "", violations=tuple(scope.violations))


def finish(scope: Scope, *, passed: bool, unplayed: str, settings: Settings = ANY) -> TestResult:
    """Close a scope: end its open calls, check, save its golden, and sum it up.

    The violations given are those that were not there before the teardown.
    """
    before = len(scope.violations)
    scope.close()
    if passed:
        _check(scope, unplayed, teardown=True)
        _check_limits(scope, settings)
    passed = passed and not scope.violations
    saved: Saved = None
    try:
        saved = _save(scope, passed=passed)
    except GoldenError as exc:
        scope.violations.append(Violation(kind="golden", text=str(exc)))
    result = replace(_sums(scope), golden=saved, golden_path=scope.golden_name or None)
    differences = tuple(_differences(scope)) if scope.mode == "live" else ()
    return replace(result, differences=differences, warnings=tuple(scope.warnings), violations=tuple(scope.violations[before:]))


def _save(scope: Scope, *, passed: bool) -> Saved:
    path = scope.golden_path
    if path is None or scope.mode not in ("auto", "record"):
        return None
    known = path.exists()
    if scope.mode == "auto" and (known or not passed):
        return None
    if not scope.recorded and not (known and passed):
        return None
    made = golden.Golden(golden.GOLDEN_VERSION, scope.test_id or "", scope.in_teardown, tuple(map(_of_no_run, scope.recorded)))
    if not passed:
        golden.save(golden.pending_path(path), made)
        return "pending"
    golden.save(path, made)
    golden.pending_path(path).unlink(missing_ok=True)
    return "updated" if known else "created"


def _of_no_run(interaction: Interaction) -> Interaction:
    return replace(interaction, **dict.fromkeys(OF_THE_RUN))


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
        figures=scope.totals.values,
        unknown=scope.totals.unknown,
    )


def _answer(call: Interaction) -> tuple[Any, ...]:
    return call.response, call.tool_calls, call.status


def _differences(scope: Scope) -> list[str]:
    """What a live run found against the golden: calls it does not hold, answers that changed, calls not made."""
    made = Calls(lambda: scope.lines)
    try:
        queue = scope.queue
    except GoldenError as exc:
        return [str(exc)]
    if queue is None:
        return [f"new: {subject(call)}" for call in made]
    found = []
    for call in made:
        recorded = queue.take(call.request_hash)
        if recorded is None:
            found.append(f"new: {subject(call)}")
        elif _answer(recorded.parsed) != _answer(call):
            found.append(f"changed answer: {subject(call)}")
    return found + [f"missing: {subject(call)}" for call in queue.unplayed(teardown=True)]


def run_budget(tests: Sequence[TestResult], limits: Iterable[Limit]) -> tuple[list[Violation], list[str]]:
    """Which limits of the run do not hold, and which cannot be judged."""
    totals = Totals()
    for test in tests:
        totals.merge(test.figures, test.unknown)
    live, replayed = sum(test.live for test in tests), sum(test.replayed for test in tests)

    def spenders(metric: Metric) -> list[tuple[float, str]]:
        return [(figure, test.test_id) for test in tests if (figure := test.figures.get(metric.name))]

    source = budgets.recorded_share(live, replayed)
    return budgets.check(totals.values, totals.unknown, limits, source=source, spenders=spenders)
