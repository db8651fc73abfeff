"""Goldens: saving, loading whole, and opening for replay, beside plain JSON of the same values; and their size on disk."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import replay
from pytest_llmlog import encode, golden, playback
from sidebyside.values import Spread


@dataclass(frozen=True)
class Golden:
    """Milliseconds of CPU time that a golden takes, and the ratio to plain JSON; ``size`` in bytes."""

    interactions: int
    size: int
    save: Spread
    save_ratio: Spread
    load: Spread
    load_ratio: Spread
    open: Spread
    open_ratio: Spread


def _took(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1000


def _one(count: int, folder: Path, rounds: int) -> Golden:
    made, path = replay.make_golden(count), folder / f"{count}.json"
    plain, plain_path = encode.plain(made), folder / f"{count}-plain.json"

    def loaded() -> object:
        text = golden.read(path)
        assert text is not None
        return golden.parse(path, text)

    turns = [
        (
            _took(lambda: plain_path.write_text(json.dumps(plain, indent=2))),
            _took(lambda: golden.save(path, made)),
            _took(lambda: json.loads(plain_path.read_text())),
            _took(loaded),
            _took(lambda: playback.open_queue(path)),
        )
        for _ in range(rounds)
    ]
    written, saved, read, parsed, opened = zip(*turns, strict=True)

    def ratio(ours: tuple[float, ...], plain: tuple[float, ...]) -> Spread:
        return Spread.of([mine / other for mine, other in zip(ours, plain, strict=True)])

    return Golden(
        count,
        path.stat().st_size,
        *(Spread.of(saved), ratio(saved, written)),
        *(Spread.of(parsed), ratio(parsed, read)),
        *(Spread.of(opened), ratio(opened, read)),
    )


def measure(quick: bool, tell: Callable[[str], None]) -> list[Golden]:
    """Measure goldens of several sizes, of calls with a question of 1.7 KB and an answer of 1 KB."""
    tell("goldens")
    with tempfile.TemporaryDirectory(prefix="llmlog-benchmark-") as name:
        return [
            _one(count, Path(name), 3 if quick or count > 1000 else 9)
            for count in ((10, 100) if quick else (10, 100, 1_000, 10_000))
        ]
