"""The questions as ibis expressions: one definition for DuckDB and for the engines that other machines have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from typing import Any

from pytest_llmlog.errors import ConfigError
from pytest_llmlog.query.columns import COLUMNS, Column, is_label
from pytest_llmlog.query.stats import LARGEST, MEASURES, SCALE, UNKNOWN, Group, Measure, ordered, rounded
from pytest_llmlog.query.where import ORDER, And, Compare, Condition, In, Length, Match, Not, Or

Expression = Any
"""An ibis value or table; ibis has no types of its own."""

TYPES = {
    "text": "string",
    "texts": "string",
    "whole": "int64",
    "number": "float64",
    "truth": "boolean",
    "labels": "string",
    "refusal": "string",
    "calls": "string",
}
"""What a column is in a database."""

APPROXIMATE = frozenset({"bigquery"})
"""Dialects that know no exact quantile."""

TABLE = "llm_interactions"


def table(name: str = TABLE, columns: Iterable[Column] = tuple(COLUMNS.values())) -> Expression:
    """A table of records that is bound to no engine."""
    import ibis

    return ibis.table({column.name: TYPES[column.kind] for column in columns}, name=name)


PATHS: dict[str, tuple[str, Callable[[str], str]]] = {
    "duckdb": ("json_extract_string", lambda name: f"/{name.replace('~', '~0').replace('/', '~1')}"),  # a pointer, RFC 6901
    "bigquery": ("json_value", lambda name: f'$."{name}"'),
    "pyspark": ("get_json_object", lambda name: f"$['{name}']"),
}
"""How a dialect takes a text out of an object in JSON: its function, and the path to a name."""

UNTOLD = frozenset("\"'\\[]")
"""Signs that the paths of BigQuery and Spark have no way to write."""


def _at(json: str, path: str) -> str:
    """Stands for a function of an engine's own."""
    raise NotImplementedError


def _extract(json: str, key: str, kind: str) -> str:
    """Stands for ClickHouse's ``JSONExtract``."""
    raise NotImplementedError


def _label(labels: Expression, name: str, dialect: str) -> Expression:
    """The value of one label.

    Raises:
        ConfigError: the dialect has no way to ask for it.
    """
    import ibis

    builtin = ibis.udf.scalar.builtin

    if dialect == "clickhouse":
        return builtin(_extract, name="JSONExtract", signature=(("string", "string", "string"), "string"))(
            labels, name, "Nullable(String)"
        )
    if dialect != "duckdb" and UNTOLD & set(name):
        raise ConfigError(f"labels.{name}: a path of {dialect} cannot hold this name")
    function, path = PATHS[dialect]
    return builtin(_at, name=function, signature=(("string", "string"), "string"))(labels, path(name))


def value(records: Any, column: Column, dialect: str) -> Expression:
    """The value of a column, derived ones and labels included."""
    import ibis

    if is_label(column):
        return _label(records.labels, column.path[1], dialect)

    if column.name == "day":
        return records.timestamp.left(10)
    if column.name == "failures":
        return (records.status == "failure").fill_null(False).cast("int64")
    return ibis.literal(1) if column.name == "calls" else records[column.name]


def condition(records: Any, where: Condition, dialect: str) -> Expression:
    """A condition, true or false and never unknown, as its Python predicate is."""
    if isinstance(where, Not):
        return ~condition(records, where.of, dialect)
    if isinstance(where, (And, Or)):
        parts = [condition(records, each, dialect) for each in where.of]
        return reduce(lambda one, other: one & other if isinstance(where, And) else one | other, parts)
    return _leaf(value(records, where.column, dialect), where)


def _leaf(found: Expression, where: Compare | In | Match | Length) -> Expression:
    if isinstance(where, In):
        known = [each for each in where.values if each is not None]
        inside = found.isin(known).fill_null(False)
        return inside | found.isnull() if None in where.values else inside
    if isinstance(where, Match):
        return (found.contains(where.pattern) if where.how == "contains" else found.like(where.pattern)).fill_null(False)
    if isinstance(where, Length):
        return found.length().between(where.least, where.most).fill_null(False)
    if where.value is None:
        return found.isnull()
    held: Expression = found == where.value if where.op == "=" else ORDER[where.op](found, where.value)
    return held.fill_null(False)


