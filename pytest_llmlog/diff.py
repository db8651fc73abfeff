"""What differs between two values, as text for a person; the only importer of deepdiff."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from itertools import islice, takewhile, zip_longest
from typing import Any


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except RecursionError:
        text = "…, nested too deeply to be shown"
    return text if len(text) <= 120 else f"{text[:117]}..."


LONGEST = 1000
"""Lines compared behind what two texts begin with: comparing takes the square of them, and nobody reads so far."""


def lines(old: str, new: str) -> list[str]:
    """A unified diff of two texts, without the file header; ``-`` is recorded, ``+`` is now."""
    before, now = old.splitlines(), new.splitlines()
    if max(len(before), len(now)) > LONGEST:
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, now, strict=False)))
        before, now = before[max(0, same - 2) :][:LONGEST], now[max(0, same - 2) :][:LONGEST]
    return list(difflib.unified_diff(before, now, lineterm="", n=2))[2:]


def _change(place: str, old: Any, new: Any) -> list[str]:
    if isinstance(old, str) and isinstance(new, str) and (len(old) > 60 or "\n" in old + new):
        changed = [f"  {line}" for line in lines(old, new) if not line.startswith("@@")]
        return [f"{place}:", *(changed or _line_ends(old, new))]
    return [f"{place}:", f"  - {_short(old)}", f"  + {_short(new)}"]


def _line_ends(old: str, new: str) -> list[str]:
    """The first line that differs, where only line ends do, so written that they can be seen."""
    pairs = zip_longest(old.splitlines(keepends=True), new.splitlines(keepends=True), fillvalue="")
    first, second = next((pair for pair in pairs if pair[0] != pair[1]), (old, new))
    return [f"  - {first[-60:]!r}", f"  + {second[-60:]!r}"]


def _place(path: str) -> str:
    """``root['body']['messages'][0]`` reads ``body.messages[0]``."""
    return path.removeprefix("root").replace("['", ".").replace("']", "").lstrip(".") or "$"


LARGE, DEEP, LARGE_SHOWN = 10_000, 100, 30
"""From so many values or levels on, only the first places that differ are looked for: all would take seconds, in a stranger's file
minutes, or more levels than Python has."""


def _is_large(value: Any) -> bool:
    """Whether a JSON value holds more than ``LARGE`` others, or one too deep; it is not looked at further than that."""
    waiting, count = [(value, 0)], 0
    while waiting and count <= LARGE:
        found, depth = waiting.pop()
        count += 1
        if depth > DEEP:
            return True
        inner = found.values() if isinstance(found, dict) else found[: LARGE + 1] if isinstance(found, list) else ()
        waiting += ((entry, depth + 1) for entry in inner)
    return count > LARGE


def _first(old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    """The places where two JSON values differ, in order, one after the other as they are asked for."""
    waiting = [("", old, new)]
    while waiting:
        place, first, second = waiting.pop()
        if isinstance(first, dict) and isinstance(second, dict):
            names = list(dict.fromkeys([*first, *second]))
            waiting += ((f"{place}.{name}".lstrip("."), first.get(name), second.get(name)) for name in reversed(names))
        elif isinstance(first, list) and isinstance(second, list):
            pairs = list(enumerate(zip_longest(first, second)))
            waiting += ((f"{place}[{index}]", *pair) for index, pair in reversed(pairs))
        elif _differs(first, second):
            yield place, first, second


def _differs(first: Any, second: Any) -> bool:
    try:
        return bool(first != second)
    except RecursionError:
        return True


def fields(old: Any, new: Any) -> list[str]:
    """Name each place where two JSON values differ, with both values; empty when they are equal."""
    if _is_large(old) or _is_large(new):
        return [
            line for place, first, second in islice(_first(old, new), LARGE_SHOWN) for line in _change(place or "$", first, second)
        ]
    from deepdiff import DeepDiff

    tree = DeepDiff(old, new, view="tree", verbose_level=2, threshold_to_diff_deeper=0)
    result: list[str] = []
    for kind, changes in tree.items():
        for change in changes:
            place = _place(change.path())
            if kind.endswith("_added"):
                result += [f"{place}:", f"  + {_short(change.t2)}"]
            elif kind.endswith("_removed"):
                result += [f"{place}:", f"  - {_short(change.t1)}"]
            else:
                result += _change(place, change.t1, change.t2)
    return result
