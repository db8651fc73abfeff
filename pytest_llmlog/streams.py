"""Credentials that a stream brings in parts: cut by a chunk's end, or over the texts of its events."""

from __future__ import annotations

import base64
import json
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import accumulate, pairwise
from typing import Any

from rapidfuzz.distance import Postfix, Prefix

from pytest_llmlog.providers import eventstream
from pytest_llmlog.redact import Redactor, unescaped
from pytest_llmlog.traffic import UNPARSED, Response, parse_events, parse_json

BETWEEN = b" \0 "
"""Stands between texts that are searched together: nothing that is shaped like a key goes on behind it."""

_ESCAPES = (b"\\u", b"\\/")
"""What JSON may spell otherwise than it is written here."""


def is_escaped(body: bytes) -> bool:
    return b"\\" in body and any(escape in body for escape in _ESCAPES)  # one byte is found ten times faster than two


def without_credentials(value: Any, redactor: Redactor) -> tuple[bytes, int]:
    """A JSON value's text, written without escapes, and how many credentials there were."""
    text = _compact(value)
    plain = unescaped(text.decode("utf-8", "surrogatepass")) if is_escaped(text) else text.decode("utf-8", "surrogatepass")
    clean, count = redactor.without_credentials(plain)
    return clean.encode("utf-8", "surrogatepass"), count


_EVENT_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_LINE_END = re.compile(rb"\n")

_NUMBERS = ("index", "output_index", "content_index", "item_id")
"""Fields of an event that say which of several texts it goes on with."""


class _Event:
    """One event of a stream, as it came, with the JSON inside of it."""

    def __init__(self, seconds: float, data: bytes) -> None:
        self.seconds, self.data = seconds, data
        self.value = self._read()

    def _read(self) -> Any:
        return parse_json(self.data)

    def redact(self, redactor: Redactor) -> int:
        """Clean the event's own text; return how many credentials there were."""
        self.data, count = redactor.bytes(self.data)
        if count:
            self.value = self._read()
        if is_escaped(self.data) and self.value is not UNPARSED:
            text, hidden = without_credentials(self.value, redactor)
            if hidden:
                self.value, count = parse_json(text), count + hidden
                self.write()
        return count

    def write(self) -> None:
        """Write the value, which has changed, into the event."""
        self.data = _compact(self.value) + (b"\n" if self.data.endswith(b"\n") else b"")


