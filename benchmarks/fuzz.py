"""Feed damaged and hostile files to everything that reads a stranger's files, for as long as is wanted.

    python benchmarks/fuzz.py [SECONDS] [FOLDER]

Each file ends in a result or in an error of ours, within ``SLOW`` seconds, and nothing is written or run because of it. What does not
is kept in FOLDER (``fuzz-found`` by default), and the exit code is 1.
"""

from __future__ import annotations

import gzip
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from click.testing import CliRunner

from pytest_llmlog import cassettes, changes, cleaning, encode, golden, journal, pending, playback, recovery, stored, wire
from pytest_llmlog.circumstances import Circumstances, Identity, Said
from pytest_llmlog.cli import main as command
from pytest_llmlog.compare import Terms
from pytest_llmlog.errors import LlmlogError
from pytest_llmlog.importing import Importer
from pytest_llmlog.record import Interaction
from pytest_llmlog.redact import Redactor
from pytest_llmlog.traffic import Request

FIXTURES = Path(__file__).parent.parent / "fixtures"
SLOW = 10.0
ASKED = Request(
    "POST", "https://api.openai.com/v1/chat/completions", {"content-type": "application/json"}, b'{"model":"m","messages":[]}'
)


def read_golden(path: Path) -> None:
    """As a test does that replays it, and as ``llmlog`` does that shows, compares and cleans it."""
    queue = playback.open_queue(path)
    if queue is not None:
        if queue.take_exact(ASKED) is None and queue.take("0" * 32) is None:
            queue.nearest(ASKED)
            queue.recorded(ASKED)
        queue.unplayed(teardown=True)
    waiting = golden.pending_path(path)
    waiting.write_bytes(path.read_bytes())
    calls = golden.interactions(path, path.read_bytes())
    changes.differences(calls, calls[1:], Terms())
    pending.describe(pending.load(waiting))
    cleaning.clean_golden(path, Redactor())


def read_log(path: Path) -> None:
    """As commands do that judge, validate, scan and clean it."""
    list(stored.interactions(path))
    stored.of_log(path, run="last")
    list(cleaning.scan(path, Redactor()))
    cleaning.clean_log(path, Redactor())


def read_cassette(path: Path) -> None:
    """As ``llmlog import`` does."""
    for _, found in Importer().read(path, path.name):
        assert found is None or isinstance(found, (cassettes.CassetteError, Interaction))


def read_journal(path: Path) -> None:
    """As ``llmlog recover`` does."""
    journal.read(path)
    recovery.recover(path, path.with_name("recovered.log"), path.parent)


def read_summary(path: Path) -> None:
    """As a run does that is compared with an earlier one."""
    runs = path.parent / "runs"
    runs.mkdir(exist_ok=True)
    (runs / "0123.json").write_bytes(path.read_bytes())
    stored._passes(path.with_name("x.log"), ["0123"])


def validated(path: Path) -> None:
    """As ``llmlog validate`` does; it never ends in anything but its exit code."""
    result = CliRunner().invoke(command, ["validate", str(path)])
    assert result.exit_code in (0, 1), result.exception


Reader = Callable[[Path], None]
KINDS: dict[str, tuple[Reader, ...]] = {
    ".json": (read_golden, validated),
    ".log": (read_log, validated),
    ".yaml": (read_cassette,),
    ".toml": (read_cassette,),
    ".har": (read_cassette,),
    ".gz": (read_cassette,),
    ".jsonl": (read_journal,),
    ".summary": (read_summary,),
}


