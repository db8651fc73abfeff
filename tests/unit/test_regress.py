"""When a figure has regressed, and when there is too little to say."""

from __future__ import annotations

import pytest

from pytest_llmlog.regress import Threshold, judge_exact, judge_noisy, significant

SLOWER = Threshold(0.25, 0.25)
STEADY = [2.0, 2.1, 1.9, 2.05, 1.95]
SLOW = [3.0, 3.1, 2.9, 3.05, 2.95]


@pytest.mark.parametrize(
    ("before", "now", "threshold", "verdict"),
    [
        ([10], [11], Threshold(0, 0), "regressed"),
        ([10], [10], Threshold(0, 0), "unchanged"),
        ([10], [9], Threshold(0, 0), "improved"),
        ([100], [120], Threshold(0.25, 0), "unchanged"),
        ([100], [130], Threshold(0.25, 50), "unchanged"),  # over the share, not over the amount
        ([100], [151], Threshold(0.25, 50), "regressed"),
        ([0], [1], Threshold(0.5, 0), "regressed"),
        ([0], [0], Threshold(0, 0), "unchanged"),
        ([], [5], Threshold(0, 0), "new"),
        ([5], [], Threshold(0, 0), "missing"),
    ],
)
def test_what_does_not_vary_is_compared_as_it_is(before: list[float], now: list[float], threshold: Threshold, verdict: str) -> None:
    assert judge_exact(before, now, threshold).verdict == verdict


@pytest.mark.parametrize(
    ("before", "now", "verdict"),
    [
        (STEADY, SLOW, "regressed"),
        (SLOW, STEADY, "improved"),
        (STEADY, STEADY, "unchanged"),
        (STEADY, [2.2, 2.3, 2.25, 2.28, 2.26], "unchanged"),  # surely slower, but not by enough to matter
        (STEADY, [2.0, 2.1, 1.9, 2.05, 30.0], "unchanged"),  # one stall
        (STEADY, [2.0, 1.8, 2.9, 2.8, 2.7], "unchanged"),  # by enough, but chance does that
        (STEADY[:4], SLOW, "insufficient_data"),
        ([2.0], [9.0], "insufficient_data"),
        ([], SLOW, "new"),
    ],
)
def test_what_varies_takes_evidence(before: list[float], now: list[float], verdict: str) -> None:
    assert judge_noisy(before, now, SLOWER).verdict == verdict


def test_among_many_comparisons_it_takes_more_and_says_how_many() -> None:
    found = judge_noisy(STEADY, SLOW, SLOWER, family=50)
    assert (found.verdict, found.reason) == (
        "insufficient_data", "5 and 5 values; among 50 comparisons it takes 8 on each side to tell this from chance",
    )  # fmt: skip
    assert judge_noisy(STEADY * 2, SLOW * 2, SLOWER, family=50).verdict == "regressed"


def test_what_would_do_is_told_however_few_there_are() -> None:
    assert judge_noisy([2.0], [9.0], SLOWER).reason == "1 and 1 values; it takes 5 on each side to tell this from chance"
    assert "it takes 8 on each side" in judge_noisy([2.0], SLOW, SLOWER, family=50).reason


def test_a_whole_suite_that_got_slower_shows_together() -> None:
    p = judge_noisy(STEADY, SLOW, SLOWER, family=50).p
    assert p is not None
    assert significant([p] * 50) == [True] * 50
    assert significant([p, *[1.0] * 49]) == [False] * 50
    assert significant([]) == []


@pytest.mark.parametrize("odd", [float("nan"), float("inf")])
def test_a_figure_that_is_none_is_an_error(odd: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        judge_noisy(STEADY, [odd], SLOWER)
