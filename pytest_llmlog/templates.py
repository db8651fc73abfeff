"""Which template a prompt came from: said by ``render``, or found by matching registered templates backwards."""

from __future__ import annotations

import re
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


SHORTEST_CONTAINED = 16
"""Characters that a rendered prompt has at least to be recognised inside a longer message."""


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
        return self.variables or None


def _plain(value: Any) -> Any:
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


_PLAIN_FIELD = re.compile(r"\{([A-Za-z_]\w*)\}")
_FIELD_NAME = re.compile(r"\d*|[A-Za-z_]\w*(?:\.\w+|\[[^\[\]]+\])*")


def _pieces(text: str) -> list[tuple[str, str | None]]:
    """Cut a template into (literal text, field behind it).

    A text with braces that are not ``str.format``'s, such as JSON, is taken as it stands but for its ``{name}`` fields.
    """
    try:
        parsed = list(string.Formatter().parse(text))
        if all(name is None or (_FIELD_NAME.fullmatch(name) and how in (None, "r", "s", "a")) for _, name, _, how in parsed):
            return [(literal, name) for literal, name, _, _ in parsed]
    except ValueError:
        pass
    parts = _PLAIN_FIELD.split(text)
    return [(parts[index], parts[index + 1] if index + 1 < len(parts) else None) for index in range(0, len(parts), 2)]


class Template:
    """A named text with ``str.format`` fields; one without fields matches itself."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text, self.hash = name, text.strip(), digest(text.strip().encode())
        self._pieces = _pieces(self.text)

    @property
    def weight(self) -> int:
        """Length of the literal text: of two templates that match, the heavier says more."""
        return sum(len(literal.strip()) for literal, _ in self._pieces)

    @cached_property
    def _fields(self) -> dict[str, str]:
        """The fields' names in order, each with the name of its group in the pattern."""
        names = [name for _, name in self._pieces if name is not None]
        numbered = [name or str(names[:index].count("")) for index, name in enumerate(names)]
        return {name: f"field{index}" for index, name in enumerate(dict.fromkeys(numbered))}

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """The inverse of ``str.format``: each field the shortest text that fits, a repeated one the same text."""
        pattern, seen, unnamed = "", set(), 0
        for literal, name in self._pieces:
            pattern += re.escape(literal)
            if name is None:
                continue
            if not name:
                name, unnamed = str(unnamed), unnamed + 1
            group = self._fields[name]
            pattern += f"(?P={group})" if name in seen else f"(?P<{group}>.*?)"
            seen.add(name)
        return re.compile(pattern, re.DOTALL)

    def match(self, prompt: str) -> Match | None:
        """Return the variables that make this prompt from the template, or None."""
        if not all(literal.strip() in prompt for literal, _ in self._pieces):
            return None  # spares the regular expression
        found = self._pattern.fullmatch(prompt)
        return Match(self.name, self.hash, {name: found[group] for name, group in self._fields.items()}) if found else None


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
        if not prompt.strip():
            return prompt
        # The variables as plain values: an object may change until the call is made, and would be kept alive here.
        values = {field: _plain(value) for field, value in variables.items()}
        self._rendered[prompt.strip()] = Match(name, digest(text.strip().encode()), values)
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
        """A rendered prompt inside a longer message, between words and long enough not to be there by chance; the newest first."""
        long = [(prompt, match) for prompt, match in reversed(list(self._rendered.items())) if len(prompt) >= SHORTEST_CONTAINED]
        return next((match for text in texts for prompt, match in long if _stands_in(prompt, text)), None)


def _stands_in(prompt: str, text: str) -> bool:
    place = text.find(prompt)
    if place < 0:
        return False
    before, after = text[:place][-1:], text[place + len(prompt) :][:1]
    return not (before.isalnum() or after.isalnum())


def load(patterns: Iterable[str], root: Path) -> list[Template]:
    """Read the template files that match glob patterns below a folder; a file's name without suffix is the template's.

    Raises:
        OSError, UnicodeDecodeError: a file cannot be read as UTF-8 text.
    """
    files = (path for pattern in patterns for path in sorted(root.glob(pattern)) if path.is_file())
    return [Template(path.stem, path.read_text(encoding="utf-8")) for path in files]


def unmatched(patterns: Iterable[str], root: Path) -> list[str]:
    """Glob patterns that match no file below a folder."""
    return [pattern for pattern in patterns if not any(path.is_file() for path in root.glob(pattern))]


registry = Templates()
"""The process's one: ``render`` may be called anywhere, from any thread, before or after capture starts."""
