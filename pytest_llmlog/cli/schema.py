"""``llmlog schema``: print the JSON Schema of a record, a golden or a report."""

from __future__ import annotations

import click

from pytest_llmlog import validation


@click.command()
@click.option("--golden", is_flag=True, help="The schema of a golden instead of a log's record.")
@click.option("--report", is_flag=True, help="The schema of a JSON report.")
def schema(golden: bool, report: bool) -> None:
    """Print the JSON Schema (draft 2020-12) that every record holds to.

    Example: llmlog schema > interaction.schema.json
    """
    click.echo(validation.schema_text("report" if report else "golden" if golden else "interaction"), nl=False)
