"""Debian's rsyslog tails the log through rotations; every record arrives as it was written."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from logs import lines, record
from pytest_llmlog import encode
from pytest_llmlog.log import LINE_LIMIT, LogWriter

RSYSLOGD = shutil.which("rsyslogd", path="/usr/sbin:/usr/bin:/sbin")
pytestmark = pytest.mark.skipif(RSYSLOGD is None, reason="rsyslog is not installed")
SHIPPING = Path(__file__).parent.parent.parent / "docs" / "shipping.md"


def configuration(folder: Path) -> str:
    """The configuration that the documentation has, over files of this test."""
    found = re.search(r"```rsyslog\n(.*?)```", SHIPPING.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    text = found[1]
    for documented, ours in (
        ("/var/spool/rsyslog", folder / "work"),
        ("/srv/app/.llmlog/llm_interactions.log", folder / "calls.log"),
        ("/var/log/llm.jsonl", folder / "out.jsonl"),
    ):
        assert documented in text
        text = text.replace(documented, str(ours))
    return text


@pytest.fixture
def rsyslog(tmp_path: Path) -> Iterator[Path]:
    """A collector of its own that tails ``calls.log`` into ``out.jsonl``."""
    assert RSYSLOGD is not None, "rsyslog is not installed: apt-get install -y rsyslog"
    (tmp_path / "work").mkdir()
    (tmp_path / "calls.log").touch()
    config = tmp_path / "rsyslog.conf"
    config.write_text(configuration(tmp_path), encoding="utf-8")
    process = subprocess.Popen(
        [RSYSLOGD, "-n", "-f", str(config), "-i", str(tmp_path / "pid")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    time.sleep(1)
    assert process.poll() is None, process.stdout and process.stdout.read()
    yield tmp_path
    process.terminate()
    process.communicate(timeout=30)


def test_every_record_arrives_through_rotations(rsyslog: Path) -> None:
    path, out = rsyslog / "calls.log", rsyslog / "out.jsonl"
    hostile = 'quotes " and \\ back \t tab \n newline é 💥 \u2028 <script> %msg% $.x \x7f'
    made = [record(number, prompt=hostile, response=f"{number} " + "x" * (number * 37 % 3000)) for number in range(300)]
    longest = record(301, prompt="")
    longest["prompt"] = "y" * (LINE_LIMIT - len(encode.line(longest)))
    assert len(encode.line(longest)) == LINE_LIMIT
    writer = LogWriter(path)

    for number, each in enumerate([*made, longest]):
        writer.write(encode.line(each))
        if number % 100 == 99:
            time.sleep(1.5)  # a file that comes and goes between two looks is seen by no collector
            path.rename(rsyslog / f"calls.log.{number}")
    writer.close()

    end = time.monotonic() + 30
    while (out.read_bytes().count(b"\n") if out.exists() else 0) < 301 and time.monotonic() < end:
        time.sleep(0.2)
    arrived = out.read_bytes().splitlines(keepends=True)
    assert sorted(arrived) == sorted(lines([each]) for each in [*made, longest])
    assert all(json.loads(line) for line in arrived)
