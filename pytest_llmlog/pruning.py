"""Goldens that no test uses any more, by the record of a full run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from pytest_llmlog import golden
from pytest_llmlog.errors import ConfigError, GoldenError
from pytest_llmlog.pending import SKIPPED
from pytest_llmlog.record import Coverage, RunResult

FOLDER = "goldens"
"""The name of the folders that goldens are kept in, beside the tests."""


class FullRun(Struct, frozen=True):
    """A full run: its id, what it covered, and when it ended, in seconds since 1970."""

    run_id: str
    coverage: Coverage
    ended: float


class Unused(Struct, frozen=True):
    """A golden that no test of the run has. ``newer`` ones were written after it, and are left."""

    path: Path
    test_id: str
    newer: bool


def last_full_run(log: Path, beginning: str = "") -> FullRun:
    """The newest full run whose summary is kept beside a log.

    Raises:
        ConfigError: there is none.
    """
    found = []
    for path in (log.parent / "runs").glob(f"{beginning}*.json"):
        try:
            summary = msgspec.json.decode(path.read_bytes(), type=RunResult)
        except (OSError, ValueError):
            continue
        if summary.coverage is not None:
            found.append(FullRun(summary.run_id, summary.coverage, path.stat().st_mtime))
    if not found:
        raise ConfigError(
            f"{log.parent / 'runs'}: no record of a full run\n  fix: run all tests with pytest --llmlog, without -k, -x, --lf, single "
            "files, or a shard"
        )
    return max(found, key=lambda run: run.ended)


def _below(folder: Path, *, inside: bool) -> Iterator[Path]:
    """The JSON files in the goldens folders below a folder, or below one that is one; links are not followed."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in SKIPPED)
        if inside or FOLDER in Path(place).relative_to(folder.parent).parts:
            yield from (Path(place, name) for name in sorted(files) if name.endswith(".json"))


def unused(run: FullRun, root: Path) -> list[Unused]:
    """The goldens that no test of a full run has; what is no golden is none of them.

    Args:
        run: the run.
        root: the folder that its paths are relative to.
    """
    covered = run.coverage
    used = {(root / name).resolve() for name in covered.goldens}
    roots = [covered.golden_dir] if covered.golden_dir else covered.folders
    files = dict.fromkeys(path for each in roots for path in _below((root / each).resolve(), inside=bool(covered.golden_dir)))
    return [found for path in files if path not in used and (found := _judged(path, run))]


def _judged(path: Path, run: FullRun) -> Unused | None:
    text = golden.read(path)
    if path.is_symlink() or text is None or b'"golden_version"' not in text[:200]:
        return None
    try:
        test_id = golden.parse(path, text).test_id
    except GoldenError:
        return None  # damaged: to be looked at, not thrown away
    return Unused(path, test_id, path.stat().st_mtime > run.ended)


def delete(found: Sequence[Unused]) -> Iterator[Path]:
    """Delete goldens, and the folders that become empty; yield each path that is gone.

    Raises:
        GoldenError: one cannot be deleted.
    """
    for each in found:
        try:
            each.path.unlink()
            if each.path.parent.name != FOLDER and not any(each.path.parent.iterdir()):
                each.path.parent.rmdir()
        except OSError as exc:
            raise GoldenError(each.path, "$", f"cannot be deleted: {exc.strerror}", "make the folder writable") from exc
        yield each.path
