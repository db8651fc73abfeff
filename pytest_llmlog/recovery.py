"""What a killed run left in its journals, brought to where it belongs: the log, and recordings that wait for review."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from pytest_llmlog import encode, golden, journal, log, matching, providers, validation, wire
from pytest_llmlog.errors import ConfigError, GoldenError
from pytest_llmlog.golden import Golden
from pytest_llmlog.intercept import interactions
from pytest_llmlog.intercept.recorder import Recorder
from pytest_llmlog.journal import Damaged, Entry, Head
from pytest_llmlog.record import Interaction
from pytest_llmlog.redact import Redactor


class Recovered(Struct, frozen=True):
    """What became of one journal.

    Attributes:
        test_id: whose it was.
        calls: how many interactions it holds.
        logged: how many of them the log lacked.
        waiting: the recording that now waits for review; None where the golden has it all.
        damaged: the lines that could not be read, of which the file stays under another name.
        left: that file.
    """

    test_id: str
    calls: int
    logged: int
    waiting: Path | None
    damaged: tuple[Damaged, ...] = ()
    left: Path | None = None


def recover(path: Path, log_path: Path, root: Path) -> Recovered:
    """Bring one journal's calls into the log and beside their golden, and remove it.

    Args:
        path: the journal.
        log_path: the log of its run.
        root: the folder in which goldens may be written.

    Raises:
        ValueError: it is no journal, or another process has it.
        GoldenError: the recording cannot be written, or another one waits there; the journal stays.
        OSError: a file cannot be read or written; the journal stays.
    """
    with journal.claimed(path):
        head, entries, damaged = journal.read(path)
        if not entries:
            told = _told(damaged[0]) if damaged else "only one that was cut off"
            raise ValueError(f"holds no whole call, {told}; remove it when you have looked at it")
        calls = _interactions(head, entries)
        logged = _complete_log(log_path, head, calls)
        waiting = _keep(Path(head.golden), head, calls, sum(entry.in_teardown for entry in entries), root)
    left = path.with_name(path.name + ".damaged") if damaged else None
    if left is not None:
        path.rename(left)
    else:
        path.unlink()
    return Recovered(head.test_id, len(entries), logged, waiting, tuple(damaged), left)


def _told(damaged: Damaged) -> str:
    return f"line {damaged.number}: {damaged.reason}"


def _interactions(head: Head, entries: Sequence[Entry]) -> list[Interaction]:
    """The records of a journal's calls, as the run would have made them, without credentials that only they show.

    Raises:
        ValueError: the head, or one of them, cannot be read.
    """
    try:
        ignore = tuple(map(matching.parse_path, head.ignore))
    except ConfigError as exc:
        raise ValueError(str(exc)) from exc
    redactor = Redactor()
    failed: Counter[str] = Counter()
    found = []
    for entry in entries:
        exchange = wire.load(entry.wire)
        exchange.unfinished = entry.unfinished
        address = exchange.request.address
        endpoint = providers.recognise(exchange.request.method, address.host, address.path) or providers.ANY
        call = interactions.live(exchange, endpoint, head.identity, entry.circumstances, ignore, lambda key: failed[key] + 1)
        failed[call.request_hash] = failed[call.request_hash] + 1 if call.status == "failure" else 0
        text = encode.line(call)
        if not redactor.is_clean(text):
            text = redactor.without_credentials(text.decode())[0].encode()
        if not validation.is_valid(record := msgspec.json.decode(text)):
            fault = validation.faults(record)[0]
            raise ValueError(f"holds an invalid call: {fault.place}: {fault.reason}")
        found.append(msgspec.json.decode(text, type=Interaction))
    return found


def _complete_log(path: Path, head: Head, calls: Sequence[Interaction]) -> int:
    """Append the records that the log lacks, as the run would have written them; return how many.

    Raises:
        ValueError: one is invalid.
    """
    known = set(_ids(path)) if path.exists() else set()
    missing = [call for call in calls if call.request_id not in known]
    if missing:
        writer = log.LogWriter(path, "always")
        try:
            recorder = Recorder(head.identity.run_id, writer, _refuse, content=head.content, line_limit=head.line_limit)
            for call in missing:
                line, _ = recorder.checked(encode.plain(call if head.wire else replace(call, wire=None)))
                assert line is not None  # or it was refused
                recorder.write([line], failure=False)
        finally:
            writer.close()
    return len(missing)


def _refuse(text: str) -> NoReturn:
    raise ValueError(text)


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
