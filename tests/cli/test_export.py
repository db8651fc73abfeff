"""``llmlog export``: the log in the words of others, to files and over real connections, and on after a kill."""

from __future__ import annotations

import csv
import http.server
import io
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import vcr
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from logs import BEGIN, failure, lines, llmlog, record, write
from pytest_llmlog.log import LogWriter
from pytest_llmlog.query import rows, sources
from pytest_llmlog.query.columns import COLUMNS
from pytest_llmlog.shipping import openai_files, otel

ASKED = [
    {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
    {"role": "user", "parts": [{"type": "text", "content": "Fire?"}]},
]
TOOL = {"type": "tool_call", "id": "t1", "name": "open_ticket", "arguments": {"team": "it"}}
CALL = record(
    0, prompt="system: Be brief.\n\nuser: Fire?", messages=ASKED, response="No.", finish_reasons=["stop"], params={"temperature": 0.5, "max_tokens": 9},
    response_messages=[{"role": "assistant", "parts": [{"type": "text", "content": "No."}]}], response_model="gpt-4o-2024", response_id="resp-1",
    usage={"input": 8, "output": 2, "total": 10, "cached_input": 4, "reasoning_output": 1}, cost_usd=0.25, latency_seconds=1.5, prompt_template="triage",
    time_to_first_chunk_seconds=0.25, server_address="api.openai.com:443", http_status=200, session_id="chat-7", test_id="test_a.py::test_a",
    trace_id="1" * 32, span_id="2" * 16, input={"ticket": "fire"}, labels={"team": "it"}, stream=True,
)  # fmt: skip
CALLED = record(
    1,
    messages=[
        *ASKED,
        {"role": "assistant", "parts": [TOOL]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "t1", "response": {"ok": True}}]},
    ],
    response_messages=[{"role": "assistant", "parts": [TOOL]}],
)
FAILED = failure(2, messages=ASKED, http_status=429, error_code=7, latency_seconds=0.125)
CALLS = [CALL, CALLED, FAILED]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "calls.log", *CALLS)


def exported(path: Path, to: str) -> list[dict[str, Any]]:
    result = llmlog("export", "--to", to, path)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_ecs(path: Path) -> None:
    first, _, failed = exported(path, "ecs")

    assert first["@timestamp"] == CALL["timestamp"]
    assert first["event"] == {
        "id": CALL["request_id"], "kind": "event", "dataset": "llmlog", "action": "llm.call", "outcome": "success", "duration": 1_500_000_000,
    }  # fmt: skip
    assert first["gen_ai"]["usage"] == {"input_tokens": 8, "output_tokens": 2}
    assert (first["trace"], first["http"]["response"]["status_code"]) == ({"id": "1" * 32}, 200)
    assert (first["llmlog"]["prompt_template"], first["llmlog"]["input"]) == ("triage", '{"ticket": "fire"}')
    assert failed["error"] == {"type": "RateLimitError", "message": "Too many requests", "code": "7"}
    assert (failed["log"]["level"], failed["event"]["outcome"]) == ("error", "failure")


def test_datadog(path: Path) -> None:
    first, _, failed = exported(path, "datadog")

    assert (first["ddsource"], first["status"], first["duration"], first["dd"]["trace_id"]) == (
        "llmlog",
        "info",
        1_500_000_000,
        "1" * 32,
    )
    assert first["llmlog"]["usage"]["input"] == 8
    assert (failed["status"], failed["error"]) == ("error", {"kind": "RateLimitError", "message": "Too many requests"})


ASKED_CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Fire?"}]
TOOL_CHAT = {"id": "t1", "type": "function", "function": {"name": "open_ticket", "arguments": '{"team": "it"}'}}


def test_openai_training_files_hold_conversations_that_were_answered(path: Path) -> None:
    first, second = exported(path, "openai-jsonl")

    assert first == {"messages": [*ASKED_CHAT, {"role": "assistant", "content": "No."}]}
    assert second["messages"][2:] == [
        {"role": "assistant", "content": None, "tool_calls": [TOOL_CHAT]},
        {"role": "tool", "tool_call_id": "t1", "content": '{"ok": true}'},
        {"role": "assistant", "content": None, "tool_calls": [TOOL_CHAT]},
    ]


def test_openai_batches_ask_again(path: Path) -> None:
    found = exported(path, "openai-batch")

    assert [each["custom_id"] for each in found] == [call["request_id"] for call in CALLS]
    assert found[0]["body"] == {"model": "gpt-4o", "messages": ASKED_CHAT, "temperature": 0.5, "max_tokens": 9}
    assert {(each["method"], each["url"]) for each in found} == {("POST", "/v1/chat/completions")}


