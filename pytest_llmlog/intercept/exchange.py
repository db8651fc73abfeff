"""What happens to a call: replayed, recorded, refused or let through. No I/O here; the transports' shells act on it."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from msgspec import UNSET, Struct
from msgspec.structs import replace

from pytest_llmlog import matching, reading, redact, scrub
from pytest_llmlog.errors import GoldenError
from pytest_llmlog.intercept import asking, in_use, interactions, running, scope
from pytest_llmlog.intercept.explain import explain_miss, explain_missing_key, explain_stream_end
from pytest_llmlog.intercept.live import LiveCall
from pytest_llmlog.intercept.scope import Made, Scope
from pytest_llmlog.playback import Recorded, ReplayQueue, Taken
from pytest_llmlog.providers import ANY, Endpoint, recognise
from pytest_llmlog.traffic import Request, TransportFailure, address_of

RETRIED = (408, 409, 429)
"""Statuses, besides those from 500, that SDKs answer with a pause and another try."""

CANCELLATIONS = ("CancelledError", "Cancelled")
"""What asyncio and trio raise in a task that is cancelled."""


COSTS = {
    "replayed": {"functions": 65, "hashes": 0, "parses": 1, "opens": 0, "writes": 0.02, "imports": 0},
    "replayed stream": {"functions": 72, "hashes": 0, "parses": 0, "opens": 0, "writes": 0.02, "imports": 0},
    "recorded": {"functions": 280, "hashes": 2, "parses": 2, "opens": 0, "writes": 2, "imports": 0},
    "recorded stream": {"functions": 530, "hashes": 2, "parses": 14, "opens": 0, "writes": 2, "imports": 0},
}
"""What a call may cost at most, in counted operations of this package; a stream is one of twelve chunks. Tests hold it.

A recorded call hashes its request and its prompt, parses both bodies, and writes to the journal and, with others where it is quick, to the
log. A replayed one whose bytes are those of the next recorded one is not hashed, and is written with others.
"""


class ReplayedCall:
    """A call answered from the golden: a response to give or an exception to raise, or both for a stream that broke."""

    def __init__(self, taken: Taken, owner: Scope, *, retried: bool) -> None:
        recorded, self.response = taken
        error = recorded.wire.error
        self.failure = error and TransportFailure(error.type, error.text)
        if recorded.error_type == reading.UNFINISHED and self.failure is None:
            # Whoever reads on is not the test, which is over: it loses its connection, and nobody is to blame.
            self.failure = TransportFailure(reading.UNFINISHED, f"{reading.ENDED_FIRST}, when this was recorded")
        self.retried = retried
        self._owner, self._operation, self._model = owner, recorded.operation, recorded.model

    def past_the_end(self) -> None:
        """Refuse to go on where the caller, when this was recorded, had left the stream."""
        if self.response is not None and self.response.ended == "closed" and self.response.status < 400:
            self._owner.refuse("refused", explain_stream_end(self._owner, f"{self._operation} {self._model or ''}"))


def endpoint_of(method: str, host: str, path: str) -> tuple[Endpoint, list[Scope]] | None:
    """Say, from the address alone, whether a request may be one of ours and whose it is; None lets it through untouched."""
    endpoint = recognise(method, host, path)
    scopes = running.current()
    if not scopes:
        return None
    recorder = scopes[0].recorder
    if recorder.ignore_hosts and scope.is_named(host, recorder.ignore_hosts):
        return None
    if recorder.hosts and scope.is_named(host, recorder.hosts):
        return replace(endpoint, known=True) if endpoint else ANY, scopes
    return (endpoint, scopes) if endpoint else None


def endpoint_at(method: str, url: str) -> tuple[Endpoint, list[Scope]] | None:
    """Say the same of a request to a URL; one that is no URL is none of ours, and the client will say so."""
    try:
        address = address_of(url)
    except ValueError:
        return None
    return endpoint_of(method, address.host, address.path)


def begin(request: Request, endpoint: Endpoint, scopes: Sequence[Scope]) -> ReplayedCall | LiveCall | None:
    """Decide about a request of which the body is known; None lets it through untouched.

    Raises:
        BaseException: what the deciding scope raises to refuse a call.
    """
    owner = scopes[0]
    try:
        by_cassette = in_use.claims(request)
        queue = owner.queue if not by_cassette and owner.replays else None
        if queue is not None and (taken := queue.take_exact(request)) is not None:
            return _replay(queue, taken, request, endpoint, scopes)
        if not endpoint.known and not endpoint.reader.accepts(request):
            return None
        if by_cassette and in_use.will_play(request):
            return LiveCall(request, endpoint, scopes, by_cassette=True)
        if owner.mode == "replay" or (not by_cassette and owner.replays):
            return _replay(*_taken(request, owner, queue, by_cassette=by_cassette), request, endpoint, scopes)
        owner.check_place()
        if not (owner.may_refuse and _lacks_key(request)):
            return LiveCall(request, endpoint, scopes, by_cassette=by_cassette)
        refusal = ("refused", explain_missing_key(request, owner))
    except GoldenError as exc:
        refusal = ("golden", str(exc))
    except Exception as exc:
        owner.recorder.fault("a call could not be captured", exc)
        if not owner.replays:
            return None
        refusal = ("refused", f"llmlog: the request could not be matched: {type(exc).__name__}: {exc}")
    owner.refuse(*refusal)  # outside of the handlers: a person reads one error, not a chain


def played(asked: Callable[[], Request], answered: Callable[[], tuple[int, Mapping[str, str], bytes]]) -> None:
    """Log what another tool's cassette plays: as the answer to the call that waits for one, else as a call of its own; never raises."""
    waiting, scopes = asking.current.get(), running.current()
    if waiting is not None and waiting.open:
        waiting.played = True
        return
    try:
        request = asked()
        found = endpoint_at(request.method, request.url)
        if found is None or not (found[0].known or found[0].reader.accepts(request)):
            return
        status, headers, body = answered()
        call = LiveCall(request, *found, by_cassette=True)
        call.was_played()
        call.responded(status, headers)
        call.chunk(body)
        call.finish()
    except Exception as exc:
        if scopes:
            scopes[0].recorder.fault("a call that a cassette played could not be logged", exc)


