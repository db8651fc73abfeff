"""A record as one line of another format."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from pytest_llmlog.query.columns import COLUMNS
from pytest_llmlog.query.rows import refusal

Record = Mapping[str, Any]
Line = bytes | None
"""A line with its end; None where the format has no place for such a record."""

ECS_VERSION = "8.17.0"

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a text begins that a spreadsheet would run; it gets an apostrophe (OWASP, CSV Injection)."""


def without_nothing(value: dict[str, Any]) -> dict[str, Any]:
    """An object without what is unknown, at any depth."""
    shown = {name: without_nothing(entry) if isinstance(entry, dict) else entry for name, entry in value.items()}
    return {name: entry for name, entry in shown.items() if entry is not None and entry != {}}


def line(value: dict[str, Any]) -> bytes:
    return json.dumps(without_nothing(value), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def begin(record: Record) -> datetime:
    """When a call was made."""
    return datetime.fromisoformat(str(record["timestamp"]).replace("Z", "+00:00")).astimezone(timezone.utc)


def nanoseconds(record: Record) -> int | None:
    """How long a call took."""
    latency = record.get("latency_seconds")
    return None if latency is None else round(latency * 1e9)


def _summary(record: Record) -> str:
    said = record.get("error") if record.get("status") == "failure" else record.get("response")
    return f"{record.get('operation')} {record.get('model') or ''}: {said or ''}".strip()


def _gen_ai(record: Record) -> dict[str, Any]:
    usage = record.get("usage") or {}
    return {
        "provider": {"name": record.get("provider")},
        "operation": {"name": record.get("operation")},
        "request": {"model": record.get("model")},
        "response": {
            "model": record.get("response_model"),
            "id": record.get("response_id"),
            "finish_reasons": record.get("finish_reasons"),
        },
        "usage": {"input_tokens": usage.get("input"), "output_tokens": usage.get("output")},
    }


def ecs(record: Record) -> Line:
    """The Elastic Common Schema's names; what it has none for is below ``llmlog``."""
    own = (
        "prompt",
        "response",
        "prompt_template",
        "input",
        "run_id",
        "session_id",
        "test_id",
        "tokens",
        "cost_usd",
        "source",
        "attempt",
        "prompt_hash",
        "request_hash",
        "labels",
    )
    failed = record.get("status") == "failure"
    return line({
        "@timestamp": record["timestamp"],
        "ecs": {"version": ECS_VERSION},
        "message": _summary(record),
        "log": {"level": "error" if failed else "info", "logger": "pytest_llmlog"},
        "event": {
            "id": record.get("request_id"), "kind": "event", "dataset": "llmlog", "action": record.get("event"),
            "outcome": record.get("status"), "duration": nanoseconds(record),
        },
        "error": {"type": record.get("error_type"), "message": record.get("error"), "code": as_text(record.get("error_code"))},
        "http": {"response": {"status_code": record.get("http_status")}},
        "server": {"address": record.get("server_address")},
        "trace": {"id": record.get("trace_id")},
        "span": {"id": record.get("span_id")},
        "gen_ai": _gen_ai(record),
        "llmlog": {name: as_text(record.get(name)) if name == "input" else record.get(name) for name in own},
    })  # fmt: skip


def as_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def datadog(record: Record) -> Line:
    """Datadog's reserved attributes and its standard ones for errors, durations and traces; everything else below ``llmlog``."""
    failed = record.get("status") == "failure"
    rest = {
        name: value
        for name, value in record.items()
        if name not in ("timestamp", "error", "error_type", "trace_id", "span_id", "wire")
    }
    return line({
        "timestamp": record["timestamp"],
        "ddsource": "llmlog",
        "service": "llmlog",
        "status": "error" if failed else "info",
        "message": _summary(record),
        "duration": nanoseconds(record),
        "error": {"kind": record.get("error_type"), "message": record.get("error")},
        "dd": {"trace_id": record.get("trace_id"), "span_id": record.get("span_id")},
        "llmlog": rest,
    })  # fmt: skip


def _cell(value: Any) -> str:
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if isinstance(value, str) and text.startswith(FORMULA) else text


def _row(cells: list[str]) -> bytes:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerow(cells)
    return file.getvalue().encode()


def flat(record: Record) -> dict[str, Any]:
    """The columns of a record that questions are about."""
    cells: dict[str, Any] = {}
    for name, column in COLUMNS.items():
        value = record.get(column.path[0])
        if len(column.path) == 2:
            value = (value or {}).get(column.path[1])
        if column.kind == "refusal":
            value = refusal(value)
        if isinstance(value, dict) or (column.kind == "calls" and value):
            value = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        cells[name] = ",".join(each for each in value if each is not None) or None if isinstance(value, list) else value
    return cells


def csv_line(record: Record) -> Line:
    """The columns of a record, separated by commas."""
    return _row([_cell(value) for value in flat(record).values()])


CSV_HEADER = _row(list(COLUMNS))

LINES: Mapping[str, Callable[[Record], Line]] = {
    "ecs": ecs,
    "datadog": datadog,
    "csv": csv_line,
}
"""The formats of a line a record, by name; ``openai_files`` has those of OpenAI."""
