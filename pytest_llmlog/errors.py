"""The errors a user of this package can meet.

LlmlogError
├── ConfigError      an option, ini value or argument that cannot be used
├── GoldenError      a golden that cannot be read or written
└── LogError         a log that cannot be opened
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["ConfigError", "GoldenError", "LlmlogError", "LogError"]


class LlmlogError(Exception):
    """Base of every error this package raises on purpose."""


class ConfigError(LlmlogError):
    """An option, ini value or argument that cannot be used; the text names it and what it may be."""


class GoldenError(LlmlogError):
    """A golden that cannot be read or written.

    Attributes:
        path: the file.
        place: JSON path of the fault inside it, ``$`` for the whole file.
        reason: what is wrong.
        fix: what to do about it.
    """

    def __init__(self, path: Path, place: str, reason: str, fix: str) -> None:
        super().__init__(f"{path}: {place}: {reason}\n  fix: {fix}")
        self.path, self.place, self.reason, self.fix = path, place, reason, fix


class LogError(LlmlogError):
    """A log that cannot be opened for appending.

    Attributes:
        path: the file.
        reason: the operating system's reason.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path}: cannot write the log: {reason}\n  fix: make the file and its folder writable, or name another file"
        )
        self.path, self.reason = path, reason
