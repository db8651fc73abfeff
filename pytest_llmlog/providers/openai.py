"""OpenAI's APIs by the end of their path, on any host: OpenAI, Azure, and the many servers that speak the same."""

from __future__ import annotations

from typing import Any

from pytest_llmlog.providers.base import Answered, Asked, as_object, as_objects, as_text, count, path_model
from pytest_llmlog.record import Usage
from pytest_llmlog.traffic import Request

RENAMED = {"messages", "model", "input", "prompt", "tools", "functions", "stream", "instructions", "file", "image", "mask"}
"""Fields of a request that the record keeps elsewhere than in params."""


def params(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in RENAMED}


def model(request: Request, body: dict[str, Any]) -> str | None:
    """The model of the body, else Azure's deployment in the path."""
    return as_text(body.get("model")) or path_model(request)


def tool_names(body: dict[str, Any]) -> tuple[str, ...]:
    tools = as_objects(body.get("tools")) + as_objects(body.get("functions"))
    names = (as_object(tool.get("function")).get("name") or tool.get("name") or tool.get("type") for tool in tools)
    return tuple([name for name in names if isinstance(name, str)])  # () itself when empty, which a generator need not give


def asked(request: Request, body: dict[str, Any], messages: list[dict[str, Any]]) -> Asked:
    return Asked(model=model(request, body), messages=tuple(messages), params=params(body), tools=tool_names(body))


def usage(value: Any) -> Usage | None:
    """Read OpenAI's usage, with the names of chat completions or of responses.

    Source: https://platform.openai.com/docs/api-reference/chat/object and …/responses/object
    """
    found = as_object(value)
    into = count(found.get("prompt_tokens", found.get("input_tokens")))
    out = count(found.get("completion_tokens", found.get("output_tokens")))
    total = count(found.get("total_tokens"))
    if into is None and out is None and total is None:
        return None
    details = as_object(found.get("prompt_tokens_details", found.get("input_tokens_details", found.get("input_token_details"))))
    out_details = as_object(found.get("completion_tokens_details", found.get("output_tokens_details")))
    return Usage(
        input=into,
        output=out,
        total=total if total is not None else (into or 0) + (out or 0),
        cached_input=count(details.get("cached_tokens")),
        cache_write_input=count(details.get("cache_write_tokens")),
        reasoning_output=count(out_details.get("reasoning_tokens")),
        audio_input=count(details.get("audio_tokens")),
        audio_output=count(out_details.get("audio_tokens")),
    )


def cost(value: Any) -> float | None:
    """The price some gateways put into usage, in US dollars."""
    price = as_object(value).get("cost")
    return float(price) if isinstance(price, (int, float)) and not isinstance(price, bool) and price >= 0 else None


def with_usage(found: Any, missing: str, **fields: Any) -> Answered:
    """Build the answer with usage, or with the reason why there is none."""
    counted = usage(found)
    return Answered(usage=counted, usage_missing=None if counted else missing, cost_usd=cost(found), **fields)
