"""What calls cost, in counted operations: the budgets stand beside the code that spends them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from conftest import Suite
from pytest_llmlog import session
from pytest_llmlog.intercept import exchange

ASKING = """
from pathlib import Path
import openai, pytest
from counted import counted

CALLS = 100
COUNTS = Path(__file__).with_name("counts.json")

def ask(client, number, **more):
    return client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": f"question {number}"}], **more)

def test_it(llmlog):
    client = openai.OpenAI(max_retries=0)
    for number in range(10):  # so that what is loaded and prepared once is there
        read(ask(client, number, **MORE))
    len(llmlog)
    with counted(CALLS, COUNTS):
        for number in range(CALLS):
            read(ask(client, number, **MORE))
        assert len(llmlog) == CALLS + 10
"""

WHOLE = f"MORE, read = {{}}, lambda answer: answer\n{ASKING}"
STREAMED = f"MORE, read = {{'stream': True}}, list\n{ASKING}"

EMPTY = """
import pytest
from pathlib import Path
from counted import counted

@pytest.fixture(scope="module", autouse=True)
def counting(request):
    with counted(100, Path(__file__).with_name("counts.json")):
        yield

@pytest.mark.parametrize("number", range(100))
def test_it(number):
    pass
"""


TESTS = Path(__file__).parent.parent


def _run(suite: Suite, source: str, mode: str) -> pytest.RunResult:
    suite.write(test_it=source)
    suite.ini(f"pythonpath = {TESTS}")
    return suite.replay_offline() if mode == "replay" else suite.run(f"--llmlog-mode={mode}")


def _within(suite: Suite, budget: Mapping[str, float]) -> None:
    counts = json.loads((suite.path / "counts.json").read_text())
    assert counts.keys() == budget.keys()
    assert {kind: count for kind, count in counts.items() if count > budget[kind]} == {}
    assert counts["functions"] > 0.7 * budget["functions"], "the budget has become too large"


@pytest.mark.parametrize(("source", "kind"), [(WHOLE, "recorded"), (STREAMED, "recorded stream")])
def test_a_recorded_call_costs_what_it_may(suite: Suite, source: str, kind: str) -> None:
    _run(suite, source, "record").assert_outcomes(passed=1)
    _within(suite, exchange.COSTS[kind])


@pytest.mark.parametrize(("source", "kind"), [(WHOLE, "replayed"), (STREAMED, "replayed stream")])
def test_a_replayed_call_costs_what_it_may(suite: Suite, source: str, kind: str) -> None:
    _run(suite, source, "record").assert_outcomes(passed=1)
    _run(suite, source, "replay").assert_outcomes(passed=1)
    _within(suite, exchange.COSTS[kind])


def test_a_test_without_calls_costs_what_it_may(suite: Suite) -> None:
    _run(suite, EMPTY, "auto").assert_outcomes(passed=100)
    _within(suite, session.COSTS)
