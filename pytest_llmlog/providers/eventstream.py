"""Amazon's binary event stream: messages with headers, each guarded by two checksums.

Wire format: https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html (the encoding all services share)
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from zlib import crc32

from msgspec import Struct

CONTENT_TYPE = "application/vnd.amazon.eventstream"

_PRELUDE = struct.Struct(">III")
_FIXED = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Sizes of header values by type, in bytes; types 6 (bytes) and 7 (text) say their own."""


class EventMessage(Struct, frozen=True):
    """One message: its text headers, and its payload."""

    headers: dict[str, str]
    payload: bytes


def _headers(data: bytes) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(data):
        length = data[position]
        name = data[position + 1 : position + 1 + length].decode()
        kind = data[position + 1 + length]
        position += 2 + length
        if kind in _FIXED:
            position += _FIXED[kind]
            continue
        (size,) = struct.unpack_from(">H", data, position)
        if kind == 7:
            yield name, data[position + 2 : position + 2 + size].decode()
        position += 2 + size


def looks_like(body: bytes) -> bool:
    """Whether a body begins with a message's prelude, of which the checksum is right."""
    return len(body) >= 16 and crc32(body[:8]) == _PRELUDE.unpack_from(body)[2]


def frames(body: bytes) -> Iterator[tuple[int, int, int]]:
    """Where messages stand: (start, start of the payload, end), up to the first that is cut off or fails its checksums."""
    position = 0
    while len(body) - position >= 16:
        total, headers, checksum = _PRELUDE.unpack_from(body, position)
        end = position + total
        if crc32(body[position : position + 8]) != checksum or end > len(body) or total < 16 + headers:
            return
        if crc32(body[position : end - 4]) != struct.unpack_from(">I", body, end - 4)[0]:
            return
        yield position, position + 12 + headers, end
        position = end


def messages(body: bytes) -> Iterator[EventMessage]:
    """Read messages up to the end, or to the first that is damaged."""
    for start, payload, end in frames(body):
        try:
            found = dict(_headers(body[start + 12 : payload]))
        except (IndexError, struct.error, UnicodeDecodeError):
            return
        yield EventMessage(found, body[payload : end - 4])


def with_payload(message: bytes, payload: bytes) -> bytes:
    """The same message with another payload, its lengths and checksums made anew."""
    (headers,) = struct.unpack_from(">I", message, 4)
    lengths = struct.pack(">II", 16 + headers + len(payload), headers)
    data = lengths + struct.pack(">I", crc32(lengths)) + message[12 : 12 + headers] + payload
    return data + struct.pack(">I", crc32(data))
