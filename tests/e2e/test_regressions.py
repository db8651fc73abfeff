"""Suites broken on purpose: the right test fails with the right verdict and what changed first, and the others pass."""

from __future__ import annotations

import json
import subprocess

import pytest

from conftest import Suite
from openai_standin import Reply

SUITE = """
import openai, os, pytest

def say(name, otherwise):
    return os.environ.get(name, otherwise)

def ask(text, **more):
    client = openai.OpenAI(max_retries=2)
    asked = {"model": say("MODEL", "gpt-4o-mini"), "messages": [{"role": "user", "content": text}], **more}
    return client.chat.completions.create(**asked).choices[0].message.content

CHECKS = {"input_tokens": "0", "cost_usd": "10%", "calls": 0, "failures": 0, "response": True}

@pytest.mark.llmlog(regress=CHECKS)
def test_touched(llmlog):
    calls = [say("PROMPT", "What is the capital of France?"), "Which river runs through it?"]
    if say("REORDERED", ""):
        calls.reverse()
    for text in calls[: int(say("CALLS", "2"))]:
        ask(text, temperature=float(say("TEMPERATURE", "0")))

@pytest.mark.llmlog(regress=CHECKS)
def test_untouched(llmlog):
    openai.OpenAI().chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Steady?"}])
"""


def broken(suite: Suite, *args: str, **environ: str) -> pytest.RunResult:
    """Run the suite live against goldens recorded before; the first test fails and the second does not."""
    suite.write(test_it=SUITE)
    suite.run("--llmlog-mode=record").assert_outcomes(passed=2)
    result = suite.run("--llmlog-mode=live", *args, **environ)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["FAILED test_it.py::test_touched*"])
    return result


def answer(content: str, **usage: int) -> Reply:
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    counts = {"prompt_tokens": 11, "completion_tokens": 10, "total_tokens": 21, **usage}
    return Reply(
        200, {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini", "choices": [choice], "usage": counts}
    )


def test_what_has_not_changed_passes_in_every_mode(suite: Suite) -> None:
    suite.write(test_it=SUITE)
    suite.run("--llmlog-mode=record").assert_outcomes(passed=2)
    for mode in ("live", "record", "replay", "auto"):
        result = suite.run(f"--llmlog-mode={mode}", "--llmlog-fail=latency:25%+250ms")
        result.assert_outcomes(passed=2)
        result.stdout.no_fnmatch_line("*regressed*")


def test_a_longer_prompt(suite: Suite) -> None:
    result = broken(suite, PROMPT="What is the capital of France, and how many people live there?")
    result.stdout.fnmatch_lines(
        [
            "llmlog: regressed: input_tokens * → * (+* %), allowed 0 (baseline golden, measured now)",
            "  call 1: chat gpt-4o-mini: What is the capital of France, and*: prompt changed",
            "    -What is the capital of France?",
            "    +What is the capital of France, and how many people live there?",
        ]
    )


def test_a_changed_parameter(suite: Suite) -> None:
    assert suite.server is not None
    suite.write(test_it=SUITE)
    suite.run("--llmlog-mode=record").assert_outcomes(passed=2)
    suite.server.push(answer("Paris."), answer("The Seine."))
    result = suite.run("--llmlog-mode=live", TEMPERATURE="1")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["llmlog: regressed: response*", "  call 1: *: parameters changed", "    temperature:", "      - 0.0", "      + 1.0"]
    )


def test_a_dearer_model(suite: Suite) -> None:
    result = broken(suite, MODEL="gpt-4o")
    result.stdout.fnmatch_lines(
        ["llmlog: regressed: cost_usd $* → $* (+* %), allowed 10 %*", "  call 1: chat gpt-4o: *: model changed", "    + gpt-4o"]
    )
    result.stdout.no_fnmatch_line("*regressed: input_tokens*")


