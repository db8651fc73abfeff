"""``llmlog weird``: each rule finds what it is about, and leaves the rest alone."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from logs import failure, llmlog, record, rows, write
from pytest_llmlog.query.language import language
from pytest_llmlog.query.weird import scores

ANSWER = "The printer is on the second floor and it is not on fire, so you have to wait for the engineer. "
GERMAN = "Der Drucker ist im zweiten Stock und die Feuerwehr ist auch schon auf dem Weg zu der Abteilung. "


def usual(count: int = 40) -> list[dict[str, Any]]:
    """Calls of one template and model that vary as calls do."""
    chance = random.Random(5)
    return [
        record(
            number, prompt_template="triage", finish_reasons=["stop"], latency_seconds=chance.lognormvariate(0, 0.3),
            response=ANSWER[: chance.randint(60, len(ANSWER))],
        )
        for number in range(count)
    ]  # fmt: skip


def odd(**fields: Any) -> dict[str, Any]:
    return record(
        500, **{"prompt_template": "triage", "finish_reasons": ["stop"], "latency_seconds": 1.0, "response": ANSWER[:80], **fields}
    )


def found(tmp_path: Path, *records: dict[str, Any], engine: str = "stream") -> list[tuple[str, str]]:
    result = llmlog("weird", write(tmp_path / "calls.log", *records), "--json", "--engine", engine)
    assert result.exit_code == (1 if result.stdout else 0)
    return [(row["rule"], row["figure"]) for row in rows(result)]


def test_calls_that_vary_as_usual_do_not_stand_out(tmp_path: Path) -> None:
    assert found(tmp_path, *usual(), odd()) == []


@pytest.mark.parametrize("engine", ["stream", "duckdb"])
@pytest.mark.parametrize(
    ("call", "rule", "figure"),
    [
        (odd(latency_seconds=20.0), "slow", "20.00 s, "),
        (odd(response=ANSWER * 40), "long answer", "3,840 characters, "),
        (odd(response="It is."), "short answer", "6 characters, "),
        (odd(response=None), "empty answer", "0 characters"),
        (odd(response=" \n "), "empty answer", "3 characters"),
        (odd(finish_reasons=["length"]), "truncated", "finish reason length"),
        (odd(finish_reasons=["MAX_TOKENS"]), "truncated", "finish reason max_tokens"),
        (odd(finish_reasons=["content_filter"], response=None), "refusal", "finish reason content_filter"),
        (odd(response="I'm sorry, but I can't help with that. Please ask the person in charge of it."), "refusal", 'begins "I\'m sorry, but I can\'t help'),
        (odd(response=GERMAN), "language", "German, where 40 of 41 answers are English"),
        (odd(response="Принтер находится на втором этаже, и он совсем не горит, подождите инженера."), "language", "Cyrillic, where 40"),
        (failure(500, prompt_template="triage"), "new error", "RateLimitError, first after 40 calls"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)  # fmt: skip
def test_each_rule_with_its_figure(tmp_path: Path, engine: str, call: dict[str, Any], rule: str, figure: str) -> None:
    shown = dict(found(tmp_path, *usual(), call, engine=engine))

    assert rule in shown, shown
    assert shown[rule].startswith(figure)
    assert set(shown) <= {rule, "short answer", "long answer"}


def test_a_loop(tmp_path: Path) -> None:
    shown = dict(found(tmp_path, odd(response="So we go on. " + "and so on, " * 30)))

    assert shown == {"loop": "'and so on,' 30 times in a row"}


@pytest.mark.parametrize(
    "text", [ANSWER * 3, "=" * 50, "a, b, c, d, e, f, g, h", "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n" * 2]
)
def test_no_loop(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, odd(response=text)) == []


def test_a_call_for_a_tool_is_no_empty_answer(tmp_path: Path) -> None:
    assert found(tmp_path, odd(response=None, finish_reasons=["tool_calls"]), odd(response=None, operation="embeddings")) == []


def test_an_error_is_new_once_and_not_at_the_beginning(tmp_path: Path) -> None:
    calls = [failure(0, "Old"), *usual(), failure(50, "New"), failure(51, "New"), failure(52, "Old")]

    assert found(tmp_path, *calls) == [("new error", "New, first after 41 calls")]


def test_nothing_is_compared_among_few_calls_or_across_models(tmp_path: Path) -> None:
    slow = [odd(latency_seconds=30.0, model="slow", response=ANSWER[:70]) for _ in range(8)]

    assert found(tmp_path, *usual(), *slow, odd(model="slow")) == []


def test_robust_scores_are_the_published_ones() -> None:
    values = [2.1, 2.6, 2.4, 2.5, 2.3, 2.1, 2.3, 2.6, 8.2, 8.3]  # Iglewicz and Hoaglin's example: median 2.45, MAD 0.15 … 0.2

    found = scores(values)

    middle, spread = 2.45, 0.15
    assert found == pytest.approx([0.6745 * (value - middle) / spread for value in values], rel=0.35)
    assert [abs(score) > 3.5 for score in found] == [False] * 8 + [True] * 2
    assert scores([1.0] * 11 + [2.0])[-1] > 3.5
    assert scores([1.0] * 12) == [0.0] * 12


@pytest.mark.parametrize(
    ("text", "expected"),
    [(ANSWER, "English"), (GERMAN, "German"), ("これはテストです", "Hiragana"), ("", None), ("12345 !!", None), ("Paris", None)],
)
def test_the_language_of_a_text(text: str, expected: str | None) -> None:
    assert language(text) == expected


def test_people_see_a_table_and_a_count(tmp_path: Path) -> None:
    path = write(tmp_path / "calls.log", *usual(), odd(latency_seconds=20.0))

    result = llmlog("weird", path)

    assert result.exit_code == 1
    assert "slow" in result.stdout
    assert result.stdout.endswith("1 stand out\n")
    assert llmlog("weird", write(tmp_path / "other.log", *usual())).stdout == "0 stand out\n"
