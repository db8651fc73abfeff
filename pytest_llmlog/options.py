"""Command line and ini options, read once into one frozen value. Light: pytest imports this in every run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import pytest

MODES = ("auto", "replay", "record", "live", "off")
UNPLAYED = LEAKS = ("fail", "warn", "ignore")
ACCEPT = ("none", "new", "changed", "all")
FSYNC = ("never", "failure", "always")
CONTENT = ("full", "hash", "none")
GIVEN = ("mode", "budget", "fail", "warn", "baseline", "runs", "accept", "report", "block_network")
"""Options that somebody relies on, and that would do nothing without ``--llmlog``."""

DEFAULT_LOG = Path(".llmlog") / "llm_interactions.log"
LINE_LIMIT_RANGE = (4 * 1024, 32 * 1024 * 1024)
"""Bytes; no longer line would be read again."""


def add_options(parser: pytest.Parser) -> None:
    """Declare every option of the plugin."""
    group = parser.getgroup("llmlog", "language model calls")
    add = group.addoption
    add("--llmlog", action="store_true", default=None, help="Log every language model call, and replay it from its golden.")
    add(
        "--llmlog-mode", choices=MODES, default=None,
        help="replay: from goldens only. record: live, goldens written. live: live, compared. off: untouched. "
        "auto: replay what has a golden, record what has none. Default: replay where CI is set, else auto.",
    )  # fmt: skip
    add("--llmlog-file", metavar="PATH", default=None, help=f"The log. Default: {DEFAULT_LOG} in the root directory.")
    add("--llmlog-golden-dir", metavar="DIR", default=None, help="Keep goldens here instead of beside the tests.")
    add(
        "--llmlog-budget", action="append", metavar="EXPR", default=None,
        help="Fail the run when its calls come to more: METRIC:LIMIT, like cost_usd:0.05, tokens:50k, latency:3s; "
        "test.METRIC:LIMIT for each test. May be repeated.",
    )  # fmt: skip
    add(
        "--llmlog-fail", action="append", metavar="EXPR", default=None,
        help="Fail each test that got worse than its baseline by more: METRIC:PERCENT+AMOUNT, like input_tokens:0, "
        "latency:25%%+250ms, or response for any change of the answer. May be repeated.",
    )  # fmt: skip
    add("--llmlog-warn", action="append", metavar="EXPR", default=None, help="As --llmlog-fail, shown but not failing.")
    add(
        "--llmlog-baseline", metavar="RUN|PATH|git:REF", default=None,
        help="What tests are compared with: last or the id of a run in the log, the path of a log, the goldens at a git reference. "
        "Default: the goldens.",
    )  # fmt: skip
    add(
        "--llmlog-runs",
        type=int,
        metavar="N",
        default=None,
        help="Run each test so often where models are asked (--llmlog-mode=live).",
    )
    add(
        "--llmlog-accept", choices=ACCEPT, default=None,
        help="Which recordings become goldens at once; the others wait for review beside them. Default: those of tests that pass.",
    )  # fmt: skip
    add(
        "--llmlog-report", action="append", metavar="FILE", default=None,
        help="Write a report of the run: FILE.html, FILE.md or FILE.json. May be repeated.",
    )  # fmt: skip
    add("--llmlog-wire", action="store_true", default=None, help="Keep the raw exchange in the log as well.")
    add(
        "--llmlog-block-network", action="store_true", default=None,
        help="Close every way out of the process but loopback and the live calls that are recorded.",
    )  # fmt: skip

    parser.addini("llmlog", "As --llmlog.", type="bool", default=False)
    parser.addini("llmlog_mode", "As --llmlog-mode.", default="")
    parser.addini("llmlog_file", "As --llmlog-file, relative to the root directory.", default="")
    parser.addini("llmlog_golden_dir", "As --llmlog-golden-dir, relative to the root directory.", default="")
    parser.addini("llmlog_budget", "As --llmlog-budget, one or more.", type="args", default=[])
    parser.addini("llmlog_fail", "As --llmlog-fail, one or more.", type="args", default=[])
    parser.addini("llmlog_warn", "As --llmlog-warn, one or more.", type="args", default=[])
    parser.addini("llmlog_baseline", "As --llmlog-baseline.", default="")
    parser.addini("llmlog_runs", "As --llmlog-runs.", default="")
    parser.addini("llmlog_accept", "As --llmlog-accept.", default="")
    parser.addini("llmlog_compare", "How answers are compared: exact, text, json, shape, similar:X, none.", default="exact")
    parser.addini("llmlog_scorer", "module:function, two texts to their similarity from 0 to 1.", default="")
    parser.addini("llmlog_report", "As --llmlog-report, one or more, relative to the root directory.", type="args", default=[])
    parser.addini("llmlog_wire", "As --llmlog-wire.", type="bool", default=False)
    parser.addini("llmlog_block_network", "As --llmlog-block-network.", type="bool", default=False)
    parser.addini("llmlog_leaks", "Calls of models that went round the capture: fail, warn or ignore.", default="warn")
    parser.addini("llmlog_hosts", "Further hosts whose calls are logged, whatever their path.", type="args", default=[])
    parser.addini("llmlog_ignore_hosts", "Hosts whose calls are let through untouched.", type="args", default=[])
    parser.addini("llmlog_ignore", "JSON paths of the request body that matching ignores, one a line.", type="linelist", default=[])
    parser.addini("llmlog_templates", "Glob patterns of template files, relative to the root directory.", type="args", default=[])
    parser.addini("llmlog_unplayed", "Recorded calls a test no longer makes: fail, warn or ignore.", default="fail")
    parser.addini("llmlog_redact", "module:function, text to text: your own step before anything is written.", default="")
    parser.addini("llmlog_content", "What the log holds of prompts and answers: full, hash or none.", default="full")
    parser.addini("llmlog_fsync", "Records forced to the disk: never, failure or always.", default="never")
    whole = "int" if pytest.version_tuple >= (8, 4) else None
    limit_help = "Longest line of the log in bytes; longer records are truncated."
    parser.addini("llmlog_line_limit", limit_help, type=whole, default=256 * 1024)  # type: ignore[arg-type]
    parser.addini(
        "llmlog_placeholder_key", "Set a placeholder for a missing API key, so that clients can be made.", type="bool", default=True
    )


class Options(NamedTuple):
    """What the run was asked for; paths are absolute."""

    mode: str
    mode_given: bool
    log: Path
    log_is_default: bool
    golden_dir: Path | None
    budget: tuple[str, ...]
    fail: tuple[str, ...]
    warn: tuple[str, ...]
    baseline: str
    runs: int
    accept: str
    compare: str
    scorer: str
    report: tuple[Path, ...]
    wire: bool
    block_network: bool
    leaks: str
    hosts: tuple[str, ...]
    ignore_hosts: tuple[str, ...]
    ignore: tuple[str, ...]
    templates: tuple[str, ...]
    unplayed: str
    redact: str
    content: str
    fsync: str
    line_limit: int

    @classmethod
    def from_config(cls, config: pytest.Config) -> Options:
        """Read the options of a run.

        Raises:
            pytest.UsageError: a value that cannot be used; the text names file, key and what it may be.
        """
        mode = config.getoption("llmlog_mode") or _choice(config, "llmlog_mode", ("", *MODES))
        if mode == "off" and config.getoption("llmlog_block_network"):
            raise pytest.UsageError("--llmlog-block-network has no effect in mode off, which touches nothing")
        log = _path(config, "llmlog_file")
        return cls(
            mode=mode or ("replay" if in_ci() else "auto"),
            mode_given=bool(mode),
            log=log or config.rootpath / DEFAULT_LOG,
            log_is_default=log is None,
            golden_dir=_path(config, "llmlog_golden_dir"),
            budget=(*_texts(config, "llmlog_budget"), *(config.getoption("llmlog_budget") or ())),
            fail=(*_texts(config, "llmlog_fail"), *(config.getoption("llmlog_fail") or ())),
            warn=(*_texts(config, "llmlog_warn"), *(config.getoption("llmlog_warn") or ())),
            baseline=config.getoption("llmlog_baseline") or _text(config, "llmlog_baseline"),
            runs=_runs(config),
            accept=config.getoption("llmlog_accept") or _choice(config, "llmlog_accept", ("", *ACCEPT)),
            compare=_text(config, "llmlog_compare"),
            scorer=_text(config, "llmlog_scorer"),
            report=_reports(config),
            wire=bool(config.getoption("llmlog_wire") or _ini(config, "llmlog_wire", "true or false")),
            block_network=bool(config.getoption("llmlog_block_network") or _ini(config, "llmlog_block_network", "true or false")),
            leaks=_choice(config, "llmlog_leaks", LEAKS),
            hosts=tuple(host.lower() for host in _texts(config, "llmlog_hosts")),
            ignore_hosts=tuple(host.lower() for host in _texts(config, "llmlog_ignore_hosts")),
            ignore=_texts(config, "llmlog_ignore"),
            templates=_texts(config, "llmlog_templates"),
            unplayed=_choice(config, "llmlog_unplayed", UNPLAYED),
            redact=_text(config, "llmlog_redact"),
            content=_choice(config, "llmlog_content", CONTENT),
            fsync=_choice(config, "llmlog_fsync", FSYNC),
            line_limit=_number(config, "llmlog_line_limit", LINE_LIMIT_RANGE),
        )


def wants_placeholders(early_config: pytest.Config) -> bool:
    """Whether missing API keys shall have a placeholder; asked before pytest has read its options for good."""
    given = early_config.known_args_namespace
    enabled = given.llmlog or _ini(early_config, "llmlog", "true or false")
    if not enabled or not _ini(early_config, "llmlog_placeholder_key", "true or false"):
        return False
    return (given.llmlog_mode or _text(early_config, "llmlog_mode")) != "off"


def is_enabled(config: pytest.Config) -> bool:
    """Whether ``--llmlog`` or its ini key asks for the plugin.

    Raises:
        pytest.UsageError: the ini key is no truth value, or a mode is given to a plugin that is not asked for.
    """
    enabled = bool(config.getoption("llmlog") or _ini(config, "llmlog", "true or false"))
    given = [] if enabled else [name for name in GIVEN if config.getoption(f"llmlog_{name}") is not None]
    if given:
        raise pytest.UsageError(
            f"--llmlog-{given[0].replace('_', '-')} has no effect without --llmlog; add it, or set llmlog = true in the ini file"
        )
    return enabled


def in_ci() -> bool:
    """Whether the environment says that this is a build server."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false", "no")


