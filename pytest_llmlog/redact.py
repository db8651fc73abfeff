"""Keeping credentials off the disk: ordered pure steps over text, before anything is hashed or written."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

MASK = "[REDACTED]"

PLACEHOLDER_KEY = "llmlog-placeholder-key"
"""Stands in the environment for a missing API key; it is no secret, and a live call that carries it is refused."""

REQUEST_HEADERS = frozenset(
    {"accept", "anthropic-beta", "anthropic-version", "api-version", "content-type", "openai-beta", "x-stainless-retry-count"}
)
RESPONSE_HEADERS = frozenset(
    {
        "apim-request-id", "cf-ray", "content-type", "date", "openai-model", "openai-processing-ms", "openai-version",
        "request-id", "retry-after", "x-amzn-errortype", "x-amzn-requestid", "retry-after-ms", "server", "x-ms-region", "x-request-id", "x-should-retry",
    }
)  # fmt: skip
RESPONSE_HEADER_PREFIXES = ("x-ratelimit-", "anthropic-ratelimit-", "x-amzn-bedrock-", "x-ms-")

CREDENTIAL_HEADERS = ("authorization", "api-key", "x-api-key", "x-goog-api-key", "proxy-authorization", "cookie")
AUTHORIZATION_HEADERS = ("authorization", "proxy-authorization")
"""Headers in which a scheme stands before the credential: ``Bearer KEY``."""

CREDENTIAL_QUERY = frozenset(
    {
        "key", "api_key", "api-key", "apikey", "access_token", "token", "sig", "signature", "subscription-key",
        "x-amz-credential", "x-amz-security-token", "x-amz-signature",
    }
)  # fmt: skip

_CREDENTIAL_NAME = re.compile(r"(?:API_?KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS?)(?:_ID)?$", re.IGNORECASE)

SIGNATURE_QUERY = (
    "sig", "signature", "Signature", "X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "X-Goog-Signature", "api_key",
    "api-key", "apikey", "access_token", "subscription-key",
)  # fmt: skip
"""Query parameters of addresses inside a text that are never anything but a credential."""

KEY_SHAPES: tuple[tuple[str, str], ...] = (
    ("sk-", r"sk-[A-Za-z0-9_-]{20,}"),
    ("sess-", r"sess-[A-Za-z0-9]{32,}"),
    ("AIza", r"AIza[0-9A-Za-z_-]{35}"),
    ("AKIA", r"AKIA[0-9A-Z]{16}"),
    ("ASIA", r"ASIA[0-9A-Z]{16}"),
    *((f"gh{kind}_", rf"gh{kind}_[A-Za-z0-9]{{36,}}") for kind in "pousr"),
    ("github_pat_", r"github_pat_[A-Za-z0-9_]{50,}"),
    *((f"xox{kind}-", rf"xox{kind}-[A-Za-z0-9-]{{10,}}") for kind in "abeprs"),
    ("hf_", r"hf_[A-Za-z0-9]{30,}"),
    ("gsk_", r"gsk_[A-Za-z0-9]{40,}"),
    ("xai-", r"xai-[A-Za-z0-9]{40,}"),
    ("eyJ", r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    ("PRIVATE KEY", r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----"),
    ("://", r"(?<=://)(?!\[REDACTED)[^/\s\"'@:\\]{1,200}:[^/\s\"'@\\]{1,200}(?=@)"),
    *((f"{name}=", rf"(?:(?<=[?&]{name}=)|(?<=\\u0026{name}=))(?!\[REDACTED)[^&\s\"'\\<>)]+") for name in SIGNATURE_QUERY),
)
"""(text that any such key holds, pattern): the first is looked for because that costs next to nothing."""

_BEFORE = r"(?:(?<![A-Za-z0-9])|(?<=\\[bfnrt])|(?<=\\u[0-9a-fA-F]{4}))"
"""What may stand before a key: no letter or digit, unless it belongs to a JSON escape."""

_SHAPES = tuple((marker, re.compile(_BEFORE + pattern, re.DOTALL)) for marker, pattern in KEY_SHAPES)


def is_credential(value: str) -> bool:
    """Say whether a value is long and odd enough that it can be replaced wherever it stands."""
    odd = not value.isalpha() or len(value) >= 16
    return len(value) >= 8 and odd and value != PLACEHOLDER_KEY and not value.startswith("[REDACTED")


def environment_credentials(environ: Mapping[str, str]) -> set[str]:
    """The values of variables whose names say that they hold a credential."""
    return {value for name, value in environ.items() if _CREDENTIAL_NAME.search(name) and is_credential(value)}


def spellings(value: str) -> set[str]:
    """How a credential may stand in JSON and in URLs."""
    return {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], quote(value, safe="")}


def request_credentials(headers: Mapping[str, str], url: str) -> Iterable[str]:
    """The credentials a request carries, in headers, query or ``user:password@``."""
    for name in CREDENTIAL_HEADERS:
        value = headers.get(name, "")
        yield value.strip().partition(" ")[2].strip() if name in AUTHORIZATION_HEADERS and " " in value.strip() else value.strip()
    parts = urlsplit(url)
    yield from (value for name, value in parse_qsl(parts.query) if name.lower() in CREDENTIAL_QUERY)
    yield parts.password or ""


def holds_key_shape(text: str) -> str | None:
    """Return the beginning of the first string shaped like a credential, or None."""
    for marker, pattern in _SHAPES:
        if marker in text and (match := pattern.search(text)):
            return match.group()[: len(marker) + 4]
    return None


def clean_url(url: str) -> str:
    """Drop ``user:password@`` and credential query parameters."""
    parts = urlsplit(url)
    if not parts.query and "@" not in parts.netloc:
        return url
    query = [
        (name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name.lower() not in CREDENTIAL_QUERY
    ]
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=urlencode(query, quote_via=quote)))


def request_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Keep only headers known to hold no credential."""
    return {name: value for name, value in headers.items() if name in REQUEST_HEADERS}