def _measure(records: Any, measure: Measure, dialect: str) -> Expression:
    if measure.kind == "count":
        return records.count()
    if measure.kind == "failures":
        return (records.status == "failure").fill_null(False).cast("int64").sum()
    figure = records[measure.column]
    if measure.kind == "sum":
        return _scaled_sum(figure) if measure.is_scaled and dialect == "duckdb" else figure.sum()
    if measure.kind == "quantile":
        return figure.approx_quantile(measure.q) if dialect in APPROXIMATE else figure.quantile(measure.q)
    whole = records[measure.of]
    told = figure.notnull() & whole.notnull()
    return figure.sum(where=told) / whole.sum(where=told).nullif(0)


def _scaled_sum(figure: Expression) -> Expression:
    """A sum of numbers in whole parts, as ``stats.stream`` has it: the same whatever the threads did."""
    import ibis

    known = ibis.ifelse(figure.abs() < LARGEST, figure, None)
    return (known * SCALE + 0.5).floor().sum().cast("float64") / SCALE


def _grouped(records: Any, by: Sequence[Column], dialect: str) -> Any:
    keys = {f"key{number}": value(records, column, dialect) for number, column in enumerate(by)}
    return records.mutate(**keys), list(keys)


def stats(records: Any, by: Sequence[Column], where: Condition | None, dialect: str) -> tuple[Any, Any]:
    """Two questions: the figures of each group, and how many calls of each failed with which type of error."""
    held = records.filter(condition(records, where, dialect)) if where else records
    grouped, keys = _grouped(held, by, dialect)
    figures = grouped.aggregate(**{each.name: _measure(grouped, each, dialect) for each in MEASURES}, by=keys)
    failed = grouped.filter(grouped.status == "failure").mutate(kind=lambda found: found.error_type.fill_null(UNKNOWN))
    return figures, failed.aggregate(failures_of_kind=failed.count(), by=[*keys, "kind"])


def select(records: Any, columns: Iterable[Column], where: Condition | None, dialect: str) -> Any:
    """The columns of the records for which a condition holds."""
    held = records.filter(condition(records, where, dialect)) if where else records
    return held.select(**{column.name: value(held, column, dialect) for column in columns})


def groups(figures: Iterable[Sequence[Any]], errors: Iterable[Sequence[Any]], keys: int) -> list[Group]:
    """Groups from the rows that the two questions of ``stats`` gave."""
    kinds: dict[tuple[str | None, ...], dict[str, int]] = {}
    for row in errors:
        kinds.setdefault(tuple(row[:keys]), {})[row[keys]] = int(row[keys + 1])
    found = []
    for row in figures:
        key, values = tuple(row[:keys]), map(_plain, row[keys:])
        found.append(
            Group(key, {each.name: rounded(value) for each, value in zip(MEASURES, values, strict=True)}, kinds.get(key, {}))
        )
    return ordered(group for group in found if group.figures["calls"])


def _plain(value: Any) -> float | None:
    """A number as Python has it: databases give decimals, and numpy's NaN for nothing."""
    if value is None or value != value:  # noqa: PLR0124
        return None
    return int(value) if float(value).is_integer() and not isinstance(value, float) else float(value)


CLICKHOUSE = {
    "text": "Nullable(String)",
    "texts": "Nullable(String)",
    "whole": "Nullable(Int64)",
    "number": "Nullable(Float64)",
    "truth": "Nullable(Bool)",
    "labels": "Nullable(String)",
    "refusal": "Nullable(String)",
    "calls": "Nullable(String)",
}


def clickhouse_table(name: str) -> str:
    """What makes a table of records in ClickHouse, in which a record that comes twice is one after a merge."""
    types = {**{column.name: CLICKHOUSE[column.kind] for column in COLUMNS.values()}, "timestamp": "String", "request_id": "String"}
    listed = ", ".join(f"`{column}` {kind}" for column, kind in types.items())
    return f"CREATE TABLE IF NOT EXISTS {name} ({listed}) ENGINE = ReplacingMergeTree ORDER BY (timestamp, request_id)"


def compiled(question: Any, dialect: str) -> str:
    """A question as the SQL of a dialect: ``duckdb``, ``clickhouse``, ``bigquery``, ``pyspark``, …"""
    import ibis

    return str(ibis.to_sql(question, dialect=dialect))
