"""What the marker ``llmlog`` says about a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from pytest_llmlog import budgets
from pytest_llmlog.budgets import Limit
from pytest_llmlog.errors import ConfigError

MARKER = "@pytest.mark.llmlog"


class Settings(Struct, frozen=True):
    """How a test is judged."""

    limits: Mapping[str, Limit] = {}


def of_marker(positional: Sequence[Any], keywords: Mapping[str, Any], base: Settings) -> Settings:
    """Read one marker; what it does not say stays as it is in ``base``.

    Raises:
        ConfigError: a keyword that does not exist, or a value that cannot be read; the text names the marker.
    """
    if positional:
        raise ConfigError(f"{MARKER}({positional[0]!r}): takes keywords only, like max_tokens=900")
    return Settings({**base.limits, **budgets.of_keywords(keywords, MARKER)})
