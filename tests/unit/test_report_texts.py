"""Reports from values: what is escaped, what fits, and what is refused before a run begins."""

from __future__ import annotations

import html
import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmlog import reports, runs, validation
from pytest_llmlog.errors import ConfigError
from pytest_llmlog.printing import printable
from pytest_llmlog.recap import Recap, Test
from pytest_llmlog.record import Budget, CheckResult, RunResult, TestResult, Violation
from pytest_llmlog.reports import figures, github, machine, markdown, terminal
from pytest_llmlog.reports import html as page

HOSTILE = "</script><!--<img src=x onerror=alert(1)> | @everyone #1 `x` ```` ~~~ [a](http://b) www.c.d\n::error::x\n\u202e\x1b[31m"


def hostile(count: int = 1) -> Recap:
    """A run of which every text is a stranger's."""
    violation = Violation(kind="regression", text=f"llmlog: regressed: {HOSTILE}", metric="tokens", value=2, limit=1)
    check = CheckResult(metric="tokens", verdict="regressed", fails=True, before=1, now=2, text=HOSTILE)
    results = [
        TestResult(
            test_id=f"test_a.py::test_{number}[{HOSTILE}]", file="a, b:c.py", line=3, live=1, live_latencies=(0.5,), live_tokens=2,
            figures={"tokens": 2, "calls": 1, "latency": 0.5}, violations=(violation,), checks=(check,), differences=(HOSTILE,),
            warnings=(HOSTILE,), golden="updated", golden_path=HOSTILE,
        )
        for number in range(count)
    ]  # fmt: skip
    run = RunResult(
        run_id="a" * 32, mode="live", log_path="log", baseline=HOSTILE, tests=tuple(results), violations=(violation,), warnings=(HOSTILE,),
        faults=(HOSTILE,), budgets=(Budget("tokens", 2, 10), Budget("cost_usd", 2, 1)),
    )  # fmt: skip
    tests = tuple(Test(result=result, verdict="regressed", before={"tokens": 1}, causes=("prompt",)) for result in results)
    return Recap(run=run, baseline=HOSTILE, tests=tests)


@given(st.text())
def test_code_is_one_line_without_markup(text: str) -> None:
    shown = markdown.code(text).removeprefix("<code>").removesuffix("</code>")
    assert not re.search(r"[<>|`*_\[\]@!~\\\n]|#(?!\d+;)|&(?!#\d+;)", shown)
    assert html.unescape(shown) == " ".join(printable(text).split())


@given(st.lists(st.sampled_from(["```", "`", "\n", " ", "a"])).map("".join))
def test_a_fence_is_not_closed_by_what_it_holds(text: str) -> None:
    first, *inner, last = markdown.fenced(text).split("\n")
    assert first == last
    assert not any(re.fullmatch(rf" {{0,3}}`{{{len(first)},}}\s*", line) for line in inner)


def test_markdown_quotes_strangers_only() -> None:
    text = markdown.text_of(hostile())
    outside = re.sub(r"(?ms)^(`{3,})[a-z]*\n.*?^\1$", "", text)
    outside = re.sub(r"<code>[^<>]*</code>", "", outside)
    assert set(re.findall(r"</?[a-z]+>|<", outside)) <= {"<details>", "</details>", "<summary>", "</summary>"}
    for sign in ("@", "http", "www", "onerror", "::error", "\x1b", "\u202e"):
        assert sign not in outside
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert not re.search(r"(?m)^\s*::", text)


def test_markdown_fits_a_comment_however_many_tests_there_are() -> None:
    text = markdown.text_of(hostile(2000))
    assert len(text) < 65_536
    assert text.startswith("## llmlog: suite regressed, 2,000 regressed")
    assert "more test" in text
    assert text.count("<details>") == text.count("</details>")


def test_workflow_commands_are_one_line_each_and_point_at_the_test(tmp_path: Path) -> None:
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(tmp_path)}
    told = list(github.commands(hostile(30), tmp_path / "sub", environ))
    assert len(told) == github.ANNOTATIONS
    assert all(re.fullmatch(r"::error [^\n\r\x1b\u202e]*", line) for line in told)
    assert told[1].startswith("::error file=sub/a%2C b%3Ac.py,line=3,title=llmlog%3A test_a.py%3A%3Atest_0[</script>")
    assert "%0A" in told[1]
    assert list(github.commands(hostile(), tmp_path, {})) == []


