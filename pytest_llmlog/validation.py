"""Records and goldens against their JSON Schemas; the only importer of jsonschema and jsonschema-rs.

jsonschema-rs says yes or no on the hot path; jsonschema explains a no. A test holds the two to the same verdict.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from msgspec import Struct

SchemaName = Literal["interaction", "golden"]


class Fault(Struct, frozen=True):
    """Where a value breaks its schema, and why; ``place`` is a JSON path."""

    place: str
    reason: str


def schema_text(name: SchemaName = "interaction") -> str:
    """The JSON Schema as shipped; that of a golden with the interaction's inside, so that it needs nothing beside it."""
    if name == "golden":
        return json.dumps({**schema("golden"), "$defs": {"interaction": schema("interaction")}}, indent=2) + "\n"
    return _shipped(name)


def _shipped(name: SchemaName) -> str:
    return files("pytest_llmlog").joinpath("schema", f"{name}.schema.json").read_text(encoding="utf-8")


@cache
def schema(name: SchemaName) -> Any:
    return json.loads(_shipped(name))


@cache
def _fast(name: SchemaName) -> Any:
    import jsonschema_rs

    interaction = schema("interaction")
    registry = jsonschema_rs.Registry([(interaction["$id"], interaction)])
    return jsonschema_rs.Draft202012Validator(schema(name), registry=registry)


def _pattern(validator: Any, pattern: str, instance: Any, _: Any) -> Iterator[Any]:
    """JSON Schema's patterns are ECMA-262's, where ``$`` is the very end; Python's also matches before a last newline."""
    from jsonschema.exceptions import ValidationError

    exact = pattern.removesuffix("$") + r"\Z" if pattern.endswith("$") else pattern
    if validator.is_type(instance, "string") and not re.search(exact, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


@cache
def _thorough(name: SchemaName) -> Any:
    from jsonschema import Draft202012Validator, validators
    from referencing import Registry, Resource

    interaction = Resource.from_contents(schema("interaction"))
    registry = Registry().with_resource(interaction.id() or "", interaction)
    return validators.extend(Draft202012Validator, {"pattern": _pattern})(schema(name), registry=registry)


def is_valid(value: Any, name: SchemaName = "interaction") -> bool:
    """Say whether a JSON value holds to the schema."""
    return bool(_fast(name).is_valid(value))


def faults(value: Any, name: SchemaName = "interaction") -> list[Fault]:
    """Every place where a JSON value breaks the schema, the most telling ones of alternatives; empty when it is valid."""
    from jsonschema.exceptions import relevance

    found = sorted(_thorough(name).iter_errors(value), key=lambda error: (list(map(str, error.absolute_path)), relevance(error)))
    if not found and not is_valid(value, name):
        return [Fault("$", "does not hold to the schema")]  # the fast validator rules; a test looks for such values
    return [Fault(error.json_path, _reason(error.message)) for error in found]


def _reason(message: str) -> str:
    return message if len(message) <= 300 else f"{message[:200]} … {message[-90:]}"
