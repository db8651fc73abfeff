"""Which models a program may call that the program under test starts: told from its command line and its script alone."""

from __future__ import annotations

import os
import re
import shlex
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

TEXT_TOOLS = frozenset(
    {
        "[", "awk", "cat", "cp", "cut", "diff", "echo", "egrep", "env", "find", "git", "grep", "head", "ls", "mkdir", "mv", "printf", "pytest",
        "rg", "rm", "sed", "sort", "tail", "test", "touch", "tr", "uniq", "wc",
    }
)  # fmt: skip
"""Programs to which an address is a text like any other."""

_INTERPRETER = re.compile(r"(?:python|pypy|node|deno|bun|ruby|perl|php|bash|dash|zsh|sh)[\d.]*(?:\.exe)?")
_SHELLS = ("bash", "dash", "zsh", "sh")
_HOST = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|localhost")
_IMPORT = re.compile(r"(?:^|[;\n])[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+([\w, \t]+)|import[ \t]+([\w., \t]+))")
_CAPTURED = ("pytest_llmlog", "--llmlog")
"""A program that says this has a capture of its own."""


def hosts(
    command: Sequence[str], folder: str, environ: Mapping[str, str] | None, is_model: Callable[[str], bool]
) -> Iterator[tuple[str, str]]:
    """Each host of a model that a program names, or whose client it imports, with how a person calls the program."""
    text = _text(command, folder or ".")
    if not text or any(word in text for word in _CAPTURED):
        return
    name = " ".join(" ".join(command).split())
    shown = f"the program `{name if len(name) <= 60 else name[:57] + '...'}`"
    named = [found.lower() for found in _HOST.findall(text)]
    for host in dict.fromkeys([*named, *_of_imports(text, os.environ if environ is None else environ)]):
        if is_model(host):
            yield host, shown


def _text(command: Sequence[str], folder: str) -> str:
    """What of a command may say where it connects: its arguments, and the script of an interpreter; nothing of a text tool's."""
    if len(command) == 1:  # a line for a shell, or a program alone
        return "\n".join(_text(part, folder) for part in _commands(command[0]) if part != list(command))
    program, arguments = Path(command[0]).name if command else "", command[1:]
    if program in TEXT_TOOLS or not arguments:
        return ""
    if not _INTERPRETER.fullmatch(program):
        return "\n".join(arguments)
    if program in _SHELLS and arguments[0].startswith("-") and "c" in arguments[0] and len(arguments) > 1:
        return _text(arguments[1:2], folder)
    if arguments[0] == "-m":
        module = arguments[1].replace(".", "/") if len(arguments) > 1 else ""
        return "\n".join([_script(folder, f"{module}.py"), _script(folder, f"{module}/__main__.py"), *arguments[2:]])
    first = next((index for index, each in enumerate(arguments) if not each.startswith("-")), 0)
    return "\n".join([_script(folder, arguments[first]), *arguments])


def _commands(line: str) -> Iterator[list[str]]:
    """The simple commands of a shell's line, their assignments left out."""
    for part in re.split(r"[;&|\n]+", line):
        try:
            words = shlex.split(part)
        except ValueError:
            words = part.split()
        while words and re.match(r"\w+=", words[0]):
            words.pop(0)
        if words:
            yield words


def _of_imports(text: str, environ: Mapping[str, str]) -> Iterator[str]:
    for package, names, modules in _IMPORT.findall(text):
        inside = [f"{package}.{name.strip()}" for name in names.split(",")] if package else []
        for module in [*inside, package, *(each.split(" as ")[0].strip() for each in modules.split(","))]:
            known = next((sdk for sdk in (module, module.partition(".")[0]) if sdk in SDKS), None)
            if known is not None:
                base = environ.get(f"{known.partition('.')[0].upper()}_BASE_URL")
                yield (urlsplit(base).hostname or "") if base else SDKS[known]


def _script(folder: str, name: str) -> str:
    """The text of a script; nothing of a program or of data."""
    try:
        path = Path(folder, name)
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            begin = file.read(SCRIPT_LIMIT)
        return "" if b"\0" in begin else begin.decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""
