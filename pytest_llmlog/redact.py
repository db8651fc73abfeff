"""Keeping credentials off the disk: ordered pure steps over text, before anything is hashed or written."""

from __future__ import annotations

import binascii
import json
import os
import re
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlencode, urlsplit, urlunsplit

from pytest_llmlog import shapes
from pytest_llmlog.shapes import MASK, Secret

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

LEARNED = 256
"""How many credentials of requests are remembered, those used last. One request's may be good for it alone, as AWS's signatures are."""

ADDRESSES = 1024
"""How many addresses are remembered to hold no credential."""

CREDENTIAL_HEADERS = (
    "authorization", "api-key", "x-api-key", "x-goog-api-key", "proxy-authorization", "cookie", "x-amz-security-token", "x-auth-token",
    "ocp-apim-subscription-key",
)  # fmt: skip
_CREDENTIAL_HEADER = re.compile(r"(?!.*(?:idempotency|websocket)).*(?:-(?:key|token|secret)$|auth(?!or(?!iz)).*)")
"""Further headers that hold a credential, by their names; neither a host, an author, nor what is new with each request."""
AUTHORIZATION_HEADERS = ("authorization", "proxy-authorization")
"""Headers in which a scheme stands before the credential: ``Bearer KEY``."""

CREDENTIAL_QUERY = frozenset(
    {
        "key", "client_secret", "password", "api_key", "api-key", "apikey", "access_token", "token", "sig", "signature", "subscription-key",
        "x-amz-credential", "x-amz-security-token", "x-amz-signature",
    }
)  # fmt: skip

_CREDENTIAL_NAME = re.compile(
    r"(?:API_?KEY|ACCESS_?KEY|SECRET_?KEY|PRIVATE_?KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL)S?"
    r"(?:_(?:ID|\d+|PROD|PRODUCTION|DEV|TEST|STAGING|LIVE))?$|_(?:PASS|PWD|AUTH)$",
    re.IGNORECASE,
)
_PASSWORD_NAME = re.compile(r"(?:PASSWORD|PASSWD|_PASS|_PWD)(?:_(?:\d+|PROD|PRODUCTION|DEV|TEST|STAGING|LIVE))?$", re.IGNORECASE)
_PLAIN_VALUE = re.compile(r"[\d_.,:+-]*|<\|.*\|>|\[[A-Z]+\]|</?[a-z]+>", re.IGNORECASE)
"""What a token is that a language model counts or ends with, and no credential."""

_KEY_NAME = re.compile(r"(?:^|_)KEYS?(?:_(?:\d+|PROD|PRODUCTION|DEV|TEST|STAGING|LIVE))?$", re.IGNORECASE)
_RANDOM = re.compile(r"(?=.*\d)(?=.*[A-Za-z])[\x21-\x7e]{16,}")
"""What a variable called just a key has to hold to be taken for a credential: SORT_KEY is none."""

_PASSWORD_IN_URL = re.compile(r"://[^/\s:@]{0,200}:([^/\s]{4,200})@")
_KEY_IN_CONNECTION = re.compile(r"(?:AccountKey|SharedAccessKey|Password|Pwd)=([^;\s]{8,})", re.IGNORECASE)


_ESCAPE = re.compile("%[0-9A-F]{2}")

_JSON_ESCAPE = re.compile(r"\\+(?:u([0-9a-fA-F]{4})|(/))")
"""A character of JSON, or of JSON inside of JSON, that need not be escaped, or is not ASCII."""


def unescaped(text: str) -> str:
    """Text of which JSON's escapes are undone, at whatever depth JSON stands in JSON; those stay that have to be.

    What is read from it is the same, but for a text that spoke of escapes itself.
    """
    return _JSON_ESCAPE.sub(_character, text)


def _character(found: re.Match[str]) -> str:
    if found[2]:
        return "/"
    code = int(found[1], 16)
    is_needed = code < 32 or code in (0x22, 0x5C) or 0xD800 <= code < 0xE000
    return found[0] if is_needed else chr(code)


def is_credential(value: str) -> bool:
    """Say whether a value is long and odd enough that it can be replaced wherever it stands."""
    odd = not value.isalpha() or len(value) >= 16
    return len(value) >= 8 and odd and value != PLACEHOLDER_KEY and not value.startswith("[REDACTED")


def environment_credentials(environ: Mapping[str, str]) -> set[str]:
    """The values of variables whose names say that they hold a credential, and the passwords inside of others."""
    return {each for name, value in environ.items() for each in _of_variable(name, value)}


