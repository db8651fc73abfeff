"""``llmlog weird``: each rule finds what it is about, and leaves the rest alone."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from logs import failure, llmlog, record, rows, write
from pytest_llmlog.query.language import language
from pytest_llmlog.query.refusals import OPENINGS, opening
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


REFUSING = {
    "English": [
        "I'm sorry, but I can't assist with that.",
        "As an AI model, I cannot provide this.",
        "I won’t create that.",
        "I apologize, but I cannot fulfill this request.",
        "Unfortunately, I can't provide that information.",
        "I cannot and will not help with that.",
        "I'm sorry, but I cannot generate that content.",
        "I must respectfully decline.",
        "I’m not comfortable answering that.",
    ],
    "German": ["Es tut mir leid, aber dabei kann ich Ihnen nicht helfen.", "Ich kann diese Anfrage leider nicht beantworten."],
    "French": [
        "Je suis désolé, mais je ne peux pas vous aider avec cela.",
        "Je ne suis pas en mesure de répondre à cette demande.",
    ],
    "Spanish": ["Lo siento, pero no puedo ayudarte con eso.", "No puedo proporcionar esa información."],
    "Portuguese": ["Desculpe, mas não posso ajudar com isso.", "Não consigo fornecer essa informação."],
    "Italian": ["Mi dispiace, ma non posso aiutarti con questa richiesta.", "Non sono in grado di fornire queste informazioni."],
    "Dutch": ["Het spijt me, maar daar kan ik je niet mee helpen.", "Sorry, ik kan deze vraag niet beantwoorden."],
    "Polish": ["Przykro mi, ale nie mogę w tym pomóc.", "Przepraszam, ale nie mogę pomóc w tej sprawie."],
    "Russian": ["Извините, но я не могу помочь с этим.", "К сожалению, я не могу ответить на этот вопрос."],
    "Chinese": ["抱歉，我无法协助处理这个请求。", "很抱歉，我不能提供这些信息。"],
    "Japanese": ["申し訳ありませんが、そのご依頼にはお応えできません。", "申し訳ございませんが、お手伝いできません。"],
}


@pytest.mark.parametrize(("spoken", "text"), [(spoken, text) for spoken, texts in REFUSING.items() for text in texts])
def test_a_refusal_is_known_by_how_it_begins(spoken: str, text: str) -> None:
    assert set(REFUSING) == set(OPENINGS)
    assert opening(text) is not None
    assert opening(f"“{text}”") is not None


@pytest.mark.parametrize(
    "text",
    [
        "I can help with that: I'm sorry to hear it.",
        "I'm sorry to hear that your printer is on fire.",
        "I can't wait to see it!",
        "I can’t help but notice that it is on fire.",
        "I can't help thinking that it is on fire.",
        "I cannot provide a better example than this one.",
        "Unfortunately, the printer is on fire.",
        "Ich kann Ihnen nicht nur helfen, sondern es auch zeigen.",
        "Ich kann Ihnen gern helfen.",
        "Es tut mir leid, dass Ihr Drucker brennt. Wir kümmern uns darum.",
        "Je peux vous aider.",
        "Je suis désolé pour ce retard.",
        "Lo siento por la demora; puedo ayudarte.",
        "No puedo creer que funcione.",
        "Desculpe a demora. Posso ajudar.",
        "Mi dispiace per il ritardo.",
        "Ik kan je helpen.",
        "Mogę pomóc.",
        "Я могу помочь.",
        "我可以帮助您。",
        "申し訳ありません、遅くなりました。",
        "お手伝いできます。",
    ],
)
def test_an_apology_or_an_offer_is_no_refusal(text: str) -> None:
    assert opening(text) is None


@pytest.mark.parametrize("reason", ["refusal", "content_filter", "SAFETY", "PROHIBITED_CONTENT", "SPII", "guardrail_intervened"])
def test_a_refusal_that_the_provider_tells(tmp_path: Path, reason: str) -> None:
    """Anthropic's, OpenAI's and Azure's, Gemini's and Bedrock's word for it."""
    assert ("refusal", f"finish reason {reason.lower()}") in found(tmp_path, odd(finish_reasons=[reason], response=None))


@pytest.mark.parametrize("engine", ["stream", "duckdb"])
@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"type": "refusal", "content": "I won't."}, '"I won\'t."'),
        ({"type": "blocked", "blockReason": "PROHIBITED_CONTENT"}, "'PROHIBITED_CONTENT'"),
        ({"type": "blocked"}, "'blocked'"),
    ],
)
def test_a_refusal_that_stands_in_the_answer(tmp_path: Path, engine: str, part: dict[str, str], words: str) -> None:
    """OpenAI's field ``refusal`` and Gemini's ``promptFeedback.blockReason``: they have a word of their own, and no text."""
    told = [{"role": "assistant", "parts": [{"type": "text", "content": "{"}]}, {"role": "assistant", "parts": [part]}]
    fine = odd(response_messages=told[:1])

    assert found(tmp_path, fine, odd(response=None, response_messages=told), engine=engine) == [
        ("refusal", f"told as one: {words}")
    ]


def test_a_loop(tmp_path: Path) -> None:
    shown = dict(found(tmp_path, odd(response="So we go on. " + "and so on, " * 30)))

    assert shown == {"loop": "'and so on,' 30 times in a row"}


@pytest.mark.parametrize(
    "text", [ANSWER * 3, "=" * 50, "a, b, c, d, e, f, g, h", "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n" * 2]
)
def test_no_loop(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, odd(response=text)) == []


@pytest.mark.parametrize("engine", ["stream", "duckdb"])
@pytest.mark.parametrize(
    "told",
    [
        {"finish_reasons": ["tool_calls"]},
        {"finish_reasons": ["STOP"], "tool_calls": [{"id": None, "name": "look", "arguments": {}}]},
    ],
)
def test_a_call_for_a_tool_is_no_empty_answer(tmp_path: Path, told: dict[str, Any], engine: str) -> None:
    """Gemini's, Ollama's and the responses API's reasons do not tell that it is one."""
    assert found(tmp_path, odd(response=None, **told), odd(response=None, operation="embeddings"), engine=engine) == []
    assert found(tmp_path, odd(response=None, tool_calls=[]), engine=engine) == [("empty answer", "0 characters")]


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
