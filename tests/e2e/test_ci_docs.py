"""The workflow and the job of the documentation: they parse, and their commands do what they say on a repository."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import Suite
from e2e.test_modes import ASK
from e2e.test_regressions import git

DOCUMENT = (Path(__file__).parent.parent.parent / "docs" / "ci.md").read_text(encoding="utf-8")
GITHUB, GITLAB = (yaml.safe_load(text) for text in re.findall(r"(?s)```yaml\n(.*?)```", DOCUMENT))
SUITE = f"{ASK}\ndef test_a():\n    ask('Who is a?' + os.environ.get('MORE', ''))\ndef test_b():\n    ask('Who is b?')\n"


def commands(job: Any) -> list[str]:
    steps = (
        [step["run"] for step in job["steps"] if "run" in step]
        if "steps" in job
        else [*job["script"], *job.get("after_script", ())]
    )
    return [step for step in steps if re.match(r"pytest|llmlog", step)]


def run(suite: Suite, command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {**os.environ, "PATH": path, "CI": "true", "BASE": "main", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1", **variables}
    return subprocess.run(
        ["bash", "-ec", command], cwd=suite.path, env=environ, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture
def repository(suite: Suite) -> Iterator[Suite]:
    """A branch whose prompt of one test is longer than main's, recorded on both."""
    suite.write(test_it=SUITE)
    suite.run("--llmlog-mode=record")
    git(suite, "init", "-q", "-b", "main")
    git(suite, "add", ".")
    git(suite, "commit", "-qm", "one")
    yield suite


@pytest.mark.parametrize("job", [GITHUB["jobs"]["replay"], GITLAB["llm-replay"]], ids=["GitHub", "GitLab"])
def test_a_pull_request_is_replayed_gated_and_told(repository: Suite, job: Any) -> None:
    assert repository.server is not None
    record = commands(GITHUB["jobs"]["record"])[0]
    recorded = run(
        repository, record, OPENAI_BASE_URL=repository.server.base_url, OPENAI_API_KEY="sk-standin", MORE=" Tell me more."
    )
    assert recorded.returncode == 0, recorded.stdout
    asked = len(repository.server.requests)
    replay, gate, report = commands(job)
    replayed = run(repository, replay, MORE=" Tell me more.")
    assert replayed.returncode == 0, replayed.stdout
    gated = run(repository, gate)
    assert (gated.returncode, "test_it.py::test_a: regressed: input_tokens" in gated.stdout) == (1, True), gated.stderr
    told = run(repository, report)
    assert told.returncode == 0, told.stderr
    assert len(repository.server.requests) == asked
    comment = (repository.path / "llmlog" / "comment.md").read_text(encoding="utf-8")
    assert comment.startswith("## llmlog: all hold, 1 changed\n")
    assert "prompt, answer" in comment
    for name in ("report.html", "report.json", "junit.xml"):
        assert (repository.path / "llmlog" / name).stat().st_size > 0


def test_the_key_is_given_to_the_recording_alone() -> None:
    assert GITHUB["permissions"] == {"contents": "read"}
    holders = [step for job in GITHUB["jobs"].values() for step in job["steps"] if "secrets." in str(step)]
    assert [step["run"].split()[2] for step in holders] == ["--llmlog-mode=record"]
    assert "${{" not in " ".join(step["run"] for job in GITHUB["jobs"].values() for step in job["steps"] if "run" in step)
    assert commands(GITLAB["llm-record"]) == commands(GITHUB["jobs"]["record"])
