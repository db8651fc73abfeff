"""The scopes of the running code: which test or fixture, and which ``capture()`` block, a call belongs to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from pytest_llmlog.intercept.scope import Scope


class Holder:
    """The scope of the running code: that of its context while it is active, else the latest entered in this process.

    Threads that were started without their parent's context, and event loops that were made in an earlier test, so still
    find the test that is running.
    """

    def __init__(self, name: str) -> None:
        self._variable: ContextVar[Scope | None] = ContextVar(f"llmlog_{name}", default=None)
        self._stack: list[Scope] = []

    def current(self) -> Scope | None:
        scope = self._variable.get()
        if scope is not None and scope.active:
            return scope
        stack = self._stack
        return stack[-1] if stack else None

    def enter_child(self) -> None:
        """Tell every open scope that this process is a fork."""
        for scope in self._stack:
            scope.enter_child()

    @contextmanager
    def beneath(self, scope: Scope) -> Iterator[None]:
        """Make a scope the current one wherever no other is: no context carries it, or copies of that would outlive it."""
        self._stack.insert(0, scope)
        scope.active = True
        try:
            yield
        finally:
            self._stack.remove(scope)
            scope.active = False

    @contextmanager
    def enter(self, scope: Scope) -> Iterator[None]:
        """Make a scope the current one inside the block."""
        outer = self._variable.get()
        self._variable.set(scope)
        self._stack.append(scope)
        scope.active = True
        try:
            yield
        finally:
            self._stack.remove(scope)
            scope.active = scope in self._stack
            self._variable.set(outer)  # not by token: a fixture may leave in another context than it entered


tests = Holder("test")
"""Tests and fixtures: they decide what happens to a call."""

captures = Holder("capture")
"""``capture()`` blocks: they log what an application calls, and decide only where no test does."""


def current() -> list[Scope]:
    """The scopes of the running code, the deciding one first; empty when nobody asked."""
    test, block = tests.current(), captures.current()
    if test is None:
        return [block] if block is not None else []
    return [test] if block is None else [test, block]


def _enter_child() -> None:
    tests.enter_child()
    captures.enter_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_enter_child)
