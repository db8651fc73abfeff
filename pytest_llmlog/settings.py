"""What the marker ``llmlog`` says about a test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from pytest_llmlog import budgets, checks, matching
from pytest_llmlog.budgets import Limit
from pytest_llmlog.checks import Check
from pytest_llmlog.compare import Policy, parse_policy
from pytest_llmlog.errors import ConfigError

MARKER = "@pytest.mark.llmlog"


class Settings(Struct, frozen=True):
    """How a test is judged.

    Attributes:
        limits: absolute limits, by metric.
        checks: limits relative to the baseline, by metric.
        compare: how answers are compared; ``ignore``: JSON paths of an answer that do not count.
        runs: how often the test is run where models are asked; ``pass_rate``: the share of them that has to pass.
    """

    limits: Mapping[str, Limit] = {}
    checks: Mapping[str, Check] = {}
    compare: Policy = Policy("exact")
    ignore: tuple[str, ...] = ()
    runs: int = 1
    pass_rate: float = 1.0


def _policy(value: Any, where: str) -> Policy:
    try:
        return parse_policy(value)
    except (ValueError, TypeError, AttributeError) as exc:
        raise ConfigError(f"{where}: {exc}") from None


def _paths(value: Any, where: str) -> tuple[str, ...]:
    paths = [value] if isinstance(value, str) else value
    if not isinstance(paths, (list, tuple)) or not all(isinstance(path, str) for path in paths):
        raise ConfigError(f'{where}: expected JSON paths, like ["$.id"]')
    for path in paths:
        try:
            matching.parse_path(path)
        except (ConfigError, ValueError) as exc:
            raise ConfigError(f"{where}: {exc}") from None
    return tuple(paths)


def _runs(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(f"{where}: expected a whole number from 1")
    return value


def _pass_rate(value: Any, where: str) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= 1:
        raise ConfigError(f"{where}: expected a share from 0 to 1, like 0.8")
    return float(value)


_READERS: Mapping[str, Callable[[Any, str], Any]] = {
    "regress": checks.of_mapping, "compare": _policy, "ignore": _paths, "runs": _runs, "pass_rate": _pass_rate,
}  # fmt: skip

KEYWORDS = (*budgets.KEYWORDS, *_READERS)


def of_marker(positional: Sequence[Any], keywords: Mapping[str, Any], base: Settings) -> Settings:
    """Read one marker; what it does not say stays as it is in ``base``.

    Raises:
        ConfigError: a keyword that does not exist, or a value that cannot be read; the text names the marker.
    """
    if positional:
        raise ConfigError(f"{MARKER}({positional[0]!r}): takes keywords only, like max_tokens=900")
    for name in keywords:
        if name not in KEYWORDS:
            raise ConfigError(f"{MARKER}({name}=…): there is no such keyword; there are {', '.join(KEYWORDS)}")
    limits = budgets.of_keywords({name: value for name, value in keywords.items() if name in budgets.KEYWORDS}, MARKER)
    said = {
        name: read(keywords[name], f"{MARKER}({name}={keywords[name]!r})") for name, read in _READERS.items() if name in keywords
    }
    found = said.pop("regress", {})
    return replace(base, limits={**base.limits, **limits}, checks={**base.checks, **found}, **said)
