"""What a killed run left in its journals, brought to where it belongs: the log, and recordings that wait for review."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from pytest_llmlog import content, encode, golden, journal, log
from pytest_llmlog.errors import GoldenError
from pytest_llmlog.golden import Golden
from pytest_llmlog.journal import Entry, Head


class Recovered(Struct, frozen=True):
    """What became of one journal.

    Attributes:
        test_id: whose it was.
        calls: how many interactions it holds.
        logged: how many of them the log lacked.
        waiting: the recording that now waits for review; None where the golden has it all.
    """

    test_id: str
    calls: int
    logged: int
    waiting: Path | None


def recover(path: Path, log_path: Path, root: Path) -> Recovered:
    """Bring one journal's interactions into the log and beside their golden, and remove it.

    Args:
        path: the journal.
        log_path: the log of its run.
        root: the folder in which goldens may be written.

    Raises:
        ValueError: it is no journal.
        GoldenError: the recording cannot be written, or another one waits there; the journal stays.
        OSError: a file cannot be read or written; the journal stays.
    """
    head, entries = journal.read(path)
    if not entries:
        raise ValueError("holds no whole call, only one that was cut off; remove it when you have looked at it")
    logged = _complete_log(log_path, head, entries)
    waiting = _keep(Path(head.golden), head, entries, root)
    path.unlink()
    return Recovered(head.test_id, len(entries), logged, waiting)


def _complete_log(path: Path, head: Head, entries: Sequence[Entry]) -> int:
    """Append the records that the log lacks; return how many."""
    known = set(_ids(path)) if path.exists() else set()
    missing = [entry.interaction for entry in entries if entry.interaction.request_id not in known]
    if missing:
        writer = log.LogWriter(path, "always")
        try:
            for interaction in missing:
                record = content.limited(encode.plain(replace(interaction, wire=None)), head.content)
                line = encode.line(record)
                writer.write(line if len(line) <= head.line_limit else encode.line(encode.shortened(record, head.line_limit)))
        finally:
            writer.close()
    return len(missing)


def _ids(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        for line in log.read(file):
            if isinstance(line.value, dict) and isinstance(found := line.value.get("request_id"), str):
                yield found


def _keep(path: Path, head: Head, entries: Sequence[Entry], root: Path) -> Path | None:
    """Save what the golden does not hold as a recording that waits."""
    golden.check_inside(path, root)
    if path.suffix != ".json":
        raise GoldenError(path, "$", "is no golden's name", "remove the journal, which no run has written")
    known = golden.read(path)
    saved = {each.request_id for each in golden.interactions(path, known)} if known is not None else set()
    if not entries or saved.issuperset(entry.interaction.request_id for entry in entries):
        return None
    waiting = golden.pending_path(path)
    if waiting.exists():
        raise GoldenError(waiting, "$", "waits for review already", "accept or reject it first, then recover again")
    interactions = tuple(golden.of_no_run(entry.interaction) for entry in entries)
    in_teardown = sum(entry.in_teardown for entry in entries)
    golden.save(waiting, Golden(golden.GOLDEN_VERSION, head.test_id, in_teardown, interactions=interactions))
    return waiting
