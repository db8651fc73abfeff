"""What a call cost, from offline price data; the only importer of genai-prices."""

from __future__ import annotations

from functools import cache
from typing import Any

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


def cost_usd(usage: Usage, provider: str, model: str | None) -> float | None:
    """Return the price in US dollars, or None when model or provider have no known price. Never raises."""
    if model is None or usage.input is None:
        return None
    prices = _prices()
    counted = prices.Usage(
        input_tokens=usage.input,
        output_tokens=usage.output,
        cache_read_tokens=usage.cached_input,
        cache_write_tokens=usage.cache_write_input,
        input_audio_tokens=usage.audio_input,
        output_audio_tokens=usage.audio_output,
    )
    try:
        price = prices.calc_price(counted, model_ref=model, provider_id=PROVIDERS.get(provider, provider))
    except (LookupError, ValueError):
        return None
    return float(price.total_price)
