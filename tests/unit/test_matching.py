"""Which recorded request a new one equals, and which one it nearly equals."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_llmlog import matching
from pytest_llmlog.errors import ConfigError
from pytest_llmlog.traffic import Request

URL = "https://api.openai.com/v1/chat/completions"
BODY = b'{"model":"m","messages":[{"role":"user","content":"Why?"}]}'


def post(body: bytes = BODY, url: str = URL, method: str = "POST", content_type: str = "application/json") -> Request:
    return Request(method, url, {"content-type": content_type}, body)


@pytest.mark.parametrize(
    "same",
    [
        post(b'{"messages":[{"content":"Why?","role":"user"}],"model":"m"}'),
        post(b'{ "model" : "m",\n "messages" : [ {"role":"user","content":"Why?"} ] }'),
        post(rb'{"model":"m","messages":[{"role":"user","content":"\u0057hy?"}]}'),
        post(url=URL.replace("https", "http")),
        post(url=URL.replace(".com", ".com:8443")),
        post(url=URL.replace("api.openai", "API.OpenAI")),
        post(url=URL.replace("https://", "https://user:pass-word1@")),
        post(url=URL + "?api_key=secret-123"),
        post(url=URL + "?API-Key=secret-123&sig=x"),
        post(content_type="application/json; charset=utf-8"),
    ],
    ids=["key-order", "spaces", "escapes", "scheme", "port", "host-case", "userinfo", "credential", "credentials", "content-type"],
)
def test_equal_requests_have_one_key(same: Request) -> None:
    assert matching.key(same) == matching.key(post())


@pytest.mark.parametrize(
    "other",
    [
        post(method="PUT"),
        post(url=URL.replace("openai", "example")),
        post(url=URL + "/x"),
        post(url=URL + "?a=1"),
        post(BODY.replace(b"Why?", b"why?")),
        post(BODY.replace(b'"m"', b'"n"')),
        post(b'{"model":"m","messages":[]}'),
        post(b""),
    ],
    ids=["method", "host", "path", "query", "text", "model", "messages", "empty"],
)
def test_other_requests_have_other_keys(other: Request) -> None:
    assert matching.key(other) != matching.key(post())
    assert matching.exact_key(other) != matching.exact_key(post())


def test_the_order_of_a_list_matters() -> None:
    assert matching.key(post(b"[1,2]")) != matching.key(post(b"[2,1]"))


@pytest.mark.parametrize(("one", "two"), [("?a=1&b=2", "?b=2&a=1"), ("?a=1&token=x1", "?a=1&token=y2"), ("?a=%2F", "?a=/")])
def test_queries_that_are_equal(one: str, two: str) -> None:
    assert matching.key(post(url=URL + one)) == matching.key(post(url=URL + two))


@pytest.mark.parametrize(("one", "two"), [("?a=1", "?a=2"), ("?a=1", "?b=1"), ("?a=1&a=2", "?a=2"), ("?a=", "")])
def test_queries_that_differ(one: str, two: str) -> None:
    assert matching.key(post(url=URL + one)) != matching.key(post(url=URL + two))


@pytest.mark.parametrize(("one", "two"), [(b"1", b'"1"'), (b"null", b"{}"), (b"true", b"1"), (b"[]", b"{}"), (b"text", b"Text")])
def test_bodies_that_differ(one: bytes, two: bytes) -> None:
    assert matching.key(post(one)) != matching.key(post(two))


@pytest.mark.parametrize(
    "body",
    [rb'{"a":"\ud800"}', b'{"a":NaN}', b'{"a":123456789012345678901234567890}', b"\xff\x00", b"[" * 3000, b"[" * 400 + b"]" * 400],
    ids=["surrogate", "nan", "big", "bytes", "open", "deep"],
)
def test_every_body_has_a_key(body: bytes) -> None:
    assert matching.key(post(body)) == matching.key(post(body))
    assert matching.key(post(body)) != matching.key(post())


def multipart(boundary: str, content: str = "hello", *, quoted: bool = False) -> Request:
    body = f'--{boundary}\r\nContent-Disposition: form-data; name="file"\r\n\r\n{content}\r\n--{boundary}--\r\n'.encode()
    name = f'"{boundary}"' if quoted else boundary
    return post(body, content_type=f"multipart/form-data; boundary={name}")


def test_the_boundary_of_a_multipart_body_does_not_matter() -> None:
    key = matching.key(multipart("a1b2c3d4"))
    assert key == matching.key(multipart("ffffffffffffffff"))
    assert key == matching.key(multipart("a1b2c3d4", quoted=True))
    assert key != matching.key(multipart("a1b2c3d4", "other"))


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("$.a", ("a",)),
        ("$.metadata.trace", ("metadata", "trace")),
        ("$.messages[*].name", ("messages", ..., "name")),
        ("$.messages[0].content[12]", ("messages", 0, "content", 12)),
        ("$['a.b']", ("a.b",)),
        ('$["x-y"].z', ("x-y", "z")),
        ("$['0']", ("0",)),
        ("$.*", (...,)),
        ("$[0]", (0,)),
        ("$.a-b.ü", ("a-b", "ü")),
    ],
)
def test_a_path_is_read(text: str, path: matching.Path) -> None:
    assert matching.parse_path(text) == path


@pytest.mark.parametrize(
    "text", ["", "$", "a", "metadata.trace", "$.", "$..a", "$.a.", "$[", "$[]", "$[-1]", "$[a]", "$.a]", "$ .a", "$.a[0"]
)
def test_a_bad_path_is_refused_and_named(text: str) -> None:
    with pytest.raises(ConfigError, match="llmlog_ignore") as caught:
        matching.parse_path(text)
    assert repr(text) in str(caught.value)
    assert "$.metadata.trace" in str(caught.value)


VALUE: dict[str, Any] = {"a": 1, "m": [{"n": 1, "t": "x"}, {"n": 2, "t": "y"}, {"t": "z"}], "o": {"p": {"n": 3}, "q": {"n": 4}}}


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["$.a"], {"m": VALUE["m"], "o": VALUE["o"]}),
        (["$.o.p"], {**VALUE, "o": {"q": {"n": 4}}}),
        (["$.m[*].n"], {**VALUE, "m": [{"t": "x"}, {"t": "y"}, {"t": "z"}]}),
        (["$.m[1].n"], {**VALUE, "m": [{"n": 1, "t": "x"}, {"t": "y"}, {"t": "z"}]}),
        (["$.m[1]"], {**VALUE, "m": [{"n": 1, "t": "x"}, {"t": "z"}]}),
        (["$.m[*]"], {**VALUE, "m": []}),
        (["$.o.*.n"], {**VALUE, "o": {"p": {}, "q": {}}}),
        (["$.o[*].n"], {**VALUE, "o": {"p": {}, "q": {}}}),
        (["$.*"], {}),
        (["$.absent.x", "$.a.b", "$.m[9]", "$.m.n", "$.o[0]"], VALUE),
        (["$.a", "$.m"], {"o": VALUE["o"]}),
        ([], VALUE),
    ],
)
def test_what_is_ignored_is_taken_out(paths: list[str], expected: object) -> None:
    before = repr(VALUE)
    assert matching.without(VALUE, [matching.parse_path(path) for path in paths]) == expected
    assert repr(VALUE) == before


@pytest.mark.parametrize("paths", [["$.m[0]", "$.m[1]"], ["$.m[1]", "$.m[0]"]])
def test_two_ignored_indexes_are_those_of_the_request(paths: list[str]) -> None:
    assert matching.without({"m": ["a", "b", "c"]}, [matching.parse_path(path) for path in paths]) == {"m": ["c"]}


@pytest.mark.parametrize(("text", "expected"), [("$['*']", {"a": 1}), ("$.*", {})])
def test_a_quoted_star_is_a_name(text: str, expected: object) -> None:
    assert matching.without({"a": 1, "*": 2}, [matching.parse_path(text)]) == expected


def test_ignored_places_are_not_in_the_key() -> None:
    ignore = [matching.parse_path("$.trace"), matching.parse_path("$.m[*].id")]
    one, two, other = (
        post(body) for body in (b'{"trace":1,"m":[{"id":1,"x":1}]}', b'{"m":[{"id":2,"x":1}]}', b'{"m":[{"id":1,"x":2}]}')
    )
    assert matching.key(one) != matching.key(two)
    assert matching.key(one, ignore) == matching.key(two, ignore) != matching.key(other, ignore)


def test_the_exact_key_is_that_of_the_bytes() -> None:
    assert matching.exact_key(post()) == matching.exact_key(post(url=URL.replace("https", "http").replace(".com", ".com:1")))
    assert matching.exact_key(post(b'{"a":1,"b":2}')) != matching.exact_key(post(b'{"b":2,"a":1}'))


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (post(), post(b"{}")),
        (post(), post(url=URL + "?a=1")),
        (post(), post(method="PUT")),
        (post(b"text one"), post(b"text two")),
        (post(url=URL + "?a=1&a=2"), post(url=URL + "?a=3&a=2")),
    ],
    ids=["body", "query", "method", "text", "repeated-query"],
)
def test_requests_of_different_keys_can_be_told_apart(one: Request, two: Request) -> None:
    assert matching.key(one) != matching.key(two)
    assert matching.comparable(one) != matching.comparable(two)


def test_what_is_compared_has_no_credentials_of_the_query() -> None:
    assert "secret-123" not in str(matching.comparable(post(url=URL + "?api_key=secret-123")))


def test_what_is_compared_has_no_ignored_places() -> None:
    assert matching.comparable(post(b'{"a":1,"b":2}'), [("a",)])["body"] == {"b": 2}


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        ([], None),
        ([{"body": {"x": 9}}], 0),
        ([{"body": {"x": 9, "y": 9}}, {"body": {"x": 1, "y": 9}}, {"body": {"x": 1, "y": 2, "z": 3}}], 2),
        ([{"body": {"x": 1}}, {"body": {"x": 1}}], 0),
        ([{"body": {"x": 1, "y": "completely unlike"}}, {"body": {"x": 1, "y": 2, "t": "The cat sits."}}], 1),
    ],
)
def test_the_nearest_shares_most(candidates: list[dict[str, Any]], expected: int | None) -> None:
    assert matching.nearest({"body": {"x": 1, "y": 2, "t": "The cat sat."}}, candidates) == expected


def test_at_a_tie_the_nearest_text_wins() -> None:
    candidates = [{"t": "zzzzzzzz"}, {"t": "The cat sits."}, {"t": "qqqq"}]
    assert matching.nearest({"t": "The cat sat."}, candidates) == 1


def test_leaves_are_places_with_values() -> None:
    assert matching.leaves({"a": [1, {"b": "x"}], "c": None}) == {(".a[0]", "1"), (".a[1].b", "'x'"), (".c", "None")}


@pytest.mark.parametrize(
    ("one", "two", "same"), [({"a": 1, "b": 2}, {"b": 2, "a": 1}, True), ([1, 2], [2, 1], False), (1, "1", False)]
)
def test_a_json_digest(one: object, two: object, same: bool) -> None:
    assert (matching.digest_json(one) == matching.digest_json(two)) is same
    assert len(matching.digest_json(one)) == 32
