"""The application's tests. They replay ``goldens/``, so they need no key and no network."""

from __future__ import annotations

import asyncio

import pytest

from pytest_llmlog import Calls
from triage import app


def test_ask(llmlog: Calls) -> None:
    assert "general patterns" in app.ask("How do LLMs differ from traditional ML?")
    call = llmlog[-1]
    assert (call.prompt_template, call.input) == ("basic_question", "How do LLMs differ from traditional ML?")
    assert call.tokens == 78


@pytest.mark.parametrize(
    ("ticket", "team"), [("The printer is on fire, please send IT", "it"), ("My billing address is wrong", "billing")]
)
def test_triage(llmlog: Calls, ticket: str, team: str) -> None:
    assert app.triage(ticket).team == team
    assert llmlog.response_json()["team"] == team
    assert llmlog[-1].prompt_template == "triage"


def test_triage_all(llmlog: Calls) -> None:
    assert asyncio.run(app.triage_all(["The shipping label is torn", "A question about billing"])) == ["shipping", "billing"]
    assert len(llmlog) == 2


def test_reply(llmlog: Calls) -> None:
    pieces = list(app.reply("Ada", "My parcel is late."))
    assert len(pieces) > 5
    assert llmlog[-1].stream
    assert llmlog[-1].response == "".join(pieces)
    assert llmlog[-1].input == {"customer": "Ada", "ticket": "My parcel is late."}


def test_look_up(llmlog: Calls) -> None:
    assert "delivered on Monday" in app.look_up("Where is order 42?")
    asked, answered = llmlog
    assert [(call.name, call.arguments) for call in asked.tool_calls] == [("find_order", {"order_id": 42})]
    assert answered.finish_reasons == ("stop",)
