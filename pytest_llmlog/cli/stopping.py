"""How commands that go on end: by Ctrl-C or SIGTERM, never in the middle of something."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

INTERRUPTED = 128 + 2
"""What a shell reports of a tool that Ctrl-C ended."""


@contextmanager
def stopping() -> Iterator[Event]:
    """Ctrl-C and SIGTERM, as a service is stopped, set an event that the command looks at between two steps."""
    stopped = Event()

    def stop(number: int, _: object) -> None:
        stopped.set()
        signal.signal(number, before[signal.Signals(number)])  # who asks twice does not want to wait

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
