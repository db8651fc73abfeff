"""The schemas and their two validators, on the fixtures and on records broken at random."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from pytest_llmlog import log, record, validation, wire
from pytest_llmlog.errors import GoldenError
from pytest_llmlog.playback import open_queue

FIXTURES = Path(__file__).parent.parent.parent / "fixtures"
VALID = sorted(path.name for path in (FIXTURES / "valid").iterdir())
INVALID = sorted(path.name for path in (FIXTURES / "invalid").iterdir())

FAULTS = {
    "golden-body-two-forms.json": ("$.interactions[0].wire.response.body", "is valid under each of"),
    "golden-event-before-request.json": ("$.interactions[0].wire.response.body.events[0][0]", "less than the minimum"),
    "golden-newer-version.json": ("$.golden_version", "1 was expected"),
    "golden-no-interactions.json": ("$", "'interactions' is a required property"),
    "golden-status-out-of-range.json": ("$.interactions[0].wire.response.status", "less than the minimum"),
    "golden-truncated.json": ("$", "not JSON"),
    "golden-unknown-field.json": ("$", "'colour' was unexpected"),
    "golden-url-without-scheme.json": ("$.interactions[0].wire.request.url", "does not match"),
    "golden-without-test-id.json": ("$", "'test_id' is a required property"),
    "golden-without-version.json": ("$", "'golden_version' is a required property"),
    "golden-without-wire.json": ("$.interactions[0]", "'wire' is a required property"),
    "log-attempt-zero.log": ("$.attempt", "less than the minimum"),
    "log-error-empty.log": ("$.error", "non-empty"),
    "log-failure-without-error.log": ("$", "'error' is a required property"),
    "log-import-without-origin.log": ("$", "'origin' is a required property"),
    "log-latency-negative.log": ("$.latency_seconds", "less than the minimum"),
    "log-line-not-object.log": ("$", "not of type 'object'"),
    "log-message-without-role.log": ("$.messages[0]", "'role' is a required property"),
    "log-missing-timestamp.log": ("$", "'timestamp' is a required property"),
    "log-newer-version.log": ("$.schema_version", "1 was expected"),
    "log-not-utf8.log": ("$", "not JSON"),
    "log-nul-bytes.log": ("$", "NUL bytes"),
    "log-number-nan.log": ("$", "not JSON"),
    "log-request-id-ends-in-newline.log": ("$.request_id", "does not match"),
    "log-request-id-upper-case.log": ("$.request_id", "does not match"),
    "log-status-unknown.log": ("$.status", "not one of"),
    "log-stream-number.log": ("$.stream", "not of type 'boolean'"),
    "log-timestamp-not-utc.log": ("$.timestamp", "does not match"),
    "log-timestamp-without-milliseconds.log": ("$.timestamp", "does not match"),
    "log-tokens-missing.log": ("$", "'tokens' is a required property"),
    "log-tokens-negative.log": ("$.tokens", "less than the minimum"),
    "log-torn-line.log": ("$", "not JSON"),
    "log-unknown-field.log": ("$", "'colour' was unexpected"),
    "log-usage-text.log": ("$.usage", "not of type 'object'"),
    "log-usage-without-source.log": ("$.usage", "'source' is a required property"),
}
"""Where each file of ``invalid/`` is wrong, and a word of the reason."""


def values(path: Path) -> list[log.Line]:
    """The file's lines, or a golden as the one line it would be."""
    if path.suffix == ".log":
        with path.open("rb") as file:
            return list(log.read(file))
    try:
        return [log.Line(1, 0, msgspec.json.decode(path.read_bytes()))]
    except msgspec.DecodeError as exc:
        return [log.Line(1, 0, fault=f"not JSON: {exc}")]


def schema_of(path: Path) -> validation.SchemaName:
    return "golden" if path.suffix == ".json" else "interaction"


def faults_of(path: Path) -> list[validation.Fault]:
    found = []
    for line in values(path):
        found += [validation.Fault("$", line.fault)] if line.fault else validation.faults(line.value, schema_of(path))
    return found


