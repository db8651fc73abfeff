"""What is compared: each tool used as its README says, matching on method, address and body."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PLUGINS = (
    "llmlog",
    "recording",
    "cassetter",
    "langsmith_plugin",
    "xdist",
    "randomly",
    "rerunfailures",
    "asyncio",
    "hypothesispytest",
)
"""pytest plugins that may be installed; a session has none of them but the tool's own."""


@dataclass(frozen=True)
class Tool:
    """A way to record and replay.

    Attributes:
        package: the distribution, whose version is told.
        plugin: its pytest plugin; None where it has none of use here.
        record, replay: arguments for pytest.
        marker: the marker that a test gets.
        config: what its ``vcr_config`` fixture returns.
        grow: make a recording of so many calls of the recording of one, for tools that cannot record so many within reason.
        limit: seconds after which a test is given up.
    """

    name: str
    package: str
    plugin: str | None
    record: tuple[str, ...] = ()
    replay: tuple[str, ...] = ()
    marker: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    grow: Callable[[Path, Path, int], None] | None = None
    limit: float = 60.0

    def arguments(self, action: str) -> list[str]:
        """The command line of a session."""
        chosen = self.replay if action == "replay" else self.record
        return [*chosen, *(f"-pno:{name}" for name in PLUGINS if name != self.plugin)]


def _grow(recorded: Path, path: Path, calls: int) -> None:
    """Write a cassette of vcrpy with the first call of another one, asked with each number."""
    from vcr.persisters.filesystem import FilesystemPersister
    from vcr.request import Request
    from vcr.serializers import jsonserializer, yamlserializer

    serializer = jsonserializer if recorded.suffix == ".json" else yamlserializer
    requests, responses = FilesystemPersister.load_cassette(recorded, serializer)
    first, body = requests[0], requests[0].body
    assert body.count(b"00000000 ") == 1, "the recorded call has another number"
    grown = [
        Request(first.method, first.uri, body.replace(b"00000000 ", b"%08d " % number), first.headers) for number in range(calls)
    ]
    FilesystemPersister.save_cassette(path, {"requests": grown, "responses": responses[:1] * calls}, serializer)


_MATCH = ["method", "uri", "body"]
_RECORD, _REPLAY = ("--record-mode=once",), ("--record-mode=none",)

TOOLS = {
    tool.name: tool
    for tool in (
        Tool(
            "pytest-llmlog",
            "pytest-llmlog",
            "llmlog",
            ("--llmlog", "--llmlog-mode=record"),
            ("--llmlog", "--llmlog-mode=replay"),
            limit=600,
        ),
        Tool("cassetter", "cassetter", "cassetter", _RECORD, _REPLAY, "vcr", {"match_on": _MATCH}),
        Tool(
            "cassetter, JSON compared",
            "cassetter",
            "cassetter",
            _RECORD,
            _REPLAY,
            "vcr",
            {"match_on": ["method", "uri", "json_body"]},
        ),
        Tool("pytest-recording, YAML", "pytest-recording", "recording", _RECORD, _REPLAY, "vcr", {"match_on": _MATCH}, _grow),
        Tool(
            "pytest-recording, JSON",
            "pytest-recording",
            "recording",
            _RECORD,
            _REPLAY,
            "vcr",
            {"match_on": _MATCH, "serializer": "json"},
            _grow,
        ),
        Tool("langsmith's cache", "langsmith", None, grow=_grow),
    )
}
OURS = "pytest-llmlog"
VARIED = (OURS, "cassetter", "pytest-recording, YAML")
"""Those measured in every way; the others are told from them by plain calls."""
