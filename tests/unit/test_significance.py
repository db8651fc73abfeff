"""The statistics, against figures of textbooks and against counting everything out."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmlog import significance
from pytest_llmlog.significance import benjamini_hochberg, fisher, geometric_mean, mann_whitney, smallest_p, wilson

VALUES = st.lists(st.integers(0, 6).map(float), min_size=1, max_size=6)


def counted_out(before: list[float], now: list[float]) -> float:
    """Every way to deal the pooled values into samples of these sizes; U counts the pairs in which now is greater."""
    pooled = before + now

    def u(places: tuple[int, ...]) -> float:
        rest = [value for place, value in enumerate(pooled) if place not in places]
        return sum((pooled[place] > other) + (pooled[place] == other) / 2 for place in places for other in rest)

    ways = [u(places) for places in combinations(range(len(pooled)), len(now))]
    seen = u(tuple(range(len(before), len(pooled))))
    return sum(way >= seen - 1e-9 for way in ways) / len(ways)


@given(VALUES, VALUES)
def test_the_exact_test_counts_every_way_ties_included(before: list[float], now: list[float]) -> None:
    assert mann_whitney(before, now) == pytest.approx(counted_out(before, now))


@pytest.mark.parametrize(("size", "other"), [(5, 5), (8, 8), (20, 20), (25, 25), (40, 5), (5, 40), (100, 5)])
def test_complete_separation_has_the_smallest_probability(size: int, other: int) -> None:
    low, high = [float(n) for n in range(size)], [float(n + 1000) for n in range(other)]
    assert mann_whitney(low, high) == pytest.approx(smallest_p(size, other)) == pytest.approx(1 / math.comb(size + other, other))
    assert mann_whitney(high, low) == pytest.approx(1.0)


def test_equal_samples_are_no_evidence_and_many_values_are_approximated(monkeypatch: pytest.MonkeyPatch) -> None:
    assert mann_whitney([1.0] * 6, [1.0] * 6) == 1.0
    assert mann_whitney([1.0] * 60, [1.0] * 60) == 1.0
    before, now = [float(n % 10) for n in range(25)], [float(n % 10 + 1) for n in range(25)]
    exact = mann_whitney(before, now)
    monkeypatch.setattr(significance, "EXACT_STEPS", 0)
    assert mann_whitney(before, now) == pytest.approx(exact, rel=0.1)


def test_benjamini_hochberg() -> None:
    # The worked example of Benjamini and Hochberg (1995), section 3: at 0.05 the first four of fifteen count.
    ps = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    assert [p <= 0.05 for p in benjamini_hochberg(ps)] == [True] * 4 + [False] * 11
    assert [p <= 0.05 for p in benjamini_hochberg(ps[::-1])] == [False] * 11 + [True] * 4
    assert benjamini_hochberg([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_an_adjusted_probability_lies_between_its_own_and_bonferronis(ps: list[float]) -> None:
    for p, adjusted in zip(ps, benjamini_hochberg(ps), strict=True):
        assert p - 1e-12 <= adjusted <= min(1.0, p * len(ps)) + 1e-12


def test_the_wilson_interval() -> None:
    # Newcombe (1998), table I, method 3: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    for passed, runs, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert wilson(passed, runs) == pytest.approx((low, high), abs=5e-5)
    assert wilson(0, 0) == (0.0, 1.0)


def test_fishers_exact_test() -> None:
    # The tea tasting of Fisher's "The Design of Experiments": four of four, and three of four.
    assert fisher(4, 4, 0, 4) == pytest.approx(1 / 70)
    assert fisher(3, 4, 1, 4) == pytest.approx(17 / 70)
    assert fisher(5, 5, 5, 5) == 1.0
    assert fisher(0, 5, 5, 5) == 1.0


def test_the_geometric_mean_cancels_half_against_double() -> None:
    assert geometric_mean([0.5, 2.0]) == pytest.approx(1.0)
    assert geometric_mean([]) == 1.0
