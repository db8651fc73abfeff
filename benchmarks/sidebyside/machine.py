"""Where and with what it was measured."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "pytest-llmlog", "pytest", "openai", "httpx2", "msgspec", "jsonschema-rs", "cassetter", "pytest-recording", "vcrpy", "PyYAML", "langsmith",
    "duckdb", "polars",
)  # fmt: skip


def facts() -> dict[str, str]:
    """Facts by name: date, machine, Python, packages."""
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return {
        "date": f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC",
        "machine": f"{_cpu()}, {os.cpu_count()} cores, {_memory()} GB; load at the start {load}",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "packages": ", ".join(f"{name} {found}" for name in PACKAGES if (found := _version(name))),
        "libyaml": "in use" if _has_libyaml() else "not in use",
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _memory() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9)


def _has_libyaml() -> bool:
    import yaml

    return bool(yaml.__with_libyaml__)
