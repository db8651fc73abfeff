"""Other processes than the test's own: which calls of theirs are seen, and that none is written twice or torn."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path

import pytest

from conftest import RunApplication, Suite
from e2e.test_application import ASKING

ASK = """
import multiprocessing, os, subprocess, sys
import httpx, pytest

URL = os.environ["OPENAI_BASE_URL"] + "/chat/completions"

def ask(text):
    answer = httpx.post(URL, json={"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}, headers={"authorization": "Bearer sk-standin"})
    return answer.json()["choices"][0]["message"]["content"]
"""

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def _prompts(suite: Suite) -> Counter[tuple[str, str]]:
    return Counter((record["test_id"], record["prompt"]) for record in suite.records())


SUBPROCESS = f"""{ASK}
CHILD = "import sys, pytest_llmlog; sys.path[:0] = sys.argv[1:]; import test_it; test_it.ask('unseen')"
CAPTURING = '''
import sys, pytest_llmlog
sys.path[:0] = sys.argv[1:2]
import test_it
with pytest_llmlog.capture(sys.argv[2], wire=True, session_id=sys.argv[3]) as calls:
    for number in range(20):
        test_it.ask(f"{{sys.argv[3]}} {{number}} " + "long " * 5_000)
assert len(calls) == 20
'''
LOG = os.path.join(".llmlog", "llm_interactions.log")

def test_plain(llmlog):
    ask("own")
    subprocess.run([sys.executable, "-c", CHILD, os.path.dirname(__file__)], check=True)
    assert [call.prompt for call in llmlog] == ["own"]

def test_capturing(llmlog):
    children = [subprocess.Popen([sys.executable, "-c", CAPTURING, os.path.dirname(__file__), LOG, f"child {{n}}"]) for n in range(3)]
    for number in range(20):
        ask(f"parent {{number}}")
    assert [child.wait(60) for child in children] == [0, 0, 0]
    assert len(llmlog) == 20
"""


def test_a_subprocess_is_not_seen_unless_it_captures_by_itself_and_may_share_the_log(suite: Suite) -> None:
    suite.write(test_it=SUBPROCESS)
    suite.run("--llmlog-mode=record").assert_outcomes(passed=2)
    records = suite.records()  # each line is JSON
    counts = Counter(record.get("test_id") or record["session_id"] for record in records)
    assert counts == {
        "test_it.py::test_plain": 1, "test_it.py::test_capturing": 20, "child 0": 20, "child 1": 20, "child 2": 20,
    }  # fmt: skip
    assert len({record["request_id"] for record in records}) == 81
    assert len(suite.goldens()["test_capturing.json"]["interactions"]) == 20


FORKED = f"""{ASK}
FORK = multiprocessing.get_context("fork")

def in_child(texts):
    for text in texts:
        ask(text)

def child(texts):
    process = FORK.Process(target=in_child, args=[texts])
    process.start()
    process.join(30)
    return process.exitcode

def test_it(llmlog):
    ask("before")
    with httpx.stream("POST", URL, json={{"model": "gpt-4o", "stream": True, "messages": [{{"role": "user", "content": "open"}}]}},
                      headers={{"authorization": "Bearer sk-standin"}}) as response:
        lines = response.iter_lines()
        next(lines)
        assert child(CHILDS) == STATUS
        list(lines)
    ask("after")
    assert [call.prompt for call in llmlog] == ["before", "open", "after"]
"""


@needs_fork
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_writes_its_own_calls_at_once_and_none_of_its_parents(suite: Suite) -> None:
    suite.write(test_it=FORKED.replace("CHILDS", "['child a', 'child b']").replace("STATUS", "0"))
    suite.run("--llmlog-mode=record").assert_outcomes(passed=1)
    test = "test_it.py::test_it"
    assert _prompts(suite) == {(test, prompt): 1 for prompt in ("before", "child a", "child b", "open", "after")}
    golden = suite.goldens()["test_it.json"]["interactions"]
    assert [call["prompt"] for call in golden] == ["before", "open", "after"]

    # On replay "before" waits to be written when the child begins, and the golden answers only what the test itself asked.
    suite.log.unlink()
    suite.write(test_it=FORKED.replace("CHILDS", "['before']").replace("STATUS", "1"))
    result = suite.replay_offline("-s")
    result.assert_outcomes(passed=1)
    assert _prompts(suite) == {(test, prompt): 1 for prompt in ("before", "open", "after")}
    result.stderr.fnmatch_lines(["*not in the golden*", "*forked*"])


@needs_fork
def test_a_forked_child_is_not_stopped_by_a_lock_that_a_thread_of_its_parent_held(
    application: RunApplication, tmp_path: Path
) -> None:
    application(f"""{ASKING}
import warnings
warnings.simplefilter("ignore")
stop = threading.Event()

def keep_asking():
    while not stop.is_set():
        ask("thread " + "x" * 200_000)

with pytest_llmlog.capture("calls.log") as calls:
    ask("first")  # so that nothing is imported when this forks: Python's own lock for that is held by the importing thread
    threads = [threading.Thread(target=keep_asking) for _ in range(4)]
    for thread in threads:
        thread.start()
    scope = __import__("pytest_llmlog.intercept.running", fromlist=["x"]).captures.current()
    for number in range(5):
        with scope._lock, scope.recorder.log._lock, scope.recorder.redactor._lock:  # as a thread may, when another one forks
            child = os.fork()
        if child == 0:
            import http.client
            from urllib.parse import urlsplit
            place = urlsplit(os.environ["OPENAI_BASE_URL"])
            connection = http.client.HTTPConnection(place.hostname, place.port)
            body = '{{"model": "gpt-4o", "messages": [{{"role": "user", "content": "child %d"}}]}}' % number
            connection.request("POST", "/v1/chat/completions", body, {{"authorization": "Bearer sk-standin", "content-type": "application/json"}})
            connection.getresponse().read()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    stop.set()
    for thread in threads:
        thread.join()
""")
    records = [json.loads(line) for line in (tmp_path / "calls.log").read_text().splitlines()]
    children = sorted(record["prompt"] for record in records if record["prompt"].startswith("child"))
    assert children == [f"child {number}" for number in range(5)]
    assert len({record["request_id"] for record in records}) == len(records)


SPAWNED = f"""{ASK}
def test_it(llmlog):
    ask("own")
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert len(pool.map(ask, ["child a", "child b", "child c"])) == 3
    assert [call.prompt for call in llmlog] == ["own"]
"""


def test_a_spawned_child_is_a_process_like_any_other(suite: Suite) -> None:
    suite.write(test_it=SPAWNED)
    suite.run("--llmlog-mode=record").assert_outcomes(passed=1)
    assert _prompts(suite) == {("test_it.py::test_it", "own"): 1}
    assert suite.server is not None
    assert len(suite.server.requests) == 4
    assert sys.version_info >= (3, 10)
