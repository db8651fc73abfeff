"""``llmlog schema``: the shipped schemas, byte for byte."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from pytest_llmlog import __version__
from pytest_llmlog.cli import main


def shipped(name: str) -> bytes:
    return files("pytest_llmlog").joinpath("schema", f"{name}.schema.json").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "name", "title"),
    [([], "interaction", "LLM interaction"), (["--golden"], "golden", "Golden")],
    ids=["record", "golden"],
)
def test_the_shipped_schema_is_printed(arguments: list[str], name: str, title: str) -> None:
    result = CliRunner().invoke(main, ["schema", *arguments], catch_exceptions=False)

    assert result.exit_code == 0
    printed = json.loads(result.stdout)
    if name == "golden":  # whole in itself: what it refers to is inside
        assert printed.pop("$defs") == {"interaction": json.loads(shipped("interaction"))}
    assert printed == json.loads(shipped(name))
    assert result.stderr == ""
    assert json.loads(result.stdout)["title"] == title


def test_a_golden_refers_to_the_schema_of_a_record() -> None:
    interaction, golden = (json.loads(shipped(name)) for name in ("interaction", "golden"))

    assert golden["properties"]["interactions"]["items"]["$ref"] == interaction["$id"]
    assert interaction["$id"] != golden["$id"]


@pytest.mark.parametrize("arguments", [["--record"], ["golden"]])
def test_a_wrong_argument_gives_2(arguments: list[str]) -> None:
    result = CliRunner().invoke(main, ["schema", *arguments])

    assert result.exit_code == 2
    assert arguments[0] in result.stderr


def test_the_script_prints_a_schema_that_another_validator_takes() -> None:
    script = shutil.which("llmlog", path=str(Path(sys.executable).parent))
    assert script, "the package is not installed with its script"

    done = subprocess.run([script, "schema"], capture_output=True, timeout=60, check=False)

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == shipped("interaction")
    Draft202012Validator.check_schema(json.loads(done.stdout))


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_names_every_command(option: str) -> None:
    result = CliRunner().invoke(main, [option])

    assert result.exit_code == 0
    assert all(f"  {name} " in result.stdout for name in main.commands)
    assert {"schema", "validate"} <= set(main.commands)


@pytest.mark.parametrize("command", ["schema", "validate"])
def test_the_help_of_a_command_has_an_example(command: str) -> None:
    result = CliRunner().invoke(main, [command, "--help"])

    assert result.exit_code == 0
    assert f"Example: llmlog {command}" in result.stdout


def test_the_version_is_the_packages() -> None:
    assert CliRunner().invoke(main, ["--version"]).stdout == f"llmlog, version {__version__}\n"
