"""From an exchange to what the record says of it: what was asked, what was answered, what it cost, how it failed."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from msgspec.structs import replace

from pytest_llmlog import matching, pricing, wire
from pytest_llmlog.providers import Endpoint
from pytest_llmlog.providers.base import Answered, Asked, prompt_text, read_error, retry_after
from pytest_llmlog.traffic import UNPARSED, Exchange, Request, Response

RATE_LIMIT_PREFIXES = ("x-ratelimit-", "anthropic-ratelimit-")
UNFINISHED = "Unfinished"
ENDED_FIRST = "the test, or the capture() block, was over before the answer"

REQUEST_ID_HEADERS = ("x-request-id", "request-id", "apim-request-id", "x-amzn-requestid", "x-goog-request-id", "cf-ray")


def asked(request: Request, endpoint: Endpoint) -> Asked:
    """What the request says; nothing when its reader, perhaps of another package, cannot tell."""
    try:
        return endpoint.reader.asked(request)
    except Exception:
        return Asked()


def date(headers: Mapping[str, str]) -> float | None:
    """The moment of the ``Date`` header in seconds since 1970-01-01 UTC."""
    try:
        return parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return None


def _rate_limit(response: Response) -> dict[str, str | int | float]:
    limits: dict[str, str | int | float] = {}
    for name, value in response.headers.items():
        for prefix in RATE_LIMIT_PREFIXES:
            if name.startswith(prefix):
                limits[name.removeprefix(prefix)] = int(value) if value.isdigit() else value
    return limits


def _failure(exchange: Exchange, answered: Answered) -> dict[str, Any]:
    """The status, and with a failure its reason: the transport's, the way the body ended, or the provider's."""
    failure, response = exchange.failure, exchange.response
    if failure is not None:
        return {"status": "failure", "error": failure.text or failure.type, "error_type": failure.type}
    if answered.error is not None:
        return {"status": "failure", "error": answered.error, "error_type": answered.error_type, "error_code": answered.error_code}
    if exchange.unfinished and response is not None and response.ended == "closed":
        return {"status": "failure", "error": ENDED_FIRST, "error_type": UNFINISHED}
    if response is not None and response.ended == "closed":
        return {"status": "failure", "error": "the caller closed the stream before its end", "error_type": "StreamClosed"}
    return {"status": "success"}


def _malformed(response: Response) -> Answered | None:
    """A success whose JSON is none."""
    if "json" not in response.content_type or response.json is not UNPARSED or response.ended != "whole" or response.chunks:
        return None
    text = response.body[:200].decode("utf-8", "replace")
    return Answered(
        error=f"the response is not JSON: {text!r}", error_type="MalformedResponse", usage_missing="the response is not JSON"
    )


def _answered(exchange: Exchange, endpoint: Endpoint) -> Answered:
    response = exchange.response
    if response is None:
        return Answered(usage_missing="there was no response")
    if 300 <= response.status < 400:
        return Answered(usage_missing="the answer is elsewhere: this was a redirect")
    if response.status >= 400:
        return replace(read_error(response), usage_missing="the request failed")
    try:
        return _malformed(response) or endpoint.reader.answered(exchange)
    except Exception as exc:  # a reader, perhaps of another package, met what it was not made for: the rest is worth having
        return Answered(usage_missing=f"the answer could not be read: {type(exc).__name__}: {exc}"[:300])


def _response_fields(response: Response | None, answered: Answered) -> dict[str, Any]:
    if response is None:
        return {"stream": False}
    headers = response.headers
    return {
        "http_status": response.status,
        "stream": response.is_event_stream if answered.stream is None else answered.stream,
        "retry_after_seconds": retry_after(headers),
        "provider_request_id": next((headers[name] for name in REQUEST_ID_HEADERS if headers.get(name)), None),
        "rate_limit": _rate_limit(response),
    }


def _cost(answered: Answered, endpoint: Endpoint, model: str | None) -> dict[str, Any]:
    if answered.cost_usd is not None:
        return {"cost_usd": answered.cost_usd, "cost_source": "provider"}
    if answered.usage is None:
        return {}
    price = pricing.cost_usd(answered.usage, endpoint.provider, answered.response_model or model)
    return {} if price is None else {"cost_usd": price, "cost_source": pricing.source()}


def request_fields(request: Request, endpoint: Endpoint, asked: Asked, key: str) -> dict[str, Any]:
    return {
        "provider": endpoint.provider,
        "operation": endpoint.operation,
        "model": asked.model,
        "prompt": prompt_text(asked.messages),
        "messages": asked.messages,
        "params": asked.params,
        "tools": asked.tools,
        "prompt_hash": matching.digest_json(asked.messages),
        "request_hash": key,
        "server_address": f"{request.host}:{request.port}",
    }


def read(exchange: Exchange, endpoint: Endpoint, asked: Asked, key: str) -> dict[str, Any]:
    """The fields of a record that the exchange itself tells, its wire included; the exchange is free of credentials."""
    answered = _answered(exchange, endpoint)
    return {
        "response": answered.response,
        "response_messages": answered.messages,
        "tool_calls": answered.tool_calls,
        "tokens": answered.usage.total if answered.usage else None,
        "usage": answered.usage,
        "usage_missing": answered.usage_missing,
        "finish_reasons": answered.finish_reasons,
        "response_id": answered.response_id,
        "response_model": answered.response_model,
        "wire": wire.dump(exchange),
        **request_fields(exchange.request, endpoint, asked, key),
        **_response_fields(exchange.response, answered),
        **_failure(exchange, answered),
        **_cost(answered, endpoint, asked.model),
    }