def _of_variable(name: str, value: str) -> Iterator[str]:
    if _PASSWORD_NAME.search(name):
        yield from (value,) if len(value) >= 8 and not value.startswith("[REDACTED") and value != PLACEHOLDER_KEY else ()
    elif _CREDENTIAL_NAME.search(name):
        is_path = value.startswith("/")
        values = () if is_path or _PLAIN_VALUE.fullmatch(value) else {value, *value.split(",")}
        yield from filter(is_credential, values)
    elif _KEY_NAME.search(name) and _RANDOM.fullmatch(value):
        yield from filter(is_credential, (value, *value.split(",")))
    inside = _PASSWORD_IN_URL.findall(value) if "://" in value else []
    inside += _KEY_IN_CONNECTION.findall(value) if "=" in value else []
    yield from filter(is_credential, (spelled for each in inside for spelled in (each, unquote(each))))


def spellings(value: str) -> set[str]:
    """How a credential may stand in JSON, in URLs and in forms, as Python and JavaScript write them."""
    in_json = {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    in_urls = {quote(value, safe=safe) for safe in ("", "/", "!*'()", "!*'();/?:@&=+$,#")} | {
        quote_plus(value),
        quote_plus(value, safe="*"),
    }
    lower = {_ESCAPE.sub(lambda escape: escape[0].lower(), each) for each in in_urls}
    return in_json | in_urls | lower


@lru_cache(maxsize=1024)
def _carries(name: str) -> bool:
    """Whether a request's header of this name may hold a credential."""
    return name in CREDENTIAL_HEADERS or (name not in REQUEST_HEADERS and _CREDENTIAL_HEADER.fullmatch(name) is not None)


def request_credentials(headers: Mapping[str, str], url: str) -> Iterable[str]:
    """The credentials a request carries, in headers, query or ``user:password@``."""
    for name in CREDENTIAL_HEADERS:
        value = headers.get(name, "").strip()
        if name in AUTHORIZATION_HEADERS and " " in value:
            yield from _authorization(*value.split(" ", 1))
        elif name == "cookie":
            yield value
            yield from (entry.partition("=")[2].strip() for entry in value.split(";"))
        else:
            yield value
    for name in headers:
        if name not in CREDENTIAL_HEADERS and _carries(name):
            yield headers[name].strip()
            yield headers[name].strip().rpartition(" ")[2]
    parts = urlsplit(url)
    yield from (value for name, value in parse_qsl(parts.query) if name.lower() in CREDENTIAL_QUERY)
    yield unquote(parts.password or "")


def _authorization(scheme: str, value: str) -> Iterable[str]:
    """What is secret behind a scheme: the whole, the password inside of ``Basic``, the signature of ``AWS4-HMAC-SHA256``."""
    value = value.strip()
    yield value
    if scheme.lower() == "basic":
        try:
            yield binascii.a2b_base64(value).decode().partition(":")[2]
        except ValueError:
            return
    elif "=" in value and "," in value:
        yield from (entry.partition("=")[2] for entry in value.split(",") if "signature" in entry.lower())


def clean_url(url: str) -> str:
    """Drop ``user:password@`` and credential parameters of the query and the fragment."""
    parts = urlsplit(url)
    if not parts.query and "@" not in parts.netloc and "=" not in parts.fragment:
        return url
    fragment = _clean_query(parts.fragment) if "=" in parts.fragment else parts.fragment
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=_clean_query(parts.query), fragment=fragment))


def _clean_query(query: str) -> str:
    kept = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name.lower() not in CREDENTIAL_QUERY]
    return urlencode(kept, quote_via=quote)


def request_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Keep only headers known to hold no credential."""
    return {name: value for name, value in headers.items() if name in REQUEST_HEADERS}


def response_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Keep only headers known to hold no credential."""
    kept = {name: value for name, value in headers.items() if name in RESPONSE_HEADERS or name.startswith(RESPONSE_HEADER_PREFIXES)}
    if "location" in headers:  # a client follows it when this is replayed
        kept["location"] = clean_url(headers["location"])
    return kept


def _own_step(step: Callable[[str], str], text: str) -> str:
    """Run the user's step; what it raises may quote the text, so only its kind and place are told.

    Raises:
        RuntimeError: it raised, even if that was to end the program.
    """
    try:
        return step(text)
    except KeyboardInterrupt:
        raise
    except BaseException as exc:
        frame = traceback.extract_tb(exc.__traceback__)[-1]
        told = f"the redaction step of your own raised {type(exc).__name__} ({os.path.basename(frame.filename)}:{frame.lineno})"
        raise RuntimeError(told) from None


