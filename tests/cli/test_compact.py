"""``llmlog compact``: closed logs into Parquet, which are read beside the live one."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import duckdb
import pytest

from logs import failure, lines, llmlog, record, rows, write
from pytest_llmlog.query import compact, sources
from pytest_llmlog.query.sources import Source

CALLS = [
    record(
        number,
        prompt=f"ünïcødé\n{number}",
        latency_seconds=number / 7,
        finish_reasons=["stop", "length"],
        usage={"input": 3},
        labels={"a": [1, None, 1.50]},
    )
    for number in range(5)
] + [failure(9, cost_usd=1e-9)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a live log and two that were rotated away."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".llmlog").mkdir()
    write(tmp_path / ".llmlog" / "llm_interactions.log", record(100, prompt="live"))
    write(tmp_path / ".llmlog" / "llm_interactions.log.1", *CALLS[:3])
    (tmp_path / ".llmlog" / "llm_interactions.log.2.gz").write_bytes(gzip.compress(lines(CALLS[3:])))
    return tmp_path / ".llmlog"


def names(folder: Path) -> list[str]:
    return sorted(path.name.removeprefix("llm_interactions.log") for path in folder.iterdir())


def test_questions_have_the_same_answers_before_and_after(folder: Path) -> None:
    asked = (
        ["stats", "--by", "template,day", "--json"],
        ["find", "ünï", "--json"],
        ["weird", "--json"],
        ["tail", "--json", "-n", "1"],
    )
    before = [llmlog(*arguments).stdout for arguments in asked]

    result = llmlog("compact")

    assert result.exit_code == 0, result.output
    assert names(folder) == ["", ".1.parquet", ".2.parquet"]
    assert [llmlog(*arguments).stdout for arguments in asked] == before
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.glob("*.parquet"))


def test_a_parquet_file_from_before_a_column_is_asked_for_it(folder: Path) -> None:
    asked = [{"id": "c1", "name": "look", "arguments": {"a": "ü"}}]
    told = [{"role": "assistant", "parts": [{"type": "refusal", "content": "No."}]}]
    path = write(
        folder / "old.log",
        record(1, tool_calls=asked, labels={"a": 1}, finish_reasons=["stop", "x"], usage={"input": 7}),
        record(2, response_messages=told),
    )
    assert llmlog("compact", path).exit_code == 0
    old, new = folder / "old.log.parquet", folder / "new.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT * EXCLUDE (tool_calls, refusal, labels, finish_reasons, cost_usd, input_tokens) FROM '{old}') TO '{new}'"
        )

    for where in (
        "tool_calls contains look",
        "refusal = No.",
        "labels.a = 1 and finish_reasons = 'stop,x'",
        "cost_usd = null",
        "input_tokens = 7",
    ):
        same = [
            llmlog(*command, each, "--where", where, "--json").stdout
            for command in (["find", "Hello"], ["tail"])
            for each in (old, new)
        ]
        assert same[0] == same[1] != ""
        assert same[2] == same[3] != ""


def test_every_record_is_kept_as_it_was(folder: Path) -> None:
    llmlog("compact")

    for call in CALLS:
        assert llmlog("show", call["request_id"], "--json").stdout.encode() == lines([call])


@pytest.mark.parametrize(
    "asked",
    [
        [],
        [".llmlog/llm_interactions.log*"],
        "".join(f" .llmlog/llm_interactions.log{end}" for end in ("", ".1", ".1.parquet", ".2.gz", ".2.parquet")).split(),
    ],
)
def test_logs_that_are_kept_are_not_counted_twice(folder: Path, asked: list[str]) -> None:
    llmlog("compact", "--keep")

    assert names(folder) == ["", ".1", ".1.parquet", ".2.gz", ".2.parquet"]
    assert sum(row["calls"] for row in rows(llmlog("stats", "--json", *asked))) == len(CALLS) + 1


def test_a_log_beside_its_parquet_file_is_still_compacted_by_a_pattern(folder: Path) -> None:
    llmlog("compact", "--keep")

    result = llmlog("compact", ".llmlog/llm_interactions.log.*")

    assert result.exit_code == 1
    assert ".log.1: left: " in result.stderr and ".log.2.gz: left: " in result.stderr


def test_a_damaged_log_is_left(folder: Path) -> None:
    path = folder / "llm_interactions.log.1"
    content = path.read_bytes() + b'{"timestamp":"torn'
    path.write_bytes(content)

    result = llmlog("compact")

    assert result.exit_code == 1
    assert "llm_interactions.log.1:4: " in result.stderr
    assert path.read_bytes() == content
    assert names(folder) == ["", ".1", ".2.parquet"]


def test_a_file_that_is_there_is_never_overwritten(folder: Path) -> None:
    (folder / "llm_interactions.log.1.parquet").write_bytes(b"mine")

    result = llmlog("compact", folder / "llm_interactions.log.1")

    assert result.exit_code == 1
    assert "is there already" in result.stderr
    assert (folder / "llm_interactions.log.1.parquet").read_bytes() == b"mine"
    assert names(folder) == ["", ".1", ".1.parquet", ".2.gz"]


def test_a_log_that_grows_meanwhile_is_left(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "llm_interactions.log.1"
    states = iter([(1, 1, 1), (1, 2, 2)])
    monkeypatch.setattr(compact, "_state", lambda _: next(states))

    result = llmlog("compact", path)

    assert result.exit_code == 1
    assert "is being written" in result.stderr
    assert names(folder) == ["", ".1", ".2.gz"]


def test_without_duckdb_the_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    llmlog("compact")
    monkeypatch.setattr("pytest_llmlog.query.engines.has_duckdb", lambda: False)

    for arguments in (["stats"], ["show", "last"], ["stats", "--engine", "duckdb"], ["compact"]):
        result = llmlog(*arguments)
        assert result.exit_code == 2
        assert "pip install 'pytest-llmlog[query]'" in result.stderr
    assert "does not read Parquet" in llmlog("stats", "--engine", "stream").stderr
    assert json.loads(llmlog("stats", folder / "llm_interactions.log", "--json").stdout)["calls"] == 1


def test_a_parquet_file_is_known_by_what_it_holds(folder: Path) -> None:
    llmlog("compact")

    assert sources.expand([str(folder / "llm_interactions.log.1.parquet")]) == [
        Source(str(folder / "llm_interactions.log.1.parquet"), is_parquet=True)
    ]
