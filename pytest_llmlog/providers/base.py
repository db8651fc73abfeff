"""What a provider's reader gives: the request and the answer of one exchange, in the record's words."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import unquote

from msgspec import Struct
from msgspec.structs import replace

from pytest_llmlog import clock
from pytest_llmlog.record import ToolCall, Usage
from pytest_llmlog.traffic import UNPARSED, Exchange, Request, Response

Message = dict[str, Any]
Part = dict[str, Any]


class Asked(Struct, frozen=True, kw_only=True):
    """What the request says."""

    model: str | None = None
    messages: tuple[Message, ...] = ()
    params: dict[str, Any] = {}
    tools: tuple[str, ...] = ()


class Answered(Struct, frozen=True, kw_only=True):
    """What the response says; everything unknown is left out."""

    response: str | None = None
    messages: tuple[Message, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage | None = None
    usage_missing: str | None = None
    cost_usd: float | None = None
    finish_reasons: tuple[str | None, ...] = ()
    response_id: str | None = None
    response_model: str | None = None
    error: str | None = None
    error_type: str | None = None
    error_code: str | int | None = None
    stream: bool | None = None
    """Whether the answer came as a stream; None where the response's own form tells."""


class Reader(Protocol):
    """Reads one API: from wire to record and nothing else. Readers hold no state and never raise on odd input."""

    def accepts(self, request: Request) -> bool:
        """Say whether the body is one of this API; asked only on hosts that are not known."""

    def asked(self, request: Request) -> Asked:
        """Read the request."""

    def answered(self, exchange: Exchange) -> Answered:
        """Read a successful response, whole or as far as it came."""

    def finished(self, response: Response) -> bool:
        """Say whether a stream that the caller closed had already delivered the whole answer."""


class FirstOf:
    """Several APIs at one address: the first reader that accepts a request has it."""

    def __init__(self, *readers: Reader) -> None:
        self._readers = readers

    def _of(self, request: Request) -> Reader:
        return next((reader for reader in self._readers if reader.accepts(request)), self._readers[0])

    def accepts(self, request: Request) -> bool:
        return any(reader.accepts(request) for reader in self._readers)

    def asked(self, request: Request) -> Asked:
        return self._of(request).asked(request)

    def answered(self, exchange: Exchange) -> Answered:
        return self._of(exchange.request).answered(exchange)

    def finished(self, response: Response) -> bool:
        return any(reader.finished(response) for reader in self._readers)


def text_part(content: str) -> Part:
    return {"type": "text", "content": content}


def message(role: str, *parts: Part) -> Message:
    return {"role": role, "parts": list(parts)}


def part_text(part: Part) -> str:
    """The text a person would read for one part; images and the like have none."""
    kind = part["type"]
    if kind == "tool_call":
        return f"{part.get('name')}({part.get('arguments')})"
    if kind == "tool_call_response":
        response = part.get("response")
        return response if isinstance(response, str) else str(response)
    content = part.get("content")
    return content if kind in ("text", "reasoning", "refusal") and isinstance(content, str) else ""


def message_text(entry: Message) -> str:
    return "\n".join(text for part in entry["parts"] if (text := part_text(part)))


def prompt_text(messages: tuple[Message, ...]) -> str:
    """The full prompt: the text of a lone user message, else each message as ``role: text``, a blank line between."""
    if len(messages) == 1 and messages[0]["role"] == "user":
        return message_text(messages[0])
    return "\n\n".join(f"{entry['role']}: {message_text(entry)}" for entry in messages)


def answer_text(messages: tuple[Message, ...]) -> str | None:
    """The answer's text, choices joined by a newline; None when no choice has a text part."""
    texts = [[part["content"] for part in entry["parts"] if part["type"] == "text"] for entry in messages]
    return "\n".join("".join(parts) for parts in texts) if any(texts) else None


def as_object(value: Any) -> dict[str, Any]:
    """The value if it is a JSON object, else an empty one: so that odd input reads as missing, not as an error."""
    return value if isinstance(value, dict) else {}


