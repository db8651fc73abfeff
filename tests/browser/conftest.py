"""A page written by real runs of a suite, and a real browser to open it in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from openai_standin import StandIn

CHROMIUM = "/usr/bin/chromium"
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
