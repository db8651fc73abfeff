"""The record of one interaction, as frozen data; field by field as the JSON Schema describes it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from pytest_llmlog.wire import Wire

SCHEMA_VERSION: Literal[1] = 1

Verdict = Literal["unchanged", "improved", "regressed", "new", "missing", "pre_existing", "insufficient_data", "not_comparable"]
Source = Literal["live", "replay", "import"]
Status = Literal["success", "failure"]


class Usage(Struct, frozen=True, forbid_unknown_fields=True, gc=False, kw_only=True):
    """Token counts of one interaction or the sum of several; None means unknown.

    ``input`` includes cached tokens and ``output`` includes reasoning, whatever the provider's own habit.
    """

    input: int | None = None
    output: int | None = None
    total: int | None = None
    cached_input: int | None = None
    cache_write_input: int | None = None
    reasoning_output: int | None = None
    audio_input: int | None = None
    audio_output: int | None = None
    source: Literal["provider", "estimated"] = "provider"

    @classmethod
    def sum(cls, usages: Iterable[Usage]) -> Usage:
        """Add up what is known; a count that no interaction knows stays None."""
        known = list(usages)

        def add(name: str) -> int | None:
            counts = [count for usage in known if (count := getattr(usage, name)) is not None]
            return sum(counts) if counts else None

        estimated = any(usage.source == "estimated" for usage in known)
        counts = {name: add(name) for name in cls.__struct_fields__ if name != "source"}
        return cls(**counts, source="estimated" if estimated else "provider")


class ToolCall(Struct, frozen=True, forbid_unknown_fields=True, gc=False, kw_only=True):
    """A call the model asks the application to make; ``arguments`` is parsed JSON, or the raw text if it is none."""

    id: str | None = None
    name: str
    arguments: Any = None


class Origin(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """Where an imported record comes from: the path as given and the position in the file, from 0."""

    file: str
    index: int


class Interaction(Struct, frozen=True, forbid_unknown_fields=True, gc=False, kw_only=True, omit_defaults=True):
    """One HTTP exchange with a language model API.

    Attributes are the fields of the JSON Schema that ``llmlog schema`` prints, with their meaning and unit there.
    """

    timestamp: str
    schema_version: Literal[1]
    event: Literal["llm.call"]
    request_id: str
    run_id: str
    session_id: str
    prompt_template: str | None
    template_hash: str | None = None
    template_version: str | None = None
    input: str | dict[str, Any] | None
    prompt: str
    messages: tuple[dict[str, Any], ...] = ()
    response: str | None
    response_messages: tuple[dict[str, Any], ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tokens: int | None
    usage: Usage | None = None
    usage_missing: str | None = None
    cost_usd: float | None = None
    cost_source: str | None = None
    latency_seconds: float | None
    time_to_first_chunk_seconds: float | None = None
    status: Status
    error: str | None = None
    error_type: str | None = None
    error_code: str | int | None = None
    http_status: int | None = None
    retry_after_seconds: float | None = None
    source: Source
    provider: str
    operation: str
    model: str | None
    response_model: str | None = None
    stream: bool
    params: dict[str, Any] = {}
    tools: tuple[str, ...] = ()
    finish_reasons: tuple[str | None, ...] = ()
    response_id: str | None = None
    provider_request_id: str | None = None
    attempt: int
    prompt_hash: str
    request_hash: str
    server_address: str | None = None
    rate_limit: dict[str, str | int | float] = {}
    test_id: str | None = None
    worker_id: str | None = None
    git_commit: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    redacted: int = 0
    truncated: dict[str, int] = {}
    origin: Origin | None = None
    labels: dict[str, Any] = {}
    wire: Wire | None = None

    def response_json(self) -> Any:
        """Return the answer's text parsed as JSON.

        Raises:
            ValueError: the answer is not JSON, or there is none; the text shows how it begins.
        """
        if self.response is None:
            raise ValueError(f"there is no answer to parse: {self.error or 'the response holds no text'}")
        try:
            return json.loads(self.response)
        except ValueError as exc:
            raise ValueError(f"the answer is not JSON ({exc}): {self.response[:200]!r}") from None


def subject(call: Interaction) -> str:
    """An interaction in a few words: what was done, by which model, and how the prompt begins."""
    prompt = " ".join(call.prompt.split())
    shown = prompt if len(prompt) <= 70 else f"{prompt[:67]}..."
    return f"{call.operation} {call.model or ''}: {shown}".replace(" :", ":")


class Violation(Struct, frozen=True, kw_only=True):
    """Something that did not hold, decided first and printed later.

    ``kind`` is a short stable word (``refused``, ``unplayed``, ``golden``, ``budget``, ``regression``); ``text`` is for a
    person and may have lines. A limit's violation has its figures as well, in the metric's unit.
    """

    kind: str
    text: str
    metric: str | None = None
    value: float | None = None
    limit: float | None = None


class Budget(Struct, frozen=True):
    """A limit of the run and what its calls came to, in the metric's unit."""

    metric: str
    spent: float
    limit: float


