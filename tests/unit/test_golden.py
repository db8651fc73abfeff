"""Goldens on the disk, and the queues a test replays from."""

from __future__ import annotations

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pytest_llmlog import files, golden, matching, validation, wire
from pytest_llmlog.errors import GoldenError
from pytest_llmlog.golden import Golden, safe_name, save
from pytest_llmlog.playback import AHEAD, ReplayQueue, Taken, open_queue
from pytest_llmlog.record import Interaction
from pytest_llmlog.traffic import Exchange, Request, Response

URL = "https://api.example.com/v1/chat/completions"
HEX = "0123456789abcdef0123456789abcdef"


def ask(text: str, *, layout: str = "compact") -> Request:
    body = wire.LAYOUTS[layout]({"model": "m", "messages": [{"role": "user", "content": text}]}).encode()  # type: ignore[index]
    return Request("POST", URL, {"content-type": "application/json"}, body)


def interaction(number: int, request: Request, **changes: Any) -> Interaction:
    response = Response(200, {"content-type": "application/json"}, [(0.1, b'{"answer": %d}' % number)])
    values: dict[str, Any] = {
        "timestamp": "2026-03-09T14:05:06.789Z", "schema_version": 1, "event": "llm.call", "request_id": f"{number:032x}",
        "run_id": "run", "session_id": "test_a.py::test_a", "prompt_template": None, "input": None, "prompt": "hi",
        "response": f"answer {number}", "tokens": 3, "latency_seconds": 0.1, "status": "success", "source": "live",
        "provider": "openai", "operation": "chat", "model": "m", "stream": False, "attempt": 1, "prompt_hash": HEX,
        "request_hash": matching.key(request), "wire": wire.dump(Exchange(request, response)), **changes,
    }  # fmt: skip
    return Interaction(**values)


def saved(path: Path, *requests: Request, in_teardown: int = 0) -> Path:
    interactions = tuple(interaction(number, request) for number, request in enumerate(requests))
    save(path, Golden(1, "test_a.py::test_a", in_teardown, interactions=interactions))
    return path


def opened(path: Path, *requests: Request, in_teardown: int = 0, ignore: tuple[matching.Path, ...] = ()) -> ReplayQueue:
    queue = open_queue(saved(path, *requests, in_teardown=in_teardown), ignore)
    assert queue is not None
    return queue


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "goldens" / "test_a" / "test_a.json"


def number(taken: Taken | None) -> int | None:
    """Which interaction was taken, when its response is its own."""
    if taken is None:
        return None
    found = int(taken.recorded.request_id, 16)
    assert taken.response is not None and taken.response.body == b'{"answer": %d}' % found
    return found


NAMES = [
    "test_a", "test_a[x]", "test_a[X]", "test_a[x-y]", "test_a[x/y]", "test_a[x\\y]", "test_a[x y]", "test_a[x:y]", "test_a[x*y]", "test_a[x?y]",
    'test_a[x"y]', "test_a[x<y]", "test_a[x>y]", "test_a[x|y]", "test_a[x\ny]", "test_a[x\x00y]", "test_a[é]", "test_a[e\u0301]", "test_a[È]",
    "test_a[ß]", "test_a[🙂]", "test_a[🙃]", "test_a[日本]", "test_a[..]", "test_a[../../etc]", "test_a[" + "x" * 300 + "]", "test_a[" + "x" * 301 + "]",
    "test_a[" + "é" * 300 + "]", "test_a[XX]", "test_a[Xx]", "test_a[xX]", "test_a[xx]", "test_a[%]", "test_a[ ]", "test_a[-]", "test_a[]", "Class.test_a",
]  # fmt: skip


@pytest.mark.parametrize("name", ["test_a", "test_a[1-x]", "Class.test_a", "test_a[a.b_c-d]", "test_a[]"])
def test_a_plain_name_is_kept(name: str) -> None:
    assert safe_name(name) == name


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_one_that_every_file_system_takes(name: str) -> None:
    safe = safe_name(name)
    assert safe
    assert len(f"{safe}.json.new".encode()) <= 255
    assert not set(safe) & set('<>:"/\\|?*\0 ')
    assert safe.isascii()
    assert safe.isprintable()
    assert safe == safe_name(name)


def test_different_names_are_different_files_even_where_case_does_not_count() -> None:
    assert len({safe_name(name).lower() for name in NAMES}) == len(set(NAMES))


