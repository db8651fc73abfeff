"""Bytes of the wire, parsed once: JSON bodies, URLs and server-sent events."""

from __future__ import annotations

import math

import pytest

from pytest_llmlog.traffic import UNPARSED, Request, Response, ServerSentEvent, parse_events, parse_json


def seen(body: bytes) -> list[tuple[str, str]]:
    return [(event.type, event.data) for event in parse_events(body)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"data: a\n\ndata: b\n\n", [("", "a"), ("", "b")]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [("", "a"), ("", "b")]),
        (b"data: a\r\rdata: b\r\r", [("", "a"), ("", "b")]),
        (b"data: a\r\n\ndata: b\n\r\n", [("", "a"), ("", "b")]),
        (b"data: a\n\r\ndata: b\r\r\n", [("", "a"), ("", "b")]),
        (b"event: done\ndata: a\n\n", [("done", "a")]),
        (b"data: a\nevent: done\n\n", [("done", "a")]),
        (b"event: one\nevent: two\ndata: a\n\n", [("two", "a")]),
        (b"event: done\ndata: a\n\ndata: b\n\n", [("done", "a"), ("", "b")]),
        (b"data: a\ndata: b\n\n", [("", "a\nb")]),
        (b"data: a\ndata:\ndata: b\n\n", [("", "a\n\nb")]),
        (b"data\ndata\n\n", [("", "\n")]),
        (b"data:\n\n", [("", "")]),
        (b"data:a\n\ndata:  b\n\n", [("", "a"), ("", " b")]),
        (b"data: a: b\n\n", [("", "a: b")]),
        (b"data:\ta\n\n", [("", "\ta")]),
        (b": comment\n\ndata: a\n\n", [("", "a")]),
        (b": comment\ndata: a\n: data: x\n\n", [("", "a")]),
        (b"\xef\xbb\xbfdata: a\n\n", [("", "a")]),
        (b"data: \xef\xbb\xbfa\n\n", [("", "\ufeffa")]),
        (b"data: a\n\n\n\n\ndata: b\n\n", [("", "a"), ("", "b")]),
        (b"\n\ndata: a\n\n", [("", "a")]),
        (b"data: a", [("", "a")]),
        (b"data: a\n", [("", "a")]),
        (b"data: a\n\ndata: b\n", [("", "a"), ("", "b")]),
        (b"event: lonely\n\ndata: a\n\n", [("", "a")]),
        (b"id: 1\nretry: 10\n\n", []),
        (b"id: 1\ndata: a\nretry: 10\n\n", [("", "a")]),
        (b"Data: a\n\n", []),
        (b" data: a\n\n", []),
        (b"data : a\n\n", []),
        (b"database: a\n\n", []),
        (b"", []),
        (b"\n", []),
        ("data: zo\u0308é🙂\n\n".encode(), [("", "zo\u0308é🙂")]),
        (b"data: \xff\n\n", [("", "\ufffd")]),
        ("data: a\u2028b\u0085c\x0bd\x0ce\n\n".encode(), [("", "a\u2028b\u0085c\x0bd\x0ce")]),
    ],
)
def test_events_are_parsed_by_the_standard(body: bytes, expected: list[tuple[str, str]]) -> None:
    assert seen(body) == expected


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_line_ends_do_not_matter(end: bytes) -> None:
    lines = [b"event: delta", b"data: a", b"data: b", b"", b": note", b"data: c", b"", b""]
    assert seen(end.join(lines)) == [("delta", "a\nb"), ("", "c")]


@pytest.mark.parametrize(
    ("data", "expected"), [('{"a": 1}', {"a": 1}), ("null", None), ("[DONE]", UNPARSED), ("", UNPARSED), ("0", 0), ('"é"', "é")]
)
def test_an_event_parses_its_data(data: str, expected: object) -> None:
    event = ServerSentEvent("", data)
    assert event.json == expected
    assert event.json == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"a": [1, 2.5, null, true]}', {"a": [1, 2.5, None, True]}),
        (b"null", None),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (rb'"\ud800"', "\ud800"),
        (b"", UNPARSED),
        (b"{", UNPARSED),
        (b"{} x", UNPARSED),
        (b"\xff\xfe\x00", UNPARSED),
        (b"[" * 100_000, UNPARSED),
    ],
)
def test_json_or_unparsed(body: bytes, expected: object) -> None:
    assert parse_json(body) == expected


def test_what_is_nearly_json_is_read() -> None:
    assert math.isnan(parse_json(b'{"a": NaN}')["a"])


def test_unparsed_is_false_and_not_none() -> None:
    assert not UNPARSED
    assert UNPARSED is not None
    assert parse_json(b"null") is not UNPARSED


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "query"),
    [
        ("https://API.OpenAI.com/v1/chat", "api.openai.com", 443, "/v1/chat", []),
        ("http://localhost/v1", "localhost", 80, "/v1", []),
        ("http://127.0.0.1:8080/v1?a=1&b=", "127.0.0.1", 8080, "/v1", [("a", "1"), ("b", "")]),
        ("https://user:pass@host.example:444/x?a=%2F&a=2", "host.example", 444, "/x", [("a", "/"), ("a", "2")]),
        ("http://[::1]:9/v1", "::1", 9, "/v1", []),
        ("https://h", "h", 443, "", []),
    ],
)
def test_a_url_is_taken_apart(url: str, host: str, port: int, path: str, query: list[tuple[str, str]]) -> None:
    request = Request("GET", url, {}, b"")
    assert (request.host, request.port, request.path, list(request.query)) == (host, port, path, query)


@pytest.mark.parametrize(
    ("header", "expected"),
    [("application/json", "application/json"), ("Text/Event-Stream ; charset=utf-8", "text/event-stream"), ("", "")],
)
def test_the_content_type_has_no_parameters(header: str, expected: str) -> None:
    assert Request("POST", "http://h/", {"content-type": header}, b"").content_type == expected
    response = Response(200, {"content-type": header}, [])
    assert response.content_type == expected
    assert response.is_event_stream is (expected == "text/event-stream")


def test_a_request_without_body_has_no_json() -> None:
    assert Request("GET", "http://h/", {}, b"").json is UNPARSED
    assert Request("POST", "http://h/", {}, b'{"a": 1}').json == {"a": 1}


@pytest.mark.parametrize("pieces", [[b"data: one\n\n"], [b"da", b"ta: o", b"ne\n", b"\n"], [b"", b"data: one\n\n", b""]])
def test_a_response_is_the_sum_of_its_pieces(pieces: list[bytes]) -> None:
    response = Response(200, {}, [(float(index), piece) for index, piece in enumerate(pieces)])
    assert response.body == b"data: one\n\n"
    assert [event.data for event in response.events] == ["one"]


def test_a_character_cut_between_pieces_is_whole_again() -> None:
    whole = "data: é🙂\n\n".encode()
    for cut in range(1, len(whole)):
        assert Response(200, {}, [(0.0, whole[:cut]), (1.0, whole[cut:])]).events[0].data == "é🙂"
