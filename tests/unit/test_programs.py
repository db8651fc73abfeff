"""Which programs may call a model, as their command lines and scripts tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_llmlog.intercept import programs
from pytest_llmlog.providers import known_host

URL = "https://api.openai.com/v1/chat/completions"


def hosts(folder: Path, *command: str, environ: dict[str, str] | None = None) -> list[str]:
    return [host for host, _ in programs.hosts(command, str(folder), environ or {}, lambda host: known_host(host) is not None)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "worker.py").write_text("import os\nfrom openai import OpenAI\n")
    (tmp_path / "other.py").write_text("import os, anthropic as a\n")
    (tmp_path / "google_one.py").write_text("from google import genai\n")
    (tmp_path / "fine.py").write_text("import json  # openai is nice\n")
    (tmp_path / "call.sh").write_text(f"curl {URL}\n")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__main__.py").write_text("import groq\n")
    return tmp_path


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["curl", URL], ["api.openai.com"]),
        (["nc", "api.openai.com", "443"], ["api.openai.com"]),
        ([f"true; KEY=1 curl -s {URL} | jq ."], ["api.openai.com"]),
        (["bash", "-c", f"cd x && curl {URL}"], ["api.openai.com"]),
        (["sh", "-lc", "python worker.py"], ["api.openai.com"]),
        (["bash", "call.sh"], ["api.openai.com"]),
        (["python3.12", "worker.py", "--fast"], ["api.openai.com"]),
        (["/usr/bin/python", "-u", "other.py"], ["api.anthropic.com"]),
        (["python", "google_one.py"], ["generativelanguage.googleapis.com"]),
        (["python", "-m", "worker"], ["api.openai.com"]),
        (["python", "-m", "package"], ["api.groq.com"]),
        (["python", "-c", "import os, openai"], ["api.openai.com"]),
        (["node", "-e", f"fetch('{URL}')"], ["api.openai.com"]),
    ],
)
def test_programs_that_may_call_a_model(folder: Path, command: list[str], expected: list[str]) -> None:
    assert hosts(folder, *command) == expected


@pytest.mark.parametrize(
    "command",
    [
        ["ls", "worker.py"],
        ["wc", "-l", "worker.py"],
        ["git", "add", "worker.py"],
        ["git", "log", "--grep", "api.openai.com"],
        ["echo", f"see {URL}"],
        [f"echo {URL} > notes.txt"],
        ["grep", "-r", "api.openai.com", "worker.py"],
        ["python", "-m", "py_compile", "worker.py"],
        ["python", "fine.py"],
        ["python", "missing.py"],
        ["python", "-c", "print(1)"],
        ["curl", "https://example.com"],
        ["pytest", "--llmlog", "worker.py"],
        ["python", "-c", "import openai, pytest_llmlog"],
        ["python"],
        [],
        [""],
        ["'"],
    ],
)
def test_programs_that_do_not(folder: Path, command: list[str]) -> None:
    assert hosts(folder, *command) == []


def test_a_client_that_is_told_to_go_elsewhere(folder: Path) -> None:
    there = {"OPENAI_BASE_URL": "http://127.0.0.1:5/v1"}
    assert hosts(folder, "python", "worker.py", environ=there) == []
    assert hosts(folder, "python", "worker.py", environ={"OPENAI_BASE_URL": "https://openrouter.ai/api"}) == ["openrouter.ai"]
