"""Sort a ticket, answer it, look things up for it: one plain, one streamed and one tool call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal

from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

MODEL = "gpt-4o-mini"
PROMPTS = Path(__file__).parent / "prompts"
ORDERS = {17: "packed, leaves tomorrow", 42: "delivered on Monday"}

FIND_ORDER: Any = {
    "type": "function",
    "function": {
        "name": "find_order",
        "description": "Where an order is.",
        "parameters": {"type": "object", "properties": {"order_id": {"type": "integer"}}, "required": ["order_id"]},
    },
}


class Triage(BaseModel):
    """Who takes a ticket, and how soon."""

    team: Literal["it", "billing", "shipping"]
    priority: Literal["low", "normal", "high"]
    summary: str


@cache
def client() -> OpenAI:
    """The client, made from OPENAI_API_KEY and OPENAI_BASE_URL."""
    return OpenAI()


def prompt(name: str, **variables: str) -> str:
    """Fill a template of the prompts folder."""
    return (PROMPTS / f"{name}.txt").read_text(encoding="utf-8").strip().format(**variables)


def ask(question: str) -> str:
    """Answer a plain question."""
    messages: Any = [{"role": "user", "content": prompt("basic_question", user_input=question)}]
    return client().chat.completions.create(model=MODEL, messages=messages).choices[0].message.content or ""


def triage(ticket: str) -> Triage:
    """Sort a ticket."""
    messages: Any = [{"role": "user", "content": prompt("triage", ticket=ticket)}]
    answer = client().chat.completions.parse(model=MODEL, messages=messages, temperature=0, response_format=Triage)
    parsed = answer.choices[0].message.parsed
    assert parsed is not None
    return parsed


async def triage_all(tickets: list[str]) -> list[str]:
    """Name the team of each ticket, one after the other."""
    async with AsyncOpenAI() as asynchronous:
        teams = []
        for ticket in tickets:
            messages: Any = [{"role": "user", "content": prompt("triage", ticket=ticket)}]
            answer = await asynchronous.chat.completions.parse(model=MODEL, messages=messages, response_format=Triage)
            teams.append(answer.choices[0].message.parsed.team if answer.choices[0].message.parsed else "")
        return teams


def reply(customer: str, ticket: str) -> Iterator[str]:
    """Answer a ticket, piece by piece."""
    messages: Any = [{"role": "user", "content": prompt("reply", customer=customer, ticket=ticket)}]
    options: Any = {"stream": True, "stream_options": {"include_usage": True}}
    for chunk in client().chat.completions.create(model=MODEL, messages=messages, **options):
        if chunk.choices and chunk.choices[0].delta.content:
            yield chunk.choices[0].delta.content


def look_up(ticket: str) -> str:
    """Answer a ticket that needs an order's state: the model asks for it, we find it, the model answers."""
    messages: Any = [{"role": "user", "content": prompt("look_up", ticket=ticket)}]
    asked = client().chat.completions.create(model=MODEL, messages=messages, tools=[FIND_ORDER]).choices[0].message
    messages.append(asked.model_dump(exclude_none=True))
    for call in asked.tool_calls or []:
        assert call.type == "function"
        order = int(json.loads(call.function.arguments)["order_id"])
        messages.append({"role": "tool", "tool_call_id": call.id, "content": ORDERS.get(order, "unknown")})
    return client().chat.completions.create(model=MODEL, messages=messages, tools=[FIND_ORDER]).choices[0].message.content or ""
