"""The report for programs: JSON by a schema of its own, figures and verdicts without what was said in the calls."""

from __future__ import annotations

from typing import Any

import msgspec

from pytest_llmlog.metrics import Totals
from pytest_llmlog.recap import Call, Recap, Test
from pytest_llmlog.runs import quantile

REPORT_VERSION = 1

CALL = (
    "request_id", "timestamp", "source", "status", "provider", "model", "operation", "stream", "prompt_template", "tokens", "cost_usd",
    "latency_seconds", "time_to_first_chunk_seconds", "http_status", "error_type", "attempt",
)  # fmt: skip


def text_of(recap: Recap) -> str:
    """The report as JSON; ``llmlog schema --report`` prints its schema."""
    return msgspec.json.format(msgspec.json.encode(value_of(recap)), indent=2).decode() + "\n"


def value_of(recap: Recap) -> dict[str, Any]:
    """The report as a JSON value."""
    run = recap.run
    totals = Totals()
    for test in run.tests:
        totals.merge(test.figures, test.unknown)
    return {
        "report_version": REPORT_VERSION,
        "run_id": run.run_id,
        "mode": run.mode,
        "baseline": recap.baseline,
        "content": run.content,
        "holds": not recap.failing and not run.violations,
        "figures": totals.values,
        "unknown": totals.unknown,
        "spent_now": _share(recap, "live"),
        "recorded": _share(recap, "replayed"),
        "budgets": msgspec.to_builtins(run.budgets),
        "violations": msgspec.to_builtins(run.violations),
        "warnings": list(run.warnings),
        "faults": list(run.faults),
        "tests": [_test(test) for test in recap.called],
        "trend": msgspec.to_builtins(recap.trend),
    }


def _share(recap: Recap, source: str) -> dict[str, Any]:
    tests = recap.run.tests
    seconds = [each for test in tests for each in getattr(test, f"{source}_latencies")]
    return {
        "calls": sum(getattr(test, source) for test in tests),
        "tokens": sum(getattr(test, f"{source}_tokens") for test in tests),
        "cost_usd": sum(getattr(test, f"{source}_cost_usd") for test in tests),
        "latency_p50": quantile(seconds, 0.5),
        "latency_p95": quantile(seconds, 0.95),
    }


def _test(test: Test) -> dict[str, Any]:
    result = test.result
    return {
        "test_id": result.test_id,
        "file": result.file,
        "line": result.line,
        "outcome": result.outcome,
        "verdict": test.verdict,
        "changed": list(test.causes),
        "figures": result.figures,
        "before": dict(test.before),
        "unknown": result.unknown,
        "golden": result.golden,
        "golden_path": result.golden_path,
        "checks": msgspec.to_builtins(result.checks),
        "violations": msgspec.to_builtins(result.violations),
        "warnings": list(result.warnings),
        "calls": [_call(call) for call in test.calls],
    }


def _call(call: Call) -> dict[str, Any]:
    made = call.now or call.before
    said = {"verdict": call.verdict, "cause": call.cause, "answer_changed": call.answer}
    return {
        **{name: getattr(made, name) for name in CALL},
        **said,
        "baseline_request_id": call.before.request_id if call.before else None,
    }
