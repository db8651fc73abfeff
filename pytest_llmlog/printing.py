"""Text of strangers, made safe to print: what a model or a test says neither steers a terminal nor a CI service that reads along."""

from __future__ import annotations

import json
import re
import sys
import unicodedata

_HARMLESS = frozenset("\n\t\u200c\u200d")
"""Line ends, and what joins letters and emoji."""

_COMMAND = re.compile(r"^(?P<space>\s*)::|##(?P<word>\w*)\[", re.MULTILINE)
"""Workflow commands of GitHub and Azure, and service messages of TeamCity: https://docs.github.com/actions, "Workflow commands"."""


def _visible(char: str) -> str:
    if char in _HARMLESS or char.isprintable() or unicodedata.category(char) == "Zs":
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _command(found: re.Match[str]) -> str:
    return f"##{found['word']}\\x5b" if found["word"] is not None else f"{found['space']}\\x3a:"


def printable(text: str) -> str:
    r"""Write out what could move the cursor, hide or reorder text, or command the CI service that reads the output.

    Control characters, ANSI escapes, bidi controls and invisible characters become ``\x1b`` or ``\u202e``; a line that begins with
    ``::`` begins with ``\x3a:``.
    """
    if not text.isprintable():
        text = "".join(map(_visible, text))
    return _COMMAND.sub(_command, text) if ":" in text or "##" in text else text


def json_line(line: bytes) -> bytes:
    """JSON as it is; on a terminal all in ASCII, so that no control character of the second block reaches it."""
    return json.dumps(json.loads(line)).encode() if sys.stdout.isatty() else line
