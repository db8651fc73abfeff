"""Replayed errors cost no waiting: SDKs made with Stainless (openai, anthropic, groq, …) skip the pause before a retry.

The pause is computed by ``BaseClient._calculate_retry_timeout`` in each such SDK. It is no public name; where it is
missing the SDK sleeps as it always does, and nothing else changes.
"""

from __future__ import annotations

import sys
from contextvars import ContextVar
from typing import Any

METHOD = "_calculate_retry_timeout"

_skip: ContextVar[bool] = ContextVar("llmlog_skip_pause", default=False)


def no_pause() -> None:
    """Let the SDK that made the running call retry it at once."""
    for name, module in list(sys.modules.items()):
        if name.endswith("._base_client") and (client := getattr(module, "BaseClient", None)) is not None:
            _patch(client)
    _skip.set(True)


def _patch(client: Any) -> None:
    original = getattr(client, METHOD, None)
    if original is None or hasattr(original, "llmlog_original"):
        return

    def calculate(self: Any, *args: Any, **kwargs: Any) -> float:
        if _skip.get():
            _skip.set(False)
            return 0.0
        return float(original(self, *args, **kwargs))

    calculate.llmlog_original = original  # type: ignore[attr-defined]
    setattr(client, METHOD, calculate)


def restore() -> None:
    """Give the SDKs their pauses back."""
    for name, module in list(sys.modules.items()):
        client = getattr(module, "BaseClient", None) if name.endswith("._base_client") else None
        original = getattr(getattr(client, METHOD, None), "llmlog_original", None)
        if original is not None:
            setattr(client, METHOD, original)
