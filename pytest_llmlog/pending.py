"""Recordings that wait for review: found beside their goldens, described, accepted or rejected."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from pytest_llmlog import changes, golden
from pytest_llmlog.compare import Terms
from pytest_llmlog.errors import GoldenError
from pytest_llmlog.golden import Golden
from pytest_llmlog.metrics import METRICS, Totals, show
from pytest_llmlog.record import Interaction, subject

SUFFIX = ".json.new"

SKIPPED = frozenset({"node_modules", "__pycache__", "site-packages"})
"""Folders in which nobody keeps goldens; nor in those that begin with a dot."""

FIGURES = ("tokens", "cost_usd", "latency", "calls")


class Pending(Struct, frozen=True):
    """A recording that waits, and the golden it would replace."""

    path: Path
    now: Golden
    before: Golden | None

    @property
    def golden_path(self) -> Path:
        return self.path.with_name(self.path.name.removesuffix(".new"))


def find(root: Path) -> Iterator[Path]:
    """The pending recordings in a folder and below, in order of their paths; links to other folders are not followed."""
    if root.is_file():
        yield root
        return
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in SKIPPED)
        yield from (Path(folder, name) for name in sorted(files) if name.endswith(SUFFIX))


def load(path: Path) -> Pending:
    """Read a pending recording with its golden.

    Raises:
        GoldenError: one of them is missing or damaged.
    """
    text = golden.read(path)
    if text is None or not path.name.endswith(SUFFIX):
        raise GoldenError(path, "$", "is no pending recording", f"name a file that ends in {SUFFIX}")
    place = path.with_name(path.name.removesuffix(".new"))
    old = golden.read(place)
    return Pending(path, golden.parse(path, text), golden.parse(place, old) if old is not None else None)


def accept(pending: Pending, reason: str = "") -> None:
    """Make a recording the golden, with the reason inside.

    Raises:
        GoldenError: it cannot be written; then it still waits.
    """
    golden.save(pending.golden_path, replace(pending.now, reason=reason.strip()))
    _remove(pending.path)


def reject(pending: Pending) -> None:
    """Throw a recording away; the golden stays.

    Raises:
        GoldenError: it cannot be removed.
    """
    _remove(pending.path)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as exc:
        raise GoldenError(path, "$", f"cannot be removed: {exc.strerror}", "make the folder writable") from exc


def describe(pending: Pending) -> list[str]:
    """What would change, line by line: figures, calls, requests with what changed first, answers."""
    if pending.before is None:
        return ["no golden yet", *(f"new: call {n}: {subject(call)}" for n, call in enumerate(pending.now.interactions, start=1))]
    before, now = pending.before.interactions, pending.now.interactions
    lines = [*_figures(before, now), *changes.differences(before, now, Terms(), all_requests=True)]
    return lines or ["nothing but its timing"]


def _figures(before: Sequence[Interaction], now: Sequence[Interaction]) -> list[str]:
    old, new = Totals(before).values, Totals(now).values
    shown = (
        (METRICS[name].unit, name, old[name], new[name]) for name in FIGURES if name in old and name in new and old[name] != new[name]
    )  # fmt: skip
    return [f"{name} {show(unit, first)} → {show(unit, second)}" for unit, name, first, second in shown]


def resolve(names: Sequence[str], waiting: Sequence[Pending]) -> list[Pending]:
    """Find each recording that a name means: a test's id or an end of it, or the path of the recording or its golden.

    Raises:
        LookupError: a name fits none, or several; the text lists what waits.
    """
    return [_one(name, waiting) for name in names]


def _one(name: str, waiting: Sequence[Pending]) -> Pending:
    path = Path(name).absolute()
    found = [each for each in waiting if path in (each.path.absolute(), each.golden_path.absolute())]
    found = found or [each for each in waiting if each.now.test_id == name]
    found = found or [each for each in waiting if each.now.test_id.endswith((f"::{name}", f"/{name}"))]
    if len(found) == 1:
        return found[0]
    known = "".join(f"\n  {each.now.test_id}" for each in found or waiting) or " nothing"
    raise LookupError(f"{name!r} {'fits several of' if found else 'is not among'} the recordings that wait:{known}")
