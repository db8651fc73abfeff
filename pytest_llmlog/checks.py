"""Limits relative to a baseline, as people write them: ``METRIC:PERCENT+AMOUNT``, or ``response``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from pytest_llmlog.errors import ConfigError
from pytest_llmlog.metrics import METRICS, parse_amount, show
from pytest_llmlog.regress import Threshold

RESPONSE = "response"
"""The check of the answers themselves, beside those of figures."""

_LIMIT = re.compile(r"(?:(?P<percent>\d+(?:\.\d+)?)\s*%)?\s*(?:(?P<plus>\+)?\s*(?P<amount>[^%+\s][^%+]*))?")


class Check(Struct, frozen=True):
    """What may not get worse, by how much, and whether it fails the test; ``response`` has no threshold."""

    metric: str
    threshold: Threshold | None
    fails: bool = True

    def allowed(self) -> str:
        """The threshold for a person."""
        if self.threshold is None:
            return ""
        percent, amount = self.threshold.percent * 100, show(METRICS[self.metric].unit, self.threshold.amount)
        return f"{percent:g} % + {amount}" if percent and self.threshold.amount else f"{percent:g} %" if percent else amount


def _threshold(name: str, value: Any, where: str) -> Threshold:
    unit = METRICS[name].unit
    found = _LIMIT.fullmatch(value.strip()) if isinstance(value, str) else None
    expected = f"{where}: expected PERCENT+AMOUNT, either or both, like 25%+{'250ms' if unit == 'seconds' else '50'} or 0"
    if isinstance(value, str) and (
        found is None or not found[0] or bool(found["plus"]) != bool(found["percent"] and found["amount"])
    ):
        raise ConfigError(f"{expected}, not {value!r}")
    try:
        amount = parse_amount(unit, value if found is None else found["amount"] or 0)
    except ValueError as exc:
        raise ConfigError(f"{expected} ({exc})") from None
    return Threshold(float(found["percent"]) / 100 if found is not None and found["percent"] else 0.0, amount)


def _check(name: str, value: Any, where: str, *, fails: bool) -> Check | None:
    if name == RESPONSE:
        if value in (True, "", None):
            return Check(RESPONSE, None, fails)
        if value is False:
            return None
        raise ConfigError(f"{where}: response is checked or not: it takes no threshold, but compare= a policy")
    if name not in METRICS:
        raise ConfigError(f"{where}: {name!r} is no metric; there are {', '.join(METRICS)} and response")
    return Check(name, _threshold(name, value, where), fails)


def of_mapping(given: Any, where: str) -> dict[str, Check]:
    """Read ``regress={"input_tokens": "0", "response": True}`` of a marker.

    Raises:
        ConfigError: no mapping, a metric that does not exist, or a threshold that cannot be read.
    """
    if not isinstance(given, Mapping):
        raise ConfigError(f'{where}: expected a mapping, like {{"input_tokens": "0"}}')
    found = (_check(str(name), value, f"{where}: {name!r}: {value!r}", fails=True) for name, value in given.items())
    return {check.metric: check for check in found if check is not None}


def of_expressions(texts: Iterable[str], where: str, *, fails: bool) -> dict[str, Check]:
    """Read expressions of an ini file or a command line; of two for one metric the later counts.

    Raises:
        ConfigError: an expression that cannot be read.
    """
    checks = {}
    for text in texts:
        name, colon, value = text.strip().partition(":")
        if not colon and name != RESPONSE:
            raise ConfigError(f"{where} {text!r}: expected METRIC:PERCENT+AMOUNT, like latency:25%+250ms, or response")
        check = _check(name, value, f"{where} {text!r}", fails=fails)
        if check is not None:
            checks[name] = check
    return checks
