"""No credential leaves in the parts of a stream, and a stream without one stays as it is."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable
from zlib import crc32

import pytest

from pytest_llmlog import scrub
from pytest_llmlog.providers import eventstream
from pytest_llmlog.redact import Redactor
from pytest_llmlog.shapes import MASK
from pytest_llmlog.traffic import Request, Response

pytestmark = pytest.mark.usefixtures("quick_search_agrees")

KEY = "sk-proj-" + "Ab3" * 14
CUTS = range(1, len(KEY))


def redactor(own: Callable[[str], str] | None = None) -> Redactor:
    return Redactor({"MY_API_KEY": "v4lue-of-it"}, own)


def response(pieces: list[bytes], kind: str = "text/event-stream") -> Response:
    return Response(200, {"content-type": kind}, [(0.1 * number, piece) for number, piece in enumerate(pieces, start=1)])


def event(text: str, index: int = 0) -> bytes:
    chunk = {"id": "c1", "model": "m", "choices": [{"index": index, "delta": {"content": text}, "finish_reason": None}]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def said(found: Response, index: int = 0) -> str:
    return "".join(
        choice["delta"]["content"] for chunk in found.chunks or () for choice in chunk["choices"] if choice["index"] == index
    )


@pytest.mark.parametrize("cut", CUTS)
def test_a_key_cut_by_the_end_of_a_chunk(cut: int) -> None:
    whole = event(f"it is {KEY}, yes") + DONE
    at = whole.index(b"sk-") + cut
    clean, count = scrub.clean(response([whole[:at], whole[at:]]), redactor())
    assert count == 1
    assert said(clean) == f"it is {MASK}, yes"
    assert clean.pieces[-1] == (0.2, DONE)


@pytest.mark.parametrize("cut", CUTS)
def test_a_key_over_the_texts_of_two_events(cut: int) -> None:
    pieces = [event("Hello. "), event(f"It is {KEY[:cut]}"), event(f"{KEY[cut:]}, yes"), event(" Bye."), DONE]
    clean, count = scrub.clean(response(pieces), redactor())
    assert count == 1
    assert said(clean) == f"Hello. It is {MASK}, yes Bye."
    assert b"Ab3Ab3" not in clean.body
    assert clean.pieces[0] == (0.1, pieces[0])
    assert [round(seconds, 1) for seconds, _ in clean.pieces] == [0.1, 0.2, 0.3, 0.4, 0.5]


def test_a_key_over_many_events_of_one_letter_each() -> None:
    pieces = [*(event(letter) for letter in f"a {KEY} b v4lue-of-it c"), DONE]
    clean, count = scrub.clean(response(pieces), redactor())
    assert count == 2
    assert said(clean) == f"a {MASK} b {MASK} c"
    assert len(clean.pieces) == len(pieces)


def test_two_answers_at_once_are_not_mixed() -> None:
    pieces = []
    for number in range(0, len(KEY), 3):
        pieces += [event(KEY[number : number + 3], 0), event("xyz", 1), event("- ", 1)]
    clean, _ = scrub.clean(response(pieces), redactor())
    assert said(clean, 0) == MASK
    assert said(clean, 1) == "xyz- " * len(range(0, len(KEY), 3))


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_anthropic_and_tool_arguments(cut: int) -> None:
    def delta(text: str) -> bytes:
        value = {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": text}}
        return b"event: content_block_delta\ndata: " + json.dumps(value).encode() + b"\n\n"

    clean, count = scrub.clean(response([delta('{"key": "' + KEY[:cut]), delta(KEY[cut:] + '"}')]), redactor())
    assert count == 1
    assert "".join(chunk["delta"]["partial_json"] for chunk in clean.chunks or ()) == f'{{"key": "{MASK}"}}'
    assert clean.body.startswith(b"event: content_block_delta\ndata: ")


@pytest.mark.parametrize("cut", CUTS)
def test_json_lines(cut: int) -> None:
    lines = [json.dumps({"message": {"content": text}, "done": False}).encode() + b"\n" for text in (KEY[:cut], KEY[cut:] + "!")]
    clean, count = scrub.clean(response(lines, "application/x-ndjson"), redactor())
    assert count == 1
    assert "".join(chunk["message"]["content"] for chunk in clean.chunks or ()) == f"{MASK}!"


def message(payload: bytes) -> bytes:
    head = b"\x0b:event-type\x07\x00\x05chunk"
    lengths = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    data = lengths + struct.pack(">I", crc32(lengths)) + head + payload
    return data + struct.pack(">I", crc32(data))


def plain(text: str) -> bytes:
    return message(json.dumps({"delta": {"text": text}}).encode())


def inside(text: str) -> bytes:
    value = json.dumps({"delta": {"text": text}}).encode()
    return message(json.dumps({"bytes": base64.b64encode(value).decode()}).encode())


def texts(body: bytes) -> str:
    found = [json.loads(entry.payload) for entry in eventstream.messages(body)]
    values = [json.loads(base64.b64decode(value["bytes"])) if "bytes" in value else value for value in found]
    return "".join(value["delta"]["text"] for value in values)


@pytest.mark.parametrize("form", [plain, inside])
@pytest.mark.parametrize("cut", [0, 1, 7, 8, 30, len(KEY)])
def test_amazons_binary_stream_keeps_its_checksums(form: Callable[[str], bytes], cut: int) -> None:
    pieces = [form(f"it is {KEY[:cut]}"), form(f"{KEY[cut:]}, yes")]
    assert b"".join(pieces) == b"".join(eventstream.with_payload(each, next(eventstream.messages(each)).payload) for each in pieces)
    clean, count = scrub.clean(response(pieces, eventstream.CONTENT_TYPE), redactor())
    assert count >= 1
    assert len(list(eventstream.messages(clean.body))) == 2
    assert texts(clean.body) == f"it is {MASK}, yes"


def test_a_body_that_is_no_stream_and_came_in_two_chunks() -> None:
    body = json.dumps({"content": f"it is {KEY}"}).encode()
    clean, count = scrub.clean(response([body[:25], body[25:]], "application/json"), redactor())
    assert count == 1
    assert clean.json == {"content": f"it is {MASK}"}


def test_the_users_own_step_sees_what_events_bring_in_parts() -> None:
    clean, count = scrub.clean(
        response([event("Mr. Smi"), event("th says "), event("hello")]), redactor(lambda text: text.replace("Smith", "N.N."))
    )
    assert count == 1
    assert said(clean) == "Mr. N.N. says hello"
    assert clean.pieces[2][1] == event("hello")


@pytest.mark.parametrize(
    ("pieces", "kind"),
    [
        ([event("Forget your "), event("password and token."), DONE], "text/event-stream"),
        ([event("a")[:20], event("a")[20:]], "text/event-stream"),
        ([b"\xff\x00", b"\x01"], "audio/mpeg"),
        ([plain("a"), plain("b")[:-3]], eventstream.CONTENT_TYPE),
        ([b"{", b"}"], "application/json"),
        ([], "text/event-stream"),
        ([b"data: " + b"[" * 100_000 + b"\n\n"], "text/event-stream"),
    ],
)
def test_what_holds_no_credential_stays(pieces: list[bytes], kind: str) -> None:
    before = response(pieces, kind)
    clean, count = scrub.clean(before, redactor())
    assert (clean.pieces, count) == (response(pieces, kind).pieces, 0)


def _block(text: str, number: int) -> dict[str, object]:
    if number == 0:
        return {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": text}}
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}


def _gemini(text: str, number: int) -> dict[str, object]:
    half = len(text) // 2
    return {"candidates": [{"content": {"parts": [{"text": text[:half]}, {"text": text[half:]}]}, "index": 0}]}


def _unnumbered(text: str, number: int) -> dict[str, object]:
    return {"choices": [{**({"index": 0} if number == 0 else {}), "delta": {"content": text}}]}


def _swapped(text: str, number: int) -> dict[str, object]:
    choices = [{"index": 0, "delta": {"content": text}}, {"index": 1, "delta": {"content": "zz"}}]
    return {"choices": choices[:: -1 if number % 2 else 1]}


@pytest.mark.parametrize("form", [_block, _gemini, _unnumbered, _swapped])
@pytest.mark.parametrize("cut", CUTS)
def test_a_key_over_texts_at_different_places(form: Callable[[str, int], dict[str, object]], cut: int) -> None:
    def stream(*parts: str) -> Response:
        return response([b"data: " + json.dumps(form(part, number)).encode() + b"\n\n" for number, part in enumerate(parts)])

    clean, count = scrub.clean(stream(f"it is {KEY[:cut]}", KEY[cut : cut + 9], f"{KEY[cut + 9 :]}, yes"), redactor())
    assert count >= 1
    assert MASK.encode() in clean.body
    assert not any(KEY[start : start + 6].encode() in clean.body for start in range(len(KEY) - 6))
    prose = stream("Forget your ", "password and", " token.")
    assert scrub.clean(prose, redactor()) == (prose, 0)


ESCAPED = "".join(f"\\u{ord(letter):04x}" for letter in KEY)
"""The key as JSON may spell it."""

ASKED = Request(
    "POST", "http://h/v1/chat/completions", {"content-type": "application/json", "authorization": f"Bearer {KEY}"}, b"{}"
)


@pytest.mark.parametrize("text", [KEY, ESCAPED, f"{ESCAPED[:60]}{KEY[10:]}"])
def test_a_key_that_json_spells_with_escapes(text: str) -> None:
    body = f'{{"content": "the key is {text}, yes"}}'.encode()
    asked = Request("POST", "http://h/v1/chat/completions", {"content-type": "application/json"}, body)
    request, answer, count = scrub.clean_exchange(asked, response([body], "application/json"), redactor())
    assert answer is not None
    assert request.json == answer.json == {"content": f"the key is {MASK}, yes"}
    assert count == 2


def test_a_key_that_an_event_spells_with_escapes() -> None:
    spelled = event("the key is HERE, yes").replace(b"HERE", ESCAPED.encode())
    _, answer, count = scrub.clean_exchange(ASKED, response([event("Hello. "), spelled, event("Bye."), DONE]), redactor())
    assert answer is not None
    assert said(answer) == f"Hello. the key is {MASK}, yesBye."
    assert count == 1


@pytest.mark.parametrize("cut", CUTS)
def test_a_key_over_events_that_begin_alike(cut: int) -> None:
    """Fields that are the same in all events are not looked through again; the number of a text is such a field."""
    pieces = [event(KEY[:cut], 1), event("x", 0), event(KEY[cut:], 1), event("y", 0), DONE]
    _, answer, count = scrub.clean_exchange(ASKED, response(pieces), redactor())
    assert answer is not None
    assert (said(answer, 1), said(answer, 0), count) == (MASK, "xy", 1)


def test_an_exchange_without_a_credential_stays_as_it_is() -> None:
    before = response([event("Hello. "), event("task-oriented, 100%25 http://x.org/a"), DONE])
    request, after, count = scrub.clean_exchange(ASKED, before, redactor())
    assert after is before
    assert (request.body, request.headers, count) == (b"{}", {"content-type": "application/json"}, 0)


def test_a_header_and_an_address_may_hold_a_credential() -> None:
    asked = Request("POST", "http://h/v1/v4lue-of-it/chat/completions", {"openai-beta": "v4lue-of-it"}, b"{}")
    request, _, count = scrub.clean_exchange(asked, None, redactor())
    assert request.url == f"http://h/v1/{MASK}/chat/completions"
    assert request.headers == {"openai-beta": MASK}
    assert count == 2
    answered = Response(200, {"x-request-id": KEY, "content-type": "text/plain"}, [(0.1, b"x")])
    _, answer, count = scrub.clean_exchange(ASKED, answered, redactor())
    assert answer is not None
    assert (answer.headers, answer.body, count) == ({"x-request-id": MASK, "content-type": "text/plain"}, b"x", 1)


NESTED = json.dumps({"arguments": f'{{"key": "the {ESCAPED} is", "next": "\\u00e4\\u0022"}}'})
"""JSON inside of JSON, in which the key is spelled with escapes."""


def test_a_key_that_json_inside_of_json_spells_with_escapes() -> None:
    asked = Request("POST", "http://h/v1/chat/completions", {"content-type": "application/json"}, NESTED.encode())
    request, answer, count = scrub.clean_exchange(asked, response([NESTED.encode()], "application/json"), redactor())
    assert answer is not None
    assert count == 2
    for found in (request, answer):
        assert json.loads(found.json["arguments"]) == {"key": f"the {MASK} is", "next": 'ä"'}


@pytest.mark.parametrize("cut", range(1, len(ESCAPED), 7))
def test_an_escaped_key_over_the_arguments_of_events(cut: int) -> None:
    text = f'{{"key": "{ESCAPED}"}}'
    pieces = [event("Hello. "), event(text[:cut]), event(text[cut:]), DONE]
    _, answer, count = scrub.clean_exchange(ASKED, response(pieces), redactor())
    assert answer is not None
    assert (said(answer), count) == (f'Hello. {{"key": "{MASK}"}}', 1)


@pytest.mark.parametrize("cut", CUTS)
def test_a_key_over_the_elements_of_a_list(cut: int) -> None:
    """As Gemini streams, unless server-sent events are asked for."""

    def element(text: str) -> dict[str, object]:
        return {"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}], "modelVersion": "m"}

    texts = ["my key is ", KEY[:cut], KEY[cut:], " ok"]
    body = json.dumps([element(text) for text in texts]).encode()
    answered = response([body[:50], body[50:]], "application/json")
    _, answer, count = scrub.clean_exchange(ASKED, answered, redactor())
    assert answer is not None
    got = [each["candidates"][0]["content"]["parts"][0]["text"] for each in answer.json]
    assert ("".join(got), len(got), count) == (f"my key is {MASK} ok", 4, 1)
