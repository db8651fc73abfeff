"""What all tests and blocks of a run share in this process: who they are, the log, redaction, and the faults of our own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from pytest_llmlog import encode, matching, validation
from pytest_llmlog.content import Content, limited
from pytest_llmlog.journal import Entry, Journal
from pytest_llmlog.log import LINE_LIMIT, LogWriter
from pytest_llmlog.record import Interaction
from pytest_llmlog.redact import Redactor


class Recorder:
    """What all scopes of one run in this process share: identity, log, redaction, matching, and the faults of our own.

    Args:
        run_id: the test session or ``capture()`` block.
        log: where lines go; None writes none.
        report: takes the text of a fault of ours, each text once.
        noticed: takes each live interaction when it has ended.
    """

    def __init__(
        self,
        run_id: str,
        log: LogWriter | None,
        report: Callable[[str], None],
        *,
        redactor: Redactor | None = None,
        ignore: Sequence[matching.Path] = (),
        hosts: Sequence[str] = (),
        ignore_hosts: Sequence[str] = (),
        keep_wire: bool = False,
        content: Content = "full",
        line_limit: int = LINE_LIMIT,
        worker_id: str | None = None,
        git_commit: str | None = None,
        noticed: Callable[[Interaction], None] | None = None,
    ) -> None:
        self.run_id, self.log, self.worker_id, self.git_commit = run_id, log, worker_id, git_commit
        self.redactor = redactor or Redactor()
        self.ignore, self.hosts, self.ignore_hosts = tuple(ignore), frozenset(hosts), frozenset(ignore_hosts)
        self.keep_wire, self.line_limit = keep_wire, line_limit
        self.content: Content = content
        self._report = report
        self._reported: set[str] = set()
        self._noticed = noticed

    def fault(self, doing: str, error: BaseException) -> None:
        """Report a fault of our own, once; the call it happened in goes on."""
        text = f"{doing}: {type(error).__name__}: {error}"
        # A full disk is one fault, whatever was to be written.
        kind = f"{doing}: {error.errno}" if isinstance(error, OSError) and error.errno else text
        if kind not in self._reported:
            self._reported.add(kind)
            self._report(self.redactor.without_credentials(text)[0])

    def enter_child(self) -> None:
        """Give the locks up that a thread of the parent may have held when this process was forked from it."""
        self.redactor.enter_child()
        if self.log is not None:
            self.log.enter_child()

    def notice(self, interaction: Interaction) -> None:
        """Tell of a live interaction that has ended."""
        try:
            if self._noticed is not None:
                self._noticed(interaction)
        except Exception as exc:  # a terminal that is gone
            self.fault("the status could not be shown", exc)

    @property
    def may_wait(self) -> bool:
        """Whether lines of the log may wait for others while the journal holds their calls."""
        return self.log is None or not self.log.forces

    def write(self, lines: Sequence[bytes], *, failure: bool) -> None:
        """Append valid lines to the log, in one piece, each cut down to the size limit."""
        if self.log is None:
            return
        try:
            self.log.write(*map(self._fitting, lines), failure=failure)
        except Exception as exc:
            self.fault("calls could not be logged", exc)

    def journal(self, journal: Journal, entry: Entry) -> int:
        """Put a live call on the disk, where it stays until its golden is saved; return how many bytes are there."""
        try:
            line = encode.line(entry)
            journal.add(line)
        except Exception as exc:
            self.fault("recordings are not safe until their golden is saved", exc)
            return 0
        return len(line)

    def checked(self, record: dict[str, Any]) -> tuple[bytes | None, bool]:
        """Return a live record's line, valid and without credentials, and whether there were none.

        What was asked and answered holds none already. The rest is ours to check: a test's id, say, can hold a parameter.
        The line is None when it cannot be made so, which is reported.
        """
        try:
            if not validation.is_valid(record):
                record = encode.clean(record)
                _check(record)
            line = encode.line(record)
            is_clean = self.redactor.is_clean(line)
            return self.without_credentials(line, is_clean=is_clean), is_clean
        except Exception as exc:
            self.fault("a call could not be logged", exc)
            return None, False

    def without_credentials(self, text: bytes, *, is_clean: bool) -> bytes:
        """Return a JSON text without credentials; it is known to hold none where it is clean."""
        return text if is_clean else self.redactor.without_credentials(text.decode())[0].encode()

    def _fitting(self, line: bytes) -> bytes:
        if self.content != "full":
            line = encode.line(limited(msgspec.json.decode(line), self.content))
        return line if len(line) <= self.line_limit else self._shortened(line)

    def _shortened(self, line: bytes) -> bytes:
        return encode.line(encode.shortened(msgspec.json.decode(line), self.line_limit))


def _check(fields: dict[str, Any]) -> None:
    if faults := validation.faults(fields):
        raise ValueError(f"invalid record: {faults[0].place}: {faults[0].reason}")