class _Element(_Event):
    """One value of a JSON list, which is written as a whole."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def write(self) -> None:
        """The list is written when all are."""


class _ServerSent(_Event):
    def _read(self) -> Any:
        found = parse_events(self.data)
        return found[0].json if found else UNPARSED

    def write(self) -> None:
        lines = [line for line in re.split(rb"\r\n|\n|\r", self.data) if line and line.partition(b":")[0] != b"data"]
        self.data = b"\n".join([*lines, b"data: " + _compact(self.value)]) + b"\n\n"


class _Message(_Event):
    """A message of Amazon's binary stream. A model's own event stands in it as base64."""

    @property
    def _payload(self) -> bytes:
        return self.data[next(eventstream.frames(self.data))[1] : -4]

    def _read(self) -> Any:
        value = parse_json(self._payload)
        if not isinstance(value, dict) or not isinstance(value.get("bytes"), str):
            return value
        try:
            return {**value, "bytes": parse_json(base64.b64decode(value["bytes"]))}
        except ValueError:
            return value

    def redact(self, redactor: Redactor) -> int:
        hidden = 0
        if isinstance(self.value, dict) and isinstance(self.value.get("bytes"), (dict, list)):
            inner, hidden = redactor.bytes(_compact(self.value["bytes"]))
            if hidden:
                self.value["bytes"] = parse_json(inner)
                self.write()
        payload, count = redactor.bytes(self._payload)
        if count:
            self.data = eventstream.with_payload(self.data, payload)
        return hidden + count

    def write(self) -> None:
        value = self.value
        if isinstance(value, dict) and isinstance(value.get("bytes"), (dict, list)):
            value = {**value, "bytes": base64.b64encode(_compact(value["bytes"])).decode()}
        self.data = eventstream.with_payload(self.data, _compact(value))


def _compact(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _cuts(response: Response) -> tuple[type[_Event], list[int]] | None:
    """How the events of a stream are read, and where they end; None when it is no stream of events."""
    body = response.body
    if eventstream.looks_like(body):
        ends = [end for _, _, end in eventstream.frames(body)]
        return (_Message, ends) if ends else None
    if response.is_event_stream:
        return _ServerSent, [match.end() for match in _EVENT_END.finditer(body)]
    if response.is_json_lines or (len(response.pieces) > 1 and response.json is UNPARSED and body[:1] == b"{"):
        return _Event, [match.end() for match in _LINE_END.finditer(body)]
    return None


def _events(response: Response, kind: type[_Event], cuts: list[int]) -> list[_Event]:
    """Each event with the time at which its last byte was there; what is behind the last whole message is left out."""
    ends = list(accumulate(len(piece) for _, piece in response.pieces))
    whole = [0, *cuts] if kind is _Message or (cuts and cuts[-1] == len(response.body)) else [0, *cuts, len(response.body)]
    return [
        kind(response.pieces[bisect_left(ends, end)][0], response.body[start:end]) for start, end in pairwise(whole) if end > start
    ]


_Leaf = tuple[int, dict[str, Any], str]
"""A text by the number of its event, and by the object and the name that hold it."""


_Place = tuple[str, tuple[int | str, ...], tuple[str | int, ...]]
"""Where texts stand: the name that holds them, the numbers that the event gives, and the path to them."""


def _collect(number: int, value: Any, place: _Place, parts: dict[_Place, list[_Leaf]]) -> None:
    """Put every text of an event's value to those at its place."""
    _, numbers, path = place
    if isinstance(value, dict):
        numbers = (*numbers, *(value[name] for name in _NUMBERS if name in value and isinstance(value[name], (int, str))))
        for name, entry in value.items():
            if isinstance(entry, str):
                parts.setdefault((name, numbers, path), []).append((number, value, name))
            elif isinstance(entry, (dict, list)):
                _collect(number, entry, (name, numbers, (*path, name)), parts)
    elif isinstance(value, list):
        for order, entry in enumerate(value):
            if isinstance(entry, (dict, list)):
                is_numbered = isinstance(entry, dict) and not entry.keys().isdisjoint(_NUMBERS)
                _collect(number, entry, ("", numbers, path if is_numbered else (*path, order)), parts)


def _parts(values: Iterable[Any]) -> list[list[_Leaf]]:
    """The texts that the values of events bring in parts, where they differ.

    They are of one name and number, whatever the place: a text begins in a block's start, say, and goes on in its deltas, or has
    several parts in one event. Then those of one and the same place; and last those of one name, because some events lack the number.
    """
    parts: dict[_Place, list[_Leaf]] = {}
    for number, value in enumerate(values):
        with suppress(RecursionError):
            _collect(number, value, ("", (), ()), parts)
    groups = [*_joined(parts, 2), *parts.values(), *_joined(parts, 1)]
    return [leaves for leaves in groups if len({holder[name] for _, holder, name in leaves}) > 1]


def _joined(parts: dict[_Place, list[_Leaf]], alike: int) -> Iterator[list[_Leaf]]:
    """The texts of several places that begin alike, in the order of the events."""
    groups: dict[tuple[Any, ...], list[list[_Leaf]]] = {}
    for place, leaves in parts.items():
        groups.setdefault(place[:alike], []).append(leaves)
    for found in groups.values():
        if len(found) > 1:
            yield sorted((leaf for leaves in found for leaf in leaves), key=lambda leaf: leaf[0])


def _texts(leaves: list[_Leaf]) -> list[str]:
    return [holder[name] for _, holder, name in leaves]


