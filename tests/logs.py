"""Logs to ask questions about: valid records with what a test says about them, and the command line over them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from pytest_llmlog import clock, encode
from pytest_llmlog.cli import main

BEGIN = 1_772_000_000.0
"""2026-02-25T06:13:20Z: when the first record of a log was made."""

_numbers = itertools.count(1)


def record(at: float = 0, **fields: Any) -> dict[str, Any]:
    """A valid record, made so many seconds after the beginning."""
    usage = {"usage": {"source": "provider", **fields.pop("usage")}} if "usage" in fields else {}
    return {
        "timestamp": clock.timestamp_of(BEGIN + at), "schema_version": 1, "event": "llm.call", "request_id": f"{next(_numbers):032x}",
        "run_id": "r1", "session_id": "s1", "prompt_template": None, "input": None, "prompt": "Hello", "response": "Hi", "tokens": 10,
        "latency_seconds": 1.0, "status": "success", "source": "live", "provider": "openai", "operation": "chat", "model": "gpt-4o",
        "stream": False, "attempt": 1, "prompt_hash": "a" * 32, "request_hash": "b" * 32, **usage, **fields,
    }  # fmt: skip


def failure(at: float = 0, error_type: str | None = "RateLimitError", **fields: Any) -> dict[str, Any]:
    """A record of a call that failed."""
    told = {} if error_type is None else {"error_type": error_type}
    return record(at, **{"status": "failure", "error": "Too many requests", "response": None, "tokens": None, **told, **fields})


def lines(records: Iterable[dict[str, Any]]) -> bytes:
    return b"".join(map(encode.line, records))


def write(path: Path, *records: dict[str, Any]) -> Path:
    path.write_bytes(lines(records))
    return path


def llmlog(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(main, list(map(str, arguments)), input=stdin, catch_exceptions=False)


def rows(result: Result) -> list[dict[str, Any]]:
    return [json.loads(row) for row in result.stdout.splitlines()]
