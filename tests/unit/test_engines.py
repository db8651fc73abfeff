"""The streaming reader and DuckDB give the same answers, on clean and on damaged logs."""

from __future__ import annotations

import gzip
import math
import os
import random
from collections.abc import Callable
from pathlib import Path

import cramjam
import pytest

from logs import failure, lines, record
from pytest_llmlog import encode
from pytest_llmlog.errors import ConfigError
from pytest_llmlog.query import columns, duck, sources
from pytest_llmlog.query.columns import COLUMNS, DERIVED
from pytest_llmlog.query.engines import Duck, Engine, Stream
from pytest_llmlog.query.sources import Damage, Source
from pytest_llmlog.query.where import parse

FIXTURES = Path(__file__).parent.parent.parent / "fixtures"
LOGS = sorted(FIXTURES.glob("*/*.log"))

CALLS = [
    record(0, latency_seconds=0.5, usage={"input": 8, "output": 2, "cached_input": 4}, cost_usd=0.1, prompt_template="triage"),
    record(1, latency_seconds=1.5, usage={"input": 10, "output": 3}, cost_usd=0.2, finish_reasons=["stop", None, "length"]),
    record(2, latency_seconds=2.5, model="o1", stream=True, time_to_first_chunk_seconds=0.25, tools=["a", "b"]),
    failure(3, model="o1", http_status=429, error_code=7, labels={"team": "it", "urgent": True, "n": 2}),
    failure(90_000, error_type=None, latency_seconds=None, model=None),
    record(90_001, prompt="ünïcødé 'quoted' \"twice\"\nand\\more", response="", finish_reasons=[]),
]
GOOD = lines(CALLS)
TORN = b'{"timestamp":"2026-02-25T06:13:29.000Z","schema_version":1,"prompt":"torn'
ODD_CELLS = [
    {**record(), "tokens": "7"}, {**record(), "tokens": "many"}, {**record(), "tokens": 1.5}, {**record(), "latency_seconds": "3"},
    {**record(), "model": 5}, {**record(), "model": {"a": [1, "ü"]}}, {**record(), "usage": [1]}, {**record(), "usage": {"input": "x", "output": 2}},
    {**record(), "finish_reasons": "stop"}, {**record(), "finish_reasons": [1, None]}, {**record(), "tokens": 2**70},
    {**record(), "tokens": True}, {**record(), "labels": "text"}, {**record(), "labels": '{"team":"it"}'}, {**record(), "labels": {"team": ["it"], "n": None}},
    *({**record(), "response_messages": each} for each in (
        [{"parts": [{"type": "text"}]}, {"parts": [{"type": "refusal", "content": "no"}]}], [{"parts": [{"type": "blocked", "blockReason": "OTHER"}]}],
        [{"parts": [{"type": "refusal", "content": ""}]}], [{"parts": [{"type": "refusal", "content": {"a": [1, "ü"]}}]}], [{"parts": {"type": "refusal"}}],
        [{"parts": [5, {"type": ["refusal"]}]}], {"parts": []}, "refusal", [None, 7],
    )),
    *({**record(), "tool_calls": each} for each in ([{"id": None, "name": "ü", "arguments": {"a": [1, None]}}], [], "text", {"name": "look"}, [7])),
    {**record(), "labels": ["team"]}, {**record(), "extra": {"deep": [None]}}, {**record(), "timestamp": 5},
]  # fmt: skip

DAMAGED = {
    "empty": b"",
    "blank lines": b"\n\n" + GOOD + b"\r\n \n",
    "byte order mark": b"\xef\xbb\xbf" + GOOD,
    "torn at the end": GOOD + TORN,
    "torn, another behind it": GOOD + TORN + GOOD,
    "torn twice on a line": TORN + TORN + GOOD,
    "not UTF-8": GOOD + b'{"timestamp":"2026-02-25T06:13:29.000Z","prompt":"\xff"}\n' + GOOD,
    "NUL bytes": GOOD + b"\0" * 300 + b"\n" + GOOD,
    "other JSON": GOOD + b'[1,2]\n"text"\n17\nnull\n{"a":1}\n' + GOOD,
    "no JSON": b"starting up ...\n" + GOOD,
    "NaN": GOOD.replace(b'"latency_seconds":1.5', b'"latency_seconds":NaN'),
    "two on a line": GOOD.replace(b"}\n{", b"}{", 1),
    "odd cells": lines(ODD_CELLS),
    "odd cells and a torn line": lines(ODD_CELLS) + TORN,
}


