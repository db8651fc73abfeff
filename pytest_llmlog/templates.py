"""Which template a prompt came from: said by ``render``, or found by matching registered templates backwards."""

from __future__ import annotations

import string
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from msgspec import Struct

from pytest_llmlog.matching import digest

REMEMBERED = 2_000
"""How many rendered prompts are kept to be recognised, the newest."""


class Match(Struct, frozen=True):
    """A prompt's template and what was put into it."""

    name: str
    hash: str
    variables: dict[str, Any]

    @property
    def input(self) -> str | dict[str, Any] | None:
        """The value of the one variable as text, an object of several, None without any."""
        if len(self.variables) == 1:
            value = next(iter(self.variables.values()))
            return value if isinstance(value, str) else str(value)
        return {name: _plain(value) for name, value in self.variables.items()} or None


def _plain(value: Any) -> Any:
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


class Template:
    """A named text with ``str.format`` fields; a text that is no format string has none and matches itself."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text, self.hash = name, text.strip(), digest(text.strip().encode())

    @cached_property
    def literals(self) -> list[str]:
        """The texts between the fields."""
        try:
            pieces = list(string.Formatter().parse(self.text))
        except ValueError:
            return [self.text]
        self.__dict__["fields"] = sum(field is not None for _, field, _, _ in pieces)
        return [literal for literal, _, _, _ in pieces if literal]

    @cached_property
    def fields(self) -> int:
        """How many fields the text has."""
        self.literals  # noqa: B018 - reading the text counts the fields
        return int(self.__dict__.get("fields", 0))

    @property
    def weight(self) -> int:
        """Length of the literal text: of two templates that match, the heavier says more."""
        return sum(len(literal.strip()) for literal in self.literals)

    @cached_property
    def _parser(self) -> Any:
        import parse

        return parse.compile(self.text, case_sensitive=True)

    def match(self, prompt: str) -> Match | None:
        """Return the variables that make this prompt from the template, or None."""
        if not self.fields:
            return Match(self.name, self.hash, {}) if prompt == "".join(self.literals) else None
        if not all(literal.strip() in prompt for literal in self.literals):
            return None  # spares the regular expression
        found = self._parser.parse(prompt)
        if found is None:
            return None
        fixed = {str(index): value for index, value in enumerate(found.fixed)}
        return Match(self.name, self.hash, {**fixed, **found.named})


class Templates:
    """The templates of this process, and the prompts lately made from them."""

    def __init__(self) -> None:
        self._templates: list[Template] = []
        self._rendered: OrderedDict[str, Match] = OrderedDict()

    def register(self, templates: Iterable[Template]) -> None:
        """Add templates; a name that is there already is replaced."""
        known = {template.name: template for template in (*self._templates, *templates)}
        usable = (template for template in known.values() if template.weight)
        self._templates = sorted(usable, key=lambda template: -template.weight)

    def forget(self, names: Iterable[str]) -> None:
        """Remove templates by name."""
        gone = set(names)
        self._templates = [template for template in self._templates if template.name not in gone]

    def render(self, name: str, text: str, variables: Mapping[str, Any]) -> str:
        """Format the text and remember what it was made from.

        Raises:
            KeyError, IndexError, ValueError: as ``str.format`` does.
        """
        prompt = text.format(**variables)
        self._rendered[prompt.strip()] = Match(name, digest(text.strip().encode()), dict(variables))
        self._rendered.move_to_end(prompt.strip())
        while len(self._rendered) > REMEMBERED:
            self._rendered.popitem(last=False)
        return prompt

    @property
    def is_empty(self) -> bool:
        """Whether nothing can be recognised."""
        return not self._rendered and not self._templates

    def recognise(self, texts: Sequence[str]) -> Match | None:
        """Find the template of the first text that has one: remembered prompts before registered templates."""
        wanted = [text.strip() for text in texts]
        for text in wanted:
            if match := self._rendered.get(text):
                return match
        found = (template.match(text) for text in wanted if text for template in self._templates)
        return next((match for match in found if match), None) or self._contained(wanted)

    def _contained(self, texts: Sequence[str]) -> Match | None:
        """A rendered prompt inside a longer message, the newest first."""
        rendered = [(prompt, match) for prompt, match in reversed(list(self._rendered.items())) if prompt]
        return next((match for text in texts for prompt, match in rendered if prompt in text), None)


def load(patterns: Iterable[str], root: Path) -> list[Template]:
    """Read the template files that match glob patterns below a folder; a file's name without suffix is the template's.

    Raises:
        OSError, UnicodeDecodeError: a file cannot be read as UTF-8 text.
    """
    files = (path for pattern in patterns for path in sorted(root.glob(pattern)) if path.is_file())
    return [Template(path.stem, path.read_text(encoding="utf-8")) for path in files]


registry = Templates()
"""The process's one: ``render`` may be called anywhere, from any thread, before or after capture starts."""
