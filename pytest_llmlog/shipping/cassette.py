"""Records that keep their wire as a cassette of vcrpy."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import msgspec
import yaml

from pytest_llmlog import wire
from pytest_llmlog.wire import Wire


def _body(data: bytes) -> str | bytes:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _interaction(stored: Wire) -> dict[str, Any] | None:
    exchange = wire.load(stored)
    request, response, body = exchange.request, exchange.response, wire.load_body(stored.request.body)
    if response is None:
        return None  # a cassette has no place for a call that got no answer
    phrase = HTTPStatus(response.status).phrase if response.status in HTTPStatus._value2member_map_ else ""
    return {
        "request": {
            "method": request.method, "uri": request.url, "body": _body(body) or None,
            "headers": {name: [value] for name, value in request.headers.items()},
        },
        "response": {
            "status": {"code": response.status, "message": phrase},
            "headers": {name: [value] for name, value in response.headers.items()},
            "body": {"string": _body(response.body)},
        },
    }  # fmt: skip


def cassette(records: Iterable[dict[str, Any]]) -> tuple[bytes, int, int]:
    """The cassette's text, how many calls it holds, and how many have no place in it: those without their wire or an answer."""
    found, left = [], 0
    for record in records:
        stored = record.get("wire")
        made = _interaction(msgspec.convert(stored, Wire)) if stored else None
        found += [made] if made else []
        left += made is None
    text = yaml.safe_dump({"interactions": found, "version": 1}, allow_unicode=True, sort_keys=False)
    return text.encode(), len(found), left
