"""How often the regression rule cries wolf, and how often it sees one: simulated suites, seeded.

    python benchmarks/regressions.py [SUITES]

A suite has 50 tests with a median latency of 2 s, log-normal noise (sigma 0.25) and 3 % stalls (10 times as long); the check is
``latency:25%+250ms``. False alarms: suites in which nothing changed but something is called regressed. Power: one test made slower
in a suite that is not, and every test made slower; the share of slower tests that are found. Intervals are Wilson's, 95 %.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from statistics import median

from pytest_llmlog.regress import Judged, Threshold, judge_noisy, significant
from pytest_llmlog.significance import mann_whitney, wilson

TESTS = 50
SIGMA = 0.25
STALLS = 0.03
THRESHOLD = Threshold(0.25, 0.25)
SEED = 20260

Values = Sequence[float]
Rule = Callable[[Sequence[tuple[Values, Values]]], list[bool]]


def latencies(chance: random.Random, runs: int, slower: float) -> list[float]:
    """Seconds of some runs of one test."""
    drawn = (2.0 * slower * chance.lognormvariate(0, SIGMA) for _ in range(runs))
    return [seconds * (10 if chance.random() < STALLS else 1) for seconds in drawn]


def ours(suite: Sequence[tuple[Values, Values]], threshold: Threshold = THRESHOLD) -> list[bool]:
    """The rule as it is: each test when it ends, all of them again when the run does."""
    found = [judge_noisy(before, now, threshold, family=len(suite)) for before, now in suite]
    return [alone.verdict == "regressed" or together for alone, together in zip(found, significant([*map(_p, found)]), strict=True)]


def _p(judged: Judged) -> float:
    worse = judged.p is not None and (judged.now or 0) > (judged.before or 0)
    return judged.p if worse and judged.p is not None else 1.0


def no_threshold(suite: Sequence[tuple[Values, Values]]) -> list[bool]:
    """The rule, with every increase worth a test."""
    return ours(suite, Threshold(0, 0))


def single(suite: Sequence[tuple[Values, Values]]) -> list[bool]:
    """What many tools do: one value against one value, 25 %."""
    return [now[0] > before[0] * 1.25 for before, now in suite]


def uncorrected(suite: Sequence[tuple[Values, Values]]) -> list[bool]:
    """A test at 0.05 for each comparison by itself, and the threshold on medians."""
    return [
        THRESHOLD.exceeded(median(before), median(now)) and mann_whitney(before, now) < 0.05 for before, now in suite
    ]  # fmt: skip


def suite(chance: random.Random, runs: int, slower: float, changed: int) -> list[tuple[Values, Values]]:
    """Values before and now of all tests, the first ``changed`` of them slower now."""
    return [(latencies(chance, runs, 1.0), latencies(chance, runs, slower if n < changed else 1.0)) for n in range(TESTS)]


def share(hits: int, of: int) -> str:
    low, high = wilson(hits, of)
    return f"{hits / of:7.2%} ({low:.2%} to {high:.2%})"


def false_alarms(rule: Rule, runs: int, suites: int) -> str:
    chance = random.Random(SEED)
    return share(sum(any(rule(suite(chance, runs, 1.0, 0))) for _ in range(suites)), suites)


def power(rule: Rule, runs: int, slower: float, changed: int, suites: int) -> str:
    chance = random.Random(SEED)
    found = sum(sum(rule(suite(chance, runs, slower, changed))[:changed]) for _ in range(suites))
    return share(found, suites * changed)


def main() -> None:
    """Print the table."""
    suites = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    few = max(1, suites // 10)
    print(f"seed {SEED}, {suites} suites of {TESTS} tests for false alarms, {few} for power")
    rules: list[tuple[str, Rule]] = [
        ("this rule", ours),
        ("this rule, threshold 0", no_threshold),
        ("single values, 25 %", single),
        ("uncorrected, p < .05", uncorrected),
    ]
    for name, rule in rules:
        for runs in (5, 8, 10, 20):
            cells = [f"FALSE {false_alarms(rule, runs, suites)}"]
            for slower in (1.5, 2.0):
                cells += [
                    f"ONE x{slower} {power(rule, runs, slower, 1, suites)}",
                    f"ALL x{slower} {power(rule, runs, slower, TESTS, few)}",
                ]
            print(f"{name:22} runs={runs:2} " + " | ".join(cells), flush=True)


if __name__ == "__main__":
    main()
