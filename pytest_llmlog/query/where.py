"""Conditions: a small language of its own, parsed to a tree that becomes a Python predicate here and SQL elsewhere.

``status = failure and (latency > 3s or error_type in (RateLimitError, APITimeoutError)) and not model like "gpt-4%"``

A comparison with a value that a call does not tell does not hold, so ``not`` and ``!=`` hold then; ``= null`` asks for it.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from msgspec import Struct

from pytest_llmlog.errors import ConfigError
from pytest_llmlog.metrics import SUFFIXES, Unit, parse_amount
from pytest_llmlog.query.columns import COLUMNS, DERIVED, Column, find, label

Value = str | int | float | bool | None

ORDER: dict[str, Callable[[Any, Any], bool]] = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


class WhereError(ConfigError):
    """A condition that cannot be used; the text shows the place.

    Attributes:
        place: the character where it goes wrong, from 0.
    """

    def __init__(self, text: str, place: int, reason: str) -> None:
        line = text.replace("\n", " ").replace("\t", " ")
        super().__init__(f"{reason}\n  {line}\n  {' ' * place}^")
        self.place = place


class Compare(Struct, frozen=True):
    """``op`` is ``=``, ``<``, ``<=``, ``>`` or ``>=``; ``= None`` asks whether the value is missing."""

    column: Column
    op: str
    value: Value


class In(Struct, frozen=True):
    """Whether the value is one of these."""

    column: Column
    values: tuple[Value, ...]


class Match(Struct, frozen=True):
    """``like`` with ``%`` and ``_``, ``contains`` with a part of the text; upper and lower case differ."""

    column: Column
    how: str
    pattern: str


class Length(Struct, frozen=True):
    """Whether a text has so many characters, both bounds included; not a part of the written language."""

    column: Column
    least: int
    most: int


class Not(Struct, frozen=True):
    of: Condition


class And(Struct, frozen=True):
    of: tuple[Condition, ...]


class Or(Struct, frozen=True):
    of: tuple[Condition, ...]


Condition = Compare | In | Match | Length | Not | And | Or

_TOKEN = re.compile(
    r"""\s*(?:(?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<op><=|>=|!=|<>|==|[=<>(),])|(?P<word>[^\s()=<>!,"']+)|(?P<bad>\S))""",
    re.DOTALL,
)
LABELS = "labels."
"""How a label's name begins."""

KEYWORDS = frozenset({"and", "or", "not", "in", "like", "contains", "is"})


class Token(Struct, frozen=True):
    """``kind`` is ``quoted``, ``op``, ``word`` or ``end``."""

    kind: str
    text: str
    place: int


def tokens(text: str) -> Iterator[Token]:
    """Cut an expression into tokens.

    Raises:
        WhereError: a character that belongs to none, or a quotation that does not end.
    """
    place = 0
    while found := _TOKEN.match(text, place):
        kind = found.lastgroup or ""
        if kind == "bad":
            quote = found[kind] in "\"'"
            raise WhereError(
                text, found.start(kind), "the quotation does not end" if quote else f"{found[kind]!r} means nothing here"
            )
        value = re.sub(r"\\(.)", r"\1", found[kind][1:-1], flags=re.DOTALL) if kind == "quoted" else found[kind]
        yield Token(kind, value, found.start(kind))
        place = found.end()
    yield Token("end", "", len(text))


class Parser:
    """Reads one expression; what stands behind a condition is left to the caller."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._tokens = list(tokens(text))
        self._at = 0

    @property
    def next(self) -> Token:
        return self._tokens[self._at]

    def take(self, *texts: str) -> Token | None:
        """Take the next token if it is one of these keywords or signs."""
        token = self.next
        if token.kind not in ("word", "op") or token.text.lower() not in texts:
            return None
        self._at += 1
        return token

    def expect(self, text: str) -> Token:
        return self.take(text) or self.fail(f"expected {text!r}")

    def any(self) -> Token:
        """Take the next token, whatever it is."""
        token = self.next
        if token.kind == "end":
            self.fail("the expression ends too early")
        self._at += 1
        return token

    def fail(self, reason: str, token: Token | None = None) -> NoReturn:
        raise WhereError(self.text, (token or self.next).place, reason)

    def condition(self) -> Condition:
        """A whole condition."""
        return self._joined("or", Or, lambda: self._joined("and", And, self._negated))

    def _joined(self, word: str, kind: Callable[[tuple[Condition, ...]], Condition], part: Callable[[], Condition]) -> Condition:
        parts = [part()]
        while self.take(word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else kind(tuple(parts))

    def _negated(self) -> Condition:
        negations = 0
        while self.take("not"):
            negations += 1
        if self.take("("):
            found = self.condition()
            self.expect(")")
        else:
            found = self._comparison()
        return Not(found) if negations % 2 else found

    def column(self) -> Column:
        """The name of a column."""
        token = self.any()
        if token.kind == "word" and token.text.startswith(LABELS):
            return self._label(token)
        found = find(token.text) if token.kind == "word" else None
        if found is None or found.kind == "labels":
            names = ", ".join(f"{LABELS}NAME" if name == "labels" else name for name in (*COLUMNS, *DERIVED))
            self.fail(f"{token.text!r} is no field of a record; there are {names}", token)
        return found

    def _label(self, token: Token) -> Column:
        """``labels.team``, or ``labels."team name"``."""
        name = token.text.removeprefix(LABELS)
        if name:
            return label(name)
        if self.next.kind != "quoted" or self.next.place != token.place + len(LABELS):
            self.fail('expected the name of a label: labels.team, or labels."team name"', token)
        return label(self.any().text)

    def _comparison(self) -> Condition:
        column = self.column()
        negated = bool(self.take("not"))
        found = self._membership(column)
        if found is not None:
            return Not(found) if negated else found
        if negated:
            self.fail("expected in, like or contains behind not")
        return self._order(column)

    def _membership(self, column: Column) -> Condition | None:
        if self.take("in"):
            self.expect("(")
            values = [self._value(column)]
            while self.take(","):
                values.append(self._value(column))
            self.expect(")")
            return In(column, tuple(values))
        if word := self.take("like", "contains"):
            if column.kind not in ("text", "texts", "refusal", "calls"):
                self.fail(f"{column.name} is no text", word)
            return Match(column, word.text.lower(), self.any().text)
        return None

    def _order(self, column: Column) -> Condition:
        sign = self.take("=", "==", "!=", "<>", "<", "<=", ">", ">=", "is")
        if sign is None:
            self.fail("expected =, !=, <, <=, >, >=, in, like or contains")
        negated = sign.text in ("!=", "<>") or (sign.text == "is" and bool(self.take("not")))
        if sign.text in ORDER:
            if column.kind == "truth":
                self.fail(f"{column.name} is true or false", sign)
            place = self.next
            value = self._value(column)
            if value is None:
                self.fail("nothing is more or less than null", place)
            return Compare(column, sign.text, value)
        found = Compare(column, "=", self._value(column))
        return Not(found) if negated else found

    def _value(self, column: Column) -> Value:
        token = self.any()
        word = token.text.lower() if token.kind == "word" else ""
        if token.kind == "op" or word in KEYWORDS:
            self.fail(f"expected a value of {column.name}; put a text in quotation marks", token)
        if word in ("null", "none"):
            return None
        if column.kind == "truth":
            return word == "true" if word in ("true", "false") else self.fail(f"{column.name} is true or false", token)
        return self._figure(column, token) if column.is_figure else token.text

    def _figure(self, column: Column, token: Token) -> float:
        try:
            return float(token.text) if token.text.startswith("-") else parse_amount(unit_of(column), token.text)
        except ValueError:
            units = ", ".join(suffix for suffix in SUFFIXES[unit_of(column)] if suffix)
            self.fail(f"{column.name} is a number{f' (with {units})' if units else ''}, not {token.text!r}", token)


def unit_of(column: Column) -> Unit:
    """The unit of a column's figures."""
    if column.name.endswith("_seconds"):
        return "seconds"
    return "usd" if column.name == "cost_usd" else "tokens" if "tokens" in column.name else "count"


def parse(text: str) -> Condition:
    """Read a condition.

    Raises:
        WhereError: it is none.
    """
    parser = Parser(text)
    found = parser.condition()
    if parser.next.kind != "end":
        parser.fail("expected and, or, or the end")
    return found


def both(conditions: Sequence[Condition | None]) -> Condition | None:
    """All of several conditions; None when there is none."""
    given = tuple(each for each in conditions if each is not None)
    return given[0] if len(given) == 1 else And(given) if given else None


def columns_of(condition: Condition | None) -> Iterator[Column]:
    """The columns that a condition looks at."""
    if isinstance(condition, (And, Or)):
        for each in condition.of:
            yield from columns_of(each)
    elif isinstance(condition, Not):
        yield from columns_of(condition.of)
    elif condition is not None:
        yield condition.column


Row = Any
Getter = Callable[[Row], Any]


def predicate(condition: Condition, getter: Callable[[Column], Getter]) -> Callable[[Row], bool]:
    """A condition as a function of a row, whose values the getters read."""
    if isinstance(condition, Not):
        inner = predicate(condition.of, getter)
        return lambda row: not inner(row)
    if isinstance(condition, (And, Or)):
        parts = [predicate(each, getter) for each in condition.of]
        judge = all if isinstance(condition, And) else any
        return lambda row: judge(part(row) for part in parts)
    return _leaf(condition, getter(condition.column))


def _leaf(condition: Compare | In | Match | Length, get: Getter) -> Callable[[Row], bool]:
    if isinstance(condition, In):
        values = frozenset(condition.values)
        return lambda row: get(row) in values
    if isinstance(condition, Match):
        return _matches(condition, get)
    if isinstance(condition, Length):
        least, most = condition.least, condition.most
        return lambda row: (found := get(row)) is not None and least <= len(found) <= most
    value = condition.value
    if condition.op == "=":
        return lambda row: get(row) == value
    compare = ORDER[condition.op]
    return lambda row: (found := get(row)) is not None and compare(found, value)


def _matches(condition: Match, get: Getter) -> Callable[[Row], bool]:
    pattern = condition.pattern
    if condition.how == "contains":
        return lambda row: (found := get(row)) is not None and pattern in found
    signs = {"%": ".*", "_": "."}
    matches = re.compile("".join(signs.get(char, re.escape(char)) for char in pattern), re.DOTALL).fullmatch
    return lambda row: (found := get(row)) is not None and matches(found) is not None
