"""Reports: from a run to text. They see records and the recap made from them, never a session."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_llmlog.errors import ConfigError

if TYPE_CHECKING:
    from pytest_llmlog.recap import Recap

SUFFIXES = (".html", ".md", ".json")
"""The end of a report's name says what it is."""

EXTRA = ("jinja2", "altair", "vl_convert")
"""What a page is made with, and what comes with the extra ``report``."""


def check(path: Path, where: str) -> None:
    """Find out before there is anything to report whether a report can be made.

    Raises:
        ConfigError: a suffix that says nothing, a folder in the way, or a page without the libraries it is made with.
    """
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"{where} {str(path)!r}: the name has to end in {', '.join(SUFFIXES)}")
    if path.is_dir():
        raise ConfigError(f"{where} {str(path)!r}: is a folder")
    missing = [name for name in EXTRA if importlib.util.find_spec(name) is None] if path.suffix == ".html" else []
    if missing:
        raise ConfigError(
            f"{where} {str(path)!r}: a page needs {', '.join(missing)}\n  fix: pip install 'pytest-llmlog[report]', or name a .md or .json file"
        )


def text_of(recap: Recap, suffix: str) -> str:
    """A run as a report of the kind that a suffix says."""
    if suffix == ".html":
        from pytest_llmlog.reports import html

        return html.text_of(recap)
    if suffix == ".md":
        from pytest_llmlog.reports import markdown

        return markdown.text_of(recap)
    from pytest_llmlog.reports import machine

    return machine.text_of(recap)


def write(recap: Recap, path: Path) -> None:
    """Write a report as a file; its folder is made.

    Raises:
        ConfigError: it cannot be written.
    """
    text = text_of(recap, path.suffix)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be written: {exc.strerror}") from exc
