"""Files of strangers: nothing runs, nothing is written elsewhere, nothing stalls, and what goes wrong is an error of ours."""

from __future__ import annotations

import json
import random
from itertools import islice
from pathlib import Path
from typing import Any

import fuzz
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llmlog import cassettes, diff, matching
from pytest_llmlog.compare import Terms, compare, parse_policy
from unit.test_golden import ask, interaction

HOSTILE = sorted((fuzz.FIXTURES / "hostile").iterdir())
CHANCE = random.Random(5)


@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: path.name)
def test_what_was_found_once_stays_mended(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert fuzz.check(path.name, path.read_bytes()) is None
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_damaged_files_of_every_kind(seed: int) -> None:
    for name, content in islice(fuzz.cases(seed), 20):
        wrong = fuzz.check(name, content)
        assert wrong is None, (name, content)


def golden_of(calls: int = 1, **body: Any) -> bytes:
    value = json.loads((fuzz.FIXTURES / "valid" / "golden-plain.json").read_bytes())
    call = value["interactions"][0]
    call["wire"]["request"]["body"] = {"json": {"model": "m", **body}}
    value["interactions"] = [{**call, "request_id": f"{number:032x}"} for number in range(calls)]
    return json.dumps(value).encode()


def nested(depth: int, kind: str = "object") -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value] if kind == "list" else {"a": value}
    return value


LARGE = {
    "many calls": lambda: golden_of(1000, messages=[]),
    "many lines": lambda: golden_of(messages=[{"content": "\n".join(f"line {CHANCE.randrange(500)}" for _ in range(200_000))}]),
    "many messages": lambda: golden_of(messages=[{"role": "user", "content": str(number)} for number in range(50_000)]),
    "many keys": lambda: golden_of(**{f"k{number}": number for number in range(100_000)}),
    "one line": lambda: golden_of(messages=[{"content": "ab" * 2_000_000}]),
    "deep": lambda: golden_of(messages=[nested(900)]),
    "deep list": lambda: golden_of(messages=[nested(900, "list")]),
    "huge number": lambda: golden_of(n=1).replace(b'"n": 1', b'"n": ' + b"9" * 200_000),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_large_or_deep_golden_does_not_stall(name: str) -> None:
    assert fuzz.check("x.json", LARGE[name]()) is None


BOMBS = {
    "laughs.yaml": b"a: &a [x,x,x,x,x,x,x,x,x]\n"
    + b"".join(b"%c: &%c [%s]\n" % (c, c, b",".join([b"*%c" % (c - 1)] * 9)) for c in range(ord("b"), ord("p"))),
    "itself.yaml": b"interactions: &a [*a]",
    "deep.yaml": b"[" * 100_000,
    "merged.yaml": b"a: &a {x: 1}\nb: {<<: [*a, *a]}\ninteractions: [{request: *a, response: *a}]",
    "numbers.json": b'{"interactions": [' + b"1" * 100_000 + b"]}",
    "deep.har": b'{"log": {"entries": ' + b"[" * 100_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_cassette_that_stands_for_too_much_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(BOMBS[name])
    try:
        found = [entry for _, entry in cassettes.read(path)]
    except cassettes.CassetteError:
        found = []
    assert all(isinstance(entry, cassettes.CassetteError) for entry in found)


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system ['touch ran']", "!!python/object/new:os.system ['touch ran']",
                                 "!!python/name:os.system", "!!python/module:os", "!<tag:yaml.org,2002:python/object/apply:os.system> [touch ran]"])  # fmt: skip
def test_no_tag_of_yaml_runs_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tag: str) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.yaml"
    path.write_text(f"interactions:\n- request: {tag}\n  response: {tag}\n- {tag}\n")
    found = [entry for _, entry in cassettes.read(path)]
    assert all(isinstance(entry, cassettes.CassetteError) for entry in found)
    assert [each.name for each in tmp_path.iterdir()] == ["x.yaml"]


@pytest.mark.parametrize("policy", ["exact", "text", "json", "shape", "similar:0.5"])
@pytest.mark.parametrize("kind", ["object", "list"])
@pytest.mark.parametrize("depth", [50, 900, 5000])
def test_answers_of_any_depth_are_compared(policy: str, kind: str, depth: int) -> None:
    opening, closing = {"object": ('{"a":', "}"), "list": ("[", "]")}[kind]
    texts = (opening * depth + end + closing * depth for end in ("1", "[]"))
    first, second = (interaction(1, ask("x"), response=text) for text in texts)
    found = compare(first, second, Terms(parse_policy(policy)))
    assert found.same == policy.startswith("similar") or (policy == "shape" and depth > 100)  # what is deeper may count for nothing


def test_long_answers_are_scored_and_compared_soon() -> None:
    first, second = (" ".join(f"w{CHANCE.randrange(10**6)}" for _ in range(300_000)) for _ in range(2))
    found = compare(
        interaction(1, ask("x"), response=first), interaction(1, ask("x"), response=second), Terms(parse_policy("similar:0.9"))
    )
    assert found.score is not None
    assert not found.same


@pytest.mark.parametrize("deep", [nested(5000), nested(5000, "list")])
def test_values_of_any_depth_can_differ(deep: Any) -> None:
    assert diff.fields({"a": deep}, {"a": 1})
    assert matching.nearest({"a": deep}, [{"a": deep}, {"b": 1}]) == 0
