"""Files as this package makes and reads them: private, replaced whole, and read only up to a limit."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

SIZE_LIMIT = 256 * 1024 * 1024
"""Largest file that is read whole, in bytes: goldens, cassettes, summaries. Logs are read line by line."""


CHUNK = 1024 * 1024


def relative(path: Path, folder: str) -> str:
    """The path for a person: relative to a folder where it is inside of that. Of texts alone, since it is asked for every test."""
    text = str(path)
    return "." if text == folder else text.removeprefix(os.path.join(folder, ""))


def make_private_folder(folder: Path) -> None:
    """Create a folder that only its owner can enter, whatever the umask; one that is there is left as it is."""
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)


def open_private_file(path: Path, flags: int) -> int:
    """Open a file, made if need be for its owner alone, whatever the umask; return its descriptor."""
    flags |= getattr(os, "O_CLOEXEC", 0)
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return os.open(path, flags | os.O_CREAT, 0o600)
    if hasattr(os, "fchmod"):
        os.fchmod(descriptor, 0o600)
    return descriptor


def write_private_file(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read."""
    with os.fdopen(open_private_file(path, os.O_WRONLY | os.O_TRUNC), "wb") as file:
        file.write(data)


def read_whole(path: Path) -> bytes:
    """Read a stranger's file: an ordinary one, of no more than ``SIZE_LIMIT`` bytes.

    Raises:
        OSError: it cannot be read, is too large, or is a device or pipe, whose end may never come.
    """
    descriptor = os.open(
        path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    )
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            raise OSError(errno.EINVAL, "is no ordinary file", str(path))
        data = os.read(descriptor, min(state.st_size, SIZE_LIMIT) + 1)
        while len(data) <= SIZE_LIMIT and (more := os.read(descriptor, CHUNK)):
            data += more  # it grows, tells no size, or comes in parts
    finally:
        os.close(descriptor)
    if len(data) > SIZE_LIMIT:
        raise OSError(errno.EFBIG, f"is larger than {SIZE_LIMIT} bytes", str(path))
    return data


def replace_file(path: Path, data: bytes, mode: int | None = None) -> None:
    """Put a file in the place of an older one, whole or not at all, even when the power fails: written, forced to the disk, renamed.

    Args:
        path: the file.
        data: what it is to hold.
        mode: its permissions; by default those that any new file of this process has.
    """
    descriptor, temporary = tempfile.mkstemp(prefix=".llmlog-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, _default_mode() if mode is None else mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    force_folder(path.parent)


def force_folder(folder: Path) -> None:
    """Force a folder's entries to the disk, where the system can: a rename is safe only then."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _default_mode() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
