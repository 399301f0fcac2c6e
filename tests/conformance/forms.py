"""Stripe's forms: `a[b][0]=1` to `{"a": {"b": [1]}}`, with the types that the schema gives the strings."""

from __future__ import annotations

import re
from typing import TypeAlias
from urllib.parse import parse_qsl

from tests.conformance.dialect import alternatives, inspect
from tests.conformance.spec import Schema

Tree: TypeAlias = "dict[str, Tree | str]"

_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")


class MalformedForm(ValueError):
    """A form that no schema can be held against: a value given twice, or both a value and an object."""


def parse(encoded: bytes) -> Tree:
    """The form as nested names. Array positions stay names here; only a schema tells an array from a map."""
    tree: Tree = {}
    try:
        pairs = parse_qsl(encoded.decode("ascii"), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError as error:
        raise MalformedForm(f"is not percent-encoded UTF-8: {error}") from error
    for key, value in pairs:
        _put(tree, key, value)
    return tree


def _put(tree: Tree, key: str, value: str) -> None:
    shape = _KEY.fullmatch(key)
    if shape is None:
        raise MalformedForm(f"the name {key!r} is not in Stripe's bracket notation")
    *parents, last = shape[1], *re.findall(r"\[([^\[\]]*)\]", shape[2])
    for name in parents:
        below = tree.setdefault(name or str(len(tree)), {})
        if isinstance(below, str):
            raise MalformedForm(f"{key!r} is below a name that has a value of its own")
        tree = below
    last = last or str(len(tree))
    if last in tree:
        raise MalformedForm(f"{key!r} is given twice")
    tree[last] = value


def coerce(tree: Tree | str, schema: Schema) -> object:
    """The value that the schema makes of the strings; what does not fit stays a string, for `inspect`."""
    readings = [_read(tree, branch) for branch in alternatives(schema)]
    fitting = (
        value
        for value, branch in zip(readings, alternatives(schema), strict=True)
        if not inspect(value, branch).findings
    )
    return next(fitting, _most_telling(readings))


def _most_telling(readings: list[object]) -> object:
    """Of readings that all fail, one that got somewhere: its report names the parameter that is wrong."""
    return next((value for value in readings if not isinstance(value, str)), readings[0])


def _read(tree: Tree | str, schema: Schema) -> object:
    if isinstance(tree, str):
        return _read_scalar(tree, str(schema.get("type")))
    if schema.get("type") == "array":
        if not all(name.isdecimal() for name in tree):
            return tree
        return [coerce(tree[name], schema["items"]) for name in sorted(tree, key=int)]
    known, others = schema.get("properties", {}), schema.get("additionalProperties")
    fallback = others if isinstance(others, dict) else {}
    return {name: coerce(below, known.get(name, fallback)) for name, below in tree.items()}


def _read_scalar(text: str, kind: str) -> object:
    if kind == "integer" and re.fullmatch(r"-?\d+", text):
        return int(text)
    if kind == "number" and re.fullmatch(r"-?\d+(\.\d+)?", text):
        return float(text)
    if kind == "boolean" and text in {"true", "false"}:
        return text == "true"
    return text
