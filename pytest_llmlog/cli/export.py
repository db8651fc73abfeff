"""``llmlog export``: the log in the words of others, once or as it grows."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event
from typing import Any

import click
import msgspec

from pytest_llmlog.cli import reading
from pytest_llmlog.cli.stopping import INTERRUPTED, stopping
from pytest_llmlog.errors import ConfigError
from pytest_llmlog.query import engines, rows, sources
from pytest_llmlog.query.follow import Follower, Position, beginning
from pytest_llmlog.query.sources import Damage, Source
from pytest_llmlog.query.where import Condition, columns_of, predicate
from pytest_llmlog.shipping import cassette, clickhouse, formats, openai_files, otel, progress
from pytest_llmlog.shipping.progress import File, Remote, Sink, State

BATCH = 256
"""Records that go out together."""

WHOLE = ("vcr", "parquet")
"""What is one file with a beginning and an end, and so follows no log."""

LINES = {**formats.LINES, **openai_files.LINES}
"""The formats of a line a record, by name."""

FORMATS = (*otel.STYLES, *LINES, *WHOLE, "clickhouse")


def _headers(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    if any(not sign for _, sign, _ in pairs):
        raise click.BadParameter("expected NAME=VALUE")
    return {name: value for name, _, value in pairs}


def _sink(
    to: str, output: str, endpoint: str | None, headers: dict[str, str], table: str, state: State, *, keeps_state: bool
) -> Sink:
    if to in otel.STYLES:
        return Remote(otel.Sender(to, endpoint, headers))
    if to == "clickhouse":
        if endpoint is None:
            raise ConfigError("--to clickhouse: give --endpoint http://host:8123")
        return Remote(clickhouse.Sender(endpoint, table))
    header = formats.CSV_HEADER if to == "csv" else b""
    if output == "-":
        return File(sys.stdout.buffer, LINES[to], header if not state.written else b"", 0, durable=False)
    if not keeps_state and Path(output).exists():
        raise ConfigError(f"{output}: is there already\n  fix: name another file, or go on with --state FILE")
    return File(progress.opened(Path(output), state), LINES[to], header, state.written, durable=True)


class Batch:
    """Gathers records, sends them, and keeps how far that was."""

    def __init__(self, sink: Sink, state: State, path: Path | None) -> None:
        self._sink, self._path = sink, path
        self._records: list[dict[str, Any]] = []
        self._position = state.position
        self.count = 0

    def add(self, records: Sequence[dict[str, Any]], position: Any) -> None:
        self._records += records
        self._position = position
        if len(self._records) >= BATCH:
            self.send()

    def send(self) -> None:
        """Send what was gathered, and then say so: what is sent twice after a kill is known by its id, or cut off."""
        if self._records:
            self._sink.send(self._records)
            self.count += len(self._records)
            self._records = []
        if self._path is not None:
            progress.save(self._path, State(self._position, self._sink.written))


def _followed(
    path: str, state: State, batch: Batch, held: Condition | None, damage: Damage, stopped: Event, *, follow: bool
) -> None:
    plan, holds = rows.Plan(columns_of(held)), predicate(held, rows.getter) if held else None
    follower = Follower(Path(path), state.position)
    batch.send()  # from now on a restart knows where this one began
    for written in follower.lines(follow=follow):
        if stopped.is_set():
            break
        if written is None:
            batch.send()
            continue
        found = [msgspec.json.decode(line) for row, line in plan.of_line(written.line, path, damage) if holds is None or holds(row)]
        batch.add(found, written.position)
    batch.send()
    if follower.lost:
        click.echo(f"{path}: the file in which the last export stopped is gone; what was left in it is not exported", err=True)


def _whole(to: str, output: str, records: Iterator[bytes], names: Sequence[str], *, narrowed: bool) -> None:
    if output == "-" or Path(output).exists():
        raise ConfigError(f"--to {to}: give -o FILE that is not there yet")
    if to == "parquet":
        from pytest_llmlog.query import compact

        found = reading.expanded(names)
        if len(found) != 1 or found[0].is_parquet or found[0].is_pipe or narrowed:
            raise ConfigError("--to parquet: name one log that is a file, without --where and --since")
        click.echo(f"{compact.compact(found[0], Path(output)):,} exported", err=True)
        return
    text, count, left = cassette.cassette(map(msgspec.json.decode, records))
    with open(output, "xb") as file:
        file.write(text)
    click.echo(f"{count:,} exported{f', {left:,} without their wire or an answer left out' if left else ''}", err=True)


@click.command()
@reading.files
@click.option("--to", required=True, type=click.Choice(FORMATS), help="The format.")
@click.option("-o", "--output", default="-", show_default=True, type=click.Path(allow_dash=True), help="The file of lines.")
@click.option("--endpoint", metavar="URL", help="Where it is sent; for OTLP by default what OTEL_EXPORTER_OTLP_ENDPOINT says.")
@click.option(
    "--header",
    "headers",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_headers,
    help="A header for OTLP; OTEL_EXPORTER_OTLP_HEADERS keeps it out of the process list.",
)
@click.option("--table", default="llm_interactions", show_default=True, help="The table in ClickHouse.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written, through rotations, until Ctrl-C or SIGTERM.")
@click.option(
    "--state",
    "state_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Remember here how far it came, and go on from there.",
)
@reading.conditions
def export(
    files: tuple[str, ...], to: str, output: str, endpoint: str | None, headers: dict[str, str], table: str, follow: bool,
    state_path: Path | None, where: str | None, since: str | None,
) -> None:  # fmt: skip
    """Write or send the log as others read it.

    \b
    otlp           spans and metrics, OpenTelemetry GenAI conventions, over OTLP/HTTP
    openinference  spans with OpenInference's attributes, over OTLP/HTTP
    langfuse       spans with Langfuse's attributes, over OTLP/HTTP
    ecs, datadog   a JSON object a line
    openai-jsonl   training files for fine-tuning; openai-batch, openai-stored for batches and completions
    csv, parquet, clickhouse, vcr

    FILES are as for stats; with --follow or --state one plain log. With --state a restart, even after kill -9, loses and doubles
    nothing in a file of lines; what is sent twice over a connection carries the same id.

    Example: llmlog export --to otlp --endpoint http://127.0.0.1:4318 --follow --state .llmlog/otlp.state
    """  # noqa: D301 click wants the sign itself before a list
    held, damage = reading.condition(where, since), Damage()
    tracked = follow or state_path is not None
    if tracked and to in WHOLE:
        raise ConfigError(f"--follow and --state: --to {to} writes one whole file")
    names = [reading.one_log("--follow and --state", files)] if tracked else list(files) or sources.default()
    if to in WHOLE:
        _whole(
            to,
            output,
            engines.records(reading.expanded(names), held, damage) if to == "vcr" else iter(()),
            names,
            narrowed=held is not None,
        )
        reading.tell(damage)
        return
    state = progress.load(state_path) or State(beginning(Path(names[0])) if tracked else Position())
    read = [] if tracked else reading.expanded(names)
    sink = _sink(to, output, endpoint, headers, table, state, keeps_state=state_path is not None)
    batch = Batch(sink, state, state_path)
    with stopping() as stopped:
        if tracked:
            _followed(names[0], state, batch, held, damage, stopped, follow=follow)
        else:
            _once(read, batch, held, damage, stopped)
    sink.close()
    reading.tell(damage)
    click.echo(f"{batch.count:,} exported", err=True)
    sys.exit(INTERRUPTED if stopped.is_set() else 0)


def _once(read: Sequence[Source], batch: Batch, held: Condition | None, damage: Damage, stopped: Event) -> None:
    with reading.progress(read) as advance:
        for line in engines.records(read, held, damage, advance):
            if stopped.is_set():
                break
            batch.add([msgspec.json.decode(line)], Position())
    batch.send()
