"""The suite on every Python and with every generation of the openai SDK: ``nox``; one of them: ``nox -s tests-3.12``."""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "venv"
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the whole suite with the newest SDK."""
    session.install("-e", ".[dev]")
    session.run("pytest", "-n2", *session.posargs)


@nox.session(python=["3.13"])
@nox.parametrize("cassettes", ["pytest-recording", "cassetter"])
def plugins(session: nox.Session, cassettes: str) -> None:
    """Run what meets other plugins, with either of the two that play cassettes."""
    session.install("-e", ".[plugins]")
    if cassettes == "cassetter":  # both own the option --record-mode
        session.run("python", "-m", "pip", "uninstall", "-y", "pytest-recording")
        session.install("cassetter")
    # The rest of the file knows the order of its tests, and one of these plugins shuffles them.
    session.run(
        "pytest", "-p", "no:randomly", "tests/e2e/test_plugins.py", "-k", "all_the_other or timeout or cassette", *session.posargs
    )


@nox.session(python=["3.10"])
@nox.parametrize("openai", ["<2", ">=2,<3"], ids=["1.x", "2.x"])
def sdk(session: nox.Session, openai: str) -> None:
    """Run what meets the SDK with an older generation of it."""
    session.install("-e", ".[dev]", f"openai{openai}")
    files = ["test_sdk.py", "test_failures.py", "test_founding.py", "test_scopes.py"]
    session.run("pytest", "-n2", *(f"tests/e2e/{name}" for name in files), *session.posargs)
