"""Closed logs as Parquet: the columns that questions are about, and each record as it was, whole."""

from __future__ import annotations

import os
from pathlib import Path

from pytest_llmlog.errors import ConfigError
from pytest_llmlog.query import duck, engines
from pytest_llmlog.query.sources import Damage, Source, compacted


def target(name: str) -> Path:
    """Where the Parquet file of a log goes."""
    return Path(compacted(name))


def check() -> None:
    """Make sure that DuckDB is there.

    Raises:
        ConfigError: it is not.
    """
    if not engines.has_duckdb():
        raise ConfigError("compact needs DuckDB\n  fix: pip install 'pytest-llmlog[query]'")


def compact(source: Source, path: Path) -> int:
    """Write a log as a Parquet file, whole or not at all; return how many records it holds.

    Raises:
        ConfigError: there is such a file, the log is damaged or is being written, or DuckDB is not installed; nothing is left behind.
    """
    if path.exists():
        raise ConfigError(f"{path}: is there already\n  fix: remove it, or the log that it was made from")
    check()
    before = _state(source.name)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    mask = os.umask(0o077)  # DuckDB makes its files itself
    try:
        count, damage = _written(source, temporary)
        if fault := damage.first or damage.unfinished:
            raise ConfigError(
                f"{fault}\n  fix: {max(1, damage.count)} malformed in all; a log is compacted when it can be read whole"
            )
        if _state(source.name) != before:
            raise ConfigError(f"{source.name}: is being written\n  fix: rotate it first")
        _sync(temporary)
        os.link(temporary, path)  # never in place of a file that came up meanwhile
    except FileExistsError:
        raise ConfigError(f"{path}: is there already") from None
    finally:
        os.umask(mask)
        temporary.unlink(missing_ok=True)
    return count


def _written(source: Source, path: Path) -> tuple[int, Damage]:
    import duckdb

    try:
        return duck.to_parquet([source], path)
    except duckdb.Error as exc:  # a record longer than its buffer, a full disk
        raise ConfigError(f"{source.name}: {exc}") from exc


def _state(name: str) -> tuple[int, int, int]:
    state = os.stat(name)
    return state.st_ino, state.st_size, state.st_mtime_ns


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
