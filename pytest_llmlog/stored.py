"""Runs of tests that are kept: in a log, in goldens, in goldens at a git reference."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, cast

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from pytest_llmlog import files, golden, log, unpacking
from pytest_llmlog.errors import ConfigError, LogError
from pytest_llmlog.record import Interaction, RunResult

Run = Sequence[Interaction]
"""The calls that one run of a test made, in order."""

_REPEAT = re.compile(r"(?:-#\d+|\[#\d+)\]$")


class Stored(Struct, frozen=True):
    """Tests with their runs, oldest first.

    Attributes:
        name: where they are from, for a person.
        tests: the runs of each test, by the id that its repeats share.
        passes: how many of how many runs of a test passed, as far as summaries tell.
        faults: what could not be read of the log, by line and byte.
    """

    name: str
    tests: Mapping[str, Sequence[Run]]
    passes: Mapping[str, tuple[int, int]] = {}
    faults: Sequence[str] = ()


def base_id(test_id: str) -> str:
    """The id that all repeats of a test share: ``test_a[#2]`` and ``test_a[case-#2]`` are runs of ``test_a`` and ``test_a[case]``."""
    found = _REPEAT.search(test_id)
    if found is None:
        return test_id
    return test_id[: found.start()] + ("]" if found[0].startswith("-") else "")


def of_log(path: Path, *, run: str | None = None, before: str | None = None) -> Stored:
    """Runs that a log holds.

    Args:
        path: the log.
        run: the run's id or the beginning of one, ``last``, or None for all runs.
        before: the id of a run that is left out: the one that is compared with the others.

    Raises:
        ConfigError: the log has no such run, or the beginning fits several.
        LogError: the log cannot be read.
    """
    runs: dict[str, dict[str, list[Interaction]]] = {}
    begun: dict[str, str] = {}
    faults: list[str] = []
    for call in interactions(path, fault=faults.append):
        wanted = run in (None, "last") or call.run_id.startswith(run or "")
        if call.test_id is None or call.run_id == before or not wanted:
            continue
        if run == "last" and call.run_id not in runs:
            if call.run_id in begun or call.timestamp < max(begun.values(), default=""):
                continue  # of two runs that go on at once, the one that began last
            runs.clear()
        begun.setdefault(call.run_id, call.timestamp)
        runs.setdefault(call.run_id, {}).setdefault(call.test_id, []).append(call)
    if run is not None and len(runs) != 1:
        raise ConfigError(f"baseline {run!r}: {'several runs begin so' if runs else 'there is no such run'} in {path}")
    tests: dict[str, list[Run]] = {}
    for made in runs.values():
        for test_id, calls in made.items():
            tests.setdefault(base_id(test_id), []).append(calls)
    return Stored(f"run {next(iter(runs))[:8]}" if run is not None else str(path), tests, _passes(path, runs), faults)


def interactions(path: Path, offset: int = 0, fault: Callable[[str], object] = len) -> Iterator[Interaction]:
    """The valid records of a log, compressed or not, from a byte on; ``fault`` is told where something else is, and why.

    A last line that is still being written is none.

    Raises:
        LogError: the log cannot be opened, or ends early.
    """
    try:
        with path.open("rb", buffering=0) as raw, unpacking.unpacked(cast("BinaryIO", raw)) as file:
            file.seek(offset)
            for line in log.read(cast("BinaryIO", file)):
                try:
                    if line.fault is None:
                        yield msgspec.convert(line.value, Interaction)
                    elif not line.unfinished:
                        fault(line.told(path))
                except msgspec.ValidationError as exc:
                    fault(line.told(path, str(exc)))
    except (OSError, *unpacking.ENDS_EARLY) as exc:
        raise LogError(path, getattr(exc, "strerror", None) or str(exc)) from exc


def summary_path(log_path: Path, run_id: str) -> Path:
    """Where the summary of a run is kept, beside its log."""
    return log_path.parent / "runs" / f"{run_id}.json"


def _passes(log_path: Path, run_ids: Iterable[str]) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for run_id in run_ids:
        try:
            summary = msgspec.json.decode(files.read_whole(summary_path(log_path, run_id)), type=RunResult)
        except (OSError, ValueError):
            continue  # a summary is a help; its log is what counts
        repeated = {test.repeat.of for test in summary.tests if test.repeat is not None}
        for test in summary.tests:
            if test.repeat is None and test.test_id in repeated:
                continue  # the verdict on its runs
            passed, total = found.get(base_id(test.test_id), (0, 0))
            found[base_id(test.test_id)] = passed + test.passed, total + 1
    return found


def of_goldens(name: str, texts: Iterable[tuple[Path, bytes]]) -> Stored:
    """Goldens, each a run of its test.

    Raises:
        GoldenError: one of them is damaged.
    """
    found = (golden.parse(path, text) for path, text in texts)
    return Stored(name, {each.test_id: [each.interactions] for each in found})


def _goldens_below(folder: Path) -> Iterator[tuple[Path, bytes]]:
    paths = [folder] if folder.is_file() else sorted(folder.rglob("*.json"))
    for path in paths:
        text = golden.read(path)
        if text is not None and b'"golden_version"' in text[:200]:
            yield path, text


def is_golden(path: Path) -> bool:
    """Whether a file begins like a golden.

    Raises:
        LogError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return b'"golden_version"' in file.read(200)
    except OSError as exc:
        raise LogError(path, exc.strerror or str(exc)) from exc


def of_git(reference: str, root: Path) -> Stored:
    """The goldens below a folder as they stand at a git reference.

    Raises:
        ConfigError: no repository, or no such reference.
        GoldenError: one of them is damaged.
    """
    commit = commit_of(reference, root)
    listed = _git(root, "ls-tree", "-r", "-z", "--name-only", commit, "--", ".") or b""
    paths = (root / name for name in listed.decode("utf-8", "surrogateescape").split("\0") if name.endswith(".json"))
    texts = ((path, file_at(commit, path, root)) for path in paths)
    goldens = ((path, text) for path, text in texts if text is not None and b'"golden_version"' in text[:200])
    return of_goldens(f"git:{reference}", goldens)


def commit_of(reference: str, root: Path) -> str:
    """The commit that a reference means.

    Raises:
        ConfigError: no repository, or no such reference.
    """
    found = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{reference}^{{commit}}")
    if found is None:
        raise ConfigError(f"baseline git:{reference}: {root} is in no git repository that knows {reference!r}")
    return found.decode().strip()


def file_at(commit: str, path: Path, root: Path | None = None) -> bytes | None:
    """A file as it stands at a commit; None where it is not there."""
    folder = root or path.parent
    return _git(folder, "show", f"{commit}:./{path.relative_to(folder).as_posix()}") if folder.is_dir() else None


def _git(folder: Path, *arguments: str) -> bytes | None:
    """What git prints; None when it fails."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=False)
    except OSError as exc:
        raise ConfigError(f"git cannot be run: {exc.strerror}") from exc
    return done.stdout if done.returncode == 0 else None


def resolve(text: str, root: Path, log_path: Path, before: str | None = None) -> Stored:
    """Find what a person names: ``git:REF``, ``last``, a run's id or its beginning, or a log, a golden or a folder of goldens.

    Raises:
        ConfigError: it is none of these.
        GoldenError: a golden is damaged.
        LogError: a log cannot be read.
    """
    if text.startswith("git:"):
        return of_git(text.removeprefix("git:"), root)
    path = root / text
    if path.exists():
        if path.is_dir() or is_golden(path):
            return of_goldens(text, _goldens_below(path))
        return replace(of_log(path, before=before), name=text)
    if re.fullmatch(r"last|[0-9a-f]{4,32}", text):
        return of_log(log_path, run=text, before=before)
    raise ConfigError(
        f"baseline {text!r}: expected golden, git:REF, last, a run's id, the path of a log or of goldens; there is no file {path}"
    )
