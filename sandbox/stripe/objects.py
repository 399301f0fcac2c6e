"""Objects in exactly the shape that the specification gives them."""

import functools
from dataclasses import dataclass
from typing import Any

from .spec import Schema, specification

Object = dict[str, Any]

_ABSENT: Any = object()
_ON_REQUEST = {"charge": {"refunds"}, "customer": {"cash_balance"}}
"""Nullable fields that Stripe sends only to those who expand them."""


def shaped(schema_name: str, fields: Object) -> Object:
    """`fields`, and null for every nullable one that is not given.

    A field that the specification does not have, or a required one that is missing, is a bug: ValueError.
    """
    outline = _outline(schema_name)
    invented = fields.keys() - outline.blank.keys()
    forgotten = outline.required - fields.keys()
    if invented or forgotten:
        raise ValueError(f"{schema_name}: invented {sorted(invented)}, forgotten {sorted(forgotten)}")
    merged = outline.blank | fields
    return {name: value for name, value in merged.items() if value is not _ABSENT}


@dataclass(frozen=True)
class _Outline:
    required: frozenset[str]
    blank: Object
    """Every field in Stripe's order (the id, the tag, then by name): null, or `_ABSENT`."""


@functools.cache
def _outline(schema_name: str) -> _Outline:
    schema = specification().schema(schema_name)
    properties: dict[str, Schema] = schema["properties"]
    hidden = _ON_REQUEST.get(schema_name, set())
    nullable = {name for name, one in properties.items() if one.get("nullable") and name not in hidden}
    ordered = sorted(properties, key=lambda name: (name != "id", name != "object", name))
    return _Outline(
        required=frozenset(schema.get("required", ())) - nullable,
        blank={name: None if name in nullable else _ABSENT for name in ordered},
    )


def merge_metadata(current: dict[str, str], change: dict[str, str] | str | None) -> dict[str, str]:
    """Stripe's rule: keys are merged, a key set to "" goes, and "" for the whole clears it."""
    if change is None:
        return current
    if isinstance(change, str):
        return {}
    return {key: value for key, value in (current | change).items() if value != ""}


def changed(before: Object, after: Object) -> Object:
    """`previous_attributes` of an update: the old value of whatever differs, one level into plain hashes.

    A key that was not there is null in metadata, as Stripe tells it, and left out elsewhere.
    """
    previous: Object = {}
    for name, old in before.items():
        new = after.get(name)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict) and "object" not in old:
            known = {**old, **new} if name == "metadata" else old
            previous[name] = {key: old.get(key) for key in known if old.get(key) != new.get(key)}
        else:
            previous[name] = old
    return previous
