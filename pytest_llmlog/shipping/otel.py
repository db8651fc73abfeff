"""Records as OpenTelemetry spans and metrics, and as the spans of OpenInference and Langfuse, over OTLP."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from pytest_llmlog.errors import ConfigError
from pytest_llmlog.shipping.formats import Record, begin

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricsData
    from opentelemetry.sdk.trace import ReadableSpan

SEMCONV = "1.44.0"
"""Version of the OpenTelemetry semantic conventions for generative AI whose names are used."""

SCHEMA_URL = f"https://opentelemetry.io/schemas/{SEMCONV}"

PROVIDERS = {"mistral": "mistral_ai", "xai": "x_ai"}

OPERATIONS = {"responses": "chat", "chat": "chat", "text_completion": "text_completion", "embeddings": "embeddings"}
"""Our operations under the conventions' well-known names; others keep ours."""

PARAMS = {
    "temperature": "temperature", "top_p": "top_p", "top_k": "top_k", "max_tokens": "max_tokens", "max_completion_tokens": "max_tokens",
    "max_output_tokens": "max_tokens", "frequency_penalty": "frequency_penalty", "presence_penalty": "presence_penalty", "seed": "seed", "n": "choice.count",
}  # fmt: skip
"""Parameters of requests, and their names below ``gen_ai.request``."""

DOUBLES = frozenset({"temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty"})
"""Parameters that are of type double there, whatever a request has: one attribute of two types breaks a backend's mapping."""

Attributes = dict[str, Any]


def _json(value: Any) -> str | None:
    return None if not value else json.dumps(value, ensure_ascii=False)


def known(attributes: Mapping[str, Any]) -> Attributes:
    """Attributes without what is unknown."""
    return {name: value for name, value in attributes.items() if value is not None}


def _server(record: Record) -> Attributes:
    host, _, port = str(record.get("server_address") or "").rpartition(":")
    return {"server.address": host, "server.port": int(port)} if host and port.isdigit() else {}


def _identity(record: Record) -> Attributes:
    """What spans and metrics have in common."""
    operation, provider = str(record.get("operation")), record.get("provider")
    return known({
        "gen_ai.operation.name": OPERATIONS.get(operation, operation),
        "gen_ai.provider.name": PROVIDERS.get(str(provider), provider),
        "gen_ai.request.model": record.get("model"),
        "gen_ai.response.model": record.get("response_model"),
        **_server(record),
        "error.type": _error_type(record),
    })  # fmt: skip


def _error_type(record: Record) -> str | None:
    return str(record.get("error_type") or record.get("http_status") or "_OTHER") if record.get("status") == "failure" else None


def _own(record: Record) -> Attributes:
    names = ("request_id", "run_id", "test_id", "prompt_hash", "request_hash", "source", "attempt", "cost_usd", "prompt_template")
    return known({f"llmlog.{name}": record.get(name) for name in names})


def gen_ai(record: Record) -> Attributes:
    """The attributes of a span by the semantic conventions."""
    usage, params = record.get("usage") or {}, record.get("params") or {}
    asked = {
        f"gen_ai.request.{PARAMS[name]}": float(value) if name in DOUBLES else value
        for name, value in params.items()
        if name in PARAMS and isinstance(value, (int, float)) and not isinstance(value, bool)
    }
    stops = params.get("stop") or params.get("stop_sequences")
    return {
        **_identity(record),
        **known({
            "gen_ai.conversation.id": record.get("session_id"),
            "gen_ai.prompt.name": record.get("prompt_template"),
            "gen_ai.response.id": record.get("response_id"),
            "gen_ai.response.finish_reasons": [str(each) for each in record.get("finish_reasons") or () if each] or None,
            "gen_ai.response.time_to_first_chunk": record.get("time_to_first_chunk_seconds"),
            "gen_ai.request.stream": record.get("stream"),
            "gen_ai.request.stop_sequences": [stops] if isinstance(stops, str) else stops or None,
            "gen_ai.usage.input_tokens": usage.get("input"),
            "gen_ai.usage.output_tokens": usage.get("output"),
            "gen_ai.usage.cache_read.input_tokens": usage.get("cached_input"),
            "gen_ai.usage.cache_creation.input_tokens": usage.get("cache_write_input"),
            "gen_ai.usage.reasoning.output_tokens": usage.get("reasoning_output"),
            "gen_ai.input.messages": _json(record.get("messages")),
            "gen_ai.output.messages": _json(record.get("response_messages")),
        }),
        **asked,
        **_own(record),
    }  # fmt: skip


