"""A call on its way to the provider: what is heard of it, and what is made of that when it has ended."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from pytest_llmlog import clock, decoding, encode, golden, reading, redact, scrub, wire
from pytest_llmlog.circumstances import Circumstances
from pytest_llmlog.intercept import interactions
from pytest_llmlog.intercept.asking import Asking
from pytest_llmlog.intercept.scope import Made, Scope
from pytest_llmlog.journal import Entry
from pytest_llmlog.providers import Endpoint
from pytest_llmlog.traffic import Ended, Exchange, Request, Response, TransportFailure


class _Live(Struct, gc=False):
    """A call that has ended, free of credentials; its record is made when it is wanted."""

    exchange: Exchange
    endpoint: Endpoint
    scopes: Sequence[Scope]
    circumstances: Circumstances
    by_cassette: bool
    played: bool
    made: Made | None = None

    @property
    def is_shared(self) -> bool:
        """Whether it belongs to several scopes."""
        return len(self.scopes) > 1

    def entry(self, *, in_teardown: bool) -> Entry:
        """What the journal keeps of it."""
        return Entry(
            in_teardown=in_teardown,
            unfinished=self.exchange.unfinished,
            circumstances=self.circumstances,
            wire=wire.dump_raw(self.exchange),
        )

    def __call__(self) -> Made:
        if self.made is None:
            self.made = self._make()
        return self.made

    def _make(self) -> Made:
        owner = self.scopes[0]
        recorder = owner.recorder
        interaction = interactions.live(
            self.exchange, self.endpoint, owner.identity, self.circumstances, recorder.ignore, owner.attempt
        )
        if self.played:  # no cassette tells how long it took
            interaction = replace(interaction, source="replay", latency_seconds=None, time_to_first_chunk_seconds=None)
        told = interaction if any(each.recorder.keep_wire for each in self.scopes) else replace(interaction, wire=None)
        record = encode.plain(told)
        line, is_clean = recorder.checked(record)
        kept = None if self.by_cassette else recorder.without_credentials(golden.kept(interaction), is_clean=is_clean)
        return Made(told, line or encode.line(record), is_valid=line is not None, kept=kept)


class LiveCall:
    """A call on its way to the provider; the transport tells it what comes back, and it never raises.

    Attributes:
        by_cassette: whether another tool's cassette is in use for it; no golden has it then.
    """

    def __init__(self, request: Request, endpoint: Endpoint, scopes: Sequence[Scope], *, by_cassette: bool) -> None:
        self._request, self._endpoint, self._scopes = request, endpoint, scopes
        self._status: int | None = None
        self._headers: Mapping[str, str] = {}
        self._pieces: list[tuple[float, bytes]] = []
        self._finished, self._lock = False, threading.RLock()
        self.by_cassette, self._asking = by_cassette, Asking(request.host)
        for owner in scopes:
            owner.open_calls.add(self)
        self._moment = interactions.Moment.now()
        self._started = clock.monotonic()

    @property
    def finished(self) -> bool:
        return self._finished

    def was_played(self) -> None:
        """Another tool's cassette answers it."""
        self._asking.played = True

    def responded(self, status: int, headers: Mapping[str, str]) -> None:
        """The response's head is here."""
        self._status, self._headers = status, headers
        self._asking.end()

    def chunk(self, data: bytes) -> None:
        """A piece of the body is here, and on its way to the caller."""
        if not self._finished:
            self._pieces.append((clock.monotonic() - self._started, data))

    def finish(self, ended: Ended = "whole", error: BaseException | None = None, *, unfinished: bool = False) -> None:
        """The body has ended, the transport has failed, or nobody waits any more; only the first word counts.

        Whoever comes second waits until the call is recorded: a test that ends has all its calls then.
        """
        latency = clock.monotonic() - self._started
        self._asking.end()
        with self._lock:
            if self._finished:
                return
            self._finished = True
            try:
                self._record(ended, error, latency, unfinished)
            except Exception as exc:
                self._scopes[0].recorder.fault("a call could not be recorded", exc)
            finally:
                for owner in self._scopes:
                    owner.open_calls.discard(self)
                self._pieces, self._scopes = [], ()  # the client may keep its response, and with it this call, for long
                del self._request

    def abandon(self) -> None:
        """Leave the call to the process that made it; this one is a fork of it."""
        self._finished, self._lock = True, threading.RLock()
        self._asking.end()

    def _record(self, ended: Ended, error: BaseException | None, latency: float, unfinished: bool) -> None:
        owner = self._scopes[0]
        redactor = owner.recorder.redactor
        request, response, redacted = scrub.clean_exchange(self._request, self._response(ended), redactor)
        failure = None
        if error is not None:
            text, in_error = redactor.text(str(error))
            failure, redacted = TransportFailure(type(error).__name__, text), redacted + in_error
        elif response is None:
            failure = TransportFailure(reading.UNFINISHED, reading.ENDED_FIRST)
        first, last = (self._pieces[0][0], self._pieces[-1][0]) if self._pieces else (None, latency)
        if response is not None and response.ended == "closed" and self._has_said_all(response):
            response.ended = "whole"
        circumstances = Circumstances(
            request_id=interactions.request_id(),
            at=self._moment.at,
            latency_seconds=latency if error else last,
            time_to_first_chunk_seconds=first,
            redacted=redacted,
            said=interactions.said(request, self._endpoint, self._moment, owner),
            **self._moment.trace,
        )
        exchange = Exchange(request, response, failure, unfinished=unfinished)
        call = _Live(exchange, self._endpoint, self._scopes, circumstances, self.by_cassette, self._asking.played)
        for each in self._scopes:
            each.left_to_cassette = each.left_to_cassette or self.by_cassette
            each.add(call)

    def _response(self, ended: Ended) -> Response | None:
        """What came, decoded, with the headers that are known to hold no credential."""
        return None if self._status is None else Response(self._status, *self._decoded(), ended)

    def _decoded(self) -> tuple[dict[str, str], list[tuple[float, bytes]]]:
        headers = redact.response_headers(self._headers)
        encoding = self._headers.get("content-encoding")
        pieces = list(self._pieces)  # another thread may be reading on
        if not encoding:
            return headers, pieces
        decoded = decoding.decode(pieces, encoding)
        # What cannot be decoded is kept as it came, with the header that says so: it still replays.
        return (headers, decoded) if decoded is not None else ({**headers, "content-encoding": encoding}, pieces)

    def _has_said_all(self, response: Response) -> bool:
        """A caller that leaves after the stream's last word, without waiting for its end, has had the whole answer."""
        return response.is_event_stream and self._endpoint.reader.finished(response)
