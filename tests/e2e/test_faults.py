"""Nothing is lost: kills, full disks, limits, large records from many processes, rotation, goldens that two runs write."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from conftest import Suite
from pytest_llmlog import journal, log, validation
from pytest_llmlog.cli import main

ROOT = Path(__file__).parent.parent.parent

own_file_system = pytest.mark.skipif(
    subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True).returncode != 0
    if shutil.which("unshare")
    else True,
    reason="no mount namespace can be made here",
)

ASK = """
import openai, os, pytest

def ask(text, **more):
    return openai.OpenAI(max_retries=0).chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": text}], **more)
"""


def llmlog(suite: Suite, *arguments: str) -> Result:
    here = Path.cwd()
    os.chdir(suite.path)
    try:
        return CliRunner().invoke(main, arguments)
    finally:
        os.chdir(here)


def whole(path: Path) -> list[dict[str, object]]:
    """The valid records of a log; what is torn is passed over."""
    with path.open("rb") as file:
        return [line.value for line in log.read(file) if line.fault is None and validation.is_valid(line.value)]  # type: ignore[misc]


# Kills


def test_no_answered_call_is_lost_to_a_kill() -> None:
    """Three rounds; ``benchmarks/kills.py`` has any number of them."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "kills.py"), "3"], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout.split("calls answered ")[1]
    assert int(told.split(",")[0]) > 20
    assert told.split("lost ")[1].startswith("0 ")


KILLED = f"""{ASK}
import signal, time
def test_it():
    assert ask("one").choices[0].message.content
    time.sleep(0.1)  # what comes later than that is in the log at once
    assert "".join(part.choices[0].delta.content or "" for part in ask("two", stream=True) if part.choices)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_run_had_recorded_waits_for_review_and_replays(suite: Suite) -> None:
    suite.write(test_it=KILLED)
    assert suite.run("--llmlog-mode=record").ret == -signal.SIGKILL
    suite.write(test_it=KILLED.replace("os.kill(os.getpid(), signal.SIGKILL)", "pass"))
    header = suite.run("--collect-only", "-q", "-v").stdout.str()
    assert "llmlog: 1 recordings of a run that did not end wait: llmlog recover" in header
    done = llmlog(suite, "recover")
    assert (done.exit_code, done.stdout.partition(", waits")[0]) == (0, "test_it.py::test_it: 2 calls, 0 added to the log")
    assert list((suite.path / ".llmlog" / "pending").iterdir()) == []
    assert llmlog(suite, "accept", "--all").exit_code == 0
    suite.replay_offline().assert_outcomes(passed=1)
    assert llmlog(suite, "recover").stdout == "nothing to recover\n"


def test_quick_calls_are_recovered_in_order(suite: Suite) -> None:
    """Records of calls that follow one another closely are made together; until then the journal alone has them."""
    quick = f"""{ASK}
import signal
from pytest_llmlog import context
from pytest_llmlog.intercept import scope

def test_it():
    scope.PAUSE, scope.WAITING = 1000, 10**6  # nothing is due before the test ends
    for number in range(10):
        with context(prompt_template="count", input=str(number), labels={{"number": number}}):
            ask(f"question {{number}}", seed=number)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    suite.ini("llmlog_ignore = $.seed")
    suite.write(test_it=quick)
    assert suite.run("--llmlog-mode=record").ret == -signal.SIGKILL
    in_log = len(suite.records()) if suite.log.exists() else 0
    assert in_log <= 1
    assert f"10 calls, {10 - in_log} added to the log" in llmlog(suite, "recover").stdout
    records = suite.records()
    assert [(each["prompt"], each["input"], each["labels"]) for each in records] == [
        (f"question {number}", str(number), {"number": number}) for number in range(10)
    ]
    assert all(each["cost_usd"] and each["test_id"] == "test_it.py::test_it" for each in records)
    assert llmlog(suite, "accept", "--all").exit_code == 0
    suite.write(test_it=quick.replace("os.kill(os.getpid(), signal.SIGKILL)", "pass").replace("seed=number", "seed=7"))
    suite.replay_offline().assert_outcomes(passed=1)


