"""Telling our functions in other libraries from those that others have put over them."""

from __future__ import annotations

from typing import Any


def original_of(function: Any) -> Any:
    """What one of our functions stands in for; None for anybody else's, who may have copied our mark with ``functools.wraps``."""
    return None if hasattr(function, "__wrapped__") else getattr(function, "llmlog_original", None)