@pytest.mark.parametrize("name", ["con", "aux", "NUL", "com1", "CON.test_a", "aux.test_a[1]"])
def test_a_name_that_windows_reserves_is_changed(name: str) -> None:
    assert safe_name(name).partition(".")[0].lower() != name.partition(".")[0].lower()


def test_a_golden_is_written_and_read(path: Path) -> None:
    queue = opened(path, ask("one"), ask("two"))
    assert len(queue) == 2
    assert validation.faults(json.loads(path.read_bytes()), "golden") == []
    assert path.read_bytes().endswith(b"}\n")
    assert [number(queue.take_exact(ask(text))) for text in ("two", "one", "one")] == [1, 0, None]


def test_saving_leaves_one_file_of_the_usual_mode(path: Path) -> None:
    saved(path, ask("old"))
    saved(path, ask("new"))
    assert os.listdir(path.parent) == ["test_a.json"]
    assert b'"new"' in path.read_bytes()
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def test_a_failed_save_keeps_the_old_golden_and_leaves_nothing_behind(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved(path, ask("old")).read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(GoldenError, match="cannot be written: No space left on device") as caught:
        saved(path, ask("new"))
    assert (caught.value.path, caught.value.place) == (path, "$")
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["test_a.json"]


def test_a_folder_in_the_way_is_an_error(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(GoldenError, match="cannot be written"):
        saved(path, ask("one"))
    assert os.listdir(path.parent) == ["test_a.json"]


def test_a_file_where_the_folder_should_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "goldens").write_text("x", encoding="utf-8")
    with pytest.raises(GoldenError, match="cannot be written"):
        saved(tmp_path / "goldens" / "test_a.json", ask("one"))


@pytest.mark.parametrize("text", ["sk-" + "Ab3" * 16, "it is sk-" + "Ab3" * 16, "it is\nsk-" + "Ab3" * 16, "ghp_" + "Ab3" * 12])
def test_what_looks_like_a_credential_is_not_saved(path: Path, text: str) -> None:
    with pytest.raises(GoldenError, match="not saved: it holds what looks like a credential") as caught:
        saved(path, ask(text))
    assert "Ab3" * 3 not in str(caught.value)
    assert "llmlog_redact" in caught.value.fix
    assert not path.exists()


def test_a_golden_is_forced_to_the_disk_before_it_takes_the_old_ones_place(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(path, ask("old"))
    done: list[str] = []

    def noted(name: str) -> None:
        real = getattr(os, name)

        def call(*arguments: Any) -> Any:
            is_folder = name == "fsync" and stat.S_ISDIR(os.fstat(arguments[0]).st_mode)
            done.append("fsync of the folder" if is_folder else name)
            if name == "replace":
                assert len(golden.parse(path, Path(arguments[0]).read_bytes()).interactions) == 2
            return real(*arguments)

        monkeypatch.setattr(os, name, call)

    for name in ("fsync", "replace"):
        noted(name)
    saved(path, ask("new"), ask("newer"))
    assert done == ["fsync", "replace", "fsync of the folder"]


@pytest.mark.parametrize(("first", "second"), [("test_A", "test_a"), ("TestX.test_a", "Testx.test_a"), ("test_É", "test_é")])
def test_names_that_differ_only_in_case_are_refused(tmp_path: Path, first: str, second: str) -> None:
    saved(tmp_path / f"{first}.json", ask("one"))
    with pytest.raises(GoldenError, match="do not tell it from"):
        saved(tmp_path / f"{second}.json", ask("two"))
    (tmp_path / f"{first}.json").unlink()
    saved(tmp_path / f"{second}.json", ask("two"))
    assert len(list(tmp_path.iterdir())) == 1


def test_folders_that_differ_only_in_case_are_refused(tmp_path: Path) -> None:
    saved(tmp_path / "test_mod" / "test_a.json", ask("one"))
    with pytest.raises(GoldenError, match="test_mod is there, and some file systems do not tell it from test_Mod"):
        saved(tmp_path / "test_Mod" / "test_a.json", ask("two"))


@pytest.mark.parametrize("name", ["x" * 255, "é" * 200, "test[" + 'a/b:c*?<>|"\\' * 30 + "]", "." * 255, " " * 255, "con", "test."])
def test_a_long_or_odd_name_is_saved_and_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{safe_name(name)}.json"
    saved(golden.pending_path(path), ask("waits"))
    assert saved(path, ask("one")).parent == tmp_path
    assert len(golden.pending_path(path).name) <= 255
    assert open_queue(path) is not None


def link(path: Path, target: Path, *, folder: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target, target_is_directory=folder)


def test_a_link_out_of_the_folder_is_refused(path: Path, tmp_path: Path) -> None:
    outside = saved(tmp_path / "outside" / "secret.json", ask("one"))
    link(path, outside)
    with pytest.raises(GoldenError, match="a symbolic link leads out of"):
        open_queue(path)
    saved(path, ask("new"))  # takes the link's place
    assert not path.is_symlink()
    assert golden.parse(outside, outside.read_bytes()).interactions[0].prompt == "hi"


def test_a_link_inside_of_the_folder_is_followed(path: Path) -> None:
    link(path, saved(path.with_name("other.json"), ask("one")))
    assert open_queue(path) is not None


@pytest.mark.parametrize("level", [1, 2])
def test_a_folder_that_is_a_link_out_is_refused(path: Path, tmp_path: Path, level: int) -> None:
    outside = tmp_path / "outside"
    saved(outside / "test_a" / "test_a.json", ask("one"))
    root = tmp_path / "tests"
    link(root / "goldens", outside) if level == 2 else link(root / "goldens" / "test_a", outside / "test_a")
    with pytest.raises(GoldenError, match="leads out of"):
        golden.check_inside(root / "goldens" / "test_a" / "test_a.json", root)
    golden.check_inside(root / "goldens" / "test_b" / "test_b.json" if level == 1 else path, tmp_path if level == 2 else root)


def test_a_checkout_below_a_link_is_no_link_out(tmp_path: Path) -> None:
    saved(tmp_path / "real" / "goldens" / "test_a" / "test_a.json", ask("one"))
    link(tmp_path / "link", tmp_path / "real")
    golden.check_inside(tmp_path / "link" / "goldens" / "test_a" / "test_a.json", tmp_path / "link")


@pytest.mark.parametrize("kind", ["pipe", "device", "large"])
def test_what_has_no_end_is_not_read(path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    path.parent.mkdir(parents=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        monkeypatch.setattr(files, "SIZE_LIMIT", 1000)
        saved(path, ask("x" * 1000))
    with pytest.raises(GoldenError, match="no ordinary file|larger than 1000 bytes|leads out of"):
        open_queue(path)


def test_a_pending_golden_stands_beside(path: Path) -> None:
    assert golden.pending_path(path) == path.parent / "test_a.json.new"


def test_no_file_is_no_queue(tmp_path: Path) -> None:
    assert open_queue(tmp_path / "absent.json") is None
    assert open_queue(tmp_path / "absent" / "too.json") is None


def changed(path: Path, change: Any) -> None:
    value = json.loads(path.read_bytes())
    change(value)
    path.write_text(json.dumps(value), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "place", "reason", "fix"),
    [
        (lambda value: value.update(golden_version=2), "$.golden_version", "version 2 is newer than 1", "upgrade pytest-llmlog"),
        (lambda value: value.update(golden_version=0), "$.golden_version", "1 was expected", "undo the edit"),
        (lambda value: value.update(golden_version="1"), "$.golden_version", "1 was expected", "undo the edit"),
        (lambda value: value.update(test_id=5), "$.test_id", "5 is not of type 'string'", "undo the edit"),
        (lambda value: value.update(in_teardown="x"), "$.in_teardown", "is not of type 'integer'", "undo the edit"),
        (lambda value: value.update(interactions={}), "$.interactions", "is not of type 'array'", "undo the edit"),
        (lambda value: value.update(colour="red"), "$", "'colour' was unexpected", "undo the edit"),
        (lambda value: value.pop("test_id"), "$", "'test_id' is a required property", "undo the edit"),
        (lambda value: value["interactions"][1].pop("wire"), "$.interactions[1]", "'wire' is a required property", "undo the edit"),
        (lambda value: value["interactions"].insert(0, 5), "$.interactions[0]", "5 is not of type 'object'", "undo the edit"),
        (
            lambda value: value["interactions"][1]["wire"]["request"].update(url=5),
            "$.interactions[1].wire.request.url",
            "5 is not of type 'string'",
            "undo",
        ),
        (
            lambda value: value["interactions"][0]["wire"]["request"].update(x=5),
            "$.interactions[0].wire.request",
            "'x' was unexpected",
            "undo",
        ),
    ],
)
def test_a_golden_that_cannot_be_used_is_named_with_place_and_fix(
    path: Path, change: Any, place: str, reason: str, fix: str
) -> None:
    changed(saved(path, ask("one"), ask("two")), change)
    with pytest.raises(GoldenError) as caught:
        open_queue(path).unplayed(teardown=True)  # type: ignore[union-attr]
    assert (caught.value.path, caught.value.place) == (path, place)
    assert reason in caught.value.reason
    assert fix in caught.value.fix
    for part in (str(path), place, reason, fix):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda value: value["interactions"][1].update(status="well"), "$.interactions[1].status"),
        (lambda value: value["interactions"][1].update(colour="red"), "$.interactions[1]"),
        (lambda value: value["interactions"][1].update(tokens="3"), "$.interactions[1].tokens"),
        (lambda value: value["interactions"][1]["wire"]["response"].update(status="x"), "$.interactions[1].wire.response.status"),
        (lambda value: value["interactions"][1].update(timestamp="noon"), "$.interactions[1].timestamp"),
    ],
)
def test_an_invalid_interaction_that_was_not_played_is_named(path: Path, change: Any, place: str) -> None:
    changed(saved(path, ask("one"), ask("two")), change)
    with pytest.raises(GoldenError) as caught:
        (open_queue(path) or pytest.fail("no queue")).unplayed(teardown=True)
    assert (caught.value.path, caught.value.place) == (path, place)


