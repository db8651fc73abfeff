"""The whole page, in the order in which it is read."""

from __future__ import annotations

from sidebyside import promises, results

HELD = {True: "yes", False: "**no**", None: "not measured"}


def text(found: results.Results) -> str:
    """``RESULTS.md``."""
    facts = "\n".join(f"- {name}: {value}" for name, value in found.facts.items())
    kept = ((each.what, each.limit, each.measured, HELD[each.held]) for each in promises.kept(found))
    quick = (
        "A quick run, of few rounds and small sizes: it shows that everything works, and its figures say little.\n\n"
        if found.quick
        else ""
    )
    return f"""# Results

{quick}Written by `python benchmarks/all.py`; [what is measured, and how](README.md). Medians, in parentheses the least and the greatest.

{facts}

## What is promised

{results.table(("promise", "limit", "measured", "held?"), kept)}
## Calls

{results.calls(found, "replay")}
{results.calls(found, "record")}
## The first chunk of a stream

{results.streams(found)}
## Start-up of pytest

{results.started(found)}
## The log

{results.rates(found)}
## Goldens

{results.goldens(found)}
## Questions to a log

{results.asked(found)}"""
