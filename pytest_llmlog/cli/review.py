"""``llmlog review``, ``accept`` and ``reject``: what becomes of recordings that wait beside their goldens."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from pytest_llmlog import pending
from pytest_llmlog.errors import GoldenError
from pytest_llmlog.pending import Pending
from pytest_llmlog.printing import printable


def _waiting(roots: Sequence[str]) -> list[Pending]:
    """Everything that waits; what cannot be read ends the program, before anything is changed."""
    found, broken = [], False
    for root in roots or (".",):
        if not Path(root).exists():
            click.echo(f"{root}: there is no such file or folder", err=True)
            broken = True
        for path in pending.find(Path(root)):
            try:
                found.append(pending.load(path))
            except GoldenError as exc:
                click.echo(str(exc), err=True)
                broken = True
    if broken:
        sys.exit(2)
    return found


def _show(each: Pending) -> None:
    click.secho(printable(each.now.test_id), bold=True)
    click.echo(f"  {each.path}")
    for line in pending.describe(each):
        mark = line.lstrip()[:1]
        color = {"-": "red", "+": "green"}.get(mark)
        click.secho(f"  {printable(line)}", fg=color)


@click.command()
@click.argument("paths", nargs=-1, type=click.Path())
def review(paths: tuple[str, ...]) -> None:
    """Show each recording that waits, and ask what to do: accept, reject, skip, quit.

    PATHS are folders or pending files; the working directory by default. Without a terminal it shows and asks nothing. Exit code
    1 when something still waits at the end.

    Example: llmlog review tests/goldens
    """
    left = _waiting(paths)
    if not sys.stdin.isatty():
        for each in left:
            _show(each)
        click.echo(f"{len(left)} waiting")
        sys.exit(1 if left else 0)
    for each in tuple(left):
        _show(each)
        answer = _ask()
        if answer == "q":
            break
        if answer == "a":
            reason = click.prompt("reason", default="", show_default=False)
            _do(lambda each=each, reason=reason: pending.accept(each, reason))  # type: ignore[misc]
        elif answer == "r":
            _do(lambda each=each: pending.reject(each))  # type: ignore[misc]
        if answer != "s":
            left.remove(each)
    click.echo(f"{len(left)} waiting")
    sys.exit(1 if left else 0)


def _ask() -> str:
    try:
        answer: str = click.prompt(
            "[a]ccept, [r]eject, [s]kip, [q]uit", type=click.Choice(["a", "r", "s", "q"]), show_choices=False
        )
    except click.Abort:
        click.echo()
        return "q"
    return answer


def _do(act: Callable[[], None]) -> None:
    try:
        act()
    except GoldenError as exc:
        click.echo(str(exc), err=True)
        sys.exit(2)


def _chosen(names: tuple[str, ...], roots: tuple[str, ...], *, everything: bool) -> list[Pending]:
    """What the names mean, all of it known before anything is done."""
    if bool(names) == everything:
        raise click.UsageError("name the tests, or give --all")
    waiting = _waiting(roots)
    try:
        return waiting if everything else pending.resolve(names, waiting)
    except LookupError as exc:
        click.echo(printable(str(exc.args[0])), err=True)
        sys.exit(2)


_names = click.argument("ids", nargs=-1)
_all = click.option("--all", "everything", is_flag=True, help="Everything that waits.")
_roots = click.option("--in", "roots", multiple=True, type=click.Path(), help="Look here instead of in the working directory.")


@click.command()
@_names
@_all
@_roots
@click.option("--reason", default="", help="Why; it is kept in the golden.")
def accept(ids: tuple[str, ...], everything: bool, roots: tuple[str, ...], reason: str) -> None:
    """Make recordings that wait the goldens of their tests.

    IDS are tests as pytest prints them, or an unambiguous end, or paths. Nothing is done when one of them is unknown.

    Example: llmlog accept tests/test_a.py::test_b --reason "shorter prompt"
    """
    for each in _chosen(ids, roots, everything=everything):
        _do(lambda each=each: pending.accept(each, reason))  # type: ignore[misc]
        click.echo(f"accepted: {printable(each.now.test_id)}")


@click.command()
@_names
@_all
@_roots
def reject(ids: tuple[str, ...], everything: bool, roots: tuple[str, ...]) -> None:
    """Throw recordings that wait away; the goldens stay as they are.

    Example: llmlog reject test_b
    """
    for each in _chosen(ids, roots, everything=everything):
        _do(lambda each=each: pending.reject(each))  # type: ignore[misc]
        click.echo(f"rejected: {printable(each.now.test_id)}")