@pytest.mark.parametrize("name", VALID)
def test_valid_fixture_holds_to_its_schema(name: str) -> None:
    path = FIXTURES / "valid" / name

    assert [line.fault for line in values(path) if line.fault] == []
    assert all(validation.is_valid(line.value, schema_of(path)) for line in values(path))
    assert faults_of(path) == []


@pytest.mark.parametrize("name", INVALID)
def test_invalid_fixture_is_wrong_in_the_one_way_its_name_tells(name: str) -> None:
    place, reason = FAULTS[name]

    found = faults_of(FIXTURES / "invalid" / name)

    assert [fault.place for fault in found] == [place]
    assert reason in found[0].reason


@pytest.mark.parametrize("name", INVALID)
def test_invalid_fixture_has_one_bad_line_and_the_rest_is_valid(name: str) -> None:
    path = FIXTURES / "invalid" / name

    good = [not line.fault and validation.is_valid(line.value, schema_of(path)) for line in values(path)]

    assert good.count(False) == 1
    assert len(good) >= 3 or path.suffix == ".json"


def test_every_invalid_fixture_is_in_the_table() -> None:
    assert set(FAULTS) == set(INVALID)


@pytest.mark.parametrize("name", [name for name in VALID if name.endswith(".log")])
def test_every_line_of_a_valid_log_begins_with_its_timestamp(name: str) -> None:
    lines = (FIXTURES / "valid" / name).read_bytes().removeprefix(b"\xef\xbb\xbf").splitlines()

    assert all(line.startswith(log.RECORD_START) for line in lines if line.strip())


def test_the_founding_example_and_its_failure_twin() -> None:
    success, failure = (line.value for line in values(FIXTURES / "valid" / "log-founding.log"))

    assert isinstance(success, dict)
    assert isinstance(failure, dict)
    assert success["prompt_template"] == failure["prompt_template"] == "basic_question"
    assert success["input"] == failure["input"] == "How do LLMs differ from traditional ML?"
    assert (success["status"], success["tokens"]) == ("success", 78)
    assert failure["status"] == "failure"
    assert "error" not in success
    assert failure["error"]


def test_one_fixture_uses_every_field() -> None:
    [line] = values(FIXTURES / "valid" / "log-every-field.log")

    assert isinstance(line.value, dict)
    assert set(line.value) == set(validation.schema("interaction")["properties"])


def test_one_fixture_has_the_required_fields_alone() -> None:
    [line] = values(FIXTURES / "valid" / "log-minimal.log")

    assert isinstance(line.value, dict)
    assert set(line.value) == set(validation.schema("interaction")["required"])


@pytest.mark.parametrize("name", [name for name in VALID if name.endswith(".json")])
def test_replay_takes_every_valid_golden(name: str) -> None:
    queue = open_queue(FIXTURES / "valid" / name)

    assert queue is not None
    assert len(queue.unplayed(teardown=True)) == len(queue)


@pytest.mark.parametrize("name", [name for name in INVALID if name.endswith(".json")])
def test_replay_refuses_every_invalid_golden_and_says_where(name: str) -> None:
    path = FIXTURES / "invalid" / name

    with pytest.raises(GoldenError) as caught:
        open_queue(path).unplayed(teardown=True)  # type: ignore[union-attr]

    assert (caught.value.path, caught.value.place) == (path, FAULTS[name][0])
    assert caught.value.fix


# The two validators.


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (path, name)
        for folder in ("valid", "invalid")
        for path in sorted((FIXTURES / folder).iterdir())
        for name in ("interaction", "golden")
    ],
    ids=lambda value: value.name if isinstance(value, Path) else value,
)
def test_both_validators_judge_every_line_alike(path: Path, name: validation.SchemaName) -> None:
    for line in values(path):
        if line.fault is None:
            assert validation.is_valid(line.value, name) == (validation.faults(line.value, name) == [])


