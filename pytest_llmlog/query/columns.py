"""The columns that questions are about: a record's fields laid flat, under the names of the metrics where they are some."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

Kind = Literal["text", "texts", "whole", "number", "truth", "labels", "refusal", "calls"]


class Column(Struct, frozen=True):
    """One column: its name, what it holds, and where a record has it.

    ``texts`` is a list, read as its texts with commas between; ``labels`` an object and ``calls`` a list of
    calls for tools, read as JSON; ``refusal`` the messages of an answer, read as what they say in refusing.
    """

    name: str
    kind: Kind
    path: tuple[str, ...]

    @property
    def is_figure(self) -> bool:
        return self.kind in ("whole", "number")


def _columns(kind: Kind, names: str) -> dict[str, Column]:
    return {name: Column(name, kind, (name,)) for name in names.split()}


def _usage(name: str, field: str) -> dict[str, Column]:
    return {name: Column(name, "whole", ("usage", field))}


COLUMNS: Mapping[str, Column] = {
    **_columns("text", "timestamp request_id run_id session_id test_id prompt_template template_version prompt response status"),
    **_columns("text", "error error_type error_code source provider operation model response_model prompt_hash request_hash"),
    **_columns("text", "server_address response_id provider_request_id worker_id git_commit trace_id span_id"),
    **_columns("texts", "finish_reasons tools"),
    "labels": Column("labels", "labels", ("labels",)),
    "tool_calls": Column("tool_calls", "calls", ("tool_calls",)),
    "refusal": Column("refusal", "refusal", ("response_messages",)),
    **_columns("truth", "stream"),
    **_columns("whole", "attempt http_status tokens"),
    **_usage("input_tokens", "input"),
    **_usage("output_tokens", "output"),
    **_usage("cached_tokens", "cached_input"),
    **_usage("reasoning_tokens", "reasoning_output"),
    **_columns("number", "cost_usd latency_seconds time_to_first_chunk_seconds retry_after_seconds"),
}
"""All columns by name. A line without a timestamp is no record; every other value may be missing."""

DERIVED: Mapping[str, Column] = {
    "day": Column("day", "text", ("timestamp",)),
    "failures": Column("failures", "whole", ("status",)),
    "calls": Column("calls", "whole", ("timestamp",)),
}
"""Columns that are made of another one: the date in UTC, 1 for a failure and else 0, 1."""

ALIASES: Mapping[str, str] = {
    "template": "prompt_template",
    "test": "test_id",
    "session": "session_id",
    "latency": "latency_seconds",
    "total_latency": "latency_seconds",
    "time_to_first_chunk": "time_to_first_chunk_seconds",
}
"""Further names: those of the metrics, and short ones."""


def find(name: str) -> Column | None:
    """The column that a name means."""
    name = ALIASES.get(name, name)
    return COLUMNS.get(name) or DERIVED.get(name)


def label(name: str) -> Column:
    """The column of one of the user's own labels; what is no text is read as JSON."""
    return Column(f"labels.{name}", "text", ("labels", name))


def is_label(column: Column) -> bool:
    return column.path[0] == "labels" and len(column.path) == 2


def base(column: Column) -> Column:
    """The column itself, or the one that a derived column or a label is made of."""
    return COLUMNS[column.path[0]] if column.name in DERIVED or is_label(column) else column
