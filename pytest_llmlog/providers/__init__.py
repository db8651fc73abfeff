"""Which calls go to a language model, and who reads them."""

from __future__ import annotations

import logging
from functools import cache, lru_cache

from msgspec import Struct

from pytest_llmlog.providers.base import Reader
from pytest_llmlog.providers.other import Other
from pytest_llmlog.providers.routes import HOSTS, REGIONAL, ROUTES, Route

GROUP = "pytest_llmlog.providers"
"""Entry points of other packages: an object with ``ROUTES``, ``HOSTS`` or both, which come before our own."""

KEY_VARIABLES = {
    "openai": "OPENAI_API_KEY",
    "azure.ai.openai": "AZURE_OPENAI_API_KEY",
}
"""Environment variables in which SDKs look for a key, and without which their clients cannot even be made."""

OTHER = Other()


class Endpoint(Struct, frozen=True):
    """An address that answers for a language model.

    ``known`` tells that the host alone says so; otherwise the request's body has to agree.
    """

    provider: str
    operation: str
    reader: Reader
    known: bool


ANY = Endpoint("openai", "other", OTHER, True)
"""Of a host that the user names and nobody recognises."""


@cache
def _routes() -> tuple[tuple[Route, ...], dict[str, str]]:
    """Routes and hosts of the packages that are installed, and ours."""
    from importlib.metadata import entry_points

    routes: tuple[Route, ...] = ()
    hosts = dict(HOSTS)
    for entry in entry_points(group=GROUP):
        try:
            found = entry.load()
        except Exception as exc:  # a package that cannot be imported is no reason to stop a call
            logging.getLogger("pytest_llmlog").warning("provider %s cannot be loaded: %s: %s", entry.name, type(exc).__name__, exc)
            continue
        routes += tuple(getattr(found, "ROUTES", ()))
        hosts.update(getattr(found, "HOSTS", {}))
    return (*routes, *ROUTES), hosts


def known_host(host: str) -> str | None:
    """The provider of a known host."""
    hosts = _routes()[1]
    name = host
    while name:
        if name in hosts:
            return hosts[name]
        name = name.partition(".")[2]
    return next((provider for pattern, provider in REGIONAL if pattern.search(host)), None)


@lru_cache(maxsize=4096)
def recognise(method: str, host: str, path: str) -> Endpoint | None:
    """Say which API a request goes to, or None for traffic that is none of our business. Cheap: nothing is read."""
    provider = known_host(host)
    found = next((route for route in _routes()[0] if route.path.search(path)), None) if method == "POST" else None
    if found is None:
        return Endpoint(provider, "other", OTHER, True) if provider else None
    return Endpoint(provider or found.provider, found.operation, found.reader, provider is not None)


__all__ = ["ANY", "GROUP", "HOSTS", "KEY_VARIABLES", "ROUTES", "Endpoint", "known_host", "recognise"]
