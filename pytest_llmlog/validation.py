"""Records and goldens against their JSON Schemas; the only importer of jsonschema and jsonschema-rs.

jsonschema-rs says yes or no on the hot path; jsonschema explains a no. A test holds the two to the same verdict.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit
from urllib.request import url2pathname

from msgspec import Struct

SchemaName = Literal["interaction", "golden", "report"]


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


def user_fault(value: Any, given: dict[str, Any] | bool | Path) -> Fault | None:
    """The most telling place where a value breaks a user's own schema; None when it holds.

    ``$ref`` reaches files beside the schema's own, or below the working directory for one that is no file; never the network.
    The dialect is the schema's ``$schema``, else draft 2020-12.

    Args:
        value: a JSON value.
        given: the schema, or the path of its file.

    Raises:
        ValueError: the schema cannot be read, or is none.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError, best_match
    from jsonschema.validators import validator_for
    from referencing import Registry, Resource
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012

    name = str(given) if isinstance(given, Path) else "the schema"
    document = _document(given) if isinstance(given, Path) else given
    base = given.absolute().as_uri() if isinstance(given, Path) else f"{Path.cwd().as_uri()}/"

    def retrieve(uri: str) -> Resource[Any]:
        if not uri.startswith("file:"):
            raise ValueError(f"{name}: $ref {uri!r} is no local file")
        return Resource.from_contents(_document(Path(url2pathname(urlsplit(uri).path))), default_specification=DRAFT202012)

    kind = validator_for(document, default=Draft202012Validator)
    try:
        kind.check_schema(document)
        registry: Registry[Any] = Registry(retrieve=retrieve)  # type: ignore[call-arg]
        resource = Resource.from_contents({"$ref": base}, default_specification=DRAFT202012)
        registry = registry.with_resource(base, Resource.from_contents(document, default_specification=DRAFT202012))
        error = best_match(kind(resource.contents, registry=registry).iter_errors(value))
    except SchemaError as exc:
        raise ValueError(f"{name} is no JSON Schema: {exc.json_path}: {exc.message}") from None
    except Unresolvable as exc:
        raise ValueError(f"{name}: $ref {exc.ref!r} leads nowhere: {_root(exc)}") from None
    return None if error is None else Fault(error.json_path, _reason(error.message))


def _root(error: BaseException) -> BaseException:
    """The error that all began with."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error


def _document(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ValueError(f"{path}: cannot be read: {exc.strerror}") from None
    except ValueError as exc:
        raise ValueError(f"{path}: not JSON: {exc}") from None


def _reason(message: str) -> str:
    return message if len(message) <= 300 else f"{message[:200]} … {message[-90:]}"
