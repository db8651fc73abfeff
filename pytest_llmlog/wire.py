"""The stored form of an exchange: what a golden keeps, readable in a diff and enough to replay it byte for byte."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from itertools import pairwise
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from pytest_llmlog.traffic import UNPARSED, Ended, Exchange, Request, Response, TransportFailure

Layout = Literal["compact", "unicode-compact", "spaced", "indented", "ascii", "ascii-compact", "ascii-indented"]


class Binary(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """Bytes that are no text."""

    base64: str


Piece = tuple[Annotated[float, Meta(ge=0)], str | Binary]


class Body(Struct, frozen=True, forbid_unknown_fields=True, gc=False, omit_defaults=True):
    """A body in the one form that reads best; exactly one of json, text, base64, events and chunks is set."""

    json: Any = UNSET
    layout: Layout | UnsetType = UNSET
    text: str | UnsetType = UNSET
    base64: str | UnsetType = UNSET
    events: tuple[Piece, ...] | UnsetType = UNSET
    chunks: tuple[Piece, ...] | UnsetType = UNSET

    def __post_init__(self) -> None:
        forms = (self.json, self.text, self.base64, self.events, self.chunks)
        if forms.count(UNSET) != len(forms) - 1:
            raise ValueError("a body has exactly one of json, text, base64, events and chunks")


class RawBody(Body, frozen=True, omit_defaults=True):
    """A body of which the JSON is still text."""

    json: msgspec.Raw | UnsetType = UNSET


class WireRequest(Struct, frozen=True, forbid_unknown_fields=True, gc=False, omit_defaults=True):
    """What was sent; only allowed headers, no credentials in the URL."""

    method: str
    url: str
    headers: dict[str, str] = {}
    body: Body | None = None


class WireResponse(Struct, frozen=True, forbid_unknown_fields=True, gc=False, omit_defaults=True):
    """What came back, as far as it came."""

    status: Annotated[int, Meta(ge=100, le=999)]
    headers: dict[str, str] = {}
    body: Body | None = None
    ended: Literal["closed", "error"] | None = None


class WireError(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """The transport's exception."""

    type: str
    text: str


class Wire(Struct, frozen=True, forbid_unknown_fields=True, gc=False, omit_defaults=True):
    """One exchange as stored."""

    request: WireRequest
    response: WireResponse | None = None
    error: WireError | None = None


LAYOUTS: dict[Layout, Callable[[Any], str]] = {
    "compact": lambda value: msgspec.json.encode(value).decode(),  # the fast writer; it spells some floats its own way
    "unicode-compact": partial(json.dumps, separators=(",", ":"), ensure_ascii=False),
    "indented": partial(json.dumps, indent=2, ensure_ascii=False),
    "spaced": partial(json.dumps, ensure_ascii=False),
    "ascii": json.dumps,
    "ascii-compact": partial(json.dumps, separators=(",", ":")),
    "ascii-indented": partial(json.dumps, indent=2),
}


def _layout(value: Any, text: str) -> Layout | UnsetType:
    """Name the layout that writes this text back; UNSET where none does, and the meaning alone is kept."""
    return next((name for name, write in LAYOUTS.items() if write(value) == text), UNSET)


def _as_json(body: bytes, value: Any) -> Body | None:
    """Store as JSON unless that would lose something the text has, such as a repeated key."""
    if value is UNPARSED:
        return None
    try:
        text = body.decode()
        layout = _layout(value, text)
        if layout is UNSET:
            json.loads(text, object_pairs_hook=_unrepeated)
        return Body(json=value, layout=layout)
    except (ValueError, RecursionError):
        return None


