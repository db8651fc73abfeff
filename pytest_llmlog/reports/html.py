"""The page for people: one file that opens from disk and asks for nothing; its calls are data that its own script shows as text."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

import msgspec

from pytest_llmlog.metrics import METRICS
from pytest_llmlog.printing import printable
from pytest_llmlog.recap import FAILING, Call, Recap, Test
from pytest_llmlog.record import Interaction
from pytest_llmlog.reports import charts, figures, markdown

DROPPED = (
    "schema_version", "event", "run_id", "prompt_hash", "request_hash", "git_commit", "wire", "test_id", "session_id", "source", "template_hash",
)  # fmt: skip
"""What of a record the page does not show, or knows anyway."""

CARDS = 50
"""How many tests that do not hold are told at the top; the list has all."""

CHUNKS = 400
"""How many chunks of a stream are drawn."""


def text_of(recap: Recap) -> str:
    """The report as a page."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    parts = files("pytest_llmlog").joinpath("reports", "page")
    style, script = (parts.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(visible=printable, lines=_lines)
    template = environment.from_string(parts.joinpath("page.html").read_text(encoding="utf-8"))
    failing = list(recap.failing)
    return template.render(
        recap=recap, run=recap.run, headline=markdown.headline(recap), started=_started(recap), tiles=_tiles(recap), budgets=_budgets(recap),
        told=figures.told, cards=failing[:CARDS], more=max(0, len(failing) - CARDS), holds=not failing and not recap.run.violations,
        charts=[(chart, Markup(chart.svg)) for chart in charts.draw(recap)],  # Vega escapes what it draws
        style=Markup(style), script=Markup(script), data=Markup(_data(recap)),  # our own files; "<" is written out
        policy=f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; base-uri 'none'; form-action 'none'",
        goldens=figures.goldens(recap.run.tests), calls=sum(len(test.calls) for test in recap.tests),
    )  # fmt: skip


def _lines(text: str) -> list[tuple[str, str]]:
    """The lines of what did not hold, each with what marks it: a line that differs begins with its sign."""
    found = [(markdown.SIGN.match(line), line) for line in printable(text).splitlines()]
    return [({"-": "minus", "+": "plus"}[sign[2]] if sign else "same", line) for sign, line in found]


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _started(recap: Recap) -> str:
    times = [call.now.timestamp for test in recap.tests for call in test.calls if call.now is not None]
    return min(times, default="")


def _tiles(recap: Recap) -> list[tuple[str, str, str]]:
    """Name, figure, and where it comes from."""
    tests = recap.run.tests
    head, _, shares = figures.calls(tests).partition(": ")
    found = [("calls", head.split(" ")[0], shares)]
    for source, when in (("live", "spent now"), ("replayed", "recorded")):
        seconds = [each for test in tests for each in getattr(test, f"{source}_latencies")]
        if not sum(getattr(test, source) for test in tests):
            continue
        found.append(("tokens", f"{sum(getattr(test, f'{source}_tokens') for test in tests):,}", when))
        found.append(("cost", figures.amount("cost_usd", sum(getattr(test, f"{source}_cost_usd") for test in tests)), when))
        if seconds:
            found.append(("latency", figures.latency(seconds).replace(", ", "\n"), "measured now" if source == "live" else when))
    return found


def _budgets(recap: Recap) -> list[tuple[str, float]]:
    """What is left of the run's limits, and the share that is spent."""
    texts = figures.budgets_left(recap.run)
    return [
        (text, min(1.0, budget.spent / budget.limit) if budget.limit else 1.0)
        for text, budget in zip(texts, recap.run.budgets, strict=True)
    ]


def _data(recap: Recap) -> str:
    """The tests and calls as JSON that may stand inside of a script element."""
    data = {
        "baseline": recap.baseline,
        "content": recap.run.content,
        "units": {name: metric.unit for name, metric in METRICS.items()},
        "failing": list(FAILING),
        "tests": [_test(test) for test in recap.called],
        "calls": [_call(call, number) for number, test in enumerate(recap.called) for call in test.calls],
    }
    return msgspec.json.encode(data).decode().replace("<", "\\u003c")


def _test(test: Test) -> dict[str, Any]:
    result = test.result
    return {
        "id": result.test_id, "verdict": test.verdict, "outcome": result.outcome, "file": result.file, "line": result.line,
        "now": result.figures, "before": test.before, "causes": test.causes, "golden": [result.golden, result.golden_path] if result.golden else None,
        "checks": [
            {name: getattr(check, name) for name in ("metric", "verdict", "before", "now", "p", "fails")} for check in result.checks
        ],
        "texts": list(dict.fromkeys(_texts(test))),
    }  # fmt: skip


def _texts(test: Test) -> Iterable[str]:
    yield from (figures.told(violation) for violation in test.result.violations)
    yield from (check.text.removeprefix("llmlog: ") for check in test.result.checks if check.text and check.verdict != "unchanged")
    yield from (*test.result.differences, *test.result.warnings)


def _call(call: Call, test: int) -> dict[str, Any]:
    """A call: its record, what of its counterpart is not the same, and when the stream's chunks came, in milliseconds."""
    made = call.now or call.before
    assert made is not None
    found: dict[str, Any] = {
        "test": test,
        "id": made.request_id,
        "verdict": call.verdict,
        "source": made.source,
        "now": _record(made),
    }
    if call.cause:
        found["cause"] = call.cause
    if call.now is not None and call.before is not None:
        found["before"] = _delta(found["now"], _record(call.before))
    if call.chunks is not None:
        step = -(-len(call.chunks) // CHUNKS) or 1
        found["chunks"] = [round(seconds * 1000, 1) for seconds in call.chunks[::step]]
        found["count"] = len(call.chunks)
    return found


def _record(call: Interaction) -> dict[str, Any]:
    """What the page shows of a record; a text that its messages hold is not told twice."""
    fields = msgspec.to_builtins(call)
    record = {name: value for name, value in fields.items() if name not in DROPPED and value is not None}
    if call.messages and _text_parts(call.messages):
        del record["prompt"]
    if call.response_messages and call.response is not None and call.response in _text_parts(call.response_messages):
        del record["response"]
    if call.response_messages:
        record.pop("tool_calls", None)
    if record.get("response_model") == record.get("model"):
        record.pop("response_model", None)
    if call.usage is not None:
        record["usage"] = {name: count for name, count in record["usage"].items() if count and name != "source"}
    record.pop("rate_limit", None)
    return record


def _text_parts(messages: Iterable[Mapping[str, Any]]) -> list[Any]:
    return [part.get("content") for message in messages for part in message.get("parts", ()) if part.get("type") == "text"]


VARYING = (
    "timestamp",
    "request_id",
    "response_id",
    "provider_request_id",
    "trace_id",
    "span_id",
    "worker_id",
    "redacted",
    "server_address",
)
"""What differs from call to call and tells nothing."""


def _delta(now: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """What of the counterpart differs; None for what it does not have."""
    names = dict.fromkeys((*now, *before))
    return {name: before.get(name) for name in names if name not in VARYING and now.get(name) != before.get(name)}
