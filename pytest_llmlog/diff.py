"""What differs between two values, as text for a person; the only importer of deepdiff."""

from __future__ import annotations

import difflib
from itertools import zip_longest
from typing import Any


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def lines(old: str, new: str) -> list[str]:
    """A unified diff of two texts, without the file header; ``-`` is recorded, ``+`` is now."""
    return list(difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=2))[2:]


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


def fields(old: Any, new: Any) -> list[str]:
    """Name each place where two JSON values differ, with both values; empty when they are equal."""
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