@pytest.mark.parametrize(
    "text", [b"", b"\n", b"{", b"not json", b"\xff\xfe", b'{"golden_version": 1, "test_id": "a", "interactions": [', b"[" * 100_000]
)
def test_a_damaged_golden_is_named(path: Path, text: bytes) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(text)
    with pytest.raises(GoldenError, match="damaged, not JSON") as caught:
        open_queue(path)
    assert (caught.value.path, caught.value.place) == (path, "$")
    assert "--llmlog-mode=record" in caught.value.fix


@pytest.mark.parametrize("text", [b"[]", b"5", b"null", b'"text"'])
def test_a_golden_that_is_no_object_is_named(path: Path, text: bytes) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(text)
    with pytest.raises(GoldenError, match="is not of type 'object'") as caught:
        open_queue(path)
    assert (caught.value.path, caught.value.place) == (path, "$")


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
def test_a_truncated_golden_is_damaged(path: Path, share: float) -> None:
    whole = saved(path, ask("one"), ask("two")).read_bytes().rstrip()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(GoldenError, match="damaged, not JSON"):
        open_queue(path)


@pytest.mark.parametrize("where", [b"answer 0", b"one"])
def test_a_golden_that_is_no_utf8_is_damaged(path: Path, where: bytes) -> None:
    whole = saved(path, ask("one")).read_bytes()
    path.write_bytes(whole.replace(where, b"\xff\xfe"))
    with pytest.raises(GoldenError):
        (open_queue(path) or pytest.fail("no queue")).unplayed(teardown=True)