def test_a_record_that_only_the_journal_has_is_added_to_the_log(suite: Suite) -> None:
    suite.ini("llmlog_content = hash")
    suite.write(test_it=KILLED)
    suite.run("--llmlog-mode=record")
    first, second = suite.log.read_bytes().splitlines(keepends=True)
    suite.log.write_bytes(first + second[:100])
    done = llmlog(suite, "recover")
    assert "2 calls, 1 added to the log" in done.stdout
    assert suite.log.read_bytes() == first + second[:100] + b"\n" + second
    assert llmlog(suite, "validate", str(suite.log)).stdout.splitlines()[-1] == "2 valid, 1 faults"


QUICK = f"""{ASK}
import signal
from pytest_llmlog.intercept import scope

def test_it():
    scope.PAUSE, scope.WAITING = 1000, 10**6  # nothing is due before the test ends
    for text in ("one", "two", "three"):
        ask(text)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def pending(suite: Suite) -> list[Path]:
    return sorted((suite.path / ".llmlog" / "pending").iterdir())


def test_a_damaged_line_of_a_journal_is_named_and_stays(suite: Suite) -> None:
    suite.write(test_it=QUICK)
    suite.run("--llmlog-mode=record")
    [path] = pending(suite)
    head, first, second, third, end = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([head, first, second[:200] + b"\0" + second[201:], third, end]))
    done = llmlog(suite, "recover")
    assert done.exit_code == 1
    assert "2 calls" in done.stdout
    assert f"{path.name}:3: not recovered: JSON is malformed" in done.stderr
    assert [each.name for each in pending(suite)] == [f"{path.name}.damaged"]
    assert [each["prompt"] for each in suite.records()] == ["one", "three"]
    assert llmlog(suite, "recover").stdout == "nothing to recover\n"


def test_what_only_the_record_shows_is_masked_by_recovery_too(suite: Suite) -> None:
    assert suite.server is not None
    suite.ini("llmlog_content = full")
    suite.write(test_it=QUICK)
    suite.run("--llmlog-mode=record")
    [path] = pending(suite)
    key = "sk-proj-" + "Ab3" * 14
    text = path.read_text()
    path.write_text(text.replace('\\"two\\"', f'\\"{key}\\"'))
    assert path.read_text() != text
    assert llmlog(suite, "recover").exit_code == 0
    everything = "".join(each.read_text() for each in suite.path.rglob("*") if each.suffix in (".log", ".new"))
    assert "[REDACTED]" in everything
    assert key not in everything


def test_recoveries_at_once_add_each_call_once(suite: Suite) -> None:
    suite.write(test_it=QUICK.replace('("one", "two", "three")', "map(str, range(40))"))
    suite.run("--llmlog-mode=record")
    command = [Path(sys.executable).with_name("llmlog"), "recover"]
    both = [subprocess.Popen(command, cwd=suite.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(2)]
    for each in both:
        each.wait()
    assert Counter(Counter(each["request_id"] for each in suite.records()).values()) == {1: 40}
    assert pending(suite) == []


def test_a_fork_that_lives_on_does_not_hide_the_journal(suite: Suite) -> None:
    program = f"""import multiprocessing, time
forks = multiprocessing.get_context("fork")
ready = forks.Event()

def live_on():
    ready.set()
    time.sleep(20)
{QUICK}"""
    suite.write(
        test_it=program.replace("    os.kill", "    forks.Process(target=live_on).start()\n    assert ready.wait(20)\n    os.kill")
    )
    suite.run("--llmlog-mode=record", "-W", "ignore::DeprecationWarning")
    assert "3 calls" in llmlog(suite, "recover").stdout


def test_a_signal_while_records_are_made_loses_no_other_call(suite: Suite) -> None:
    suite.write(
        test_it=f"""{ASK}
from pytest_llmlog.intercept import interactions, scope

class Interrupted(BaseException):
    pass

