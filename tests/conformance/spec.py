"""Stripe's OpenAPI specification as lookups: operations by method and path, resources by tag, event types."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from tests.conformance import source

Schema: TypeAlias = dict[str, Any]

PINNED_VERSION = "2026-05-27.dahlia"
"""What product and sandbox have agreed on. The SDK's own default is another, incompatible version."""

_FORM = "application/x-www-form-urlencoded"
_ID = "{}"  # stands for any one segment in the tree of routes


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of Stripe's API. `query` and `form` are object schemas that admit no other names."""

    method: str
    template: str
    query: Schema
    form: Schema
    success: Schema
    failure: Schema

    def __str__(self) -> str:
        return f"{self.method} {self.template}"


def resolve(schema: Schema) -> Schema:
    """The schema itself in place of a reference to it."""
    while (reference := schema.get("$ref")) is not None:
        schema = source.schema(reference.rpartition("/")[2])
    return schema


def find_operation(method: str, path: str) -> Operation | None:
    """The operation that answers this call; a literal segment wins over an id: `/payment_intents/search`."""
    template = _descend(_routes(), path.strip("/").split("/"))
    if template is None or method.lower() not in source.operations(template):
        return None
    return _operation(method.upper(), template)


@cache
def resources(tag: str) -> tuple[Schema, ...]:
    """The schemas of objects whose `object` is this tag: one, or two where there is a deleted form."""
    return tuple(source.schema(name) for name in (tag, f"deleted_{tag}") if name in source.schema_names())


@cache
def event_types() -> frozenset[str]:
    """Every type that a webhook endpoint can subscribe to (without the wildcard)."""
    form = _operation("POST", "/v1/webhook_endpoints").form
    return frozenset(form["properties"]["enabled_events"]["items"]["enum"]) - {"*"}


@cache
def _operation(method: str, template: str) -> Operation:
    described = source.operations(template)[method.lower()]
    parameters = [p for p in described.get("parameters", ()) if p["in"] == "query"]
    answers = {status: _content(answer) for status, answer in described["responses"].items()}
    return Operation(
        method=method,
        template=template,
        query={
            "type": "object",
            "properties": {p["name"]: p["schema"] for p in parameters},
            "required": [p["name"] for p in parameters if p.get("required")],
            "additionalProperties": False,
        },
        form=_content(described.get("requestBody", {}), _FORM),
        success=answers["200"],
        failure=answers["default"],
    )


def _content(described: dict[str, Any], media: str = "application/json") -> Schema:
    nothing: Schema = {"type": "object", "properties": {}, "additionalProperties": False}
    schema: Schema = described.get("content", {}).get(media, {}).get("schema", nothing)
    return schema


@cache
def _routes() -> dict[str, Any]:
    """A tree by path segment whose leaves hold the template under the empty segment."""
    tree: dict[str, Any] = {}
    for template in source.templates():
        node = tree
        for segment in template.strip("/").split("/"):
            node = node.setdefault(_ID if segment.startswith("{") else segment, {})
        node[""] = template
    return tree


def _descend(node: dict[str, Any], segments: list[str]) -> str | None:
    if not segments:
        return node.get("")
    head, *rest = segments
    for branch in (head, _ID):
        if head and branch in node and (found := _descend(node[branch], rest)) is not None:
            return found
    return None
