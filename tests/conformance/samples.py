"""Objects made from the specification alone, for tests that need something right before it goes wrong."""

from __future__ import annotations

from typing import Any

from tests.conformance.dialect import alternatives
from tests.conformance.spec import Schema, resolve

_LEVELS_MAX = 5
_SCALARS: dict[str, object] = {"integer": 100, "number": 1.5, "boolean": False, "string": "text"}
_FORMATTED = {"currency": "usd", "decimal": "1.5", "int64": "100"}


def sample(name: str, *, whole: bool = False, **fields: Any) -> dict[str, Any]:
    """A valid object of this schema with what is required, or with every field that it can have."""
    made = make({"$ref": f"#/components/schemas/{name}"}, whole=whole)
    assert isinstance(made, dict)
    return made | fields


def make(schema: Schema, *, whole: bool = False, level: int = 0) -> Any:
    """Ids rather than expanded objects; null where that is allowed, unless the whole is wanted."""
    schema = resolve(schema)
    whole = whole and level < _LEVELS_MAX
    if schema.get("nullable") and not whole:
        return None
    schema = min(alternatives(schema), key=lambda branch: branch.get("type") != "string")
    if schema.get("type") == "array":
        return [make(schema["items"], whole=whole, level=level + 1)] if whole else []
    if schema.get("type") == "object":
        return _make_object(schema, whole=whole, level=level)
    return _make_scalar(schema)


def _make_object(schema: Schema, *, whole: bool, level: int) -> dict[str, Any]:
    properties = schema.get("properties", {})
    names = properties if whole else schema.get("required", ())
    return {name: make(properties[name], whole=whole, level=level + 1) for name in names}


def _make_scalar(schema: Schema) -> object:
    if "enum" in schema:
        return schema["enum"][0]
    if "pattern" in schema:
        return schema["pattern"].removeprefix("^").replace("[^/]+", "id")
    return _FORMATTED.get(schema.get("format", ""), _SCALARS[schema["type"]])