def test_it(monkeypatch, llmlog):
    scope.PAUSE, scope.WAITING = 1000, 10**6
    made, real = [], interactions.live

    def live(*arguments):
        made.append(arguments)
        if len(made) == 3:
            raise Interrupted  # as a signal's handler would
        return real(*arguments)

    ask("before")
    monkeypatch.setattr(interactions, "live", live)
    for number in range(5):
        ask(str(number))
    with pytest.raises(Interrupted):
        len(llmlog)
    ask("after")
    assert [call.prompt for call in llmlog] == ["before", "0", "1", "2", "3", "4", "after"]
"""
    )
    suite.run("--llmlog-mode=record").assert_outcomes(passed=1)
    assert [each["prompt"] for each in suite.records()] == ["before", "0", "1", "2", "3", "4", "after"]
    suite.replay_offline().assert_outcomes(failed=1)  # where nothing is made that could be interrupted


def test_a_journal_without_a_whole_call_is_named_and_one_that_was_only_begun_is_removed(suite: Suite) -> None:
    suite.write(test_it=KILLED)
    suite.run("--llmlog-mode=record")
    [path] = (suite.path / ".llmlog" / "pending").iterdir()
    head, first, _ = path.read_bytes().split(b"\n", 2)
    path.write_bytes(head + b"\n" + first[:100])
    (path.parent / "begun.jsonl").write_bytes(head + b"\n")
    (path.parent / "empty.jsonl").write_bytes(b"")
    done = llmlog(suite, "recover")
    assert done.exit_code == 1
    assert (
        done.stderr
        == f"{Path('.llmlog', 'pending', path.name)}: not recovered: holds no whole call, only one that was cut off; remove it when you have looked at it\n"
    )
    assert list(path.parent.iterdir()) == [path]


def test_recovery_overwrites_nothing(suite: Suite) -> None:
    suite.write(test_it=KILLED)
    suite.run("--llmlog-mode=record")
    waiting = suite.path / "goldens" / "test_it" / "test_it.json.new"
    waiting.parent.mkdir(parents=True)
    waiting.write_text("mine")
    done = llmlog(suite, "recover")
    assert done.exit_code == 1
    assert "waits for review already" in done.stderr
    assert waiting.read_text() == "mine"
    waiting.unlink()
    assert llmlog(suite, "recover").exit_code == 0


def test_a_strangers_journal_writes_nothing_outside_of_the_folder(suite: Suite, tmp_path: Path) -> None:
    suite.write(test_it=KILLED)
    suite.run("--llmlog-mode=record")
    [path] = (suite.path / ".llmlog" / "pending").iterdir()
    head, rest = path.read_text().split("\n", 1)
    for place in (str(tmp_path / "x.json"), "goldens/../../x.json", ".bashrc"):
        path.write_text(json.dumps({**json.loads(head), "golden": place}) + "\n" + rest)
        done = llmlog(suite, "recover")
        assert done.exit_code == 1
        assert path.exists()
    path.write_text("{}\n{}\n")
    assert llmlog(suite, "recover").exit_code == 1
    assert [*suite.path.rglob("*.new"), *tmp_path.rglob("*.new"), *suite.path.parent.glob("*.new")] == []


def test_the_journal_of_a_run_that_goes_on_is_left_alone(suite: Suite) -> None:
    suite.write(test_it=f"{ASK}\nimport time\ndef test_it():\n    ask('one')\n    time.sleep(60)\n")
    variables = {**os.environ, **suite.environ, "CI": ""}
    command = [sys.executable, "-m", "pytest", "--llmlog", "--llmlog-mode=record"]
    process = subprocess.Popen(command, cwd=suite.path, env=variables, stdout=subprocess.DEVNULL)
    folder = suite.path / ".llmlog" / "pending"
    try:
        deadline = time.monotonic() + 50
        while not suite.log.exists() or not suite.records():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert llmlog(suite, "recover").stdout == "nothing to recover\n"
        assert len(list(folder.iterdir())) == 1
    finally:
        process.kill()
        process.wait()
    assert len(journal.left(folder)) == 1


def test_runs_that_end_leave_no_journal(suite: Suite) -> None:
    suite.write(
        test_it=f"""{ASK}
