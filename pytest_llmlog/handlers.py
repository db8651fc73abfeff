"""Calls that an application logs itself, through ``logging`` or structlog, as lines of the log."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

import msgspec

from pytest_llmlog import clock, encode, matching
from pytest_llmlog.intercept.interactions import request_id
from pytest_llmlog.intercept.recorder import Recorder
from pytest_llmlog.log import Fsync, LogWriter
from pytest_llmlog.record import Interaction
from pytest_llmlog.redact import Redactor

FIELDS = frozenset(Interaction.__struct_fields__) - {"schema_version", "event", "wire"}
"""What a record may be told."""

LEAST = frozenset({"prompt", "response"})
"""What tells a call from any other thing that is logged."""


class _Writer:
    """Makes valid records, free of credentials, of what an application says about a call, and appends them."""

    def __init__(self, path: str | os.PathLike[str], fsync: Fsync, redact: Callable[[str], str] | None) -> None:
        self._recorder = Recorder(
            uuid.uuid4().hex,
            LogWriter(Path(path), fsync),
            logging.getLogger("pytest_llmlog").warning,
            redactor=Redactor(custom=redact),
        )

    def write(self, said: Mapping[str, Any], seconds: float) -> None:
        """Append one record; what cannot be one is reported through ``logging``, once."""
        prompt, failed = str(said.get("prompt") or ""), said.get("status") == "failure" or said.get("error") is not None
        digest = matching.digest_json([said.get("messages") or prompt])
        record: dict[str, Any] = {
            "timestamp": clock.timestamp_of(seconds), "schema_version": 1, "event": "llm.call", "request_id": request_id(),
            "run_id": self._recorder.run_id, "session_id": self._recorder.run_id, "prompt_template": None, "input": None, "prompt": prompt,
            "response": None, "tokens": None, "latency_seconds": 0.0, "status": "failure" if failed else "success",
            "source": "live", "provider": "unknown", "operation": "chat", "model": None, "stream": False, "attempt": 1,
            "prompt_hash": digest, "request_hash": matching.digest_json([said.get("model"), digest]),
            **{name: value for name, value in said.items() if name in FIELDS},
        }  # fmt: skip
        if failed:
            record["error"] = str(record.get("error") or "unknown")
        text, _ = self._recorder.redactor.bytes(encode.line(record))
        line, _ = self._recorder.checked(msgspec.json.decode(text))
        self._recorder.write([line] if line else [], failure=failed)

    def close(self) -> None:
        """Close the log."""
        if self._recorder.log is not None:
            self._recorder.log.close()


class LlmlogHandler(logging.Handler):
    """A ``logging.Handler`` that writes a line of the log for each record which tells of a call.

    A call is told by the fields of ``llmlog schema``, in ``extra`` or as the message itself, with ``prompt`` and ``response`` among them::

        logger.addHandler(LlmlogHandler("llm_interactions.log"))
        logger.info("answered", extra={"prompt": prompt, "response": answer, "model": "gpt-4o", "tokens": 78, "latency_seconds": 0.84})

    Other records are passed over.

    Args:
        path: the log.
        fsync: which records are forced to the disk: ``never``, on ``failure``, ``always``.
        redact: a step of your own over every text before it is written.

    Raises:
        LogError: the log cannot be opened for appending.
    """

    def __init__(self, path: str | os.PathLike[str], *, fsync: Fsync = "never", redact: Callable[[str], str] | None = None) -> None:
        super().__init__()
        self._writer = _Writer(path, fsync, redact)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a call; never raise into the program that logs."""
        said = record.msg if isinstance(record.msg, dict) else vars(record)
        try:
            if said.keys() >= LEAST:
                cause = record.exc_info[1] if record.exc_info else None
                error = {} if cause is None else {"error": str(cause), "error_type": type(cause).__name__}
                self._writer.write({**error, **said}, record.created)
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Close the log."""
        self._writer.close()
        super().close()


class LlmlogProcessor:
    """A structlog processor that writes a line of the log for each event which tells of a call, and hands every event on unchanged.

    ::

        structlog.configure(processors=[LlmlogProcessor("llm_interactions.log"), structlog.processors.JSONRenderer()])
        structlog.get_logger().info("answered", prompt=prompt, response=answer, model="gpt-4o", tokens=78)

    Args:
        path, fsync, redact: as those of ``LlmlogHandler``.

    Raises:
        LogError: the log cannot be opened for appending.
    """

    def __init__(self, path: str | os.PathLike[str], *, fsync: Fsync = "never", redact: Callable[[str], str] | None = None) -> None:
        self._writer = _Writer(path, fsync, redact)

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Write a call; never raise into the program that logs."""
        try:
            if event.keys() >= LEAST:
                said = {name: value for name, value in event.items() if name != "timestamp"}
                self._writer.write(said, clock.now())
        except Exception as exc:
            logging.getLogger("pytest_llmlog").warning("an event could not be logged: %s: %s", type(exc).__name__, exc)
        return event

    def close(self) -> None:
        """Close the log."""
        self._writer.close()
