"""``llmlog import``: recordings that other tools made, as records or goldens."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click
from msgspec.structs import replace

from pytest_llmlog import encode, golden
from pytest_llmlog.cassettes import CassetteError
from pytest_llmlog.cli import reading
from pytest_llmlog.errors import GoldenError
from pytest_llmlog.importing import Importer
from pytest_llmlog.query import sources
from pytest_llmlog.record import Interaction


class Faults:
    """What could not be imported, told as it is met."""

    def __init__(self) -> None:
        self.bad = self.unreadable = 0

    def interaction(self, name: str, position: int, reason: Exception) -> None:
        self.bad += 1
        click.echo(f"{name}: interaction {position}: {reason}", err=True)

    def file(self, name: str, reason: str, *, opened: bool) -> None:
        self.bad += opened
        self.unreadable += not opened
        click.echo(f"{name}: {reason}", err=True)


def _interactions(name: str, importer: Importer, faults: Faults) -> Iterator[Interaction]:
    try:
        for position, found in importer.read(Path(name), name):
            if isinstance(found, Interaction):
                yield found
            elif found is not None:
                faults.interaction(name, position, found)
    except CassetteError as exc:
        faults.file(name, str(exc), opened=True)
    except OSError as exc:
        faults.file(name, f"cannot be read: {exc.strerror}", opened=False)


def _write_lines(files: tuple[str, ...], out: BinaryIO, importer: Importer, faults: Faults, *, wire: bool) -> int:
    written = 0
    for name in files:
        for interaction in _interactions(name, importer, faults):
            out.write(encode.line(encode.plain(interaction if wire else replace(interaction, wire=None))))
            written += 1
    out.flush()
    return written


def _golden_path(folder: Path, name: str) -> Path:
    """Where pytest-recording's ``cassettes/<module>/<test>.yaml`` belongs: ``<module>/<test>.json``."""
    path = Path(name)
    stem = path.name.removesuffix(".gz")
    stem = stem.rpartition(".")[0] or stem
    return folder / (path.parent.name or ".") / f"{golden.safe_name(stem)}.json"


def _write_goldens(files: tuple[str, ...], folder: Path, importer: Importer, faults: Faults) -> int:
    written = 0
    for name in files:
        interactions = tuple(_interactions(name, importer, faults))
        if not interactions:
            continue
        path = _golden_path(folder, name)
        try:
            if path.exists():
                raise GoldenError(path, "$", "is there already", "remove it, or import into another folder")
            golden.save(
                path, golden.Golden(golden.GOLDEN_VERSION, f"{path.parent.name}.py::{path.stem}", interactions=interactions)
            )
            written += len(interactions)
        except GoldenError as exc:
            faults.file(name, str(exc), opened=True)
    return written


@click.command(name="import")
@click.argument("files", nargs=-1, required=True, type=click.Path())
@click.option(
    "-o",
    "--output",
    type=click.Path(allow_dash=True),
    default="-",
    help="The log to write, appended to; standard output by default.",
)
@click.option(
    "--golden", "folder", type=click.Path(file_okay=False, path_type=Path), help="Write goldens below this folder instead."
)
@click.option("--wire", is_flag=True, help="Keep the raw exchange in each line.")
def import_(files: tuple[str, ...], output: str, folder: Path | None, wire: bool) -> None:
    """Read recordings of other tools: cassettes of vcrpy, pytest-recording and cassetter (YAML, JSON, TOML, also gzipped), and HAR.

    FILES may be patterns. Credentials are taken out. An interaction that cannot be read is named and skipped; one that is no call of a language model
    is left out. Exit code 1 when any was bad, 2 when a file cannot be opened.

    Example: llmlog import 'tests/cassettes/**/*.yaml' -o recorded.jsonl
    """
    reading.in_place("import", files)
    files = tuple(sources.matching(files))
    importer, faults = Importer(), Faults()
    if folder is not None:
        written = _write_goldens(files, folder, importer, faults)
    elif output == "-":
        written = _write_lines(files, sys.stdout.buffer, importer, faults, wire=wire)
    else:
        try:
            with open(output, "ab") as out:
                written = _write_lines(files, out, importer, faults, wire=wire)
        except OSError as exc:
            raise click.FileError(output, exc.strerror) from exc
    click.echo(f"{written} imported, {faults.bad} bad", err=True)
    sys.exit(2 if faults.unreadable else 1 if faults.bad else 0)