def test_a_dropped_call(suite: Suite) -> None:
    result = broken(suite, CALLS="1")
    result.stdout.fnmatch_lines(["llmlog: regressed: response*", "  missing: chat gpt-4o-mini: Which river runs through it?"])
    # On replay it is unplayed.
    suite.run("--llmlog-mode=replay", CALLS="1").assert_outcomes(passed=1, failed=1)


@pytest.mark.parametrize("mode", ["live", "replay"])
def test_a_reordered_pair(suite: Suite, mode: str) -> None:
    suite.write(test_it=SUITE)
    suite.run("--llmlog-mode=record").assert_outcomes(passed=2)
    result = suite.run(f"--llmlog-mode={mode}", REORDERED="1")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "llmlog: regressed: response*",
            "  order changed: the same calls in another order",
            "    1. *Which river*",
            "    2. *capital*",
        ]
    )


def test_an_extra_retry(suite: Suite) -> None:
    suite.write(test_it=SUITE)
    suite.run("--llmlog-mode=record").assert_outcomes(passed=2)
    assert suite.server is not None
    suite.server.push(Reply(500, {"error": {"message": "try again"}}, {"retry-after": "0"}))
    result = suite.run("--llmlog-mode=live")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "llmlog: regressed: calls 2 → 3 (+50 %), allowed 0*",
            "  new: call *: chat gpt-4o-mini: What is the capital*",
            "llmlog: regressed: failures 0 → 1*",
        ]
    )


def test_verdicts_that_fail_nothing_are_few_lines(suite: Suite) -> None:
    suite.ini("llmlog_fail = latency:0")
    suite.write(
        test_it="""
import openai, pytest
@pytest.mark.parametrize("n", range(12))
def test_it(n):
    openai.OpenAI().chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": f"Number {n}"}])
"""
    )
    result = suite.run("--llmlog-mode=record")
    result.assert_outcomes(passed=12)
    result.stdout.no_fnmatch_line("*new:*")
    result = suite.run("--llmlog-mode=replay")
    result.stdout.fnmatch_lines(
        ["checks: 12 not_comparable", "*test_it[[]9[]]: not_comparable: latency*replayed*", "… and 2 more; -v shows them"]
    )
    result.stdout.no_fnmatch_line("*test_it[[]10[]]: not_comparable*")
    suite.run("--llmlog-mode=replay", "-v").stdout.fnmatch_lines(["*test_it[[]11[]]: not_comparable: latency*"])


def test_a_drifting_provider(suite: Suite) -> None:
    suite.write(test_it=SUITE)
    suite.run("--llmlog-mode=record").assert_outcomes(passed=2)
    assert suite.server is not None
    suite.server.push(answer("Lyon, I am sure."))
    result = suite.run("--llmlog-mode=live")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["llmlog: regressed: response*", "  call 1: *: provider drift", "    answer (exact):", "      +Lyon, I am sure."]
    )
    # Shown, and failing nothing, where no check asks for it.
    suite.write(test_it=SUITE.replace(', "response": True', ""))
    suite.server.push(answer("Lyon, I am sure."))
    result = suite.run("--llmlog-mode=live", "--llmlog-warn=response")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["test_it.py::test_touched: regressed: response*", "  call 1: *: provider drift"])


def test_a_changed_answer_that_is_similar_enough(suite: Suite) -> None:
    suite.write(test_it=SUITE.replace("regress=CHECKS", 'regress=CHECKS, compare="similar:0.7"'))
    assert suite.server is not None
    suite.server.push(answer("The capital of France is Paris."), answer("The Seine."))
    suite.run("--llmlog-mode=record").assert_outcomes(passed=2)
    suite.server.push(answer("Paris is the capital of France."), answer("The Seine."))
    suite.run("--llmlog-mode=live").assert_outcomes(passed=2)
    suite.server.push(answer("I cannot tell you that."), answer("The Seine."))
    result = suite.run("--llmlog-mode=live")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["    answer (similar:0.7, 0.* by rapidfuzz.token_set_ratio):"])


