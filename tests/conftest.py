"""What all tests share: the loopback server, and pytest sessions in processes of their own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from openai_standin import StandIn
from pytest_llmlog.redact import Redactor

# Some load once in a process, and pytester forgets what was imported in a test.
with suppress(ImportError):  # where the extras are not installed
    import numpy as np  # noqa: F401
with suppress(ImportError):
    import vl_convert  # noqa: F401

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture
def server() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


@pytest.fixture
def quick_search_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is looked through in a test, the search that only says yes or no says the same."""
    thorough = Redactor.without_credentials

    def both(self: Redactor, text: str) -> tuple[str, int]:
        clean, count = thorough(self, text)
        assert self.is_clean(text.encode("utf-8", "surrogateescape")) == (count == 0), text
        return clean, count

    monkeypatch.setattr(Redactor, "without_credentials", both)


class Suite:
    """A test suite in a folder of its own, run as a user runs it."""

    def __init__(self, pytester: pytest.Pytester, server: StandIn | None) -> None:
        self.pytester, self.server, self.path = pytester, server, pytester.path
        self.environ = {"OPENAI_BASE_URL": server.base_url if server else "http://127.0.0.1:9/v1", "OPENAI_API_KEY": "sk-standin"}

    def write(self, **files: str) -> None:
        self.pytester.makepyfile(**files)

    def ini(self, *lines: str) -> None:
        self.pytester.makeini("\n".join(["[pytest]", *lines]))

    def run(self, *args: str, **environ: str | None) -> pytest.RunResult:
        """Run ``pytest --llmlog`` with these arguments; None takes a variable out of the environment."""
        outside = {name: os.environ.get(name) for name in environ}
        self._set({"CI": None, **self.environ, **environ})
        try:
            # hypothesis is what these sessions' own tests are run with: its import would be half of a session's time.
            return self.pytester.runpytest_subprocess("--llmlog", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", *args)
        finally:
            self._set({name: value for name, value in outside.items() if name not in self.environ})

    @staticmethod
    def _set(variables: dict[str, str | None]) -> None:
        for name, value in variables.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    def replay_offline(self, *args: str) -> pytest.RunResult:
        """Run against a closed port without a key: nothing but goldens can answer."""
        return self.run("--llmlog-mode=replay", *args, OPENAI_BASE_URL="http://127.0.0.1:9/v1", OPENAI_API_KEY=None)

    @property
    def log(self) -> Path:
        return self.path / ".llmlog" / "llm_interactions.log"

    def records(self) -> list[dict[str, Any]]:
        lines = self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []
        return [json.loads(line) for line in lines]

    def goldens(self) -> dict[str, dict[str, Any]]:
        found = sorted((self.path / "goldens").rglob("*.json"))
        return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in found}


@pytest.fixture
def suite(pytester: pytest.Pytester, server: StandIn, monkeypatch: pytest.MonkeyPatch) -> Suite:
    for name in ("CI", "OPENAI_BASE_URL", "OPENAI_API_KEY", "PYTEST_ADDOPTS"):
        monkeypatch.setenv(name, "")  # so that what a test sets is undone at its end
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)
    return Suite(pytester, server)


RunApplication = Callable[..., str]


@pytest.fixture
def application(tmp_path: Path, server: StandIn) -> RunApplication:
    """Run a program without pytest, in a process of its own, in ``tmp_path``; return what it printed."""
    import subprocess

    def run(source: str, **environ: str) -> str:
        program = tmp_path / "application.py"
        program.write_text(source, encoding="utf-8")
        variables = {**os.environ, "OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "sk-standin", **environ}
        done = subprocess.run(
            [sys.executable, str(program)], cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
