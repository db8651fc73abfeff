"""Counts what code of the package does, by the interpreter's own events: the same on every machine, however busy it is."""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

PACKAGE = "/pytest_llmlog/"

OPERATIONS = {
    "hashes": {"digest"},
    "parses": {"msgspec._core.json_decode", "Decoder.decode", "json.loads"},
    "opens": {"posix.open", "io.open", "posix.mkdir"},
    "writes": {"posix.write", "posix.writev", "posix.fsync", "posix.replace", "posix.rename"},
}
"""Functions, Python's and C's, of which a call is such an operation."""


def _name(frame: FrameType, event: str, what: Any) -> str:
    if event == "call":
        package = PACKAGE in frame.f_code.co_filename
        return frame.f_code.co_name if package else f"{frame.f_globals.get('__name__')}.{frame.f_code.co_name}"
    return f"{what.__module__}.{what.__name__}" if what.__module__ else what.__qualname__


@contextmanager
def counted(calls: int, path: Path) -> Iterator[None]:
    """Write what the code of the package does inside the block, for each of so many calls.

    ``functions`` are calls of Python functions of the package, the others are calls from its code of what ``OPERATIONS`` lists;
    ``imports`` are modules, in all.
    """
    seen: Counter[str] = Counter()

    def look(frame: FrameType, event: str, what: Any) -> None:
        caller = frame if event == "c_call" else frame.f_back
        if event == "call" and PACKAGE in frame.f_code.co_filename and not frame.f_code.co_name.startswith("<"):
            seen["functions"] += 1  # not what a comprehension is in an older Python
        if event in ("call", "c_call") and caller is not None and PACKAGE in caller.f_code.co_filename:
            seen[_name(frame, event, what)] += 1

    modules = len(sys.modules)
    threading.setprofile(look)
    sys.setprofile(look)
    try:
        yield
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
    imports = len(sys.modules) - modules
    counts = {kind: sum(seen[name] for name in names) / calls for kind, names in OPERATIONS.items()}
    told = {"functions": seen["functions"] / calls, **counts, "imports": imports}
    path.write_text(json.dumps(told))
