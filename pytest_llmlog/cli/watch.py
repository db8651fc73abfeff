"""``llmlog watch``: alerts on the calls that are made now."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import click
import msgspec

from pytest_llmlog import clock
from pytest_llmlog.cli import reading
from pytest_llmlog.cli.stopping import INTERRUPTED, stopping
from pytest_llmlog.errors import ConfigError
from pytest_llmlog.printing import json_line, printable
from pytest_llmlog.query import alerts as alerting
from pytest_llmlog.query import rows
from pytest_llmlog.query.alerts import Alert, Event, Watch
from pytest_llmlog.query.follow import Follower
from pytest_llmlog.query.sources import LIVE, Damage

PATIENCE = 30
"""Seconds that a command or a webhook may take."""

TRIES = 3
"""How often a webhook is tried, with a growing pause."""

Tell = Callable[[Event], None]


def _alerts(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> list[Alert]:
    try:
        return [alerting.parse(value) for value in values]
    except ConfigError as exc:
        raise ConfigError(f"--alert: {exc}") from exc


def _json(event: Event) -> bytes:
    return msgspec.json.encode(event)


def _print(event: Event) -> None:
    value = "no calls" if event.value is None else f"{event.value:.4g}"
    firing = event.state == "firing"
    click.secho(
        printable(f"{event.at} {event.state.upper()} {event.alert}: {value} ({event.calls} calls)"), fg="red" if firing else "green"
    )
    for cause in event.causes:
        known = (
            cause.request_id,
            cause.timestamp,
            cause.prompt_template or cause.test_id,
            cause.model,
            cause.error_type or cause.status,
        )
        took = "" if cause.latency_seconds is None else f"{cause.latency_seconds:.3f} s"
        click.echo(printable("  " + "  ".join(each for each in (*known, took) if each)))
    sys.stdout.flush()


def _run(command: Sequence[str]) -> Tell:
    """Run a command for each event: the event on its standard input, its state and alert in its environment; no shell."""

    def tell(event: Event) -> None:
        environment = {**os.environ, "LLMLOG_STATE": event.state, "LLMLOG_ALERT": event.alert}
        try:
            done = subprocess.run(command, input=_json(event) + b"\n", env=environment, timeout=PATIENCE, check=False)
        except (OSError, subprocess.TimeoutExpired) as exc:
            click.echo(printable(f"--exec {command[0]}: {exc}"), err=True)
        else:
            if done.returncode:
                click.echo(printable(f"--exec {command[0]}: exit code {done.returncode}"), err=True)

    return tell


def _post(url: str) -> Tell:
    def tell(event: Event) -> None:
        request = Request(url, _json(event), {"content-type": "application/json"}, method="POST")
        for attempt in range(TRIES):
            try:
                with urlopen(request, timeout=PATIENCE):
                    return
            except (URLError, OSError) as exc:
                reason = str(getattr(exc, "reason", exc))
                time.sleep(2**attempt / 2)
        click.echo(printable(f"--webhook: not delivered: {reason}"), err=True)

    return tell


def _live(path: Path, watches: Sequence[Watch], damage: Damage, *, stopped: Callable[[], bool]) -> Iterator[Event]:
    """Events as the log is written; while nothing is, the clock makes alerts end."""
    plan = rows.Plan(alerting.columns(watch.alert for watch in watches))
    for written in Follower(path, start=None).lines(follow=True):
        if stopped():
            return
        found = [row for row, _ in plan.of_line(written.line, str(path), damage)] if written else []
        for watch in watches:
            told = [watch.see(row) for row in found] or [watch.tick(clock.now())]
            yield from (event for event in told if event is not None)


@click.command()
@click.argument("file", required=False, type=click.Path(allow_dash=True))
@click.option(
    "--alert",
    "alerts",
    multiple=True,
    required=True,
    callback=_alerts,
    metavar="ALERT",
    help="FIGURE OP LIMIT over TIME; may be repeated.",
)
@click.option("--exec", "command", metavar="COMMAND", help="Run it for each event, which it gets as JSON on its standard input.")
@click.option("--webhook", metavar="URL", help="POST each event there as JSON.")
@click.option(
    "--replay",
    is_flag=True,
    help="Read the log from its beginning to its end by its own time, then stop; exit code 1 when an alert fired.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object an event.")
def watch(file: str | None, alerts: list[Alert], command: str | None, webhook: str | None, replay: bool, as_json: bool) -> None:
    """Watch a log for alerts, until Ctrl-C: each fires once, with the calls that caused it, and clears when it is over.

    \b
    p95(latency_seconds) > 5 over 5m               a percentile, or avg, min, max, sum, of a figure
    rate(status=failure) > 5% over 5m              the share of calls for which a condition holds
    error_type=RateLimitError count >= 3 over 1m   how many there are; count(...) as well

    A call counts when it ends. Conditions are those of --where.

    Example: llmlog watch --alert 'rate(status=failure) > 0.05 over 5m' --webhook http://127.0.0.1:9000/alerts
    """  # noqa: D301 click wants the sign itself before a list
    path, damage, fired = file or str(LIVE), Damage(), 0
    path = path if replay else reading.one_log("watch", [path])
    tells: list[Tell] = [(lambda event: click.echo(json_line(_json(event)))) if as_json else _print]
    tells += [_run(shlex.split(command))] if command else []
    tells += [_post(webhook)] if webhook else []
    watches = list(map(Watch, alerts))
    read = reading.oldest_first(reading.expanded([path])) if replay else []
    with stopping() as stopped, reading.progress(read) if replay else nullcontext(lambda _: None) as advance:
        if replay:
            events = alerting.replay(alerts, rows.Plan(alerting.columns(alerts)).rows(read, damage, advance))
        else:
            events = _live(Path(path), watches, damage, stopped=stopped.is_set)
        for event in events:
            fired += event.state == "firing"
            for tell in tells:
                tell(event)
            if stopped.is_set():
                break
    reading.tell(damage)
    sys.exit(INTERRUPTED if stopped.is_set() else 1 if fired and replay else 0)
