"""What a run is compared with: the goldens, goldens as they stand at a git reference, or runs that a log holds."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from pytest_llmlog import golden, log
from pytest_llmlog.errors import ConfigError, LogError
from pytest_llmlog.record import Interaction, RunResult

Run = Sequence[Interaction]
"""The calls that one run of a test made, in order."""

_REPEAT = re.compile(r"(?:-#\d+|\[#\d+)\]$")


class Baseline(Struct, frozen=True):
    """Earlier runs of tests.

    Attributes:
        name: what it is, for a person.
        explicit: whether it was asked for; the golden is what every test is compared with by itself.
        runs_of: the earlier runs of a test, oldest first, by its id and its golden's path; empty where there are none.
        passes_of: how many of how many earlier runs of a test passed, as far as their summaries tell.
    """

    name: str
    explicit: bool
    runs_of: Callable[[str, Path | None], Sequence[Run]]
    passes_of: Callable[[str], tuple[int, int]] = lambda _: (0, 0)


def base_id(test_id: str) -> str:
    """The id that all repeats of a test share: ``test_a[#2]`` and ``test_a[case-#2]`` are runs of ``test_a`` and ``test_a[case]``."""
    found = _REPEAT.search(test_id)
    if found is None:
        return test_id
    return test_id[: found.start()] + ("]" if found[0].startswith("-") else "")


def of_goldens() -> Baseline:
    """The goldens as they stand in the working tree."""

    def runs_of(_: str, path: Path | None) -> Sequence[Run]:
        text = golden.read(path) if path is not None else None
        return [] if path is None or text is None else [golden.interactions(path, text)]

    return Baseline("golden", False, runs_of)


def of_git(reference: str, root: Path) -> Baseline:
    """The goldens as they stand at a git reference.

    Raises:
        ConfigError: no repository, or no such reference.
    """
    found = _git(root, "rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}")
    if found is None:
        raise ConfigError(f"baseline git:{reference}: {root} is in no git repository that knows {reference!r}")
    commit = found.decode().strip()

    def runs_of(_: str, path: Path | None) -> Sequence[Run]:
        text = _git(path.parent, "show", f"{commit}:./{path.name}") if path is not None and path.parent.is_dir() else None
        return [] if path is None or text is None else [golden.interactions(path, text)]

    return Baseline(f"git:{reference}", True, runs_of)


def _git(folder: Path, *arguments: str) -> bytes | None:
    """What git prints; None when it fails."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=False)
    except OSError as exc:
        raise ConfigError(f"git cannot be run: {exc.strerror}") from exc
    return done.stdout if done.returncode == 0 else None


def of_log(path: Path, *, run: str | None = None, before: str | None = None) -> Baseline:
    """Runs that a log holds.

    Args:
        path: the log.
        run: the run's id or the beginning of one, ``last``, or None for all runs.
        before: the id of the run that is judged, which is no baseline of its own.

    Raises:
        ConfigError: the log has no such run, or the beginning fits several.
        LogError: the log cannot be read.
    """
    runs: dict[str, dict[str, list[Interaction]]] = {}
    for call in interactions(path):
        wanted = run in (None, "last") or call.run_id.startswith(run or "")
        if call.test_id is None or call.run_id == before or not wanted:
            continue
        if run == "last" and call.run_id not in runs:
            runs.clear()
        runs.setdefault(call.run_id, {}).setdefault(call.test_id, []).append(call)
    if run is not None and len(runs) != 1:
        raise ConfigError(f"baseline {run!r}: {'several runs begin so' if runs else 'there is no such run'} in {path}")
    tests: dict[str, list[Run]] = {}
    for made in runs.values():
        for test_id, calls in made.items():
            tests.setdefault(base_id(test_id), []).append(calls)
    name = f"run {next(iter(runs))[:8]}" if run is not None else str(path)
    passes = _passes(path.parent, runs)
    return Baseline(name, True, lambda test_id, _: tests.get(base_id(test_id), []), lambda test_id: passes.get(test_id, (0, 0)))


def summary_path(log_path: Path, run_id: str) -> Path:
    """Where the summary of a run is kept, beside its log."""
    return log_path.parent / "runs" / f"{run_id}.json"


def _passes(folder: Path, run_ids: Iterable[str]) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for run_id in run_ids:
        try:
            summary = msgspec.json.decode(summary_path(folder / "log", run_id).read_bytes(), type=RunResult)
        except (OSError, ValueError):
            continue  # a summary is a help; its log is what counts
        repeated = {test.repeat.of for test in summary.tests if test.repeat is not None}
        for test in summary.tests:
            if test.repeat is None and test.test_id in repeated:
                continue  # the verdict on its runs
            passed, total = found.get(base_id(test.test_id), (0, 0))
            found[base_id(test.test_id)] = passed + test.passed, total + 1
    return found


def interactions(path: Path, offset: int = 0) -> Iterator[Interaction]:
    """The valid records of a log from a byte on, without their wire; what cannot be read is passed over.

    Raises:
        LogError: the log cannot be opened.
    """
    try:
        file = path.open("rb")
    except OSError as exc:
        raise LogError(path, exc.strerror or str(exc)) from exc
    with file:
        file.seek(offset)
        for line in log.read(file):
            if line.fault is None:
                try:
                    yield msgspec.convert(line.value, Interaction)
                except msgspec.ValidationError:
                    continue


def resolve(text: str, root: Path, log_path: Path, run_id: str | None = None) -> Baseline:
    """Read what ``--llmlog-baseline`` may be: ``git:REF``, ``last``, a run's id or its beginning, or the path of a log.

    Raises:
        ConfigError: it is none of these.
        LogError: a log that cannot be read.
    """
    if not text or text == "golden":
        return of_goldens()
    if text.startswith("git:"):
        return of_git(text.removeprefix("git:"), root)
    if re.fullmatch(r"last|[0-9a-f]{4,32}", text):
        return of_log(log_path, run=text, before=run_id)
    path = root / text
    if not path.is_file():
        raise ConfigError(
            f"baseline {text!r}: expected golden, git:REF, last, a run's id, or the path of a log; there is no file {path}"
        )
    return of_log(path, before=run_id)