def _spread(old: str, new: str, parts: list[str]) -> list[str]:
    """Cut the new text up like the old one: what they begin and end with stays in its part, the rest goes into one."""
    begin = Prefix.similarity(old, new)
    same = Postfix.similarity(old[begin:], new[begin:])
    end, middle = len(old) - same, new[begin : len(new) - same]
    result, start = [], 0
    for part in parts:
        stop = start + len(part)
        text = old[start : min(stop, begin)]
        if stop > begin:
            text, middle = text + middle, ""
        result.append(text + old[max(start, end) : stop])
        start = stop
    result[-1] += middle
    return result


def _across(events: list[_Event], redactor: Redactor) -> int:
    """Clean the texts that no single event holds; return how many credentials there were."""
    total = 0
    for leaves in _parts(event.value for event in events):
        parts = _texts(leaves)
        old = "".join(parts)
        new, count = redactor.text(old)
        if not count and is_escaped(old.encode("utf-8", "surrogatepass")):
            new, count = redactor.without_credentials(unescaped(old))
        total += count
        if count:
            for (number, holder, name), before, text in zip(leaves, parts, _spread(old, new, parts), strict=True):
                if text != before:
                    holder[name] = text
                    events[number].write()
    return total


def _varying(values: list[Any]) -> list[Any]:
    """The values of events, of which those after the first lack what is the same in all: no text goes on in that."""
    if len(values) < 2 or not all(isinstance(value, dict) for value in values):
        return values
    first, *others = values
    same = {name for name in first if name not in _NUMBERS and all(other.get(name, _NONE) == first[name] for other in others)}
    return [first, *({name: entry for name, entry in other.items() if name not in same} for other in others)]


_NONE = object()


def holds_across(response: Response, redactor: Redactor) -> bool:
    """Whether the events together hold what none of them does; most streams do not, and are left as they are."""
    values = _values(response)
    texts = ["".join(_texts(leaves)) for leaves in _parts(_varying(values))]
    if redactor.has_own_step and any(redactor.text(text)[1] for text in texts):
        return True
    if is_escaped(response.body):
        texts += [_compact(value).decode("utf-8", "surrogatepass") for value in values]
    found = BETWEEN.join(text.encode("utf-8", "surrogatepass") for text in texts)
    if is_escaped(found):
        found += BETWEEN + unescaped(found.decode("utf-8", "surrogatepass")).encode("utf-8", "surrogatepass")
    return not redactor.is_clean(found)


def _values(response: Response) -> list[Any]:
    """The values of a stream's events, parsed once, for the record's reader too."""
    if (elements := _elements(response)) is not None:
        return elements
    if not eventstream.looks_like(response.body):
        return list(response.chunks or ())
    cuts = _cuts(response)
    return [event.value for event in _events(response, *cuts)] if cuts else []


def _elements(response: Response) -> list[Any] | None:
    """Those of a stream that is one JSON list, as Gemini's is unless events are asked for."""
    is_list = is_json_list(response.body) and not response.is_event_stream and isinstance(response.json, list)
    return response.json if is_list else None


def is_json_list(body: bytes) -> bool:
    """Whether a body begins as one."""
    return body[:64].lstrip().startswith(b"[")


def clean(response: Response, redactor: Redactor) -> tuple[list[tuple[float, bytes]], int] | None:
    """The events without credentials, each a chunk of its own at the time at which it was whole, and how many credentials there were.

    None when it is no stream of events, or one JSON list of which each element holds its credentials alone.
    """
    elements = _elements(response)
    if elements is not None:
        count = _across([_Element(value) for value in elements], redactor)
        text, more = without_credentials(elements, redactor)
        return ([(response.pieces[-1][0], text)], count + more) if count else None
    cuts = _cuts(response)
    if cuts is None:
        return None
    events = _events(response, *cuts)
    count = _across(events, redactor)  # first: the beginning of a key may look like one by itself
    count += sum(event.redact(redactor) for event in events)
    return [(event.seconds, event.data) for event in events], count
