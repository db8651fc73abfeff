"""Alerts on a replayed clock: they fire once per episode, with their causes, and clear when it is over."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from logs import BEGIN, failure, record
from pytest_llmlog import clock
from pytest_llmlog.query.alerts import CAUSES, Cause, Event, Watch, parse, replay
from pytest_llmlog.query.where import WhereError


def row(call: dict[str, Any]) -> Any:
    return SimpleNamespace(**{name: call.get(name) for name in (*Cause.__struct_fields__, "cost_usd", "tokens")})


def watched(alert: str, *calls: dict[str, Any]) -> list[Event]:
    return list(replay([parse(alert)], map(row, calls)))


def seconds(event: Event) -> float:
    """When an event was, in seconds since the beginning."""
    return next(second / 10 for second in range(100_000) if clock.timestamp_of(BEGIN + second / 10) == event.at)


def slow(at: float, latency: float = 8.0) -> dict[str, Any]:
    """A call that ends at a moment."""
    return record(at - latency, latency_seconds=latency)


def test_it_fires_once_with_its_causes_and_clears_when_it_is_over() -> None:
    calls = [slow(0, 1.0), slow(10), slow(20), slow(30), slow(400, 1.0), slow(410, 1.0)]

    fired, cleared = watched("p95(latency_seconds) > 5 over 5m", *calls)

    assert (fired.state, seconds(fired), fired.calls) == ("firing", 10, 2)
    assert fired.value == pytest.approx(7.65)
    assert [cause.request_id for cause in fired.causes] == [calls[1]["request_id"]]
    assert (cleared.state, seconds(cleared), cleared.value, cleared.causes) == ("cleared", 400, 1.0, ())


def test_every_episode_fires_anew() -> None:
    calls = [slow(0), slow(100, 1.0), slow(200), slow(300, 1.0)]

    assert [event.state for event in watched("max(latency) > 5s over 1m", *calls)] == ["firing", "cleared"] * 2


def test_the_rate_of_failures() -> None:
    calls = [
        *(record(number, latency_seconds=0.0) for number in range(19)),
        failure(19, latency_seconds=0.0),
        failure(20, latency_seconds=0.0),
    ]

    (fired,) = watched("rate(status=failure) > 0.05 over 5m", *calls)

    assert (seconds(fired), fired.calls, fired.value) == (20, 21, pytest.approx(2 / 21))
    assert [cause.request_id for cause in fired.causes] == [calls[20]["request_id"], calls[19]["request_id"]]
    assert watched("rate(status=failure) > 10% over 5m", *calls) == []


@pytest.mark.parametrize(
    "alert", ["error_type=RateLimitError count >= 3 over 1m", "count(error_type = RateLimitError) >= 3 over 60s"]
)
def test_a_count(alert: str) -> None:
    calls = [failure(at, latency_seconds=0.0) for at in (0, 50, 70, 100, 105)] + [failure(106, "Other", latency_seconds=0.0)]

    (fired,) = watched(alert, *calls)

    assert (seconds(fired), fired.value) == (100, 3)
    assert {cause.error_type for cause in fired.causes} == {"RateLimitError"}


def test_a_call_counts_when_it_ends() -> None:
    (fired,) = watched("count() >= 2 over 10s", record(0, latency_seconds=60.0), record(58, latency_seconds=1.0))

    assert seconds(fired) == 60


def test_calls_that_come_out_of_order_count_where_they_belong() -> None:
    in_order = [slow(at) for at in (0, 30, 59, 61)]
    shuffled = [in_order[1], in_order[0], in_order[3], in_order[2]]

    assert [event.state for event in watched("count() >= 3 over 1m", *shuffled)] == ["firing"]


def test_the_clock_ends_an_alert_when_no_call_comes() -> None:
    watch = Watch(parse("sum(cost_usd) > $0.50 over 1m"))
    fired = watch.see(row(record(0, latency_seconds=0.0, cost_usd=0.6)))

    assert fired is not None
    assert watch.tick(BEGIN + 59) is None
    cleared = watch.tick(BEGIN + 60)
    assert cleared is not None
    assert (cleared.state, cleared.value, cleared.calls, seconds(cleared)) == ("cleared", None, 0, 60)
    assert watch.tick(BEGIN + 61) is None


def test_few_of_many_causes_are_named_the_newest_first() -> None:
    calls = [failure(number, latency_seconds=0.0) for number in range(50)]

    (fired,) = watched("count(status=failure) >= 40 over 5m", *calls)

    assert [cause.request_id for cause in fired.causes] == [call["request_id"] for call in calls[39 : 39 - CAUSES : -1]]


def test_too_few_calls_can_be_an_alert_once_the_first_was_made() -> None:
    watch = Watch(parse("count() < 1 over 1m"))

    assert watch.see(row(record(0, latency_seconds=0.0))) is None
    event = watch.tick(BEGIN + 61)
    assert event is not None
    assert (event.state, event.value) == ("firing", 0)


@pytest.mark.parametrize(
    ("alert", "place", "reason"),
    [
        ("p95(latency_seconds) > 5", 24, "expected 'over'"),
        ("p95(latency_seconds) > fast over 5m", 23, "expected a number"),
        ("p95(model) > 5 over 5m", 4, "model is no number"),
        ("p95(latency_seconds) = 5 over 5m", 21, "expected >, >=, < or <="),
        ("rate(status=failure) > 0.05 over soon", 33, "expected a length of time"),
        ("status=failure > 3 over 1m", 15, "expected 'count'"),
        ("median(latency) > 3 over 1m", 0, "'median' is no field"),
        ("count() > 3 over 0m", 17, "expected a length of time"),
        ("count() > 3 over 1m please", 20, "expected the end"),
    ],
)
def test_a_bad_alert_shows_the_place(alert: str, place: int, reason: str) -> None:
    with pytest.raises(WhereError) as caught:
        parse(alert)

    assert reason in str(caught.value)
    assert caught.value.place == place
