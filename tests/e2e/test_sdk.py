"""Every kind of call of the openai SDK: recorded against the server, replayed without it, equal in what the SDK returns."""

from __future__ import annotations

import json

import pytest

from conftest import Suite

PREAMBLE = '''
import asyncio, json, os, pathlib
import openai, pydantic, pytest

TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}
    for name in ("weather", "news")
]
FLAT_TOOLS = [{"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}, "strict": False}]
QUESTION = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why is the sky blue in Überlingen?"}]
PIXEL = "data:image/png;base64,iVBORw0KGgo="

class Ticket(pydantic.BaseModel):
    team: str
    urgent: bool
    count: int

def plain(value):
    """What the SDK returned, as JSON: types, ids, texts, tool calls, usage, the sequence of chunks."""
    if isinstance(value, pydantic.BaseModel):
        return {"type": type(value).__name__, **value.model_dump(mode="json")}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value

def keep(name, value):
    path = pathlib.Path(os.environ["RESULTS"]) / f"{name}.json"
    path.write_text(json.dumps(plain(value), indent=1))
'''

CASES = {
    "chat": "client.chat.completions.create(model='gpt-4o', messages=QUESTION, temperature=0, seed=7)",
    "chat_n": "client.chat.completions.create(model='gpt-4o', messages=QUESTION, n=3)",
    "chat_tools": "client.chat.completions.create(model='gpt-4o', messages=[{'role': 'user', 'content': 'call weather'}], tools=TOOLS)",
    "chat_parallel_tools": "client.chat.completions.create(model='gpt-4o', messages=[{'role': 'user', 'content': 'weather and news'}], tools=TOOLS)",
    "chat_parse": "client.chat.completions.parse(model='gpt-4o', messages=QUESTION, response_format=Ticket)",
    "chat_image": "client.chat.completions.create(model='gpt-4o', messages=[{'role': 'user', 'content': "
    "[{'type': 'text', 'text': 'What is this?'}, {'type': 'image_url', 'image_url': {'url': PIXEL}}]}])",
    "responses": "client.responses.create(model='gpt-4o', instructions='Be brief.', input='Why?')",
    "responses_tools": "client.responses.create(model='gpt-4o', input='the weather please', tools=FLAT_TOOLS)",
    "responses_reasoning": "client.responses.create(model='o4-mini', input='Why?', reasoning={'effort': 'low'})",
    "embeddings": "client.embeddings.create(model='text-embedding-3-small', input=['one', 'two'])",
    "moderations": "client.moderations.create(model='omni-moderation-latest', input='a plain text')",
    "images": "client.images.generate(model='gpt-image-1', prompt='a grey pixel')",
    "transcription": "client.audio.transcriptions.create(model='whisper-1', file=('a.wav', b'RIFF' + bytes(range(256)), 'audio/wav'))",
    "completions": "client.completions.create(model='gpt-3.5-turbo-instruct', prompt='Once upon')",
}

STREAMS = {
    "chat_stream": "client.chat.completions.create(model='gpt-4o', messages=QUESTION, stream=True)",
    "chat_stream_usage": "client.chat.completions.create(model='gpt-4o', messages=QUESTION, stream=True, stream_options={'include_usage': True})",
    "chat_stream_tools": "client.chat.completions.create(model='gpt-4o', messages=[{'role': 'user', 'content': 'weather and news'}], tools=TOOLS, stream=True)",
    "responses_stream": "client.responses.create(model='gpt-4o', input='Why?', stream=True)",
    "completions_stream": "client.completions.create(model='gpt-3.5-turbo-instruct', prompt='Once upon', stream=True)",
}

RAW = """
def test_raw():
    raw = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=QUESTION)
    keep("raw", [raw.status_code, raw.headers["x-request-id"], raw.http_response.text, raw.parse()])

def test_streaming_response():
    with client.chat.completions.with_streaming_response.create(model="gpt-4o", messages=QUESTION) as response:
        keep("streaming_lines", list(response.iter_lines()))
    with client.chat.completions.with_streaming_response.create(model="gpt-4o", messages=QUESTION, stream=True) as response:
        keep("streaming_bytes", list(response.iter_bytes()))

def test_stream_helper():
    with client.chat.completions.stream(model="gpt-4o", messages=QUESTION) as stream:
        keep("helper", [event.type for event in stream])
        keep("helper_final", stream.get_final_completion())

def test_azure():
    base = os.environ["OPENAI_BASE_URL"].removesuffix("/v1")
    azure = openai.AzureOpenAI(azure_endpoint=base, api_version="2024-10-21", api_key="azure-key-0123456789", azure_deployment="my-gpt")
    keep("azure", azure.chat.completions.create(model="gpt-4o", messages=QUESTION))
"""


