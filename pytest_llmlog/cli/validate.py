"""``llmlog validate``: check logs and goldens against their schema, past every fault."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click
import msgspec
from msgspec import Struct

from pytest_llmlog import log, validation


class Finding(Struct, frozen=True):
    """One fault of one file; ``line`` and ``offset`` are None for a golden."""

    file: str
    line: int | None
    offset: int | None
    path: str
    reason: str

    def text(self) -> str:
        place = f"{self.file}:{self.line}" if self.line is not None else self.file
        return f"{place}: {self.path}: {self.reason}"


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


def _check_golden(name: str, text: bytes) -> Iterator[Finding | None]:
    try:
        found = validation.faults(msgspec.json.decode(text), "golden")
    except (ValueError, RecursionError) as exc:
        found = [validation.Fault("$", f"damaged, not JSON: {exc}")]
    yield from (Finding(name, None, None, fault.place, fault.reason) for fault in found)
    if not found:
        yield None


def _is_golden(text: bytes) -> bool:
    """Tell a golden, whole or damaged, from a log that is called .json: a log's first line is a record."""
    first = text.lstrip().partition(b"\n")[0]
    try:
        record = msgspec.json.decode(first)
    except (ValueError, RecursionError):
        return True
    return not isinstance(record, dict) or "interactions" in record or "golden_version" in record


def _check(name: str) -> Iterator[Finding | None]:
    if name == "-":
        yield from _check_log("<stdin>", sys.stdin.buffer)
        return
    if name.endswith((".json", ".json.new")) and _is_golden(text := Path(name).read_bytes()):
        yield from _check_golden(name, text)
        return
    with open(name, "rb") as file:
        yield from _check_log(name, file)


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(allow_dash=True))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a fault, then one with the counts.")
def validate(files: tuple[str, ...], as_json: bool) -> None:
    """Check logs and goldens against the schema; name line, JSON path and reason of each fault.

    A fault never stops the reading. Exit code 1 when there is one, 2 when a file cannot be read.

    Example: llmlog validate .llmlog/llm_interactions.log tests/goldens/**/*.json
    """
    valid = invalid = unreadable = 0
    for name in files:
        try:
            for finding in _check(name):
                if finding is None:
                    valid += 1
                    continue
                invalid += 1
                click.echo(json.dumps({f: getattr(finding, f) for f in finding.__struct_fields__}) if as_json else finding.text())
        except OSError as exc:
            unreadable += 1
            click.echo(f"{name}: cannot be read: {exc.strerror}", err=True)
    if as_json:
        click.echo(json.dumps({"valid": valid, "faults": invalid}))
    else:
        click.echo(f"{valid} valid, {invalid} faults")
    sys.exit(2 if unreadable else 1 if invalid else 0)
