"""One HTTP exchange in memory: bytes as they were on the wire, parsed once and only when asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import msgspec

Ended = Literal["whole", "closed", "error"]


class Unparsed:
    """Stands for a body that is not JSON; there is one instance, ``UNPARSED``, and it is false."""

    def __bool__(self) -> bool:
        return False


UNPARSED = Unparsed()


def parse_json(body: bytes) -> Any:
    """Return the parsed body, or UNPARSED."""
    value = _parse_strictly(body)
    return _parse_leniently(body) if value is UNPARSED else value


def _parse_strictly(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return UNPARSED


def _parse_leniently(body: bytes) -> Any:
    """Read what is nearly JSON: NaN, lone surrogates, a byte order mark."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return UNPARSED


class _Body:
    """A body that may be JSON, parsed once."""

    body: bytes

    @cached_property
    def strict_json(self) -> Any:
        """The parsed body where it is JSON to the letter, else UNPARSED."""
        return _parse_strictly(self.body) if self.body else UNPARSED

    @cached_property
    def json(self) -> Any:
        """The parsed JSON body, or UNPARSED."""
        value = self.strict_json
        return _parse_leniently(self.body) if value is UNPARSED and self.body else value


class Address(NamedTuple):
    """The parts of a URL that say where a request goes; the host in lower case."""

    host: str
    port: int
    path: str
    query: tuple[tuple[str, str], ...]


@lru_cache(maxsize=1024)
def address_of(url: str) -> Address:
    """Take a URL apart; a test asks few addresses often."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return Address((parts.hostname or "").lower(), port, parts.path, tuple(parse_qsl(parts.query, keep_blank_values=True)))


class Request(_Body):
    """A request as the client built it; header names in lower case.

    A replayed request is seldom asked for its headers, so a transport may override ``headers`` and ``url`` in a subclass
    that asks the client's own objects.
    """

    def __init__(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> None:
        self.method, self.body = method, body
        self.url, self.headers = url, headers

    def written(self, url: str, headers: Mapping[str, str]) -> Request:
        """The same as it may be written; a body that was parsed is parsed."""
        found = Request(self.method, url, headers, self.body)
        vars(found).update({name: value for name, value in vars(self).items() if name in ("strict_json", "json")})
        return found

    @cached_property
    def address(self) -> Address:
        return address_of(self.url)

    @property
    def host(self) -> str:
        return self.address.host

    @property
    def port(self) -> int:
        return self.address.port

    @property
    def path(self) -> str:
        return self.address.path

    @property
    def query(self) -> tuple[tuple[str, str], ...]:
        return self.address.query

    @cached_property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class Response(_Body):
    """A response as far as it came.

    ``pieces`` are (seconds since the request was sent, bytes as they arrived), content encoding undone.
    """

    def __init__(self, status: int, headers: Mapping[str, str], pieces: list[tuple[float, bytes]], ended: Ended = "whole") -> None:
        self.status, self.headers, self.pieces, self.ended = status, headers, pieces, ended

    @cached_property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @cached_property
    def body(self) -> bytes:  # type: ignore[override]
        return self.pieces[0][1] if len(self.pieces) == 1 else b"".join(piece for _, piece in self.pieces)

    @cached_property
    def is_event_stream(self) -> bool:
        """Whether the body is server-sent events: as its header says, and as it begins; either may be missing or wrong."""
        head = self.body[:64].lstrip()
        if self.content_type == "text/event-stream":
            return not head.startswith((b"{", b"["))
        vague = self.content_type in ("", "text/plain") or "/" not in self.content_type
        return vague and head.startswith((b"data:", b"event:"))

    @property
    def is_json_lines(self) -> bool:
        """Whether the header announces one JSON value a line."""
        return self.content_type.endswith(("ndjson", "jsonl", "stream+json", "jsonlines"))

    @cached_property
    def events(self) -> list[ServerSentEvent]:
        """The server-sent events of the body."""
        return parse_events(self.body)

    @cached_property
    def chunks(self) -> list[dict[str, Any]] | None:
        """The JSON objects of a stream: of server-sent events, or one a line; None when the body is one JSON value."""
        if self.is_event_stream:
            found = [event.json for event in self.events]
        elif self.json is UNPARSED or self.is_json_lines:
            found = [parse_json(line) for line in self.body.splitlines() if line.strip()]
        else:
            return None
        objects = [entry for entry in found if isinstance(entry, dict)]
        return objects if objects or self.is_event_stream else None


class ServerSentEvent:
    """One event: its type (empty for the default) and its data."""

    __slots__ = ("_json", "data", "type")

    def __init__(self, type: str, data: str) -> None:
        self.type, self.data = type, data
        self._json: Any = None

    @property
    def json(self) -> Any:
        """The data parsed as JSON, or UNPARSED."""
        if self._json is None:
            self._json = parse_json(self.data.encode())
        return self._json


def parse_events(body: bytes) -> list[ServerSentEvent]:
    """Parse an event stream as the WHATWG HTML standard, section 9.2.6, says; a last event without blank line counts.

    Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
    """
    text = body.decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    events = []
    for block in text.split("\n\n"):
        kind, data = "", []
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "data":
                data.append(value)
            elif name == "event":
                kind = value
        if data:
            events.append(ServerSentEvent(kind, "\n".join(data)))
    return events


class TransportFailure:
    """The exception a transport raised: its class name and text."""

    def __init__(self, type: str, text: str) -> None:
        self.type, self.text = type, text


class Exchange:
    """A request and what came of it: a response, a transport failure, or both when a stream broke.

    ``unfinished`` tells that nobody waited for the end: the test or the ``capture()`` block was over.
    """

    def __init__(
        self, request: Request, response: Response | None, failure: TransportFailure | None = None, *, unfinished: bool = False
    ) -> None:
        self.request, self.response, self.failure, self.unfinished = request, response, failure, unfinished