@pytest.fixture(scope="module")
def warm():
    ask("fixture")
def test_passes(warm):
    ask("one")
def test_fails():
    ask("two")
    assert False
"""
    )
    suite.run("--llmlog-mode=record").assert_outcomes(passed=1, failed=1)
    assert list((suite.path / ".llmlog" / "pending").iterdir()) == []


def test_a_recording_that_cannot_be_saved_stays_in_the_journal(suite: Suite) -> None:
    suite.write(test_it=f"{ASK}\ndef test_it():\n    ask('one')\n")
    (suite.path / "goldens").write_text("in the way")
    result = suite.run("--llmlog-mode=record")
    result.assert_outcomes(passed=1, errors=1)
    (suite.path / "goldens").unlink()
    assert "1 calls, 0 added to the log" in llmlog(suite, "recover").stdout
    assert (suite.path / "goldens" / "test_it" / "test_it.json.new").exists()


# Full disks and limits

FILL = """
def fill():
    with open(".llmlog/filler", "wb", buffering=0) as file:
        try:
            while file.write(b"x" * 512):
                pass
        except OSError:
            pass

def free():
    os.unlink(".llmlog/filler")
"""

LIMIT = """
import resource

def fill():
    size = os.stat(".llmlog/llm_interactions.log").st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, resource.RLIM_INFINITY))

def free():
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""


@pytest.mark.parametrize("kind", [pytest.param("disk", marks=own_file_system), "limit"])
def test_a_run_goes_on_without_room_and_says_so_once(suite: Suite, kind: str) -> None:
    suite.write(
        room=f"import os\n{FILL if kind == 'disk' else LIMIT}",
        test_it=f"""{ASK}
import room
def test_before():
    assert ask("before").choices[0].message.content
@pytest.mark.parametrize("number", range(5))
def test_without_room(number):
    number or room.fill()
    assert ask(f"lost {{number}} {{'x' * number * 50}}").choices[0].message.content
def test_after():
    room.free()
    assert ask("after").choices[0].message.content
""",
    )
    (suite.path / ".llmlog").mkdir()
    if kind == "limit":
        result = suite.run("--llmlog-mode=live")
        output, ours = result.stdout.str(), suite.path / ".llmlog"
    else:  # a small file system of the run's own, in a mount namespace that ends with it
        inside = (
            "mount -t tmpfs -o size=64k none .llmlog && "
            f"{sys.executable} -m pytest --llmlog --llmlog-mode=live -p no:cacheprovider; cp -r .llmlog kept"
        )
        variables = {**os.environ, **suite.environ, "CI": ""}
        done = subprocess.run(
            ["unshare", "-rm", "sh", "-c", inside], cwd=suite.path, env=variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        output, ours = done.stdout, suite.path / "kept"
    assert "7 passed" in output, output
    assert output.count("calls could not be logged") == 1
    prompts = [str(record["prompt"]) for record in whole(ours / "llm_interactions.log")]
    assert prompts[0] == "before"
    assert prompts[-1] == "after"
    assert llmlog(suite, "validate", str(ours / "llm_interactions.log")).exit_code in (0, 1)


# Many writers


def test_large_records_of_four_workers_are_whole(suite: Suite) -> None:
    suite.ini(f"llmlog_line_limit = {16 * 1024 * 1024}")
    suite.write(
        test_it=f"""{ASK}
SIZES = [64 * 1024] * 10 + [4 * 1024 * 1024]
@pytest.mark.parametrize("worker", range(4))
def test_it(worker):
    for number, size in enumerate(SIZES):
        text = f"{{worker}}-{{number}} ".ljust(size // 2, "x")  # it stands in the record twice
        ask(text, extra_body={{"metadata": {{"note": "short answer, please"}}}})
"""
    )
    assert suite.server is not None
    suite.run("--llmlog-mode=live", "-n4").assert_outcomes(passed=4)
    with suite.log.open("rb") as file:
        lines = list(log.read(file))
    assert [line.fault for line in lines] == [None] * 44
    assert all(validation.is_valid(line.value) for line in lines)
    assert max(map(len, suite.log.read_bytes().splitlines())) > 4 * 1024 * 1024
    assert len({line.value["prompt"][:8] for line in lines}) == 44  # type: ignore[index]


WRITER = """
import sys
from pathlib import Path
from pytest_llmlog.log import LogWriter
from pytest_llmlog import encode
writer = LogWriter(Path(sys.argv[1]))
for number in range(2500):
    writer.write(encode.line({"timestamp": "t", "number": number, "writer": int(sys.argv[2]), "padding": "x" * 800}))
"""


def test_rotation_under_four_writers_loses_no_record(tmp_path: Path) -> None:
    path = tmp_path / "llm.log"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(number)]) for number in range(4)]
    rotated = 0
    while any(writer.poll() is None for writer in writers):
        if path.exists():
            path.rename(tmp_path / f"llm.log.{rotated}")
            rotated += 1
        time.sleep(0.01)
    assert [writer.wait() for writer in writers] == [0] * 4
    found: Counter[tuple[int, int]] = Counter()
    for each in tmp_path.iterdir():
        with each.open("rb") as file:
            for line in log.read(file):
                assert line.fault is None
                found[line.value["writer"], line.value["number"]] += 1  # type: ignore[index]
    assert rotated > 3
    assert found == Counter((writer, number) for writer in range(4) for number in range(2500))


