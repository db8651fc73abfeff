"""Who answers: the streaming reader, DuckDB, or an engine on other machines; all to the same answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from typing import Any, Protocol

from msgspec import Struct

from pytest_llmlog.errors import ConfigError
from pytest_llmlog.query import rows, sql, stats
from pytest_llmlog.query.columns import Column
from pytest_llmlog.query.sources import Advance, Damage, Source
from pytest_llmlog.query.stats import Group
from pytest_llmlog.query.where import Condition, columns_of, predicate

WORTH_IT = 64 * 1024 * 1024
"""Bytes of logs from which on DuckDB's start-up pays."""

REMOTE = ("clickhouse", "bigquery", "spark", "pyspark")
"""Engines on other machines, by the scheme of their URL as ibis knows it."""


class Engine(Protocol):
    """Answers questions about records; ``damage`` takes what could not be read."""

    def stats(self, by: Sequence[Column], where: Condition | None) -> list[Group]:
        """What calls come to in groups."""

    def select(self, columns: Sequence[Column], where: Condition | None) -> Iterator[tuple[Any, ...]]:
        """The columns of the records for which a condition holds, in no order."""


class Stream(Struct, frozen=True):
    """Pure Python: one pass, flat memory."""

    sources: Sequence[Source]
    damage: Damage
    advance: Advance

    def stats(self, by: Sequence[Column], where: Condition | None) -> list[Group]:
        return stats.stream(self.sources, by, where, self.damage, self.advance)

    def select(self, columns: Sequence[Column], where: Condition | None) -> Iterator[tuple[Any, ...]]:
        holds = predicate(where, rows.getter) if where else None
        getters = [rows.getter(column) for column in columns]
        for row in rows.Plan([*columns, *columns_of(where)]).rows(self.sources, self.damage, self.advance):
            if holds is None or holds(row):
                yield tuple(get(row) for get in getters)


class Duck(Struct, frozen=True):
    """DuckDB in this process."""

    sources: Sequence[Source]
    damage: Damage

    def stats(self, by: Sequence[Column], where: Condition | None) -> list[Group]:
        from pytest_llmlog.query import duck

        return duck.stats(self.sources, by, where, self.damage)

    def select(self, columns: Sequence[Column], where: Condition | None) -> Iterator[tuple[Any, ...]]:
        from pytest_llmlog.query import duck

        return duck.select(self.sources, columns, where, self.damage)


class Remote(Struct, frozen=True):
    """A table of records in an engine that ibis speaks to."""

    backend: Any
    table: str
    dialect: str

    def stats(self, by: Sequence[Column], where: Condition | None) -> list[Group]:
        figures, errors = sql.stats(self.backend.table(self.table), by, where, self.dialect)
        return sql.groups(self._rows(figures), self._rows(errors), len(by))

    def select(self, columns: Sequence[Column], where: Condition | None) -> Iterator[tuple[Any, ...]]:
        return iter(self._rows(sql.select(self.backend.table(self.table), columns, where, self.dialect)))

    def _rows(self, question: Any) -> list[tuple[Any, ...]]:
        found = self.backend.to_pyarrow(question)
        return list(zip(*(column.to_pylist() for column in found.columns), strict=True))


def records(
    sources: Sequence[Source], where: Condition | None, damage: Damage, advance: Advance = lambda _: None
) -> Iterator[bytes]:
    """The records for which a condition holds, as the JSON they are, in the order of the sources.

    Raises:
        ConfigError: a Parquet file without DuckDB.
    """
    plan = rows.Plan(columns_of(where))
    holds = predicate(where, rows.getter) if where else None
    for source in sources:
        if source.is_parquet:
            if not has_duckdb():
                raise _missing(source.name)
            from pytest_llmlog.query import duck

            yield from duck.whole(source, where)
            continue
        for row, line in plan.whole(source, damage, advance):
            if holds is None or holds(row):
                yield line


def is_remote(engine: str) -> bool:
    """Whether an engine is asked over a connection, and no file is read."""
    return engine.partition(":")[0] in REMOTE


def _connect(url: str, table: str) -> Remote:
    try:
        import ibis
    except ImportError:
        raise _missing(url) from None
    scheme = url.partition(":")[0].replace("pyspark", "spark")
    try:
        backend = ibis.connect(url) if scheme != "spark" else ibis.pyspark.connect()
    except ImportError as exc:
        raise ConfigError(
            f"--engine {url}: {exc}\n  fix: pip install 'ibis-framework[{scheme.replace('spark', 'pyspark')}]'"
        ) from exc
    except Exception as exc:  # each engine has errors of its own
        raise ConfigError(f"--engine {url}: {exc}") from exc
    return Remote(backend, table, backend.name)


def _missing(name: str) -> ConfigError:
    return ConfigError(f"{name} needs DuckDB and ibis\n  fix: pip install 'pytest-llmlog[query]'")


def has_duckdb() -> bool:
    return find_spec("duckdb") is not None and find_spec("ibis") is not None


def choose(
    name: str, sources: Callable[[], Sequence[Source]], damage: Damage, *, advance: Advance, table: str = sql.TABLE
) -> Engine:
    """The engine of a name: ``auto``, ``stream``, ``duckdb``, or a URL.

    Raises:
        ConfigError: there is no such engine, it is not installed, or a source cannot be read.
    """
    if is_remote(name):
        return _connect(name, table)
    if name not in ("auto", "stream", "duckdb"):
        raise ConfigError(f"--engine {name}: expected auto, stream, duckdb, or clickhouse://…, bigquery://…, spark")
    found = sources()
    compacted = next((source.name for source in found if source.is_parquet), None)
    big = sum(source.size for source in found) >= WORTH_IT or any(source.is_pipe for source in found)
    wanted = name == "duckdb" or compacted is not None or (name == "auto" and big and has_duckdb())
    if not wanted:
        return Stream(found, damage, advance)
    if name == "stream":
        raise ConfigError(f"{compacted}: the streaming engine does not read Parquet\n  fix: --engine duckdb")
    if not has_duckdb():
        raise _missing(compacted or "--engine duckdb")
    return Duck(found, damage)
