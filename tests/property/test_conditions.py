"""Whatever the condition: its Python predicate and its SQL hold for the same rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmlog.query import rows, sql
from pytest_llmlog.query.columns import COLUMNS
from pytest_llmlog.query.where import parse, predicate

NAMES = ("timestamp", "status", "model", "prompt", "tokens", "latency_seconds", "stream", "labels")
TEXTS = ("", "a", "a%", "_", "a.b", "aXb", "ünïcode", "it's", 'say "x"', "back\\slash", "line\nbreak", "AND")
LABELS = ("team", "it's team", "a/b~c", "0", "*", "#", "$.a", 'say "x"', "", "ünï", "back\\slash")
"""Names of labels that could mean something else in a path."""

VALUES = ("a", "", None, True, 7, 2.5, ["a"], {"a": "b"}, "it's")
ROWS = [
    (
        "2026-01-0%dT00:00:00.000Z" % (number % 3 + 1),
        status,
        model,
        text,
        tokens,
        latency,
        stream,
        None
        if number % 5 == 0
        else {LABELS[number % len(LABELS)]: VALUES[number % len(VALUES)], LABELS[number * 3 % len(LABELS)]: "b"},
    )
    for number, (status, model, text, tokens, latency, stream) in enumerate(
        (status, model, text, tokens, latency, stream)
        for status in ("success", "failure")
        for model, text in zip((None, "gpt-4o", "o1", *TEXTS), (*TEXTS, None, "x", "y"), strict=True)
        for tokens, latency, stream in ((None, 0.5, None), (0, None, True), (7, 3.0, False))
    )
]


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as made:
        made.execute(
            "CREATE TABLE llm_interactions (number INT, timestamp VARCHAR, status VARCHAR, model VARCHAR, prompt VARCHAR, tokens BIGINT, "
            "latency_seconds DOUBLE, stream BOOLEAN, labels VARCHAR)"
        )
        made.executemany(
            "INSERT INTO llm_interactions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [[number, *row[:-1], None if row[-1] is None else json.dumps(row[-1])] for number, row in enumerate(ROWS)],
        )
        yield made


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


labels = st.sampled_from(LABELS).map(lambda name: f"labels.{quoted(name)}")
texts = st.sampled_from([*TEXTS, "b", "true", "7", "2.5", '["a"]', '{"a":"b"}']).map(quoted)
fields = st.one_of(st.sampled_from(["model", "prompt", "labels.team"]), labels)
numbers = st.sampled_from(["0", "3s", "0.5", "-1"])
signs = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
leaves = st.one_of(
    st.tuples(fields, signs, texts).map(" ".join),
    st.tuples(fields, st.sampled_from(["like", "not like", "contains", "not contains"]), texts).map(" ".join),
    st.tuples(fields, st.lists(st.one_of(texts, st.just("null")), min_size=1, max_size=3)).map(
        lambda each: f"{each[0]} in ({', '.join(each[1])})"
    ),
    st.tuples(st.just("latency"), signs, numbers).map(" ".join),
    st.tuples(st.just("tokens"), signs, st.sampled_from(["0", "7", "1k"])).map(" ".join),
    st.sampled_from(
        [
            "stream = true",
            "stream != false",
            "tokens = null",
            "model is not null",
            "failures = 1",
            "day > 2026-01-01",
            "status = failure",
        ]
    ),
)
conditions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" and ", " or "]), inner).map("".join),
        inner.map(lambda each: f"not ({each})"),
        inner.map(lambda each: f"({each})"),
    ),
    max_leaves=6,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(text=conditions)
def test_python_and_sql_agree(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    condition = parse(text)
    holds = predicate(condition, rows.getter)
    in_python = [number for number, row in enumerate(ROWS) if holds(SimpleNamespace(**dict(zip(NAMES, row, strict=True))))]

    columns = [COLUMNS[name] for name in NAMES]
    table: Any = sql.table(columns=[*columns, COLUMNS["tokens"].__class__("number", "whole", ("number",))])
    question = table.filter(sql.condition(table, condition, "duckdb")).select("number")

    assert sorted(number for (number,) in connection.execute(sql.compiled(question, "duckdb")).fetchall()) == in_python
