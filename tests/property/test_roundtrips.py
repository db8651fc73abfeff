"""What must hold for any input."""

from __future__ import annotations

import json
import math
import random
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pytest_llmlog import diff, encode, matching, wire
from pytest_llmlog.redact import CREDENTIAL_QUERY, Redactor, clean_url
from pytest_llmlog.templates import Template
from pytest_llmlog.traffic import Exchange, Request, Response, parse_events
from pytest_llmlog.wire import LAYOUTS, Wire

settings.register_profile("roundtrips", deadline=None, derandomize=True, database=None)
settings.load_profile("roundtrips")

texts = st.text(st.characters(exclude_categories=["Cs"]))
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12)
odd = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary(max_size=8)
    | st.sets(st.integers(), max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers() | st.none() | st.tuples(st.integers()), inner, max_size=4)
    ),
    max_leaves=12,
)
sse_bytes = st.lists(
    st.sampled_from(
        [
            b"data: ",
            b"event: ",
            b":",
            b"\n",
            b"\r",
            b"\r\n",
            b"\n\n",
            b"\xef\xbb\xbf",
            b"id",
            b" ",
            b"\xff",
            "é🙂".encode(),
            b"{}",
            b"x",
        ]
    ),
    max_size=30,
).map(b"".join) | st.binary(max_size=60)


def through_the_disk(exchange: Exchange) -> Exchange:
    """Dumped, written as a golden writes it, and read back."""
    return wire.load(msgspec.json.decode(encode.golden_bytes(wire.dump(exchange)), type=Wire))


def answered(pieces: list[tuple[float, bytes]], content_type: str) -> list[tuple[float, bytes]]:
    response = Response(200, {"content-type": content_type}, pieces)
    loaded = through_the_disk(Exchange(Request("POST", "https://h/v1", {}, b""), response)).response
    assert loaded is not None
    return loaded.pieces


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    """The bytes in pieces, none of them empty."""
    ends = sorted({end % (len(data) + 1) for end in cuts} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(ends)]


@given(values, st.sampled_from(list(LAYOUTS)))
def test_json_in_any_layout_is_the_same_bytes(value: Any, layout: wire.Layout) -> None:
    body = LAYOUTS[layout](value).encode()
    assert b"".join(piece for _, piece in answered([(0.0, body)], "application/json")) == body


@given(
    st.binary(max_size=80) | texts.map(str.encode) | values.map(lambda value: json.dumps(value).encode()),
    st.sampled_from(["text/plain", ""]),
)
def test_a_body_that_is_not_called_json_is_the_same_bytes(body: bytes, content_type: str) -> None:
    loaded = through_the_disk(Exchange(Request("POST", "https://h/v1", {"content-type": content_type}, body), None))
    assert loaded.request.body == body


@given(st.binary(max_size=80) | st.text('{}[]":, 0123456789.eE+-truefalsn\\u\n', max_size=30).map(str.encode))
def test_a_body_that_is_called_json_keeps_at_least_its_value(body: bytes) -> None:
    dumped = wire.dump_body(Request("POST", "http://h/", {"content-type": "application/json"}, body))
    loaded = wire.load_body(None if dumped is None else msgspec.json.decode(encode.golden_bytes(dumped), type=wire.Body))
    if dumped is None or dumped.json is msgspec.UNSET or dumped.layout is not msgspec.UNSET:
        assert loaded == body
    else:
        assert json.loads(loaded, object_pairs_hook=list) == json.loads(body, object_pairs_hook=list)


@given(sse_bytes, st.lists(st.integers(0, 100), max_size=6), st.sampled_from(["text/event-stream", "audio/mpeg"]))
def test_a_stream_has_the_same_chunks_at_the_same_times(data: bytes, cuts: list[int], content_type: str) -> None:
    pieces = [(index + 0.125, piece) for index, piece in enumerate(cut(data, cuts))]
    loaded = answered(pieces, content_type)
    if len(pieces) == 1 and content_type != "text/event-stream":
        assert loaded == [(0.0, data)]
    else:
        assert loaded == pieces


