"""Every question compiles for every engine, and ClickHouse's own code gives the same answers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import ibis
import pytest
from ibis.config import Config

from logs import failure, record, write
from pytest_llmlog.errors import ConfigError
from pytest_llmlog.query import columns, rows, sources, sql
from pytest_llmlog.query.columns import COLUMNS, DERIVED, Column
from pytest_llmlog.query.engines import Stream
from pytest_llmlog.query.sources import Damage
from pytest_llmlog.query.stats import BY
from pytest_llmlog.query.where import Condition, Length, parse

CONDITIONS = [
    None,
    "status = failure and (latency > 3s or error_type in (RateLimitError, null))",
    "not model like 'gpt-4%' or prompt contains \"ït's\"",
    "day >= 2026-02-25 and failures = 0 and calls = 1 and stream = false",
    "labels.team = it or labels.\"the team\" like 'a%' or labels.urgent = true",
    "labels.team is not null and not labels.count in (2, 3)",
    "tokens is not null and error_type not in (RateLimitError) and model != o1",
]
GROUPS: list[list[Column]] = [
    [],
    *([column] for name in BY if (column := columns.find(BY[name])) is not None),
    [COLUMNS["model"], DERIVED["day"]],
]


class PySpark(Config):
    """The options that pyspark's backend brings, where that library is installed."""

    treat_nan_as_null: bool = False


@pytest.mark.parametrize("dialect", ["duckdb", "clickhouse", "bigquery", "pyspark"])
def test_every_question_compiles(monkeypatch: pytest.MonkeyPatch, dialect: str) -> None:
    monkeypatch.setattr(ibis.options, "pyspark", PySpark())  # set by its own library

    both = [COLUMNS["model"], DERIVED["day"]]
    asked = [*((by, None) for by in GROUPS), *((both, parse(condition)) for condition in CONDITIONS if condition)]
    for by, where in asked:
        questions = sql.stats(sql.table(), by, where, dialect)
        for question in (*questions, sql.select(sql.table(), [*COLUMNS.values(), *DERIVED.values()], where, dialect)):
            assert sql.compiled(question, dialect).startswith("SELECT")


@pytest.mark.parametrize("dialect", ["bigquery", "pyspark"])
@pytest.mark.parametrize("name", ["it\\'s", "a[0]", '\\"'])
def test_a_label_that_a_dialect_has_no_path_to_is_named(dialect: str, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"a path of {dialect} cannot hold this name"):
        sql.select(sql.table(), [], parse(f"labels.'{name}' = a"), dialect)


CALLS = [
    *(record(number, latency_seconds=number / 3, usage={"input": number, "output": 2, "cached_input": number // 2}, cost_usd=0.1) for number in range(12)),
    record(3, labels={"team": "it", "urgent": True, "count": 2}), record(4, labels={"the team": "ab", "team": None, "count": 2.5}),
    record(5, labels={"team": {"name": "it"}}), record(6, labels={}),
    record(1, model="o1", prompt="ït's", stream=True, time_to_first_chunk_seconds=0.5, finish_reasons=["stop", "length"]),
    failure(2), failure(90_000, error_type=None, model=None, latency_seconds=None), failure(90_001, error_type="Other", model="o1"),
]  # fmt: skip

ASK = """
import json, sys
from chdb import session
ask = session.Session()
for query in json.load(sys.stdin):
    answer = ask.query(query, "JSONCompactEachRow")
    print(json.dumps([json.loads(line) for line in str(answer).splitlines()] if query.startswith("SELECT") else []))
"""


def clickhouse(queries: list[str]) -> list[list[list[Any]]]:
    """Ask ClickHouse, embedded, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", ASK], input=json.dumps(queries), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def inserted(path: Path) -> list[str]:
    """What makes a database with a table of a log's records."""
    getters = [(name, rows.getter(column)) for name, column in COLUMNS.items()]
    found = rows.Plan(COLUMNS.values()).rows(sources.expand([str(path)]), Damage())
    cells = "\n".join(json.dumps({name: get(row) for name, get in getters}) for row in found)
    return [
        "CREATE DATABASE logs ENGINE = Atomic",
        "USE logs",
        sql.clickhouse_table("llm_interactions"),
        f"INSERT INTO llm_interactions FORMAT JSONEachRow\n{cells}",
    ]


def test_clickhouse_gives_the_answers_of_the_streaming_reader(tmp_path: Path) -> None:
    path = write(tmp_path / "calls.log", *CALLS)
    stream = Stream(sources.expand([str(path)]), Damage(), lambda _: None)
    wanted = [COLUMNS[name] for name in ("request_id", "model", "finish_reasons", "stream", "input_tokens", "cost_usd")]
    asked: list[tuple[list[Column], Condition | None]] = [([], Length(COLUMNS["prompt"], 4, 5))]
    asked += [
        (by, parse(condition) if condition else None)
        for condition in CONDITIONS
        for by in ([], [COLUMNS["model"]], [DERIVED["day"]])
    ]
    queries = inserted(path)
    for by, where in asked:
        questions = (*sql.stats(sql.table(), by, where, "clickhouse"), sql.select(sql.table(), wanted, where, "clickhouse"))
        queries += [sql.compiled(question, "clickhouse") for question in questions]

    answers = iter(clickhouse(queries)[4:])

    for by, where in asked:
        figures, errors, selected = next(answers), next(answers), next(answers)
        found = sql.groups(figures, [[*row[:-1], int(row[-1])] for row in errors], len(by))
        expected = stream.stats(by, where)
        assert [(group.keys, group.errors) for group in found] == [(group.keys, group.errors) for group in expected]
        for one, other in zip(found, expected, strict=True):
            assert one.figures == pytest.approx(other.figures)
        assert sorted(map(repr, map(tuple, selected))) == sorted(map(repr, stream.select(wanted, where)))
