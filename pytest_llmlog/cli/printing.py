"""Text for a terminal."""

from __future__ import annotations

import json
import sys


def printable(text: str) -> str:
    """Text of a stranger: control characters, which could move the cursor or hide lines, are written out."""
    return "".join(char if char in "\n\t" or char.isprintable() else f"\\x{ord(char):02x}" for char in text)


def json_line(line: bytes) -> bytes:
    """JSON as it is; on a terminal all in ASCII, so that no control character of the second block reaches it."""
    return json.dumps(json.loads(line)).encode() if sys.stdout.isatty() else line