def check(name: str, content: bytes) -> str | None:
    """What goes wrong with a file of this name and content; None when all is as it should be."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "inner" / f"x{Path(name).suffix}"
        path.parent.mkdir()
        for reader in KINDS[path.suffix]:
            path.write_bytes(content)
            began = time.monotonic()
            try:
                reader(path)
            except (LlmlogError, cassettes.CassetteError):
                pass
            except ValueError as exc:
                if reader is not read_journal:
                    return f"{reader.__name__}: {type(exc).__name__}: {exc}"
            except Exception as exc:
                return f"{reader.__name__}: {type(exc).__name__}: {exc}"
            if time.monotonic() - began > SLOW:
                return f"{reader.__name__}: {time.monotonic() - began:.1f} s"
        if [each.name for each in Path(folder).iterdir()] != ["inner"]:
            return "something was written outside of the folder"
    return None


DEBRIS = (
    b"[" * 3000, b"{" * 300, b'{"a":' * 2000, b"9" * 6000, b"1e999", b"-1e-999", b"\x00" * 50, b'"\\ud800"', b"\xff\xfe", b"null", b"[]", b"{}", b'"',
    b"]", b"}", b",", b":", b"\n", b"-", b"  ", b"&a [*a, *a]", b"*a", b"!!python/object/apply:os.system ['touch pwned']", b"!!binary /w==",
    b"!!timestamp 99999-99-99", b"<<: *a", b"? [a]", b"\xef\xbb\xbf", b'{"timestamp":', b'"wire":', b'"base64":"!"', b"0x7f", b".inf", b"18446744073709551616",
)  # fmt: skip


def mutated(content: bytes, chance: random.Random) -> bytes:
    """The content with a few bytes changed, taken out, repeated, or put in."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4, 12))):
        at = chance.randrange(len(data) + 1)
        kind = chance.randrange(5)
        if kind == 0 and at < len(data):
            data[at] = chance.randrange(256)
        elif kind == 1:
            del data[at : at + chance.randrange(1, 60)]
        elif kind == 2:
            data[at:at] = data[at : at + chance.randrange(1, 400)]
        elif kind == 3:
            end = data.find(b",", at)  # a whole value of JSON, in most cases
            data[at : end if end > 0 else at] = chance.choice(DEBRIS)
        else:
            data[at:at] = chance.choice(DEBRIS)
    return bytes(data)


def seeds() -> list[tuple[str, bytes]]:
    """Whole files of every kind, from the fixtures."""
    found = [(path.name, path.read_bytes()) for path in sorted((FIXTURES / "valid").iterdir())]
    found += [(path.name, path.read_bytes()) for path in sorted((FIXTURES / "recordings").rglob("*")) if path.suffix in KINDS]
    plain = next(content for name, content in found if name == "golden-plain.json")
    call = golden.parse(Path("x"), plain).interactions[0]
    assert call.wire is not None
    identity = Identity("0123", "t", "t")
    head = journal.Head(test_id="t", golden="goldens/x/x.json", identity=identity, ignore=("$.seed",), line_limit=4096)
    said = Said(prompt_template="greet", input={"name": "Ada"}, session_id="s")
    circumstances = Circumstances(request_id="0" * 32, at=10**18, latency_seconds=0.5, time_to_first_chunk_seconds=0.25, said=said)
    entry = journal.Entry(circumstances=circumstances, wire=wire.dump_raw(wire.load(call.wire)))
    found.append(("journal.jsonl", encode.line(head) + encode.line(entry)))
    found.append(("run.summary", b'{"run_id":"0123","mode":"live","log_path":"x","tests":[{"test_id":"a","passed":true}]}'))
    return [*found, *(("zipped.yaml.gz", gzip.compress(content)) for name, content in found if name.endswith(".yaml"))]


def cases(seed: int) -> Iterator[tuple[str, bytes]]:
    """Endless damaged files, the same for the same seed."""
    chance, files = random.Random(seed), seeds()
    while True:
        name, content = chance.choice(files)
        damaged = mutated(gzip.decompress(content) if name.endswith(".gz") and chance.random() < 0.5 else content, chance)
        yield name, damaged


def main(seconds: float, folder: Path) -> None:
    """Print how many files were read, and keep those that were not read as they should be."""
    seed, end, count = random.randrange(2**32), time.monotonic() + seconds, 0
    found: dict[str, str] = {}
    for name, content in cases(seed):
        if time.monotonic() > end:
            break
        count += 1
        wrong = check(name, content)
        if wrong is not None and wrong[:60] not in found:
            folder.mkdir(exist_ok=True)
            kept = folder / f"{len(found)}-{name}"
            kept.write_bytes(content)
            found[wrong[:60]] = str(kept)
            print(f"{kept}: {wrong[:300]}")
    print(f"FUZZED {count} files in {seconds:.0f} s, seed {seed}: {len(found)} faults")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 600, Path(sys.argv[2] if len(sys.argv) > 2 else "fuzz-found"))
