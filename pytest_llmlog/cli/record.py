"""One interaction as a person reads it, whole or on a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from pytest_llmlog.metrics import show
from pytest_llmlog.printing import printable

USAGE = {
    "input": "in",
    "cached_input": "cached",
    "cache_write_input": "written to the cache",
    "output": "out",
    "reasoning_output": "reasoning",
}
PLACES = ("request_id", "run_id", "session_id", "test_id", "server_address", "response_id", "trace_id", "git_commit")


def short(text: str | None, width: int) -> str:
    """The beginning of a text on one line."""
    line = " ".join((text or "").split())
    return line if len(line) <= width else f"{line[: width - 1]}…"


def _seconds(value: Any) -> str:
    return show("seconds", value) if isinstance(value, (int, float)) else "–"


def _figures(record: dict[str, Any]) -> Iterator[str]:
    usage = record.get("usage") or {}
    parts = [f"{usage[name]:,} {word}" for name, word in USAGE.items() if isinstance(usage.get(name), int) and usage[name]]
    tokens = record.get("tokens")
    told = f" ({', '.join(parts)})" if parts else ""
    yield f"tokens   {'unknown' if tokens is None else format(tokens, ',')}{told}"
    if isinstance(record.get("cost_usd"), (int, float)):
        yield f"cost     {show('usd', record['cost_usd'])} ({record.get('cost_source', '?')})"
    first = record.get("time_to_first_chunk_seconds")
    measured = "" if record.get("source") == "live" else f" (recorded: {record.get('source')})"
    yield f"latency  {_seconds(record.get('latency_seconds'))}{f', first chunk {_seconds(first)}' if first is not None else ''}{measured}"


def _head(record: dict[str, Any]) -> str:
    attempt = f", attempt {record['attempt']}" if (record.get("attempt") or 1) > 1 else ""
    return f"{record.get('timestamp')}  {record.get('operation')} {record.get('model') or ''}  {record.get('provider')}  {record.get('status')}{attempt}"


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _sections(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "input", "" if record.get("input") is None else _value(record["input"])
    yield "prompt", record.get("prompt") or ""
    yield "response", record.get("response") or ""
    calls = record.get("tool_calls") or []
    yield "tool calls", "\n".join(f"{call.get('name')}({_value(call.get('arguments'))})" for call in calls)
    yield "error", f"{record.get('error_type') or ''} {record.get('error') or ''}".strip()


def page(record: dict[str, Any]) -> None:
    """Print one interaction."""
    click.secho(printable(_head(record)), bold=True, fg="red" if record.get("status") == "failure" else None)
    for name in PLACES:
        if record.get(name):
            click.echo(printable(f"{name:15} {record[name]}"))
    if record.get("prompt_template"):
        click.echo(printable(f"{'template':15} {record['prompt_template']} {record.get('template_version') or ''}".rstrip()))
    for name in ("params", "labels", "finish_reasons", "truncated", "origin"):
        if record.get(name):
            click.echo(printable(f"{name:15} {_value(record[name])}"))
    for title, text in _sections(record):
        if text:
            click.secho(f"\n{title}", bold=True)
            click.echo("\n".join(f"  {line}" for line in printable(text).splitlines()))
    click.echo()
    for line in _figures(record):
        click.echo(printable(line))


def row(record: dict[str, Any]) -> str:
    """One interaction on one line."""
    failed = record.get("status") == "failure"
    said = f"{record.get('error_type') or ''}: {record.get('error') or ''}" if failed else record.get("response")
    tokens = record.get("tokens")
    name = record.get("prompt_template") or record.get("test_id") or record.get("operation")
    return printable(
        f"{record.get('timestamp')} {'FAIL' if failed else 'ok  '} {record.get('model') or '–'}  {short(str(name), 40)}  "
        f"{_seconds(record.get('latency_seconds'))}  {'?' if tokens is None else tokens} tokens  "
        f"{short(record.get('prompt'), 50)} → {short(said, 50)}"
    )