def test_the_json_report_holds_to_its_schema() -> None:
    value = json.loads(machine.text_of(hostile(3)))
    assert validation.faults(value, "report") == []
    assert (value["holds"], value["spent_now"]["latency_p95"], len(value["tests"])) == (False, 0.5, 3)


def test_data_in_a_page_cannot_end_its_script() -> None:
    text = page.text_of(hostile(3))
    data = re.findall(r'(?s)<script type="application/json" id="data">(.*?)</script>', text)
    assert len(data) == 1
    assert "<" not in data[0]
    assert json.loads(data[0])["tests"][0]["id"] == hostile().tests[0].result.test_id
    assert len(re.findall(r"<script", text)) == 2
    assert "<img" not in text
    assert not re.search(r"(?:src|href)=\"(?!#)", text)


def look(**more: Any) -> list[str]:
    return [line.text for line in terminal.lines(hostile(12).run, terminal.Look(**more))]


def test_the_terminal_shows_few_and_under_v_all() -> None:
    few, everything = look(), look(verbose=True)
    assert "  … and 2 more; -v shows them" in few
    assert "  … and 2 more; -v shows them" not in everything
    assert sum(HOSTILE.split("\n")[0] in line for line in few) < sum(HOSTILE.split("\n")[0] in line for line in everything)
    assert few[0] == "12 calls: 12 live; 24 tokens spent now, p50 500 ms, p95 500 ms"
    assert few[1] == "  budget: tokens 8 of 10 left; budget: cost_usd $1.00 over $1.00" or few[1:3] == [
        "  budget: tokens 8 of 10 left", "  budget: cost_usd $1.00 over $1.00",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [60, 80, 120])
def test_tables_keep_to_the_width_and_cut_no_name(width: int) -> None:
    name = "tests/deep/folder/test_module_with_a_long_name.py::TestClass::test_method[parameter-and-another]"
    results = [
        TestResult(test_id=f"{name}{n}", live=1, figures={"calls": 1, "tokens": 10, "latency": n, "cost_usd": 0.1})
        for n in range(5)
    ]
    run = RunResult(run_id="a", mode="live", log_path="log", tests=tuple(results))
    shown = [line.text for line in terminal.lines(run, terminal.Look(width=width))]
    table = shown[2:]
    assert all(len(line) <= width for line in table)
    assert table[0].startswith("slowest")
    folded = "".join(re.sub(r"\s{2,}[\d$–].*$", "", line).strip() for line in table)
    assert f"{name}4" in folded


def test_a_violation_without_its_text_still_tells_its_figures() -> None:
    told = [
        figures.told(Violation(kind="budget", text="", metric="cost_usd", value=0.2, limit=0.1)),
        figures.told(Violation(kind="regression", text="", metric="latency", value=2, limit=1)),
        figures.told(Violation(kind="pass_rate", text="", metric="pass_rate", value=0.5, limit=1)),
        figures.told(Violation(kind="refused", text="")),
    ]
    assert told == [
        "budget: cost_usd $0.2 > $0.1",
        "regression: latency 1.00 s → 2.00 s",
        "pass_rate: pass_rate 100% → 50%",
        "refused",
    ]


def test_a_report_that_cannot_be_made_is_refused_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--report 'a\.pdf': the name has to end in \.html, \.md, \.json"):
        reports.check(Path("a.pdf"), "--report")
    (tmp_path / "a.md").mkdir()
    with pytest.raises(ConfigError, match="is a folder"):
        reports.check(tmp_path / "a.md", "--report")
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "altair" else found(name))
    reports.check(Path("a.json"), "--report")
    with pytest.raises(ConfigError, match=r"needs altair\n  fix: pip install 'pytest-llmlog\[report\]'"):
        reports.check(Path("a.html"), "--report")


@pytest.mark.parametrize(
    ("values", "share", "found"),
    [
        ([], 0.5, None),
        ([3], 0.95, 3),
        ([1, 2, 3, 4], 0.5, 2),
        ([4, 1, 3, 2], 0.95, 4),
        (range(1, 101), 0.95, 95),
        (range(1, 21), 0.95, 19),
    ],
)
def test_quantiles_by_nearest_rank(values: Any, share: float, found: float | None) -> None:
    assert runs.quantile(list(values), share) == found
