"""The summary under pytest's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from pytest_llmlog.record import RunResult, TestResult
from pytest_llmlog.significance import geometric_mean


def _count(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def _calls(tests: tuple[TestResult, ...]) -> str:
    replayed, live = sum(test.replayed for test in tests), sum(test.live for test in tests)
    failed = sum(test.failed_calls for test in tests)
    parts = [f"{replayed:,} replayed" if replayed else "", f"{live:,} live" if live else "", f"{failed:,} failed" if failed else ""]
    return f"{_count(replayed + live, 'call')}: {', '.join(filter(None, parts))}"


def _spent(tokens: int, cost: float, when: str) -> str:
    money = f", ${cost:.4f}" if cost else ""
    return f"{_count(tokens, 'token')}{money} {when}" if tokens or cost else ""


def _goldens(tests: tuple[TestResult, ...]) -> str:
    outcomes = Counter(test.golden for test in tests if test.golden)
    return ", ".join(f"{outcomes[name]} {name}" for name in ("created", "updated", "pending") if outcomes[name])


def lines(result: RunResult, *, verbose: bool) -> Iterator[str]:
    """The summary of a run, line by line; nothing when no call was made and nothing went wrong."""
    tests = result.tests
    if any(test.live or test.replayed for test in tests):
        yield _calls(tests)
        recorded = _spent(sum(test.replayed_tokens for test in tests), sum(test.replayed_cost_usd for test in tests), "recorded")
        spent = _spent(sum(test.live_tokens for test in tests), sum(test.live_cost_usd for test in tests), "spent now")
        if recorded or spent:
            yield "; ".join(filter(None, [recorded, spent]))
        yield f"log: {result.log_path}"
    if goldens := _goldens(tests):
        yield f"goldens: {goldens}"
    for test in tests:
        if test.golden and (verbose or test.golden == "pending"):
            yield f"  {test.golden}: {test.golden_path}"
    if any(test.golden == "pending" for test in tests):
        yield "  to decide about them: llmlog review"
    for test in tests:
        for text in (*test.differences, *test.warnings):
            yield f"{test.test_id}: {text}"
    yield from result.warnings
    yield from _checks(tests, verbose=verbose)
    yield from _geometric_means(tests)
    for fault in result.faults:
        yield f"problem: {fault}"


SHOWN = 10
"""How many verdicts that fail nothing are shown unless the user asks for more with ``-v``."""


def _checks(tests: tuple[TestResult, ...], *, verbose: bool) -> Iterator[str]:
    """How many checks came to what, and those that neither passed nor failed."""
    judged = [(test, check) for test in tests for check in test.checks if check.text]
    if judged:
        counts = Counter(check.verdict for _, check in judged)
        yield f"checks: {', '.join(f'{count:,} {verdict}' for verdict, count in counts.most_common())}"
    others = [(test, check) for test, check in judged if check.verdict not in ("unchanged", "regressed")]
    for test, check in others if verbose else others[:SHOWN]:
        yield f"{test.test_id}: {check.text.removeprefix('llmlog: ')}"
    if len(others) > SHOWN and not verbose:
        yield f"… and {len(others) - SHOWN:,} more; -v shows them"


def _geometric_means(tests: tuple[TestResult, ...]) -> Iterator[str]:
    """How the suite as a whole moved: what one test cannot tell from noise, all of them may."""
    metrics = dict.fromkeys(check.metric for test in tests for check in test.checks if check.before and check.now)
    for metric in metrics:
        told = [check for test in tests for check in test.checks if check.metric == metric]
        ratios = [check.now / check.before for check in told if check.before and check.now]
        if len(ratios) > 1:
            yield f"{metric} of the suite: × {geometric_mean(ratios):.2f} (geometric mean of {len(ratios)} tests)"


TITLES = {
    "leak": "calls went round the capture",
    "budget": "the run is over budget",
    "regression": "regressions over the whole suite",
}


def write(result: RunResult, reporter: Any, *, verbosity: int) -> None:
    """Print the summary through pytest's terminal reporter; only problems when it is quiet."""
    shown = list(lines(result, verbose=verbosity > 0))
    if verbosity < 0:
        shown = [f"problem: {fault}" for fault in result.faults]
    if shown:
        reporter.write_sep("-", "llmlog")
        for line in shown:
            reporter.write_line(line)
    for kind, title in TITLES.items():
        violations = [violation for violation in result.violations if violation.kind == kind]
        if violations:
            reporter.write_sep("=", f"llmlog: {title}", red=True)
        for violation in violations:
            for line in violation.text.splitlines():
                reporter.write_line(line)