class CheckResult(Struct, frozen=True, kw_only=True):
    """What a regression check of one metric, or of the answers, came to.

    Attributes:
        before, now: medians in the metric's unit, where there are any.
        p: the one-sided probability of such a difference by chance, where it was tested.
        tested: how many values stood against how many.
        text: the verdict for a person, with what changed first; empty where it is no news.
    """

    metric: str
    verdict: Verdict
    fails: bool
    before: float | None = None
    now: float | None = None
    p: float | None = None
    tested: tuple[int, int] = (0, 0)
    text: str = ""


class Repeat(Struct, frozen=True, kw_only=True):
    """Which run of a repeated test this is.

    ``settings`` say how the runs are judged together, and ``family`` among how many noisy comparisons of the suite.
    """

    of: str
    number: int
    settings: dict[str, Any]
    family: int = 1
    failure: str = ""


class TestResult(Struct, frozen=True, kw_only=True):
    """What one test or fixture did with language models.

    ``figures`` are what its calls came to by metric, whatever their source; ``unknown`` how many did not tell it. ``outcome``
    is pytest's, where a test had one. ``file`` is relative to pytest's root directory, ``line`` counts from 1. ``compare`` and
    ``ignore`` say how its answers are compared. ``live_latencies`` and ``replayed_latencies`` are seconds, one a call.
    """

    __test__ = False

    test_id: str
    file: str | None = None
    line: int | None = None
    passed: bool = False
    outcome: Literal["passed", "failed", "skipped"] | None = None
    live: int = 0
    replayed: int = 0
    failed_calls: int = 0
    live_tokens: int = 0
    replayed_tokens: int = 0
    live_cost_usd: float = 0.0
    replayed_cost_usd: float = 0.0
    live_latencies: tuple[float, ...] = ()
    replayed_latencies: tuple[float, ...] = ()
    figures: dict[str, float] = {}
    unknown: dict[str, int] = {}
    golden: Literal["created", "updated", "pending"] | None = None
    golden_path: str | None = None
    repeat: Repeat | None = None
    compare: str = "exact"
    ignore: tuple[str, ...] = ()
    checks: tuple[CheckResult, ...] = ()
    differences: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    violations: tuple[Violation, ...] = ()

    def without_content(self) -> TestResult:
        """The same with figures and verdicts alone."""
        violations = tuple(replace(each, text="") for each in self.violations)
        checks = tuple(replace(each, text="") for each in self.checks)
        repeat = self.repeat and replace(self.repeat, failure="")
        return replace(self, violations=violations, checks=checks, repeat=repeat, differences=(), warnings=())


class Coverage(Struct, frozen=True):
    """What a full run covered, paths relative to pytest's root directory.

    ``folders`` were collected, ``golden_dir`` is where goldens are kept if not beside the tests, ``goldens`` are the places of all
    tests' and fixtures' goldens, whether they have one or not.
    """

    folders: tuple[str, ...]
    golden_dir: str | None
    goldens: tuple[str, ...]


class RunResult(Struct, frozen=True, kw_only=True):
    """One test session: what a report is made from.

    ``baseline`` names what its tests were compared with; ``content`` says how much of prompts and answers its log holds.
    """

    run_id: str
    mode: str
    log_path: str
    baseline: str = "golden"
    content: Literal["full", "hash", "none"] = "full"
    budgets: tuple[Budget, ...] = ()
    coverage: Coverage | None = None
    tests: tuple[TestResult, ...] = ()
    violations: tuple[Violation, ...] = ()
    warnings: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    def without_content(self) -> RunResult:
        """The same run with figures and verdicts alone: nothing that quotes a prompt, an answer or a test's own output."""
        violations = tuple(replace(each, text="") for each in self.violations)
        return replace(
            self, tests=tuple(test.without_content() for test in self.tests), violations=violations, warnings=(), faults=()
        )
