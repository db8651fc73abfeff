"""Bad input gets a clear error, and loses nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import Suite
from e2e.test_modes import ASK, ONE

USAGE_ERROR = 4


def test_an_unknown_mode(suite: Suite) -> None:
    result = suite.run("--llmlog-mode=reply")
    assert result.ret == USAGE_ERROR
    result.stderr.fnmatch_lines(["*--llmlog-mode*invalid choice: 'reply'*auto*replay*record*live*off*"])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("llmlog_mode = reply", "*tox.ini*llmlog_mode = 'reply': expected one of auto, replay, record, live, off*"),
        ("llmlog_wire = perhaps", "*tox.ini*llmlog_wire*expected true or false*"),
        ("llmlog_unplayed = no", "*tox.ini*llmlog_unplayed = 'no': expected one of fail, warn, ignore*"),
        ("llmlog_line_limit = big", "*tox.ini*llmlog_line_limit*expected a whole number of bytes*big*"),
        ("llmlog_ignore = metadata", "*llmlog_ignore: 'metadata' is not a JSON path*"),
        ("llmlog_redact = nowhere:nothing", "*llmlog_redact: 'nowhere:nothing' cannot be imported*"),
        ("llmlog_leaks = no", "*tox.ini*llmlog_leaks = 'no': expected one of fail, warn, ignore*"),
        ("llmlog_block_network = perhaps", "*tox.ini*llmlog_block_network*expected true or false*"),
        ("llmlog_content = some", "*tox.ini*llmlog_content = 'some': expected one of full, hash, none*"),
        ("llmlog_fsync = sometimes", "*tox.ini*llmlog_fsync = 'sometimes'*never, failure, always*"),
    ],
)
def test_an_ini_value_of_the_wrong_type(suite: Suite, line: str, expected: str) -> None:
    suite.ini(line)
    suite.write(test_it=ONE)
    result = suite.run()
    assert result.ret == USAGE_ERROR
    result.stderr.fnmatch_lines([expected])
    assert "Traceback" not in result.stderr.str()


def test_a_mode_without_the_switch(suite: Suite) -> None:
    result = suite.pytester.runpytest_subprocess("--llmlog-mode=record")
    assert result.ret == USAGE_ERROR
    result.stderr.fnmatch_lines(["*--llmlog-mode has no effect without --llmlog*"])


def test_a_log_that_cannot_be_written(suite: Suite) -> None:
    (suite.path / "folder").mkdir()
    suite.write(test_it=ONE)
    result = suite.run("--llmlog-file", "folder")
    assert result.ret == USAGE_ERROR
    result.stderr.fnmatch_lines(["*folder: cannot write the log: Is a directory*", "*fix:*"])


def _truncated(text: str) -> str:
    return text[: len(text) // 2]


def _edited(change: Callable[[dict[str, Any]], None]) -> Callable[[str], str]:
    def edit(text: str) -> str:
        value = json.loads(text)
        change(value)
        return json.dumps(value)

    return edit


@pytest.mark.parametrize(
    ("damage", "place", "reason"),
    [
        (_truncated, "$", "damaged, not JSON"),
        (lambda text: "", "$", "damaged, not JSON"),
        (lambda text: "[]", "$", ""),
        (_edited(lambda golden: golden.update(golden_version=2)), "$.golden_version", "version 2 is newer than 1"),
        (_edited(lambda golden: golden["interactions"][0].update(tokens="many")), "$.interactions[[]0[]].tokens", "many"),
        (_edited(lambda golden: golden["interactions"][0].pop("wire")), "$.interactions[[]0[]]", "wire"),
        (
            _edited(lambda golden: golden["interactions"][0]["wire"]["response"].update(status="ok")),
            "$.interactions[[]0[]].wire.response.status",
            "ok",
        ),
        (_edited(lambda golden: golden.pop("test_id")), "$", "test_id"),
        # Well typed, so the call is answered; the schema says no when the record is made.
        (_edited(lambda golden: golden["interactions"][0].update(prompt_hash="noon")), "$.interactions[[]0[]].prompt_hash", "noon"),
    ],
    ids=["truncated", "empty", "list", "newer", "tokens", "no-wire", "status", "no-test-id", "prompt-hash"],
)
@pytest.mark.parametrize("mode", ["auto", "replay"])
def test_a_damaged_golden_is_an_error_and_stays_as_it_is(
    suite: Suite, damage: Callable[[str], str], place: str, reason: str, mode: str
) -> None:
    suite.write(test_it=ONE)
    suite.run().assert_outcomes(passed=1)
    path = suite.path / "goldens" / "test_it" / "test_one.json"
    path.write_text(damaged := damage(path.read_text()))
    assert suite.server is not None
    connections = suite.server.connections
    result = suite.run(f"--llmlog-mode={mode}")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*test_one.json: {place}: *{reason}*", "*fix: *"])
    assert path.read_text() == damaged
    assert suite.server.connections == connections


def test_a_damaged_golden_fails_a_test_that_makes_no_call_any_more(suite: Suite) -> None:
    suite.write(test_it=ONE)
    suite.run().assert_outcomes(passed=1)
    (suite.path / "goldens" / "test_it" / "test_one.json").write_text("{")
    suite.write(test_it="def test_one():\n    pass\n")
    result = suite.replay_offline()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*test_one.json: $: damaged*"])


def test_a_missing_key_in_record_mode(suite: Suite) -> None:
    suite.write(test_it=ONE)
    result = suite.run("--llmlog-mode=record", OPENAI_BASE_URL=None, OPENAI_API_KEY=None)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*no API key for api.openai.com: OPENAI_API_KEY is not set*", "*test_it.py::test_one*"])
    assert not suite.goldens()


def test_the_placeholder_key_can_be_turned_off(suite: Suite) -> None:
    suite.ini("llmlog_placeholder_key = false")
    suite.write(
        test_it=f"{ASK}\ndef test_it():\n    with pytest.raises(openai.OpenAIError, match='api_key|credential'):\n        openai.OpenAI()\n"
    )
    suite.run(OPENAI_API_KEY=None).assert_outcomes(passed=1)


def test_a_golden_that_cannot_be_written(suite: Suite) -> None:
    suite.write(test_it=ONE)
    (suite.path / "goldens").write_text("a file where the folder should be")
    result = suite.run()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*test_one.json: $: cannot be written: *", "*fix: make the folder writable*"])
    assert len(suite.records()) == 1
    assert Path(suite.path / "goldens").is_file()


def test_a_template_pattern_without_files_is_named(suite: Suite) -> None:
    suite.ini("llmlog_templates = prompts/*.txt")
    suite.write(test_it=ONE)
    result = suite.run()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*llmlog_templates: no file matches 'prompts/[*].txt' below *"])


@pytest.mark.skipif(pytest.version_tuple < (9, 0), reason="this pytest reads no native TOML")
def test_native_toml_values(suite: Suite) -> None:
    suite.write(test_it=ONE)
    (suite.path / "pyproject.toml").write_text(
        '[tool.pytest]\nllmlog = true\nllmlog_line_limit = 100000\nllmlog_hosts = ["a.test"]\n'
    )
    suite.run().assert_outcomes(passed=1)
    (suite.path / "pyproject.toml").write_text("[tool.pytest]\nllmlog_line_limit = 5\n")
    result = suite.run()
    result.stderr.fnmatch_lines(["*pyproject.toml: llmlog_line_limit = 5: expected a whole number of bytes from*"])


@pytest.mark.parametrize("mode", ["replay", "auto", "record", "live"])
@pytest.mark.parametrize("link", ["goldens", "goldens/test_it", "goldens/test_it/test_one.json"])
def test_a_link_out_of_the_tests_folder_is_refused_and_nothing_is_written_through_it(
    suite: Suite, tmp_path: Path, link: str, mode: str
) -> None:
    suite.write(test_it=ONE)
    suite.run().assert_outcomes(passed=1)
    inside = suite.path / link
    outside = tmp_path / "outside" / link
    outside.parent.mkdir(parents=True)
    inside.rename(outside)
    inside.symlink_to(outside)
    before = {path: path.read_bytes() for path in outside.parent.rglob("*") if path.is_file()}
    result = suite.run(f"--llmlog-mode={mode}")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*a symbolic link leads out of*"])
    assert {path: path.read_bytes() for path in outside.parent.rglob("*") if path.is_file()} == before
