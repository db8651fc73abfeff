"""gRPC: its channels have sockets of their own, which nobody else sees; where they lead is all that is told."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from pytest_llmlog.intercept import outlets
from pytest_llmlog.intercept.patches import original_of

MODULES = ("grpc", "grpc.aio")

FACTORIES = ("secure_channel", "insecure_channel")


def _hosts(target: str) -> Iterator[str]:
    """The hosts of a target like ``dns:///api.example.com:443`` or ``ipv4:10.0.0.1:443,10.0.0.2:443``.

    Source: https://github.com/grpc/grpc/blob/master/doc/naming.md
    """
    places = target.rpartition("/")[2].removeprefix("dns:").removeprefix("ipv4:").removeprefix("ipv6:")
    for place in places.split(","):
        yield place.rpartition("]")[0].lstrip("[") if place.startswith("[") else place.partition(":")[0]


def is_ready(module: ModuleType) -> bool:
    """Whether the module has been imported to its end."""
    return all(hasattr(module, name) for name in FACTORIES)


def patch(module: ModuleType) -> None:
    """Have new channels told; once, however often it is asked for."""
    for name in FACTORIES:
        original = getattr(module, name)
        if not hasattr(original, "llmlog_original"):
            setattr(module, name, _telling(original))


def _telling(original: Any) -> Any:
    def channel(target: str, *args: Any, **given: Any) -> Any:
        if not str(target).startswith("unix"):
            proxies = [str(value) for name, value in given.get("options") or () if name == "grpc.http_proxy"]
            for host in [*_hosts(str(target)), *(urlsplit(proxy).hostname or "" for proxy in proxies)]:
                outlets.connects(host, "grpc")
        return original(target, *args, **given)

    channel.llmlog_original = original  # type: ignore[attr-defined]
    return channel


def unpatch(module: ModuleType) -> None:
    """Take it out again, unless somebody has patched over it since: then it stays, and nobody watches."""
    for name in FACTORIES:
        if (original := original_of(getattr(module, name))) is not None:
            setattr(module, name, original)
