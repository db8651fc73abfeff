"""``llmlog stats``: calls summed up in groups."""

from __future__ import annotations

from pathlib import Path

import pytest

from logs import failure, llmlog, record, rows, write

CALLS = [
    record(0, prompt_template="triage", latency_seconds=1.0, usage={"input": 8, "output": 2, "cached_input": 4}, cost_usd=0.1),
    record(
        1,
        prompt_template="triage",
        latency_seconds=3.0,
        usage={"input": 8, "output": 2},
        cost_usd=0.2,
        time_to_first_chunk_seconds=0.2,
    ),
    failure(2, prompt_template="triage", latency_seconds=2.0),
    failure(90_000, prompt_template="triage", error_type=None, latency_seconds=2.0),
    record(90_001, model="o1", test_id="test_a.py::test_a", session_id="chat-7", provider="azure.ai.openai"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "calls.log", *CALLS)


def test_each_figure_of_a_group(path: Path) -> None:
    first, second = rows(llmlog("stats", path, "--by", "template", "--json"))

    assert first == {
        "template": "triage", "calls": 4, "failures": 2, "p50_latency_seconds": 2.0, "p95_latency_seconds": pytest.approx(2.85),
        "p99_latency_seconds": pytest.approx(2.97), "p50_time_to_first_chunk_seconds": 0.2, "p95_time_to_first_chunk_seconds": 0.2,
        "tokens": 20, "input_tokens": 16, "output_tokens": 4, "cost_usd": pytest.approx(0.3), "cached_share": 0.5,
        "errors": {"RateLimitError": 1, "unknown": 1},
    }  # fmt: skip
    assert (second["template"], second["calls"], second["cost_usd"], second["errors"]) == (None, 1, None, {})


@pytest.mark.parametrize(
    ("by", "keys"),
    [
        ("model", ["gpt-4o", "o1"]),
        ("provider", ["openai", "azure.ai.openai"]),
        ("test", [None, "test_a.py::test_a"]),
        ("session", ["s1", "chat-7"]),
        ("day", ["2026-02-25", "2026-02-26"]),
    ],
)
def test_what_calls_are_grouped_by(path: Path, by: str, keys: list[str | None]) -> None:
    assert [row[by] for row in rows(llmlog("stats", path, "--by", by, "--json"))] == keys


def test_several_groupings_count_together(path: Path) -> None:
    found = rows(llmlog("stats", path, "--by", "day,model", "--by", "template", "--json"))

    assert [(row["day"], row["model"], row["template"], row["calls"]) for row in found] == [
        ("2026-02-25", "gpt-4o", "triage", 3), ("2026-02-26", "gpt-4o", "triage", 1), ("2026-02-26", "o1", None, 1),
    ]  # fmt: skip


def test_an_unknown_grouping_is_a_wrong_use(path: Path) -> None:
    result = llmlog("stats", path, "--by", "colour")

    assert result.exit_code == 2
    assert "'colour' is none of template, model, provider, test, session, day" in result.stderr


def test_only_the_calls_for_which_a_condition_holds(path: Path) -> None:
    (row,) = rows(llmlog("stats", path, "--where", "status = failure and error_type != RateLimitError", "--json"))

    assert (row["calls"], row["errors"]) == (1, {"unknown": 1})


def test_the_table_for_people(path: Path) -> None:
    table = " ".join(llmlog("stats", path).stdout.split())

    assert "gpt-4o 4 2 (1× RateLimitError, 1× unknown) 2.00 s / 2.85 s / 2.97 s 200 ms / 200 ms 20 $0.3 50%" in table


def test_no_calls_are_no_rows(tmp_path: Path) -> None:
    result = llmlog("stats", write(tmp_path / "empty.log"), "--json")

    assert (result.exit_code, result.stdout) == (0, "")
