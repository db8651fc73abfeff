"""Where goldens live: beside the test file, a folder a module, a file a test or fixture."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pytest_llmlog.golden import safe_name
from pytest_llmlog.stored import base_id


class Place(NamedTuple):
    """A golden's path, and the folder that it must not leave."""

    path: Path
    root: Path


PLACE = pytest.StashKey[Place]()
"""A test's place, made once."""


@lru_cache(maxsize=16)
def _folder(file: Path, root: Path, golden_dir: Path | None) -> Place:
    """Where the goldens of a file's tests are."""
    if golden_dir is None:
        return Place(file.parent / "goldens" / safe_name(file.stem), file.parent)
    inside = file.parent.relative_to(root) if file.is_relative_to(root) else Path(file.parent.name)
    return Place(golden_dir / inside / safe_name(file.stem), golden_dir)


def _place(file: Path, root: Path, golden_dir: Path | None, name: str) -> Place:
    """``<folder>/goldens/<module>/<name>.json``; with a golden directory, the same tree below it."""
    folder, top = _folder(file, root, golden_dir)
    return Place(folder / f"{name}.json", top)


def test_place(item: pytest.Item, golden_dir: Path | None) -> Place:
    """The golden of a test: ``test_name[id].json``, a class's with ``Class.`` before it; repeats of a test share theirs."""
    if PLACE not in item.stash:
        name = base_id(item.nodeid).partition("::")[2] or item.name
        item.stash[PLACE] = _place(item.path, item.config.rootpath, golden_dir, safe_name(name.replace("::", ".")))
    return item.stash[PLACE]


def fixture_place(fixturedef: Any, request: Any, golden_dir: Path | None) -> tuple[str, Place]:
    """The id and golden of a fixture with a scope of its own.

    One of class or module scope runs for each class or module and is kept with it; one of package or session scope is
    kept with the file that defines it.
    """
    root: Path = request.config.rootpath
    node, param = request.node, f"[{request.param_index}]" if hasattr(request, "param") else ""
    name = f"{fixturedef.argname}{param}"
    if fixturedef.scope in ("class", "module"):
        file, owner = node.path, node.nodeid.partition("::")[2].replace("::", ".")
    else:
        file, owner = Path(fixturedef.func.__code__.co_filename), ""
        if not file.is_relative_to(root):
            file = root / "conftest.py"
    shown = file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name
    stem = f"{owner}.{name}" if owner else name
    return f"{shown}::fixture {stem}", _place(file, root, golden_dir, f"fixture-{safe_name(stem)}")
