"""The collectors' configurations in the documentation: they parse, and take the longest line of a log."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from logs import lines, record
from pytest_llmlog.log import LINE_LIMIT
from pytest_llmlog.shipping.formats import datadog

DOC = (Path(__file__).parent.parent.parent / "docs" / "shipping.md").read_text(encoding="utf-8")
BLOCKS = {
    title: block
    for title, section in re.findall(r"^## (.+?)$(.*?)(?=^## |\Z)", DOC, re.MULTILINE | re.DOTALL)
    for block in re.findall(r"^```yaml\n(.*?)^```", section, re.MULTILINE | re.DOTALL)[:1]
}
UNITS = {"k": 1024, "m": 1024**2, "MiB": 1024**2}


def size(text: str | int) -> int:
    """A size in bytes, as these tools write it."""
    found = re.fullmatch(r"(\d+)(\w*)", str(text))
    assert found is not None
    return int(found[1]) * UNITS.get(found[2], 1)


def at(value: Any, path: str) -> Any:
    for key in path.split("."):
        value = value[int(key) if key.isdigit() else key]
    return value


@pytest.mark.parametrize(
    ("title", "limit"),
    [
        ("Fluent Bit", "pipeline.inputs.0.buffer_max_size"),
        ("Vector", "sources.llmlog.max_line_bytes"),
        ("OpenTelemetry collector", "receivers.file_log.max_log_size"),
    ],
)
def test_a_limit_is_no_smaller_than_the_logs(title: str, limit: str) -> None:
    assert size(at(yaml.safe_load(BLOCKS[title]), limit)) >= LINE_LIMIT


def test_every_reference_within_a_configuration_is_there() -> None:
    collector, bit, vector = (yaml.safe_load(BLOCKS[title]) for title in ("OpenTelemetry collector", "Fluent Bit", "Vector"))
    for pipeline in collector["service"]["pipelines"].values():
        assert set(pipeline["receivers"]) <= set(collector["receivers"])
        assert set(pipeline["exporters"]) <= set(collector["exporters"])
    assert collector["receivers"]["file_log"]["storage"] in collector["extensions"]
    assert bit["pipeline"]["inputs"][0]["parser"] in {parser["name"] for parser in bit["parsers"]}
    assert set(vector["sinks"]["out"]["inputs"]) <= set(vector["transforms"])
    assert set(vector["transforms"]["llm"]["inputs"]) <= set(vector["sources"])


def test_the_datadog_agent_tails_what_export_writes() -> None:
    (source,) = yaml.safe_load(BLOCKS["Datadog Agent"])["logs"]

    assert source["type"] == "file"
    assert f"-o {source['path']} " in DOC


def test_logstash_puts_a_record_where_its_texts_meet_no_object_of_ecs() -> None:
    """Logstash 8 sets ``[event][original]``, and ``event`` is a text in a record."""
    (target,) = re.findall(r'codec => json \{ target => "(\w+)" \}', DOC)

    assert f'date {{ match => ["[{target}][timestamp]", "ISO8601"] }}' in DOC


def test_a_datadog_line_of_the_longest_record_fits_where_the_documentation_says() -> None:
    (limit,) = map(int, re.findall(r"set `llmlog_line_limit` to (\d+)", DOC))

    for longest, agent in ((LINE_LIMIT, 900_000), (limit, 256_000)):
        line = datadog({**record(), "response": "x" * (longest - len(lines([record()])))})
        assert line is not None
        assert len(line) <= agent
