"""What credentials look like, and where a text holds one.

Sources of the formats: the vendors' own pages on their keys, and the rules of the secret scanners gitleaks and GitHub.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterator

from ahocorasick_rs import BytesAhoCorasick
from msgspec import Struct

MASK = "[REDACTED]"

SIGNATURE_QUERY = (
    "sig", "signature", "Signature", "X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "X-Goog-Signature", "api_key",
    "api-key", "apikey", "access_token", "subscription-key",
)  # fmt: skip
"""Query parameters of addresses inside a text that are never anything but a credential."""

_IS = r"\\?[\"']?\s{0,3}[:=]\s{0,3}\\?[\"']?"
"""What stands between the name of a setting and its value, in JSON, in JSON inside of JSON, in a shell and in an ini file."""

KEY_SHAPES: tuple[tuple[str | tuple[str, ...], str], ...] = (
    ("sk-", r"sk-[A-Za-z0-9_-]{20,}"),  # OpenAI, Anthropic, DeepSeek, OpenRouter, LiteLLM
    ("sess-", r"sess-[A-Za-z0-9]{32,}"),
    ("AIza", r"AIza[0-9A-Za-z_-]{35}"),  # Google
    ("AQ.A", r"AQ\.A[0-9A-Za-z_-]{30,}"),
    ("ya29.", r"ya29\.[0-9A-Za-z_.-]{20,}"),
    ("GOCSPX-", r"GOCSPX-[0-9A-Za-z_-]{20,}"),
    ("AKIA", r"AKIA[0-9A-Z]{16}"),  # AWS
    ("ASIA", r"ASIA[0-9A-Z]{16}"),
    ("IQoJb3JpZ2lu", r"IQoJb3JpZ2lu(?:[A-Za-z0-9+/=]|\\/){60,}"),
    ("FwoGZXIvYXdz", r"FwoGZXIvYXdz(?:[A-Za-z0-9+/=]|\\/){60,}"),
    ("ABSK", r"ABSK[A-Za-z0-9+/]{80,}={0,2}"),
    ("bedrock-api-key-", r"bedrock-api-key-[A-Za-z0-9+/=_-]{40,}"),
    (("ccess", "CCESS"), rf"(?P<keep>(?:aws_?)?(?i:secret_?access_?key){_IS})(?:[A-Za-z0-9+]|\\?/){{40}}(?![A-Za-z0-9+/=])"),
    (("Signature=", "signature="), r"(?P<keep>[Ss]ignature=)[0-9a-f]{64}"),
    ("JQQJ99", r"[A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{26}"),  # Azure
    ("Key=", r"(?P<keep>(?:Account|SharedAccess)Key=)[A-Za-z0-9+/]{40,}={0,2}"),
    ("Q~", r"[A-Za-z0-9_.~-]{3}\dQ~[A-Za-z0-9_.~-]{31,34}"),
    (("ey", "EY"), rf"(?P<keep>(?i:api[_-]?key|subscription-key){_IS})[0-9a-fA-F]{{32}}(?![0-9a-zA-Z])"),
    *((f"gh{kind}_", rf"gh{kind}_[A-Za-z0-9]{{36,}}") for kind in "pousr"),
    ("github_pat_", r"github_pat_[A-Za-z0-9_]{50,}"),
    ("glpat-", r"glpat-[A-Za-z0-9_-]{20,}"),
    *((f"xox{kind}-", rf"xox{kind}-[A-Za-z0-9%-]{{10,}}") for kind in "abcdeoprs"),
    ("xapp-", r"xapp-\d-[A-Za-z0-9-]{10,}"),
    ("hooks.slack.com", r"(?P<keep>hooks\.slack\.com\\?/services\\?/)T\w+\\?/B\w+\\?/\w{16,}"),
    ("hf_", r"hf_[A-Za-z0-9]{30,}"),
    ("api_org_", r"api_org_[A-Za-z0-9]{30,}"),
    ("gsk_", r"gsk_[A-Za-z0-9]{40,}"),
    ("xai-", r"xai-[A-Za-z0-9]{40,}"),
    ("pplx-", r"pplx-[A-Za-z0-9]{40,}"),
    ("csk-", r"csk-[A-Za-z0-9]{40,}"),
    ("nvapi-", r"nvapi-[A-Za-z0-9_-]{40,}"),
    ("r8_", r"r8_[A-Za-z0-9]{37,}"),
    ("dapi", r"dapi[0-9a-f]{32}"),
    ("npm_", r"npm_[A-Za-z0-9]{36}"),
    ("k_live_", r"[sr]k_live_[A-Za-z0-9]{20,}"),
    ("eyJ", r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    (("earer ", "EARER "), r"(?P<keep>(?i:bearer) {1,3})[A-Za-z0-9._~+/-]{20,}={0,2}"),
    ("asic ", rf"(?P<keep>(?i:authorization){_IS}(?i:basic) )[A-Za-z0-9+/]{{8,}}={{0,2}}"),
    (
        "PRIVATE KEY",
        r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----(?:.*?-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|(?:[A-Za-z0-9+/=\r\n]|\\[rn]){16,})",
    ),
    ("://", r"(?<=://)(?!\[REDACTED)[^/\s\"'@:\\]{1,200}:[^/\s\"'@\\]{1,200}(?=@)"),
    *((f"{name}=", rf"(?:(?<=[?&]{name}=)|(?<=\\u0026{name}=))(?!\[REDACTED)[^&\s\"'\\<>)]+") for name in SIGNATURE_QUERY),
)
"""(texts of which any such key holds one, pattern): those are looked for first, because that costs next to nothing. What the group
``keep`` matches is no part of the key."""

_BEFORE = r"(?:(?<![A-Za-z0-9])|(?<=\\[bfnrt])|(?<=\\u[0-9a-fA-F]{4}))"
"""What may stand before a key: no letter or digit, unless it belongs to a JSON escape."""

_SHAPES = tuple(re.compile(_BEFORE + pattern, re.DOTALL) for _, pattern in KEY_SHAPES)
_MARKERS = [
    (marker, number)
    for number, (markers, _) in enumerate(KEY_SHAPES)
    for marker in ((markers,) if isinstance(markers, str) else markers)
]
_find_markers = BytesAhoCorasick([marker.encode() for marker, _ in _MARKERS]).find_matches_as_indexes
"""All markers in one pass: a body of 200 KB takes 0.4 ms, one search a marker more than ten times that."""

_IN_BASE64 = bytes(32 + 65 * ((chr(byte).isalnum() and byte < 128) or byte in b"+/_-") for byte in range(256))
_RUN = b"a" * 24
_LONG = 4096
"""From so many characters on, base64 is taken for a file, of which only parts may be text."""
_TEXT = bytes(range(32, 127)) + b"\t\r\n"


class Secret(Struct, frozen=True):
    """Something in a text that is shaped like a credential, by its place; ``shape`` is how it begins, or what holds it."""

    start: int
    end: int
    shape: str


def _possible(text: str) -> list[int]:
    """The shapes, by their numbers, of which the text holds a marker."""
    found = _find_markers(text.encode("ascii", "replace"), overlapping=True)
    return sorted({_MARKERS[marker][1] for marker, _, _ in found})


def find(text: str) -> Iterator[Secret]:
    """Find what is shaped like a credential, shape by shape; one may be found twice, as its own shape and as a part of another."""
    for number in _possible(text):
        for match in _SHAPES[number].finditer(text):
            kept = match["keep"] if "keep" in match.re.groupindex else None
            start = match.start() + len(kept or "")
            marker = KEY_SHAPES[number][0]
            yield Secret(start, match.end(), kept or text[start:][: len(marker) + 4])


def holds_key_shape(text: str) -> str | None:
    """Return the beginning of the first string shaped like a credential, or None."""
    return next((secret.shape for secret in find(text)), None)


def _masked(match: re.Match[str]) -> str:
    return f"{match['keep']}{MASK}" if "keep" in match.re.groupindex else MASK


def mask(text: str) -> tuple[str, int]:
    """Replace what is shaped like a credential; return the text and how many there were."""
    count, found = 0, -1
    while found:  # a key that stood right behind another is seen only when that one is gone
        found = 0
        for number in _possible(text):
            text, replaced = _SHAPES[number].subn(_masked, text)
            found += replaced
        count += found
    return text, count


def find_base64(text: str, is_secret: Callable[[str], bool]) -> Iterator[Secret]:
    """Find each run of base64 of which the content holds a secret."""
    flat = text.encode("ascii", "replace").translate(_IN_BASE64)  # a byte a character: runs are found without looking at most
    start = flat.find(_RUN)
    while start >= 0:
        end = flat.find(b" ", start)
        end = len(flat) if end < 0 else end
        if any(map(is_secret, _contents(text[start:end]))):
            padding = text[end : end + 2]
            yield Secret(start, end + len(padding) - len(padding.lstrip("=")), "in base64")
        start = flat.find(_RUN, end)


def mask_base64(text: str, is_secret: Callable[[str], bool]) -> tuple[str, int]:
    """Replace each run of base64 of which the content holds a secret; return the text and how many there were."""
    pieces, kept = [], 0
    for secret in find_base64(text, is_secret):
        pieces += [text[kept : secret.start], MASK]
        kept = secret.end
    return ("".join([*pieces, text[kept:]]), len(pieces) // 2) if pieces else (text, 0)


def _contents(run: str) -> Iterator[str]:
    """The texts that a run of base64 may stand for: a path before it, say, shifts where its groups of four begin."""
    run = run.replace("-", "+").replace("_", "/")
    for start in range(1 if len(run) >= _LONG else 4):
        part = run[start:]
        data = binascii.a2b_base64(part[: len(part) - 1] if len(part) % 4 == 1 else part + "=" * (-len(part) % 4))
        if len(run) >= _LONG:
            yield data.decode("latin-1")
        elif len(data.translate(None, _TEXT)) <= len(data) // 3:  # an id, a hash or a picture decodes to anything
            yield data.decode("utf-8", "replace")
