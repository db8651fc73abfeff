"""The stored form: readable, and the same bytes when it is read back."""

from __future__ import annotations

import base64
import json

import msgspec
import pytest

from pytest_llmlog import wire
from pytest_llmlog.traffic import Exchange, Request, Response, TransportFailure
from pytest_llmlog.wire import LAYOUTS, Binary, Body, Layout, Wire

VALUE = {"text": 'grüße 🙂\n"\\/', "n": [1, -2.5, 0, True, None], "empty": [{}, [], ""], "z": {"a": {"b": 1}}}
JSON = "application/json"
STREAM = {"content-type": "text/event-stream"}


def dump(body: bytes, content_type: str) -> wire.Body | None:
    return wire.dump_body(Request("POST", "http://h/", {"content-type": content_type}, body))


def stored(exchange: Exchange) -> Wire:
    """Through the disk: dumped, encoded, decoded."""
    return msgspec.json.decode(msgspec.json.encode(wire.dump(exchange)), type=Wire)


def streamed(pieces: list[tuple[float, bytes]], content_type: str = "text/event-stream") -> Response:
    exchange = Exchange(Request("POST", "http://h/v1", {}, b""), Response(200, {"content-type": content_type}, pieces))
    response = wire.load(stored(exchange)).response
    assert response is not None
    return response


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_json_of_each_layout_comes_back_byte_for_byte(layout: Layout) -> None:
    body = LAYOUTS[layout](VALUE).encode()
    dumped = dump(body, JSON)
    assert dumped is not None
    assert dumped.json == VALUE
    assert dumped.layout is not msgspec.UNSET
    assert wire.load_body(dumped) == body


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        ("compact", '{"a":["é",1],"b":{}}'),
        ("spaced", '{"a": ["é", 1], "b": {}}'),
        ("indented", '{\n  "a": [\n    "é",\n    1\n  ],\n  "b": {}\n}'),
        ("ascii", '{"a": ["\\u00e9", 1], "b": {}}'),
        ("ascii-compact", '{"a":["\\u00e9",1],"b":{}}'),
        ("ascii-indented", '{\n  "a": [\n    "\\u00e9",\n    1\n  ],\n  "b": {}\n}'),
    ],
)
def test_a_layout_has_its_name(layout: str, text: str) -> None:
    dumped = dump(text.encode(), JSON)
    assert dumped == Body(json={"a": ["é", 1], "b": {}}, layout=layout)  # type: ignore[arg-type]
    assert wire.load_body(dumped) == text.encode()


@pytest.mark.parametrize(
    "text", ['{"a":1e20}', '{"a":1e+20}', '{"a":1e-07}', '{"a":0.1}', '{"a": 1.0}', '{"a":100000000000000000000000}']
)
def test_numbers_keep_their_spelling_or_their_value(text: str) -> None:
    dumped = dump(text.encode(), JSON)
    assert dumped is not None
    loaded = wire.load_body(dumped)
    assert json.loads(loaded) == json.loads(text)
    assert loaded == text.encode() or dumped.layout is msgspec.UNSET


def test_an_odd_layout_keeps_the_value_only() -> None:
    dumped = dump(b'{ "a":1 ,"b" : [ ] }', JSON)
    assert dumped == Body(json={"a": 1, "b": []})
    assert wire.load_body(dumped) == b'{"a":1,"b":[]}'


@pytest.mark.parametrize("body", [b'{"a":1,"a":2}', b'{"a": {"b": 1, "b": 1}}'])
def test_a_repeated_key_is_not_lost(body: bytes) -> None:
    assert wire.load_body(dump(body, JSON)) == body


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"plain", "text/plain"),
        ("zwölf 🙂\r\n".encode(), "text/plain"),
        (b'{"a":1}', "text/plain"),
        (b'{"a": NaN}', JSON),
        (b'\xef\xbb\xbf{"a":1}', JSON),
        (b'{"cut": ', JSON),
        (b"[" * 5000, JSON),
    ],
)
def test_what_is_no_json_is_text(body: bytes, content_type: str) -> None:
    dumped = dump(body, content_type)
    assert dumped == Body(text=body.decode())
    assert wire.load_body(dumped) == body


@pytest.mark.parametrize("content_type", [JSON, "audio/mpeg", ""])
@pytest.mark.parametrize("body", [b"\xff\xfe\x00\x01", bytes(range(256)), b'{"a": "\xe9"}'])
def test_what_is_no_text_is_base64(body: bytes, content_type: str) -> None:
    dumped = dump(body, content_type)
    assert dumped == Body(base64=base64.b64encode(body).decode())
    assert wire.load_body(dumped) == body


@pytest.mark.parametrize("content_type", [JSON, "text/plain", ""])
def test_an_empty_body_is_none(content_type: str) -> None:
    assert dump(b"", content_type) is None
    assert wire.load_body(None) == b""
    assert wire.load_pieces(None) == []


def test_json_null_is_not_an_empty_body() -> None:
    dumped = dump(b"null", JSON)
    assert dumped == Body(json=None, layout="compact")
    assert wire.load_body(msgspec.json.decode(msgspec.json.encode(dumped), type=Body)) == b"null"


EVENTS = "data: é🙂\n\nevent: x\r\ndata: b\r\n\r\ndata: c\r\rdata: [DONE]\n\n".encode()


