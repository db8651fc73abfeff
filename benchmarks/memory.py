"""What memory runs take: bytes that Python holds (tracemalloc) and the process's size (RSS), while calls and tests go by.

Run with ``python benchmarks/memory.py [COUNT]``, by default 10,000. Each part runs in two processes of its own: one with tracemalloc,
and one without it for RSS, because it takes memory itself. Figures are taken after a warm-up, a fifth of COUNT, and at the end; the
difference is given for each call or test between them. Of tests, pytest itself keeps the reports: ``plain`` is the same run without
``--llmlog``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import replay

PARTS = """
import gc, json, os, sys, tracemalloc
import httpx

BODY = json.dumps({answer!r}).encode()
if os.environ.get("TRACED"):
    tracemalloc.start()

def measure(what):
    gc.collect()
    size = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS"))
    print("FIGURE", what, tracemalloc.get_traced_memory()[0], size * 1024, file=sys.__stdout__, flush=True)

def ask(client, number):
    messages = [{{"role": "system", "content": "Be brief."}}, {{"role": "user", "content": f"{{number}} {question}"}}]
    headers = {{"accept": "application/json", "x-stainless-retry-count": "0"}}
    answer = client.post(URL, headers=headers, json={{"model": "gpt-4o", "messages": messages, "temperature": 0}})
    assert answer.json()["usage"]["total_tokens"] == 420

def serve():
    import http.server, threading
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        def log_message(self, *args): ...
        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(BODY)))
            self.end_headers()
            self.wfile.write(BODY)
    class Server(http.server.ThreadingHTTPServer):
        daemon_threads, request_queue_size = True, 128
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server

URL = "http://127.0.0.1:9/v1/chat/completions"
COUNT, WARM = {count}, {count} // 5
"""

APPLICATION = """
import pytest_llmlog
server = serve()
URL = f"http://127.0.0.1:{server.server_port}/v1/chat/completions"
with httpx.Client() as client, pytest_llmlog.capture("calls.log", keep=100):
    for number in range(COUNT):
        if number == WARM:
            measure("warm")
        ask(client, number)
    measure("end")
server.shutdown()
"""

ONE_TEST = """
def test_replay(llmlog):
    with httpx.Client() as client:
        for number in range(COUNT):
            if number == WARM:
                measure("warm")
            ask(client, number)
    measure("end")
    assert len(llmlog) == COUNT

def test_after():
    measure("after")
"""

TESTS = """
import pytest
CLIENT = httpx.Client()
if PLAIN:
    CLIENT = httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(200, content=BODY)))

@pytest.mark.parametrize("number", range(COUNT))
def test_it(number):
    if number == WARM:
        measure("warm")
    ask(CLIENT, 0)
    if number == COUNT - 1:
        measure("end")
"""

STREAMS = """
import threading
from concurrent.futures import ThreadPoolExecutor
import pytest_llmlog
server = serve()
URL = f"http://127.0.0.1:{server.server_port}/v1/chat/completions"
together = threading.Barrier(64)

CLIENT = httpx.Client(timeout=60)

def stream(number):
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": str(number)}]}
    with CLIENT.stream("POST", URL, json=body) as answer:
        together.wait(60)
        assert len(answer.read()) == len(BODY)

with pytest_llmlog.capture("calls.log", keep=100), ThreadPoolExecutor(64) as pool:
    for start in range(0, COUNT, 64):
        if start == WARM // 64 * 64:
            measure("warm")
        list(pool.map(stream, range(start, start + 64)))
    measure("end")
server.shutdown()
"""


def _figures(folder: Path, program: str, count: int, *command: str) -> dict[str, tuple[int, int]]:
    """Run a program in two processes of its own; return Python's bytes as the traced one measured them, and the other's size."""
    traced, untraced = (_run(folder, program, count, command, TRACED=traced) for traced in ("1", ""))
    return {when: (held, untraced[when][1]) for when, (held, _) in traced.items()}


def _run(folder: Path, program: str, count: int, command: Sequence[str], **environ: str) -> dict[str, tuple[int, int]]:
    source = PARTS.format(answer=replay.ANSWER, question=replay.QUESTION, count=count) + program
    (folder / "test_bench.py").write_text(source, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (folder / "calls.log").unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, **environ, "OPENAI_API_KEY": "sk-standin"},
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stdout[-3000:] + done.stderr[-3000:])
    told = [line.split() for line in done.stdout.splitlines() if "FIGURE" in line]
    return {words[-3]: (int(words[-2]), int(words[-1])) for words in told}


def _show(name: str, count: int, unit: str, found: dict[str, tuple[int, int]]) -> None:
    (held, size), (held_then, size_then) = found["end"], found["warm"]
    between = count - count // 5
    after = f" after={found['after'][0] / 1e6:.1f} MB" if "after" in found else ""
    print(
        f"MEMORY {name}: held={held / 1e6:.1f} MB rss={size / 1e6:.0f} MB "
        f"growth={(held - held_then) / between:.0f} B/{unit} rss_growth={(size - size_then) / between:.0f} B/{unit}{after}",
        flush=True,
    )


def _golden(folder: Path, count: int, names: list[str]) -> None:
    from pytest_llmlog import golden

    made = replay.make_golden(count)
    for name in names:
        golden.save(folder / "goldens" / "test_bench" / f"{name}.json", made)


PYTEST = ("-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "-p", "no:randomly", "test_bench.py")


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _show("capture, live calls", count, "call", _figures(folder, APPLICATION, count, "test_bench.py"))
        _show("capture, 64 streams at once", count, "call", _figures(folder, STREAMS, count, "test_bench.py"))
        _golden(folder, count, ["test_replay"])
        replayed = ("--llmlog", "--llmlog-mode=replay")
        _show("one test, replayed calls", count, "call", _figures(folder, ONE_TEST, count, *PYTEST, *replayed))
        _golden(folder, 1, [f"test_it[{number}]" for number in range(count)])
        _show("tests, plain", count, "test", _figures(folder, "PLAIN = True\n" + TESTS, count, *PYTEST))
        _show("tests, replayed", count, "test", _figures(folder, "PLAIN = False\n" + TESTS, count, *PYTEST, *replayed))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
