"""The page of a large run: its size against the log's, how long it takes to write, to open in Chromium, and to filter.

``python benchmarks/report.py [CALLS]``; needs the extra ``report``, Playwright and /usr/bin/chromium.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pytest_llmlog import baseline, recap, reports, runs

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
WORDS = [
    "the",
    "a",
    "ticket",
    "printer",
    "fire",
    "invoice",
    "customer",
    "answer",
    "team",
    "please",
    "billing",
    "account",
    "password",
    "reset",
    "refund",
    "order",
    "late",
    "early",
]


def record(number: int, run_id: str, chance: random.Random) -> dict[str, Any]:
    """One call in a log, of about 2 KB; every tenth differs from run to run."""
    said = " ".join(chance.choices(WORDS, k=60))
    answer = f"{said[:200]} {run_id if number % 10 == 0 else ''}"
    prompt = f"You triage tickets of a support desk.\n\nTicket {number}: {said}"
    test_id = f"tests/test_desk_{number % 40}.py::test_ticket[{number // 4}]"
    return {
        "timestamp": f"2026-11-24T12:{number // 600 % 60:02d}:{number // 10 % 60:02d}.000Z", "schema_version": 1, "event": "llm.call",
        "request_id": f"{abs(hash((run_id, number))):032x}"[:32], "run_id": run_id, "session_id": test_id, "prompt_template": f"t{number % 7}",
        "input": {"ticket": said[:80]}, "prompt": prompt, "messages": [{"role": "user", "parts": [{"type": "text", "content": prompt}]}],
        "response": answer, "response_messages": [{"role": "assistant", "parts": [{"type": "text", "content": answer}]}],
        "tokens": 300 + number % 90, "usage": {"input": 200, "output": 100 + number % 90, "total": 300 + number % 90},
        "cost_usd": 0.0001 * (1 + number % 9), "cost_source": "provider", "latency_seconds": round(chance.lognormvariate(0, 0.5), 6),
        "status": "success", "http_status": 200, "source": "live", "provider": "openai", "operation": "chat", "model": f"model-{number % 5}",
        "stream": False, "params": {"temperature": 0}, "finish_reasons": ["stop"], "attempt": 1, "prompt_hash": f"{number:032x}",
        "request_hash": f"{number:032x}", "server_address": "api.example.com:443", "test_id": test_id,
    }  # fmt: skip


def large(calls: int, folder: Path) -> tuple[Path, recap.Recap]:
    """A log with two runs of so many calls, and the recap of the second against the first."""
    log = folder / "log.jsonl"
    first, second = "a" * 32, "b" * 32
    with log.open("w", encoding="utf-8") as file:
        for run_id in (first, second):
            chance = random.Random(6)  # no secret
            file.writelines(json.dumps(record(number, run_id, chance)) + "\n" for number in range(calls))
    found, made = runs.find(second, folder, log)
    before = baseline.resolve(first, folder, log, found.run_id)
    return log, recap.of_run(found, made, before, root=folder, trend=runs.trend(log, second))


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log, made = large(calls, folder)
        page, began = folder / "report.html", time.perf_counter()
        reports.write(made, page)
        written = time.perf_counter() - began
        share = page.stat().st_size / (log.stat().st_size / 2)
        print(
            f"{calls:,} calls, log of the run {log.stat().st_size / 2e6:.1f} MB, page {page.stat().st_size / 1e6:.1f} MB: {share:.2f} x; written in {written:.1f} s"
        )
        opened, filtered = in_browser(page)
        print(f"opens in {opened:.2f} s; filters {', '.join(f'{each * 1000:.0f} ms' for each in filtered)}")


def in_browser(page: Path) -> tuple[float, list[float]]:
    """Seconds until the list is there, and of each filter; a filter's first search makes the index."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        tab = browser.new_page()
        began = time.perf_counter()
        tab.goto(page.as_uri())
        tab.locator("#count", has_text="calls").wait_for()
        opened = time.perf_counter() - began
        script = """word => { const field = document.getElementById('q'), began = performance.now();
            field.value = word; field.dispatchEvent(new Event('input', {bubbles: true})); document.body.offsetHeight;
            return (performance.now() - began) / 1000; }"""
        filtered = [tab.evaluate(script, word) for word in ("printer", "refund late", "nothing like it", "")]
        browser.close()
    return opened, filtered


if __name__ == "__main__":
    main()