RECORDS: list[Any] = [line.value for name in VALID if name.endswith(".log") for line in values(FIXTURES / "valid" / name)]
GOLDENS: list[Any] = [line.value for name in VALID if name.endswith(".json") for line in values(FIXTURES / "valid" / name)]

OTHER_VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2, 1.0, -0.5, 0.5, 600, 2**53, 2**64, 2**70, 1e300, "", "x", "\n", "success", "failure", "import", "a" * 32,
    [], [None], [0, "x"], [["x"]], {}, {"": None}, {"base64": "AA=="}, {"role": "user", "parts": []},
]  # fmt: skip


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, entry in inside:
        yield from places(entry, (*place, name))


def at(value: Any, place: tuple[Any, ...]) -> Any:
    for name in place:
        value = value[name]
    return value


@st.composite
def mutated(draw: st.DrawFn, originals: list[Any]) -> Any:
    """A valid value in which one to three places were deleted, replaced by another type, lengthened or added to."""
    value = copy.deepcopy(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 3))):
        spots = [place for place in places(value) if place]
        if not spots:
            break
        place = draw(st.sampled_from(spots))
        parent, name = at(value, place[:-1]), place[-1]
        how = draw(st.sampled_from(["delete", "replace", "text", "add"]))
        if how == "delete":
            del parent[name]
        elif how == "text" and isinstance(parent[name], str):
            parent[name] += draw(st.sampled_from(["\n", " ", "x", "\u0660", "\r", "\u2028", "é"]))
        elif how == "add" and isinstance(parent[name], dict):
            field = draw(st.sampled_from(["colour", "text", "json", "error", "source"]))
            parent[name][field] = copy.deepcopy(draw(st.sampled_from(OTHER_VALUES)))
        else:
            parent[name] = copy.deepcopy(draw(st.sampled_from(OTHER_VALUES)))
    return value


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(value=mutated(RECORDS))
@example(value={**RECORDS[0], "request_id": RECORDS[0]["request_id"] + "\n"})
def test_both_validators_judge_a_broken_record_alike(value: Any) -> None:
    assert validation.is_valid(value) == (validation.faults(value) == [])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(value=mutated(GOLDENS))
def test_both_validators_judge_a_broken_golden_alike(value: Any) -> None:
    assert validation.is_valid(value, "golden") == (validation.faults(value, "golden") == [])


@settings(max_examples=100, deadline=None)
@given(value=st.recursive(st.sampled_from([*OTHER_VALUES]), lambda inner: st.dictionaries(st.text(max_size=5), inner, max_size=3)))
@example(value={"golden_version": 1.0, "test_id": "a", "interactions": []})
def test_both_validators_judge_any_json_alike(value: Any) -> None:
    for name in ("interaction", "golden"):
        assert validation.is_valid(value, name) == (validation.faults(value, name) == [])


@pytest.mark.parametrize("name", sorted(RECORDS[0]))
def test_a_required_field_is_missed_by_name(name: str) -> None:
    [minimal] = (line.value for line in values(FIXTURES / "valid" / "log-minimal.log"))
    assert isinstance(minimal, dict)
    broken = {field: value for field, value in RECORDS[0].items() if field != name}

    found = validation.faults(broken)

    if name in minimal:
        assert [(fault.place, fault.reason) for fault in found] == [("$", f"{name!r} is a required property")]
        assert not validation.is_valid(broken)
    else:
        assert found == []
        assert validation.is_valid(broken)


@pytest.mark.parametrize(
    "name", ["timestamp", "request_id", "template_hash", "prompt_hash", "request_hash", "git_commit", "trace_id", "span_id"]
)
@pytest.mark.parametrize("end", ["\n", " ", "0\n", "\u2028"])
def test_a_pattern_covers_the_whole_text(name: str, end: str) -> None:
    [whole] = (line.value for line in values(FIXTURES / "valid" / "log-every-field.log"))
    assert isinstance(whole, dict)
    broken = {**whole, name: whole[name] + end}

    assert not validation.is_valid(broken)
    assert [fault.place for fault in validation.faults(broken)] == [f"$.{name}"]


