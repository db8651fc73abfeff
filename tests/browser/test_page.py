"""The report's page as people use it: written by real runs of a suite, opened in Chromium."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from openai_standin import StandIn

Visit = Callable[..., Page]
TRIAGE = "test_triage[The printer is on fire]"

CHROMIUM = "/usr/bin/chromium"
pytestmark = [pytest.mark.browser, pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="chromium is not installed")]
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a live run with changes, after a run that recorded goldens."""
    folder = tmp_path_factory.mktemp("desk")
    shutil.copy(Path(__file__).with_name("support_desk.py"), folder / "test_support_desk.py")
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "PYTEST_")) and name != "CI"}
    with StandIn() as server:
        base = {**outside, "OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "sk-standin"}

        def run(*args: str, **more: str) -> None:
            command = [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "--llmlog",
                "-p",
                "no:cacheprovider",
                "-p",
                "no:hypothesispytest",
                *args,
            ]
            subprocess.run(command, cwd=folder, env={**base, **more}, capture_output=True, check=False, timeout=120)

        run("--llmlog-mode=record")
        run("--llmlog-mode=live", "--llmlog-wire", "--llmlog-budget=cost_usd:0.01", "--llmlog-report=report.html", CHANGED="1")
    return folder / "report.html"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield running
        running.close()


@pytest.fixture
def visit(browser: Browser, report: Path) -> Iterator[Callable[..., Page]]:
    """Open the page, or another; at the end nothing may have been reported to the console or asked for."""
    opened: list[Any] = []
    told: list[str] = []

    def visit(fragment: str = "", *, file: Path = report, width: int = 1280, height: int = 900, **more: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, **more)
        opened.append(context)
        page = context.new_page()
        page.on("console", lambda message: told.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: told.append(f"error: {error}"))
        page.on("request", lambda request: told.append(request.url) if request.url.partition("#")[0] != file.as_uri() else None)
        page.goto(f"{file.as_uri()}{fragment}")
        return page

    yield visit
    for context in opened:
        context.close()
    assert told == []


def calls(report: Path) -> list[dict[str, Any]]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', report.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    data = json.loads(found[1])
    return [{**call, "name": data["tests"][call["test"]]["id"].partition("::")[2]} for call in data["calls"]]


def link(report: Path, name: str) -> str:
    return next(f"#call={call['id']}" for call in calls(report) if call["name"] == name)


def names(page: Page) -> list[str]:
    return page.locator("#rows .row a").all_inner_texts()


def test_what_does_not_hold_comes_first_and_charts_are_drawn(visit: Visit) -> None:
    page = visit()
    cards = page.locator(".card h3").all_inner_texts()
    assert [card.split("\n")[0].split(" ")[0] for card in cards[:3]] == ["the", "regressed", "over"]
    assert TRIAGE in cards[1]
    assert "template changed" in page.locator(".card").nth(1).inner_text()
    charts = page.locator(".chart")
    assert charts.locator("figcaption strong").all_inner_texts() == [
        "Latency per test", "Tokens per test", "Cost by model", "Cost by template", "Latency of calls", "Trend over the runs",
    ]  # fmt: skip
    for number in range(6):
        drawing = charts.nth(number).locator("svg")
        box = drawing.bounding_box()
        assert box is not None
        assert box["width"] > 200
        assert box["height"] > 50
        marks = drawing.locator("[role=graphics-symbol][aria-roledescription]")
        assert marks.count() > 1
    bar = charts.nth(0).locator("a path").first
    assert bar.evaluate("bar => getComputedStyle(bar).fill") == "rgb(47, 111, 208)"
    bar.click()
    expect(page.locator("#dialog")).to_be_visible()
    expect(page.locator("#dialog-title")).to_contain_text("test_support_desk.py::")


def test_search_filters_and_sorting(visit: Visit, report: Path) -> None:
    page = visit()
    total = len(calls(report))
    expect(page.locator("#count")).to_have_text(f"{total} calls")
    assert names(page)[0] == TRIAGE
    page.locator("#q").fill("PRINTER fire json")
    expect(page.locator("#count")).to_have_text(f"1 of {total} calls")
    assert names(page) == [TRIAGE]
    page.locator("#q").fill("PRINTER")
    assert set(names(page)) == {TRIAGE, "test_tool_opens_a_ticket", "test_summary_is_short", "test_knowledge_base_is_embedded"}
    assert "q=PRINTER" in page.url
    page.locator("#model").select_option("gpt-4o-mini")
    assert names(page) == [TRIAGE]
    page.locator("#reset").click()
    page.locator("#verdict").select_option("over budget")
    assert names(page) == ["test_summary_is_short"]
    page.locator("#reset").click()
    page.locator("#template").select_option("translate")
    assert names(page) == ["test_languages"] * 3
    page.locator("#reset").click()
    page.locator("#sort").select_option("cost")
    prices = [call["now"].get("cost_usd", -1) for call in calls(report)]
    expect(page.locator("#rows .row").first.locator(".number").nth(1)).to_contain_text(f"${round(max(prices), 6)}")
    page.locator("#q").fill("nothing at all like this")
    expect(page.locator("#none")).to_be_visible()


def test_a_filtered_view_is_a_link(visit: Visit) -> None:
    page = visit("#q=printer&model=gpt-4o")
    assert set(names(page)) == {"test_tool_opens_a_ticket", "test_summary_is_short"}
    expect(page.locator("#q")).to_have_value("printer")


def test_a_link_opens_a_call_beside_its_baseline(visit: Visit, report: Path) -> None:
    page = visit(link(report, TRIAGE))
    expect(page.locator("#dialog")).to_be_visible()
    pair = page.locator(".pair").first
    expect(pair.locator(".bubble").nth(0)).to_contain_text("Baseline: user")
    assert pair.locator("del").all_inner_texts() == ["a"]
    assert pair.locator("ins").all_inner_texts() == ["our", "one ", " that helps,"]
    assert "line-through" in pair.locator("del").first.evaluate("node => getComputedStyle(node).textDecorationLine")
    assert "underline" in pair.locator("ins").first.evaluate("node => getComputedStyle(node).textDecorationLine")
    expect(page.locator("#detail")).to_contain_text("first: template")
    first, second = (pair.locator(".bubble").nth(number).bounding_box() for number in (0, 1))
    assert first is not None
    assert second is not None
    assert (first["y"], first["x"] < second["x"]) == (second["y"], True)


def test_a_stream_has_a_time_line_and_a_tool_call_its_arguments(visit: Visit, report: Path) -> None:
    page = visit(link(report, "test_answer_streams"))
    stream = next(call for call in calls(report) if call["name"] == "test_answer_streams")
    assert stream["count"] > 10
    expect(page.locator(".timeline")).to_have_attribute(
        "aria-label", re.compile(rf"^{stream['count']} chunks: the first after \d+ ms")
    )
    assert page.locator(".timeline .tick").count() == stream["count"]
    page.goto(page.url.partition("#")[0] + link(report, "test_tool_opens_a_ticket"))
    expect(page.locator(".bubble.assistant")).to_contain_text('"team": "it"')
    expect(page.locator("#detail")).to_contain_text("Request and answer are as in the baseline golden.")
    expect(page.locator("#detail")).to_contain_text("it was no stream")


def test_a_link_opens_a_test(visit: Visit) -> None:
    page = visit(f"#test=test_support_desk.py%3A%3A{TRIAGE.replace(' ', '%20').replace('[', '%5B').replace(']', '%5D')}")
    expect(page.locator("#dialog-title")).to_have_text(f"test_support_desk.py::{TRIAGE}")
    expect(page.locator("#detail")).to_contain_text("regressed: input_tokens")
    page.get_by_text("Only this test in the list").click()
    expect(page.locator("#dialog")).to_be_hidden()
    assert names(page) == [TRIAGE]
    page.goto(page.url.partition("#")[0] + "#call=gone")
    expect(page.locator("#dialog-title")).to_have_text("Not in this report")


def test_keyboard(visit: Visit) -> None:
    page = visit()
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("printer")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#rows .row a").first).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#rows .row a").nth(1)).to_be_focused()
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(page.locator("#dialog")).to_be_visible()
    title = page.locator("#dialog-title").inner_text()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#dialog-title")).not_to_have_text(title)
    page.keyboard.press("Escape")
    expect(page.locator("#dialog")).to_be_hidden()
    expect(page.locator("#rows .row a").nth(1)).to_be_focused()
    assert "q=printer" in page.url
    page.keyboard.press("/")
    page.keyboard.press("Escape")
    expect(page.locator("#q")).to_have_value("")
    page.goto(page.url.partition("#")[0])
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark(visit: Visit, scheme: Any) -> None:
    page = visit(color_scheme=scheme)
    lightness = page.evaluate(
        "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).reduce((a, b) => a + Number(b), 0) / 3"
    )
    assert (lightness > 200) == (scheme == "light")
    label = page.locator(".chart svg text").first.evaluate("text => getComputedStyle(text).fill")
    assert label == {"light": "rgb(87, 96, 106)", "dark": "rgb(161, 171, 181)"}[scheme]


def test_on_a_phone(visit: Visit, report: Path) -> None:
    page = visit(width=390, height=844)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    row = page.locator("#rows .row").first
    row.scroll_into_view_if_needed()
    expect(row).to_contain_text(TRIAGE)
    expect(row).to_contain_text("tok")
    row.locator("a").click()
    expect(page.locator("#dialog")).to_be_visible()
    assert page.evaluate("document.getElementById('dialog').scrollWidth") <= 390
    first, second = (page.locator(".pair").first.locator(".bubble").nth(number).bounding_box() for number in (0, 1))
    assert first is not None
    assert second is not None
    assert (first["x"], first["y"] < second["y"]) == (second["x"], True)


def test_what_models_say_is_inert(visit: Visit, report: Path) -> None:
    page = visit(link(report, "test_a_hostile_customer_is_quoted"))
    said = page.locator(".bubble").nth(1).inner_text()
    assert "</script><script>document.title='owned'</script><img src=x" in said
    assert "\\x1b[31mred" in said
    assert "\\u202egnp.exe" in said
    assert page.title().startswith("llmlog: ")
    assert page.locator("img, iframe, object, embed").count() == 0
    assert page.locator("script").count() == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_no_serious_fault(visit: Visit, report: Path, scheme: Any, width: int) -> None:
    page = visit(width=width, color_scheme=scheme, reduced_motion="reduce")
    places = (
        "",
        link(report, TRIAGE),
        link(report, "test_answer_streams"),
        "#test=test_support_desk.py%3A%3Atest_summary_is_short",
    )
    for place in places:
        page.goto(page.url.partition("#")[0] + place)
        found = Axe().run(page).response["violations"]
        serious = [fault for fault in found if fault["impact"] in ("serious", "critical")]
        assert [(fault["id"], [node["html"][:200] for node in fault["nodes"][:3]]) for fault in serious] == []


def test_prints_the_whole_list_without_controls(visit: Visit, report: Path) -> None:
    page = visit()
    page.emulate_media(media="print")
    expect(page.locator("#tools")).to_be_hidden()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#rows .row").count() == len(calls(report))
    assert page.locator("#rows .row").first.evaluate("row => getComputedStyle(row).position") == "static"
    assert page.pdf()[:5] == b"%PDF-"


def test_a_run_without_calls_says_so(visit: Visit, tmp_path: Path) -> None:
    from pytest_llmlog import reports
    from pytest_llmlog.recap import Recap
    from pytest_llmlog.record import RunResult

    reports.write(
        Recap(run=RunResult(run_id="a" * 32, mode="auto", log_path="log"), baseline="golden", tests=()), tmp_path / "r.html"
    )
    page = visit(file=tmp_path / "r.html")
    expect(page.locator("main")).to_contain_text("No model was called in this run.")
    expect(page.locator("#calls")).to_be_hidden()
    assert page.locator("h1").inner_text().split() == ["llmlog", "all", "hold"]


def test_ten_thousand_calls_stay_usable(visit: Visit, tmp_path: Path) -> None:
    from benchmarks.report import large
    from pytest_llmlog import reports

    log, made = large(10_000, tmp_path)
    page_file = tmp_path / "report.html"
    reports.write(made, page_file)
    assert page_file.stat().st_size < 3 * log.stat().st_size / 2  # the log has two runs
    began = time.perf_counter()
    page = visit(file=page_file)
    expect(page.locator("#count")).to_have_text("10,000 calls")
    assert time.perf_counter() - began < 2
    assert page.locator("#rows .row").count() < 60
    page.locator("#q").fill("warm up")
    filter_time = """word => { const field = document.getElementById('q'), began = performance.now();
        field.value = word; field.dispatchEvent(new Event('input', {bubbles: true})); document.body.offsetHeight;
        return performance.now() - began; }"""
    assert page.evaluate(filter_time, "ticket 4711:") < 100
    expect(page.locator("#count")).to_have_text("1 of 10,000 calls")
    assert page.evaluate(filter_time, "") < 100
    page.locator("#sort").select_option("latency")
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(page.locator("#rows .row").last).to_have_attribute("aria-rowindex", "10000")
