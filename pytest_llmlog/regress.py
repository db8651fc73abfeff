"""The rule by which a figure is called a regression. Numbers in, verdicts out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from msgspec import Struct
from msgspec.structs import replace

from pytest_llmlog.record import Verdict
from pytest_llmlog.significance import benjamini_hochberg, mann_whitney, smallest_p

ALPHA = 0.01
"""The error rate of a whole suite: the chance that a suite in which nothing changed has a regression at all."""

ENOUGH = 5
"""Values that each side has at least before anything is called significant."""


class Threshold(Struct, frozen=True):
    """How much worse a figure may get: an increase counts that is over the share AND over the amount, in the metric's unit.

    Both, because a share alone makes noise of small figures and an amount alone of great ones.
    """

    percent: float
    amount: float

    def exceeded(self, before: float, now: float) -> bool:
        return now > before * (1 + self.percent) and now - before > self.amount


class Judged(Struct, frozen=True, kw_only=True):
    """A verdict with its figures: medians, and the one-sided probability of the difference where it was tested."""

    verdict: Verdict
    before: float | None
    now: float | None
    p: float | None = None
    reason: str = ""


def _medians(before: Sequence[float], now: Sequence[float]) -> Judged:
    """Both medians: of few values, some of them stalls, the mean would tell the stalls."""
    if not all(map(math.isfinite, (*before, *now))):
        raise ValueError("a figure is not finite")
    if not before or not now:
        return Judged(
            verdict="new" if not before else "missing", before=median(before) if before else None, now=median(now) if now else None
        )  # fmt: skip
    return Judged(verdict="unchanged", before=median(before), now=median(now))


def judge_exact(before: Sequence[float], now: Sequence[float], threshold: Threshold) -> Judged:
    """Judge a figure that does not vary by itself: the medians against the threshold.

    Raises:
        ValueError: a figure is not finite.
    """
    found = _medians(before, now)
    if found.verdict != "unchanged" or found.before is None or found.now is None:
        return found
    if threshold.exceeded(found.before, found.now):
        return replace(found, verdict="regressed")
    return replace(found, verdict="improved") if threshold.exceeded(found.now, found.before) else found


def judge_noisy(before: Sequence[float], now: Sequence[float], threshold: Threshold, *, family: int = 1) -> Judged:
    """Judge a figure that varies by itself, such as latency.

    It has regressed when the medians exceed the threshold, and a one-sided Mann-Whitney test says that this is no chance
    at ``ALPHA`` for the whole suite. While the suite runs, only the number of its comparisons is known, so here the test has to
    hold at ``ALPHA / family`` (Bonferroni); ``correct`` may find more when all are known. Where even complete separation of so
    few values could not reach that, the verdict is ``insufficient_data``, which fails nothing.

    Args:
        before: the baseline's values, one a run.
        now: the values of now, one a run.
        threshold: the least difference that matters.
        family: how many such comparisons the suite makes.

    Raises:
        ValueError: a figure is not finite.
    """
    found = judge_exact(before, now, threshold)
    if found.verdict not in ("regressed", "improved"):
        return found
    if found.verdict == "improved" and (min(len(before), len(now)) < ENOUGH or mann_whitney(now, before) >= ALPHA / family):
        return replace(found, verdict="unchanged")
    if min(len(before), len(now)) < ENOUGH:
        return replace(found, verdict="insufficient_data", reason=_too_few(before, now, family))
    if found.verdict == "improved":
        return replace(found, p=mann_whitney(now, before))
    p = mann_whitney(before, now)
    if p < ALPHA / family:
        return replace(found, p=p)
    if smallest_p(len(before), len(now)) >= ALPHA / family:
        return replace(found, verdict="insufficient_data", p=p, reason=_too_few(before, now, family))
    return replace(found, verdict="unchanged", p=p, reason="within what chance does")


def _too_few(before: Sequence[float], now: Sequence[float], family: int) -> str:
    enough = next(count for count in range(ENOUGH, 1000) if smallest_p(count, count) < ALPHA / family)
    among = f"among {family} comparisons " if family > 1 else ""
    return f"{len(before)} and {len(now)} values; {among}it takes {enough} on each side to tell this from chance"


def significant(ps: Sequence[float]) -> list[bool]:
    """Which comparisons of a suite count, now that all are known: Benjamini-Hochberg at ``ALPHA``.

    It finds what the test at ``ALPHA / family`` has found, and more where many tests got worse at once. In a suite in which
    nothing changed, the chance that anything counts stays at most ``ALPHA``, as long as the tests vary independently or up and down
    together (Benjamini and Yekutieli, Annals of Statistics 29, 2001): a provider that is slow for an hour is a change to this rule.

    Args:
        ps: of every noisy comparison, 1 for one that was not tested or got better.
    """
    return [p < ALPHA for p in benjamini_hochberg(ps)]
