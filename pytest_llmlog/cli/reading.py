"""What all commands that read logs share: their options, where records come from, and how answers are printed."""

from __future__ import annotations

import csv
import json
import os
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from glob import has_magic
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeVar

import click
from msgspec import Struct

from pytest_llmlog import clock, stored
from pytest_llmlog.errors import ConfigError, LlmlogError
from pytest_llmlog.metrics import SUFFIXES
from pytest_llmlog.printing import json_line, printable
from pytest_llmlog.query import engines, sources
from pytest_llmlog.query.columns import COLUMNS
from pytest_llmlog.query.engines import Engine
from pytest_llmlog.query.sources import STDIN, Advance, Damage, Source
from pytest_llmlog.query.where import Compare, Condition, both, parse
from pytest_llmlog.shipping.formats import FORMULA

F = TypeVar("F", bound=Callable[..., Any])
Format = Literal["table", "json", "csv"]


def files(function: F) -> F:
    """The logs to read, as arguments."""
    return click.argument("files", nargs=-1, type=click.Path(allow_dash=True))(function)


def conditions(function: F) -> F:
    """``--where`` and ``--since``."""
    function = click.option("--since", metavar="WHEN", help="Only calls since: 30m, 12h, 7d, or a date or time in UTC.")(function)
    return click.option("--where", metavar="CONDITION", help="Only calls for which it holds: status = failure and latency > 3s.")(
        function
    )


def output(function: F) -> F:
    """``--json`` and ``--csv``."""
    function = click.option("--json", "form", flag_value="json", help="One JSON object a row.")(function)
    return click.option("--csv", "form", flag_value="csv", help="Comma-separated values with a header.")(function)


def engine(function: F) -> F:
    """``--engine`` and ``--table``."""
    function = click.option("--table", default="llm_interactions", show_default=True, help="The table that a remote engine has.")(
        function
    )
    return click.option(
        "--engine", "engine_name", default="auto", show_default=True,
        help="stream, duckdb, auto, or clickhouse://…, bigquery://…, spark.",
    )(function)  # fmt: skip


def condition(where: str | None, since: str | None) -> Condition | None:
    """The condition that both options come to.

    Raises:
        ConfigError: one of them cannot be read.
    """
    begin = Compare(COLUMNS["timestamp"], ">=", _moment(since)) if since else None
    return both([begin, _where(where) if where else None])


def _where(text: str) -> Condition:
    try:
        return parse(text)
    except ConfigError as exc:
        raise ConfigError(f"--where: {exc}") from exc


_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)")


def seconds(text: str) -> float:
    """A length of time: ``90s``, ``30m``, ``12h``, ``7d``.

    Raises:
        ValueError: it is none.
    """
    found = _AGO.fullmatch(text.strip())
    units = {**SUFFIXES["seconds"], "d": 86_400, "w": 604_800}
    if found is None or found[2] not in units:
        raise ValueError(f"expected a length of time like 30m, 12h or 7d, not {text!r}")
    return float(found[1]) * units[found[2]]


