"""The report for pull requests: what got worse or changed in a table, the rest collapsed; nothing a model said is markup in it."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterable, Sequence

from pytest_llmlog.printing import printable
from pytest_llmlog.recap import FAILING, NEWS, Recap, Test
from pytest_llmlog.reports import figures

LIMIT = 60_000
"""Longest report in characters: a comment on GitHub holds 65,536."""

ROWS = 200
"""How many tests a table lists; the page and the JSON report have all."""

LINES = 60
"""How many lines of one test's details are shown."""

COLUMNS = ("tokens", "cost_usd", "latency")

SIGN = re.compile(r"^((?:  )+)([-+])")
"""Of a line that differs, which stands at an even place; GitHub colours it where the sign is the first character."""

_MARKS = str.maketrans({char: f"&#{ord(char)};" for char in string.punctuation})


def code(text: str) -> str:
    """Text of a stranger as code on one line, in a table as well: every sign is written as a number, so that none is markup.

    Inside of ``<code>`` nobody is mentioned and no issue linked.
    """
    return f"<code>{' '.join(printable(text).split()).translate(_MARKS)}</code>"


def fenced(text: str, language: str = "") -> str:
    """Text of a stranger as a block, fenced by more backticks than it has anywhere."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{printable(text)}\n{fence}"


def text_of(recap: Recap, limit: int = LIMIT) -> str:
    """The report as GitHub's and GitLab's Markdown, no longer than a comment may be."""
    changed = [test for test in recap.tests if test.verdict in FAILING or test.verdict in NEWS]
    rest = [test for test in recap.called if test not in changed]
    head = [f"## llmlog: {headline(recap)}", _summary(recap), *_run_violations(recap)]
    parts = [*head, *(_table(changed) if changed else ()), *_rest(rest)]
    text = "\n\n".join(parts)
    if len(text) > limit:  # very long names: the head has the counts
        text = "\n\n".join([*head, "The tables do not fit; see the page or the JSON report."])[:limit]
    return _with_details(text, [detail for test in changed if (detail := _detail(test))], limit)


def _with_details(text: str, details: Sequence[str], limit: int) -> str:
    """Details behind the tables, as many as fit."""
    room = limit - len(text) - 200
    shown: list[str] = []
    for detail in details:
        if len(detail) > room:
            break
        shown.append(detail)
        room -= len(detail) + 2
    left = len(details) - len(shown)
    more = [f"… and the details of {figures.count(left, 'more test')}: see the page, or `llmlog report`."] if left else []
    return "\n\n".join([text, *shown, *more]) + "\n"


def headline(recap: Recap) -> str:
    """The run in one line: what does not hold, what changed."""
    counts = Counter(test.verdict for test in recap.tests)
    told = [f"{counts[verdict]:,} {verdict}" for verdict in (*FAILING, *NEWS) if counts[verdict]]
    over = (
        ["run over budget" if any(v.kind == "budget" for v in recap.run.violations) else "suite regressed"]
        if recap.run.violations
        else []
    )
    if not recap.failing and not over:
        return ", ".join(["all hold", *told])
    return ", ".join([*over, *told])


def _summary(recap: Recap) -> str:
    tests = recap.run.tests
    parts = [figures.calls(tests), *figures.sources(tests), *(f"budget: {left}" for left in figures.budgets_left(recap.run))]
    goldens = figures.goldens(tests)
    parts += [f"goldens: {goldens}"] if goldens else []
    return f"{'; '.join(parts)}. Mode {recap.run.mode}, baseline {code(recap.baseline)}, run {code(recap.run.run_id[:8])}."


def _run_violations(recap: Recap) -> list[str]:
    return [fenced(figures.told(violation)) for violation in recap.run.violations]


def _table(tests: Sequence[Test]) -> list[str]:
    rows = ["| test | verdict | changed first | tokens | cost | latency |", "|---|---|---|---|---|---|"]
    rows += map(_row, tests[:ROWS])
    return ["\n".join(rows), *([f"… and {figures.count(len(tests) - ROWS, 'more test')}."] if len(tests) > ROWS else [])]


def _row(test: Test) -> str:
    verdict = f"**{test.verdict}**" if test.verdict in FAILING else test.verdict
    told = (figures.change(name, test.before.get(name), test.now.get(name)) for name in COLUMNS)
    return f"| {code(test.result.test_id)} | {verdict} | {', '.join(test.causes)} | {' | '.join(told)} |"


def _detail(test: Test) -> str:
    """What did not hold and what differs, for those who open it."""
    result = test.result
    shown = {violation.text for violation in result.violations}
    texts = [figures.told(violation) for violation in result.violations]
    judged = [check.text for check in result.checks if check.text and check.text not in shown and check.verdict != "unchanged"]
    texts += [*(text.removeprefix("llmlog: ") for text in judged), *result.differences, *result.warnings]
    texts = texts or ["\n".join(_differences(test))]
    lines = [SIGN.sub(r"\2\1", line) for text in texts for line in text.splitlines()]
    if not lines:
        return ""
    more = [f"… {len(lines) - LINES} more lines"] if len(lines) > LINES else []
    block = fenced("\n".join([*lines[:LINES], *more]), "diff")
    return f"<details><summary>{code(test.result.test_id)}: {test.verdict}</summary>\n\n{block}\n\n</details>"


def _differences(test: Test) -> Iterable[str]:
    for number, call in enumerate(test.calls, start=1):
        yield from call.lines(number)


def _rest(tests: Sequence[Test]) -> list[str]:
    if not tests:
        return []
    counts = Counter(test.verdict for test in tests)
    title = ", ".join(f"{figures.count(number, 'test')} {verdict}" for verdict, number in counts.items())
    return [f"<details><summary>{title}</summary>", *_table(tests), "</details>"]