def test_the_users_own_scorer(suite: Suite) -> None:
    suite.ini("llmlog_scorer = judge:same_city", "llmlog_compare = similar:1", "pythonpath = .")
    suite.write(test_it=SUITE, judge="def same_city(old, new):\n    return float(('Paris' in old) == ('Paris' in new))\n")
    assert suite.server is not None
    suite.server.push(answer("Paris."), answer("The Seine."))
    suite.run("--llmlog-mode=record").assert_outcomes(passed=2)
    suite.server.push(answer("It has been Paris for long."), answer("The Loire."))
    suite.run("--llmlog-mode=live").assert_outcomes(passed=2)
    suite.server.push(answer("Lyon."), answer("The Loire."))
    result = suite.run("--llmlog-mode=live")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*by judge.same_city*"])


def test_a_regression_leaves_its_recording_pending_unless_it_is_accepted(suite: Suite) -> None:
    suite.write(test_it=SUITE)
    suite.run("--llmlog-mode=record").assert_outcomes(passed=2)
    before = suite.goldens()["test_touched.json"]
    result = suite.run("--llmlog-mode=record", PROMPT="What is the capital of France, do you think?")
    result.assert_outcomes(passed=1, failed=1)
    pending = suite.path / "goldens" / "test_it" / "test_touched.json.new"
    assert "do you think" in json.loads(pending.read_text())["interactions"][0]["prompt"]
    assert suite.goldens()["test_touched.json"] == before
    result = suite.run("--llmlog-mode=record", "--llmlog-accept=changed", PROMPT="What is the capital of France, do you think?")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["test_it.py::test_touched: regressed: input_tokens*"])
    assert "do you think" in suite.goldens()["test_touched.json"]["interactions"][0]["prompt"]
    assert not pending.exists()


@pytest.mark.parametrize(("accept", "created"), [("none", 0), ("new", 2), ("changed", 0), ("all", 2)])
def test_what_is_accepted_at_once(suite: Suite, accept: str, created: int) -> None:
    suite.write(test_it=SUITE)
    suite.run("--llmlog-mode=record", f"--llmlog-accept={accept}").assert_outcomes(passed=2)
    assert len(suite.goldens()) == created
    assert len(list(suite.path.rglob("*.json.new"))) == 2 - created


def git(suite: Suite, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=suite.path, check=True, capture_output=True)


def test_goldens_of_a_git_reference(suite: Suite) -> None:
    suite.write(test_it=SUITE)
    suite.run("--llmlog-mode=record").assert_outcomes(passed=2)
    git(suite, "init", "-q", "-b", "main")
    git(suite, "add", ".")
    git(suite, "commit", "-qm", "one")
    longer = {"PROMPT": "What is the capital of France, and how many people live there?"}
    suite.run("--llmlog-mode=record", "--llmlog-accept=all", **longer).assert_outcomes(passed=2)
    suite.run("--llmlog-mode=replay", **longer).assert_outcomes(passed=2)
    result = suite.run("--llmlog-mode=replay", "--llmlog-baseline=git:main", **longer)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["llmlog: regressed: input_tokens * (baseline git:main, recorded)", "*prompt changed"])
    suite.write(
        test_new=SUITE.replace("def test_touched", "def test_new").split("@pytest.mark.llmlog(regress=CHECKS)\ndef test_untouched")[
            0
        ]
    )
    suite.run("--llmlog-mode=record", "-k", "test_new").assert_outcomes(passed=1)
    result = suite.run("--llmlog-mode=replay", "--llmlog-baseline=git:main", "-k", "test_new")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["test_new.py::test_new: new: input_tokens*"])
    result = suite.run("--llmlog-baseline=git:nowhere")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*baseline git:nowhere: * is in no git repository that knows 'nowhere'"])


def test_a_limit_that_the_baseline_broke_as_well_is_no_news(suite: Suite) -> None:
    suite.write(test_it=SUITE)
    suite.run("--llmlog-mode=record").assert_outcomes(passed=2)
    limited = ("--llmlog-mode=replay", "--llmlog-budget=test.input_tokens:5")
    suite.run(*limited).assert_outcomes(failed=2)
    result = suite.run(*limited, "--llmlog-baseline=last")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*pre_existing in run *: over budget: input_tokens*"])


