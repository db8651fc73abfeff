"""What application code imports: ``context``, ``render``, ``capture``. Nothing of pytest."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

from pytest_llmlog import git, intercept
from pytest_llmlog.callcontext import context, render
from pytest_llmlog.calls import Calls
from pytest_llmlog.content import Content
from pytest_llmlog.intercept.recorder import Recorder
from pytest_llmlog.intercept.running import captures
from pytest_llmlog.intercept.scope import Scope
from pytest_llmlog.log import Fsync, LogWriter
from pytest_llmlog.redact import Redactor

__all__ = ["capture", "context", "render"]


@contextmanager
def capture(
    path: str | os.PathLike[str] = "llm_interactions.log",
    *,
    session_id: str | None = None,
    wire: bool = False,
    fsync: Fsync = "never",
    redact: Callable[[str], str] | None = None,
    content: Content = "full",
    keep: int = 1000,
) -> Iterator[Calls]:
    """Log every language model call made inside the block, as one JSON line each, appended to a file.

    Calls of this process count, from any thread or task. Of nested blocks the inner one has the call. Inside a test run
    with ``--llmlog`` the test still decides whether a call is replayed, and the file gets its line all the same.

    Args:
        path: the log; it is made if need be, and its lines are as ``llmlog schema`` describes them.
        session_id: the conversation; a fresh one for each block by default.
        wire: keep the raw exchange in each line as well.
        fsync: which records are forced to the disk: ``never``, on ``failure``, ``always``.
        redact: a step of your own over every text before it is written; if it raises, that call is not written.
        content: what the log holds of prompts and answers: ``full``, ``hash`` for hashes that still compare, ``none``.
        keep: how many interactions the yielded sequence holds on to, the newest; its sums are theirs. The log has all.

    Yields:
        The interactions of the block, oldest first.

    Raises:
        LogError: the log cannot be opened for appending.
        TypeError, ValueError: an argument cannot be used.
    """
    if fsync not in get_args(Fsync):
        raise ValueError(f"fsync must be one of {', '.join(get_args(Fsync))}, not {fsync!r}")
    if content not in get_args(Content):
        raise ValueError(f"content must be one of {', '.join(get_args(Content))}, not {content!r}")
    if redact is not None and not callable(redact):
        raise TypeError(f"redact must be a function from text to text, not {type(redact).__name__}")
    if keep < 0:
        raise ValueError(f"keep must be 0 or more, not {keep}")
    run_id = uuid.uuid4().hex
    log = LogWriter(Path(path), fsync)
    report = logging.getLogger("pytest_llmlog").warning
    recorder = Recorder(
        run_id,
        log,
        lambda text: report("%s", text),
        redactor=Redactor(custom=redact),
        keep_wire=wire,
        content=content,
        git_commit=git.commit(Path.cwd()),
    )
    scope = Scope(recorder, session_id=run_id if session_id is None else str(session_id), keep=keep)
    intercept.install()
    try:
        with captures.enter(scope):
            yield Calls(lambda: scope.lines)
    finally:
        intercept.uninstall()
        scope.close()
        log.close()
