"""``llmlog validate``: check logs and goldens against their schema, past every fault."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from io import BufferedReader
from typing import Any, BinaryIO, cast

import click
import msgspec
from msgspec import Struct

from pytest_llmlog import files, log, validation
from pytest_llmlog.cli.reading import at_hand, progress
from pytest_llmlog.printing import printable
from pytest_llmlog.query import sources


class Finding(Struct, frozen=True):
    """One fault of one file; ``line`` and ``offset`` are None for a golden."""

    file: str
    line: int | None
    offset: int | None
    path: str
    reason: str

    def text(self) -> str:
        if self.line is None:
            return f"{self.file}: {self.path}: {self.reason}"
        return f"{self.file}:{self.line}: {self.path}: {self.reason} (byte {self.offset})"


def _check_log(name: str, file: BinaryIO) -> Iterator[Finding | None]:
    """Yield None for a valid line, else its faults."""
    for line in log.read(file):
        if line.fault is not None:
            yield Finding(name, line.number, line.offset, "$", line.fault)
        elif validation.is_valid(line.value):
            yield None
        else:
            for fault in validation.faults(line.value):
                yield Finding(name, line.number, line.offset, fault.place, fault.reason)


def _golden_faults(text: bytes) -> list[validation.Fault]:
    if len(text) > files.SIZE_LIMIT:
        return [validation.Fault("$", f"larger than {files.SIZE_LIMIT} bytes")]
    try:
        found = validation.faults(msgspec.json.decode(text), "golden")
    except (ValueError, RecursionError) as exc:
        return [validation.Fault("$", f"damaged, not JSON: {exc}")]
    twice = log.repeated_key(text)
    return [*found, *([validation.Fault("$", f"key {twice!r} is there twice")] if twice is not None else [])]


def _check_golden(name: str, text: bytes) -> Iterator[Finding | None]:
    found = _golden_faults(text)
    yield from (Finding(name, None, None, fault.place, fault.reason) for fault in found)
    if not found:
        yield None


def is_golden(name: str, file: BufferedReader) -> bool:
    """Tell a golden, whole or damaged, from a log by how it begins, a log's first line being a record, and by its name."""
    begin = file.peek(4096)[:4096].lstrip()
    if begin.startswith(log.RECORD_START):
        return False
    opened = begin.startswith(b"{") and begin[1:].lstrip(b" ")[:1] in (b"", b"\r", b"\n")
    return opened or b'"golden_version"' in begin or name.endswith((".json", ".json.new"))


def _check_file(name: str, file: BufferedReader) -> Iterator[Finding | None]:
    yield from _check_golden(name, file.read(files.SIZE_LIMIT + 1)) if is_golden(name, file) else _check_log(name, file)


def _check(name: str) -> Iterator[Finding | None]:
    if name == "-":
        with sources.unpacked(cast("Any", sys.stdin.buffer)) as file:
            yield from _check_file("<stdin>", file)
        return
    with (
        at_hand(name) if name.endswith(sources.PACKED) else nullcontext(name) as path,
        open(path, "rb", buffering=0) as raw,
        sources.unpacked(cast("Any", raw)) as file,
    ):
        yield from _check_file(name, file)


class Reading:
    """The findings of a file until they end or the file cannot be read: what goes wrong while printing is not the file's."""

    def __init__(self, name: str) -> None:
        self._found = _check(name)
        self.error: OSError | None = None

    def __iter__(self) -> Iterator[Finding | None]:
        while True:
            try:
                finding = next(self._found)
            except StopIteration:
                return
            except OSError as exc:
                self.error = exc
                return
            except sources.ENDS_EARLY as exc:
                self.error = OSError(0, f"the compressed file ends early or is damaged: {exc}")
                return
            yield finding


@click.command()
@click.argument("names", metavar="FILES...", nargs=-1, required=True, type=click.Path(allow_dash=True))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a fault, then one with the counts.")
def validate(names: tuple[str, ...], as_json: bool) -> None:
    """Check logs and goldens against the schema; name line, JSON path and reason of each fault.

    FILES may be compressed (.gz, .zst) or patterns. A fault never stops the reading. Exit code 1 when there is one, 2 when a file cannot be read.

    Example: llmlog validate .llmlog/llm_interactions.log tests/goldens/**/*.json
    """
    valid = invalid = unreadable = 0
    with progress([]):
        for name in sources.matching(names):
            reading = Reading(name)
            for finding in reading:
                if finding is None:
                    valid += 1
                    continue
                invalid += 1
                click.echo(
                    json.dumps({f: getattr(finding, f) for f in finding.__struct_fields__})
                    if as_json
                    else printable(finding.text())
                )
            if reading.error is not None:
                unreadable += 1
                click.echo(printable(f"{name}: cannot be read: {reading.error.strerror}"), err=True)
    if as_json:
        click.echo(json.dumps({"valid": valid, "faults": invalid}))
    else:
        click.echo(f"{valid} valid, {invalid} faults")
    sys.exit(2 if unreadable else 1 if invalid else 0)
