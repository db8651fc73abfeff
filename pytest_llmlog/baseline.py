"""What a run is compared with: the goldens, goldens as they stand at a git reference, or runs that a log holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from pytest_llmlog import golden, stored
from pytest_llmlog.stored import Run, Stored, base_id


class Baseline(Struct, frozen=True):
    """Earlier runs of tests.

    Attributes:
        name: what it is, for a person.
        explicit: whether it was asked for; the golden is what every test is compared with by itself.
        runs_of: the earlier runs of a test, oldest first, by its id and its golden's path; empty where there are none.
        passes_of: how many of how many earlier runs of a test passed, as far as their summaries tell.
        faults: what could not be read of a log.
    """

    name: str
    explicit: bool
    runs_of: Callable[[str, Path | None], Sequence[Run]]
    passes_of: Callable[[str], tuple[int, int]] = lambda _: (0, 0)
    faults: Sequence[str] = ()


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
    commit = stored.commit_of(reference, root)

    def runs_of(_: str, path: Path | None) -> Sequence[Run]:
        text = stored.file_at(commit, path) if path is not None else None
        return [] if path is None or text is None else [golden.interactions(path, text)]

    return Baseline(f"git:{reference}", True, runs_of)


def of_stored(found: Stored) -> Baseline:
    """Tests that a log or goldens hold, by their ids."""

    def runs_of(test_id: str, _: Path | None) -> Sequence[Run]:
        return found.tests.get(base_id(test_id), ())

    return Baseline(found.name, True, runs_of, lambda test_id: found.passes.get(test_id, (0, 0)), found.faults)


def resolve(text: str, root: Path, log_path: Path, run_id: str | None = None) -> Baseline:
    """Read what ``--llmlog-baseline`` may be: ``golden``, ``git:REF``, ``last``, a run's id or its beginning, or the path of a log.

    Raises:
        ConfigError: it is none of these.
        LogError: a log that cannot be read.
    """
    if not text or text == "golden":
        return of_goldens()
    if text.startswith("git:"):
        return of_git(text.removeprefix("git:"), root)
    return of_stored(stored.resolve(text, root, log_path, run_id))
