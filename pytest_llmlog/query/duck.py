"""DuckDB as the engine: the columns asked for, in one pass over all logs and Parquet files, with all cores."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_llmlog.errors import ConfigError
from pytest_llmlog.query import rows, sql
from pytest_llmlog.query.columns import COLUMNS, Column, base
from pytest_llmlog.query.sources import Damage, Source, is_plain
from pytest_llmlog.query.stats import Group
from pytest_llmlog.query.stats import columns as stats_columns
from pytest_llmlog.query.where import Condition, columns_of, predicate

if TYPE_CHECKING:
    import duckdb

MEMORY = 350
"""MB that DuckDB may take for each GB of lines before it moves to the disk: what quantiles are made of has to stay in memory."""

PACKED = 4
"""By how much compressed logs and Parquet files grow, about, when they are unpacked."""

TYPES = {
    "text": "VARCHAR",
    "texts": "VARCHAR[]",
    "whole": "BIGINT",
    "number": "DOUBLE",
    "truth": "BOOLEAN",
    "labels": "JSON",
    "refusal": "JSON",
    "calls": "JSON",
}
FILE = Column("file", "text", ("file",))
"""Where a record comes from, which tells the files that hold lines that are none."""

_PART = (
    f"[part FOR part IN json_extract(response_messages, '$[*].parts[*]') "
    f"IF json_extract_string(part, '$.type') IN ({', '.join(map(repr, rows.REFUSING))})][1]"
)
REFUSAL = "coalesce({})".format(
    ", ".join(f"nullif(json_extract_string({_PART}, '$.{name}'), '')" for name in ("content", "blockReason", "type"))
)
"""``rows.refusal`` in DuckDB's words."""

RECORD = Column("record", "text", ("record",))
"""A Parquet file's column that has the whole record."""

BATCH = 10_000


def memory_limit(sources: Sequence[Source]) -> str:
    """How much memory a question to some sources may take, and no more than half of the machine's."""
    size = sum(source.size * (1 if is_plain(source) else PACKED) for source in sources)
    wanted = max(1.0, size / 1e9) * MEMORY
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e6 if hasattr(os, "sysconf") else wanted
    return f"{max(MEMORY, min(wanted, there / 2)):.0f}MB"


