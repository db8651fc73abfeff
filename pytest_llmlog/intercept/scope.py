"""Whom a call belongs to: a test, a fixture, or a ``capture()`` block of an application."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, MutableSequence, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, NoReturn, Protocol

import msgspec

from pytest_llmlog import clock, encode, files, golden
from pytest_llmlog.circumstances import Identity
from pytest_llmlog.errors import GoldenError
from pytest_llmlog.intercept.recorder import Recorder
from pytest_llmlog.journal import Entry, Journal
from pytest_llmlog.metrics import Totals
from pytest_llmlog.playback import ReplayQueue
from pytest_llmlog.record import CheckResult, Interaction, Violation

if TYPE_CHECKING:
    from pytest_llmlog.intercept.live import LiveCall

BATCH = 512
"""Records of replayed interactions are made and written so many at a time, at the end of the test, or when somebody looks: making
them puts out of the processor's caches what the client needs for its next call. Nothing is lost with them that the golden does not
hold."""

WAITING = 65536
"""So many bytes of exchanges wait at most, in the journal meanwhile: making their records stops the event loop for some two milliseconds."""

PAUSE = 0.02
"""Seconds since the last records were made after which the next call's is made at once: calls that take longer never wait."""

FAILED_KEYS = 1_000
"""How many requests that failed are remembered, the newest, to count their tries."""

Mode = Literal["auto", "replay", "record", "live", "off"]


class Made(NamedTuple):
    """A record that is made.

    Attributes:
        line: as the log has it.
        is_valid: whether it may be written.
        kept: as a golden has it; None where none does.
    """

    interaction: Interaction
    line: bytes
    is_valid: bool = True
    kept: bytes | None = None


class EndedCall(Protocol):
    """A live call that has ended; calling it makes its record, once."""

    by_cassette: bool

    @property
    def is_shared(self) -> bool: ...

    def entry(self, *, in_teardown: bool) -> Entry: ...

    def __call__(self) -> Made: ...


class Sums:
    """What calls of one source came to; latencies, in seconds, only where every interaction is kept."""

    def __init__(self) -> None:
        self.calls = self.failed = self.tokens = 0
        self.cost_usd = 0.0
        self.latencies: list[float] = []


