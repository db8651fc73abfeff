"""The interactions of a test or a ``capture()`` block as their owner sees them: a sequence, with sums."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, overload

import msgspec

from pytest_llmlog import budgets, callcontext
from pytest_llmlog.metrics import Totals
from pytest_llmlog.record import Interaction, Usage

_parse = msgspec.json.Decoder(Interaction).decode


class Calls(Sequence[Interaction]):
    """A read-only view of interactions, oldest first, that grows while calls are made.

    Args:
        lines: gives the interactions made so far as JSON lines; each is parsed when it is looked at.
    """

    def __init__(self, lines: Callable[[], Sequence[bytes]]) -> None:
        self._lines = lines

    def __len__(self) -> int:
        return len(self._lines())

    @overload
    def __getitem__(self, index: int) -> Interaction: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Interaction]: ...
    def __getitem__(self, index: int | slice) -> Interaction | Sequence[Interaction]:
        made = self._lines()
        if isinstance(index, slice):
            return tuple(map(_parse, tuple(made)[index]))
        try:
            return _parse(made[index])
        except IndexError:
            raise IndexError(f"there is no interaction {index}: {len(made)} were made so far") from None

    def __repr__(self) -> str:
        return f"<{len(self)} interactions, {self.tokens} tokens>"

    @property
    def usage(self) -> Usage:
        """Token counts summed over all interactions; a count that none of them knows is None."""
        return Usage.sum(call.usage for call in self if call.usage is not None)

    @property
    def tokens(self) -> int | None:
        """Total tokens; 0 without interactions, None when no interaction knows its own."""
        return self.usage.total if len(self) else 0

    @property
    def cost_usd(self) -> float | None:
        """Total price in US dollars; 0 without interactions, None when no interaction's price is known."""
        prices = [call.cost_usd for call in self if call.cost_usd is not None]
        return sum(prices) if prices or not len(self) else None

    @property
    def latency_seconds(self) -> float:
        """Seconds of all interactions together; recorded ones where they are replayed."""
        return sum(call.latency_seconds or 0.0 for call in self)

    def response_json(self) -> Any:
        """The last interaction's answer parsed as JSON.

        Raises:
            IndexError: no interaction was made.
            ValueError: the answer is not JSON.
        """
        return self[-1].response_json()

    def check(self, **limits: Any) -> None:
        """Hold the calls made so far against limits, all at once.

        Args:
            limits: ``max_METRIC=amount`` with the metrics of ``metrics.METRICS``, as in the marker: ``max_tokens=900``,
                ``max_latency="3s"``, ``max_cost_usd="$0.05"``.

        Raises:
            AssertionError: limits do not hold; the text has all of them, with what was spent on which call.
            ConfigError: a limit that does not exist or cannot be read.
        """
        __tracebackhide__ = True
        calls = list(self)
        totals = Totals(calls)
        replayed = sum(call.source == "replay" for call in calls)
        source = budgets.recorded_share(len(calls) - replayed, replayed)
        read = budgets.of_keywords(limits, "llmlog.check")
        found, _ = budgets.check(totals.values, totals.unknown, read.values(), source=source, spenders=budgets.of_calls(calls))
        if found:
            raise AssertionError("\n\n".join(violation.text for violation in found))

    def context(self, **said: Any) -> AbstractContextManager[None]:
        """As ``pytest_llmlog.context``."""
        return callcontext.context(**said)

    def render(self, name: str, template: str, /, **variables: Any) -> str:
        """As ``pytest_llmlog.render``."""
        return callcontext.render(name, template, **variables)
