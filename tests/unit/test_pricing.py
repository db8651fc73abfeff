"""Prices: what genai-prices says of each call, at a fraction of the time."""

from __future__ import annotations

import random
import warnings

import genai_prices
import pytest
from genai_prices.data_snapshot import get_snapshot

from pytest_llmlog import clock, pricing
from pytest_llmlog.record import Usage

MODELS = [(provider.id, model.id) for provider in get_snapshot().providers for model in provider.models]


def theirs(usage: Usage, provider: str, model: str) -> float | None:
    said = {
        "input_tokens": usage.input, "output_tokens": usage.output, "cache_read_tokens": usage.cached_input,
        "cache_write_tokens": usage.cache_write_input, "input_audio_tokens": usage.audio_input, "output_audio_tokens": usage.audio_output,
    }  # fmt: skip
    try:
        return float(genai_prices.calc_price(genai_prices.Usage(**said), model_ref=model, provider_id=provider).total_price)
    except (LookupError, ValueError):
        return None


def usages(chance: random.Random) -> Usage:
    """Plausible counts and odd ones: parts without their whole, or greater than it."""
    whole, out = chance.choice([0, 1, 123, 5_000, 250_000]), chance.choice([None, 0, 7, 900])

    def part(most: int) -> int | None:
        return chance.choice([None, 0, chance.randint(0, most)])

    return Usage(
        input=whole, output=out, cached_input=part(whole // 2), cache_write_input=part(whole // 3), audio_input=part(whole // 3),
        audio_output=part(out or 1),
    )  # fmt: skip


def test_every_model_costs_what_genai_prices_says(monkeypatch: pytest.MonkeyPatch) -> None:
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)  # the rates of one minute
    chance = random.Random(7)
    asked = [(usages(chance), provider, model) for provider, model in MODELS for _ in range(2)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wrong = [(each, ours, right) for each in asked if (ours := pricing.cost_usd(*each)) != (right := theirs(*each))]
    assert wrong == []
    assert len(asked) > 2_000


def test_a_price_that_depends_on_the_hour_is_asked_for_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    real = genai_prices.calc_price
    monkeypatch.setattr(genai_prices, "calc_price", lambda *said, **more: asked.append(more) or real(*said, **more))
    usage = Usage(input=1_000, output=1_000)
    for minute in (10**6, 10**6 + 1):
        monkeypatch.setattr(clock, "now", lambda at=minute * 60: at)
        prices = {pricing.cost_usd(usage, "deepseek", "deepseek-chat") for _ in range(3)}
        assert len(prices) == 1
        assert asked
        asked.clear()


def test_what_has_no_price_has_none() -> None:
    assert pricing.cost_usd(Usage(input=1, output=1), "openai", "no-such-model") is None
    assert pricing.cost_usd(Usage(input=1, output=1), "nobody", "gpt-4o") is None
    assert pricing.cost_usd(Usage(output=1), "openai", "gpt-4o") is None
    assert pricing.cost_usd(Usage(input=1, cached_input=2), "openai", "gpt-4o") is None
