"""``llmlog gate`` and ``llmlog diff``: stored runs judged again, and compared."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec
from msgspec.structs import replace

from pytest_llmlog import budgets, checks, stored
from pytest_llmlog import gate as gates
from pytest_llmlog.cli import reading
from pytest_llmlog.compare import Policy, Terms, parse_policy
from pytest_llmlog.errors import LlmlogError
from pytest_llmlog.printing import printable
from pytest_llmlog.settings import Settings
from pytest_llmlog.stored import Stored

LOG = str(Path(".llmlog") / "llm_interactions.log")

_log = click.option("--log", default=LOG, show_default=True, type=click.Path(), help="Where runs are looked for; also a pattern.")
_compare = click.option("--compare", default="exact", show_default=True, help="exact, text, json, shape, similar:X or none.")
_ignore = click.option("--ignore", multiple=True, metavar="PATH", help="JSON path of an answer that does not count.")
_json = click.option("--json", "as_json", is_flag=True, help="One JSON object.")


def _stop(error: Exception) -> None:
    click.echo(printable(str(error)), err=True)
    sys.exit(2)


def _policy(text: str) -> Policy:
    try:
        return parse_policy(text)
    except ValueError as exc:
        raise click.BadParameter(str(exc), param_hint="--compare") from None


@contextmanager
def _stored(*texts: str, log: str) -> Iterator[list[Stored]]:
    """What texts mean, one of which may be standard input; what of it could not be read is told."""
    with reading.runs_at_hand(*texts, log) as (*paths, log_path), reading.progress([]):
        found = [stored.resolve(path, Path.cwd(), Path(log_path).absolute()) for path in paths]
        for each in found:
            for fault in each.faults:
                click.echo(printable(f"passed over: {fault}"), err=True)
        yield [
            replace(each, name=text) if each.name == path else each for each, path, text in zip(found, paths, texts, strict=True)
        ]


def _tell(lines: Iterable[str], indent: str = "") -> None:
    for line in lines:
        click.echo(f"{indent}{printable(line)}")


@click.command()
@click.argument("run")
@click.option("--baseline", required=True, metavar="REF", help="What to compare with: as RUN.")
@click.option("--fail", multiple=True, metavar="EXPR", help="METRIC:PERCENT+AMOUNT, or response.")
@click.option("--warn", multiple=True, metavar="EXPR", help="As --fail, shown only.")
@click.option("--budget", multiple=True, metavar="EXPR", help="METRIC:LIMIT for the run, test.METRIC:LIMIT for each test.")
@_compare
@_ignore
@_log
@_json
def gate(
    run: str, baseline: str, fail: tuple[str, ...], warn: tuple[str, ...], budget: tuple[str, ...], compare: str, ignore: tuple[str, ...],
    log: str, as_json: bool,
) -> None:  # fmt: skip
    """Judge a stored run again, offline: against a baseline and with thresholds of your own.

    RUN is last, the beginning of a run's id, a log (plain, .gz, .zst, Parquet, a pattern, - for standard input), a golden or a folder
    of goldens, or git:REF. Exit code 1 when something does not hold, 2 when it cannot be judged.

    Example: llmlog gate last --baseline git:main --fail input_tokens:0 --fail response --budget test.cost_usd:0.05
    """
    try:
        found = {**checks.of_expressions(warn, "--warn", fails=False), **checks.of_expressions(fail, "--fail", fails=True)}
        settings = Settings(checks=found, compare=_policy(compare), ignore=ignore)
        limits = budgets.of_expressions(budget, "--budget")
        with _stored(run, baseline, log=log) as (now, before):
            result = gates.judge_stored(now, before, settings, limits)
    except (LlmlogError, ValueError) as exc:
        _stop(exc)
        return
    if as_json:
        click.echo(json.dumps({"holds": result.holds, **msgspec.to_builtins(result)}, ensure_ascii=False))
        sys.exit(0 if result.holds else 1)
    for test in result.tests:
        for text in (*(violation.text for violation in test.violations), *test.warnings):
            _tell([f"{test.test_id}: {text.removeprefix('llmlog: ')}".splitlines()[0], *text.splitlines()[1:]])
    _tell([*(f"new: {test_id}" for test_id in result.new), *(f"missing: {test_id}" for test_id in result.missing)])
    for violation in result.violations:
        _tell(violation.text.splitlines())
    _tell(result.warnings)
    violated = sum(bool(test.violations) for test in result.tests) + len(result.violations)
    click.echo(f"{len(result.tests)} tests: {'all hold' if result.holds else f'{violated} do not hold'}")
    sys.exit(0 if result.holds else 1)


@click.command()
@click.argument("before")
@click.argument("now")
@_compare
@_ignore
@_log
@_json
def diff(before: str, now: str, compare: str, ignore: tuple[str, ...], log: str, as_json: bool) -> None:
    """Show what differs between two stored runs: figures, requests with what changed first, answers.

    BEFORE and NOW are what RUN is for gate. Exit code 1 when something differs.

    Example: llmlog diff git:main tests/goldens
    """
    try:
        terms = Terms(_policy(compare), ignore)
        with _stored(before, now, log=log) as (first, second):
            found = gates.differences(first, second, terms)
    except (LlmlogError, ValueError) as exc:
        _stop(exc)
        return
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(found), ensure_ascii=False))
    else:
        for difference in found:
            click.secho(printable(difference.test_id), bold=True)
            _tell(difference.lines, "  ")
        click.echo(f"{len(found)} tests differ")
    sys.exit(1 if found else 0)
