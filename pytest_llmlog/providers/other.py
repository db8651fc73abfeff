"""Calls that no reader knows: what can be told by looking like one that is known."""

from __future__ import annotations

from pytest_llmlog.providers.anthropic import Messages
from pytest_llmlog.providers.base import Answered, Asked, Reader, as_object, as_text, message, text_part
from pytest_llmlog.providers.gemini import Generate
from pytest_llmlog.providers.openai import asked, with_usage
from pytest_llmlog.providers.openai_chat import Chat
from pytest_llmlog.providers.openai_responses import Responses
from pytest_llmlog.traffic import Exchange, Request, Response

SHAPES: tuple[Reader, ...] = (Messages(), Chat(), Generate(), Responses())
"""Requests that other APIs imitate; the first whose reader accepts one reads it."""

TEXTS = ("prompt", "input", "inputs", "text", "query", "message", "inputText")
"""Where an API without messages has its prompt."""


class Other:
    """A call on a known host, to an address that is not known."""

    def accepts(self, request: Request) -> bool:
        return False

    def asked(self, request: Request) -> Asked:
        shape = next((reader for reader in SHAPES if reader.accepts(request)), None)
        if shape is not None:
            return shape.asked(request)
        body = as_object(request.json)
        texts = [text for name in TEXTS if (text := as_text(body.get(name)))]
        return asked(request, body, [message("user", text_part(texts[0]))] if texts else [])

    def answered(self, exchange: Exchange) -> Answered:
        response = exchange.response
        assert response is not None
        body = as_object(response.json)
        if isinstance(body.get("choices"), list):
            return Chat().answered(exchange)
        return with_usage(
            body.get("usage"),
            "this API is not known",
            response_id=as_text(body.get("id")),
            response_model=as_text(body.get("model")),
        )

    def finished(self, response: Response) -> bool:
        return False


class Beside(Other):
    """A call beside another, of the same request: how many tokens it would have."""

    def __init__(self, reader: Reader, field: str) -> None:
        self._reader, self._field = reader, field

    def accepts(self, request: Request) -> bool:
        return self._field in as_object(request.json)

    def asked(self, request: Request) -> Asked:
        return self._reader.asked(request)