GEMINI = [
    {"role": "user", "parts": [{"type": "text", "content": "Fire?"}]},
    {"role": "model", "parts": [{"type": "tool_call", "id": None, "name": name, "arguments": {}} for name in ("call", "wait")]},
    {"role": "user", "parts": [{"type": "tool_call_response", "id": name, "response": name} for name in ("wait", "call")]},
    {"role": "user", "parts": [{"type": "tool_call_response", "id": None, "response": "?"}, {"type": "text", "content": "Go on."}]},
]
"""As Gemini's messages are recorded: without ids of calls, the tool's name in an answer, another word for the assistant."""


@pytest.mark.parametrize("to", ["openai-jsonl", "openai-batch", "openai-stored"])
def test_what_other_providers_leave_out_is_there_for_openai(tmp_path: Path, to: str) -> None:
    path = write(
        tmp_path / "calls.log",
        record(messages=GEMINI, response_messages=[GEMINI[1]], params={"topK": 3, "seed": 5, "tool_choice": "auto"}),
    )

    (found,) = exported(path, to)
    user, asked, waited, called, unasked, more = (found["body"] if to == "openai-batch" else found)["messages"][:6]

    assert (user["role"], asked["role"], more) == ("user", "assistant", {"role": "user", "content": "Go on."})
    assert {call["function"]["name"]: call["id"] for call in asked["tool_calls"]} == {
        "call": called["tool_call_id"],
        "wait": waited["tool_call_id"],
    }
    assert (waited["content"], called["content"], unasked["content"]) == ("wait", "call", "?")
    if to == "openai-batch":
        assert set(found["body"]) == {"model", "messages", "seed"}


def test_a_batch_asks_the_api_that_was_asked(tmp_path: Path) -> None:
    call = {**CALLED, "operation": "responses", "params": {"max_output_tokens": 5}}

    (found,) = exported(write(tmp_path / "calls.log", call), "openai-batch")

    assert found["url"] == "/v1/responses"
    assert found["body"] == {
        "model": "gpt-4o", "max_output_tokens": 5,
        "input": [
            *ASKED_CHAT, {"type": "function_call", "call_id": "t1", "name": "open_ticket", "arguments": '{"team": "it"}'},
            {"type": "function_call_output", "call_id": "t1", "output": '{"ok": true}'},
        ],
    }  # fmt: skip


def test_all_items_of_a_response_are_one_answer(tmp_path: Path) -> None:
    said = [{"role": "assistant", "parts": [{"type": kind, "content": kind}]} for kind in ("reasoning", "text")]
    path = write(tmp_path / "calls.log", {**CALL, "operation": "responses", "response_messages": said})

    (example,), (completion,) = exported(path, "openai-jsonl"), exported(path, "openai-stored")

    assert example["messages"][-1] == {"role": "assistant", "content": "text"} == completion["choices"][0]["message"]
    assert len(completion["choices"]) == 1


def test_a_batch_has_only_parameters_that_the_api_knows() -> None:
    from openai.types.chat.completion_create_params import CompletionCreateParamsBase

    assert set(CompletionCreateParamsBase.__annotations__) >= openai_files.PARAMETERS | set(openai_files.OF_TOOLS)


def test_tools_are_asked_with_again_where_the_wire_has_them(tmp_path: Path) -> None:
    tools = [{"type": "function", "function": {"name": "open_ticket", "parameters": {}}}]
    wire = {"request": {"method": "POST", "url": "http://127.0.0.1/", "headers": {}, "body": {"json": {"tools": tools}}}}
    path = write(tmp_path / "calls.log", {**CALLED, "params": {"tool_choice": "required"}, "wire": wire})

    (again,), (example,) = exported(path, "openai-batch"), exported(path, "openai-jsonl")

    assert (again["body"]["tools"], again["body"]["tool_choice"], example["tools"]) == (tools, "required", tools)


@pytest.mark.parametrize(
    "fields",
    [
        {"truncated": {"messages": 300_000}},
        {"response_messages": [{"role": "assistant", "parts": [{"type": "reasoning", "content": "hm"}]}]},
    ],
)
def test_what_is_not_whole_or_says_nothing_trains_nobody(tmp_path: Path, fields: dict[str, Any]) -> None:
    assert exported(write(tmp_path / "calls.log", {**CALL, **fields}), "openai-jsonl") == []