def _taken(request: Request, owner: Scope, queue: ReplayQueue | None, *, by_cassette: bool) -> tuple[ReplayQueue, Taken]:
    """Look the request up by its replay key, as it was written: without credentials."""
    clean, _ = scrub.clean_request(request, owner.recorder.redactor)
    found = queue.take(matching.key(clean, owner.recorder.ignore)) if queue else None
    if queue is None or found is None:
        owner.refuse("refused", explain_miss(clean, owner, queue, by_cassette=by_cassette))
    return queue, found


class _Replayed(Struct, gc=False):
    """The record of a replayed call, made when it is wanted; many wait, so the garbage collector does not look at them."""

    queue: ReplayQueue
    recorded: Recorded
    request: Request | None
    endpoint: Endpoint
    scopes: Sequence[Scope]
    moment: interactions.Moment
    made: Made | None = None

    def __call__(self) -> Made:
        if self.made is None:
            wire = {} if any(each.recorder.keep_wire for each in self.scopes) else {"wire": UNSET}
            interaction = interactions.replayed(self.recorded, self.endpoint, self.scopes[0], self.request, self.moment, **wire)
            self.made = Made(interaction, self.queue.line(interaction))
        return self.made


def _replay(queue: ReplayQueue, taken: Taken, request: Request, endpoint: Endpoint, scopes: Sequence[Scope]) -> ReplayedCall:
    owner, recorded = scopes[0], taken.recorded
    call = ReplayedCall(taken, owner, retried=_is_retried(recorded) and queue.more(recorded.request_hash))
    # Where matching does not look, the request may differ from the recorded one.
    asked = scrub.clean_request(request, owner.recorder.redactor)[0] if owner.recorder.ignore else None
    record = _Replayed(queue, recorded, asked, endpoint, scopes, interactions.Moment.now())
    if record.moment.is_telling:  # what it tells could change
        record()
    for each in reversed(scopes):
        each.defer(record)
    return call


def _is_retried(recorded: Recorded) -> bool:
    """Whether an SDK pauses and tries again after such an end."""
    if recorded.status == "success":
        return False
    status = recorded.http_status
    return status is None or status >= 500 or status in RETRIED


@lru_cache(maxsize=256)
def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return host == "localhost" or "." not in host or host.endswith((".local", ".internal", ".localhost"))


def _lacks_key(request: Request) -> bool:
    """Whether the only credential is our placeholder, and the server is one that asks for a real one."""
    return not _is_local(request.host) and redact.PLACEHOLDER_KEY in redact.request_credentials(request.headers, request.url)
