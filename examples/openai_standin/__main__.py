"""``python -m openai_standin [--port N]``: serve until interrupted."""

from __future__ import annotations

import argparse
import contextlib
import threading

from openai_standin import StandIn


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="A stand-in for the OpenAI API on loopback.")
    parser.add_argument("--port", type=int, default=8000)
    with StandIn(parser.parse_args().port) as server, contextlib.suppress(KeyboardInterrupt):
        print(f"serving {server.base_url}; stop with Ctrl-C")
        threading.Event().wait()


if __name__ == "__main__":
    main()