@contextmanager
def _connection(sources: Sequence[Source]) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database for a question.

    Raises:
        ConfigError: the question takes more memory than it may.
    """
    import duckdb

    with tempfile.TemporaryDirectory(prefix="llmlog-") as spill:
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory_limit(sources),
            "temp_directory": spill,
            "preserve_insertion_order": False,
        }
        with duckdb.connect(config=settings) as connection:
            try:
                yield connection
            except duckdb.OutOfMemoryException as exc:
                raise ConfigError(
                    f"DuckDB: {str(exc).partition(chr(10))[0]}\n  fix: --engine stream, or narrow it by --since or --where"
                ) from exc


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _files(names: Iterable[str]) -> str:
    return "[" + ", ".join(map(_quoted, names)) + "]"


def _of_lines(names: Sequence[str], columns: Sequence[Column]) -> str:
    """The columns of JSON lines under their flat names; a line without a timestamp is one that could not be read."""
    usage = [column for column in columns if len(column.path) == 2]
    types = {column.path[0]: TYPES[column.kind] for column in columns if len(column.path) == 1}
    if usage:
        types["usage"] = f"STRUCT({', '.join(f'{column.path[1]} {TYPES[column.kind]}' for column in usage)})"
    listed = ", ".join(f"{name}: {_quoted(kind)}" for name, kind in types.items())
    shown = ", ".join(f"{_flat(column)} AS {column.name}" for column in columns)
    return (
        f"SELECT {shown}, filename AS file FROM read_json({_files(names)}, format='newline_delimited', ignore_errors=true, "
        f"filename=true, columns={{{listed}}})"
    )


def _flat(column: Column) -> str:
    if column.kind == "texts":
        return f"nullif(array_to_string({column.name}, ','), '')"
    if column.kind == "labels":
        return "CASE WHEN json_type(labels) = 'OBJECT' THEN labels::VARCHAR END"
    if column.kind == "calls":
        return "CASE WHEN json_array_length(tool_calls) > 0 THEN tool_calls::VARCHAR END"
    if column.kind == "refusal":
        return REFUSAL
    if column.kind == "number":
        return f"CASE WHEN isfinite({column.name}) THEN {column.name} END"
    return column.name if len(column.path) == 1 else f"usage.{column.path[1]}"


def _of_parquet(connection: duckdb.DuckDBPyConnection, name: str, columns: Sequence[Column]) -> str:
    """The columns of a Parquet file; one that came up after it was made is read from its whole records."""
    there = {column for (column,) in connection.execute(f"SELECT name FROM parquet_schema({_quoted(name)})").fetchall()}
    lacking = [column for column in columns if column.name not in there]
    shown = ", ".join(column.name if column.name in there else f"{_flat(column)} AS {column.name}" for column in columns)
    if not lacking:
        return f"SELECT {shown}, NULL AS file FROM read_parquet({_quoted(name)})"
    shape: dict[str, Any] = {}
    for column in lacking:
        at = shape.setdefault("usage", {}) if len(column.path) == 2 else shape
        at[column.path[-1]] = ["VARCHAR"] if column.kind == "texts" else TYPES[column.kind]
    found = f"json_transform({RECORD.name}, {_quoted(json.dumps(shape))})"
    return f"SELECT {shown}, NULL AS file FROM (SELECT *, unnest({found}) FROM read_parquet({_quoted(name)}))"


def _is_readable(source: Source) -> bool:
    """Whether DuckDB takes the file as it is: no pipe, no name that it would take for a pattern, no end it does not know."""
    name = source.name
    return not source.is_pipe and not any(char in name for char in "*?[]{}") and "://" not in name


class Loaded:
    """The records of some sources that hold to a condition, a table of the columns asked for."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, sources: Sequence[Source], columns: Iterable[Column], where: Condition | None, damage: Damage
    ) -> None:  # fmt: skip
        self._connection, self._damage, self._where = connection, damage, where
        self._columns = list(dict.fromkeys([COLUMNS["timestamp"], *map(base, columns), *map(base, columns_of(where))]))
        self._load(sources)

    def _load(self, sources: Sequence[Source]) -> None:
        import duckdb

        listed = ", ".join(f"{name} {kind}" for name, kind in _flat_types(self._columns))
        self._connection.execute(f"CREATE TEMP TABLE records ({listed}, file VARCHAR)")
        self._take([_of_parquet(self._connection, each.name, self._columns) for each in sources if each.is_parquet])
        lines = [each for each in sources if not each.is_parquet]
        direct = [each for each in lines if _is_readable(each)]
        try:
            self._take([_of_lines([each.name for each in direct], self._columns)] if direct else [])
            faulty = {
                name for (name,) in self._connection.execute("SELECT DISTINCT file FROM records WHERE timestamp IS NULL").fetchall()
            }
        except duckdb.Error:  # a line longer than its buffer, a compressed file that ends early
            self._connection.execute("DELETE FROM records WHERE file IS NOT NULL")
            faulty = {each.name for each in direct}
        if faulty:
            self._connection.execute("DELETE FROM records WHERE list_contains(?, file)", [sorted(faulty)])
        self._stream([each for each in lines if each not in direct or each.name in faulty])

    def _take(self, questions: Sequence[str]) -> None:
        """Insert what a source gives: the records that hold to the condition, and the places that are none."""
        raw = sql.table("raw", [*self._columns, FILE])
        held = raw.filter(sql.condition(raw, self._where, "duckdb") | raw.timestamp.isnull()) if self._where else raw
        wanted = sql.compiled(held.select(*(column.name for column in self._columns), FILE.name), "duckdb")
        for question in questions:
            self._connection.execute(f"CREATE OR REPLACE TEMP VIEW raw AS {question}")
            self._connection.execute(f"INSERT INTO records {wanted}")

    def _stream(self, sources: Sequence[Source]) -> None:
        """Bring in by the streaming reader what DuckDB cannot read or judge: pipes, damaged files."""
        if not sources:
            return
        holds = predicate(self._where, rows.getter) if self._where else None
        getters = [(column.name, rows.getter(column)) for column in self._columns]
        with tempfile.NamedTemporaryFile(prefix="llmlog-", suffix=".json") as file:
            for row in rows.Plan(self._columns).rows(sources, self._damage):
                if holds is None or holds(row):
                    file.write(msgspec.json.encode({name: get(row) for name, get in getters}) + b"\n")
            file.flush()
            types = ", ".join(f"{name}: '{kind}'" for name, kind in _flat_types(self._columns))
            self._connection.execute(
                f"INSERT INTO records SELECT *, NULL FROM read_json({_quoted(file.name)}, format='newline_delimited', columns={{{types}}})"
            )

    @property
    def table(self) -> sql.Expression:
        """The table to ask about."""
        return sql.table("records", [*self._columns, FILE])

    def answer(self, question: Any) -> duckdb.DuckDBPyConnection:
        """Ask an ibis question about the table."""
        return self._connection.execute(sql.compiled(question, "duckdb"))


