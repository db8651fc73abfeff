"""``llmlog import``: every format of ``fixtures/recordings``, faults that stop nothing, goldens, and a corpus where there is one."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import vcr
from click.testing import CliRunner, Result

from openai_standin import StandIn
from pytest_llmlog import validation
from pytest_llmlog.cli import main
from pytest_llmlog.playback import open_queue

RECORDINGS = Path(__file__).parent.parent.parent / "fixtures" / "recordings" / "valid"
CORPUS = Path(os.environ.get("LLMLOG_CORPUS", "corpus"))


def imported(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["import", *map(str, arguments)], catch_exceptions=False)


def records(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("path", sorted(RECORDINGS.iterdir()), ids=lambda path: path.name)
def test_every_format_gives_the_same_record(path: Path) -> None:
    result = imported(path)

    assert (result.exit_code, result.stderr) == (0, "1 imported, 0 bad\n")
    (record,) = records(result)
    assert validation.is_valid(record)
    assert record["origin"] == {"file": str(path), "index": 0}
    assert (record["source"], record["provider"], record["model"]) == ("import", "openai", "gpt-4o-mini")
    assert (record["prompt"], record["response"], record["tokens"]) == ("Hello", "Grüße", 8)
    assert "sk-0123" not in result.stdout
    assert "wire" not in record
    told = record["timestamp"]
    assert told.startswith("2026-03-09T14:05:06") or path.name in ("vcr-old-tags.yaml", "cassetter.toml")


def test_a_har_file_tells_when_and_how_long() -> None:
    (record,) = records(imported(RECORDINGS / "archive.har"))
    assert (record["timestamp"], record["latency_seconds"]) == ("2026-03-09T14:05:06.789Z", 1.2505)
    assert records(imported(RECORDINGS / "vcr.json"))[0]["latency_seconds"] is None


@pytest.mark.parametrize("serializer", ["yaml", "json"])
def test_what_vcrpy_writes_today_is_read(tmp_path: Path, server: StandIn, serializer: str) -> None:
    asked = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "Grüße?"}]}).encode()
    request = urllib.request.Request(
        f"{server.base_url}/chat/completions", asked, {"content-type": "application/json", "authorization": "Bearer sk-x"}
    )
    cassette = tmp_path / "cassette"
    with vcr.use_cassette(str(cassette), serializer=serializer), urllib.request.urlopen(request, timeout=5) as answer:
        said = json.load(answer)["choices"][0]["message"]["content"]

    (record,) = records(imported(cassette))
    assert (record["prompt"], record["response"], record["status"]) == ("Grüße?", said, "success")


def test_gzipped_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml.gz"
    path.write_bytes(gzip.compress((RECORDINGS / "vcr-string.yaml").read_bytes()))
    assert len(records(imported(path))) == 1


def test_a_bad_interaction_is_named_and_the_rest_come_through(tmp_path: Path) -> None:
    cassette = json.loads((RECORDINGS / "vcr.json").read_text())
    good = cassette["interactions"][0]
    odd = [None, 5, {}, {"request": good["request"]}, {**good, "response": {**good["response"], "status": {"code": 7}}}]
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"interactions": [odd[0], good, *odd[1:], good]}))

    result = imported(path)

    assert result.exit_code == 1
    assert [record["origin"]["index"] for record in records(result)] == [1, 6]
    named = [line.split(":")[1].strip() for line in result.stderr.splitlines()[:-1]]
    assert named == [f"interaction {index}" for index in (0, 2, 3, 4, 5)]
    assert result.stderr.splitlines()[-1] == "2 imported, 5 bad"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.yaml", b"interactions: [", "damaged"),
        ("a.yaml", b"hello: you", "not a cassette"),
        ("a.yaml", b"", "not a cassette"),
        ("a.json", b"[{", "damaged"),
        ("a.har", b'{"log": {"entries": 5}}', "log.entries"),
        ("a.toml", b"= 5", "damaged"),
        ("a.yaml.gz", b"\x1f\x8bnope", "damaged gzip"),
        ("a.yaml", b"\xff\xfe\x00", "damaged"),
        ("a.yaml", b"&a [*a]", "its aliases repeat"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_named_and_the_others_are_read(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    result = imported(path, RECORDINGS / "vcr.json")
    assert result.exit_code == 1
    assert len(records(result)) == 1
    first = result.stderr.splitlines()[0]
    assert first.startswith(str(path)) or "interaction 0" in first
    assert reason in result.stderr or "interaction 0" in first


def test_reading_never_executes_anything(tmp_path: Path) -> None:
    path = tmp_path / "evil.yaml"
    path.write_text(f"interactions:\n- !!python/object/apply:os.system ['touch {tmp_path}/pwned']\n")
    assert imported(path).exit_code == 1
    assert not (tmp_path / "pwned").exists()


def test_a_missing_file_is_exit_code_2_and_the_others_are_read(tmp_path: Path) -> None:
    result = imported(tmp_path / "absent.yaml", RECORDINGS / "vcr.json")
    assert result.exit_code == 2
    assert len(records(result)) == 1


def test_a_log_is_appended_to(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    for _ in range(2):
        assert imported("-o", out, RECORDINGS / "vcr.json", "--wire").exit_code == 0
    first, second = [json.loads(line) for line in out.read_text().splitlines()]
    assert first["request_hash"] == second["request_hash"]
    assert first["wire"]["request"]["method"] == "POST"


def test_goldens_stand_where_the_cassettes_test_will_look_for_them_and_are_not_overwritten(tmp_path: Path) -> None:
    cassette = tmp_path / "cassettes" / "test_ask" / "test_hello.yaml"
    cassette.parent.mkdir(parents=True)
    cassette.write_bytes((RECORDINGS / "vcr-string.yaml").read_bytes())

    assert imported(cassette, "--golden", tmp_path / "goldens").exit_code == 0

    golden = tmp_path / "goldens" / "test_ask" / "test_hello.json"
    queue = open_queue(golden)
    assert queue is not None
    assert len(queue.unplayed(teardown=True)) == 1
    again = imported(cassette, "--golden", tmp_path / "goldens")
    assert again.exit_code == 1
    assert "is there already" in again.stderr


@pytest.mark.skipif(not (CORPUS / "score.py").is_file(), reason="no corpus: LLMLOG_CORPUS names no folder with one")
def test_the_corpus_is_read_as_its_truth_says(tmp_path: Path) -> None:
    folder = CORPUS.absolute() / "recordings"
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.yaml*"))
    out = tmp_path / "records.jsonl"
    llmlog = [sys.executable, "-c", "from pytest_llmlog.cli import main; main()", "import", *files, "-o", str(out)]
    done = subprocess.run(llmlog, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    score = subprocess.run(
        [sys.executable, str(CORPUS / "score.py"), str(CORPUS / "truth.jsonl"), str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert score.returncode == 0, score.stdout
