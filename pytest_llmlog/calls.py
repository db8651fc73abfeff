"""The interactions of a test or a ``capture()`` block as their owner sees them: a sequence, with sums."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, overload

import msgspec

from pytest_llmlog import answers, budgets, callcontext
from pytest_llmlog.compare import Scorer, Terms, parse_policy
from pytest_llmlog.metrics import Totals
from pytest_llmlog.record import Interaction, Usage

_parse = msgspec.json.Decoder(Interaction).decode


class Calls(Sequence[Interaction]):
    """A read-only view of interactions, oldest first, that grows while calls are made.

    Args:
        lines: gives the interactions made so far as JSON lines; each is parsed when it is looked at.
        golden: gives the interactions of the test's golden, None without one, and how the test compares answers.
        note: takes what a person should see though nothing is wrong.
    """

    def __init__(
        self,
        lines: Callable[[], Sequence[bytes]],
        golden: Callable[[], tuple[Sequence[Interaction] | None, Terms]] = lambda: (None, Terms()),
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._lines, self._golden, self._note = lines, golden, note

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
        found, untold = budgets.check(totals.values, totals.unknown, read.values(), source=source, spenders=budgets.of_calls(calls))
        for text in untold:
            self._note(text)
        if found:
            raise answers.failure("\n\n".join(violation.text for violation in found))

    def _one(self, call: int | Interaction) -> Interaction:
        return self[call] if isinstance(call, int) else call

    def assert_schema(self, schema: dict[str, Any] | bool | str | os.PathLike[str], *, call: int | Interaction = -1) -> None:
        """Hold an answer against a JSON Schema of your own: a value, or the path of a file.

        ``$ref`` reaches local files, relative to the schema's; never the network.

        Raises:
            AssertionError: the answer is not JSON or breaks the schema; the text has the most telling error.
            ValueError: the schema cannot be read or is none.
        """
        __tracebackhide__ = True
        answers.assert_schema(self._one(call), schema)

    def assert_tool_call(self, name: str, arguments: Any = ..., *, call: int | Interaction | None = None) -> None:
        """Expect that the model asked for a tool: with these arguments, or such that a function of them is true, or with any.

        Any interaction may do so, unless ``call`` names one.

        Raises:
            AssertionError: none does; the text lists what was asked for, with what differs in the nearest.
        """
        __tracebackhide__ = True
        answers.assert_tool_call(list(self) if call is None else [self._one(call)], name, arguments)

    def assert_finish_reason(self, *allowed: str, call: int | Interaction = -1) -> None:
        """Expect that every choice of an answer ended for one of these reasons, in the provider's own words.

        Raises:
            AssertionError: another did, or the provider told none.
        """
        __tracebackhide__ = True
        answers.assert_finish_reason(self._one(call), allowed)

    def assert_refused(self, *, call: int | Interaction = -1) -> None:
        """Expect that the model, or its provider's filter, refused to answer.

        Raises:
            AssertionError: it answered; the text shows how.
        """
        __tracebackhide__ = True
        answers.assert_refused(self._one(call), refused=True)

    def assert_not_refused(self, *, call: int | Interaction = -1) -> None:
        """Expect that the model did not refuse to answer.

        Raises:
            AssertionError: it did; the text has its words.
        """
        __tracebackhide__ = True
        answers.assert_refused(self._one(call), refused=False)

    def assert_matches_golden(
        self, compare: str | None = None, *, ignore: Sequence[str] | None = None, scorer: Scorer | None = None
    ) -> None:
        """Expect the golden's answers, compared as ``compare`` says, and no call more or less.

        What is not given is as the marker or the ini file has it. A test that has no golden yet matches: this is its first
        recording.

        Args:
            compare: ``exact``, ``text``, ``json``, ``shape``, ``similar:X`` or ``none``.
            ignore: JSON paths of an answer that do not count.
            scorer: two texts to their similarity from 0 to 1, in place of rapidfuzz's token-set ratio.

        Raises:
            AssertionError: not so; the text has every difference.
            ValueError: a policy that is none, or a scorer that does not score.
        """
        __tracebackhide__ = True
        before, said = self._golden()
        terms = Terms(
            said.policy if compare is None else parse_policy(compare),
            said.ignore if ignore is None else tuple(ignore),
            scorer or said.scorer,
        )
        if before is not None:
            answers.assert_matches(before, tuple(self), terms)

    def context(self, **said: Any) -> AbstractContextManager[None]:
        """As ``pytest_llmlog.context``."""
        return callcontext.context(**said)

    def render(self, name: str, template: str, /, **variables: Any) -> str:
        """As ``pytest_llmlog.render``."""
        return callcontext.render(name, template, **variables)
