"""The summary under pytest's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from pytest_llmlog.printing import printable
from pytest_llmlog.record import CheckResult, RunResult, TestResult, Violation
from pytest_llmlog.reports import figures
from pytest_llmlog.significance import geometric_mean

SHOWN = 10
"""How many verdicts that fail nothing, regressed tests and violations are shown unless the user asks for more with ``-v``."""

RANKED = 3
"""How many of the slowest and of the dearest tests are shown."""

TITLES = {
    "leak": "calls went round the capture",
    "budget": "the run is over budget",
    "regression": "regressions over the whole suite",
}


class Line(Struct, frozen=True):
    """A line for the terminal; ``style`` is a keyword of pytest's writer, or empty."""

    text: str
    style: str = ""


class Look(Struct, frozen=True):
    """How much is shown: ``whole`` violations where pytest shows no failures, all of everything when ``verbose``."""

    width: int = 80
    verbose: bool = False
    whole: bool = False


def lines(result: RunResult, look: Look) -> Iterator[Line]:
    """The summary of a run, line by line; nothing when no call was made and nothing went wrong."""
    tests = result.tests
    if any(test.live or test.replayed for test in tests):
        parts = [figures.calls(tests), *figures.sources(tests), *(f"budget: {left}" for left in figures.budgets_left(result))]
        yield from map(Line, packed(parts, look.width))
        yield Line(f"log: {result.log_path}")
        yield from _table(tests, look)
    yield from _violations(tests, look)
    yield from _goldens(tests, look)
    for test in tests:
        for text in (*test.differences, *test.warnings):
            yield Line(f"{test.test_id}: {text}")
    yield from map(Line, result.warnings)
    yield from _checks(tests, look)
    yield from _geometric_means(tests)
    for fault in result.faults:
        yield Line(f"problem: {fault}", "yellow")


def packed(parts: Sequence[str], width: int) -> list[str]:
    """Parts of one statement on as few lines as fit the width."""
    found = [parts[0]]
    for part in parts[1:]:
        if len(found[-1]) + 2 + len(part) <= width:
            found[-1] += f"; {part}"
        else:
            found.append(f"  {part}")
    return found


def _goldens(tests: Sequence[TestResult], look: Look) -> Iterator[Line]:
    if told := figures.goldens(tests):
        yield Line(f"goldens: {told}")
    for test in tests:
        if test.golden and (look.verbose or test.golden == "pending"):
            yield Line(f"  {test.golden}: {test.golden_path}")
    if any(test.golden == "pending" for test in tests):
        yield Line("  to decide about them: llmlog review")


def _ranks(tests: Sequence[TestResult], look: Look) -> Iterator[tuple[str, Sequence[TestResult]]]:
    """Groups of tests worth a look; of a few tests, all."""
    called = [test for test in tests if test.figures.get("calls")]
    worse = [test for test in called if any(check.verdict == "regressed" for check in test.checks)]
    slowest = sorted(called, key=lambda test: -test.figures.get("latency", 0))
    dearest = sorted((test for test in called if test.figures.get("cost_usd")), key=lambda test: -test.figures["cost_usd"])
    yield "regressed", worse if look.verbose else worse[:SHOWN]
    if look.verbose or 1 < len(called) <= RANKED:
        yield "tests", [test for test in slowest if test not in worse]
    elif len(called) > RANKED:
        yield "slowest", slowest[:RANKED]
        yield "dearest", dearest[:RANKED]


COLUMNS = ("calls", "tokens", "cost_usd", "latency")


def _table(tests: Sequence[TestResult], look: Look) -> Iterator[Line]:
    """The slowest, dearest and regressed tests; names are folded where the terminal is narrow, and never cut."""
    groups = [(title, found) for title, found in _ranks(tests, look) if found]
    if not groups:
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(overflow="fold")
    for _ in COLUMNS:
        table.add_column(justify="right", no_wrap=True)
    for title, found in groups:
        table.add_row(Text(title), *map(Text, (name.removesuffix("_usd") for name in COLUMNS)))
        for test in found:
            table.add_row(
                Text(f"  {printable(test.test_id)}"), *(Text(figures.amount(name, test.figures.get(name))) for name in COLUMNS)
            )
    console = Console(width=look.width, color_system=None, force_terminal=False, highlight=False, legacy_windows=False)
    with console.capture() as captured:
        console.print(table)
    titles = {title for title, _ in groups}
    for line in captured.get().splitlines():
        yield Line(line.rstrip(), "bold" if line.split(" ")[0] in titles else "")


