"""From foreign recordings to records and goldens: read, cleaned of credentials, and told as if they had been captured."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

from pytest_llmlog import cassettes, clock, decoding, encode, matching, providers, reading, redact, scrub, validation
from pytest_llmlog.cassettes import CassetteError, Recording
from pytest_llmlog.providers import Endpoint
from pytest_llmlog.record import SCHEMA_VERSION, Interaction, Origin
from pytest_llmlog.traffic import Exchange, Request, Response

Read = tuple[int, Interaction | CassetteError | None]
"""An interaction's position, and what it gave: a record, the reason why there is none, or None for other traffic."""


class Importer:
    """Reads recordings of one import; each file is a session.

    Args:
        redactor: takes credentials out of what is read.
    """

    def __init__(self, redactor: redact.Redactor | None = None) -> None:
        self._redactor = redactor or redact.Redactor()
        self._run_id = uuid.uuid4().hex

    def read(self, path: Path, name: str) -> Iterator[Read]:
        """Read a file's interactions.

        Args:
            path: the file.
            name: how records call it.

        Raises:
            CassetteError: the file as a whole is none that can be read.
            OSError: it cannot be opened.
        """
        fallback = path.stat().st_mtime
        for position, found in cassettes.read(path):
            if isinstance(found, CassetteError):
                yield position, found
                continue
            try:
                yield position, self._interaction(found, Origin(name, position), fallback)
            except Exception as exc:  # bytes of any kind: the others come through
                yield position, CassetteError(f"{type(exc).__name__}: {exc}")

    def _interaction(self, found: Recording, origin: Origin, fallback: float) -> Interaction | None:
        request = found.exchange.request
        endpoint = providers.recognise(request.method, request.host, request.path)
        if endpoint is None or not (endpoint.known or endpoint.reader.accepts(request)):
            return None
        exchange, redacted = self._clean(found.exchange)
        interaction = self._record(exchange, endpoint, found, origin, redacted, fallback)
        value = encode.plain(interaction)
        if not validation.is_valid(value):
            fault = validation.faults(value)[0]
            raise CassetteError(f"its record would be invalid: {fault.place}: {fault.reason}")
        return interaction

    def _record(
        self, exchange: Exchange, endpoint: Endpoint, found: Recording, origin: Origin, redacted: int, fallback: float
    ) -> Interaction:
        asked = reading.asked(exchange.request, endpoint)
        response = exchange.response
        started = found.started or (response and reading.date(response.headers)) or fallback
        return Interaction(
            timestamp=clock.timestamp_of(started),
            schema_version=SCHEMA_VERSION,
            event="llm.call",
            request_id=uuid.uuid4().hex,
            run_id=self._run_id,
            session_id=origin.file,
            prompt_template=None,
            input=None,
            source="import",
            latency_seconds=None if found.seconds is None else round(found.seconds, 6),
            attempt=1,
            redacted=redacted,
            origin=origin,
            **reading.read(exchange, endpoint, asked, matching.key(exchange.request)),
        )

    def _clean(self, exchange: Exchange) -> tuple[Exchange, int]:
        """The exchange decoded and without credentials, and how many were taken out."""
        request, response = exchange.request, exchange.response
        body = _decoded([(0.0, request.body)], request.headers.get("content-encoding"))[0][1]
        clean, count = scrub.clean_request(Request(request.method, request.url, request.headers, body), self._redactor)
        if response is None:
            return Exchange(clean, None), count
        pieces = _decoded(response.pieces, response.headers.get("content-encoding"))
        whole = Response(response.status, redact.response_headers(response.headers), pieces)
        answer, in_answer = scrub.clean(whole, self._redactor)
        return Exchange(clean, answer), count + in_answer


def _decoded(pieces: list[tuple[float, bytes]], encoding: str | None) -> list[tuple[float, bytes]]:
    """The pieces with their content encoding undone; many recordings keep the header of what they have decoded already."""
    decoded = decoding.decode(pieces, encoding) if encoding else None
    return pieces if decoded is None else decoded
