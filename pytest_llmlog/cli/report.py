"""``llmlog report``: a stored run as a page, as Markdown, or as JSON."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pytest_llmlog import baseline as baselines
from pytest_llmlog import recap, reports, runs, stored
from pytest_llmlog.cli import reading
from pytest_llmlog.cli.gate import LOG
from pytest_llmlog.errors import LlmlogError
from pytest_llmlog.printing import printable


def _recap(run: str, baseline: str, log: Path) -> recap.Recap:
    root = Path.cwd()
    found, calls = runs.find(run, root, log)
    named = (baseline or found.baseline).removeprefix("run ")
    kept = None if named == "golden" else stored.resolve(named, root, log, found.run_id)
    before, known = (baselines.of_goldens(), ()) if kept is None else (baselines.of_stored(kept), kept.tests)
    path = Path(run) if Path(run).is_file() else log
    return recap.of_run(found, calls, before, root=root, known=known, trend=runs.trend(path, found.run_id))


@click.command()
@click.argument("run")
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    required=True,
    metavar="FILE",
    help="FILE.html, FILE.md or FILE.json; may be repeated.",
)
@click.option(
    "--baseline",
    default="",
    metavar="REF",
    help="What to compare with: golden, or as RUN. Default: what the run was compared with.",
)
@click.option("--log", default=LOG, show_default=True, type=click.Path(), help="Where runs are looked for; also a pattern.")
def report(run: str, outputs: tuple[str, ...], baseline: str, log: str) -> None:
    """Write a report of a stored run: a page for people, Markdown for a pull request, JSON for programs.

    RUN is last, the beginning of a run's id, a log, whose last run it is (plain, .gz, .zst, Parquet, a pattern, - for standard
    input), a golden or a folder of goldens, or git:REF. A page needs pip install 'pytest-llmlog[report]'.

    Example: llmlog report last --baseline git:main -o report.html -o comment.md
    """
    try:
        for output in outputs:
            reports.check(Path(output), "--output")
        with reading.runs_at_hand(run, baseline, log) as (named, against, kept), reading.progress([]):
            made = _recap(named, against, Path(kept).absolute())
        for output in outputs:
            reports.write(made, Path(output))
            click.echo(f"report: {printable(output)}")
    except (LlmlogError, ValueError) as exc:
        click.echo(printable(str(exc)), err=True)
        sys.exit(2)
