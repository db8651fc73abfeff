"""Hosts with an API of their own: Aleph Alpha, Replicate, watsonx, and Hugging Face's text generation.

Wire formats: https://docs.aleph-alpha.com/api/complete, https://replicate.com/docs/reference/http,
https://cloud.ibm.com/apidocs/watsonx-ai#text-generation, https://huggingface.github.io/text-generation-inference
"""

from __future__ import annotations

from typing import Any

from pytest_llmlog.providers.base import (
    Answered,
    Asked,
    answer_text,
    as_object,
    as_objects,
    as_text,
    count,
    message,
    rest,
    text_part,
    total,
)  # fmt: skip
from pytest_llmlog.record import Usage
from pytest_llmlog.traffic import Exchange, Request, Response


class _Reader:
    """What they share: one prompt in, texts out, counts beside them."""

    field = "prompt"
    elsewhere: frozenset[str] = frozenset({"prompt", "input", "inputs", "model", "model_id", "stream"})

    def accepts(self, request: Request) -> bool:
        return isinstance(as_object(request.json).get(self.field), str)

    def asked(self, request: Request) -> Asked:
        body = as_object(request.json)
        prompt = self._prompt(body)
        model = as_text(body.get("model")) or as_text(body.get("model_id")) or self._path_model(request)
        return Asked(
            model=model, params={**rest(body, self.elsewhere), **as_object(body.get("parameters"))},
            messages=(message("user", text_part(prompt)),) if prompt is not None else (),
        )  # fmt: skip

    def _prompt(self, body: dict[str, Any]) -> str | None:
        return as_text(body.get(self.field))

    def _path_model(self, request: Request) -> str | None:
        _, found, name = request.path.partition("/models/")
        return name or None if found else None

    def answered(self, exchange: Exchange) -> Answered:
        response = exchange.response
        assert response is not None
        chunks = response.chunks
        return self._read(response.json if chunks is None else chunks, stream=chunks is not None)

    def _read(self, body: Any, *, stream: bool) -> Answered:
        return Answered(usage_missing="this API reports no usage", stream=stream)

    def _answer(self, texts: list[str], into: Any, out: Any, **fields: Any) -> Answered:
        said = tuple([message("assistant", text_part(text)) for text in texts])
        asked, answered = count(into), count(out)
        counted = None if asked is None and answered is None else Usage(input=asked, output=answered, total=total(asked, answered))
        missing = None if counted else "the response has no token counts"
        return Answered(response=answer_text(said), messages=said, usage=counted, usage_missing=missing, **fields)

    def finished(self, response: Response) -> bool:
        return False


class AlephAlpha(_Reader):
    """Aleph Alpha's complete."""

    def accepts(self, request: Request) -> bool:
        return super().accepts(request) and "maximum_tokens" in as_object(request.json)

    def _read(self, body: Any, *, stream: bool) -> Answered:
        found = as_object(body)
        entries = as_objects(found.get("completions"))
        return self._answer(
            [str(entry.get("completion", "")) for entry in entries], found.get("num_tokens_prompt_total"), found.get("num_tokens_generated"),
            finish_reasons=tuple([reason for entry in entries if isinstance(reason := entry.get("finish_reason"), str)]),
            response_model=as_text(found.get("model_version")), stream=stream,
        )  # fmt: skip


class Replicate(_Reader):
    """Replicate's predictions; most are made later, and the answer to the request has no output yet."""

    field = "input"

    def accepts(self, request: Request) -> bool:
        return isinstance(as_object(request.json).get("input"), dict)

    def _prompt(self, body: dict[str, Any]) -> str | None:
        given = as_object(body.get("input"))
        return as_text(given.get("prompt")) or as_text(given.get("text"))

    def _path_model(self, request: Request) -> str | None:
        _, found, name = request.path.partition("/models/")
        return name.removesuffix("/predictions") if found else None

    def _read(self, body: Any, *, stream: bool) -> Answered:
        found = as_object(body)
        output, metrics = found.get("output"), as_object(found.get("metrics"))
        texts = ["".join(map(str, output))] if isinstance(output, list) and output else [output] if isinstance(output, str) else []
        return self._answer(
            texts, metrics.get("input_token_count"), metrics.get("output_token_count"), response_id=as_text(found.get("id")),
            finish_reasons=(found["status"],) if isinstance(found.get("status"), str) else (), error=as_text(found.get("error")),
            response_model=as_text(found.get("model")), stream=stream,
        )  # fmt: skip


class Watsonx(_Reader):
    """watsonx's text generation."""

    field = "input"

    def accepts(self, request: Request) -> bool:
        return super().accepts(request) and "model_id" in as_object(request.json)

    def _read(self, body: Any, *, stream: bool) -> Answered:
        pieces = as_objects(body if isinstance(body, list) else [body])
        results = [result for piece in pieces for result in as_objects(piece.get("results"))]
        last = results[-1] if results else {}
        return self._answer(
            ["".join(str(result.get("generated_text", "")) for result in results)] if results else [],
            max((count(result.get("input_token_count")) or 0 for result in results), default=None), last.get("generated_token_count"),
            finish_reasons=(last["stop_reason"],) if isinstance(last.get("stop_reason"), str) else (),
            response_model=as_text(pieces[-1].get("model_id")) if pieces else None, stream=stream,
        )  # fmt: skip


class TextGeneration(_Reader):
    """Hugging Face's text generation."""

    field = "inputs"

    def _read(self, body: Any, *, stream: bool) -> Answered:
        entries = as_objects(body if isinstance(body, list) else [body])
        whole = [entry for entry in entries if isinstance(entry.get("generated_text"), str)]
        tokens = [str(as_object(entry.get("token")).get("text", "")) for entry in entries]
        details = as_object(whole[-1].get("details")) if whole else {}
        texts = [str(whole[-1]["generated_text"])] if stream and whole else [str(entry["generated_text"]) for entry in whole]
        return self._answer(
            texts or (["".join(tokens)] if any(tokens) else []), details.get("input_length"), details.get("generated_tokens"),
            finish_reasons=(details["finish_reason"],) if isinstance(details.get("finish_reason"), str) else (), stream=stream,
        )  # fmt: skip