def _source(asynchronous: bool) -> str:
    lines = [PREAMBLE]
    if not asynchronous:
        lines.append("client = openai.OpenAI()")
        lines += [
            f"def test_{name}(llmlog):\n    keep('{name}', {call})\n    assert len(llmlog) == 1" for name, call in CASES.items()
        ]
        lines += [
            f"def test_{name}(llmlog):\n    keep('{name}', list({call}))\n    assert len(llmlog) == 1"
            for name, call in STREAMS.items()
        ]
        return "\n\n".join([*lines, RAW])
    body = "\n\ndef test_{name}(llmlog):\n    async def run():\n        async with openai.AsyncOpenAI() as client:\n            {code}\n    asyncio.run(run())\n    assert len(llmlog) == 1"
    for name, call in CASES.items():
        lines.append(body.format(name=name, code=f"keep('{name}', await {call})"))
    for name, call in STREAMS.items():
        lines.append(body.format(name=name, code=f"keep('{name}', [chunk async for chunk in await {call}])"))
    return "\n\n".join(lines)


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_what_is_recorded_replays_without_the_server_equal_in_every_field(suite: Suite, asynchronous: bool) -> None:
    suite.write(test_calls=_source(asynchronous))
    recorded, replayed = suite.path / "recorded", suite.path / "replayed"
    recorded.mkdir()
    replayed.mkdir()
    count = len(CASES) + len(STREAMS) + (0 if asynchronous else 4)
    suite.run("--llmlog-mode=record", RESULTS=str(recorded)).assert_outcomes(passed=count)
    assert suite.server is not None
    connections = suite.server.connections

    suite.run("--llmlog-mode=replay", RESULTS=str(replayed), OPENAI_API_KEY=None).assert_outcomes(passed=count)

    assert suite.server.connections == connections
    names = sorted(path.name for path in recorded.iterdir())
    assert len(names) >= count
    for name in names:
        assert json.loads((replayed / name).read_text()) == json.loads((recorded / name).read_text()), name
    first, second = _split(suite)
    assert len(first) == len(second)
    for live, replay in zip(first, second, strict=True):
        assert (live["source"], replay["source"]) == ("live", "replay")
        same = set(live) - {"timestamp", "request_id", "run_id", "source"}
        assert {name: live[name] for name in same} == {name: replay.get(name) for name in same}


def _split(suite: Suite) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    records = suite.records()
    return [r for r in records if r["source"] == "live"], [r for r in records if r["source"] == "replay"]


def test_records_say_what_the_calls_were(suite: Suite) -> None:
    results = suite.path / "results"
    results.mkdir()
    suite.write(test_calls=_source(False))
    suite.run("--llmlog-mode=record", RESULTS=str(results)).assert_outcomes(passed=len(CASES) + len(STREAMS) + 4)
    made = {record["test_id"].partition("::test_")[2]: record for record in suite.records()}

    chat = made["chat"]
    assert (chat["provider"], chat["operation"], chat["model"], chat["stream"]) == ("openai", "chat", "gpt-4o", False)
    assert chat["prompt"] == "system: Be brief.\n\nuser: Why is the sky blue in Überlingen?"
    assert chat["params"] == {"seed": 7, "temperature": 0}
    assert chat["usage"]["total"] == chat["tokens"] == chat["usage"]["input"] + chat["usage"]["output"]
    assert chat["cost_usd"] > 0
    assert chat["finish_reasons"] == ["stop"]
    assert made["chat_n"]["response"].count("\n") == 2
    assert [call["name"] for call in made["chat_parallel_tools"]["tool_calls"]] == ["weather", "news"]
    assert made["chat_stream_tools"]["tool_calls"] == made["chat_parallel_tools"]["tool_calls"]
    assert made["chat_tools"]["tools"] == ["weather", "news"]
    assert made["chat_image"]["messages"][0]["parts"][1]["type"] == "blob"
    assert made["chat_stream"]["response"] == chat["response"]
    assert made["chat_stream"]["tokens"] is None
    assert "include_usage" in made["chat_stream"]["usage_missing"]
    assert made["chat_stream_usage"]["tokens"] == chat["tokens"]
    assert made["responses"]["response"] == made["responses_stream"]["response"]
    assert made["responses"]["finish_reasons"] == ["completed"]
    assert made["responses_tools"]["tool_calls"][0]["name"] == "weather"
    assert made["responses_reasoning"]["usage"]["reasoning_output"] == 64
    assert made["embeddings"]["usage"]["output"] is None
    assert made["embeddings"]["prompt"] == "one\ntwo"
    assert made["moderations"]["operation"] == "moderation"
    assert made["images"]["prompt"] == "a grey pixel"
    assert made["transcription"]["model"] == "whisper-1"
    assert made["transcription"]["response"] == "A recording, sent with file and model."
    assert (made["azure"]["provider"], made["azure"]["model"]) == ("azure.ai.openai", "gpt-4o")
    assert "sk-standin" not in suite.log.read_text()
    assert "azure-key-0123456789" not in suite.log.read_text()
