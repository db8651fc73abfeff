"""Goldens: the committed interactions of one test each, as files, and as the queues a test replays from."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import msgspec
from msgspec import UNSET, Struct, UnsetType, structs

from pytest_llmlog import encode, matching, validation, wire
from pytest_llmlog.errors import GoldenError
from pytest_llmlog.record import Interaction
from pytest_llmlog.redact import holds_key_shape
from pytest_llmlog.traffic import Request, address_of

GOLDEN_VERSION = 1
NAME_LIMIT = 120
"""Longest file name made from a test's name, in characters, before its suffix."""

_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)

RERECORD = "record it again with --llmlog-mode=record, or restore it from version control"


class Golden(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The committed interactions of one test or fixture, in order; the last ``in_teardown`` belong to its teardown."""

    golden_version: int
    test_id: str
    in_teardown: int = 0
    interactions: tuple[Interaction, ...] = ()


def safe_name(name: str) -> str:
    """Make a file name that every file system takes; a short hash tells apart what became alike.

    Upper case inside a parametrised id counts as changed, because some file systems do not tell it from lower case; and so
    does a name that means a device on Windows, whatever stands behind its dot.
    """
    safe = re.sub(r"[^A-Za-z0-9._\[\]-]", "-", name)[:NAME_LIMIT]
    id = name.partition("[")[2]
    kept = safe == name and id == id.lower() and not _DEVICE.match(name)
    return safe if kept else f"{safe.replace('.', '-') if _DEVICE.match(name) else safe}-{matching.digest(name.encode())[:8]}"


class _Head(Struct, frozen=True, forbid_unknown_fields=True):
    """A golden of which the interactions are still text."""

    golden_version: int
    test_id: str
    interactions: list[msgspec.Raw]
    in_teardown: int = 0


class _AskedBody(wire.Body, frozen=True, omit_defaults=True):
    """A recorded body whose JSON is still text."""

    json: msgspec.Raw | UnsetType = UNSET


class _AskedRequest(wire.WireRequest, frozen=True, omit_defaults=True):
    body: _AskedBody | None = None

    def is_sent_again(self, request: Request) -> bool:
        """Whether a request has the very bytes of this one, and goes to the same place on whatever port."""
        place = address_of(self.url)
        same = (self.method, place.host, place.path) == (request.method, request.host, request.path)
        return same and place.query == request.query and _sent_bytes(self.body) == request.body


class _ReplayWire(Struct, frozen=True, omit_defaults=True, gc=False):
    """What replaying needs of a stored exchange: the request to compare, the rest to give."""

    request: _AskedRequest
    response: wire.WireResponse | None = None
    error: wire.WireError | None = None


class _Recorded(Interaction, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """An interaction read as far as replaying needs it."""

    wire: _ReplayWire | None = None  # type: ignore[assignment]


class _WholeAskedWire(Struct, frozen=True):
    request: wire.WireRequest


class _WholeAsked(Struct, frozen=True):
    """What matching needs of a recorded interaction; the rest is passed over."""

    wire: _WholeAskedWire


class _AskedWire(Struct, frozen=True):
    request: _AskedRequest


class _Asked(Struct, frozen=True):
    wire: _AskedWire


_read_head = msgspec.json.Decoder(_Head)
_read_recorded = msgspec.json.Decoder(_Recorded)
_read_interaction = msgspec.json.Decoder(Interaction)
_read_asked = msgspec.json.Decoder(_Asked)
_read_whole_asked = msgspec.json.Decoder(_WholeAsked)


def _invalid(path: Path, text: bytes, error: Exception) -> GoldenError:
    """Say what is wrong with a golden that could not be read, as exactly as can be found out."""
    try:
        value = msgspec.json.decode(text)
    except (ValueError, RecursionError) as exc:
        return GoldenError(path, "$", f"damaged, not JSON: {exc}", RERECORD)
    version = value.get("golden_version") if isinstance(value, dict) else None
    if isinstance(version, int) and version > GOLDEN_VERSION:
        return GoldenError(path, "$.golden_version", f"version {version} is newer than {GOLDEN_VERSION}", "upgrade pytest-llmlog")
    faults = validation.faults(value, "golden") or [validation.Fault("$", str(error))]
    return GoldenError(path, faults[0].place, faults[0].reason, f"undo the edit, or {RERECORD}")


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        raise GoldenError(path, "$", f"cannot be read: {exc.strerror}", "mend the file's permissions") from exc


def save(path: Path, golden: Golden) -> None:
    """Write a golden in place of an older one, whole or not at all.

    Raises:
        GoldenError: something shaped like a credential is left in it, or it cannot be written.
    """
    text = encode.golden_bytes({"interactions": [], **encode.plain(golden)} if not golden.interactions else golden)
    if shape := holds_key_shape(text.decode()):
        raise GoldenError(path, "$", f"not saved: it holds what looks like a credential ({shape}…)", "mask it with llmlog_redact")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, text)
    except OSError as exc:
        raise GoldenError(path, "$", f"cannot be written: {exc.strerror}", "make the folder writable") from exc


def _replace(path: Path, text: bytes) -> None:
    descriptor, temporary = tempfile.mkstemp(prefix=".golden-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, _default_mode())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _default_mode() -> int:
    """A golden is committed and read by a team: the mode any new file of this process would have."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def pending_path(path: Path) -> Path:
    """Where a recording waits for review: ``test_a.json.new`` beside ``test_a.json``."""
    return path.with_name(path.name + ".new")


def _sent_bytes(body: _AskedBody | None) -> bytes:
    """The body's bytes as they were sent: JSON of the usual layout is made compact without being parsed."""
    if body is None or isinstance(body.json, UnsetType):
        return wire.load_body(body)
    if body.layout == "compact":
        return msgspec.json.format(bytes(body.json), indent=-1)
    return wire.load_body(structs.replace(body, json=msgspec.json.decode(body.json)))


class ReplayQueue:
    """A golden's interactions by their requests; equal requests give their interactions in recorded order, each once.

    A request is first held against the interaction that was recorded next, byte for byte, because most tests make their
    calls in the same order and most SDKs write the same request the same way. When that fails, all requests are indexed,
    by their bytes and by the replay key. Taking one is safe from any thread, and costs the same however many there are.

    Raises, here and when an interaction is parsed:
        GoldenError: the golden is damaged, invalid, or of a newer version.
    """

    def __init__(self, path: Path, text: bytes, ignore: Sequence[matching.Path] = (), *, whole: bool = True) -> None:
        self._path, self._text, self._ignore, self._whole = path, text, ignore, whole
        try:
            head = _read_head.decode(text)
            if head.golden_version != GOLDEN_VERSION:
                raise ValueError(f"version {head.golden_version} is not known")
        except (ValueError, RecursionError) as exc:
            raise self.invalid(exc) from exc
        self._interactions, self._in_teardown = head.interactions, head.in_teardown
        self._left = set(range(len(self._interactions)))
        self._next = 0
        self._in_order = True

    def _index(self, key_of: Callable[[int], str]) -> dict[str, list[int]]:
        """Where each key's interactions stand, the first one last: a list gives its last entry cheapest."""
        queues: dict[str, list[int]] = {}
        for index in reversed(range(len(self._interactions))):
            queues.setdefault(key_of(index), []).append(index)
        return queues

    def _exact_key(self, index: int) -> str:
        try:
            asked = _read_asked.decode(self._interactions[index]).wire.request
        except ValueError as exc:
            raise self.invalid(exc) from exc
        return matching.exact_key(Request(asked.method, asked.url, asked.headers, _sent_bytes(asked.body)))

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
        return wire.StoredRequest(_read_whole_asked.decode(self._interactions[index]).wire.request)

    def _interaction(self, index: int) -> Interaction:
        try:
            return _read_interaction.decode(self._interactions[index])
        except ValueError as exc:
            raise self.invalid(exc) from exc

    def _recorded(self, index: int) -> _Recorded:
        try:
            return _read_recorded.decode(self._interactions[index])
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
        """The error to raise when a record turns out not to hold to the schema, or cannot be replayed."""
        return _invalid(self._path, self._text, error)

    def _take(self, queues: dict[str, list[int]], key: str) -> Interaction | None:
        """The first of a queue that nobody has taken, by this way or another."""
        queue = queues.get(key)
        while queue:
            try:
                index = queue.pop()
            except IndexError:  # another thread was faster
                return None
            if self._claim(index):
                return self._interaction(index) if self._whole else self._recorded(index)
        return None

    def _take_next(self, request: Request) -> Interaction | None:
        """The interaction recorded next, if this is its request; else calls are no longer expected in order."""
        index = self._next
        if index < len(self._interactions):
            recorded = self._recorded(index)
            if recorded.wire is None:
                raise self.invalid(ValueError("an interaction has no wire"))
            if recorded.wire.request.is_sent_again(request) and self._claim(index):
                self._next = index + 1
                return self._interaction(index) if self._whole else recorded
        self._in_order = False
        return None

    def take_exact(self, request: Request) -> Interaction | None:
        """The next interaction recorded for the very bytes of this request."""
        found = self._take_next(request) if self._in_order else None
        return found or self._take(self._by_bytes, matching.exact_key(request))

    def take(self, key: str) -> Interaction | None:
        """The next interaction recorded for this replay key, or None when there is none left."""
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
        left = [self._interaction(index) for index in sorted(self._left) if index < end]
        if not all(call.wire is not None and validation.is_valid(encode.plain(call)) for call in left):
            raise self.invalid(ValueError("an interaction is invalid"))
        return left

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
    queue = ReplayQueue(Path(), text, whole=False)
    queue.unplayed(teardown=True)
    queue.take_exact(Request("GET", "http://-/", {}, b"{}"))


def open_queue(path: Path, ignore: Sequence[matching.Path] = (), *, whole: bool = True) -> ReplayQueue | None:
    """Read a golden to replay it; None when there is no such file.

    Args:
        path: the golden.
        ignore: JSON paths of the body that matching leaves out.
        whole: give interactions with their whole wire, not only what replaying needs of it.

    Raises:
        GoldenError: it is damaged, invalid, of a newer version, or cannot be read.
    """
    text = _read(path)
    return None if text is None else ReplayQueue(path, text, ignore, whole=whole)
