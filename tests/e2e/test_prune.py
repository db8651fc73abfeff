"""``llmlog prune``: only a full run tells which goldens no test uses."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from conftest import Suite
from logs import llmlog

TEST = """
import json, os, urllib.request
import pytest

@pytest.fixture(scope="module")
def greeting():
    return ask("Hello")

def ask(text):
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}]}
    url, headers = os.environ["OPENAI_BASE_URL"] + "/chat/completions", {"content-type": "application/json", "authorization": "Bearer sk-standin"}
    return urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers)).read()

def test_kept(greeting): ask("kept")
@pytest.mark.parametrize("case", ["A b", "c"])
def test_cases(case): ask(case)
@pytest.mark.skip
def test_skipped(): ask("skipped")
def test_no_calls(): pass
"""


FIXTURE = Path(__file__).parent.parent.parent / "fixtures" / "valid" / "golden-plain.json"


@pytest.fixture
def pruned(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """A suite with the golden of a test that is gone."""
    calls = TEST.partition("@pytest.fixture")[0] + "def ask" + TEST.partition("def ask")[2].partition("def test_kept")[0]
    suite.write(test_a=TEST, test_b=f"{calls}\ndef test_b(): ask('b')\n")
    monkeypatch.chdir(suite.path)
    golden = json.loads(FIXTURE.read_text(encoding="utf-8"))
    old(GOLDEN, json.dumps({**golden, "test_id": "test_a.py::test_gone"}, indent=2))
    return suite


def old(path: Path, text: str) -> None:
    """Write a file as it was long ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    os.utime(path, (1, 1))


GOLDEN = Path("goldens", "test_a", "test_gone.json")


@pytest.mark.parametrize("arguments", [[], ["-n2"], ["."]], ids=str)
def test_a_full_run_tells_what_no_test_uses(pruned: Suite, arguments: list[str]) -> None:
    assert pruned.run(*arguments).ret == 0
    before = pruned.goldens().keys()

    listed = llmlog("prune")

    assert (listed.exit_code, listed.stdout.splitlines()[0]) == (1, f"unused: {GOLDEN} (test_a.py::test_gone)")
    assert pruned.goldens().keys() == before
    assert llmlog("prune", "--dry-run", "--yes").exit_code == 1
    assert GOLDEN.exists()

    deleted = llmlog("prune", "--yes")

    assert (deleted.exit_code, deleted.stdout) == (0, f"deleted: {GOLDEN}\n1 deleted\n")
    assert pruned.goldens().keys() == before - {"test_gone.json"}
    assert llmlog("prune").stdout.startswith("0 unused in run ")
    assert pruned.replay_offline().ret == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["-k", "not test_b"], ["test_a.py"], ["--deselect", "test_b.py"], ["--ignore", "test_b.py"],
        ["-x", "--fail=1"], ["-p", "shard"], ["-n2", "-k", "not test_b"], ["--broken=1"], ["--absent=1"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_part_of_a_run_tells_nothing(pruned: Suite, arguments: list[str]) -> None:
    pruned.write(
        conftest="""
        def pytest_addoption(parser):
            parser.addoption("--fail"); parser.addoption("--broken"); parser.addoption("--absent")
        """,
        shard="def pytest_collection_modifyitems(items): items[:] = items[::2]",
        test_0="""
        import pytest
        def test_fails(request): assert not request.config.getoption("--fail")
        """,
    )
    if "--broken=1" in arguments:
        pruned.write(test_c="import nothing_that_is_there")
        arguments = ["--continue-on-collection-errors"]
    if "--absent=1" in arguments:
        pruned.write(test_c="import pytest\npytest.importorskip('nothing_that_is_there')")
        arguments = []
    pruned.run(*arguments)

    result = llmlog("prune", "--yes")

    assert result.exit_code == 2
    assert "no record of a full run" in result.stderr
    assert GOLDEN.exists()


def test_what_was_written_since_or_is_no_golden_is_left(pruned: Suite) -> None:
    assert pruned.run().ret == 0
    later = time.time() + 60
    os.utime(GOLDEN, (later, later))
    others = [Path("goldens", "test_a", "notes.json"), Path("data", "old.json"), Path("goldens", "test_a", "torn.json")]
    for path, text in zip(others, ['{"a": 1}', GOLDEN.read_text(), GOLDEN.read_text()[:-30]], strict=True):
        old(path, text)

    result = llmlog("prune", "--yes")

    assert result.stdout == f"left, newer than the run: {GOLDEN}\n0 deleted\n"
    assert GOLDEN.exists()
    assert all(path.exists() for path in others)


def test_goldens_of_a_folder_of_their_own(pruned: Suite) -> None:
    pruned.ini("llmlog_golden_dir = kept")
    gone = Path("kept", "test_a", "test_gone.json")
    old(gone, GOLDEN.read_text())
    assert pruned.run().ret == 0

    assert llmlog("prune", "--yes").stdout == f"deleted: {gone}\n1 deleted\n"
    assert GOLDEN.exists()
