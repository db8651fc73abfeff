"""What a killed run left in its journals, brought to where it belongs: the log, and recordings that wait for review."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from pytest_llmlog import content, encode, golden, journal, log, matching, providers, validation, wire
from pytest_llmlog.errors import GoldenError
from pytest_llmlog.golden import Golden
from pytest_llmlog.intercept import interactions
from pytest_llmlog.journal import Entry, Head
from pytest_llmlog.record import Interaction


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
    """Bring one journal's calls into the log and beside their golden, and remove it.

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
    calls = _interactions(head, entries)
    logged = _complete_log(log_path, head, calls)
    waiting = _keep(Path(head.golden), head, calls, sum(entry.in_teardown for entry in entries), root)
    path.unlink()
    return Recovered(head.test_id, len(entries), logged, waiting)


def _interactions(head: Head, entries: Sequence[Entry]) -> list[Interaction]:
    """The records of a journal's calls, as the run would have made them.

    Raises:
        ValueError: one cannot be made.
    """
    ignore = tuple(map(matching.parse_path, head.ignore))
    failed: Counter[str] = Counter()
    found = []
    for entry in entries:
        exchange = wire.load(entry.wire)
        address = exchange.request.address
        endpoint = providers.recognise(exchange.request.method, address.host, address.path) or providers.ANY
        call = interactions.live(exchange, endpoint, head.identity, entry.circumstances, ignore, lambda key: failed[key] + 1)
        failed[call.request_hash] = failed[call.request_hash] + 1 if call.status == "failure" else 0
        if not validation.is_valid(encode.plain(call)):
            fault = validation.faults(msgspec.json.decode(encode.line(call)))[0]
            raise ValueError(f"holds an invalid call: {fault.place}: {fault.reason}")
        found.append(call)
    return found


def _complete_log(path: Path, head: Head, calls: Sequence[Interaction]) -> int:
    """Append the records that the log lacks; return how many."""
    known = set(_ids(path)) if path.exists() else set()
    missing = [call for call in calls if call.request_id not in known]
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


def _keep(path: Path, head: Head, calls: Sequence[Interaction], in_teardown: int, root: Path) -> Path | None:
    """Save what the golden does not hold as a recording that waits."""
    golden.check_inside(path, root)
    if path.suffix != ".json":
        raise GoldenError(path, "$", "is no golden's name", "remove the journal, which no run has written")
    known = golden.read(path)
    saved = {each.request_id for each in golden.interactions(path, known)} if known is not None else set()
    if saved.issuperset(call.request_id for call in calls):
        return None
    waiting = golden.pending_path(path)
    if waiting.exists():
        raise GoldenError(waiting, "$", "waits for review already", "accept or reject it first, then recover again")
    kept = tuple(map(golden.of_no_run, calls))
    golden.save(waiting, Golden(golden.GOLDEN_VERSION, head.test_id, in_teardown, interactions=kept))
    return waiting
