"""Every language model call as one JSON line: logged, replayed offline, and held against budgets in tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_llmlog.api import capture, context, render
    from pytest_llmlog.calls import Calls
    from pytest_llmlog.errors import ConfigError, GoldenError, LlmlogError, LogError
    from pytest_llmlog.record import Interaction, Usage

__version__ = "0.1.0"

_HOMES = {
    "Calls": "calls",
    "ConfigError": "errors",
    "GoldenError": "errors",
    "Interaction": "record",
    "LlmlogError": "errors",
    "LogError": "errors",
    "Usage": "record",
    "capture": "api",
    "context": "api",
    "render": "api",
}
"""Where each public name lives; imported when first asked for, because pytest imports this package in every run."""

__all__ = [
    "Calls", "ConfigError", "GoldenError", "Interaction", "LlmlogError", "LogError", "Usage", "capture", "context", "render",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
