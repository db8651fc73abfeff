"""Exchanges without credentials, before they are kept anywhere."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_llmlog import encode, redact, streams
from pytest_llmlog.providers import eventstream
from pytest_llmlog.redact import Redactor
from pytest_llmlog.streams import BETWEEN, is_escaped, is_json_list, without_credentials
from pytest_llmlog.traffic import UNPARSED, Request, Response, parse_json


def clean_request(request: Request, redactor: Redactor) -> tuple[Request, int]:
    """A request as it may be hashed and written, and how many credentials were taken out.

    Raises:
        Exception: what the user's own step raises.
    """
    redactor.learn(request.headers, request.url)
    body, count = _body(request.body, redactor)
    url, in_url = redactor.text(redact.clean_url(request.url))
    headers, in_headers = _headers(redact.request_headers(request.headers), redactor)
    return Request(request.method, url, headers, body), count + in_url + in_headers


def _headers(headers: Mapping[str, str], redactor: Redactor) -> tuple[dict[str, str], int]:
    """Headers that are known to hold no credential, without one that is there nevertheless."""
    found = {name: redactor.without_credentials(value) for name, value in headers.items()}
    return {name: value for name, (value, _) in found.items()}, sum(count for _, count in found.values())


def _body(body: bytes, redactor: Redactor) -> tuple[bytes, int]:
    """A body without credentials, those included that JSON spells with escapes."""
    body, count = redactor.bytes(body)
    if is_escaped(body) and (value := parse_json(body)) is not UNPARSED:
        text, hidden = without_credentials(value, redactor)
        return (text, count + hidden) if hidden else (body, count)
    return body, count


def clean(response: Response, redactor: Redactor) -> tuple[Response, int]:
    """A response without credentials, and how many there were.

    A stream that holds none, in its chunks, across them, or in the texts that its events bring in parts, stays as it is. Of
    another each event becomes a chunk of its own, at the time at which it was whole.

    Raises:
        Exception: what the user's own step raises.
    """
    headers, in_headers = _headers(response.headers, redactor)
    if in_headers:
        response = Response(response.status, headers, response.pieces, response.ended)
    response, count = _clean_body(response, redactor)
    return response, count + in_headers


def _clean_body(response: Response, redactor: Redactor) -> tuple[Response, int]:
    body, count = _body(response.body, redactor)
    if not count and not streams.holds_across(response, redactor):
        return response, 0
    pieces, count = streams.clean(response, redactor) or ([(response.pieces[-1][0], body)], count)
    return Response(response.status, response.headers, pieces, response.ended), count


def clean_exchange(asked: Request, answered: Response | None, redactor: Redactor) -> tuple[Request, Response | None, int]:
    """Both as they may be written, and how many credentials were taken out; the response has only headers that are known to hold none.

    Most hold none, which one search over all of it tells; only others are looked at part by part.

    Raises:
        Exception: what the user's own step raises.
    """
    redactor.learn(asked.headers, asked.url)
    request = asked.written(redact.clean_url(asked.url), redact.request_headers(asked.headers))
    if not redactor.has_own_step and _is_clean(request, answered, redactor):
        return request, answered, 0
    request, count = clean_request(asked, redactor)
    if answered is None:
        return request, None, count
    answered, more = clean(answered, redactor)
    return request, answered, count + more


def _is_clean(asked: Request, answered: Response | None, redactor: Redactor) -> bool:
    if not redactor.is_clean_address(asked.url):
        return False
    texts, bodies = [*asked.headers.values()], [asked.body]
    if answered is not None:
        texts += answered.headers.values()
        bodies.append(answered.body)
    parts = [" ".join(texts).encode("utf-8", "surrogateescape"), *bodies]
    sides = (asked,) if answered is None else (asked, answered)
    plain = [encode.line(side.json) for side in sides if is_escaped(side.body) and side.json is not UNPARSED]
    parts += plain
    parts += [redact.unescaped(text.decode()).encode() for text in plain if is_escaped(text)]
    if not redactor.is_clean(BETWEEN.join(parts)):
        return False
    return answered is None or not _may_hold_across(answered) or not streams.holds_across(answered, redactor)


def _may_hold_across(response: Response) -> bool:
    """Whether it may be a stream of events; most answers are one JSON value, which need not be read to know."""
    body = response.body
    has_lines = b"\n" in body and b"\n{" in body
    return has_lines or response.is_event_stream or response.is_json_lines or is_json_list(body) or eventstream.looks_like(body)