def as_objects(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def as_text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


MOST = 2**53
"""From here on not every JSON reader tells whole numbers apart."""


def count(value: Any) -> int | None:
    """A token count, which some write as 6.0; None for anything that is not a whole number from 0 that can be added up."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < MOST:
        return None
    return int(value) if isinstance(value, int) or value.is_integer() else None


def parse_arguments(value: Any) -> Any:
    """Tool arguments as JSON; the raw text where the model wrote none."""
    from pytest_llmlog.traffic import parse_json

    if not isinstance(value, str):
        return {} if value is None else value
    parsed = parse_json(value.encode("utf-8", "surrogatepass")) if value.strip() else {}
    return value if parsed is UNPARSED else parsed


def place(index: Any) -> int | str:
    """The index that a piece of a stream has, as a key; servers send what they like."""
    return index if isinstance(index, int) else str(index)


def by_index(pieces: Mapping[Any, dict[str, Any]]) -> list[dict[str, Any]]:
    """The pieces of a stream by the index it gave them; what has none, or an odd one, comes last in order of arrival."""
    return [pieces[index] for index in sorted(pieces, key=lambda index: index if isinstance(index, int) else sys.maxsize)]


def total(into: int | None, out: int | None) -> int | None:
    """The sum of what is known; None when nothing is."""
    return None if into is None and out is None else (into or 0) + (out or 0)


def reasons(reason: Any) -> tuple[str, ...]:
    """Finish reasons of an API that gives one."""
    return (reason,) if isinstance(reason, str) and reason else ()


def rest(body: dict[str, Any], elsewhere: frozenset[str]) -> dict[str, Any]:
    """Parameters: what a request says beside the fields that the record keeps elsewhere."""
    return {name: value for name, value in body.items() if name not in elsewhere}


def path_model(request: Request) -> str | None:
    """The model that an address names: ``…/models/NAME:verb``, ``/model/NAME/verb``, ``/deployments/NAME/…``."""
    for marker in ("/models/", "/model/", "/deployments/"):
        _, found, name = request.path.rpartition(marker)
        if found:
            last = name.partition("/")[0]
            return unquote(last.rpartition(":")[0] if marker == "/models/" and ":" in last else last) or None
    return None


def asked_prompt(request: Request) -> Asked:
    """A request of an API with one ``prompt``."""
    body = as_object(request.json)
    prompt = as_text(body.get("prompt"))
    return Asked(
        model=as_text(body.get("model")) or path_model(request),
        messages=(message("user", text_part(prompt)),) if prompt is not None else (),
        params=rest(body, frozenset({"prompt", "model", "stream"})),
    )


def tool_calls(messages: Iterable[Message]) -> tuple[ToolCall, ...]:
    """The calls of the caller's tools in an answer's messages, in order."""
    calls = [part for entry in messages for part in entry["parts"] if part["type"] == "tool_call"]
    return tuple([ToolCall(id=call["id"], name=call["name"], arguments=call["arguments"]) for call in calls])


def error_fields(value: Any) -> Answered:
    """Read an error: most APIs answer ``{"error": {"message", "type", "code"}}`` or something near it; None without words."""
    body = as_object(value[0] if isinstance(value, list) and value else value)
    error = as_object(body.get("error")) or body
    texts = (body.get("error"), error.get("message"), error.get("Message"), body.get("detail"), error.get("error_message"))
    code = error.get("code")
    return Answered(
        error=next((text for text in texts if isinstance(text, str) and text), None),
        error_type=as_text(error.get("type")) or as_text(error.get("status")),
        error_code=code if isinstance(code, (str, int)) and not isinstance(code, bool) else None,
    )


def in_band_error(value: Any, said: Answered | None = None) -> Answered:
    """The error that some servers send inside a stream whose status was 200, with what the stream had said before."""
    found = error_fields(value)
    text = found.error or str(value)
    return replace(said or Answered(), error=text, error_type=found.error_type, error_code=found.error_code)


def read_error(response: Response) -> Answered:
    """Read an error response."""
    found = error_fields(response.json)
    return found if found.error else replace(found, error=_plain_error(response))


def _plain_error(response: Response) -> str:
    try:
        phrase = f"HTTP {response.status} {HTTPStatus(response.status).phrase}"
    except ValueError:
        phrase = f"HTTP {response.status}"
    text = response.body[:2000].decode("utf-8", "replace").strip()
    return f"{phrase}: {text}" if text else phrase


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from ``retry-after-ms`` or ``Retry-After`` (seconds or an HTTP date, RFC 9110 section 10.2.3)."""
    try:
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        return max(0.0, float(headers["retry-after"]))
    except KeyError:
        return None
    except ValueError:
        return _until(headers.get("retry-after", ""))


def _until(date: str) -> float | None:
    try:
        return max(0.0, round(parsedate_to_datetime(date).timestamp() - clock.now(), 3))
    except (ValueError, TypeError):
        return None
