"""Prompts are traced back to their templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_llmlog import templates
from pytest_llmlog.matching import digest
from pytest_llmlog.templates import Template, Templates


def known(**texts: str) -> Templates:
    registry = Templates()
    registry.register([Template(name, text) for name, text in texts.items()])
    return registry


@pytest.mark.parametrize(
    ("text", "prompt", "variables"),
    [
        ("Answer: {question}", "Answer: Why?", {"question": "Why?"}),
        ("{a} and {b}", "cats and dogs", {"a": "cats", "b": "dogs"}),
        ("Say {} and {}", "Say this and that", {"0": "this", "1": "that"}),
        ("{x} is {x}", "it is it", {"x": "it"}),
        ("Sum up:\n\n{text}\n\nBriefly.", "Sum up:\n\none\ntwo\n\nthree\n\nBriefly.", {"text": "one\ntwo\n\nthree"}),
        ("Use {{braces}} for {x}", "Use {braces} for it", {"x": "it"}),
        ("Price (in $): {x}? [y/n]*", "Price (in $): 5? [y/n]*", {"x": "5"}),
        ("grüße {name} 🙂", "grüße Zoë 🙂", {"name": "Zoë"}),
        ("Only text", "Only text", {}),
        ("Only {{text}}", "Only {text}", {}),
    ],
)
def test_a_prompt_gives_its_variables_back(text: str, prompt: str, variables: dict[str, Any]) -> None:
    match = Template("t", text).match(prompt)
    assert match is not None
    assert (match.name, match.hash, match.variables) == ("t", digest(text.encode()), variables)


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("Answer: {question}", "answer: Why?"),
        ("Answer: {question}", "Please. Answer: Why?"),
        ("Answer {q} now", "Answer this"),
        ("{x} is {x}", "it is that"),
        ("Only text", "Only text."),
        ("Only text", "only text"),
        ("{a} and {b}", "cats or dogs"),
    ],
)
def test_other_prompts_do_not_match(text: str, prompt: str) -> None:
    assert Template("t", text).match(prompt) is None


@pytest.mark.parametrize(
    "text",
    [
        'Answer as {"a": 1}.',
        'Answer as {"a": {"b": [1]}}.',
        "an open { brace",
        "a closed } brace",
        "f() {\n  return 1;\n}",
        "{!x} y",
        "{a!} b",
    ],
)
def test_a_text_that_is_no_format_string_matches_itself(text: str) -> None:
    match = Template("t", text).match(text)
    assert match is not None
    assert match.input is None
    assert Template("t", text).match(text + "x") is None


@pytest.mark.parametrize(
    "text",
    [
        "Hello {user name}, hi",
        "Hello {a.b}, hi",
        "Hello {a[0]}, hi",
        "Hello {a!r}, hi",
        "Hello {a:>10}, hi",
        "Hello {a:%Y}, hi",
        "{a:{w}} hi",
    ],
)
def test_odd_fields_never_raise(text: str) -> None:
    match = Template("t", text).match("Hello you, hi")
    assert match is None or match.name == "t"
    assert known(t=text).recognise(["quite another text"]) is None


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"q": "Why?"}, "Why?"),
        ({"q": 5}, "5"),
        ({"a": "x", "b": "y"}, {"a": "x", "b": "y"}),
        ({"a": 1, "b": None, "c": Path("p")}, {"a": 1, "b": None, "c": "p"}),
        ({}, None),
    ],
)
def test_the_input_of_a_match(variables: dict[str, Any], expected: object) -> None:
    made = templates.Templates()
    match = made.recognise([made.render("t", f"Prompt {' '.join(f'{{{name}}}' for name in variables)}", variables)])
    assert match is not None
    assert match.input == expected


def test_an_empty_variable_is_found() -> None:
    match = Template("t", "Context: {context}. Question: {question}").match("Context: . Question: Why?")
    assert match is not None
    assert match.variables == {"context": "", "question": "Why?"}


@pytest.mark.parametrize("order", [("light", "heavy"), ("heavy", "light")])
def test_the_heavier_template_wins(order: tuple[str, str]) -> None:
    texts = {"light": "Answer {x}", "heavy": "Answer briefly: {x}"}
    registry = known(**{name: texts[name] for name in order})
    match = registry.recognise(["Answer briefly: why?"])
    assert match is not None
    assert (match.name, match.input) == ("heavy", "why?")
    other = registry.recognise(["Answer at length"])
    assert other is not None
    assert other.name == "light"


@pytest.mark.parametrize("text", ["{x}", "  {x}\n{y} ", ""])
def test_a_template_without_text_of_its_own_matches_nothing(text: str) -> None:
    registry = known(t=text)
    assert registry.is_empty
    assert registry.recognise(["anything"]) is None


def test_a_template_is_replaced_and_forgotten_by_name() -> None:
    registry = known(t="Old {x}")
    registry.register([Template("t", "New {x}"), Template("u", "Other {x}")])
    assert registry.recognise(["Old a"]) is None
    assert registry.recognise(["New a"]) is not None
    registry.forget(["t", "unknown"])
    assert registry.recognise(["New a"]) is None
    assert registry.recognise(["Other a"]) is not None
    registry.forget(["u"])
    assert registry.is_empty


def test_space_around_a_prompt_does_not_matter() -> None:
    match = known(t="\n  Answer: {q}\n").recognise(["  Answer: Why?\n\n"])
    assert match is not None
    assert match.input == "Why?"


def test_a_rendered_prompt_is_remembered_with_its_values() -> None:
    registry = Templates()
    assert registry.render("t", " {a} plus {b}\n", {"a": 1, "b": 2}) == " 1 plus 2\n"
    assert not registry.is_empty
    match = registry.recognise(["1 plus 2"])
    assert match is not None
    assert (match.name, match.hash, match.input) == ("t", digest(b"{a} plus {b}"), {"a": 1, "b": 2})


def test_what_was_rendered_comes_before_what_matches() -> None:
    registry = known(registered="Answer: {q}")
    registry.render("rendered", "Answer: {r}", {"r": "Why?"})
    match = registry.recognise(["Answer: Why?"])
    assert match is not None
    assert match.name == "rendered"


def test_a_rendered_prompt_inside_a_longer_message_is_found_the_newest_first() -> None:
    registry = Templates()
    registry.render("old", "alpha centauri {x}", {"x": "1"})
    registry.render("new", "beta pictoris: {x}", {"x": "2"})
    match = registry.recognise(["Context.\nalpha centauri 1\nbeta pictoris: 2\nMore."])
    assert match is not None
    assert match.name == "new"
    assert registry.recognise(["alpha centauri 2"]) is None


@pytest.mark.parametrize(
    ("template", "value", "prompt"),
    [
        ("{x}", "a", "unrelated banana"),
        ("Hi {x}", "Al", "Hi Alfred, welcome"),
        ("Translate this: {x}", "dog", "Do not Translate this: dogma"),
        ("retranslate this {x}", "dog", "pretranslate this dog"),
    ],
)
def test_a_rendered_prompt_is_not_found_inside_words_nor_when_it_is_short(template: str, value: str, prompt: str) -> None:
    registry = Templates()
    registry.render("any", template, {"x": value})
    assert registry.recognise([prompt]) is None


def test_an_empty_render_is_contained_in_nothing() -> None:
    registry = Templates()
    registry.render("empty", "{x}", {"x": ""})
    assert registry.recognise(["anything"]) is None


def test_the_first_text_with_a_template_decides() -> None:
    match = known(t="Answer: {q}").recognise(["You are kind.", "Answer: one", "Answer: two"])
    assert match is not None
    assert match.input == "one"


@pytest.mark.parametrize("texts", [[], [""], ["   "], ["nothing known"]])
def test_nothing_is_recognised(texts: list[str]) -> None:
    assert known(t="Answer: {q}").recognise(texts) is None


def test_only_the_newest_renders_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates, "REMEMBERED", 3)
    registry = Templates()
    for number in (1, 2, 3, 1, 4):
        registry.render("t", "number <{n}>", {"n": number})
    assert [registry.recognise([f"number <{number}>"]) is not None for number in (1, 2, 3, 4)] == [True, False, True, True]


@pytest.mark.parametrize(("text", "error"), [("{missing}", KeyError), ("{0}", IndexError), ("{", ValueError)])
def test_render_fails_as_format_does(text: str, error: type[Exception]) -> None:
    registry = Templates()
    with pytest.raises(error):
        registry.render("t", text, {})
    assert registry.is_empty


def test_template_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "prompts" / "sub").mkdir(parents=True)
    (tmp_path / "prompts" / "b.txt").write_text("B {x}\n", encoding="utf-8")
    (tmp_path / "prompts" / "a.txt").write_text("grüße {x}\n", encoding="utf-8")
    (tmp_path / "prompts" / "sub" / "c.md").write_text("C {x}\n", encoding="utf-8")
    found = templates.load(["prompts/*.txt", "prompts/**/*.md", "none/*"], tmp_path)
    assert [(template.name, template.text) for template in found] == [("a", "grüße {x}"), ("b", "B {x}"), ("c", "C {x}")]


def test_a_template_file_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UnicodeDecodeError):
        templates.load(["*.txt"], tmp_path)