def _flattened(name: str, messages: Sequence[Mapping[str, Any]]) -> Attributes:
    """OpenInference's messages: every field an attribute of its own, with the message's number in its name."""
    found: Attributes = {}
    for number, message in enumerate(messages):
        place = f"{name}.{number}.message"
        found[f"{place}.role"] = str(message.get("role"))
        texts = [str(part.get("content", "")) for part in message.get("parts", ()) if part.get("type") == "text"]
        found |= {f"{place}.content": "".join(texts)} if texts else {}
        calls = [part for part in message.get("parts", ()) if part.get("type") == "tool_call"]
        for index, call in enumerate(calls):
            called = f"{place}.tool_calls.{index}.tool_call"
            arguments = call.get("arguments")
            found |= known({
                f"{called}.id": call.get("id"),
                f"{called}.function.name": call.get("name"),
                f"{called}.function.arguments": arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False),
            })  # fmt: skip
    return found


def openinference(record: Record) -> Attributes:
    """The attributes of a span by OpenInference's conventions."""
    usage = record.get("usage") or {}
    template = record.get("prompt_template")
    variables = record.get("input")
    return {
        **known({
            "openinference.span.kind": "EMBEDDING" if record.get("operation") == "embeddings" else "LLM",
            "llm.system": record.get("provider"),
            "llm.provider": record.get("provider"),
            "llm.model_name": record.get("response_model") or record.get("model"),
            "llm.invocation_parameters": _json(record.get("params")),
            "llm.token_count.prompt": usage.get("input"),
            "llm.token_count.completion": usage.get("output"),
            "llm.token_count.total": record.get("tokens"),
            "llm.token_count.prompt_details.cache_read": usage.get("cached_input"),
            "llm.token_count.completion_details.reasoning": usage.get("reasoning_output"),
            "llm.cost.total": record.get("cost_usd"),
            "llm.prompt_template.version": record.get("template_version"),
            "llm.prompt_template.variables": _json(variables) if isinstance(variables, dict) else None,
            "input.value": record.get("prompt"),
            "input.mime_type": "text/plain",
            "output.value": record.get("response"),
            "output.mime_type": "text/plain" if record.get("response") is not None else None,
            "session.id": record.get("session_id"),
            "metadata": _json(known({"prompt_template": template, "test_id": record.get("test_id"), "run_id": record.get("run_id"), **(record.get("labels") or {})})),
        }),
        **_flattened("llm.input_messages", record.get("messages") or ()),
        **_flattened("llm.output_messages", record.get("response_messages") or ()),
    }  # fmt: skip


def langfuse(record: Record) -> Attributes:
    """The semantic conventions' attributes, and those that Langfuse reads beside them."""
    usage = record.get("usage") or {}
    cost = record.get("cost_usd")
    details = known({"input": usage.get("input"), "output": usage.get("output"), "total": record.get("tokens")})
    return {
        **gen_ai(record),
        **known({
            "langfuse.observation.type": "generation",
            "langfuse.observation.input": _json(record.get("messages")) or record.get("prompt"),
            "langfuse.observation.output": record.get("response"),
            "langfuse.observation.level": "ERROR" if record.get("status") == "failure" else None,
            "langfuse.observation.status_message": record.get("error"),
            "langfuse.observation.usage_details": _json(details),
            "langfuse.observation.cost_details": None if cost is None else json.dumps({"total": cost}),
            "langfuse.session.id": record.get("session_id"),
            "langfuse.observation.metadata.prompt_template": record.get("prompt_template"),
        }),
    }  # fmt: skip


STYLES: Mapping[str, Callable[[Record], Attributes]] = {"otlp": gen_ai, "openinference": openinference, "langfuse": langfuse}
"""Whose attributes spans have, by the name of the export."""


def _id(record: Record, size: int) -> int:
    """An id made of the record's own: sent twice, a span is still the same one."""
    return int.from_bytes(hashlib.blake2b(str(record.get("request_id")).encode(), digest_size=size).digest(), "big") or 1


@cache
def _version() -> str:
    return version("pytest-llmlog")


@cache
def _resource() -> Any:
    from opentelemetry.sdk.resources import Resource

    return Resource.create(
        {"service.name": "llmlog", "telemetry.distro.name": "pytest-llmlog", "telemetry.distro.version": _version()}
    )


