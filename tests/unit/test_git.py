"""The commit, read from git's own files."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_llmlog import git

ONE, TWO = "1" * 40, "2" * 40
SHA256 = "a" * 64


def repository(root: Path, head: str, **files: str) -> Path:
    """A repository's folder with these files; ``__`` stands for a slash."""
    (root / ".git").mkdir(parents=True)
    (root / ".git" / "HEAD").write_text(head, encoding="utf-8")
    for name, text in files.items():
        file = root / ".git" / name.replace("__", "/").replace("packed_refs", "packed-refs")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return root


PACKED = (
    f"# pack-refs with: peeled fully-peeled sorted\n{TWO} refs/heads/domain\n{ONE} refs/heads/main\n{TWO} refs/tags/v1\n^{TWO}\n"
)


@pytest.mark.parametrize(
    ("head", "files", "expected"),
    [
        ("ref: refs/heads/main\n", {"refs__heads__main": f"{ONE}\n"}, ONE),
        ("ref: refs/heads/a/b\n", {"refs__heads__a__b": f"{TWO}\n"}, TWO),
        ("ref: refs/heads/main\n", {"packed_refs": PACKED}, ONE),
        ("ref: refs/heads/main\n", {"packed_refs": PACKED, "refs__heads__main": f"{TWO}\n"}, TWO),
        (f"{ONE}\n", {}, ONE),
        (f"{SHA256}\n", {}, SHA256),
        ("ref: refs/heads/unborn\n", {}, None),
        ("ref: refs/heads/unborn\n", {"packed_refs": PACKED}, None),
        ("ref: refs/heads/main\n", {"refs__heads__main": "broken\n"}, None),
        ("", {}, None),
        ("1" * 39, {}, None),
    ],
)
def test_the_commit_of_a_repository(tmp_path: Path, head: str, files: dict[str, str], expected: str | None) -> None:
    assert git.commit(repository(tmp_path, head, **files)) == expected


def test_the_repository_around_a_folder_counts(tmp_path: Path) -> None:
    inside = repository(tmp_path, f"{ONE}\n") / "a" / "b"
    inside.mkdir(parents=True)
    assert git.commit(inside) == ONE
    repository(tmp_path / "a", f"{TWO}\n")
    assert git.commit(inside) == TWO


@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize("packed", [True, False])
def test_a_worktree_has_a_head_of_its_own_and_shares_branches(tmp_path: Path, relative: bool, packed: bool) -> None:
    branch = {"packed_refs": f"{ONE} refs/heads/side\n"} if packed else {"refs__heads__side": f"{ONE}\n"}
    main = repository(
        tmp_path / "main",
        f"{TWO}\n",
        worktrees__side__HEAD="ref: refs/heads/side\n",
        worktrees__side__commondir="../..\n",
        **branch,
    )
    side = tmp_path / "side"
    side.mkdir()
    folder = main / ".git" / "worktrees" / "side"
    (side / ".git").write_text(f"gitdir: {'../main/.git/worktrees/side' if relative else folder}\n", encoding="utf-8")
    assert git.commit(side) == ONE
    assert git.commit(main) == TWO


def test_no_repository_has_no_commit(tmp_path: Path) -> None:
    assert git.commit(tmp_path) is None
    assert git.commit(tmp_path / "absent") is None


@pytest.mark.parametrize("text", [b"gitdir: /no/such/folder\n", b"", b"\xff\xfe", b"nonsense"])
def test_a_broken_git_file_has_no_commit(tmp_path: Path, text: bytes) -> None:
    (tmp_path / ".git").write_bytes(text)
    assert git.commit(tmp_path) is None


def test_a_head_that_is_no_text_has_no_commit(tmp_path: Path) -> None:
    (repository(tmp_path, "") / ".git" / "HEAD").write_bytes(b"\xff\xfe")
    assert git.commit(tmp_path) is None