def _violations(tests: Sequence[TestResult], look: Look) -> Iterator[Line]:
    """What did not hold in tests and what changed first; whole where pytest's own report of failures is not there."""
    last = {test.test_id: test for test in tests}  # of reruns
    found = [(test, violation) for test in last.values() for violation in test.violations]
    if not found:
        return
    counts = Counter(violation.kind for _, violation in found)
    yield Line(f"violations: {', '.join(f'{number:,} {kind}' for kind, number in counts.most_common())}", "red")
    whole = look.verbose or look.whole
    for test, violation in found if whole else found[:SHOWN]:
        head, *rest = figures.told(violation).splitlines()
        yield Line(f"  {test.test_id}: {head}")
        yield from (Line(f"  {text}", _style(text)) for text in (rest if whole else _attribution(violation, rest)))
    if len(found) > SHOWN and not whole:
        yield Line(f"  … and {len(found) - SHOWN:,} more; -v shows them")


def _attribution(violation: Violation, rest: Sequence[str]) -> Sequence[str]:
    """The line that says what changed first."""
    return rest[:1] if violation.kind == "regression" else ()


def _style(text: str) -> str:
    return {"+": "green", "-": "red"}.get(text.lstrip()[:1], "")


def _checks(tests: Sequence[TestResult], look: Look) -> Iterator[Line]:
    """How many checks came to what, and those that neither passed nor failed."""
    judged = [(test, check) for test in tests for check in test.checks if check.text]
    if judged:
        counts = Counter(check.verdict for _, check in judged)
        yield Line(f"checks: {', '.join(f'{count:,} {verdict}' for verdict, count in counts.most_common())}")
    others = [(test, check) for test, check in judged if check.verdict not in ("unchanged", "regressed")]
    for test, check in others if look.verbose else others[:SHOWN]:
        yield Line(f"{test.test_id}: {check.text.removeprefix('llmlog: ')}")
    if len(others) > SHOWN and not look.verbose:
        yield Line(f"… and {len(others) - SHOWN:,} more; -v shows them")


def _geometric_means(tests: Sequence[TestResult]) -> Iterator[Line]:
    """How the suite as a whole moved: what one test cannot tell from noise, all of them may."""
    metrics = dict.fromkeys(check.metric for test in tests for check in test.checks if check.before and check.now)
    for metric in metrics:
        told = [check for test in tests for check in test.checks if check.metric == metric]
        ratios = [ratio for check in told if (ratio := _ratio(check)) is not None]
        if len(ratios) > 1:
            yield Line(f"{metric} of the suite: × {geometric_mean(ratios):.2f} (geometric mean of {len(ratios)} tests)")


def _ratio(check: CheckResult) -> float | None:
    return check.now / check.before if check.before and check.now else None


def write(result: RunResult, reporter: Any, look: Look, *, quiet: bool) -> None:
    """Print the summary through pytest's terminal reporter; only problems when it is quiet."""
    problems = [Line(f"problem: {fault}", "yellow") for fault in result.faults]
    shown = problems if quiet else list(lines(result, look))
    if shown:
        reporter.write_sep("-", "llmlog")
    for line in shown:
        _write(reporter, line)
    for kind, title in TITLES.items():
        violations = [violation for violation in result.violations if violation.kind == kind]
        if violations:
            reporter.write_sep("=", f"llmlog: {title}", red=True)
        for violation in violations:
            _write(reporter, Line(violation.text or figures.told(violation)))


def _write(reporter: Any, line: Line) -> None:
    for text in printable(line.text).splitlines() or [""]:
        reporter.write_line(text, **({line.style: True} if line.style else {}))