@given(sse_bytes, st.lists(st.integers(0, 100), max_size=6), st.lists(st.floats(0, 1e6), min_size=8, max_size=8))
def test_chunks_stay_apart_whatever_their_times(data: bytes, cuts: list[int], times: list[float]) -> None:
    chunks = cut(data, cuts)
    loaded = answered(list(zip(sorted(times), chunks, strict=False)), "text/event-stream")
    assert [piece for _, piece in loaded] == chunks
    assert all(one[0] < two[0] for one, two in pairwise(loaded))


@given(values)
def test_a_golden_page_is_the_same_value(value: Any) -> None:
    page = encode.golden_bytes(value)
    assert page.endswith(b"\n")
    assert repr(msgspec.json.decode(page)) == repr(value)
    assert json.loads(page) == value


@given(odd)
def test_a_golden_page_of_anything_is_json(value: Any) -> None:
    page = encode.golden_bytes(value)
    json.loads(page, parse_constant=pytest.fail)
    assert page.endswith(b"\n") and not page.endswith(b"\n\n")


@given(st.dictionaries(st.text(), odd, max_size=4))
def test_a_line_of_anything_is_one_line_of_json(record: dict[str, Any]) -> None:
    text = encode.line(record)
    assert text.endswith(b"\n")
    assert text.count(b"\n") == 1
    assert b"\r" not in text
    assert isinstance(json.loads(text.decode(), parse_constant=pytest.fail), dict)


@given(st.dictionaries(texts, values, max_size=4))
def test_a_line_is_the_same_value(record: dict[str, Any]) -> None:
    assert json.loads(encode.line(record)) == record


secrets = st.sampled_from(
    [
        "sk-" + "Ab3" * 12,
        "AKIA" + "A1" * 8,
        "eyJ" + "a" * 12 + ".eyJ" + "b" * 12 + "." + "c" * 12,
        "s3cret-value",
        "s3cret-value-2",
        "sk-",
    ]
)
redactable = st.lists(secrets | st.sampled_from(["[REDACTED]", " ", "\n", "-", "_", "=", "é", "["]) | texts, max_size=8).map(
    "".join
)


@given(redactable)
def test_redaction_is_idempotent(text: str) -> None:
    redactor = Redactor({"A_TOKEN": "s3cret-value", "B_TOKEN": "s3cret-value-2"})
    once, _ = redactor.text(text)
    assert redactor.text(once) == (once, 0)
    assert "s3cret" not in once


@given(st.binary(max_size=80) | redactable.map(str.encode))
def test_redaction_of_bytes_is_idempotent_and_keeps_the_rest(data: bytes) -> None:
    redactor = Redactor({"A_TOKEN": "s3cret-value"})
    once, count = redactor.bytes(data)
    assert redactor.bytes(once) == (once, 0)
    assert (once == data) is (count == 0)


@given(st.lists(st.tuples(texts, texts), max_size=4), st.sampled_from(["", "user@", "user:p4ss@"]))
def test_a_clean_url_is_clean(query: list[tuple[str, str]], userinfo: str) -> None:
    from urllib.parse import parse_qsl, urlencode, urlsplit

    assume(all(name.lower() not in CREDENTIAL_QUERY for name, _ in query))
    url = clean_url(f"https://{userinfo}h:8/v1?{urlencode([*query, ('api_key', 's3cret')])}")
    assert urlsplit(url).netloc == "h:8"
    assert parse_qsl(urlsplit(url).query, keep_blank_values=True) == query
    assert clean_url(url) == url


@given(values)
def test_a_value_does_not_differ_from_itself(value: Any) -> None:
    assert diff.fields(value, json.loads(json.dumps(value))) == []