def response_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Keep only headers known to hold no credential."""
    kept = {name: value for name, value in headers.items() if name in RESPONSE_HEADERS or name.startswith(RESPONSE_HEADER_PREFIXES)}
    if "location" in headers:  # a client follows it when this is replayed
        kept["location"] = clean_url(headers["location"])
    return kept


class Redactor:
    """Replaces credentials in text: those of the environment, those this process sent, and what is shaped like one.

    Args:
        environ: the environment whose credentials must not reach the disk; the process's own by default.
        custom: the user's own step, text to text, run last; its exceptions go to the caller, who must not write.
    """

    def __init__(self, environ: Mapping[str, str] | None = None, custom: Callable[[str], str] | None = None) -> None:
        self._credentials: tuple[str, ...] = ()
        self._custom = custom
        self._remember(environment_credentials(os.environ if environ is None else environ))

    def _remember(self, values: Iterable[str]) -> None:
        """Keep the longest first, because one credential can be a part of another."""
        new = {spelling for value in values for spelling in spellings(value)}
        self._credentials = tuple(sorted(new.union(self._credentials), key=lambda value: (-len(value), value)))

    def learn(self, headers: Mapping[str, str], url: str) -> None:
        """Remember the credentials of a request."""
        new = [value for value in request_credentials(headers, url) if is_credential(value) and value not in self._credentials]
        if new:
            self._remember(new)

    def text(self, text: str) -> tuple[str, int]:
        """Return the text without credentials and how many were replaced."""
        text, count = self.without_credentials(text)
        if self._custom is not None:
            changed = self._custom(text)
            if not isinstance(changed, str):
                raise TypeError(f"the redaction step of your own returned {type(changed).__name__}, not text")
            count += changed != text
            text = changed
        return text, count

    def without_credentials(self, text: str) -> tuple[str, int]:
        """The same without the user's own step, which may fail."""
        count = 0
        for credential in self._credentials:
            if credential in text:
                count += text.count(credential)
                text = text.replace(credential, MASK)
        found = -1
        while found:  # a key that stood right behind another is seen only when that one is gone
            found = 0
            for marker, pattern in _SHAPES:
                if marker in text:
                    text, replaced = pattern.subn(MASK, text)
                    found += replaced
            count += found
        return text, count

    def bytes(self, data: bytes) -> tuple[bytes, int]:
        """The same for bytes; what is no UTF-8 is left alone outside of the credentials, byte for byte."""
        clean, count = self.text(data.decode("utf-8", "surrogateescape"))
        return (clean.encode("utf-8", "surrogateescape"), count) if count else (data, 0)
