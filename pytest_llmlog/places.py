"""Where goldens live: beside the test file, a folder a module, a file a test or fixture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_llmlog.golden import safe_name
from pytest_llmlog.stored import base_id


def _folder(file: Path, root: Path, golden_dir: Path | None) -> Path:
    """``<folder>/goldens/<module>``; with a golden directory, the same tree below it."""
    if golden_dir is None:
        return file.parent / "goldens" / safe_name(file.stem)
    inside = file.parent.relative_to(root) if file.is_relative_to(root) else Path(file.parent.name)
    return golden_dir / inside / safe_name(file.stem)


def test_place(item: pytest.Item, golden_dir: Path | None) -> Path:
    """The golden of a test: ``test_name[id].json``, a class's with ``Class.`` before it; repeats of a test share theirs."""
    name = base_id(item.nodeid).partition("::")[2] or item.name
    return _folder(item.path, item.config.rootpath, golden_dir) / f"{safe_name(name.replace('::', '.'))}.json"


def fixture_place(fixturedef: Any, request: Any, golden_dir: Path | None) -> tuple[str, Path]:
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
    return f"{shown}::fixture {stem}", _folder(file, root, golden_dir) / f"fixture-{safe_name(stem)}.json"
