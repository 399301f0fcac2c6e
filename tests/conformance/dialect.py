"""One JSON value against one schema in the dialect of OpenAPI that Stripe writes.

Written out instead of left to jsonschema because of four things that it has no words for: `nullable`, objects
told apart by their `object` tag (its report on a failed `anyOf` names every branch but the right one), fields
that Stripe does not have, and which ids were expanded. A test compares the two on what both can say.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tests.conformance.spec import Schema, resolve

Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    path: Path
    message: str
    tolerable: bool = False


@dataclass(slots=True)
class Inspection:
    """What a look at a value found."""

    partial: bool = False
    """A part of an object, as `previous_attributes` is: nothing in it is required."""
    findings: list[Finding] = field(default_factory=list)
    expandable: dict[Path, bool] = field(default_factory=dict)
    """Each field that may hold an id or the object itself, and whether it held the object."""

    def visit(self, value: object, schema: Schema, path: Path = ()) -> None:
        schema = resolve(schema)
        if value is None:
            if not schema.get("nullable"):
                self._report(path, "is null, which the specification does not allow here")
            return
        if "anyOf" in schema:
            self._choose(value, schema, path)
        elif not _has_type(value, schema):
            self._report(path, f"is {_describe(value)}, expected {schema['type']}")
        elif isinstance(value, dict):
            self._visit_object(value, schema, path)
        elif isinstance(value, list):
            for position, item in enumerate(value):
                self.visit(item, schema.get("items", {}), (*path, position))
        else:
            self._visit_scalar(value, schema, path)

    def _visit_object(self, value: dict[str, Any], schema: Schema, path: Path) -> None:
        known, others = schema.get("properties"), schema.get("additionalProperties")
        if not self.partial:
            for name in schema.get("required", ()):
                if name not in value:
                    self._report((*path, name), "is required and missing")
        for name, item in value.items():
            if known is not None and name in known:
                self.visit(item, known[name], (*path, name))
            elif isinstance(others, dict):
                self._visit_entry(item, others, (*path, name))
            elif known is not None:  # an object without a list of names (`event.data.object`) is open
                self._report((*path, name), "is not in the specification")

    def _visit_entry(self, item: object, schema: Schema, path: Path) -> None:
        """An entry of a map, such as metadata; one that was added shows as null in `previous_attributes`."""
        if not (self.partial and item is None):
            self.visit(item, schema, path)

    def _visit_scalar(self, value: Any, schema: Schema, path: Path) -> None:
        if "enum" in schema and value not in schema["enum"]:
            tolerable = bool(schema.get("x-stripeBypassValidation"))
            self._report(path, f"is {value!r}, not one of {_shorten(schema['enum'])}", tolerable=tolerable)
        if not isinstance(value, str):
            return
        if len(value) > schema.get("maxLength", len(value)):
            self._report(path, f"has {len(value)} characters, more than {schema['maxLength']}")
        if "pattern" in schema and not re.search(schema["pattern"], value):
            self._report(path, f"is {value!r}, which does not match {schema['pattern']}")
        well_formed = _FORMATS.get(schema.get("format", ""))
        if well_formed is not None and not well_formed(value):
            self._report(path, f"is {value!r}, which is no {schema['format']}")

    def _choose(self, value: object, schema: Schema, path: Path) -> None:
        """Report on the branch that was meant: the one of the value's type and tag with the least to say."""
        branches = alternatives(schema)
        attempts: list[Inspection] = []
        for branch in branches:
            if not _is_meant(value, branch):
                continue
            attempt = Inspection(partial=self.partial)
            attempt.visit(value, branch, path)
            attempts.append(attempt)
            if not attempt.findings:
                break
        if not attempts:
            expected = _shorten(sorted({_name(branch) for branch in branches}))
            self._report(path, f"is {_describe(value)}, expected one of {expected}")
            return
        if "x-expansionResources" in schema:
            self.expandable[path] = isinstance(value, dict)
        best = min(attempts, key=lambda attempt: len(attempt.findings))
        self.findings += best.findings
        self.expandable |= best.expandable

    def _report(self, path: Path, message: str, *, tolerable: bool = False) -> None:
        self.findings.append(Finding(path, message, tolerable))


def inspect(value: object, schema: Schema, *, partial: bool = False) -> Inspection:
    inspection = Inspection(partial=partial)
    inspection.visit(value, schema)
    return inspection


def alternatives(schema: Schema) -> list[Schema]:
    """The schemas that a value may choose from, through references and nested choices."""
    schema = resolve(schema)
    if "anyOf" not in schema:
        return [schema]
    return [leaf for branch in schema["anyOf"] for leaf in alternatives(branch)]


_TYPES: dict[str, Callable[[object], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
}

_FORMATS: dict[str, Callable[[str], object]] = {
    "currency": re.compile(r"[a-z]{3}").fullmatch,
    "decimal": re.compile(r"-?\d+(\.\d+)?").fullmatch,
    "int64": re.compile(r"-?\d+").fullmatch,
}


def _has_type(value: object, schema: Schema) -> bool:
    return "type" not in schema or _TYPES[schema["type"]](value)


def _is_meant(value: object, branch: Schema) -> bool:
    if not _has_type(value, branch):
        return False
    if not isinstance(value, dict) or "object" not in value:
        return True
    return value["object"] in _tags(branch) if _tags(branch) else True


def _tags(schema: Schema) -> list[str]:
    tags: list[str] = schema.get("properties", {}).get("object", {}).get("enum", [])
    return tags


def _name(schema: Schema) -> str:
    return " or ".join(_tags(schema)) or str(schema.get("type"))


def _describe(value: object) -> str:
    if isinstance(value, dict):
        return f"the object {value['object']!r}" if "object" in value else "an object"
    return "an array" if isinstance(value, list) else repr(value)


def _shorten(values: list[str], most: int = 12) -> str:
    shown = ", ".join(repr(value) for value in values[:most])
    return shown if len(values) <= most else f"{shown} and {len(values) - most} more"
