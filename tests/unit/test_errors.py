"""The errors a user can meet."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_llmlog import errors

NAMES = errors.__all__


@pytest.mark.parametrize("name", NAMES)
def test_every_error_is_in_the_tree_of_the_module(name: str) -> None:
    assert errors.__doc__ is not None
    rows = [row.lstrip("├└─ ").split(" ")[0] for row in errors.__doc__.splitlines()]
    assert rows.count(name) == 1


@pytest.mark.parametrize("name", NAMES)
def test_every_error_has_the_one_base_and_says_what_it_is(name: str) -> None:
    kind = getattr(errors, name)
    assert issubclass(kind, errors.LlmlogError)
    assert kind.__doc__


def test_every_error_is_exported() -> None:
    defined = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert defined == set(NAMES)
    assert sorted(NAMES) == NAMES


def test_the_tree_names_nothing_else() -> None:
    assert errors.__doc__ is not None
    rows = [row for row in errors.__doc__.splitlines() if row.startswith(("├", "└", "LlmlogError"))]
    assert len(rows) == len(NAMES)


def test_a_golden_error_says_where_what_and_how_to_mend_it() -> None:
    error = errors.GoldenError(Path("goldens/a.json"), "$.x[0]", "it is odd", "mend it")
    assert (error.path, error.place, error.reason, error.fix) == (Path("goldens/a.json"), "$.x[0]", "it is odd", "mend it")
    assert str(error) == f"{Path('goldens/a.json')}: $.x[0]: it is odd\n  fix: mend it"


def test_a_log_error_says_where_and_why() -> None:
    error = errors.LogError(Path("a.log"), "Is a directory")
    assert (error.path, error.reason) == (Path("a.log"), "Is a directory")
    assert str(error).startswith("a.log: cannot write the log: Is a directory\n  fix: ")
