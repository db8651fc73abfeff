"""Recordings that other tools made, as exchanges: vcrpy's cassettes, cassetter's, and HAR files."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_llmlog import files
from pytest_llmlog.cassettes import har, vcr
from pytest_llmlog.cassettes.base import CassetteError, Recording

MAGIC = b"\x1f\x8b"


def read(path: Path) -> Iterator[tuple[int, Recording | CassetteError]]:
    """The interactions of a file with their positions; an error in place of one that cannot be read.

    Raises:
        CassetteError: the file is none of the known formats, or damaged as a whole.
        OSError: it cannot be read.
    """
    content = files.read_whole(path)
    document = _document(_unzipped(content) if content.startswith(MAGIC) else content, path)
    reader = har.read if isinstance(document, dict) and isinstance(document.get("log"), dict) else vcr.read
    for position, entry in enumerate(vcr.entries(document) if reader is vcr.read else har.entries(document)):
        try:
            yield position, reader(entry)
        except CassetteError as exc:
            yield position, exc
        except Exception as exc:  # an entry of any shape: the others come through
            yield position, CassetteError(f"{type(exc).__name__}: {exc}")


def _unzipped(content: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            found = file.read(files.SIZE_LIMIT + 1)
    except (OSError, EOFError, zlib.error) as exc:
        raise CassetteError(f"damaged gzip file: {exc}") from exc
    if len(found) > files.SIZE_LIMIT:
        raise CassetteError(f"unpacks to more than {files.SIZE_LIMIT} bytes")
    return found


def _document(content: bytes, path: Path) -> Any:
    import json

    name = path.name.removesuffix(".gz")
    try:
        if name.endswith(".toml"):
            return _toml(content)
        if name.endswith((".json", ".har")) or content.lstrip()[:1] in (b"{", b"["):
            return json.loads(content)
    except (ValueError, RecursionError) as exc:
        if not content.lstrip().startswith(b"{"):
            raise CassetteError(f"damaged: {exc}") from exc
    return vcr.load_yaml(content)


def _toml(content: bytes) -> Any:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads(content.decode())


__all__ = ["CassetteError", "Recording", "read"]