def test_all_faults_are_named_not_the_first_alone() -> None:
    broken = {**RECORDS[0], "tokens": -1, "stream": "no", "colour": "blue", "usage": {"source": "guess", "input": "1"}}

    found = {fault.place for fault in validation.faults(broken)}

    assert found == {"$", "$.tokens", "$.stream", "$.usage.source", "$.usage.input"}


def test_a_reason_stays_short_whatever_the_value() -> None:
    [fault] = validation.faults({**RECORDS[0], "usage": "x" * 100_000})

    assert len(fault.reason) <= 300
    assert fault.reason.startswith("'xxx")
    assert "is not of type 'object'" in fault.reason


# The schemas themselves.


def described(schema: Any, place: str = "$") -> Iterator[tuple[str, Any]]:
    """Every property at any depth."""
    if isinstance(schema, dict):
        for name, inner in schema.items():
            if name == "properties":
                yield from ((f"{place}.{field}", details) for field, details in inner.items())
            if name != "allOf":  # conditions, not fields
                yield from described(inner, f"{place}.{name}")
    elif isinstance(schema, list):
        for index, inner in enumerate(schema):
            yield from described(inner, f"{place}[{index}]")


@pytest.mark.parametrize("name", ["interaction", "golden"])
def test_every_property_is_described(name: validation.SchemaName) -> None:
    found = dict(described(validation.schema(name)))

    assert len(found) >= 4
    assert [place for place, details in found.items() if len(details.get("description", "")) < 8] == []


@pytest.mark.parametrize("name", ["interaction", "golden"])
def test_the_schema_is_valid_draft_2020_12(name: validation.SchemaName) -> None:
    schema = json.loads(validation.schema_text(name))

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)


SCHEMA = validation.schema("interaction")
WIRE = SCHEMA["$defs"]["wire"]["properties"]


@pytest.mark.parametrize(
    ("struct", "schema"),
    [
        (record.Interaction, SCHEMA),
        (record.Usage, SCHEMA["properties"]["usage"]),
        (record.ToolCall, SCHEMA["properties"]["tool_calls"]["items"]),
        (record.Origin, SCHEMA["properties"]["origin"]),
        (wire.Wire, SCHEMA["$defs"]["wire"]),
        (wire.WireRequest, WIRE["request"]),
        (wire.WireResponse, WIRE["response"]),
        (wire.WireError, WIRE["error"]),
        (wire.Body, SCHEMA["$defs"]["body"]),
    ],
)
def test_struct_and_schema_have_the_same_fields(struct: type[msgspec.Struct], schema: Any) -> None:
    assert set(struct.__struct_fields__) == set(schema["properties"])


@pytest.mark.parametrize(
    "struct", [record.Interaction, record.Origin, wire.Wire, wire.WireRequest, wire.WireResponse, wire.WireError]
)
def test_struct_and_schema_require_the_same_fields(struct: type[msgspec.Struct]) -> None:
    schema = {
        record.Interaction: SCHEMA,
        record.Origin: SCHEMA["properties"]["origin"],
        wire.Wire: SCHEMA["$defs"]["wire"],
        wire.WireRequest: WIRE["request"],
        wire.WireResponse: WIRE["response"],
        wire.WireError: WIRE["error"],
    }[struct]

    assert {field.name for field in msgspec.structs.fields(struct) if field.required} == set(schema["required"])


NESTED = ("usage", "tool_calls", "wire")
"""Fields of which the struct spells out what is left out."""


@pytest.mark.parametrize("value", RECORDS, ids=lambda value: value["request_id"][:8])
def test_a_valid_record_becomes_a_struct_and_back_without_loss(value: Any) -> None:
    again = msgspec.json.decode(msgspec.json.encode(msgspec.convert(value, record.Interaction)))

    assert validation.is_valid(again)
    assert {name: again[name] for name in value if name not in NESTED} == {
        name: value[name] for name in value if name not in NESTED
    }
