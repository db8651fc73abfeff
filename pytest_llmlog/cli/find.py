"""``llmlog find``: has this prompt, this answer, this error happened before."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from itertools import islice
from typing import Any

import click
import msgspec

from pytest_llmlog import log
from pytest_llmlog.cli import reading, record
from pytest_llmlog.errors import ConfigError
from pytest_llmlog.printing import printable
from pytest_llmlog.query import engines, finding, sources
from pytest_llmlog.query.engines import Engine
from pytest_llmlog.query.finding import SHOWN, Found
from pytest_llmlog.query.sources import Damage
from pytest_llmlog.query.where import Condition


def _at(place: str) -> dict[str, Any]:
    """The record at ``FILE:LINE``."""
    name, _, number = place.rpartition(":")
    if not name or not number.isdigit():
        raise ConfigError(f"--like {place}: expected FILE:LINE")
    found = sources.expand([name])
    if len(found) != 1:
        raise ConfigError(f"--like {place}: names {len(found)} files; give one")
    if found[0].is_parquet:
        record = next(islice(engines.records(found, None, Damage()), int(number) - 1, None), None) if int(number) else None
        if record is None:
            raise ConfigError(f"--like {place}: no record there")
        return msgspec.json.decode(record, type=dict[str, Any])
    with sources.opened(found[0]) as file:
        line = next((line for line in log.read(file) if line.number == int(number)), None)
    if line is None or line.fault or not isinstance(line.value, dict):
        raise ConfigError(f"--like {place}: {'no record there' if line is None else line.fault or 'no record'}")
    return line.value


def _ask(
    engine: Engine, text: str | None, digest: str | None, like: dict[str, Any] | None, least: float, held: Condition | None
) -> list[Found]:
    if text is not None:
        return finding.of_text(engine, text, held)
    return finding.of_hash(engine, digest, held) if digest else finding.of_record(engine, like or {}, least, held)


def _row(found: Found) -> dict[str, Any]:
    calls = json.loads(found.call["tool_calls"] or "null")
    return {**found.call, "tool_calls": calls, "how": found.how, "similarity": found.similarity, "answer": found.answer}


def _people(found: Sequence[Found], like: str | None, wanted: dict[str, Any] | None) -> None:
    for each in found:
        call = each.call
        near = f" {each.similarity:.0%} alike" if each.how == "near" else ""
        answer = f"answer {each.answer}" if each.answer else "no answer"
        where = call["test_id"] or call["prompt_template"] or ""
        click.secho(
            printable(f"{call['timestamp']}  {call['request_id']}  run {(call['run_id'] or '')[:8]}  {where}  {answer}{near}"),
            bold=True,
        )
        click.echo(printable(f"  {call['model'] or ''}: {record.short(call['prompt'], 100)}"))
        said = f"{call['error_type'] or ''} {call['error'] or ''}" if call["status"] == "failure" else finding.answer(call)
        click.echo(printable(f"  → {record.short(said, 100)}"))
    said = finding.answer(wanted) if wanted else None
    first = "answer 1" if said is None else f"that of {like}"
    for number, lines in finding.differences(found, said):
        click.secho(printable(f"answer {number} is not as {first}:"), bold=True)
        for line in lines:
            click.secho(printable(f"  {line}"), fg={"-": "red", "+": "green"}.get(line[:1]))


@click.command()
@click.argument("what", nargs=-1)
@click.option("--hash", "digest", metavar="HASH", help="Calls with this prompt_hash or request_hash, or one that begins so.")
@click.option("--like", metavar="FILE:LINE", help="Calls like the one there: the same by its hashes, or near by its prompt.")
@click.option("--similarity", default=0.85, show_default=True, type=click.FloatRange(0, 1), help="How near, for --like.")
@reading.conditions
@reading.engine
@reading.output
def find(
    what: tuple[str, ...], digest: str | None, like: str | None, similarity: float, where: str | None, since: str | None,
    engine_name: str, table: str, form: reading.Format | None,
) -> None:  # fmt: skip
    """Find calls that happened before, with when, in which run, what was answered, and how the answers differ.

    Usage: llmlog find TEXT [FILE...], or llmlog find --hash HASH [FILE...], or llmlog find --like FILE:LINE [FILE...].

    TEXT is looked for in prompts, answers, calls for tools and errors. FILES are as for stats. Exit code 0 when something was found, 1 when not, 2
    when a log cannot be read.

    Example: llmlog find "printer is on fire" --since 30d
    """
    if digest and like:
        raise click.UsageError("give one of TEXT, --hash and --like")
    if digest and not re.fullmatch(r"[0-9a-f]{4,32}", digest):
        raise ConfigError(f"--hash {digest}: expected 4 to 32 lower-case hexadecimal digits")
    if not (digest or like) and not what:
        raise click.UsageError("give a text, --hash or --like")
    text, files = (None, what) if digest or like else (what[0], what[1:])
    wanted = _at(like) if like else None
    with reading.reading(files, engine_name, table) as read:
        found = _ask(read.engine, text, digest, wanted, similarity, reading.condition(where, since))
    if form:
        reading.show(map(_row, found), [*SHOWN, "how", "similarity", "answer"], form, lambda _, value: str(value))
    else:
        _people(found, like, wanted)
        click.echo(f"{len(found)} found")
    sys.exit(0 if found else 1)
