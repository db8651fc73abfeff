"""Any bytes give a record or a clear reason, from every reader."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmlog import cassettes, encode, reading, validation, wire
from pytest_llmlog.circumstances import Circumstances, Identity
from pytest_llmlog.intercept import interactions
from pytest_llmlog.providers import OTHER, Endpoint, recognise
from pytest_llmlog.providers.routes import ROUTES
from pytest_llmlog.traffic import Exchange, Request, Response
from unit import test_readers as samples

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(
        ["messages", "content", "role", "text", "type", "parts", "choices", "message", "delta", "usage", "index", "tool_calls", "function",
         "error", "output", "candidates", "results", "generations", "input_tokens", "event_type", "response", "tools", "input", "model"]),
        inner, max_size=5),
    max_leaves=20,
)  # fmt: skip
kinds = st.sampled_from(
    ["application/json", "text/event-stream", "application/x-ndjson", "application/vnd.amazon.eventstream", "", "audio/mpeg"]
)


def _dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


bodies = st.binary(max_size=60) | json_values.map(_dumped) | st.lists(json_values, max_size=4).map(lambda v: samples.lines(*v)) | st.lists(
    json_values, max_size=4).map(lambda v: samples.events(*v)) | st.lists(
    st.tuples(st.sampled_from(["messageStart", "contentBlockDelta", "chunk", "metadata"]), json_values), max_size=3).map(lambda v: samples.binary(*v))  # fmt: skip

READERS = [*dict.fromkeys(route.reader for route in ROUTES), OTHER]


def _check_record(reader: Any, asked: bytes, answered: bytes, kind: str, status: int) -> None:
    request = Request("POST", "http://h/v1/x", {"content-type": "application/json"}, asked)
    endpoint = Endpoint("any", "chat", reader, True)
    reader.accepts(request)
    response = Response(status, {"content-type": kind}, [(0.1, answered)])
    exchange = Exchange(request, response)
    reader.asked(request)
    if status < 400:
        reader.answered(exchange)
    reader.finished(response)
    line = _line(exchange, endpoint)
    assert validation.faults(json.loads(line)) == []
    journaled = msgspec.json.decode(encode.line(wire.dump_raw(exchange)), type=wire.Wire)
    assert _line(wire.load(journaled), endpoint) == line, "what is recovered is another record"


def _line(exchange: Exchange, endpoint: Endpoint) -> bytes:
    circumstances = Circumstances(
        request_id="0" * 32, at=1_767_225_600_000_000_000, latency_seconds=0.1, time_to_first_chunk_seconds=0.1
    )
    made = interactions.live(exchange, endpoint, Identity("r", "s"), circumstances, (), lambda _: 1)
    return encode.line(encode.clean(encode.plain(made)))


@pytest.mark.parametrize(
    "reader", READERS, ids=lambda reader: f"{type(reader).__module__.rpartition('.')[2]}.{type(reader).__name__}"
)
@given(asked=bodies, answered=bodies, kind=kinds, status=st.sampled_from([200, 400]))
def test_any_bytes_give_a_valid_record(reader: Any, asked: bytes, answered: bytes, kind: str, status: int) -> None:
    _check_record(reader, asked, answered, kind, status)


CORPUS = Path(os.environ.get("LLMLOG_CORPUS", "corpus"))
DEBRIS = (b"null", b"{}", b"[]", b"5", b'"', b"}", b"\n\n", b'{"a":1}')


def _damaged(body: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(body)
    for _ in range(chance.choice((0, 1, 3, 20))):
        at, kind = chance.randrange(len(damaged) + 1), chance.random()
        if kind < 0.4 and at < len(damaged):
            damaged[at] = chance.randrange(256)
        elif kind < 0.7:
            del damaged[at : at + chance.randrange(1, 30)]
        else:
            damaged[at:at] = chance.choice(DEBRIS)
    return bytes(damaged)


@pytest.mark.skipif(not (CORPUS / "recordings").is_dir(), reason="no corpus: LLMLOG_CORPUS names no folder with one")
def test_real_bodies_with_damage_give_valid_records() -> None:
    chance, read = random.Random(2026), 0
    for path in sorted((CORPUS / "recordings").rglob("*.yaml*")):
        for _, found in cassettes.read(path):
            assert isinstance(found, cassettes.Recording)
            request, response = found.exchange.request, found.exchange.response
            endpoint = recognise(request.method, request.host, request.path)
            if endpoint is None or response is None:
                continue
            kind, status = response.headers.get("content-type", ""), response.status
            for _ in range(5):
                _check_record(endpoint.reader, _damaged(request.body, chance), _damaged(response.body, chance), kind, status)
                read += 1
    assert read > 1000


@given(place=st.integers(0, 10_000), flip=st.integers(1, 255), cut=st.integers(0, 10_000))
def test_a_damaged_binary_stream_is_read_up_to_the_damage(place: int, flip: int, cut: int) -> None:
    body = bytearray(samples.binary(*samples.TURN))
    body[place % len(body)] ^= flip
    exchange = Exchange(
        Request("POST", f"{samples.BEDROCK}/converse-stream", {}, _dumped(samples.CONVERSE)),
        Response(200, {"content-type": "application/vnd.amazon.eventstream"}, [(0.1, bytes(body[: cut % (len(body) + 1)]))]),
    )
    endpoint = next(route for route in ROUTES if route.path.search("/model/m/converse"))
    found = reading.read(
        exchange,
        Endpoint("any", "chat", endpoint.reader, True),
        reading.asked(exchange.request, Endpoint("any", "chat", endpoint.reader, True)),
        "0" * 32,
    )
    assert found["response"] in (None, "", "On", "One")
    assert found["usage"] is None or found["usage"].total in (None, 17)