def engines(*names: Path) -> tuple[Engine, Engine, Damage, Damage]:
    found = sources.expand([str(name) for name in names])
    one, other = Damage(), Damage()
    return Stream(found, one, lambda _: None), Duck(found, other), one, other


def assert_same(*names: Path, where: str | None = None, by: tuple[str, ...] = ("model", "prompt_template")) -> Damage:
    """Ask both engines, and hold the answers and the damage to each other."""
    held = parse(where) if where else None
    grouped = [column for name in by if (column := columns.find(name))]
    wanted = [*COLUMNS.values(), *DERIVED.values()]

    stream, duck, seen, other = engines(*names)
    assert stream.stats(grouped, held) == duck.stats(grouped, held)
    assert (seen.count, seen.first) == (other.count, other.first)
    stream, duck, seen, other = engines(*names)
    assert sorted(map(repr, stream.select(wanted, held))) == sorted(map(repr, duck.select(wanted, held)))
    assert seen.count == other.count
    return seen


@pytest.mark.parametrize("where", [None, "labels.team = it", "labels.team is not null or labels.n = null"])
@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_both_engines_agree_on_damaged_logs(tmp_path: Path, content: bytes, where: str | None) -> None:
    path = tmp_path / "calls.log"
    path.write_bytes(content)

    assert_same(path, where=where)


def test_both_engines_agree_on_the_fixtures() -> None:
    assert assert_same(*LOGS).count == 5  # torn, not UTF-8, NUL bytes, no object, no timestamp


@pytest.mark.parametrize(
    "where",
    [
        "status != failure and not latency > 1s",
        "finish_reasons contains length or tools = null",
        "failures = 1 or calls = 1 and input_tokens >= 10",
        "cost_usd > 0.15 and not (cached_tokens > 0 or model = o1)",
        "labels.team = it or labels.n = 2",
        "labels.urgent != true and labels.team = null",
    ],
)
def test_both_engines_agree_on_conditions(tmp_path: Path, where: str) -> None:
    path = tmp_path / "calls.log"
    path.write_bytes(GOOD + TORN)

    assert assert_same(path, where=where).unfinished is not None


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "calls.log": lambda data: data,
    "calls.log.gz": gzip.compress,
    "calls.log.zst": lambda data: bytes(cramjam.zstd.compress(data)),
    "two frames.zst": lambda data: bytes(cramjam.zstd.compress(data[:500])) + bytes(cramjam.zstd.compress(data[500:])),
    "two members.gz": lambda data: gzip.compress(data[:500]) + gzip.compress(data[500:]),
    "named as nothing": gzip.compress,
    "it's [1].log": lambda data: data,
}