def test_openai_stored_completions_are_what_its_client_reads(path: Path) -> None:
    from openai.types.chat import ChatCompletion

    first, second = (ChatCompletion.model_validate(each) for each in exported(path, "openai-stored"))

    assert (first.id, first.choices[0].message.content, first.choices[0].finish_reason) == ("resp-1", "No.", "stop")
    assert first.usage is not None
    assert first.usage.total_tokens == 10
    assert second.choices[0].message.tool_calls


def test_csv(path: Path) -> None:
    result = llmlog("export", "--to", "csv", path)

    first, *_ = csv.DictReader(io.StringIO(result.stdout))
    assert (first["request_id"], first["input_tokens"], first["finish_reasons"], first["stream"]) == (
        CALL["request_id"],
        "8",
        "stop",
        "true",
    )
    assert len(result.stdout.splitlines()) == 4 + CALL["prompt"].count("\n")


def test_parquet_is_what_compact_makes(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "calls.parquet"

    assert llmlog("export", "--to", "parquet", path, "-o", target).exit_code == 0
    assert path.exists()
    assert llmlog("stats", target, "--json").stdout == llmlog("stats", path, "--json").stdout


def test_vcr_is_what_vcrpy_replays(tmp_path: Path) -> None:
    import urllib.request

    wire = {
        "request": {"method": "POST", "url": "http://127.0.0.1:9/v1/chat/completions", "headers": {"content-type": "application/json"}, "body": {"json": {"a": 1}, "layout": "compact"}},
        "response": {"status": 200, "headers": {"content-type": "application/json"}, "body": {"json": {"b": "ü"}, "layout": "unicode-compact"}},
    }  # fmt: skip
    path, target = write(tmp_path / "calls.log", record(wire=wire), record()), tmp_path / "calls.yaml"

    result = llmlog("export", "--to", "vcr", path, "-o", target)

    assert result.stderr == "1 exported, 1 without their wire or an answer left out\n"
    with vcr.use_cassette(str(target), record_mode=vcr.mode.NONE, match_on=["method", "uri", "body"]):
        answer = urllib.request.urlopen(urllib.request.Request(wire["request"]["url"], b'{"a":1}'))
        assert json.loads(answer.read()) == {"b": "ü"}


class Receiver:
    """A server on loopback that keeps what it is sent."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.status = 200
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                receiver.requests.append((self.path, dict(self.headers.items()), body))
                self.send_response(receiver.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def sent(self, path: str) -> list[bytes]:
        return [body for where, _, body in self.requests if where == path]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()
    made.thread.join()


def value(found: Any) -> Any:
    kind = found.WhichOneof("value")
    return [value(each) for each in found.array_value.values] if kind == "array_value" else getattr(found, kind)


def attributes(found: Any) -> dict[str, Any]:
    return {each.key: value(each.value) for each in found.attributes}


def spans(receiver: Receiver) -> list[Any]:
    requests = map(ExportTraceServiceRequest.FromString, receiver.sent("/v1/traces"))
    return [
        span
        for request in requests
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def send(receiver: Receiver, path: Path, to: str, *arguments: str) -> None:
    result = llmlog("export", "--to", to, "--endpoint", receiver.url, path, *arguments)
    assert (result.exit_code, result.stderr) == (0, "3 exported\n")


def test_otlp_spans_carry_the_gen_ai_conventions(path: Path, receiver: Receiver) -> None:
    send(receiver, path, "otlp")

    first, second, failed = spans(receiver)
    assert (first.name, first.kind, first.trace_id.hex(), first.parent_span_id.hex()) == ("chat gpt-4o", 3, "1" * 32, "2" * 16)
    assert first.start_time_unix_nano == 1_772_000_000_000_000_000
    assert first.end_time_unix_nano - first.start_time_unix_nano == 1_500_000_000
    found = attributes(first)
    assert json.loads(found.pop("gen_ai.input.messages")) == ASKED
    assert json.loads(found.pop("gen_ai.output.messages")) == CALL["response_messages"]
    assert {name: value for name, value in found.items() if not name.startswith("llmlog.")} == {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o", "gen_ai.response.model": "gpt-4o-2024",
        "server.address": "api.openai.com", "server.port": 443, "gen_ai.conversation.id": "chat-7", "gen_ai.prompt.name": "triage",
        "gen_ai.response.id": "resp-1", "gen_ai.response.finish_reasons": ["stop"], "gen_ai.response.time_to_first_chunk": 0.25,
        "gen_ai.request.stream": True, "gen_ai.usage.input_tokens": 8, "gen_ai.usage.output_tokens": 2, "gen_ai.usage.cache_read.input_tokens": 4,
        "gen_ai.usage.reasoning.output_tokens": 1, "gen_ai.request.temperature": 0.5, "gen_ai.request.max_tokens": 9,
    }  # fmt: skip
    assert found["llmlog.cost_usd"] == 0.25
    assert second.trace_id != failed.trace_id
    assert (failed.status.code, failed.status.message, attributes(failed)["error.type"]) == (
        2,
        "Too many requests",
        "RateLimitError",
    )
    (request,) = map(ExportTraceServiceRequest.FromString, receiver.sent("/v1/traces"))
    assert (
        request.resource_spans[0].scope_spans[0].schema_url == f"https://opentelemetry.io/schemas/{otel.SEMCONV}" == otel.SCHEMA_URL
    )


def test_the_names_are_those_of_the_convention() -> None:
    from opentelemetry.semconv._incubating.attributes import gen_ai_attributes

    known = {value for name, value in vars(gen_ai_attributes).items() if name.startswith("GEN_AI_") and isinstance(value, str)}

    assert {name for name in otel.gen_ai(CALL) if name.startswith("gen_ai.")} <= known
    assert {f"gen_ai.request.{name}" for name in otel.PARAMS.values()} <= known


def test_parameters_have_the_type_of_the_convention(tmp_path: Path, receiver: Receiver) -> None:
    path = write(tmp_path / "calls.log", record(params={"temperature": 1, "top_k": 4, "max_tokens": 9, "seed": True}))

    assert llmlog("export", "--to", "otlp", path, "--endpoint", receiver.url).exit_code == 0
    (span,) = spans(receiver)

    kinds = {each.key: each.value.WhichOneof("value") for each in span.attributes if each.key.startswith("gen_ai.request.")}
    assert kinds == {
        "gen_ai.request.model": "string_value", "gen_ai.request.stream": "bool_value", "gen_ai.request.temperature": "double_value",
        "gen_ai.request.top_k": "double_value", "gen_ai.request.max_tokens": "int_value",
    }  # fmt: skip


def test_otlp_metrics_are_histograms_of_durations_and_tokens(path: Path, receiver: Receiver) -> None:
    send(receiver, path, "otlp")

    (request,) = map(ExportMetricsServiceRequest.FromString, receiver.sent("/v1/metrics"))
    found = {metric.name: metric for metric in request.resource_metrics[0].scope_metrics[0].metrics}
    duration, tokens = found["gen_ai.client.operation.duration"], found["gen_ai.client.token.usage"]
    assert (duration.unit, tokens.unit) == ("s", "{token}")
    assert sum(point.count for point in duration.histogram.data_points) == 3
    assert sum(point.sum for point in duration.histogram.data_points) == pytest.approx(1.5 + 1.0 + 0.125)
    assert duration.histogram.aggregation_temporality == 1
    assert {attributes(point)["gen_ai.token.type"]: point.sum for point in tokens.histogram.data_points} == {
        "input": 8,
        "output": 2,
    }


def test_openinference_and_langfuse_spans(path: Path, receiver: Receiver) -> None:
    send(receiver, path, "openinference")
    first, called, _ = map(attributes, spans(receiver))
    receiver.requests.clear()
    send(receiver, path, "langfuse", "--header", "x-langfuse-ingestion-version=4")
    generation, _, failed = map(attributes, spans(receiver))

    assert (first["openinference.span.kind"], first["llm.token_count.prompt"], first["output.value"]) == ("LLM", 8, "No.")
    assert first["llm.input_messages.1.message.content"] == "Fire?"
    assert called["llm.output_messages.0.message.tool_calls.0.tool_call.function.name"] == "open_ticket"
    assert generation["langfuse.observation.type"] == "generation"
    assert json.loads(generation["langfuse.observation.usage_details"]) == {"input": 8, "output": 2, "total": 10}
    assert failed["langfuse.observation.level"] == "ERROR"
    assert receiver.requests[0][1]["x-langfuse-ingestion-version"] == "4"
    assert receiver.sent("/v1/metrics") == []


def test_a_batch_sent_twice_has_the_same_ids(path: Path, receiver: Receiver) -> None:
    send(receiver, path, "otlp")
    send(receiver, path, "otlp")

    ids = [span.span_id for span in spans(receiver)]
    assert ids[:3] == ids[3:]
    assert len(set(ids)) == 3


@pytest.mark.parametrize("to", ["otlp", "clickhouse"])
def test_what_is_not_taken_is_sent_again_from_there(path: Path, receiver: Receiver, tmp_path: Path, to: str) -> None:
    state = tmp_path / "state"
    receiver.status = 400
    refused = llmlog("export", "--to", to, "--endpoint", receiver.url, path, "--state", state)
    receiver.status = 200
    receiver.requests.clear()
    taken = llmlog("export", "--to", to, "--endpoint", receiver.url, path, "--state", state)
    again = llmlog("export", "--to", to, "--endpoint", receiver.url, path, "--state", state)

    assert refused.exit_code == 2
    assert f"--to {to}" in refused.stderr
    assert (taken.stderr, again.stderr) == ("3 exported\n", "0 exported\n")


def test_clickhouse_takes_what_is_sent(path: Path, receiver: Receiver) -> None:
    send(receiver, path, "clickhouse")

    queries = [(parse_qs(urlsplit(where).query)["query"][0], body) for where, _, body in receiver.requests]
    source = (
        "import json, sys; from chdb import session; ask = session.Session(); ask.query('CREATE DATABASE d ENGINE = Atomic'); ask.query('USE d')\n"
        "for query in json.load(sys.stdin): ask.query(query)\n"
        "print(ask.query('SELECT * FROM llm_interactions ORDER BY timestamp', 'JSONEachRow'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", source],
        input=json.dumps([f"{query}\n{body.decode()}" for query, body in queries]),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found = [json.loads(line) for line in done.stdout.splitlines() if line]
    wanted = rows.Plan(COLUMNS.values()).rows(sources.expand([str(path)]), sources.Damage())
    getters = {name: rows.getter(column) for name, column in COLUMNS.items()}
    assert found == [{name: get(row) for name, get in getters.items()} for row in wanted]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--to", "clickhouse"], "--to clickhouse: give --endpoint"),
        (["--to", "clickhouse", "--endpoint", "ftp://a"], "--endpoint: expected http://host:8123"),
        (["--to", "vcr"], "give -o FILE"),
        (["--to", "parquet", "-o", "new", "--where", "tokens > 1"], "--to parquet: name one log that is a file, without --where"),
        (["--to", "parquet", "-o", "new", "calls.log", "-"], "--to parquet: name one log"),
        (["--to", "vcr", "--follow", "-o", "x"], "--to vcr writes one whole file"),
        (["--to", "ecs", "-o", "calls.log"], "calls.log: is there already"),
        (["--to", "ecs", "-o", "new", "--state", "calls.log"], "calls.log: is no state of an export"),
        (["--to", "otlp", "--header", "a"], "expected NAME=VALUE"),
    ],
)
def test_a_wrong_use_is_explained(path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], text: str) -> None:
    monkeypatch.chdir(path.parent)

    result = llmlog("export", "calls.log", *arguments)

    assert result.exit_code == 2
    assert text in result.stderr
    assert path.read_bytes() == lines(CALLS)


def test_a_log_is_followed_through_rotations_and_kills_without_loss_or_double(tmp_path: Path) -> None:
    """The export is killed again and again, with no chance to clean up, while the log is written and rotated."""
    path, output, state = tmp_path / "calls.log", tmp_path / "out.jsonl", tmp_path / "state"
    chance, total = random.Random(3), 4000
    command = [
        sys.executable, "-c", "from pytest_llmlog.cli import main; main()", "export", "--to", "ecs", "--follow", str(path),
        "-o", str(output), "--state", str(state),
    ]  # fmt: skip
    written = threading.Event()

    def produce() -> None:
        writer = LogWriter(path)
        for number in range(total):
            writer.write(lines([record(time.time() - BEGIN)]))
            if number % 1300 == 1299:
                path.rename(tmp_path / f"calls.log.{number}")
            if number % 20 == 0:
                time.sleep(0.01)
        writer.close()
        written.set()

    producer = threading.Thread(target=produce)
    first = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while not state.exists():
        time.sleep(0.01)
    producer.start()
    first.kill()
    first.wait(10)
    kills = 0
    while not written.is_set() or kills < 4:
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.4, 1.2))
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        kills += 1
    producer.join()

    last = llmlog("export", "--to", "ecs", path, "-o", output, "--state", state)

    assert last.exit_code == 0, last.output
    sent = [json.loads(line)["event"]["id"] for line in output.read_text().splitlines()]
    made = [
        json.loads(line)["request_id"]
        for each in [*sorted(tmp_path.glob("calls.log.*"), key=lambda each: int(each.suffix[1:])), path]
        for line in each.read_text().splitlines()
    ]
    assert len(made) == total
    assert sent == made


def test_sigterm_ends_an_export_in_order(tmp_path: Path) -> None:
    path = write(tmp_path / "calls.log", *CALLS)
    process = subprocess.Popen(
        [sys.executable, "-c", "from pytest_llmlog.cli import main; main()", "export", "--to", "ecs", "--follow", str(path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    for _ in CALLS:
        process.stdout.readline()

    process.terminate()

    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (130, b"3 exported\n")