REPEATED = """
import openai, os, pytest

@pytest.mark.llmlog(regress={"latency": "25%+200ms"}, runs=5, pass_rate=0.8)
def test_slow():
    openai.OpenAI().chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "How fast?"}])

@pytest.mark.llmlog(runs=5, pass_rate=0.8)
@pytest.mark.parametrize("case", ["a"])
def test_flaky(case, request):
    openai.OpenAI().chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "How sure?"}])
    assert f"#{request.node.callspec.params.get('llmlog_repeat')}" not in os.environ.get("FAILING", "")
"""


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "xdist"])
def test_a_slower_server(suite: Suite, workers: list[str]) -> None:
    suite.write(test_it=REPEATED)
    assert suite.server is not None
    suite.run("--llmlog-mode=live", "-k", "slow").assert_outcomes(passed=5)
    result = suite.run("--llmlog-mode=live", "--llmlog-baseline=last", "-k", "slow", *workers)
    result.assert_outcomes(passed=5)
    suite.server.push(*[Reply(delay=0.6)] * 5)
    result = suite.run("--llmlog-mode=live", "--llmlog-baseline=last", "-k", "slow", *workers)
    result.assert_outcomes(passed=5, failed=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "llmlog: regressed: latency * → * (+* %), allowed 25 % + 200 ms, medians of 5 → 5 runs, p = 0.004 (baseline run *, measured now)",
            "  the requests are the same: provider drift",
            "FAILED test_it.py::test_slow*",
        ]
    )
    result = suite.run("--llmlog-mode=live", "--llmlog-runs=2", "--llmlog-fail=latency:0", "--llmlog-baseline=last", "-k", "flaky")
    assert result.ret == 0


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "xdist"])
def test_more_comparisons_take_more_runs(suite: Suite, workers: list[str]) -> None:
    suite.write(
        test_it=REPEATED.replace('{"latency": "25%+200ms"}', '{"latency": "25%+200ms", "total_latency": "0", "cost_usd": "0"}')
    )
    assert suite.server is not None
    suite.run("--llmlog-mode=live", "-k", "slow").assert_outcomes(passed=5)
    suite.server.push(*[Reply(delay=0.6)] * 5)
    result = suite.run("--llmlog-mode=live", "--llmlog-baseline=last", "-k", "slow", *workers)
    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(["*insufficient_data: latency*among 3 comparisons it takes 6 on each side*"])


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "xdist"])
def test_one_verdict_on_the_runs_of_a_test(suite: Suite, workers: list[str]) -> None:
    suite.write(test_it=REPEATED)
    result = suite.run("--llmlog-mode=live", "-k", "flaky", *workers, FAILING="#2")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["test_it.py::test_flaky[[]a[]]: pass rate 4 of 5 (80%, 95 % interval 38% to 96%)", "*4 passed, *1 run failed*"]
    )
    result = suite.run("--llmlog-mode=live", "-k", "flaky", "--junit-xml=junit.xml", *workers, FAILING="#1 #2")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["llmlog: pass rate 3 of 5 (60%, *), at least 80% wanted", "*assert '#1' not in*", "FAILED test_it.py::test_flaky[[]a[]]*"]
    )
    assert 'name="test_flaky[a]"' in (suite.path / "junit.xml").read_text()


def test_a_pass_rate_that_fell_is_held_against_the_baseline(suite: Suite) -> None:
    suite.write(test_it=REPEATED.replace("runs=5, pass_rate=0.8", "runs=9, pass_rate=0.2"))
    suite.run("--llmlog-mode=live", "-k", "flaky").assert_outcomes(passed=9)
    result = suite.run("--llmlog-mode=live", "--llmlog-baseline=last", "-k", "flaky", FAILING="#1 #2 #3 #4 #5 #6")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["llmlog: regressed: pass rate 9 of 9 → 3 of 9, p = 0.0045 (baseline run *)"])
    assert suite.run("--llmlog-mode=live", "--llmlog-baseline=last", "-k", "flaky", FAILING="#1 #2 #3 #4 #5").ret == 0


