"""What is measured, as values: cases, rounds and rows, which know nothing of how they are made or shown."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Action = Literal["record", "replay", "paced"]


@dataclass(frozen=True)
class Case:
    """One way of making calls.

    Attributes:
        tool: a name in ``tools.TOOLS``.
        action: ``record`` and ``replay`` are timed by the test; of ``paced`` streams the delay of the first chunk is taken.
        calls: calls in a test.
        streamed: whether answers come in chunks.
        width: calls under way at once; with 1 by the synchronous client, else by the asynchronous one.
        size: bytes of the request's body and of the answer's, about.
        rounds: at most so many tests.
        seconds: no round begins after so long.
    """

    tool: str
    action: Action
    calls: int
    streamed: bool = False
    width: int = 1
    size: int = 2_000
    rounds: int = 3
    seconds: float = 10.0


@dataclass(frozen=True)
class Round:
    """One test of the tool and the floor around it, in seconds a call, the tests' setup and teardown included."""

    floor_wall: float
    floor_cpu: float
    wall: float
    cpu: float


@dataclass(frozen=True)
class Row:
    """The rounds of a case.

    Attributes:
        stopped: seconds after which the first round was given up; None where it was not.
        done: calls that were made by then.
        size: bytes of the golden or cassette of one test; None where there is none.
        delays: of ``paced`` streams, seconds from the sending of the first chunk to its caller: with the tool.
        bare: the same without it.
        fault: why there are no figures.
    """

    case: Case
    rounds: tuple[Round, ...] = ()
    stopped: float | None = None
    done: int = 0
    size: int | None = None
    delays: tuple[float, ...] = ()
    bare: tuple[float, ...] = ()
    fault: str | None = None

    @property
    def wall_ratio(self) -> Spread:
        """Wall time over the floor's."""
        return Spread.of([each.wall / each.floor_wall for each in self.rounds])

    @property
    def cpu_ratio(self) -> Spread:
        """CPU time of the process over the floor's."""
        return Spread.of([each.cpu / each.floor_cpu for each in self.rounds])

    @property
    def cpu(self) -> Spread:
        """CPU seconds a call."""
        return Spread.of([each.cpu for each in self.rounds])

    @property
    def floor_cpu(self) -> Spread:
        """CPU seconds a call of the floor."""
        return Spread.of([each.floor_cpu for each in self.rounds])


@dataclass(frozen=True)
class Spread:
    """The median of some values, and the least and the greatest of them."""

    median: float
    least: float
    greatest: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Raises ``statistics.StatisticsError`` where there are no values."""
        return cls(statistics.median(values), min(values), max(values), len(values))

    def told(self, form: str = "{:.2f}", unit: float = 1.0) -> str:
        """For a table: ``median (least–greatest)``, times ``unit``."""
        middle, least, greatest = (form.format(value * unit) for value in (self.median, self.least, self.greatest))
        return middle if self.count == 1 else f"{middle} ({least}–{greatest})"


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a share of the values lies."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
