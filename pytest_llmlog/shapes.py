"""What credentials look like, and where a text holds one.

Sources of the formats: the vendors' own pages on their keys, and the rules of the secret scanners gitleaks and GitHub.
"""

from __future__ import annotations

import binascii
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from string import hexdigits

from ahocorasick_rs import BytesAhoCorasick
from msgspec import Struct

MASK = "[REDACTED]"

SIGNATURE_QUERY = (
    "sig", "signature", "x-amz-signature", "x-amz-credential", "x-amz-security-token", "x-goog-signature", "api_key",
    "api-key", "apikey", "access_token", "subscription-key", "client_secret", "password",
)  # fmt: skip
"""Query parameters of addresses inside a text that are never anything but a credential."""

_IS = r"\\{0,7}[\"']?\s{0,3}[:=]\s{0,3}(?:- )?\\{0,7}[\"']?"
"""What stands between the name of a setting and its value, in JSON, in JSON inside of JSON, in a shell, in YAML and in an ini file."""

_BEFORE = (
    r"(?:(?<![A-Za-z0-9])|(?<=\\[bfnrt])|(?<=\\u[0-9a-fA-F]{4})|(?<=%[0-9a-fA-F]{2})"
    r"|(?<=\[[mK])|(?<=[\[;]\d[mK])|(?<=[\[;]\d\dm)|(?<=;\d\d\dm))"
)
"""What may stand before a key: no letter or digit, unless it belongs to an escape of JSON, of an address or of a terminal's colours."""


def _random(letters: str) -> str:
    """What tells a key from words with dashes between them, soon enough that hostile text costs no more than its length."""
    return rf"(?=[{letters}]{{0,64}}?(?:\d|[a-z][A-Z]))"


_BREAK = r"(?:(?:\\{1,8}[rn]|[\r\n])[ \t>]*)+"
_BASE64 = "[A-Za-z0-9+/=]"
_PEM = (
    r"-----BEGIN (?:[A-Z]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?-----"
    rf"(?:{_BREAK}[A-Za-z][A-Za-z-]{{0,30}}: [^\r\n\\]{{0,200}})*"
    rf"(?:(?:{_BREAK}| ){_BASE64}{{16,}})+"
    rf"(?:{_BREAK}{_BASE64}{{1,76}}(?=[\r\n\\\"'`<-]|$))?(?:{_BREAK}=[A-Za-z0-9+/]{{4}}(?![A-Za-z0-9]))?"
    rf"(?:(?:{_BREAK}| )?-----END [A-Z ]{{0,80}}PRIVATE KEY(?: BLOCK)?-----)?"
)


class Shape(Struct, frozen=True):
    """A kind of key: ``markers`` are in lower case texts of which any such key holds one; so they are looked for first.

    ``pattern`` begins ``offset`` characters from where a marker does. What its group ``keep`` matches is no part of the key.
    """

    markers: tuple[str, ...]
    pattern: re.Pattern[str]
    offset: int = 0


def _key(marker: str, rest: str) -> Shape:
    """A key that begins with the marker."""
    return Shape((marker.lower(),), re.compile(_BEFORE + re.escape(marker) + rest))


def _named(markers: tuple[str, ...], name: str, value: str) -> Shape:
    """A key that has no shape of its own, behind a name."""
    return Shape(markers, re.compile(f"(?P<keep>{name}){value}"))


def _query(name: str) -> Shape:
    """A parameter of an address: a value that is long, or of eight characters or more and odd."""
    before = rf"(?:(?<=[?&#;](?i:{name})=)|(?<=\\u0026(?i:{name})=))(?!\[REDACTED)"
    value = r"[^&#\s\"'\\<>)]"
    return Shape((f"{name}=",), re.compile(rf"{before}(?:{value}{{16,}}|{_random(value[1:-1])}{value}{{8,}})"), len(name) + 1)


