"""Everything, beside what a user would pick instead: ``python benchmarks/all.py [--quick] [FILE]``.

Writes benchmarks/RESULTS.md, or FILE; see README.md. It takes 20 minutes, ``--quick`` less than one.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from sidebyside import asked, goldens, logs, machine, page, rows, startup
from sidebyside.results import Results

BEGAN = time.monotonic()


def tell(text: str) -> None:
    """Say what is measured now."""
    print(f"{time.monotonic() - BEGAN:5.0f} s  {text}", file=sys.stderr, flush=True)


def main() -> None:
    """Measure everything and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds and small sizes: to see that it works")
    parser.add_argument("file", nargs="?", type=Path, default=Path(__file__).with_name("RESULTS.md"))
    given = parser.parse_args()
    found = Results(
        machine.facts(),
        given.quick,
        started=startup.measure(given.quick, tell),
        calls=list(rows.measure(given.quick, tell)),
        streams=list(rows.paced(given.quick, tell)),
        rates=logs.measure(given.quick, tell),
        goldens=goldens.measure(given.quick, tell),
        asked=asked.measure(given.quick, tell),
    )
    given.file.write_text(page.text(found), encoding="utf-8")
    tell(f"written to {given.file}")


if __name__ == "__main__":
    main()
