"""The queues a test replays its golden's interactions from: found by their requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import UNSET, Struct, UnsetType

from pytest_llmlog import encode, golden, matching, validation, wire
from pytest_llmlog.errors import GoldenError
from pytest_llmlog.golden import GOLDEN_VERSION
from pytest_llmlog.record import Interaction
from pytest_llmlog.traffic import Address, Request, Response, address_of

AHEAD = 32
"""So many recorded exchanges are turned back into bytes at once: one after the other, between calls, each costs several times as much."""


class RawRequest(wire.WireRequest, frozen=True, omit_defaults=True):
    body: wire.RawBody | None = None


class RawResponse(wire.WireResponse, frozen=True, omit_defaults=True):
    body: wire.RawBody | None = None


class RawWire(wire.Wire, frozen=True, omit_defaults=True):
    """An exchange of which JSON bodies are still text: most are given and compared as bytes only."""

    request: RawRequest
    response: RawResponse | None = None


class Recorded(Interaction, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """An interaction as it stands in a golden.

    What is long or nested is still text: thousands of lists and objects, kept while a test runs, would cost more in the
    garbage collector than reading them when they are wanted, and prompts would stand in memory twice.
    """

    prompt: msgspec.Raw | UnsetType = UNSET  # type: ignore[assignment]
    response: msgspec.Raw | UnsetType = UNSET  # type: ignore[assignment]
    messages: msgspec.Raw | UnsetType = UNSET  # type: ignore[assignment]
    response_messages: msgspec.Raw | UnsetType = UNSET  # type: ignore[assignment]
    tool_calls: msgspec.Raw | UnsetType = UNSET  # type: ignore[assignment]
    params: msgspec.Raw | UnsetType = UNSET  # type: ignore[assignment]
    tools: msgspec.Raw | UnsetType = UNSET  # type: ignore[assignment]
    finish_reasons: msgspec.Raw | UnsetType = UNSET  # type: ignore[assignment]
    rate_limit: msgspec.Raw | UnsetType = UNSET  # type: ignore[assignment]
    wire: RawWire

    @property
    def parsed(self) -> Interaction:
        """The whole interaction.

        Raises:
            ValueError: it is invalid.
        """
        return msgspec.json.decode(msgspec.json.encode(self), type=Interaction)


class Taken(NamedTuple):
    """A recorded interaction, and the response to give for it."""

    recorded: Recorded
    response: Response | None


class _Ready(NamedTuple):
    """A recorded exchange as bytes."""

    method: str
    address: Address
    body: bytes
    taken: Taken

    def is_sent_again(self, request: Request) -> bool:
        """Whether a request has the very bytes of this one, and goes to the same place on whatever port."""
        if self.body != request.body:
            return False
        place, other = self.address, request.address
        return (self.method, place.host, place.path, place.query) == (request.method, other.host, other.path, other.query)


def _taken(recorded: Recorded) -> Taken:
    stored = recorded.wire.response
    return Taken(recorded, wire.load_response(stored) if stored else None)


def _ready(recorded: Recorded) -> _Ready:
    asked = recorded.wire.request
    return _Ready(asked.method, address_of(asked.url), wire.load_body(asked.body), _taken(recorded))


class _RecordedGolden(Struct, frozen=True, forbid_unknown_fields=True):
    golden_version: int
    test_id: str
    interactions: list[Recorded]
    in_teardown: int = 0
    reason: str = ""


_read = msgspec.json.Decoder(_RecordedGolden)


class ReplayQueue:
    """A golden's interactions by their requests; equal requests give their interactions in recorded order, each once.

    A request is first held against the interaction that was recorded next, byte for byte, because most tests make their
    calls in the same order and most SDKs write the same request the same way. When that fails, all requests are indexed,
    by their bytes and by the replay key. Taking one is safe from any thread, and costs the same however many there are.

    Raises:
        GoldenError: the golden is damaged, invalid, or of a newer version.
    """

    def __init__(self, path: Path, text: bytes, ignore: Sequence[matching.Path] = ()) -> None:
        self._path, self._ignore = path, ignore
        self._error: GoldenError | None = None
        try:
            read = _read.decode(text)
            if read.golden_version != GOLDEN_VERSION:
                raise ValueError(f"version {read.golden_version} is not known")
        except (ValueError, RecursionError) as exc:
            raise golden.invalid(path, text, exc) from exc
        self._interactions, self._in_teardown = read.interactions, read.in_teardown
        self._left = set(range(len(self._interactions)))
        self._next = 0
        self._in_order = True
        self._made_ready: dict[int, _Ready] = {}

    def _index(self, key_of: Callable[[int], str]) -> dict[str, list[int]]:
        """Where each key's interactions stand, the first one last: a list gives its last entry cheapest."""
        queues: dict[str, list[int]] = {}
        for index in reversed(range(len(self._interactions))):
            queues.setdefault(key_of(index), []).append(index)
        return queues

    def _exact_key(self, index: int) -> str:
        asked = self._interactions[index].wire.request
        try:
            return matching.exact_key(Request(asked.method, asked.url, asked.headers, wire.load_body(asked.body)))
        except ValueError as exc:
            raise self.invalid(exc) from exc

    @cached_property
    def _by_bytes(self) -> dict[str, list[int]]:
        """Made when a request is first not the next one."""
        return self._index(self._exact_key)

    @cached_property
    def _by_key(self) -> dict[str, list[int]]:
        """Made when a request is first not found byte for byte."""
        return self._index(lambda index: matching.key(self._request(index), self._ignore))

    def __len__(self) -> int:
        return len(self._interactions)

    def _request(self, index: int) -> Request:
        try:
            stored = wire.StoredRequest(self._interactions[index].wire.request)
            stored.address  # noqa: B018 - an address that is none shows here
            return stored
        except ValueError as exc:
            raise self.invalid(exc) from exc

    def _claim(self, index: int) -> bool:
        """Take an interaction out of those left; False when another thread was faster."""
        try:
            self._left.remove(index)
        except KeyError:
            return False
        return True

    def invalid(self, error: Exception) -> GoldenError:
        """The error to raise when a record turns out not to hold to the schema, or cannot be replayed; found out once."""
        self._error = self._error or golden.invalid(self._path, golden.read(self._path) or b"", error)
        return self._error

    def _take(self, queues: dict[str, list[int]], key: str) -> Taken | None:
        """The first of a queue that nobody has taken, by this way or another."""
        queue = queues.get(key)
        while queue:
            try:
                index = queue.pop()
            except IndexError:  # another thread was faster
                return None
            if self._claim(index):
                try:
                    return _taken(self._interactions[index])
                except ValueError as exc:  # a body that is none
                    raise self.invalid(exc) from exc
        return None

    def _ready_at(self, index: int) -> _Ready:
        """The exchange at an index, made ready together with those behind it."""
        found = self._made_ready.pop(index, None)
        if found is not None:
            return found
        ahead: dict[int, _Ready] = {}
        try:
            for each in range(index, min(index + AHEAD, len(self._interactions))):
                ahead[each] = _ready(self._interactions[each])
        except ValueError as exc:  # an address or a body that is none
            if not ahead:
                raise self.invalid(exc) from exc
        found, self._made_ready = ahead.pop(index), ahead
        return found

    def _take_next(self, request: Request) -> Taken | None:
        """The interaction recorded next, if this is its request; else calls are no longer expected in order."""
        index = self._next
        if index < len(self._interactions):
            ready = self._ready_at(index)
            if ready.is_sent_again(request) and self._claim(index):
                self._next = index + 1
                return ready.taken
        self._in_order = False
        self._made_ready = {}
        return None

    def take_exact(self, request: Request) -> Taken | None:
        """The next interaction recorded for the very bytes of this request.

        Raises:
            GoldenError: what is recorded for it cannot be given.
        """
        found = self._take_next(request) if self._in_order else None
        return found or self._take(self._by_bytes, matching.exact_key(request))

    def take(self, key: str) -> Taken | None:
        """The next interaction recorded for this replay key, or None when there is none left.

        Raises:
            GoldenError: what is recorded for it cannot be given.
        """
        return self._take(self._by_key, key)

    def more(self, key: str) -> bool:
        """Whether a further interaction is recorded for this replay key."""
        return any(index in self._left for index in self._by_key.get(key, ()))

    def recorded(self, request: Request) -> int:
        """How many interactions the golden holds for such a request, played or not."""
        key = matching.key(request, self._ignore)
        return sum(matching.key(self._request(index), self._ignore) == key for index in range(len(self)))

    def unplayed(self, *, teardown: bool) -> list[Interaction]:
        """Interactions not taken yet, in order; those of the teardown only when it is over."""
        end = len(self) - (0 if teardown else self._in_teardown)
        left = [self._interactions[index] for index in sorted(self._left) if index < end]
        for call in left:
            self.line(call)  # holds to the schema
        return [call.parsed for call in left]

    def line(self, interaction: Interaction) -> bytes:
        """Return the JSON line of an interaction that came from here.

        Raises:
            GoldenError: it does not hold to the schema.
        """
        try:
            record = msgspec.to_builtins(interaction, enc_hook=msgspec.json.decode)  # of what is still text
            if validation.is_valid(record):
                return encode.line(record)
        except ValueError as exc:
            raise self.invalid(exc) from exc
        raise self.invalid(ValueError("an interaction is invalid"))

    def nearest(self, request: Request) -> Request | None:
        """The recorded request most like this one, those not yet played before the others."""
        wanted = matching.comparable(request, self._ignore)
        for pool in (sorted(self._left), range(len(self))):
            candidates = [self._request(index) for index in pool]
            best = matching.nearest(wanted, [matching.comparable(candidate, self._ignore) for candidate in candidates])
            if best is not None:
                return candidates[best]
        return None


