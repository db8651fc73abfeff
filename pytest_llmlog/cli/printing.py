"""Text for a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """Text of a stranger: control characters, which could move the cursor or hide lines, are written out."""
    return "".join(char if char in "\n\t" or char.isprintable() else f"\\x{ord(char):02x}" for char in text)
