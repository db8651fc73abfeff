"""Records and goldens against their JSON Schemas; the only importer of jsonschema and jsonschema-rs.

jsonschema-rs says yes or no on the hot path; jsonschema explains a no. A test holds the two to the same verdict.
"""

from __future__ import annotations

import json
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
    """The JSON Schema as shipped."""
    return files("pytest_llmlog").joinpath("schema", f"{name}.schema.json").read_text(encoding="utf-8")


@cache
def schema(name: SchemaName) -> Any:
    return json.loads(schema_text(name))


@cache
def _fast(name: SchemaName) -> Any:
    import jsonschema_rs

    interaction = schema("interaction")
    registry = jsonschema_rs.Registry([(interaction["$id"], interaction)])
    return jsonschema_rs.Draft202012Validator(schema(name), registry=registry)


@cache
def _thorough(name: SchemaName) -> Any:
    from jsonschema import Draft202012Validator
    from referencing import Registry, Resource

    interaction = Resource.from_contents(schema("interaction"))
    return Draft202012Validator(schema(name), registry=Registry().with_resource(interaction.id() or "", interaction))


def preload() -> None:
    """Build the fast validators now, so that no call waits for them."""
    _fast("interaction")
    _fast("golden")


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
