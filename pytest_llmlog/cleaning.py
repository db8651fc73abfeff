"""Old logs and goldens: where they hold what looks like a secret, and how they get rid of it."""

from __future__ import annotations

import binascii
import errno
import os
import re
import stat
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from msgspec import Struct

from pytest_llmlog import encode, files, golden, log, matching, scrub, unpacking, validation, wire
from pytest_llmlog.errors import GoldenError
from pytest_llmlog.golden import Golden
from pytest_llmlog.record import Interaction
from pytest_llmlog.redact import Redactor
from pytest_llmlog.shapes import Secret, merged, runs


class Found(Struct, frozen=True):
    """Something that looks like a secret: its line and column, both from 1, and how it begins."""

    line: int
    column: int
    shape: str


IN_PARTS = "in parts of a stream"


def clean_record(record: dict[str, Any], redactor: Redactor) -> tuple[dict[str, Any], int]:
    """A record without credentials, its hashes made anew where they were made of one; and how many there were.

    A stream in its wire is put together first: a key that it brings in parts has no shape in any of them.
    """
    result, count = dict(record), 0
    if record.get("wire"):
        exchange = wire.load(msgspec.convert(record["wire"], wire.Wire))
        if exchange.response is not None:
            exchange.response, count = scrub.clean(exchange.response, redactor)
            if count:
                result["wire"] = encode.plain(wire.dump(exchange))
    text, more = redactor.bytes(encode.line(result))
    if not count + more:
        return record, 0
    result = msgspec.json.decode(text)
    if result.get("wire"):
        result["request_hash"] = matching.key(wire.load(msgspec.convert(result["wire"], wire.Wire)).request)
    if result.get("messages"):
        result["prompt_hash"] = matching.digest_json(result["messages"])
    result["redacted"] = result.get("redacted", 0) + count + more
    return result, count + more


def clean_golden(path: Path, redactor: Redactor) -> int:
    """Take the credentials out of a golden or a pending recording, in place; return how many there were.

    Raises:
        GoldenError: it is damaged, or cannot be written; then it is as it was.
    """
    found = golden.parse(path, golden.read(path) or b"")
    cleaned = [clean_record(encode.plain(each), redactor) for each in found.interactions]
    (test_id, in_id), (reason, in_reason) = redactor.text(found.test_id), redactor.text(found.reason)
    count = in_id + in_reason + sum(each for _, each in cleaned)
    if count:
        interactions = tuple(msgspec.convert(record, Interaction) for record, _ in cleaned)
        golden.save(path, Golden(found.golden_version, test_id, found.in_teardown, reason, interactions))
    return count


def _clean_line(line: bytes, redactor: Redactor) -> tuple[bytes, int]:
    """A line of a log; one that holds no valid record is cleaned as the text it is."""
    try:
        record = msgspec.json.decode(line)
        if isinstance(record, dict) and validation.is_valid(record):
            record, count = clean_record(record, redactor)
            return (encode.line(record), count) if count else (line, 0)
    except (ValueError, RecursionError):
        pass  # torn, or with a wire that is none
    return redactor.bytes(line)


SETTLE = 0.05
"""Seconds in which a writer that has just looked where its log is has written to it."""


def _copy(source: BinaryIO, target: BinaryIO, redactor: Redactor, end: float = inf) -> int:
    """Copy what there is up to a byte: a run may write faster than this reads."""
    count = 0
    while source.tell() < end and (line := source.readline(log.READ_LIMIT)):
        cleaned, found = _clean_line(line, redactor)
        target.write(cleaned)
        count += found
    return count


def clean_log(path: Path, redactor: Redactor) -> int:
    """Take the credentials out of a log, in place; return how many there were.

    Lines that a run writes meanwhile are kept: it goes on in the new file, and what the old one got until then is added.

    Raises:
        OSError: it cannot be read or written; then it is as it was.
    """
    temporary = None
    try:
        with open_ordinary(path) as source:
            descriptor, temporary = tempfile.mkstemp(prefix=".redact-", dir=path.parent)
            with os.fdopen(descriptor, "wb") as target:
                count = _copy(source, target, redactor, os.fstat(source.fileno()).st_size)
                target.flush()
                os.fsync(target.fileno())
            if not count:
                os.unlink(temporary)
                return 0
            os.chmod(temporary, path.stat().st_mode & 0o777)
            os.replace(temporary, path)
            temporary = None
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND), "wb", buffering=0) as target:
                count += _copy(source, target, redactor)
                time.sleep(SETTLE)
                return count + _copy(source, target, redactor)
    except BaseException:
        if temporary is not None:
            os.unlink(temporary)
        raise


def open_ordinary(path: Path) -> BinaryIO:
    """Open a file to read.

    Raises:
        OSError: it cannot be read, or is a pipe or device, whose end may never come.
    """
    file = os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "is no ordinary file", str(path))
    return file


