"""Without a key, recording goes to a stand-in for the OpenAI API on loopback; with one, to the API itself.

The stand-in is reached as an HTTP proxy of ``http://api.openai.com``: so the goldens name the same host either way, and
replay the same with or without a key. Replaying starts nothing.
"""

from __future__ import annotations

import os

import pytest

from openai_standin import StandIn

PLACEHOLDER = "llmlog-placeholder"
"""How the key begins that the plugin sets where there is none."""

RUNNING = pytest.StashKey[tuple[StandIn, dict[str, str]]]()


def _goes_live(config: pytest.Config) -> bool:
    mode = config.getoption("--llmlog-mode", None) or config.getini("llmlog_mode") or ("replay" if os.environ.get("CI") else "auto")
    return bool(mode in ("record", "live", "auto"))


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if not os.environ.get("OPENAI_API_KEY", PLACEHOLDER).startswith(PLACEHOLDER) or not _goes_live(config):
        return
    server = StandIn()
    server.__enter__()
    names = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy")
    before = {name: os.environ[name] for name in names if name in os.environ}
    config.stash[RUNNING] = server, before
    for name in ("NO_PROXY", "no_proxy"):
        os.environ.pop(name, None)
    os.environ |= {"OPENAI_API_KEY": "standin-key", "OPENAI_BASE_URL": "http://api.openai.com/v1"}
    os.environ |= {"HTTP_PROXY": server.proxy_url, "http_proxy": server.proxy_url}


def pytest_unconfigure(config: pytest.Config) -> None:
    server, before = config.stash.get(RUNNING, (None, {}))
    if server is not None:
        for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy"):
            os.environ.pop(name, None)
        os.environ |= before
        server.__exit__()