def test_a_folder_is_no_golden(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(GoldenError, match="cannot be read"):
        open_queue(path)


def test_equal_requests_are_played_in_recorded_order_each_once(path: Path) -> None:
    queue = opened(path, ask("a"), ask("b"), ask("a"), ask("a"))
    key = matching.key(ask("a"))
    assert queue.more(key)
    assert queue.recorded(ask("a")) == 3
    assert number(queue.take_exact(ask("a"))) == 0
    assert number(queue.take(key)) == 2
    assert queue.more(key)
    assert number(queue.take_exact(ask("a"))) == 3
    assert not queue.more(key)
    assert queue.take(key) is None
    assert queue.take_exact(ask("a")) is None
    assert queue.recorded(ask("a")) == 3
    assert number(queue.take(matching.key(ask("b")))) == 1


def test_a_long_golden_is_played_in_order_and_out_of_it(path: Path) -> None:
    names = [str(each) for each in range(3 * AHEAD)]
    requests = [ask(name) for name in names]
    assert [number(opened(path, *requests).take_exact(request)) for request in requests[:1]] == [0]
    queue = opened(path, *requests)
    assert [number(queue.take_exact(request)) for request in requests] == list(range(len(requests)))
    queue = opened(path, *requests)
    mixed = [*range(AHEAD + 3), *range(len(requests) - 1, AHEAD + 2, -1)]
    assert [number(queue.take_exact(requests[each])) for each in mixed] == mixed


@pytest.mark.parametrize("number", ["0.0000378", "1e16", "1.5e-7", "-0.0", "1.0", "12345678901234567890123"])
def test_numbers_are_sent_and_given_as_they_were_written(path: Path, number: str) -> None:
    body = f'{{"messages":[],"top_p":{number}}}'.encode()
    asked = Request("POST", URL, {"content-type": "application/json"}, body)
    call = interaction(
        0, asked, wire=wire.dump(Exchange(asked, Response(200, {"content-type": "application/json"}, [(0.1, body)])))
    )
    save(path, Golden(1, "test_a.py::test_a", interactions=(call,)))
    taken = (open_queue(path) or pytest.fail("no queue")).take(matching.key(asked))
    assert taken is not None and taken.response is not None
    assert taken.response.body == body


def test_what_cannot_be_given_is_told_when_its_turn_comes(path: Path) -> None:
    saved(path, *[ask(str(each)) for each in range(4)])
    golden = json.loads(path.read_text())
    golden["interactions"][2]["wire"]["response"]["body"] = {"base64": "A"}
    path.write_text(json.dumps(golden))
    queue = open_queue(path)
    assert queue is not None
    assert [number(queue.take_exact(ask(name))) for name in "01"] == [0, 1]
    with pytest.raises(GoldenError, match="base64"):
        queue.take_exact(ask("2"))


@pytest.mark.parametrize("layout", ["compact", "spaced", "indented", "ascii"])
def test_a_request_is_found_by_its_bytes(path: Path, layout: str) -> None:
    assert number(opened(path, ask("é 🙂", layout=layout)).take_exact(ask("é 🙂", layout=layout))) == 0


def test_a_request_written_differently_is_found_by_its_key(path: Path) -> None:
    queue = opened(path, ask("one"))
    reordered = Request("POST", URL, {}, b'{"messages": [{"content": "one", "role": "user"}], "model": "m"}')
    assert queue.take_exact(reordered) is None
    assert number(queue.take(matching.key(reordered))) == 0
    assert queue.take_exact(ask("one")) is None


@pytest.mark.parametrize("body", [b"plain text", b"\xff\x00\x80", b""])
def test_a_request_that_is_no_json_is_found(path: Path, body: bytes) -> None:
    request = Request("POST", URL, {"content-type": "application/octet-stream"}, body)
    assert number(opened(path, request, request).take_exact(request)) == 0
    assert number(opened(path, request, request).take(matching.key(request))) == 0


def test_ignored_places_do_not_matter_to_a_queue(path: Path) -> None:
    ignore = (matching.parse_path("$.messages[*].content"),)
    queue = opened(path, ask("one"), ask("two"), ignore=ignore)
    key = matching.key(ask("three"), ignore)
    assert queue.recorded(ask("three")) == 2
    assert [number(queue.take(key)) for _ in range(3)] == [0, 1, None]


def test_what_was_not_played_is_told(path: Path) -> None:
    queue = opened(path, ask("a"), ask("b"), ask("c"), in_teardown=1)

    def unplayed(*, teardown: bool) -> list[int]:
        return [int(record.request_id, 16) for record in queue.unplayed(teardown=teardown)]

    assert (unplayed(teardown=False), unplayed(teardown=True)) == ([0, 1], [0, 1, 2])
    queue.take_exact(ask("a"))
    queue.take(matching.key(ask("c")))
    assert (unplayed(teardown=False), unplayed(teardown=True)) == ([1], [1])


def test_the_nearest_is_one_not_played_yet(path: Path) -> None:
    queue = opened(path, ask("The cat sat."), ask("The cow sat."))
    nearest = queue.nearest(ask("The cat sits."))
    assert nearest is not None
    assert nearest.json == ask("The cat sat.").json
    queue.take_exact(ask("The cat sat."))
    nearest = queue.nearest(ask("The cat sits."))
    assert nearest is not None
    assert nearest.json == ask("The cow sat.").json
    queue.take_exact(ask("The cow sat."))
    nearest = queue.nearest(ask("The cat sits."))
    assert nearest is not None
    assert nearest.json == ask("The cat sat.").json


def test_an_empty_golden_has_nothing(path: Path) -> None:
    queue = opened(path)
    assert len(queue) == 0
    assert queue.take_exact(ask("a")) is None
    assert queue.nearest(ask("a")) is None
    assert queue.unplayed(teardown=True) == []


@pytest.mark.parametrize("exact", [True, False, None], ids=["exact", "by-key", "both"])
def test_threads_take_each_interaction_once(path: Path, exact: bool | None) -> None:
    request, count = ask("a"), 800
    queue = opened(path, *[request] * count)
    key = matching.key(request)

    def take(turn: int) -> int | None:
        use_exact = turn % 2 == 0 if exact is None else exact
        return number(queue.take_exact(request) if use_exact else queue.take(key))

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(take, range(count)))
    assert sorted(taken) == list(range(count))  # type: ignore[type-var]
    assert queue.take(key) is None
    assert queue.unplayed(teardown=True) == []
