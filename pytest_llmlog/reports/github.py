"""What GitHub Actions shows of a run: annotations at the tests, and the step's summary."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from pytest_llmlog.printing import printable
from pytest_llmlog.recap import Recap, Test
from pytest_llmlog.reports import figures, markdown

ANNOTATIONS = 10
"""As many errors and as many warnings as GitHub shows of a step."""

SUMMARY_LIMIT = 900_000
"""Longest summary in characters; GitHub takes a mebibyte of a step."""


def _data(text: str) -> str:
    """The escapes of a workflow command's text: docs.github.com/actions/reference/workflow-commands."""
    return printable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def commands(recap: Recap, root: Path, environ: Mapping[str, str] = os.environ) -> Iterator[str]:
    """Workflow commands that put errors and warnings at the tests' lines; none outside of GitHub Actions.

    Args:
        recap: the run.
        root: pytest's root directory, which the tests' files are relative to.
        environ: GitHub's variables.
    """
    if environ.get("GITHUB_ACTIONS") != "true":
        return
    workspace = Path(environ.get("GITHUB_WORKSPACE") or root)
    errors = [(test, figures.told(violation)) for test in recap.tests for violation in test.result.violations]
    warnings = [(test, text) for test in recap.tests if test.verdict == "warned" for text in _warned(test)]
    for violation in recap.run.violations[:ANNOTATIONS]:
        yield f"::error title=llmlog::{_data(figures.told(violation))}"
    for test, text in errors[: max(0, ANNOTATIONS - len(recap.run.violations))]:
        yield _command("error", test, text, root, workspace)
    for test, text in warnings[:ANNOTATIONS]:
        yield _command("warning", test, text, root, workspace)


def _warned(test: Test) -> list[str]:
    return [
        check.text.removeprefix("llmlog: ") or f"{check.verdict}: {check.metric}"
        for check in test.result.checks
        if check.verdict == "regressed"
    ]


def _command(level: str, test: Test, text: str, root: Path, workspace: Path) -> str:
    place = []
    if test.result.file:
        file = Path(os.path.relpath(root / test.result.file, workspace)).as_posix()
        place = [f"file={_property(file)}", *([f"line={test.result.line}"] if test.result.line else [])]
    place.append(f"title={_property(f'llmlog: {test.result.test_id}')}")
    return f"::{level} {','.join(place)}::{_data(text)}"


def append_summary(recap: Recap, environ: Mapping[str, str] = os.environ) -> None:
    """Append the Markdown report to the step's summary, where GitHub gives a file for it.

    Raises:
        OSError: the file cannot be written.
    """
    path = environ.get("GITHUB_STEP_SUMMARY")
    if path:
        with open(path, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(markdown.text_of(recap, SUMMARY_LIMIT))
