"""OpenAI's embeddings, moderations, images and audio: one input in, little or no text out.

Wire formats: https://platform.openai.com/docs/api-reference
"""

from __future__ import annotations

import email.parser
import email.policy
from typing import Any

from pytest_llmlog.providers.base import Answered, Asked, Part, as_object, as_objects, as_text, message, text_part
from pytest_llmlog.providers.openai import asked, with_usage
from pytest_llmlog.providers.openai_chat import content_parts
from pytest_llmlog.traffic import UNPARSED, Exchange, Request, Response


def form_fields(request: Request) -> tuple[dict[str, Any], list[Part]]:
    """Read a multipart form (RFC 7578): its text fields, and its files as parts that name but do not hold them."""
    head = f"Content-Type: {request.headers.get('content-type', '')}\r\n\r\n".encode()
    form = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + request.body)
    fields: dict[str, Any] = {}
    files: list[Part] = []
    for part in form.iter_parts() if form.is_multipart() else ():
        name = str(part.get_param("name", "", header="content-disposition"))
        content = part.get_payload(decode=True)
        data = content if isinstance(content, bytes) else b""
        if part.get_filename() is None:
            fields[name] = data.decode("utf-8", "replace")
        else:
            files.append(
                {"type": "file", "name": part.get_filename(), "mime_type": part.get_content_type(), "size_bytes": len(data)}
            )
    return fields, files


class _Reader:
    """What embeddings, moderations, images and audio share."""

    field = "input"
    missing = "this API reports no usage"

    def accepts(self, request: Request) -> bool:
        return self.field in as_object(request.json) or request.content_type == "multipart/form-data"

    def asked(self, request: Request) -> Asked:
        if request.content_type == "multipart/form-data":
            fields, files = form_fields(request)
        else:
            fields, files = as_object(request.json), []
        texts = self._texts(fields.get(self.field))
        parts = texts + files
        return asked(request, fields, [message("user", *parts)] if parts else [])

    def _texts(self, given: Any) -> list[Part]:
        if isinstance(given, list) and not all(isinstance(entry, (str, dict)) for entry in given):
            return [text_part(str(entry)) for entry in given]  # token numbers instead of text
        return content_parts(given)

    def answered(self, exchange: Exchange) -> Answered:
        response = exchange.response
        assert response is not None
        body = self._body(response)
        text, parts = self._answer(body)
        messages = (message("assistant", *parts),) if parts else ()
        return with_usage(
            body.get("usage"), self.missing, response=text, messages=messages,
            response_id=as_text(body.get("id")), response_model=as_text(body.get("model")),
        )  # fmt: skip

    def _body(self, response: Response) -> dict[str, Any]:
        return as_object(response.json)

    def _answer(self, body: dict[str, Any]) -> tuple[str | None, list[Part]]:
        return None, []

    def finished(self, response: Response) -> bool:
        return False


class Embeddings(_Reader):
    """Texts in, vectors out; the vectors stay in the wire."""


class Moderations(_Reader):
    """Texts in, flags out."""

    def _answer(self, body: dict[str, Any]) -> tuple[str | None, list[Part]]:
        return None, [{"type": "moderation", **result} for result in as_objects(body.get("results"))]


class Images(_Reader):
    """A prompt in, images out."""

    field = "prompt"

    def _answer(self, body: dict[str, Any]) -> tuple[str | None, list[Part]]:
        return None, [self._image(image) for image in as_objects(body.get("data"))]

    def _image(self, image: dict[str, Any]) -> Part:
        """The picture itself stays in the wire."""
        place = {"type": "uri", "uri": image["url"]} if image.get("url") else {"type": "blob"}
        revised = {"revised_prompt": image["revised_prompt"]} if image.get("revised_prompt") else {}
        return {**place, "modality": "image", **revised}


class Speech(_Reader):
    """Text to speech; the sound stays in the wire."""

    missing = "the response has no token usage"


class Transcriptions(_Reader):
    """Speech to text; the prompt is optional here."""

    field = "prompt"
    missing = "the response has no token usage"

    def _body(self, response: Response) -> dict[str, Any]:
        if response.is_event_stream:
            events = as_objects([event.json for event in response.events])
            done = next((event for event in reversed(events) if event.get("type") == "transcript.text.done"), None)
            return done or {"text": "".join(str(event.get("delta", "")) for event in events)}
        if response.json is UNPARSED and response.content_type.startswith("text/"):
            return {"text": response.body.decode("utf-8", "replace").rstrip("\n")}
        return as_object(response.json)

    def _answer(self, body: dict[str, Any]) -> tuple[str | None, list[Part]]:
        text = as_text(body.get("text"))
        return text, [text_part(text)] if text is not None else []

    def finished(self, response: Response) -> bool:
        return any(as_object(event.json).get("type") == "transcript.text.done" for event in response.events[-2:])
