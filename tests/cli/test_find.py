"""``llmlog find``: has this happened before."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from rapidfuzz import fuzz

from logs import failure, llmlog, record, rows, write

ONE, OTHER, NEAR, FAR = "1" * 32, "2" * 32, "3" * 32, "4" * 32
CALLS = [
    record(0, prompt="The printer is on fire", prompt_hash=ONE, request_hash=OTHER, response="Call it\nnow", run_id="first"),
    record(1, prompt="The printer is on fire", prompt_hash=ONE, request_hash=FAR, response="Call them\nnow", run_id="second"),
    record(2, prompt="The printer was on fire", prompt_hash=NEAR, request_hash=NEAR, response="Call it\nnow"),
    failure(3, prompt="Where is my invoice?", prompt_hash=FAR, error="no such printer", request_hash=NEAR),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "calls.log", *CALLS)


@pytest.mark.parametrize("engine", ["stream", "duckdb"])
@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["printer"], [(0, "text", 1), (1, "text", 2), (2, "text", 1), (3, "text", None)]),
        (["Call them"], [(1, "text", 1)]),
        (["no such printer"], [(3, "text", None)]),
        (["--hash", ONE], [(0, "hash", 1), (1, "hash", 2)]),
        (["--hash", "1111"], [(0, "hash", 1), (1, "hash", 2)]),
        (["--hash", NEAR], [(2, "hash", 1), (3, "hash", None)]),
        (["printer", "--where", "status = success and run_id = second"], [(1, "text", 1)]),
    ],
)
def test_what_is_found(path: Path, engine: str, arguments: list[str], found: list[tuple[int, str, int | None]]) -> None:
    text = [each for each in arguments[:1] if not each.startswith("-")]
    result = llmlog("find", *text, path, *arguments[len(text) :], "--json", "--engine", engine)

    ids = [call["request_id"] for call in CALLS]
    assert [(ids.index(row["request_id"]), row["how"], row["answer"]) for row in rows(result)] == found
    assert result.exit_code == 0


@pytest.mark.parametrize("engine", ["stream", "duckdb"])
def test_a_call_for_a_tool_is_an_answer_whatever_its_id(tmp_path: Path, engine: str) -> None:
    called = [
        [{"id": f"call_{number}", "name": "open_ticket", "arguments": {"team": team}}]
        for number, team in enumerate(["öl", "öl", "it"])
    ]
    path = write(
        tmp_path / "calls.log", *(record(number, response=None, tool_calls=calls) for number, calls in enumerate(called)), record(9)
    )

    found = rows(llmlog("find", "open_ticket", path, "--json", "--engine", engine))
    people = llmlog("find", "open_ticket", path, "--engine", engine).stdout

    assert [(row["answer"], row["tool_calls"]) for row in found] == list(zip([1, 1, 2], called, strict=True))
    assert people.count('→ open_ticket({"team": "öl"})') == 2
    assert "answer 2 is not as answer 1:" in people
    assert '+open_ticket({"team": "it"})' in people


@pytest.mark.parametrize("engine", ["stream", "duckdb"])
def test_like_a_record_exactly_by_its_hashes_and_nearly_by_its_prompt(path: Path, engine: str) -> None:
    found = rows(llmlog("find", "--like", f"{path}:1", path, "--json", "--engine", engine))

    assert [(row["prompt"], row["how"], row["similarity"]) for row in found] == [
        ("The printer is on fire", "hash", 1.0),
        ("The printer was on fire", "near", pytest.approx(0.933, abs=0.01)),
    ]
    people = llmlog("find", "--like", f"{path}:1", path, "--engine", engine).stdout.splitlines()
    assert (
        people[-5:]
        == [f"answer 1 is not as that of {path}:1:", "  @@ -1,2 +1,2 @@", "  -Call it", "  +Call them", "   now", "2 found"][-5:]
    )
    only = rows(llmlog("find", "--like", f"{path}:1", path, "--similarity", "0.99", "--json"))
    assert [row["how"] for row in only] == ["hash"]


@pytest.mark.parametrize("engine", ["stream", "duckdb"])
@pytest.mark.parametrize("least", [0.0, 0.3, 0.5, 0.85, 1.0])
def test_near_is_what_the_ratio_of_any_two_prompts_says(tmp_path: Path, engine: str, least: float) -> None:
    chance = random.Random(3)
    prompts = ["ünïcode 🔥 " + "ab"[number % 2] * chance.randint(0, 30) + "c" * chance.randint(0, 9) for number in range(300)]
    calls = [record(prompt=prompt, prompt_hash=f"{at:032x}", request_hash=f"{at + 999:032x}") for at, prompt in enumerate(prompts)]
    path = write(tmp_path / "calls.log", *calls)

    found = rows(llmlog("find", "--like", f"{path}:7", path, "--similarity", str(least), "--json", "--engine", engine))

    scores = [(call, fuzz.ratio(prompts[6], call["prompt"]) / 100) for call in calls if call is not calls[6]]
    expected = {call["request_id"]: round(score, 3) for call, score in scores if score and score >= least}
    assert {row["request_id"]: row["similarity"] for row in found} == expected


def test_people_see_when_where_and_how_answers_differed(path: Path) -> None:
    shown = llmlog("find", "--hash", ONE, path).stdout

    assert f"{CALLS[1]['timestamp']}  {CALLS[1]['request_id']}  run second" in shown
    assert "answer 2 is not as answer 1:" in shown
    assert "  -Call it\n  +Call them\n   now" in shown
    assert shown.endswith("2 found\n")


def test_nothing_found_is_exit_code_1(path: Path) -> None:
    result = llmlog("find", "quantum", path)

    assert (result.exit_code, result.stdout) == (1, "0 found\n")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--like", "nowhere.log:1"], "nowhere.log: there is no such file"),
        (["--like", "{path}:99"], "no record there"),
        (["--like", "{path}"], "expected FILE:LINE"),
        (["--hash", "xyz"], "--hash xyz: expected 4 to 32"),
        (["--hash", "1111", "--like", "a:1"], "give one of TEXT, --hash and --like"),
        ([], "give a text, --hash or --like"),
    ],
)
def test_a_wrong_question_is_explained(path: Path, arguments: list[str], text: str) -> None:
    result = llmlog("find", *(each.format(path=path) for each in arguments))

    assert result.exit_code == 2
    assert text in result.stderr