def stats(sources: Sequence[Source], by: Sequence[Column], where: Condition | None, damage: Damage) -> list[Group]:
    """What the calls come to in groups, as ``stats.stream`` gives it."""
    with _connection(sources) as connection:
        loaded = Loaded(connection, sources, [*stats_columns(), *by], where, damage)
        figures, errors = sql.stats(loaded.table, by, None, "duckdb")
        return sql.groups(loaded.answer(figures).fetchall(), loaded.answer(errors).fetchall(), len(by))


def select(
    sources: Sequence[Source], columns: Sequence[Column], where: Condition | None, damage: Damage
) -> Iterator[tuple[Any, ...]]:
    """The columns of the records for which a condition holds, in no order."""
    with _connection(sources) as connection:
        loaded = Loaded(connection, sources, columns, where, damage)
        found = loaded.answer(sql.select(loaded.table, columns, None, "duckdb"))
        while batch := found.fetchmany(BATCH):
            yield from batch


def whole(source: Source, where: Condition | None) -> Iterator[bytes]:
    """The records in a Parquet file for which a condition holds, as the JSON they are."""
    with _connection([source]) as connection:
        question = _of_parquet(connection, source.name, [*COLUMNS.values(), RECORD])
        connection.execute(f"CREATE TEMP VIEW raw AS SELECT * RENAME ({RECORD.name} AS json) FROM ({question})")
        raw = sql.table("raw", [*COLUMNS.values(), Column("json", "text", ("json",))])
        held = raw.filter(sql.condition(raw, where, "duckdb")) if where else raw
        found = connection.execute(sql.compiled(held.select("json"), "duckdb"))
        while batch := found.fetchmany(BATCH):
            yield from (text.encode() for (text,) in batch)


def to_parquet(sources: Sequence[Source], path: Path) -> tuple[int, Damage]:
    """Write logs as one Parquet file; return how many records it holds, and what could not be read and is missing from it."""
    damage, columns = Damage(), list(COLUMNS.values())
    with _connection(sources) as connection:
        types = ", ".join(f"{name} {kind}" for name, kind in _flat_types([*columns, RECORD]))
        connection.execute(f"CREATE TEMP TABLE packed ({types})")
        plan, getters = rows.Plan(columns), [(column.name, rows.getter(column)) for column in columns]
        lines = ((row, line) for source in sources for row, line in plan.whole(source, damage))
        while batch := list(islice(lines, BATCH)):
            with tempfile.NamedTemporaryFile(prefix="llmlog-", suffix=".json") as file:
                for row, line in batch:
                    cells = {name: get(row) for name, get in getters}
                    file.write(msgspec.json.encode({**cells, "record": line.decode()}) + b"\n")
                file.flush()
                listed = ", ".join(f"{name}: '{kind}'" for name, kind in _flat_types([*columns, RECORD]))
                source = f"read_json({_quoted(file.name)}, format='newline_delimited', columns={{{listed}}})"
                connection.execute(f"INSERT INTO packed SELECT * FROM {source}")
        connection.execute(f"COPY packed TO {_quoted(str(path))} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {BATCH})")
        (count,) = connection.execute(f"SELECT count(*) FROM read_parquet({_quoted(str(path))})").fetchone() or (0,)
    return count, damage


def _flat_types(columns: Sequence[Column]) -> list[tuple[str, str]]:
    return [
        (column.name, TYPES["text" if column.kind in ("texts", "labels", "refusal", "calls") else column.kind])
        for column in columns
    ]
