"""What a session needs before it begins, from what the user said: the log's folder, functions, settings, templates, placeholders."""

from __future__ import annotations

import os
import pkgutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from pytest_llmlog import budgets, checks, providers, redact, templates
from pytest_llmlog.compare import parse_policy
from pytest_llmlog.errors import ConfigError, LogError
from pytest_llmlog.files import make_private_folder, write_private_file
from pytest_llmlog.options import Options
from pytest_llmlog.settings import Settings


def log_path(options: Options) -> Path:
    """The log's path; the default folder is made with a ``.gitignore`` of its own."""
    if options.log_is_default:
        ignore = options.log.parent / ".gitignore"
        try:
            make_private_folder(options.log.parent)
            if not ignore.exists():
                write_private_file(ignore, b"*\n")
        except OSError as exc:
            raise LogError(options.log, exc.strerror or str(exc)) from exc
    return options.log


def imported(name: str, key: str) -> Callable[..., Any] | None:
    """The user's own function that an ini key names."""
    if not name:
        return None
    try:
        step = pkgutil.resolve_name(name)
    except (ValueError, ImportError, AttributeError) as exc:
        raise ConfigError(f"{key}: {name!r} cannot be imported ({exc}); write it like package.module:function") from exc
    if not callable(step):
        raise ConfigError(f"{key}: {name!r} is not callable")
    return step  # type: ignore[no-any-return]


def settings(options: Options, limits: Mapping[str, budgets.Limit]) -> Settings:
    """How a test is judged of which no marker says anything."""
    warned = checks.of_expressions(options.warn, "llmlog_warn / --llmlog-warn", fails=False)
    failing = checks.of_expressions(options.fail, "llmlog_fail / --llmlog-fail", fails=True)
    base = Settings(limits, {**warned, **failing}, runs=options.runs)
    try:
        return replace(base, compare=parse_policy(options.compare))
    except ValueError as exc:
        raise ConfigError(f"llmlog_compare: {exc}") from None


def load_templates(options: Options, root: Path) -> list[templates.Template]:
    try:
        return templates.load(options.templates, root)
    except (OSError, ValueError, NotImplementedError) as exc:
        raise ConfigError(f"llmlog_templates: {exc}") from exc


def set_placeholders(config: pytest.Config) -> None:
    """Let clients be made without a key, until the run ends; a live call that would need one is refused and says so."""
    for name in providers.KEY_VARIABLES.values():
        if not os.environ.get(name):
            config.add_cleanup(partial(_restore_variable, name, os.environ.get(name)))
            os.environ[name] = redact.PLACEHOLDER_KEY


def _restore_variable(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