def _moment(text: str) -> str:
    try:
        return clock.timestamp_of(clock.now() - seconds(text))
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise ConfigError(f"--since {text}: expected 30m, 12h, 7d, or a date or time like 2026-03-09T14:05") from None
    return clock.timestamp_of((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp())


def expanded(names: Sequence[str]) -> list[Source]:
    """The logs that are named, the log of the working directory by default."""
    return sources.expand(names or sources.default())


def oldest_first(found: Sequence[Source]) -> list[Source]:
    """Logs in the order in which they were begun, by their first records: names of rotated ones tell it in many ways."""
    if len(found) < 2 or any(source.is_pipe for source in found):
        return list(found)
    return sorted(found, key=lambda source: next(engines.records([source], None, Damage()), b"")[:40])


def _to_gather(text: str) -> list[Source]:
    """The logs that a name means, unless it means one plain file, or no file at all."""
    is_pattern = has_magic(text) and not os.path.lexists(text)
    if text != STDIN and not is_pattern and (os.path.isdir(text) or not os.path.exists(text)):
        return []
    found = oldest_first(sources.expand([text]))
    if is_pattern and any(not source.is_pipe and stored.is_golden(Path(source.name)) for source in found):
        raise ConfigError(f"{text}: matches goldens\n  fix: name the folder that holds them")
    return [] if len(found) == 1 and not is_pattern and sources.is_plain(found[0]) else found


@contextmanager
def at_hand(text: str) -> Iterator[str]:
    """One plain file that holds what a name means and can be read twice: of patterns, pipes, compressed files and Parquet a copy.

    What was kept of runs beside the log is beside the copy as well. A name that means something else stays as it is.
    """
    found, damage = _to_gather(text), Damage()
    if not found:
        yield text
        return
    with TemporaryDirectory(prefix="llmlog-") as folder, progress(found) as advance:
        path, runs = Path(folder) / "gathered.log", Path(found[0].name).absolute().parent / "runs"
        if runs.is_dir() and not found[0].is_pipe:
            (path.parent / "runs").symlink_to(runs)
        with path.open("wb") as file:
            file.writelines(line + b"\n" for line in engines.records(found, None, damage, advance))
        if damage.cut is not None:
            raise ConfigError(f"{damage.cut}\n  fix: verdicts need the whole log")
        tell(damage)
        yield str(path)


def one_log(what: str, names: Sequence[str]) -> str:
    """The log that is followed as it is written; it need not be there yet.

    Raises:
        ConfigError: it is none, or several: ``what`` says who wants one.
    """
    (name, *more) = names or [str(sources.LIVE)]
    is_one = not more and name != STDIN and not (has_magic(name) and not os.path.lexists(name))
    if not is_one or (os.path.isfile(name) and not sources.is_plain(sources.expand([name])[0])):
        raise ConfigError(f"{what}: name one log that is written as it is: no pattern, standard input, compressed file or Parquet")
    return name


def in_place(what: str, names: Sequence[str]) -> None:
    """See that no name is standard input, where files themselves are looked up or changed.

    Raises:
        ConfigError: one is.
    """
    if STDIN in names:
        raise ConfigError(f"{what}: standard input has no place of its own\n  fix: name the file")


@contextmanager
def runs_at_hand(*texts: str) -> Iterator[list[str]]:
    """``at_hand`` of several names at once, of which one may be standard input; errors name them as they were given.

    Raises:
        ConfigError: standard input is named twice.
    """
    if texts.count(STDIN) > 1:
        raise ConfigError("-: standard input can be read once\n  fix: give one of them as a file")
    with ExitStack() as stack:
        paths = [stack.enter_context(at_hand(text)) for text in texts]
        try:
            yield paths
        except LlmlogError as exc:
            told = str(exc)
            for path, text in zip(paths, texts, strict=True):
                told = told.replace(path, text) if path != text else told
            raise ConfigError(told) from exc


class Reading(Struct, frozen=True):
    """One reading of logs: the engine, and what it could not read."""

    engine: Engine
    damage: Damage


@contextmanager
def reading(names: Sequence[str], engine_name: str = "auto", table: str = "llm_interactions") -> Iterator[Reading]:
    """Ask logs; what could not be read is told at the end, on standard error.

    Raises:
        ConfigError: a log or an engine cannot be used.
    """
    damage = Damage()
    local = [] if engines.is_remote(engine_name) else expanded(names)
    with progress(local) as advance:
        yield Reading(engines.choose(engine_name, lambda: local, damage, advance=advance, table=table), damage)
    tell(damage)


def tell(damage: Damage) -> None:
    """Say on standard error what could not be read."""
    for fault in damage.faults:
        click.echo(printable(f"passed over: {fault}"), err=True)
    if damage.count > len(damage.faults):
        click.echo(f"{damage.count:,} malformed in all; llmlog validate names each", err=True)


PATIENCE = 1.0
"""Seconds before a progress bar appears."""


@contextmanager
def progress(read: Sequence[Source]) -> Iterator[Advance]:
    """A progress bar for what takes longer, on standard error where that is a terminal; without sources one that only moves."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    shared = sys.stdout.isatty()  # what is printed meanwhile goes above the bar, and into a pipe as it is
    with_bar = Progress(console=Console(stderr=True), transient=True, redirect_stdout=shared, redirect_stderr=shared)
    task = with_bar.add_task("reading", total=sum(source.size for source in read) or None)
    later = threading.Timer(PATIENCE, with_bar.start)
    later.daemon = True
    later.start()
    try:
        yield lambda count: with_bar.advance(task, count)
    finally:
        later.cancel()
        later.join()
        with_bar.stop()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def csv_cell(value: Any) -> str:
    text = _cell(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(FORMULA) else text


UNBOUNDED = 10_000
"""Characters that no line of a table has."""


def show(rows: Iterable[dict[str, Any]], columns: Sequence[str], form: Format | None, shown: Callable[[str, Any], str]) -> None:
    """Print rows: a table for people, whose cells ``shown`` writes, or what programs read."""
    if form == "json":
        for row in rows:
            click.echo(json_line(json.dumps(row, ensure_ascii=False).encode()))
    elif form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow([csv_cell(row.get(column)) for column in columns])
    else:
        _table(columns, [[printable(shown(column, row.get(column))) for column in columns] for row in rows])


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.box import SIMPLE
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE, pad_edge=False, header_style="")
    for number, column in enumerate(columns):
        figures = [row[number] for row in rows if row[number]]
        numeric = bool(figures) and all(text[:1].isdigit() or text[:1] == "$" for text in figures)
        table.add_column(column.replace("_", " "), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    printed = console()
    wide = printed.options.update(width=UNBOUNDED)
    fits = printed.measure(table, options=wide).maximum <= printed.width
    printed.print(table if fits else _records(columns, rows))


def _records(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Any:
    """Rows below each other, a line a column: for terminals that are too narrow for the table."""
    from rich.table import Table
    from rich.text import Text

    found = Table.grid(padding=(0, 2))
    found.add_column()
    found.add_column(overflow="fold")
    for number, row in enumerate(rows):
        if number:
            found.add_row()
        for column, text in zip(columns, row, strict=True):
            found.add_row(column.replace("_", " "), Text(text))
    return found


def console() -> Any:
    """Where tables go: as wide as the terminal, and as wide as they are into a pipe."""
    from rich.console import Console

    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else UNBOUNDED, soft_wrap=False, highlight=False)
