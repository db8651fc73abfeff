"""The captured calls that wait for their response: what happens meanwhile, and where, tells whose doing it is."""

from __future__ import annotations

from contextvars import ContextVar


class Asking:
    """A call from its request to the head of its response.

    Attributes:
        host: where it goes.
        open: whether it still waits.
        played: whether another tool's cassette answers it.
    """

    __slots__ = ("host", "open", "played")

    def __init__(self, host: str) -> None:
        self.host, self.open, self.played = host, True, False
        under_way.add(self)
        current.set(self)

    def end(self) -> None:
        """The response is here, or will never be."""
        self.open = False
        under_way.discard(self)


under_way: set[Asking] = set()

current: ContextVar[Asking | None] = ContextVar("llmlog_asking", default=None)
"""The call that the running code made last. Tasks that a client starts to connect inherit it; threads in which an event loop looks
up names do not."""