def test_repeats_are_live_only_and_share_a_golden(suite: Suite) -> None:
    suite.write(test_it=REPEATED)
    suite.run("--llmlog-mode=record").assert_outcomes(passed=2)
    assert sorted(suite.goldens()) == ["test_flaky[a].json", "test_slow.json"]
    suite.run("--llmlog-mode=replay").assert_outcomes(passed=2)
    result = suite.run("--llmlog-mode=live")
    result.assert_outcomes(passed=10)
    result.stdout.no_fnmatch_line("*new:*")


@pytest.mark.parametrize(
    ("marker", "text"),
    [
        ("regress={'speed': '5%'}", "*'speed' is no metric*"),
        ("regress={'latency': 'much'}", "*expected PERCENT+AMOUNT*"),
        ("compare='alike'", "*expected exact, text, json, shape, similar:X*"),
        ("ignore='id'", "*is not a JSON path*"),
        ("runs=0", "*expected a whole number from 1*"),
        ("pass_rate=80", "*expected a share from 0 to 1*"),
    ],
)
def test_a_marker_that_cannot_be_read_stops_the_collection(suite: Suite, marker: str, text: str) -> None:
    suite.write(test_it=f"import pytest\n@pytest.mark.llmlog({marker})\ndef test_it(): pass\n")
    result = suite.run()
    assert result.ret == 2
    result.stdout.fnmatch_lines([f"*@pytest.mark.llmlog({marker.partition('=')[0]}=*", text] if "\n" in text else [text])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--llmlog-fail=speed:5%"], "*llmlog_fail / --llmlog-fail 'speed:5%': 'speed' is no metric*"),
        (["--llmlog-baseline=nowhere.log"], "*baseline 'nowhere.log': expected golden, git:REF, last*"),
        (["--llmlog-baseline=last"], "*baseline 'last': there is no such run*"),
        (["--llmlog-runs=0"], "*llmlog_runs = '0': expected a whole number from 1*"),
    ],
)
def test_an_option_that_cannot_be_read_is_a_usage_error(suite: Suite, arguments: list[str], text: str) -> None:
    suite.write(test_it="def test_it(): pass\n")
    result = suite.run(*arguments)
    assert result.ret == 4
    result.stderr.fnmatch_lines([text])


TEARDOWN = """
import openai, os, pytest

def ask(text):
    openai.OpenAI().chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": text}])

@pytest.fixture
def around(llmlog):
    yield
    ask("Good-bye" + os.environ.get("MORE", ""))

@pytest.mark.llmlog(regress={"calls": 0, "input_tokens": 0, "response": True}, runs=3)
def test_it(llmlog, around):
    ask("Hello")
    llmlog.assert_matches_golden()
"""


def test_calls_of_the_teardown_are_judged_with_the_rest(suite: Suite) -> None:
    suite.write(test_it=TEARDOWN)
    suite.run("--llmlog-mode=record").assert_outcomes(passed=1)
    suite.run("--llmlog-mode=replay").assert_outcomes(passed=1)
    result = suite.run("--llmlog-mode=record", MORE=", my friend")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["llmlog: regressed: input_tokens*", "  call 2: *: prompt changed"])
    result = suite.run("--llmlog-mode=live", MORE=", my friend")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["llmlog: regressed: input_tokens*medians of 1 → 3 runs*"])


def test_a_scorer_that_fails_is_named(suite: Suite) -> None:
    suite.ini("llmlog_scorer = judge:broken", "llmlog_compare = similar:1", "pythonpath = .")
    suite.write(test_it=SUITE, judge="def broken(old, new):\n    raise OSError('no model')\n")
    suite.run("--llmlog-mode=record").assert_outcomes(passed=2)
    result = suite.run("--llmlog-mode=live")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["llmlog: response: the scorer judge.broken failed: OSError: no model"])