def preload() -> None:
    """Have msgspec and the validator build now what they build on first use, so that no call waits for it."""
    digits = "0" * 32
    record = {
        "timestamp": "2000-01-01T00:00:00.000Z", "schema_version": 1, "event": "llm.call", "request_id": digits, "run_id": "-",
        "session_id": "-", "prompt_template": None, "input": None, "prompt": "", "messages": [], "response": None, "tokens": None,
        "latency_seconds": 0, "status": "success", "source": "replay", "provider": "-", "operation": "other", "model": None,
        "stream": False, "attempt": 1, "prompt_hash": digits, "request_hash": digits, "git_commit": "0" * 40,
        "wire": {"request": {"method": "GET", "url": "http://-/", "body": {"json": {}, "layout": "compact"}}},
    }  # fmt: skip
    text = encode.line({"golden_version": GOLDEN_VERSION, "test_id": "-", "interactions": [record]})
    queue = ReplayQueue(Path(), text)
    queue.unplayed(teardown=True)
    queue.take_exact(Request("GET", "http://-/", {}, b"{}"))


def open_queue(path: Path, ignore: Sequence[matching.Path] = ()) -> ReplayQueue | None:
    """Read a golden to replay it; None when there is no such file.

    Args:
        path: the golden.
        ignore: JSON paths of the body that matching leaves out.

    Raises:
        GoldenError: it is damaged, invalid, of a newer version, or cannot be read.
    """
    text = golden.read(path)
    return None if text is None else ReplayQueue(path, text, ignore)