def _bad(config: pytest.Config, name: str, value: object, expected: str) -> pytest.UsageError:
    return pytest.UsageError(f"{config.inipath or 'ini options'}: {name} = {value!r}: expected {expected}")


def _ini(config: pytest.Config, name: str, expected: str) -> Any:
    try:
        return config.getini(name)
    except (ValueError, TypeError, AttributeError, pytest.UsageError) as exc:
        raise pytest.UsageError(f"{config.inipath or 'ini options'}: {name}: expected {expected} ({exc})") from exc


def _text(config: pytest.Config, name: str) -> str:
    value = _ini(config, name, "a text")
    if not isinstance(value, str):
        raise _bad(config, name, value, "a text")
    return value.strip()


def _texts(config: pytest.Config, name: str) -> tuple[str, ...]:
    values = _ini(config, name, "a list of texts")
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise _bad(config, name, values, "a list of texts")
    return tuple(values)


def _choice(config: pytest.Config, name: str, choices: tuple[str, ...]) -> str:
    value = _text(config, name)
    if value not in choices:
        raise _bad(config, name, value, f"one of {', '.join(choice for choice in choices if choice)}")
    return value


def _number(config: pytest.Config, name: str, allowed: tuple[int, int]) -> int:
    low, high = allowed
    expected = f"a whole number of bytes from {low} to {high}"
    value = _ini(config, name, expected)
    text = str(value).strip()
    if not text.isdigit() or not low <= int(text) <= high:
        raise _bad(config, name, value, expected)
    return int(text)


def _runs(config: pytest.Config) -> int:
    given = config.getoption("llmlog_runs")
    text = _text(config, "llmlog_runs") if given is None else str(given)
    if text and (not text.isdigit() or int(text) < 1):
        raise _bad(config, "llmlog_runs", text, "a whole number from 1")
    return int(text or 1)


def _path(config: pytest.Config, name: str) -> Path | None:
    """A path: from the command line relative to where pytest was called, from the ini file to the root directory."""
    if given := config.getoption(name):
        return Path(config.invocation_params.dir, given)
    return config.rootpath / value if (value := _text(config, name)) else None


def _reports(config: pytest.Config) -> tuple[Path, ...]:
    given = [Path(config.invocation_params.dir, name) for name in config.getoption("llmlog_report") or ()]
    return (*(config.rootpath / name for name in _texts(config, "llmlog_report")), *given)