def scan(path: Path, redactor: Redactor) -> Iterator[Found]:
    """Find what looks like a secret in a text file, compressed or not: line by line in a log, in others over the ends of lines too.

    Raises:
        OSError: it cannot be read, is damaged or, but for a log, holds more than ``files.SIZE_LIMIT`` bytes.
    """
    try:
        with open_ordinary(path) as raw, unpacking.unpacked(raw) as file:
            if path.name.lower().removesuffix(".gz").endswith(WHOLE):
                yield from _scan_whole(file, redactor)
            else:
                yield from _scan_lines(file, redactor)
    except unpacking.ENDS_EARLY as exc:
        raise OSError(errno.EINVAL, f"damaged: {exc}", str(path)) from exc
    if path.name.endswith((".json", ".json.new")):
        yield from _of_golden(path, redactor)


def scan_lines(raw: BinaryIO, redactor: Redactor) -> Iterator[Found]:
    """The same of lines that come by a pipe.

    Raises:
        OSError: they end early or are damaged.
    """
    try:
        with unpacking.unpacked(raw) as file:
            yield from _scan_lines(file, redactor)
    except unpacking.ENDS_EARLY as exc:
        raise OSError(errno.EINVAL, f"damaged: {exc}") from exc


WHOLE = (".yaml", ".yml", ".toml", ".har")
"""How the names of files end in which what belongs together stands on several lines."""

_PACKED = "H4sI"
"""How base64 of gzip begins."""


def _scan_whole(file: BinaryIO, redactor: Redactor) -> Iterator[Found]:
    data = file.read(files.SIZE_LIMIT + 1)
    if len(data) > files.SIZE_LIMIT:
        raise OSError(errno.EFBIG, f"holds more than {files.SIZE_LIMIT} bytes")
    text = data.decode("utf-8", "surrogateescape")
    line, start = 1, 0
    for secret in merged([*redactor.find(text), *_headers(text), *_packed(text, redactor)]):
        line, start = line + text.count("\n", start, secret.start), secret.start
        yield Found(line, secret.start - text.rfind("\n", 0, secret.start), " ".join(secret.shape.split()))


_HEADER = re.compile(
    r"^[ \t\"'-]*(?P<name>authorization|proxy-authorization|api-key|x-api-key|x-goog-api-key|cookie|set-cookie|x-auth-token)[\"']?:"
    r"(?:[ \t]*\r?\n[ \t]*-)?[ \t]+[\"']?(?P<value>(?:(?:Basic|Bearer|Token)[ ])?(?!\[?REDACTED)[^\s\"'\[]{8}[^\r\n\"']*)",
    re.IGNORECASE | re.MULTILINE,
)


def _headers(text: str) -> Iterator[Secret]:
    """The credentials that a cassette keeps in its lists of headers, whatever they look like."""
    for match in _HEADER.finditer(text):
        if any(char.isdigit() for char in match["value"]):
            yield Secret(match.start("value"), match.end(), match["name"])


def _packed(text: str, redactor: Redactor) -> Iterator[Secret]:
    """Bodies in gzip, as base64, that hold a secret."""
    for start, end, letters in runs(text):
        if letters.startswith(_PACKED):
            data = binascii.a2b_base64(letters + "=" * (-len(letters) % 4)) if len(letters) % 4 != 1 else b""
            with suppress(zlib.error):
                plain = zlib.decompressobj(31).decompress(data, files.SIZE_LIMIT)
                if next(iter(redactor.find(plain.decode("utf-8", "surrogateescape"))), None):
                    yield Secret(start, end, "in gzip")


def _scan_lines(file: BinaryIO, redactor: Redactor) -> Iterator[Found]:
    number, column = 1, 1
    while line := file.readline(log.READ_LIMIT):
        text = line.decode("utf-8", "surrogateescape")
        found = [Found(number, secret.start + column, secret.shape) for secret in redactor.find(text)]
        yield from found or _in_parts(line, number, redactor)
        number, column = (number + 1, 1) if line.endswith(b"\n") else (number, column + len(text))


def _in_parts(line: bytes, number: int, redactor: Redactor) -> Iterator[Found]:
    if line.startswith(log.RECORD_START) and b'"wire":{' in line and _clean_line(line, redactor)[1]:
        yield Found(number, 1, IN_PARTS)


def _of_golden(path: Path, redactor: Redactor) -> Iterator[Found]:
    """What only the streams of a golden show when they are put together."""
    try:
        found = golden.parse(path, golden.read(path) or b"")
    except GoldenError:
        return  # another JSON file, or a damaged one: its text was looked at
    for number, interaction in enumerate(found.interactions):
        response = wire.load(interaction.wire).response if interaction.wire else None
        if response is None:
            continue
        shown = list(redactor.find(response.body.decode("utf-8", "replace")))
        if not shown and scrub.clean(response, redactor)[1]:
            yield Found(1, 1, f"{IN_PARTS}: $.interactions[{number}].wire.response")
