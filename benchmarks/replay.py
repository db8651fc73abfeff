"""What replay costs: the openai client replaying a golden, against the same client over its library's own MockTransport.

Run with ``python benchmarks/replay.py [N ...]``. Each N is one pytest session in this process, with tests of N calls each, as
many as make 5,000 calls, and a golden of N interactions for each. Every call is made both ways, in blocks that take turns, so
that both meet the same moods of the machine; log and validation are on. Printed are the ratios of wall time and CPU time of all
calls together, reading the goldens and writing the log included, the median of the blocks' ratios, and CPU microseconds a call.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import msgspec
import pytest

from pytest_llmlog import golden
from pytest_llmlog.circumstances import Circumstances, Identity
from pytest_llmlog.intercept import interactions
from pytest_llmlog.providers import recognise
from pytest_llmlog.traffic import Exchange, Request, Response

QUESTION = "Why do language models differ from what came before them? " * 30
ANSWER = {
    "id": "chatcmpl-bench", "object": "chat.completion", "created": 1_760_000_000, "model": "gpt-4o-2024-08-06",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "They predict. " * 40, "refusal": None, "annotations": []},
                 "logprobs": None, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 300, "completion_tokens": 120, "total_tokens": 420,
              "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
              "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}},
    "service_tier": "default", "system_fingerprint": "fp_bench",
}  # fmt: skip

TEST = """
import json, statistics, time
import httpx2, openai, pytest
from benchmark_parts import ANSWER, QUESTION

BODY = json.dumps(ANSWER, separators=(",", ":")).encode()
HEADERS = {"content-type": "application/json", "x-request-id": "req_bench", "openai-version": "2020-10-01"}

def mock(request):
    return httpx2.Response(200, headers=HEADERS, content=BODY)

def since(wall=0, cpu=0):
    return time.perf_counter() - wall, time.process_time() - cpu

def block(client, numbers):
    start = since()
    for number in numbers:
        answer = client.chat.completions.create(
            model="gpt-4o", temperature=0, messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": f"{number} {QUESTION}"}])
        assert answer.usage.total_tokens == 420
    return since(*start)

@pytest.fixture(scope="module")
def clients():
    floor = openai.OpenAI(api_key="k", base_url="http://127.0.0.1:9/v1", http_client=httpx2.Client(transport=httpx2.MockTransport(mock)))
    block(floor, range(200))
    return floor, openai.OpenAI(api_key="k", base_url="http://127.0.0.1:9/v1")

RESULTS, ENDS = [], []

@pytest.mark.parametrize("round", range(ROUNDS))
def test_replay(llmlog, clients, round):
    floor, replay = clients
    size = max(10, N // 10)
    for start in range(0, N, size):
        numbers = range(start, min(start + size, N))
        if (start // size + round) % 2:
            floors, replays = block(floor, numbers), block(replay, numbers)
        else:
            replays, floors = block(replay, numbers), block(floor, numbers)
        RESULTS.append((floors, replays))
    start = since()
    assert len(llmlog) == N  # by now the calls are in the log
    ENDS.append(since(*start))

def test_result():
    total = lambda which, kind: sum(entry[which][kind] for entry in RESULTS) + which * sum(end[kind] for end in ENDS)
    calls = N * ROUNDS
    print(f"\\nRATIO N={N} wall={total(1, 0) / total(0, 0):.3f} cpu={total(1, 1) / total(0, 1):.3f} "
          f"median={statistics.median(r[0] / f[0] for f, r in RESULTS):.3f} "
          f"floor_us={1e6 * total(0, 1) / calls:.0f} replay_us={1e6 * total(1, 1) / calls:.0f} calls={calls}")
"""


def request(number: int) -> Request:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": f"{number} {QUESTION}"}]
    body = msgspec.json.encode({"model": "gpt-4o", "messages": messages, "temperature": 0})
    headers = {"content-type": "application/json", "accept": "application/json", "x-stainless-retry-count": "0"}
    return Request("POST", "http://127.0.0.1:9/v1/chat/completions", headers, body)


def make_golden(count: int) -> golden.Golden:
    """A golden as recording makes it, without the hours that so many real calls would take."""
    identity = Identity("bench", "bench", "test_bench.py::test_replay")
    endpoint = recognise("POST", "127.0.0.1", "/v1/chat/completions")
    assert endpoint is not None
    answer = Response(200, {"content-type": "application/json", "x-request-id": "req_bench"}, [(0.8, msgspec.json.encode(ANSWER))])
    made = (
        interactions.live(
            Exchange(request(number), answer), endpoint, identity,
            Circumstances(
                request_id=interactions.request_id(), at=1_767_225_600_000_000_000, latency_seconds=0.8, time_to_first_chunk_seconds=0.8
            ), (), lambda _: 1,
        )
        for number in range(count)
    )  # fmt: skip
    return golden.Golden(golden.GOLDEN_VERSION, "test_bench.py::test_replay", 0, interactions=tuple(made))


def run(count: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pytest.ini").write_text("[pytest]\n")
        (folder / "benchmark_parts.py").write_text(f"ANSWER = {ANSWER!r}\nQUESTION = {QUESTION!r}\n")
        rounds = max(1, 5000 // count)
        (folder / f"test_bench_{count}.py").write_text(f"N, ROUNDS = {count}, {rounds}\n{TEST}")
        made = make_golden(count)
        for number in range(rounds):
            golden.save(folder / "goldens" / f"test_bench_{count}" / f"test_replay[{number}].json", made)
        sys.path.insert(0, name)
        # The last two own the same option, so that pytest does not start with both of them.
        without = [f"-pno:{plugin}" for plugin in ("cacheprovider", "xdist", "cassetter", "recording")]
        code = pytest.main([name, "--rootdir", name, "--llmlog", "--llmlog-mode=replay", "-q", "-s", *without])
        sys.path.remove(name)
        sys.modules.pop("benchmark_parts", None)
        assert code == 0


if __name__ == "__main__":
    for count in [int(argument) for argument in sys.argv[1:]] or [10, 1000, 10_000]:
        run(count)