# Goldens


def test_two_runs_that_record_the_same_test_leave_one_whole_golden(suite: Suite) -> None:
    suite.write(
        test_it=f"{ASK}\n@pytest.mark.parametrize('n', range(5))\ndef test_it(n):\n    assert ask(f'one {{n}}')\n    assert ask('two')\n"
    )
    variables = {**os.environ, **suite.environ, "CI": ""}
    command = [sys.executable, "-m", "pytest", "-q", "--llmlog", "--llmlog-mode=record", "-p", "no:cacheprovider"]
    runs = [subprocess.Popen(command, cwd=suite.path, env=variables, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [run.wait(timeout=120) for run in runs] == [0, 0]
    assert [len(found["interactions"]) for found in suite.goldens().values()] == [2] * 5
    assert sorted(path.name for path in (suite.path / "goldens").rglob(".*")) == []
    suite.replay_offline().assert_outcomes(passed=5)


@own_file_system
def test_a_checkout_that_cannot_be_written_replays_and_says_so_when_recording(suite: Suite, tmp_path: Path) -> None:
    suite.write(
        test_it=f"{ASK}\ndef test_it():\n    assert ask('one')\n", test_new=f"{ASK}\ndef test_new():\n    assert ask('new')\n"
    )
    suite.run("test_it.py").assert_outcomes(passed=1)
    variables = {**os.environ, **suite.environ, "CI": ""}

    def run(*arguments: str) -> str:
        """In a mount namespace in which the suite's folder cannot be written, not even by root."""
        options = ["-p", "no:cacheprovider", "--llmlog", *arguments]
        inside = f"mount --bind . . && mount -o remount,ro,bind . && cd {suite.path} && exec {shlex.join([sys.executable, '-m', 'pytest', *options])}"
        command = ["unshare", "-rm", "sh", "-c", inside]
        done = subprocess.run(command, cwd=suite.path, env=variables, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    elsewhere = f"--llmlog-file={tmp_path / 'elsewhere.log'}"
    assert "1 passed" in run(elsewhere, "--llmlog-mode=replay", "test_it.py")
    recorded = run(elsewhere, "--llmlog-mode=auto", "test_new.py")
    assert "1 passed, 1 error" in recorded, recorded
    assert "test_new.json: $: cannot be written: Read-only file system" in recorded
    refused = run("--llmlog-file=inside.log")
    assert "inside.log: cannot write the log: Read-only file system" in refused