class Scope:
    """A test, a fixture or a ``capture()`` block: its mode, its golden, and the interactions it made.

    Attributes:
        sums: what the interactions came to so far, by source; totals: whatever their source, by metric.
        violations: what did not hold so far; warnings: what did not but may; checks: what regression checks came to.
        passed: whether a fixture's setup succeeded.
        recorded: live interactions with their wire, as a new golden has them.
        left_to_cassette: whether calls were left to another tool's cassette; what a golden holds is not expected then.
        in_child: whether this process is a fork of the one that the test, fixture or block runs in.
    """

    def __init__(
        self,
        recorder: Recorder,
        *,
        session_id: str,
        test_id: str | None = None,
        mode: Mode = "live",
        queue: Callable[[], ReplayQueue | None] = lambda: None,
        golden_path: Path | None = None,
        golden_root: Path | None = None,
        journal: Callable[[Identity], Journal | None] = lambda _: None,
        refuse: Callable[[str], NoReturn] | None = None,
        keep: int | None = None,
    ) -> None:
        self.recorder, self.session_id, self.test_id, self.mode = recorder, session_id, test_id, mode
        self.golden_path, self._golden_root, self._make_journal = golden_path, golden_root, journal
        self._load_queue, self._loaded, self._checked = queue, False, False
        self._queue: ReplayQueue | None = None
        self._refuse = refuse
        self._keeps_all = keep is None
        self._lines: MutableSequence[bytes] = [] if keep is None else deque(maxlen=keep)
        self._deferred: deque[Callable[[], Made]] = deque()
        self._flushed, self._waiting = 0.0, 0
        self.sums = {"live": Sums(), "replay": Sums()}
        self.totals = Totals()
        self.recorded: list[bytes] = []
        self.violations: list[Violation] = []
        self.warnings: list[str] = []
        self.checks: list[CheckResult] = []
        self.passed = False
        self._before_teardown: int | None = None
        self.active = False
        self.open_calls: set[LiveCall] = set()
        self._failures: dict[str, int] = {}
        self._batch = BATCH
        self.in_child = self.left_to_cassette = False
        self._lock = threading.RLock()

    @property
    def queue(self) -> ReplayQueue | None:
        """The golden's interactions; read when the first call asks for them.

        Raises:
            GoldenError: the golden cannot be used.
        """
        if not self._loaded:
            with self._lock:
                if not self._loaded:
                    if self.golden_path is not None and os.path.exists(self.golden_path):
                        self.check_place()
                        self._queue = self._load_queue()
                    self._loaded = True
        return self._queue

    def check_place(self) -> None:
        """See that the golden is where it seems to be; asked before the first call is read or recorded.

        Raises:
            GoldenError: symbolic links lead out of its folder.
        """
        if not self._checked and self.golden_path is not None and self._golden_root is not None:
            golden.check_inside(self.golden_path, self._golden_root)
        self._checked = True

    @property
    def golden_name(self) -> str:
        """The golden's path for a person, relative to the working directory where that is shorter; empty without one."""
        return "" if self.golden_path is None else files.relative(self.golden_path, os.getcwd())

    @property
    def in_teardown(self) -> int:
        """How many of the recorded interactions were made in the teardown."""
        return 0 if self._before_teardown is None else len(self.recorded) - self._before_teardown

    def begin_teardown(self) -> None:
        """What is recorded from now on belongs to the teardown."""
        self.flush()
        self._before_teardown = len(self.recorded)

    @property
    def replays(self) -> bool:
        """Whether calls are answered from the golden, and from nothing else."""
        return self.mode == "replay" or (self.mode == "auto" and self.queue is not None)

    @property
    def may_refuse(self) -> bool:
        """Whether calls can be refused: in tests, never in an application."""
        return self._refuse is not None

    def refuse(self, kind: str, text: str) -> NoReturn:
        """Note the violation and stop the call with an exception that no SDK retries."""
        assert self._refuse is not None  # only a test replays
        self.violations.append(Violation(kind=kind, text=text))
        self._refuse(text)

    def attempt(self, key: str) -> int:
        """Which try of the same request this is, by the failures just before it."""
        return self._failures.get(key, 0) + 1

    @cached_property
    def identity(self) -> Identity:
        """Whose the interactions are, as their records have it."""
        recorder = self.recorder
        return Identity(recorder.run_id, self.session_id, self.test_id, recorder.worker_id, recorder.git_commit)

    @property
    def _keeps(self) -> bool:
        """Whether live calls go into a golden."""
        return self.golden_path is not None and self.mode in ("auto", "record") and not self.in_child

    @cached_property
    def _journal(self) -> Journal | None:
        return self._make_journal(self.identity)

    def close_journal(self, *, keep: bool) -> None:
        """End the journal of what was recorded; it is kept where that could not be saved."""
        journal = vars(self).get("_journal")  # not made where nothing was recorded
        if journal is not None:
            journal.close(keep=keep)

    @property
    def lines(self) -> Sequence[bytes]:
        """The interactions as JSON, in the order in which they ended; parsed only when somebody looks."""
        self.flush()
        return self._lines

    def add(self, call: EndedCall) -> None:
        """Take a live call that has ended: it is on the disk when this returns, and its record is made now or very soon."""
        with self._lock:
            size = 0 if call.by_cassette or not self._keeps else self._put_into_journal(call)
            self._deferred.append(call)
            self._waiting += size
            if not size or call.is_shared or self._is_due():
                self.flush()

    def _put_into_journal(self, call: EndedCall) -> int:
        """Return how many bytes of it are there."""
        if self._journal is None:
            return 0
        return self.recorder.journal(self._journal, call.entry(in_teardown=self._before_teardown is not None))

    def _is_due(self) -> bool:
        waited = clock.monotonic() - self._flushed
        return waited > PAUSE or self._waiting >= WAITING or not self.recorder.may_wait

    def defer(self, replayed: Callable[[], Made]) -> None:
        """Take a replayed interaction, made later; making it may raise GoldenError."""
        with self._lock:
            self._deferred.append(replayed)
            if len(self._deferred) >= self._batch:
                self.flush()

    def flush(self) -> None:
        """Make and write the records kept back since the last time."""
        if not self._deferred:
            return
        made: list[Made] = []
        with self._lock:
            try:
                while self._deferred:
                    self._make(self._deferred[0], made)
            finally:  # whatever stops it, a signal's handler say: what is left is made next time
                failure = any(each.interaction.source == "live" and each.interaction.status == "failure" for each in made)
                self.recorder.write([each.line for each in made if each.is_valid], failure=failure)
                self._flushed, self._waiting = clock.monotonic(), 0
        for each in made:
            if each.interaction.source == "live":
                self.recorder.notice(each.interaction)

    def _make(self, ended: Callable[[], Made], into: list[Made]) -> None:
        """Make the next record, and take it into the lists."""
        found = self._made(ended)
        if not self._deferred or self._deferred[0] is not ended:
            return  # a signal's handler looked meanwhile, and has it
        self._deferred.popleft()
        if found is None:
            return
        self._take(found.interaction, found.line)
        if found.kept is not None and self._keeps:
            self.recorded.append(found.kept)
        into.append(found)

    def _made(self, ended: Callable[[], Made]) -> Made | None:
        try:
            made = ended()
        except GoldenError as exc:
            fault = Violation(kind="golden", text=str(exc))
            self.violations += [fault] if fault not in self.violations else []
            return None
        except Exception as exc:  # the user's own step
            self.recorder.fault("a call could not be logged", exc)
            return None
        if made.interaction.wire and not self.recorder.keep_wire:
            line = encode.line({name: value for name, value in msgspec.json.decode(made.line).items() if name != "wire"})
            return made._replace(line=line)
        return made

    def _take(self, interaction: Interaction, line: bytes) -> None:
        """Put an interaction into the list, and add up what it came to."""
        failed = interaction.status == "failure"
        self._count_try(interaction.request_hash, failed=failed)
        sums = self.sums[interaction.source]
        sums.calls += 1
        sums.failed += failed
        sums.tokens += interaction.tokens or 0
        sums.cost_usd += interaction.cost_usd or 0.0
        if interaction.latency_seconds is not None and self._keeps_all:
            sums.latencies.append(interaction.latency_seconds)
        self.totals.add(interaction)
        self._lines.append(line)

    def _count_try(self, key: str, *, failed: bool) -> None:
        before = self._failures.pop(key, 0)
        if failed:
            self._failures[key] = before + 1
            if len(self._failures) > FAILED_KEYS:
                del self._failures[next(iter(self._failures))]

    def enter_child(self) -> None:
        """Begin afresh in a fork: what waits to be written or is under way is the parent's to record, and locks may be held.

        Nobody will flush here, so each record is written at once.
        """
        self._lock, self.in_child = threading.RLock(), True
        self._deferred, self._batch = deque(), 1
        if (journal := vars(self).get("_journal")) is not None:
            journal.enter_child()
        for call in self.open_calls:
            call.abandon()
        self.open_calls = set()
        self.recorder.enter_child()

    def close(self) -> None:
        """Record the calls still under way: nobody will wait for their end."""
        for call in list(self.open_calls):
            call.finish("closed", unfinished=True)
        self.flush()


def is_named(host: str, names: frozenset[str]) -> bool:
    """Whether a host is one of these, or below one."""
    return any(host == name or host.endswith(f".{name}") for name in names)
