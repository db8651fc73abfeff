"""What is compared: each tool used as its README says, matching on method, address and body."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sidebyside import grown

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


def _marked(name: str, package: str, plugin: str, grow: Callable[[Path, Path, int], None], **config: Any) -> Tool:
    """A tool whose tests have the marker ``vcr``: cassetter has kept pytest-recording's names."""
    return Tool(name, package, plugin, ("--record-mode=once",), ("--record-mode=none",), "vcr", config, grow)


OURS = "pytest-llmlog"
MATCH = ["method", "uri", "body"]
TOOLS = {
    tool.name: tool
    for tool in (
        Tool(OURS, OURS, "llmlog", ("--llmlog", "--llmlog-mode=record"), ("--llmlog", "--llmlog-mode=replay"), limit=600),
        _marked("cassetter", "cassetter", "cassetter", grown.cassetter, match_on=MATCH),
        _marked("cassetter, JSON compared", "cassetter", "cassetter", grown.cassetter, match_on=["method", "uri", "json_body"]),
        _marked("pytest-recording, YAML", "pytest-recording", "recording", grown.vcr, match_on=MATCH),
        _marked("pytest-recording, JSON", "pytest-recording", "recording", grown.vcr, match_on=MATCH, serializer="json"),
        Tool("langsmith's cache", "langsmith", None, grow=grown.vcr),
    )
}
VARIED = (OURS, "cassetter", "pytest-recording, YAML")
"""Those measured in every way; the others are told from them by plain calls, 1,000 at most."""
