"""A suite of tests about a support desk, run twice: recorded, and then live with what a pull request changed."""

import json
import os
import time

import openai
import pytest

import pytest_llmlog

CHANGED = bool(os.environ.get("CHANGED"))
HOSTILE = (
    "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    "<!--<script> \x1b[31mred\x1b[0m \u202egnp.exe @everyone `code` | pipe\n::error::owned\n```\n# heading"
)
TRIAGE = "You triage tickets of a support desk. Name the team in JSON.\n\nTicket: {ticket}"
TRIAGE_CHANGED = "You triage tickets of our support desk. Name the one team that helps, in JSON.\n\nTicket: {ticket}"
TOOL = {
    "type": "function",
    "function": {
        "name": "open_ticket",
        "parameters": {
            "type": "object",
            "properties": {"team": {"type": "string", "enum": ["it", "billing"]}, "note": {"type": "string"}},
        },
    },
}


def chat(model, *messages, **more):
    client = openai.OpenAI(max_retries=1)
    asked = [{"role": role, "content": content} for role, content in messages]
    return client.chat.completions.create(model=model, messages=asked, **more)


@pytest.mark.llmlog(regress={"input_tokens": "0", "response": True})
@pytest.mark.parametrize("ticket", ["The printer is on fire", "My invoice is wrong", "I cannot sign in since Monday"])
def test_triage(llmlog, ticket):
    template = TRIAGE_CHANGED if CHANGED and "printer" in ticket else TRIAGE
    chat("gpt-4o-mini", ("user", llmlog.render("triage", template, ticket=ticket)), temperature=0)


@pytest.mark.llmlog(max_tokens=60)
def test_summary_is_short():
    text = "Summarise for the customer, in two sentences: the printer was on fire, the fire is out, a new printer is on its way."
    chat(
        "gpt-4o", ("system", "You are brief and friendly."), ("user", text + " Apologise, and tell what comes next." * 4 * CHANGED)
    )


@pytest.mark.llmlog(regress={"input_tokens": "0"})
def test_answer_streams(llmlog):
    with llmlog.context(prompt_template="answer", labels={"team": "support"}):
        stream = chat(
            "gpt-4o" if CHANGED else "gpt-4o-mini",
            ("system", "Answer as a support engineer."), ("user", "How do LLMs differ from traditional ML?"),
            stream=True, stream_options={"include_usage": True},
        )  # fmt: skip
        for chunk in stream:
            assert chunk.object


def test_tool_opens_a_ticket():
    asked = [("user", "The printer is on fire, open_ticket for it please")]
    first = chat("gpt-4o", *asked, tools=[TOOL])
    call = first.choices[0].message.tool_calls[0]
    client = openai.OpenAI()
    client.chat.completions.create(
        model="gpt-4o",
        messages=[{"role": "user", "content": asked[0][1]}, first.choices[0].message.model_dump(exclude_none=True),
                  {"role": "tool", "tool_call_id": call.id, "content": json.dumps({"ticket": 4711})}],
        tools=[TOOL],
    )  # fmt: skip


def test_knowledge_base_is_embedded():
    openai.OpenAI().embeddings.create(model="text-embedding-3-small", input=["printers", "invoices"])


def test_a_hostile_customer_is_quoted():
    chat("gpt-4o-mini", ("user", HOSTILE + (" again" if CHANGED else "")))


def test_unknown_model_is_told():
    with pytest.raises(openai.BadRequestError):
        chat("gpt-4o", ("user", "Are you there?"), n=129)


@pytest.mark.skipif(not CHANGED, reason="new")
def test_languages():
    for text in ("שלום, המדפסת בוערת", "プリンターが燃えています。助けてください。", "L’imprimante brûle 🔥👩‍🚒"):
        with pytest_llmlog.context(prompt_template="translate", input=text):
            chat("gpt-4o-mini", ("user", f"Translate to English: {text}"))
            time.sleep(0.01)
