"""Goldens: the committed interactions of one test each, as files."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from pytest_llmlog import encode, files, matching, validation
from pytest_llmlog.errors import GoldenError
from pytest_llmlog.record import Interaction
from pytest_llmlog.shapes import holds_key_shape

GOLDEN_VERSION = 1
NAME_LIMIT = 120
"""Longest file name made from a test's name, in characters, before its suffix."""

_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)

RERECORD = "record it again with --llmlog-mode=record, or restore it from version control"


class Golden(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The committed interactions of one test or fixture, in order; the last ``in_teardown`` belong to its teardown.

    ``reason`` is what the person who accepted this recording said about it.
    """

    golden_version: int
    test_id: str
    in_teardown: int = 0
    reason: str = ""
    interactions: tuple[Interaction, ...] = ()

    @property
    def before_teardown(self) -> tuple[Interaction, ...]:
        """The interactions of the test's body."""
        return self.interactions[: len(self.interactions) - self.in_teardown]


def safe_name(name: str) -> str:
    """Make a file name that every file system takes; a short hash tells apart what became alike.

    Upper case inside a parametrised id counts as changed, because some file systems do not tell it from lower case; and so
    does a name that means a device on Windows, whatever stands behind its dot.
    """
    safe = re.sub(r"[^A-Za-z0-9._\[\]-]", "-", name)[:NAME_LIMIT]
    id = name.partition("[")[2]
    kept = safe == name and id == id.lower() and not _DEVICE.match(name)
    return safe if kept else f"{safe.replace('.', '-') if _DEVICE.match(name) else safe}-{matching.digest(name.encode())[:8]}"


def invalid(path: Path, text: bytes, error: Exception) -> GoldenError:
    """Say what is wrong with a golden that could not be read, as exactly as can be found out."""
    try:
        value = msgspec.json.decode(text)
    except (ValueError, RecursionError) as exc:
        return GoldenError(path, "$", f"damaged, not JSON: {exc}", RERECORD)
    version = value.get("golden_version") if isinstance(value, dict) else None
    if isinstance(version, int) and version > GOLDEN_VERSION:
        return GoldenError(path, "$.golden_version", f"version {version} is newer than {GOLDEN_VERSION}", "upgrade pytest-llmlog")
    faults = validation.faults(value, "golden") or [validation.Fault("$", str(error))]
    return GoldenError(path, faults[0].place, faults[0].reason, f"undo the edit, or {RERECORD}")


def read(path: Path) -> bytes | None:
    """A golden's text; None when there is no such file.

    Raises:
        GoldenError: it cannot be read, is too large, or is a link to a file in another folder.
    """
    try:
        if path.is_symlink():
            check_inside(path, path.parent)
        return files.read_whole(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        raise GoldenError(path, "$", f"cannot be read: {exc.strerror}", "mend the file or its permissions") from exc


def check_inside(path: Path, root: Path) -> None:
    """Refuse a path that symbolic links lead out of a folder: a stranger's checkout may hold any link.

    Raises:
        GoldenError: they do.
    """
    inside = _is_inside(path, root) if os.path.islink(path) else _is_folder_inside(path.parent, root)
    if not inside:
        raise GoldenError(
            path, "$", f"a symbolic link leads out of {root}", "put the file itself there, or name its folder with --llmlog-golden-dir"
        )  # fmt: skip


def _is_inside(path: Path, root: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))


_is_folder_inside = lru_cache(maxsize=256)(_is_inside)
"""Of a folder, which holds the goldens of many tests; asked once."""


def interactions(path: Path, text: bytes) -> tuple[Interaction, ...]:
    """The interactions of a golden's text.

    Raises:
        GoldenError: it is damaged or holds something else.
    """
    return parse(path, text).interactions


def parse(path: Path, text: bytes) -> Golden:
    """A golden from its text.

    Raises:
        GoldenError: it is damaged or holds something else.
    """
    try:
        return msgspec.json.decode(text, type=Golden)
    except (ValueError, RecursionError) as exc:
        raise invalid(path, text, exc) from exc


class Recording(Struct, frozen=True, omit_defaults=True):
    """A golden that was just recorded: its interactions are texts, as ``kept`` gives them."""

    golden_version: int
    test_id: str
    in_teardown: int = 0
    interactions: tuple[msgspec.Raw, ...] = ()


def save(path: Path, golden: Golden | Recording, *, is_searched: bool = False) -> None:
    """Write a golden in place of an older one, whole or not at all.

    Where the interactions are searched, each of them was looked through for credentials after the last change to it.

    Raises:
        GoldenError: something shaped like a credential is left in it, it cannot be written, or another test's golden would be the
            same file where upper and lower case are not told apart.
    """
    text = encode.golden_bytes({"interactions": [], **encode.plain(golden)} if not golden.interactions else golden)
    if shape := holds_key_shape(golden.test_id if is_searched else text.decode()):
        raise GoldenError(path, "$", f"not saved: it holds what looks like a credential ({shape}…)", "mask it with llmlog_redact")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _check_name(path)
        files.replace_file(path, text)
    except OSError as exc:
        raise GoldenError(path, "$", f"cannot be written: {exc.strerror}", "make the folder writable, or make room") from exc


@lru_cache(maxsize=256)
def _known_names(folder: Path) -> dict[str, str]:
    """The files of a folder by their names in lower case; read once, since thousands of goldens may be saved there."""
    return {name.casefold(): name for name in os.listdir(folder)}


def _check_name(path: Path) -> None:
    """Test names that differ only in case would share one file on Windows and macOS."""
    for place in (path.parent, path):
        other = _known_names(place.parent).setdefault(place.name.casefold(), place.name)
        if other != place.name and os.path.lexists(place.with_name(other)):
            reason = f"not saved: {other} is there, and some file systems do not tell it from {place.name}"
            raise GoldenError(path, "$", reason, "rename one of the tests, or remove what is there if its test is gone")


OF_THE_RUN = ("worker_id", "git_commit", "trace_id", "span_id")
"""What belongs to a run and would only make a golden's diff longer."""


def of_no_run(interaction: Interaction) -> Interaction:
    """An interaction as a golden keeps it."""
    return replace(interaction, **dict.fromkeys(OF_THE_RUN))


def kept(interaction: Interaction) -> bytes:
    """The same as JSON."""
    return encode.line(of_no_run(interaction))


def pending_path(path: Path) -> Path:
    """Where a recording waits for review: ``test_a.json.new`` beside ``test_a.json``."""
    return path.with_name(path.name + ".new")
