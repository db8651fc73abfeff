"""The commit that is checked out, read from git's own files: no process is started."""

from __future__ import annotations

import re
from pathlib import Path

_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


def _git_folder(start: Path) -> Path | None:
    """The repository's folder; a worktree's or submodule's ``.git`` is a file that names it."""
    for folder in (start, *start.parents):
        git = folder / ".git"
        if git.is_dir():
            return git
        if git.is_file():
            return folder / git.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
    return None


def _resolve(git: Path, reference: str) -> str:
    common = git / "commondir"
    shared = git / common.read_text(encoding="utf-8").strip() if common.is_file() else git
    for folder in (git, shared):
        if (folder / reference).is_file():
            return (folder / reference).read_text(encoding="utf-8").strip()
    packed = shared / "packed-refs"
    lines = packed.read_text(encoding="utf-8").splitlines() if packed.is_file() else []
    return next((line.partition(" ")[0] for line in lines if line.endswith(f" {reference}")), "")


def commit(start: Path) -> str | None:
    """Return the checked-out commit of the repository around a folder; None when there is none or it cannot be read."""
    try:
        git = _git_folder(start.resolve())
        if git is None:
            return None
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        found = _resolve(git, head.removeprefix("ref:").strip()) if head.startswith("ref:") else head
        return found if _COMMIT.fullmatch(found) else None
    except (OSError, UnicodeDecodeError):
        return None
