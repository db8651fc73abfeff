"""``llmlog schema``: print the JSON Schema of a record or a golden."""

from __future__ import annotations

import click

from pytest_llmlog import validation


@click.command()
@click.option("--golden", is_flag=True, help="The schema of a golden instead of a log's record.")
def schema(golden: bool) -> None:
    """Print the JSON Schema (draft 2020-12) that every record holds to.

    Example: llmlog schema > interaction.schema.json
    """
    click.echo(validation.schema_text("golden" if golden else "interaction"), nl=False)
