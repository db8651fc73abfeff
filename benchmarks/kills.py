"""Kill a test process again and again while eight threads record, and see that no answered call is lost.

    python benchmarks/kills.py [KILLS]

Each call whose response the program has received is noted by the program itself, in one write. After each kill ``llmlog recover``
runs, and every noted call has to be in the log once, and with its wire in a recording that waits (or in the golden, when the kill
came after it was saved).
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))

from openai_standin import StandIn

THREADS, CALLS = 8, 30

SUITE = f"""
import os, threading
import openai

client = openai.OpenAI()

def ask(text, stream):
    answer = client.chat.completions.create(model="gpt-4o", messages=[{{"role": "user", "content": text}}], stream=stream)
    return "".join(part.choices[0].delta.content or "" for part in answer if part.choices) if stream else answer.choices[0].message.content

def test_it():
    noted = os.open(os.environ["NOTED"], os.O_WRONLY | os.O_APPEND)

    def work(thread):
        for number in range({CALLS}):
            text = f"{{os.environ['ROUND']}}-{{thread}}-{{number}}"
            ask(text, stream=number % 3 == 0)
            os.write(noted, (text + "\\n").encode())

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range({THREADS})]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


def run_and_kill(folder: Path, round: int, base_url: str, chance: random.Random) -> bool:
    """One run, killed at a random moment after its first noted call; tells whether it was still running then."""
    noted = folder / "noted"
    noted.write_bytes(b"")
    variables = {
        **os.environ, "OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": "sk-standin", "NOTED": str(noted), "ROUND": str(round), "CI": ""
    }  # fmt: skip
    command = [sys.executable, "-m", "pytest", "-q", "--llmlog", "--llmlog-mode=record", "-p", "no:cacheprovider", "test_it.py"]
    process = subprocess.Popen(command, cwd=folder, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not noted.stat().st_size and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(chance.uniform(0, 1.2))
    alive = process.poll() is None
    process.kill()
    process.wait()
    return alive


def lost(folder: Path) -> tuple[int, list[str]]:
    """How many calls were noted, and those of them that are not where they should be after recovery."""
    done = subprocess.run(
        [Path(sys.executable).with_name("llmlog"), "recover"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    noted = (folder / "noted").read_text().split()
    logged: Counter[str] = Counter()
    for line in (folder / ".llmlog" / "llm_interactions.log").read_bytes().splitlines():
        try:
            logged[json.loads(line)["prompt"]] += 1
        except ValueError:
            continue  # torn by the kill
    kept: Counter[str] = Counter()
    for path in (folder / "goldens").rglob("*.json*"):
        kept.update(each["prompt"] for each in json.loads(path.read_bytes())["interactions"] if each["wire"]["response"]["body"])
        path.unlink()
    return len(noted), [text for text in noted if logged[text] != 1 or kept[text] != 1]


def main(kills: int) -> None:
    """Print how many kills hit a running test, how many calls were noted, and how many of them were lost."""
    chance = random.Random(kills)
    hit = noted = 0
    missing: list[str] = []
    with tempfile.TemporaryDirectory() as name, StandIn() as server:
        folder = Path(name)
        (folder / "test_it.py").write_text(SUITE)
        (folder / "pytest.ini").write_text("[pytest]\n")
        for round in range(kills):
            hit += run_and_kill(folder, round, server.base_url, chance)
            told, gone = lost(folder)
            noted += told
            missing += gone
    print(f"KILLS {kills}, while running {hit}, calls answered {noted}, lost {len(missing)} {missing[:5]}")
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