@pytest.mark.parametrize("cut", range(1, len(EVENTS)))
def test_chunk_boundaries_are_kept_wherever_they_fall(cut: int) -> None:
    pieces = [(0.25, EVENTS[:cut]), (0.5, EVENTS[cut:])]
    assert streamed(pieces).pieces == pieces


def test_one_byte_a_chunk() -> None:
    pieces = [(index / 10, EVENTS[index : index + 1]) for index in range(len(EVENTS))]
    assert streamed(pieces).pieces == pieces


def test_an_event_is_an_entry_and_a_chunk_is_a_time() -> None:
    dumped = wire.dump_pieces([(0.1, b"data: a\n\ndata: b\n\nda"), (0.2, b"ta: c\n\n")], events=True)
    assert dumped == Body(events=((0.1, "data: a\n\n"), (0.1, "data: b\n\n"), (0.1, "da"), (0.2, "ta: c\n\n")))
    assert wire.load_pieces(dumped) == [(0.1, b"data: a\n\ndata: b\n\nda"), (0.2, b"ta: c\n\n")]


def test_half_a_character_is_binary() -> None:
    dumped = wire.dump_pieces([(0.0, b"data: \xc3"), (1.0, b"\xa9\n\n")], events=True)
    assert dumped is not None
    assert dumped.events == (
        (0.0, Binary(base64.b64encode(b"data: \xc3").decode())),
        (1.0, Binary(base64.b64encode(b"\xa9\n\n").decode())),
    )


def test_chunks_of_the_same_time_stay_apart() -> None:
    loaded = streamed([(0.5, b"data: a\n\n"), (0.5, b"data: b\n\n"), (0.5000001, b"data: c\n\n")]).pieces
    assert [piece for _, piece in loaded] == [b"data: a\n\n", b"data: b\n\n", b"data: c\n\n"]
    assert loaded[0][0] < loaded[1][0] < loaded[2][0]


def test_times_are_rounded_to_microseconds() -> None:
    assert streamed([(0.12345678, b"data: a\n\n")]).pieces == [(0.123457, b"data: a\n\n")]


def test_empty_chunks_are_dropped() -> None:
    assert streamed([(0.1, b""), (0.2, b"data: a\n\n"), (0.3, b"")]).pieces == [(0.2, b"data: a\n\n")]
    assert wire.dump_pieces([(0.1, b"")], events=True) is None
    assert wire.dump_pieces([], events=False) is None


@pytest.mark.parametrize("pieces", [[(0.1, b"\xff\x00"), (0.2, b"\xfe")], [(0.1, b"ab\n\ncd"), (0.2, "é".encode())]])
def test_a_stream_without_events_keeps_its_chunks(pieces: list[tuple[float, bytes]]) -> None:
    assert streamed(pieces, "audio/mpeg").pieces == pieces
    dumped = wire.dump_pieces(pieces, events=False)
    assert dumped is not None
    assert len(dumped.chunks) == len(pieces)  # type: ignore[arg-type]
    assert wire.load_body(dumped) == b"".join(piece for _, piece in pieces)


def test_json_that_came_in_chunks_is_one_body() -> None:
    assert streamed([(0.1, b'{"a"'), (0.2, b":1}")], JSON).pieces == [(0.0, b'{"a":1}')]


def test_an_event_stream_is_never_stored_as_json() -> None:
    exchange = Exchange(Request("POST", "http://h/", {}, b""), Response(200, STREAM, [(0.1, b'{"a":1}')]))
    dumped = wire.dump(exchange)
    assert dumped.response is not None
    assert dumped.response.body == Body(events=((0.1, '{"a":1}'),))


@pytest.mark.parametrize("ended", ["whole", "closed", "error"])
def test_how_it_ended_is_kept(ended: str) -> None:
    response = Response(206, {"content-type": "text/plain", "x-request-id": "r"}, [(0.0, b"x")], ended)  # type: ignore[arg-type]
    request = Request("PUT", "https://h/v1?a=1", {"content-type": JSON}, b'{"b": 2}')
    exchange = Exchange(request, response, TransportFailure("ReadError", "broke"))
    loaded = wire.load(stored(exchange))
    assert loaded.response is not None
    assert loaded.failure is not None
    assert (loaded.response.status, loaded.response.ended, loaded.response.headers) == (206, ended, response.headers)
    assert (loaded.failure.type, loaded.failure.text) == ("ReadError", "broke")
    assert (loaded.request.method, loaded.request.url, loaded.request.headers) == (
        "PUT",
        "https://h/v1?a=1",
        {"content-type": JSON},
    )
    assert loaded.request.json == {"b": 2}


def test_no_response_and_no_failure_stay_absent() -> None:
    loaded = wire.load(stored(Exchange(Request("GET", "http://h/", {}, b""), None)))
    assert loaded.response is None
    assert loaded.failure is None
    assert loaded.request.body == b""


@pytest.mark.parametrize("body", [b"text", b"\xff\x00", "é".encode()])
def test_a_stored_request_has_its_bytes(body: bytes) -> None:
    assert wire.load(stored(Exchange(Request("POST", "http://h/", {}, body), None))).request.body == body


@pytest.mark.parametrize(
    "text",
    [
        '{"text": "a", "colour": 1}',
        '{"events": [[0.1, {"base64": "", "x": 1}]]}',
        '{"layout": "wild", "json": 1}',
        '{"events": [["a"]]}',
    ],
)
def test_unknown_things_in_a_body_are_refused(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=Body)