@pytest.mark.parametrize("name", PACKED)
def test_both_engines_read_what_is_packed(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(PACKED[name](GOOD))

    assert assert_same(path).count == 0
    stream, *_ = engines(path)
    assert stream.stats([], None)[0].figures["calls"] == len(CALLS)


@pytest.mark.parametrize("name", ["calls.log.gz", "calls.log.zst"])
def test_a_packed_log_that_ends_early_is_read_up_to_there(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    many = [record(number, prompt=f"{number * 7919}") for number in range(5000)]
    packed = PACKED[name](lines(many))
    path.write_bytes(packed[: len(packed) * 2 // 3])

    damage = assert_same(path)

    assert damage.first is not None
    assert "ends early" in damage.first.reason or "not JSON" in damage.first.reason
    stream, *_ = engines(path)
    assert 500 < (stream.stats([], None)[0].figures["calls"] or 0) < 5000


def test_a_line_that_is_too_long_is_skipped_by_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "calls.log"
    path.write_bytes(GOOD + encode.line(record(prompt="x" * 41_000_000)) + GOOD)
    monkeypatch.setattr("pytest_llmlog.log.READ_LIMIT", 40_000_000)

    damage = assert_same(path)

    assert damage.count == 1
    assert damage.first is not None
    assert (damage.first.line, damage.first.offset) == (len(CALLS) + 1, len(GOOD))


def test_the_first_fault_is_named_over_all_files(tmp_path: Path) -> None:
    good, bad = tmp_path / "a.log", tmp_path / "b.log"
    good.write_bytes(GOOD)
    bad.write_bytes(GOOD + b"no\n" + GOOD + b"no\n")

    damage = assert_same(good, bad)

    assert damage.count == 2
    assert str(damage.first).startswith(f"{bad}:{len(CALLS) + 1}: not JSON")


@pytest.mark.parametrize("by", [(), ("day",), ("provider", "session", "test")], ids=str)
def test_both_engines_agree_on_groups(tmp_path: Path, by: tuple[str, ...]) -> None:
    path = tmp_path / "calls.log"
    path.write_bytes(GOOD)

    assert_same(path, by=by)


def test_both_engines_sum_costs_to_the_same_digit(tmp_path: Path) -> None:
    path, chance = tmp_path / "calls.log", random.Random(1)
    costs = [round(chance.random() * 3, 9) for _ in range(60_000)]
    path.write_bytes(
        b"".join(
            b'{"timestamp":"2026-02-25T06:13:20.000Z","cost_usd":%s}\n' % repr(cost).encode()
            for cost in [*costs, 1e-9, 1e300, 9e6, -9e6]
        )
    )
    found = sources.expand([str(path)])
    engines: tuple[Engine, ...] = (Stream(found, Damage(), lambda _: None), Duck(found, Damage()))

    told = [group.figures["cost_usd"] for engine in engines for group in engine.stats([], None)]

    assert told == [round(math.fsum([*costs, 1e-9]), 9)] * 2


def test_types_of_error_are_listed_by_how_often_they_happened(tmp_path: Path) -> None:
    path = tmp_path / "calls.log"
    path.write_bytes(lines(failure(error_type=kind) for kind in ("A", "Z", "B", "C", "Z", None, "B", "Z")))
    found = sources.expand([str(path)])
    engines: tuple[Engine, ...] = (Stream(found, Damage(), lambda _: None), Duck(found, Damage()))

    orders = [list(group.errors.items()) for engine in engines for group in engine.stats([], None)]

    assert orders == [[("Z", 3), ("B", 2), ("A", 1), ("C", 1), ("unknown", 1)]] * 2


def test_quantiles_are_linear_between_the_nearest_values(tmp_path: Path) -> None:
    path = tmp_path / "calls.log"
    path.write_bytes(lines(record(latency_seconds=seconds) for seconds in (1.0, 2.0, 4.0, 8.0)))

    stream, *_ = engines(path)

    figures = stream.stats([], None)[0].figures
    assert figures["p50_latency_seconds"] == 3.0
    assert figures["p95_latency_seconds"] == pytest.approx(7.4)
    assert figures["p99_latency_seconds"] == pytest.approx(7.88)


def test_a_question_may_take_more_memory_of_a_larger_log(tmp_path: Path) -> None:
    def limit(size: int, begin: bytes = b"{") -> int:
        path = tmp_path / "calls.log"
        path.write_bytes(begin)
        os.truncate(path, size)
        return int(duck.memory_limit([Source(str(path))]).removesuffix("MB"))

    assert limit(100) == limit(1_000_000_000) == duck.MEMORY
    assert limit(3_000_000_000) == 3 * duck.MEMORY
    assert limit(1_000_000_000, b"\x1f\x8b\x08\0") == duck.PACKED * duck.MEMORY
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e6
    assert limit(10**12) <= machine / 2 + 1


def test_a_question_that_takes_too_much_memory_says_what_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "calls.log"
    path.write_bytes(lines([record(number, prompt=f"{number} {'x' * 50_000}") for number in range(1_000)]))
    monkeypatch.setattr(duck, "MEMORY", 20)
    with pytest.raises(ConfigError, match=r"--engine stream"):
        list(duck.select([Source(str(path))], [COLUMNS["prompt"]], None, Damage()))