@given(values, values)
def test_values_that_differ_have_a_difference(one: Any, two: Any) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True)
    assume(same or one != two)
    assert (diff.fields(one, two) == []) is same


words = st.text("abcdefghijklmnopqrstuvwxyzÄé🙂 0123456789.,()[]$^*+?\\|\n", min_size=1, max_size=12)
names = st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True)


@given(st.lists(names, min_size=1, max_size=4, unique=True), st.data())
def test_a_template_gives_its_variables_back(variables: list[str], data: st.DataObject) -> None:
    given_values = {
        name: data.draw(st.text("abcÄé🙂 \n.*", min_size=1, max_size=8).filter(lambda text: text == text.strip()))
        for name in variables
    }
    between = [data.draw(words.map(lambda word: f"<{word.strip()}>")) for _ in range(len(variables) + 1)]
    text = between[0] + "".join(f"{{{name}}}{after}" for name, after in zip(variables, between[1:], strict=True))
    match = Template("t", text).match(text.format(**given_values))
    assert match is not None
    assert match.variables == given_values


@given(words.map(str.strip).filter(bool))
def test_a_template_without_fields_matches_itself_only(text: str) -> None:
    template = Template("t", text)
    assert template.match(text) is not None
    assert template.match(text + "x") is None


@given(st.text("{}!:.[]a0 \n'\"", max_size=12), st.text("{}a0 \n", max_size=12))
def test_matching_a_template_of_any_text_never_raises(text: str, prompt: str) -> None:
    for asked in (prompt, text):
        match = Template("t", text).match(asked)
        assert match is None or match.name == "t"


@given(sse_bytes)
def test_event_parsing_never_raises(data: bytes) -> None:
    for event in parse_events(data):
        assert "\r" not in event.data
        assert "\n" not in event.type


@given(
    st.lists(st.tuples(st.text("abcé", max_size=5), st.lists(st.text("xyz: é", max_size=6), min_size=1, max_size=3)), max_size=5),
    st.sampled_from(["\n", "\r", "\r\n"]),
)
def test_events_that_were_written_are_read(events: list[tuple[str, list[str]]], end: str) -> None:
    lines = [line for kind, rows in events for line in (f"event: {kind}", *(f"data: {row}" for row in rows), "")]
    body = "".join(line + end for line in lines).encode()
    assert [(event.type, event.data) for event in parse_events(body)] == [(kind, "\n".join(rows)) for kind, rows in events]


def shuffled(value: Any, rng: random.Random) -> Any:
    if isinstance(value, dict):
        entries = [(name, shuffled(entry, rng)) for name, entry in value.items()]
        rng.shuffle(entries)
        return dict(entries)
    return [shuffled(entry, rng) for entry in value] if isinstance(value, list) else value


def key(value: Any, layout: str = "compact") -> str:
    return matching.key(Request("POST", "https://h/v1", {"content-type": "application/json"}, LAYOUTS[layout](value).encode()))  # type: ignore[index]


@given(values, st.randoms(use_true_random=False), st.sampled_from(list(LAYOUTS)))
def test_the_key_does_not_depend_on_the_order_of_names_or_the_layout(value: Any, rng: random.Random, layout: str) -> None:
    assert key(shuffled(value, rng), layout) == key(value)


@given(values, values)
def test_the_key_depends_on_the_value(one: Any, two: Any) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True)
    assume(same or one != two)
    assert (key(one) == key(two)) is same


@given(
    st.binary(max_size=60)
    | st.text().map(lambda text: json.dumps(text).encode())
    | st.integers().map(lambda number: str(number).encode())
)
def test_every_body_has_a_key(body: bytes) -> None:
    request = Request("POST", "https://h/v1", {"content-type": "application/json"}, body)
    assert len(matching.key(request)) == len(matching.exact_key(request)) == 32


@given(st.floats())
def test_a_clean_number_is_finite(number: float) -> None:
    cleaned = encode.clean(number)
    assert cleaned is None if not math.isfinite(number) else cleaned == number