_WORD = "A-Za-z0-9_-"
SHAPES: tuple[Shape, ...] = (
    _key("sk-", rf"{_random(_WORD)}[{_WORD}]{{20,}}"),  # OpenAI, Anthropic, DeepSeek, OpenRouter, LiteLLM
    _key("sess-", r"[A-Za-z0-9]{32,}"),
    _key("AIza", r"[0-9A-Za-z_-]{35}"),  # Google
    _key("AQ.A", r"[0-9A-Za-z_-]{30,}"),
    _key("ya29.", r"[0-9A-Za-z_.-]{20,}"),
    _key("GOCSPX-", r"[0-9A-Za-z_-]{20,}"),
    *(_key(kind, r"[0-9A-Z]{16}") for kind in ("AKIA", "ASIA", "ABIA")),  # AWS
    *(_key(begin, r"(?:[A-Za-z0-9+/=]|\\/){60,}") for begin in ("IQoJb3JpZ2lu", "FwoGZXIvYXdz", "FQoGZXIvYXdz")),
    _key("ABSK", r"[A-Za-z0-9+/]{80,}={0,2}"),
    _key("bedrock-api-key-", r"[A-Za-z0-9+/=_-]{40,}"),
    _named(
        tuple(f"secret{between}access" for between in ("", "_", "-", " ")),
        rf"(?i:secret[_ -]?access[_ -]?key){_IS}",
        r"(?:[A-Za-z0-9+]|\\{0,7}/){40}(?![A-Za-z0-9+/=])",
    ),
    _named(("signature=",), "(?i:signature)=", "[0-9a-f]{64}"),
    Shape(("jqqj99",), re.compile(_BEFORE + r"[A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{26}"), -52),  # Azure
    _named(("accountkey=", "sharedaccesskey="), "(?:Account|SharedAccess)Key=", "[A-Za-z0-9+/]{40,}={0,2}"),
    Shape(("q~",), re.compile(_BEFORE + r"[A-Za-z0-9_.~-]{3}\dQ~[A-Za-z0-9_.~-]{31,34}"), -4),
    _named(
        ("api_key", "api-key", "apikey", "api key", "subscription-key"),
        rf"(?i:api[_ -]?key|subscription-key){_IS}",
        "[0-9a-fA-F]{32}(?![0-9a-zA-Z])",
    ),
    *(_key(f"gh{kind}_", r"[A-Za-z0-9]{36,}") for kind in "pousr"),
    _key("github_pat_", r"[A-Za-z0-9_]{50,}"),
    _key("glpat-", r"[A-Za-z0-9_-]{20,}"),
    *(_key(f"xox{kind}-", r"(?:[A-Za-z0-9-]|%2[BFbf]|%3[Dd]){10,}") for kind in "abcdeoprs"),
    _key("xapp-", r"\d-[A-Za-z0-9-]{10,}"),
    _named(("hooks.slack.com",), r"hooks\.slack\.com\\?/services\\?/", r"T\w+\\?/B\w+\\?/\w{16,}"),
    _key("hf_", r"[A-Za-z0-9]{30,}"),
    _key("api_org_", r"[A-Za-z0-9]{30,}"),
    _key("gsk_", r"[A-Za-z0-9]{40,}"),
    _key("xai-", r"[A-Za-z0-9]{40,}"),
    _key("pplx-", r"[A-Za-z0-9]{40,}"),
    _key("csk-", r"[A-Za-z0-9]{40,}"),
    _key("nvapi-", r"[A-Za-z0-9_-]{40,}"),
    _key("r8_", r"[A-Za-z0-9]{37,}"),
    _key("dapi", r"[0-9a-f]{32}"),
    _key("npm_", r"[A-Za-z0-9]{36}"),
    _key("sk_live_", r"[A-Za-z0-9]{20,}"),
    _key("rk_live_", r"[A-Za-z0-9]{20,}"),
    _key("eyJ", r"[A-Za-z0-9_-]{10,1000}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    _named(("bearer ",), _BEFORE + "(?i:bearer) {1,3}", rf"{_random('A-Za-z0-9._~+/-')}[A-Za-z0-9._~+/-]{{20,}}={{0,2}}"),
    _named(("authorization",), rf"(?i:authorization){_IS}(?i:basic) ", "[A-Za-z0-9+/]{8,}={0,2}"),
    Shape(("-----begin ",), re.compile(_PEM)),
    Shape(("://",), re.compile(r"(?!\[REDACTED)[^/\s\"'@:\\]{1,200}:[^/\s\"'\\]{1,200}(?=@)"), 3),
    *map(_query, SIGNATURE_QUERY),
)

_MARKERS = [(marker, shape) for shape in SHAPES for marker in shape.markers]
_find_markers = BytesAhoCorasick([marker.encode() for marker, _ in _MARKERS]).find_matches_as_indexes
"""All markers in one pass: a body of 200 KB takes 0.4 ms, one search a marker more than ten times that."""

_ESCAPE = re.compile("%[0-9a-fA-F]{2}")
_ESCAPE_BYTES = re.compile(rb"%[0-9a-fA-F]{2}")
_ESCAPED = {high + low: chr(int(high + low, 16)) for high in hexdigits for low in hexdigits}
_DEPTH = 2
"""How often a text may have been percent-encoded."""

_IN_BASE64 = bytes(32 + 65 * ((chr(byte).isalnum() and byte < 128) or byte in b"+/_-") for byte in range(256))
_RUN = b"a" * 24
_IN_HEX, _IN_WORDS = b"0123456789abcdef", b"abcdefghijklmnopqrstuvwxyz_-"
_NO_BASE64 = re.compile("[0-9a-f]+|[a-z_-]+")
"""A hash or an id, of which a record has many, and names like ``completion_tokens_details``; no text is such in base64."""
_LINE_BREAK = re.compile(r"(?:(?:\\{1,8}[rn]|\\?[\r\n])[ \t>]*)+")
_MAY_BREAK = (b"\\", b"\r", b"\n")
"""How the end of a line begins, behind which a run may go on."""
_LONG = 4096
"""From so many characters on, base64 is taken for a file, of which only parts may be text."""
_TEXT = bytes(range(32, 127)) + b"\t\r\n"


class Secret(Struct, frozen=True, order=True):
    """Something in a text that is shaped like a credential, by its place; ``shape`` is how it begins, or what holds it."""

    start: int
    end: int
    shape: str


def _one_byte_each(text: str) -> bytes:
    """A byte for each character, so that places in both are the same."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("ascii", "replace")


def may_hold(data: bytes) -> bool:
    """Say at little cost whether a text may hold what is shaped like a credential: a marker of one, or percent escapes."""
    return bool(_find_markers(data.lower())) or (b"%" in data and _ESCAPE_BYTES.search(data) is not None)


def may_hold_base64(data: bytes) -> bool:
    """The same of what is long enough to be one in base64."""
    flat = data.translate(_IN_BASE64)
    start = flat.find(_RUN)
    while start >= 0:
        end = _end(flat, start)
        run = data[start:end]
        if data[end : end + 1] in _MAY_BREAK or (run.translate(None, _IN_WORDS) and run.translate(None, _IN_HEX)):
            return True
        start = flat.find(_RUN, end)
    return False


def shaped(text: str) -> Iterator[Secret]:
    """What has the shape of a key, in the order in which the markers stand; a shape's own finds do not overlap."""
    ends: dict[int, int] = {}
    for number, begin, _ in _find_markers(_one_byte_each(text).lower(), overlapping=True):
        marker, shape = _MARKERS[number]
        place = begin + shape.offset
        if place < ends.get(id(shape), 0) or (match := shape.pattern.match(text, place)) is None:
            continue
        ends[id(shape)] = match.end()
        kept = match["keep"] if "keep" in shape.pattern.groupindex else ""
        start = place + len(kept)
        yield Secret(start, match.end(), kept or (marker if shape.offset > 0 else text[start : start + len(marker) + 4]))


def merged(secrets: Iterable[Secret]) -> list[Secret]:
    """In order, those that overlap made into one."""
    result: list[Secret] = []
    for each in sorted(secrets):
        if result and each.start < result[-1].end:
            last = result.pop()
            each = Secret(last.start, max(last.end, each.end), last.shape)
        result.append(each)
    return result


def _unquoted(text: str) -> tuple[str, list[int]] | None:
    """The text without its percent escapes, each of them one character, and where those stand in the result."""
    if "%" not in text or not _ESCAPE.search(text):
        return None
    first, *pieces = text.split("%")
    plain = [first]
    places, length = [], len(first)
    for piece in pieces:
        char = _ESCAPED.get(piece[:2])
        if char is not None:
            places.append(length)
        piece = f"%{piece}" if char is None else char + piece[2:]
        plain.append(piece)
        length += len(piece)
    return "".join(plain), places


def _everywhere(text: str, search: Callable[[str], Iterable[Secret]], depth: int = _DEPTH) -> list[Secret]:
    """What a search finds in the text, and in what its percent escapes stand for."""
    found = list(search(text))
    inner = _unquoted(text) if depth else None
    if inner is not None:
        plain, places = inner
        spaced = plain.replace("+", " ")  # as forms write it
        for each in (*_everywhere(plain, search, depth - 1), *(search(spaced) if spaced != plain else ())):
            start, end = (place + 2 * bisect_left(places, place) for place in (each.start, each.end))
            found.append(Secret(start, end, each.shape))
    return merged(found)


def find(text: str) -> list[Secret]:
    """Find what is shaped like a credential, in the order in which it stands in the text."""
    return _everywhere(text, shaped)


def holds_key_shape(text: str) -> str | None:
    """Return the beginning of the first string shaped like a credential, or None."""
    return next((secret.shape for secret in find(text)), None)


def _without(text: str, secrets: list[Secret]) -> str:
    pieces, kept = [], 0
    for secret in secrets:
        pieces += [text[kept : secret.start], MASK]
        kept = secret.end
    return "".join([*pieces, text[kept:]])


def mask(text: str) -> tuple[str, int]:
    """Replace what is shaped like a credential; return the text and how many there were."""
    count = 0
    while found := find(text):  # a key that stood right behind another is seen only when that one is gone
        text = _without(text, found)
        count += len(found)
    return text, count


def runs(text: str) -> Iterator[tuple[int, int, str]]:
    """Each run of base64, over the ends of its lines: where it begins and ends, and its letters."""
    flat = _one_byte_each(text).translate(_IN_BASE64)  # a byte a character: runs are found without looking at most
    start = flat.find(_RUN)
    while start >= 0:
        end = _end(flat, start)
        start += 2 * bool(start and _ESCAPE.match(text, start - 1))
        lines, place = [], start
        while True:
            lines.append(text[place:end])
            wrap = _LINE_BREAK.match(text, end)
            if wrap is None:
                break
            place, stop = wrap.end(), _end(flat, wrap.end())
            if stop - place < len(_RUN) and text[stop : stop + 1] not in ("", "=", "\n", "\r", "\\", '"', "'"):
                break  # words
            end = stop
        padding = text[end : end + 2]
        yield start, end + len(padding) - len(padding.lstrip("=")), "".join(lines)
        start = flat.find(_RUN, end)


def _end(flat: bytes, start: int) -> int:
    end = flat.find(b" ", start)
    return len(flat) if end < 0 else end


def find_base64(text: str, is_secret: Callable[[str], bool]) -> list[Secret]:
    """Find each run of base64 of which the content holds a secret."""

    def search(text: str) -> Iterator[Secret]:
        for start, end, letters in runs(text):
            if not _NO_BASE64.fullmatch(letters) and any(map(is_secret, _contents(letters))):
                yield Secret(start, end, "in base64")

    return _everywhere(text, search)


def mask_base64(text: str, is_secret: Callable[[str], bool]) -> tuple[str, int]:
    """Replace each run of base64 of which the content holds a secret; return the text and how many there were."""
    found = find_base64(text, is_secret)
    return (_without(text, found), len(found)) if found else (text, 0)


def _contents(run: str) -> Iterator[str]:
    """The texts that a run of base64 may stand for: a path before it, say, shifts where its groups of four begin."""
    run = run.replace("-", "+").replace("_", "/")
    for start in range(4):
        part = run[start:]
        data = binascii.a2b_base64(part[: len(part) - 1] if len(part) % 4 == 1 else part + "=" * (-len(part) % 4))
        if len(run) >= _LONG:
            yield data.decode("latin-1")
        elif len(data.translate(None, _TEXT)) <= len(data) // 3:  # an id, a hash or a picture decodes to anything
            yield data.decode("utf-8", "replace")
