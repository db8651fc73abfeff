"""What a call cost, from offline price data; the only importer of genai-prices."""

from __future__ import annotations

from decimal import Decimal
from functools import cache, lru_cache
from typing import Any, Literal, NamedTuple

from pytest_llmlog import clock
from pytest_llmlog.record import Usage

PROVIDERS = {"azure.ai.openai": "azure", "x_ai": "x-ai", "mistral_ai": "mistral"}
"""Where genai-prices names a provider differently from OpenTelemetry."""


@cache
def _prices() -> Any:
    import genai_prices

    return genai_prices


def preload() -> None:
    """Import the price data now, so that no call waits for it."""
    _prices()


@cache
def source() -> str:
    """Name the price data with its version: ``genai-prices@0.2.3``."""
    from importlib.metadata import version

    return f"genai-prices@{version('genai-prices')}"


COUNTS = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cached_input": "cache_read_tokens",
    "cache_write_input": "cache_write_tokens",
    "audio_input": "input_audio_tokens",
    "audio_output": "output_audio_tokens",
}
"""Our names of what has a price, and genai-prices'."""

Counts = tuple[int | None, ...]
"""Tokens in the order of ``COUNTS``."""


class _Rates(NamedTuple):
    """What a call costs whatever it uses, and each token of a kind."""

    call: Decimal
    tokens: tuple[Decimal, ...]

    def sum(self, counts: Counts) -> Decimal:
        return sum((rate * count for rate, count in zip(self.tokens, counts, strict=True) if count), self.call)


def cost_usd(usage: Usage, provider: str, model: str | None) -> float | None:
    """Return the price in US dollars, or None when model or provider have no known price. Never raises."""
    if model is None or usage.input is None:
        return None
    counts = tuple(getattr(usage, name) for name in COUNTS)
    known = tuple(count is not None for count in counts)
    rates = _rates(model, provider, known, int(clock.now()) // 60) if _is_plausible(usage) else "vary"
    if rates == "unknown":
        return None
    try:
        price = _calculated(counts, model, provider).total_price if rates == "vary" else rates.sum(counts)
    except (LookupError, ValueError):
        return None
    return float(price)


def _is_plausible(usage: Usage) -> bool:
    """Whether every part is known with its whole and no more than that; genai-prices says what the others cost, if anything."""
    parts = (usage.cached_input or 0, usage.cache_write_input or 0, usage.audio_input or 0)
    of_output = usage.audio_output is None or (usage.output is not None and usage.audio_output <= usage.output)
    return sum(parts) <= (usage.input or 0) and of_output


def _calculated(counts: Counts, model: str, provider: str) -> Any:
    prices = _prices()
    usage = prices.Usage(**dict(zip(COUNTS.values(), counts, strict=True)))
    return prices.calc_price(usage, model_ref=model, provider_id=PROVIDERS.get(provider, provider))


@lru_cache(maxsize=256)
def _rates(model: str, provider: str, known: tuple[bool, ...], minute: int) -> _Rates | Literal["vary", "unknown"]:
    """A model's rates in one minute, since some cost less at night; ``vary`` where they depend on how much is used, and with what.

    genai-prices works each price out anew, which costs more than all the rest of a record. Its sums are linear and its decimals
    exact, so what one token more costs is what each costs.
    """
    whole = ("input", "output")
    many = tuple((10**6 if name in whole else 1) if is_known else None for name, is_known in zip(COUNTS, known, strict=True))
    try:
        found = _calculated(many, model, provider)
    except LookupError:
        return "unknown"
    except ValueError:
        return "vary"
    if any(hasattr(price, "tiers") for price in vars(found.model_price).values()):
        return "vary"
    tokens = [_calculated(_one_more(many, place), model, provider).total_price - found.total_price for place in range(len(many))]
    nothing = _Rates(Decimal(0), tuple(tokens))
    return _Rates(found.total_price - nothing.sum(many), nothing.tokens)


def _one_more(counts: Counts, place: int) -> Counts:
    return tuple(count + 1 if place == each and count is not None else count for each, count in enumerate(counts))
