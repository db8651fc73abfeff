"""What the application says about its calls: template, input, conversation, labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from pytest_llmlog.templates import registry


class CallContext(Struct, frozen=True, kw_only=True):
    """What holds for every call made inside a ``with context(...)`` block."""

    prompt_template: str | None = None
    template_version: str | None = None
    input: str | dict[str, Any] | None = None
    session_id: str | None = None
    labels: dict[str, Any] = {}


_context: ContextVar[CallContext | None] = ContextVar("llmlog_context", default=None)


def current() -> CallContext | None:
    """What was said for the running task or thread."""
    return _context.get()


@contextmanager
def context(
    *,
    prompt_template: str | None = None,
    template_version: str | None = None,
    input: str | Mapping[str, Any] | None = None,
    session_id: str | None = None,
    labels: Mapping[str, Any] | None = None,
) -> Iterator[None]:
    """Say which template, input, conversation and labels the calls inside the block belong to.

    Blocks nest: what an inner one leaves out holds on from the outer one, and labels are merged. The block holds for
    this thread and for the asyncio tasks started inside it.

    Raises:
        TypeError: ``input`` is neither a text nor a mapping.
    """
    if input is not None and not isinstance(input, (str, Mapping)):
        raise TypeError(f"input must be a text or a mapping of names to values, not {type(input).__name__}")
    outer = _context.get() or CallContext()
    given = {
        "prompt_template": prompt_template,
        "template_version": template_version,
        "session_id": session_id,
    }
    said: dict[str, Any] = {name: str(value) for name, value in given.items() if value is not None}
    if input is not None:
        said["input"] = input if isinstance(input, str) else {str(name): value for name, value in input.items()}
    token = _context.set(replace(outer, **said, labels={**outer.labels, **(labels or {})}))
    try:
        yield
    finally:
        _context.reset(token)


def render(name: str, template: str, /, **variables: Any) -> str:
    """Return ``template.format(**variables)`` and remember it, so that a call with this prompt is logged with its template.

    Args:
        name: the template's name, as the log shall have it.
        template: the text with ``str.format`` fields.
        variables: the values of the fields.

    Raises:
        KeyError, IndexError, ValueError: as ``str.format`` does.
    """
    return registry.render(name, template, variables)
