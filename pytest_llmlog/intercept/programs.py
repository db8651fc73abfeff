"""Which models a program may call that the program under test starts: told from its command line and its script alone."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

SDKS = {
    "openai": "api.openai.com",
    "anthropic": "api.anthropic.com",
    "google.genai": "generativelanguage.googleapis.com",
    "google.generativeai": "generativelanguage.googleapis.com",
    "mistralai": "api.mistral.ai",
    "cohere": "api.cohere.com",
    "groq": "api.groq.com",
    "replicate": "api.replicate.com",
}
"""Where the clients go that a script imports, unless ``<NAME>_BASE_URL`` in its environment says otherwise."""

SCRIPT_LIMIT = 256 * 1024
"""Bytes of a script that are looked at."""

_HOST = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|localhost")
_IMPORT = re.compile(r"(?:^|[;\n])\s*(?:import|from)\s+([\w.]+)(?:\s+import\s+(\w+))?")
_CAPTURED = ("pytest_llmlog", "--llmlog")
"""A program that says this has a capture of its own."""


def hosts(command: Sequence[str], environ: Mapping[str, str] | None, is_model: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    """Each host of a model that a program names, or whose client it imports, with how a person calls the program."""
    text = "\n".join([*command, *map(_script, command)])
    if any(word in text for word in _CAPTURED):
        return
    name = " ".join(" ".join(command).split())
    shown = f"the program `{name if len(name) <= 60 else name[:57] + '...'}`"
    variables = os.environ if environ is None else environ
    named = [found.lower() for found in _HOST.findall(text)]
    for host in dict.fromkeys([*named, *_of_imports(text, variables)]):
        if is_model(host):
            yield host, shown


def _of_imports(text: str, environ: Mapping[str, str]) -> Iterator[str]:
    for module, name in _IMPORT.findall(text):
        known = next((sdk for sdk in (f"{module}.{name}", module, module.partition(".")[0]) if sdk in SDKS), None)
        if known is not None:
            base = environ.get(f"{known.partition('.')[0].upper()}_BASE_URL")
            yield (urlsplit(base).hostname or "") if base else SDKS[known]


def _script(argument: str) -> str:
    """The text of a script that a command line names; nothing of a program or of data."""
    try:
        path = Path(argument)
        if not path.is_file() or path.suffix not in (".py", ".sh", ".js", ".mjs", ".ts", ""):
            return ""
        with path.open("rb") as file:
            begin = file.read(SCRIPT_LIMIT)
        return "" if b"\0" in begin else begin.decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""
