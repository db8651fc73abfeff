"""Calls that an application logs itself, through ``logging`` and structlog."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from pytest_llmlog import validation
from pytest_llmlog.handlers import LlmlogHandler, LlmlogProcessor

CALL = {"prompt": "Fire?", "response": "No.", "model": "gpt-4o", "tokens": 12, "latency_seconds": 0.5, "labels": {"team": "it"}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.log"


def written(path: Path) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert all(map(validation.is_valid, records))
    return records


@pytest.fixture
def logger(path: Path) -> Iterator[logging.Logger]:
    handler, logger = LlmlogHandler(path), logging.getLogger("application")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield logger
    logger.removeHandler(handler)
    handler.close()


def test_a_call_in_extra_or_as_the_message_is_a_valid_record(logger: logging.Logger, path: Path) -> None:
    logger.info("answered in %s", "no time", extra=CALL)
    logger.info({**CALL, "response": "Maybe."})
    logger.info("started")

    first, second = written(path)
    assert CALL.items() <= first.items()
    assert (first["status"], first["source"], second["response"]) == ("success", "live", "Maybe.")
    assert first["prompt_hash"] == second["prompt_hash"]
    assert first["request_id"] != second["request_id"]


def test_a_call_that_failed_has_its_error(logger: logging.Logger, path: Path) -> None:
    try:
        raise TimeoutError("too slow")
    except TimeoutError:
        logger.exception("no answer", extra={"prompt": "Fire?", "response": None})

    (record,) = written(path)
    assert (record["status"], record["error"], record["error_type"]) == ("failure", "too slow", "TimeoutError")


def test_credentials_are_masked_and_a_record_that_cannot_be_valid_harms_nobody(
    logger: logging.Logger, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logger.info("", extra={**CALL, "response": "use sk-proj-" + "a1B2" * 12})
    logger.info("", extra={**CALL, "tokens": -1})

    (record,) = written(path)
    assert "sk-proj-a1B2" not in record["response"]
    assert "a call could not be logged" in caplog.text


def test_structlog_events_are_written_and_handed_on(path: Path) -> None:
    processor, seen = LlmlogProcessor(path), []

    def end(_: Any, __: str, event: Any) -> Any:
        seen.append(dict(event))
        raise structlog.DropEvent

    logger = structlog.wrap_logger(None, processors=[structlog.processors.TimeStamper(fmt="iso"), processor, end])
    logger.info("answered", **CALL)
    logger.info("started")
    logger.error("no answer", prompt="Fire?", response=None, error="too slow", error_type="Timeout")
    processor.close()

    assert [event["event"] for event in seen] == ["answered", "started", "no answer"]
    assert "run_id" not in seen[0]
    first, second = written(path)
    assert CALL.items() <= first.items()
    assert (second["status"], second["error_type"]) == ("failure", "Timeout")
