"""Assertions on answers as a test's author meets them."""

from __future__ import annotations

from conftest import Suite
from e2e.test_modes import ASK
from e2e.test_regressions import answer

SCHEMA = f"""{ASK}
TEAM = {{"type": "object", "properties": {{"team": {{"enum": ["it", "hr"]}}}}}}
def test_holds(llmlog):
    ask("Who?")
    llmlog.assert_schema(TEAM)
    llmlog.assert_finish_reason("stop")
    llmlog.assert_not_refused()
    llmlog.assert_matches_golden("json", ignore=["$.id"])

def test_breaks(llmlog):
    ask("Who else?")
    llmlog.assert_schema(TEAM)
"""


def test_an_answer_that_breaks_its_schema(suite: Suite) -> None:
    suite.write(test_it=SCHEMA)
    assert suite.server is not None
    suite.server.push(answer('{"id": 1, "team": "it"}'), answer('{"team": "sales"}'))
    result = suite.run("--llmlog-mode=record")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            ">       llmlog.assert_schema(TEAM)",
            "E       AssertionError: chat gpt-4o: Who else?",
            "E *breaks the schema at $.team: 'sales' is not one of*",
        ]
    )
    suite.server.push(answer('{"id": 2, "team": "it"}'))
    suite.run("--llmlog-mode=live", "-k", "holds").assert_outcomes(passed=1)
    suite.server.push(answer('{"id": 2, "team": "hr"}'))
    result = suite.run("--llmlog-mode=live", "-k", "holds")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*not as in the golden:",
            "E*call 1: chat gpt-4o: Who?: provider drift",
            "E*answer (json):",
            "E*team:",
            "E*- 'it'",
            "E*+ 'hr'",
        ]
    )


def test_equality_is_explained(suite: Suite) -> None:
    suite.write(test_it=f"{ASK}\ndef test_it(llmlog):\n    ask('one')\n    ask('two')\n    assert llmlog[0] == llmlog[1]\n")
    result = suite.run("--llmlog-mode=record")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*two interactions that differ in prompt, response*",
            "E*prompt: 'one' != 'two'",
            "E*response: *one* != *two*",
            "E*and so in *request_id*",
        ]
    )
