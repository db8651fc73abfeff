"""The streaming reader: every line once, typed, only the columns that are asked for, past every fault."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import Annotated, Any, BinaryIO, NamedTuple, TypeVar

import msgspec

from pytest_llmlog import log
from pytest_llmlog.query.columns import COLUMNS, Column, base, is_label
from pytest_llmlog.query.sources import ENDS_EARLY, Advance, Damage, Fault, Source, opened

T = TypeVar("T")

REFUSING = ("refusal", "blocked")
"""Kinds of parts of an answer that stand where the answer was refused."""

WIDEST = 2**63 - 1
"""The greatest whole number of a database's 64 bits."""

TYPES: dict[str, Any] = {
    "text": str | None,
    "texts": list[str | None] | None,
    "whole": Annotated[int, msgspec.Meta(ge=-WIDEST, le=WIDEST)] | None,
    "number": float | None,
    "truth": bool | None,
    "labels": dict[str, Any] | None,
    "refusal": Any,
    "calls": list[Any] | None,
}


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Offset and line; of one over the reading limit only the beginning, without its end."""
    offset = 0
    while line := file.readline(log.READ_LIMIT):
        start = offset
        offset += len(line)
        more = line
        while not more.endswith(b"\n") and (more := file.readline(log.READ_LIMIT)):
            offset += len(more)
        yield start, line


def _no_constant(_: str) -> None:
    return None


class Place(NamedTuple):
    """Where a line is: the source's name, the line from 1, its first byte from 0."""

    source: str
    line: int
    offset: int

    def fault(self, reason: str, within: int = 0) -> Fault:
        return Fault(self.source, self.line, self.offset + within, reason)


def _values(line: bytes, place: Place, damage: Damage) -> Iterator[Any]:
    """What a line holds that the quick decoder did not take: the log's own reader judges it, and salvages what it can."""
    for part in log.read(io.BytesIO(line)):
        if part.fault is None:
            yield part.value
            continue
        try:  # NaN and Infinity are no JSON, and a record that holds one is still readable
            yield json.loads(line[part.offset :], parse_constant=_no_constant)
        except (ValueError, RecursionError):
            fault = place.fault(part.fault, part.offset)
            if part.unfinished:
                damage.unfinished = fault
            else:
                damage.add(fault)


def _check_text(line: bytes) -> None:
    """See that a line is UTF-8: what no column asks for is not looked at by the decoder.

    Raises:
        UnicodeDecodeError: it is not.
    """
    if not line.isascii():
        line.decode()


def judged(
    line: bytes, place: Place, decode: Callable[[bytes], T], convert: Callable[[Any], T | None], damage: Damage
) -> Iterator[T]:
    """The records that a line holds: one, or what is left of several."""
    try:
        _check_text(line)
        yield decode(line)
        return
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    if len(line) >= log.READ_LIMIT:
        damage.add(place.fault(f"longer than {log.READ_LIMIT} bytes"))
        return
    for value in _values(line, place, damage):
        if (made := convert(value)) is None:
            damage.add(place.fault("no record"))
        else:
            yield made


def read(
    source: Source,
    decode: Callable[[bytes], T],
    convert: Callable[[Any], T | None],
    damage: Damage,
    advance: Advance = lambda _: None,
) -> Iterator[T]:
    """Read a source record by record in flat memory.

    Args:
        source: what to read.
        decode: reads a whole line, and raises where anything is unusual about it.
        convert: makes the same of parsed JSON, None where it is no record.
        damage: takes what cannot be read.
        advance: told of the bytes read.
    """
    number = offset = 0
    try:
        with opened(source, advance) as file:
            for number, (offset, line) in enumerate(_lines(file), start=1):
                try:  # here and not by judged, whose generator would cost as much as the decoding
                    _check_text(line)
                    yield decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    yield from judged(line, Place(source.name, number, offset), decode, convert, damage)
    except ENDS_EARLY as exc:
        damage.cut = Fault(source.name, number + 1, offset, f"the compressed file ends early or is damaged: {exc}")
        damage.add(damage.cut)


def _whole(value: Any) -> int | None:
    number = _number(value)
    found = None if number is None else int(value) if isinstance(value, int) else round(number)
    return found if found is not None and abs(found) <= WIDEST else None


def _number(value: Any) -> float | None:
    try:
        number = float(value) if isinstance(value, (int, float, str)) else math.nan
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def refusal(messages: Any) -> str | None:
    """What an answer says in refusing, as OpenAI's ``refusal``, or why its prompt was blocked, as Gemini's ``blockReason``."""
    for message in messages if isinstance(messages, list) else ():
        parts = message.get("parts") if isinstance(message, dict) else None
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict) and part.get("type") in REFUSING:
                return _text(part.get("content")) or _text(part.get("blockReason")) or str(part["type"])
    return None


