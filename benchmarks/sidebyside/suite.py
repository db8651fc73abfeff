"""The tests that are timed; ``worker`` puts this file into a folder of its own and runs it there by pytest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from sidebyside.calls import Caller
from sidebyside.worker import RUN

CALLERS = {kind: Caller(RUN.case, RUN.base_url, bare=kind == "floor") for kind in ("floor", "tool")}
WARM_UP = 2
"""Calls of the first tests, which bring in what is loaded late."""


def _tests() -> Iterator[Any]:
    marks = [getattr(pytest.mark, RUN.tool.marker)] if RUN.tool.marker else []
    yield pytest.param("tool", WARM_UP, id="warm", marks=marks)
    yield pytest.param("floor", WARM_UP, id="warm-floor")
    for number in range(RUN.case.rounds):
        yield pytest.param("floor", min(RUN.case.calls, 1000), id=f"floor-{number}")
        yield pytest.param("tool", RUN.case.calls, id=f"tool-{number}", marks=marks)
    yield pytest.param("floor", min(RUN.case.calls, 1000), id="floor-last")


@pytest.fixture(scope="module")
def vcr_config() -> Mapping[str, Any]:
    return RUN.tool.config


@pytest.fixture(autouse=True)
def langsmith_cache(request: pytest.FixtureRequest) -> Iterator[None]:
    """What its own plugin does around a test with ``LANGSMITH_TEST_CACHE``; that plugin asks LangSmith's server first."""
    if RUN.tool.package != "langsmith" or "floor" in request.node.name:
        yield
        return
    from langsmith.utils import with_cache

    with with_cache(Path(request.path.parent, f"{request.node.name}.yaml")):
        yield


@pytest.mark.parametrize(("kind", "calls"), list(_tests()))
def test_calls(kind: str, calls: int) -> None:
    RUN.begin(kind, calls, CALLERS[kind])
    CALLERS[kind].make(calls)