class Redactor:
    """Replaces credentials in text: those of the environment, those this process sent, and what is shaped like one.

    Args:
        environ: the environment whose credentials must not reach the disk; the process's own by default.
        custom: the user's own step, text to text, run last; its exceptions go to the caller, who must not write.
    """

    def __init__(self, environ: Mapping[str, str] | None = None, custom: Callable[[str], str] | None = None) -> None:
        self._custom = custom
        self._environ = os.environ if environ is None else environ
        self._seen: dict[str, object] = {}
        self._of_environment: set[str] = set()
        self._look_around()
        self._learned: dict[str, set[str]] = {}
        self._learned_last: tuple[object, ...] = ()
        self._lock = threading.Lock()
        self._set_credentials()

    def _set_credentials(self) -> None:
        """Put all spellings in the order to replace them, because one credential can be a part of another."""
        known = self._of_environment.union(*self._learned.values())
        self._credentials = tuple(sorted(known, key=lambda value: (-len(value), value)))
        self._known_clean: set[str] = set()
        self._as_bytes = tuple(value.encode("utf-8", "surrogateescape") for value in self._credentials)

    @property
    def _variables(self) -> Mapping[Any, Any]:
        """The environment; ``os.environ`` would decode name by name what it holds, which is compared in a microsecond."""
        found: Mapping[Any, Any] = getattr(self._environ, "_data", self._environ)
        return found

    def _look_around(self) -> bool:
        """Learn the environment's credentials anew where it changed; those that it held before are kept. Return whether there are more."""
        if self._variables == self._seen:
            return False
        self._seen = dict(self._variables)
        found = environment_credentials(self._environ)
        before = len(self._of_environment)
        self._of_environment |= {spelling for value in found for spelling in spellings(value)}
        return len(self._of_environment) > before

    def learn(self, headers: Mapping[str, str], url: str) -> None:
        """Remember the credentials of a request, in place of those that were not used for longest."""
        carried = (url, *(entry for entry in headers.items() if _carries(entry[0])))
        if carried == self._learned_last and self._variables == self._seen:
            return  # most requests carry what the one before did
        with self._lock:
            values = [value for value in request_credentials(headers, url) if is_credential(value)]
            is_news = self._look_around() or any(value not in self._learned for value in values)
            for value in values:
                self._learned[value] = self._learned.pop(value) if value in self._learned else spellings(value)
            for value in list(self._learned)[: max(0, len(self._learned) - LEARNED)]:
                del self._learned[value]
            if is_news:
                self._set_credentials()
            self._learned_last = carried

    def enter_child(self) -> None:
        """Give the lock up in a forked process, where the thread that held it does not exist."""
        self._lock = threading.Lock()

    def text(self, text: str) -> tuple[str, int]:
        """Return the text without credentials and how many were replaced."""
        text, count = self.without_credentials(text)
        if self._custom is not None:
            changed = _own_step(self._custom, text)
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
        text, shaped = shapes.mask(text)
        text, hidden = shapes.mask_base64(text, self._is_secret)
        return text, count + shaped + hidden

    def _is_secret(self, text: str) -> bool:
        return any(credential in text for credential in self._credentials) or next(shapes.shaped(text), None) is not None

    def is_clean_address(self, url: str) -> bool:
        """The same of an address, which most calls share with others."""
        if url not in self._known_clean:
            if not self.is_clean(url.encode("utf-8", "surrogateescape")):
                return False
            if len(self._known_clean) > ADDRESSES:
                self._known_clean.clear()
            self._known_clean.add(url)
        return True

    @property
    def has_own_step(self) -> bool:
        """Whether the user has a step, which may change what holds no credential."""
        return self._custom is not None

    def find(self, text: str) -> Iterator[Secret]:
        """Find what ``text`` would replace, but for the user's own step; of a credential by value no part is told."""
        yield from shapes.find(text)
        for credential in self._credentials:
            start = text.find(credential)
            while start >= 0:
                yield Secret(start, start + len(credential), "a credential of the environment")
                start = text.find(credential, start + len(credential))
        yield from shapes.find_base64(text, self._is_secret)

    def is_clean(self, data: bytes) -> bool:
        """Say, most often at little cost, whether there is no credential in the data; the user's own step is not asked."""
        if any(value in data for value in self._as_bytes):
            return False
        is_suspect, has_base64 = shapes.may_hold(data), shapes.may_hold_base64(data)
        if not is_suspect and not has_base64:
            return True
        text = data.decode("utf-8", "surrogateescape")
        return not (is_suspect and shapes.find(text)) and not shapes.find_base64(text, self._is_secret)

    def bytes(self, data: bytes) -> tuple[bytes, int]:
        """The same as ``text`` for bytes; what is no UTF-8 is left alone outside of the credentials, byte for byte."""
        clean, count = self.text(data.decode("utf-8", "surrogateescape"))
        return (clean.encode("utf-8", "surrogateescape"), count) if count else (data, 0)