def _unrepeated(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key is repeated")


def dump_body(of: Request | Response) -> Body | None:
    """Store a body that came at once; None when it is empty."""
    body = of.body
    if not body:
        return None
    if "json" in of.content_type and (stored := _as_json(body, of.strict_json)):
        return stored
    return _as_text(body)


def _as_text(body: bytes) -> Body:
    try:
        return Body(text=body.decode())
    except UnicodeDecodeError:
        return Body(base64=base64.b64encode(body).decode())


def load_body(body: Body | None) -> bytes:
    """Return the bytes that ``dump_body`` was given, or for JSON of unknown layout the same value written compactly."""
    if body is None:
        return b""
    if body.json is not UNSET:
        return _write_json(body.json, body.layout)
    if isinstance(body.text, str):
        return body.text.encode()
    if isinstance(body.base64, str):
        return base64.b64decode(body.base64)
    return b"".join(piece for _, piece in load_pieces(body))


def _write_json(value: Any, layout: Layout | UnsetType) -> bytes:
    raw = isinstance(value, msgspec.Raw)
    if layout is UNSET or layout == "compact":
        return msgspec.json.format(value, indent=-1) if raw else msgspec.json.encode(value)
    return LAYOUTS[layout](msgspec.json.decode(value) if raw else value).encode()


_EVENT_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")


def _split_events(chunk: bytes) -> list[bytes]:
    """Cut a chunk behind every blank line, so that an event reads as an entry of its own."""
    if chunk.find(b"\n\n") == len(chunk) - 2 and b"\r" not in chunk:
        return [chunk]  # as most come
    cuts = [0, *(match.end() for match in _EVENT_END.finditer(chunk)), len(chunk)]
    return [chunk[start:end] for start, end in pairwise(cuts) if end > start]


def _dump_piece(seconds: float, piece: bytes) -> Piece:
    try:
        return seconds, piece.decode()
    except UnicodeDecodeError:
        return seconds, Binary(base64.b64encode(piece).decode())


def _increasing(pieces: Sequence[tuple[float, bytes]]) -> list[tuple[float, bytes]]:
    """Round times to microseconds, each later than the one before: equal times mean one chunk."""
    result: list[tuple[float, bytes]] = []
    last = -1.0
    for seconds, piece in pieces:
        last = round(seconds, 6) if round(seconds, 6) > last else round(last + 1e-6, 6)
        result.append((last, piece))
    return result


def dump_pieces(pieces: Sequence[tuple[float, bytes]], *, events: bool) -> Body | None:
    """Store a stream with its chunk boundaries; None when nothing came."""
    timed = [(seconds, piece) for seconds, piece in _increasing(pieces) if piece]
    if not timed:
        return None
    if events:
        return Body(events=tuple(_dump_piece(s, event) for s, chunk in timed for event in _split_events(chunk)))
    return Body(chunks=tuple(_dump_piece(s, chunk) for s, chunk in timed))


def load_pieces(body: Body | None) -> list[tuple[float, bytes]]:
    """Return the chunks as they arrived; a body stored whole is one chunk at 0 seconds."""
    pieces = _stored_pieces(body)
    if pieces is None:
        whole = load_body(body)
        return [(0.0, whole)] if whole else []
    chunks: list[tuple[float, bytes]] = []
    for seconds, piece in pieces:
        data = piece.encode() if isinstance(piece, str) else base64.b64decode(piece.base64)
        if chunks and chunks[-1][0] == seconds:
            chunks[-1] = (seconds, chunks[-1][1] + data)
        else:
            chunks.append((seconds, data))
    return chunks


def _stored_pieces(body: Body | None) -> tuple[Piece, ...] | None:
    if body is None:
        return None
    if not isinstance(body.events, UnsetType):
        return body.events
    return None if isinstance(body.chunks, UnsetType) else body.chunks


def _dump_response(response: Response) -> WireResponse:
    streamed = response.is_json_lines or "json" not in response.content_type
    if response.content_type == "text/event-stream" or response.is_event_stream:
        body = dump_pieces(response.pieces, events=True)
    elif len(response.pieces) > 1 and streamed:
        body = dump_pieces(response.pieces, events=False)
    else:
        body = dump_body(response)
    return WireResponse(response.status, dict(response.headers), body, _ended(response))


def _ended(response: Response) -> Literal["closed", "error"] | None:
    return None if response.ended == "whole" else response.ended


def dump(exchange: Exchange) -> Wire:
    """Turn an exchange, already redacted, into its stored form."""
    request, response, failure = exchange.request, exchange.response, exchange.failure
    return Wire(
        WireRequest(request.method, request.url, dict(request.headers), dump_body(request)),
        None if response is None else _dump_response(response),
        None if failure is None else WireError(failure.type, failure.text),
    )


def dump_raw(exchange: Exchange) -> Wire:
    """The same at less cost, for a file that nobody reads: bodies are texts as they came, in chunks."""
    request, response, failure = exchange.request, exchange.response, exchange.failure
    return Wire(
        WireRequest(request.method, request.url, dict(request.headers), _as_text(request.body) if request.body else None),
        None
        if response is None
        else WireResponse(response.status, dict(response.headers), dump_pieces(response.pieces, events=False), _ended(response)),
        None if failure is None else WireError(failure.type, failure.text),
    )


def load(wire: Wire) -> Exchange:
    """Turn a stored exchange back into bytes."""
    return Exchange(
        StoredRequest(wire.request),
        None if wire.response is None else load_response(wire.response),
        None if wire.error is None else TransportFailure(wire.error.type, wire.error.text),
    )


class StoredRequest(Request):
    """A request from a golden, for matching: its JSON is there already, and then it needs no bytes."""

    def __init__(self, stored: WireRequest) -> None:
        body = stored.body
        self.method, self.url, self.headers, self._stored = stored.method, stored.url, stored.headers, body
        if body is None or body.json is UNSET:
            self.body = load_body(body)
        else:
            self.json = msgspec.json.decode(body.json) if isinstance(body.json, msgspec.Raw) else body.json

    @cached_property
    def body(self) -> bytes:  # type: ignore[override]
        """Written when it is asked for: matching asks for the JSON alone."""
        return load_body(self._stored)


def load_response(stored: WireResponse) -> Response:
    ended: Ended = stored.ended or "whole"
    return Response(stored.status, stored.headers, load_pieces(stored.body), ended)
