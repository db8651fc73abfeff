"""The statistics that regressions are judged by. Numbers in, probabilities out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist

EXACT_STEPS = 10_000_000
"""Steps up to which the distribution of ranks is counted out, a third of a second: 35 values on each side, 5 against 400."""


def mann_whitney(before: Sequence[float], now: Sequence[float]) -> float:
    """The probability that ``now`` ranks so high by chance, were both drawn from one distribution: one-sided.

    Exact as far as ``EXACT_STEPS`` reach, ties included: of all ways to deal the pooled midranks into samples of these sizes, the
    share whose rank sum is at least the one seen. Beyond, the normal approximation with correction for ties and continuity.

    Source: H. B. Mann and D. R. Whitney, "On a test of whether one of two random variables is stochastically larger than the
    other", Annals of Mathematical Statistics 18 (1947); ties: E. L. Lehmann, "Nonparametrics" (1975), section 1.4.
    """
    doubled = _doubled_midranks([*before, *now])
    seen = sum(doubled[len(before) :])
    n, m, total = len(before), len(now), len(doubled)
    smaller = min(n, m)
    if total * smaller * sum(sorted(doubled)[total - smaller :]) <= EXACT_STEPS:
        ranks = tuple(sorted(doubled))
        # The smaller sample is the one to count: that now ranks high says that before ranks low.
        return _share(ranks, m, lowest=seen) if m <= n else _share(ranks, n, highest=sum(ranks) - seen)
    mean = m * (total + 1) / 2
    sizes = [doubled.count(rank) for rank in set(doubled)]
    variance = n * m / 12 * (total + 1 - sum(size**3 - size for size in sizes) / (total * (total - 1)))
    if variance <= 0:
        return 1.0
    return 1 - NormalDist().cdf((seen / 2 - mean - 0.5) / math.sqrt(variance))


def _doubled_midranks(values: Sequence[float]) -> list[int]:
    """Twice the rank of each value, equal values sharing the mean of theirs: whole numbers."""
    ordered = sorted(values)
    first: dict[float, int] = {}
    last: dict[float, int] = {}
    for place, value in enumerate(ordered, start=1):
        first.setdefault(value, place)
        last[value] = place
    return [first[value] + last[value] for value in values]


@lru_cache(maxsize=256)
def _sums(ranks: tuple[int, ...], size: int) -> tuple[int, ...]:
    """How many subsets of ``size`` ranks have each sum: counted rank by rank."""
    limit = sum(ranks[len(ranks) - size :])
    counts = [[0] * (limit + 1) for _ in range(size + 1)]
    counts[0][0] = 1
    for rank in ranks:
        for taken in range(size - 1, -1, -1):
            source, target = counts[taken], counts[taken + 1]
            for total in range(limit - rank, -1, -1):
                if source[total]:
                    target[total + rank] += source[total]
    return tuple(counts[size])


def _share(ranks: tuple[int, ...], size: int, *, lowest: int = 0, highest: int | None = None) -> float:
    """The share of subsets whose sum lies between two sums, both included."""
    counts = _sums(ranks, size)
    return sum(counts[lowest : None if highest is None else highest + 1]) / sum(counts)


def smallest_p(before: int, now: int) -> float:
    """The probability of complete separation, the smallest that samples of these sizes can show."""
    return 1 / math.comb(before + now, now)


def benjamini_hochberg(ps: Sequence[float]) -> list[float]:
    """Each probability adjusted for being one of many, in the order given: the false discovery rate at which it would count.

    Source: Y. Benjamini and Y. Hochberg, "Controlling the false discovery rate", Journal of the Royal Statistical Society B 57
    (1995).
    """
    adjusted, lowest = [0.0] * len(ps), 1.0
    for rank, place in sorted(enumerate(sorted(range(len(ps)), key=ps.__getitem__), start=1), reverse=True):
        lowest = min(lowest, ps[place] * len(ps) / rank)
        adjusted[place] = lowest
    return adjusted


def wilson(passed: int, runs: int, confidence: float = 0.95) -> tuple[float, float]:
    """The interval in which a rate lies of which ``passed`` of ``runs`` were seen.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the American
    Statistical Association 22 (1927).
    """
    if runs == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rate, share = passed / runs, z * z / runs
    middle = (rate + share / 2) / (1 + share)
    half = z / (1 + share) * math.sqrt(rate * (1 - rate) / runs + share / (4 * runs))
    return max(0.0, middle - half), min(1.0, middle + half)


def fisher(passed_before: int, runs_before: int, passed_now: int, runs_now: int) -> float:
    """The probability that so few of the passes fall to ``now`` by chance, the totals given: one-sided, exact.

    Source: R. A. Fisher, "Statistical Methods for Research Workers" (5th edition, 1934), section 21.02.
    """
    passed, runs = passed_before + passed_now, runs_before + runs_now
    ways = [math.comb(passed, k) * math.comb(runs - passed, runs_now - k) for k in range(passed_now + 1) if k <= runs_now]
    return sum(ways) / math.comb(runs, runs_now)


def geometric_mean(ratios: Sequence[float]) -> float:
    """The mean of ratios: half and double cancel out. 1 for none.

    Source: P. J. Fleming and J. J. Wallace, "How not to lie with statistics", Communications of the ACM 29 (1986).
    """
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else 1.0
