"""``llmlog scan`` and ``llmlog redact``: what looks like a secret in logs and goldens, and how it goes away."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from io import BufferedReader
from pathlib import Path
from typing import Any, cast

import click

from pytest_llmlog import cleaning
from pytest_llmlog.cli import reading
from pytest_llmlog.cli.validate import is_golden
from pytest_llmlog.errors import GoldenError, LlmlogError
from pytest_llmlog.pending import SKIPPED
from pytest_llmlog.printing import printable
from pytest_llmlog.query import sources
from pytest_llmlog.redact import Redactor

SUFFIXES = (".json", ".json.new", ".jsonl", ".ndjson", ".log", ".yaml", ".yml", ".har", ".toml")
LOG_FOLDER = ".llmlog"


def _files(root: Path) -> Iterator[Path]:
    """The file itself, or the recordings and logs in a folder and below; links to other folders are not followed."""
    if not root.is_dir():
        yield root
        return
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name == LOG_FOLDER or (not name.startswith(".") and name not in SKIPPED))
        ours = LOG_FOLDER in Path(folder).parts
        yield from (Path(folder, name) for name in sorted(files) if _is_ours(Path(folder, name), ours))


def _is_ours(path: Path, in_log_folder: bool) -> bool:
    """Whether a folder's entry is a recording or a log; what is no ordinary file, a pipe say, is none."""
    return (in_log_folder or path.name.lower().removesuffix(".gz").endswith(SUFFIXES)) and path.is_file()


def _scanned(name: str) -> Iterator[cleaning.Found]:
    if name == sources.STDIN:
        yield from cleaning.scan_lines(sys.stdin.buffer, Redactor())
        return
    with reading.at_hand(name) if name.endswith(sources.PACKED) else nullcontext(name) as path:  # whose pages are compressed
        yield from cleaning.scan(Path(path), Redactor())


class Secrets:
    """What is found, file by file, and whether a file could not be read."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self.count, self.unreadable = 0, False

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for name in self._names:
            try:
                for found in _scanned(name):
                    self.count += 1
                    yield {"file": name, "line": found.line, "column": found.column, "shape": found.shape}
            except (OSError, LlmlogError) as exc:
                self.unreadable = True
                click.echo(printable(f"{name}: cannot be read: {getattr(exc, 'strerror', None) or exc}"), err=True)


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(allow_dash=True))
@reading.output
def scan(paths: tuple[str, ...], form: reading.Format | None) -> None:
    """List what looks like a secret in logs, goldens and cassettes: file, line, column and how it begins.

    PATHS are files, folders or patterns, or - for standard input; the working directory by default. The values of this
    environment's credentials count too. Exit code 1 when there is something, 2 when a file cannot be read.

    Example: llmlog scan tests .llmlog
    """
    roots = sources.matching(paths or (".",))
    found = Secrets([str(path) for root in roots for path in ([root] if root == sources.STDIN else _files(Path(root)))])
    with reading.progress([]):
        _print(found, form)
    sys.exit(2 if found.unreadable else 1 if found.count else 0)


def _print(found: Secrets, form: reading.Format | None) -> None:
    if form:
        reading.show(found, ("file", "line", "column", "shape"), form, lambda _, value: str(value))
    else:
        for each in found:
            click.echo(printable("{file}:{line}:{column}: {shape}".format(**each)))
        click.echo(f"{found.count} found")


def _clean(name: str) -> int:
    path = Path(os.path.realpath(name))  # a link stays one, and what it points to is cleaned
    with cleaning.open_ordinary(path) as file:
        if not sources.is_plain(sources.expand([str(path)])[0]):
            raise OSError(errno.EINVAL, "is compressed or Parquet; unpack it first, or redact before it is packed")
        golden = is_golden(path.name, cast("BufferedReader", file))
    return cleaning.clean_golden(path, Redactor()) if golden else cleaning.clean_log(path, Redactor())


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path())
def redact(files: Sequence[str]) -> None:
    """Take what looks like a secret out of logs and goldens, in place.

    Key shapes and the values of this environment's credentials are replaced, hashes that were made of them are made anew, so that a
    golden replays as before. FILES may be patterns. A file is replaced whole or not at all. Exit code 2 when one cannot be read or
    written.

    Example: llmlog redact .llmlog/llm_interactions.log tests/goldens/test_a/test_b.json
    """
    reading.in_place("redact", files)
    failed = False
    for name in sources.matching(files):
        try:
            count = _clean(name)
        except GoldenError as exc:
            click.echo(printable(str(exc)), err=True)
        except OSError as exc:
            click.echo(printable(f"{name}: cannot be read or written: {exc.strerror}"), err=True)
        else:
            click.echo(f"{printable(name)}: {count} replaced")
            continue
        failed = True
    sys.exit(2 if failed else 0)