WORDS = {
    "true": True,
    "t": True,
    "yes": True,
    "y": True,
    "1": True,
    "false": False,
    "f": False,
    "no": False,
    "n": False,
    "0": False,
}


def _truth(value: Any) -> bool | None:
    return WORDS.get(value.lower()) if isinstance(value, str) else bool(value) if isinstance(value, (int, float)) else None


CASTS: dict[str, Callable[[Any], Any]] = {
    "text": _text,
    "texts": lambda value: list(map(_text, value)) if isinstance(value, list) else None,
    "whole": _whole,
    "number": _number,
    "truth": _truth,
    "labels": lambda value: value if isinstance(value, dict) else None,
    "refusal": lambda value: value,
    "calls": lambda value: value if isinstance(value, list) else None,
}
"""Values of another type than their column's, as DuckDB reads them: what has no meaning there is unknown."""


class Plan:
    """How lines become rows that hold the columns asked for, and how their values are read."""

    def __init__(self, columns: Iterable[Column]) -> None:
        wanted = dict.fromkeys([COLUMNS["timestamp"], *map(base, columns)])
        flat = [column for column in wanted if len(column.path) == 1]
        self._inside = [column for column in wanted if len(column.path) == 2]
        self._flat = flat
        inner = [(column.path[1], TYPES[column.kind], None) for column in self._inside]
        self._usage = msgspec.defstruct("Usage", inner, gc=False)
        fields = [(column.name, TYPES[column.kind], None) for column in flat if column.name != "timestamp"]
        renamed = {column.name: column.path[0] for column in flat}
        usage = [("usage", self._usage | None, None)] if inner else []
        self._row = msgspec.defstruct("Row", [("timestamp", str), *fields, *usage], gc=False, rename=renamed)
        self.decode = msgspec.json.Decoder(self._row).decode

    def convert(self, value: Any) -> Any:
        """A row from parsed JSON with whatever types; None when it is no record."""
        if not isinstance(value, dict) or value.get("timestamp") is None:
            return None
        cells = {column.name: CASTS[column.kind](value.get(column.path[0])) for column in self._flat}
        if self._inside:
            usage = value.get("usage")
            inner = usage if isinstance(usage, dict) else {}
            cells["usage"] = self._usage(**{each.path[1]: CASTS[each.kind](inner.get(each.path[1])) for each in self._inside})
        return self._row(**cells)

    def rows(self, sources: Iterable[Source], damage: Damage, advance: Advance = lambda _: None) -> Iterator[Any]:
        """Every record of the sources."""
        for source in sources:
            yield from read(source, self.decode, self.convert, damage, advance)

    def whole(self, source: Source, damage: Damage, advance: Advance = lambda _: None) -> Iterator[tuple[Any, bytes]]:
        """Every record of a source as its row and as the JSON it is."""
        return read(source, self._whole, self._convert_whole, damage, advance)

    def of_line(self, line: bytes, name: str, damage: Damage) -> Iterator[tuple[Any, bytes]]:
        """The same of one line by itself; ``name`` says where it is from."""
        return judged(line, Place(name, 0, 0), self._whole, self._convert_whole, damage)

    def _whole(self, line: bytes) -> tuple[Any, bytes]:
        return self.decode(line), line.rstrip(b"\r\n")

    def _convert_whole(self, value: Any) -> tuple[Any, bytes] | None:
        row = self.convert(value)
        return None if row is None else (row, msgspec.json.encode(value))


def getter(column: Column) -> Callable[[Any], Any]:
    """How a row's value in a column is read."""
    if column.name == "day":
        return lambda row: row.timestamp[:10]
    if column.name == "failures":
        return lambda row: int(row.status == "failure")
    if column.name == "calls":
        return lambda _: 1
    if column.kind == "texts":
        get = attrgetter(column.name)
        return lambda row: ",".join(each for each in get(row) or () if each is not None) or None
    if column.kind == "labels":
        return lambda row: None if row.labels is None else msgspec.json.encode(row.labels).decode()
    if column.kind == "calls":
        return lambda row: msgspec.json.encode(row.tool_calls).decode() if row.tool_calls else None
    if column.kind == "refusal":
        return lambda row: refusal(row.refusal)
    if is_label(column):
        name = column.path[1]
        return lambda row: _text(row.labels.get(name)) if row.labels else None
    if len(column.path) == 2:
        inner = attrgetter(column.path[1])
        return lambda row: None if row.usage is None else inner(row.usage)
    return attrgetter(column.name)
