"""pytest's entry point: options, the ``llmlog`` fixture, and one plugin object that exists only when it is asked for.

This module is imported in every pytest run, so it imports nothing of ours but the options.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pytest

from pytest_llmlog import options

if TYPE_CHECKING:
    from pytest_llmlog.calls import Calls

NAME = "llmlog-session"
"""The plugin object's name in pytest's plugin manager."""


def pytest_addoption(parser: pytest.Parser) -> None:
    options.add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """A conftest may make its client when it is imported, long before the plugin is configured."""
    if options.wants_placeholders(early_config):
        from pytest_llmlog.startup import set_placeholders

        set_placeholders(early_config)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "llmlog: settings of pytest-llmlog for one test.")
    if not options.is_enabled(config):
        return
    chosen = options.Options.from_config(config)
    if chosen.mode != "off":
        from pytest_llmlog.session import Session

        config.pluginmanager.register(Session.start(config, chosen), NAME)


@pytest.fixture
def llmlog(request: pytest.FixtureRequest) -> Calls:
    """The language model calls of this test: a sequence of interactions with sums.

    Without ``--llmlog`` the test runs as it is, and is skipped where it first looks at the log.
    """
    from pytest_llmlog.calls import Calls

    session = request.config.pluginmanager.get_plugin(NAME)
    if session is not None:
        return session.calls_of(request.node)  # type: ignore[no-any-return]

    off = "llmlog is in mode off" if options.is_enabled(request.config) else "run it with --llmlog"

    def unavailable() -> NoReturn:
        pytest.skip(f"the test reads the log of its model calls: {off}")

    return Calls(unavailable)