def span(record: Record, attributes: Attributes) -> ReadableSpan:
    """A call as a span: a child of the one that was active when it was made, else a trace of its own."""
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

    trace_id = int(record["trace_id"], 16) if record.get("trace_id") else _id(record, 16)
    flags = TraceFlags(TraceFlags.SAMPLED)
    parent = SpanContext(trace_id, int(record["span_id"], 16), is_remote=True, trace_flags=flags) if record.get("span_id") else None
    start = round(begin(record).timestamp() * 1000) * 1_000_000
    failed = record.get("status") == "failure"
    name = f"{OPERATIONS.get(str(record.get('operation')), record.get('operation'))} {record.get('model') or ''}".strip()
    return ReadableSpan(
        name=name,
        context=SpanContext(trace_id, _id(record, 8), is_remote=False, trace_flags=flags),
        parent=parent,
        resource=_resource(),
        attributes=attributes,
        kind=SpanKind.CLIENT,
        instrumentation_scope=InstrumentationScope("pytest_llmlog", _version(), SCHEMA_URL),
        status=Status(StatusCode.ERROR, str(record.get("error") or "")) if failed else Status(StatusCode.UNSET),
        start_time=start,
        end_time=start + round((record.get("latency_seconds") or 0) * 1e9),
    )


DURATIONS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
COUNTS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
"""The histograms' boundaries that the conventions advise."""


def metrics(records: Sequence[Record]) -> MetricsData | None:
    """What calls add to ``gen_ai.client.operation.duration`` and ``gen_ai.client.token.usage``, as differences."""
    from opentelemetry.sdk.metrics import Histogram, MeterProvider
    from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader

    reader = InMemoryMetricReader(preferred_temporality={Histogram: AggregationTemporality.DELTA})
    provider = MeterProvider([reader], resource=_resource(), shutdown_on_exit=False)
    meter = provider.get_meter("pytest_llmlog", _version(), schema_url=SCHEMA_URL)
    duration = meter.create_histogram("gen_ai.client.operation.duration", "s", explicit_bucket_boundaries_advisory=DURATIONS)
    tokens = meter.create_histogram("gen_ai.client.token.usage", "{token}", explicit_bucket_boundaries_advisory=COUNTS)
    for record in records:
        identity, usage = _identity(record), record.get("usage") or {}
        if record.get("latency_seconds") is not None:
            duration.record(record["latency_seconds"], identity)
        for kind in ("input", "output"):
            if usage.get(kind) is not None:
                tokens.record(usage[kind], {**identity, "gen_ai.token.type": kind})
    return reader.get_metrics_data()


class Sender:
    """Sends records over OTLP/HTTP; where to and with which headers say an endpoint or OpenTelemetry's own variables.

    Raises:
        ConfigError: OpenTelemetry is not installed.
    """

    def __init__(self, style: str, endpoint: str | None, headers: Mapping[str, str]) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        except ImportError:
            raise ConfigError(f"--to {style} needs OpenTelemetry\n  fix: pip install 'pytest-llmlog[otel]'") from None
        base = endpoint.rstrip("/") if endpoint else None
        given = dict(headers) or None
        self._attributes, self._style = STYLES[style], style
        self._spans = OTLPSpanExporter(endpoint=base and f"{base}/v1/traces", headers=given)
        self._metrics = OTLPMetricExporter(endpoint=base and f"{base}/v1/metrics", headers=given) if style == "otlp" else None

    def send(self, records: Sequence[Record]) -> None:
        """Send a batch.

        Raises:
            ConfigError: it was not taken.
        """
        from opentelemetry.sdk.metrics.export import MetricExportResult
        from opentelemetry.sdk.trace.export import SpanExportResult

        if self._spans.export([span(record, self._attributes(record)) for record in records]) is not SpanExportResult.SUCCESS:
            raise ConfigError(f"--to {self._style}: the spans were not taken; see the messages above")
        found = metrics(records) if self._metrics else None
        if self._metrics and found and self._metrics.export(found) is not MetricExportResult.SUCCESS:
            raise ConfigError(f"--to {self._style}: the metrics were not taken; see the messages above")

    def close(self) -> None:
        """Let connections go."""
        self._spans.shutdown()  # type: ignore[no-untyped-call]
        if self._metrics:
            self._metrics.shutdown()
