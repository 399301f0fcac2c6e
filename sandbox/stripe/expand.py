"""`expand[]`: ids replaced by the objects that they name, four levels down at most.

Whoever sees an id may see its object, across accounts too: a transfer names the payment that it is elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import NotExecuted, bad_parameter
from .lists import LIMIT_DEFAULT, page
from .objects import Object
from .spec import Schema, specification

if TYPE_CHECKING:
    from .transaction import Tx

LEVELS_MAX = 4


def expand(tx: Tx, body: Object, paths: list[str]) -> Object:
    """Raises NotExecuted for a path that the specification does not let expand."""
    for path in paths:
        parts = path.split(".")
        if len(parts) > LEVELS_MAX:
            raise bad_parameter(
                f"You cannot expand more than {LEVELS_MAX} levels of a property. Property: {path}",
                param="expand",
            )
        _Expansion(tx, path).walk(body, parts, schema=None)
    return body


class _Expansion:
    """One path. A node that carries its object tag knows its schema; a plain hash has it from its parent."""

    def __init__(self, tx: Tx, path: str) -> None:
        self._tx = tx
        self._path = path

    def walk(self, node: Object, parts: list[str], *, schema: Schema | None) -> None:
        name, rest = parts[0], parts[1:]
        if node.get("object") == "list":
            if name != "data" or not rest:
                raise self._refused()
            for item in node["data"]:
                self.walk(item, rest, schema=None)
            return
        property_schema = self._property(node, name, schema)
        below = None
        if (node.get("object"), name) == ("charge", "refunds"):
            node.setdefault(name, _refunds(self._tx, node))
        elif "x-expansionResources" in property_schema:
            if isinstance(node.get(name), str):
                node[name] = self._tx.store.find_any(node[name]) or node[name]
        elif not _holds_objects(property_schema):
            if not rest:
                raise self._refused()
            below = _hash_schema(property_schema)
        if rest:
            self._go_on(node.get(name), rest, schema=below)

    def _go_on(self, value: Any, rest: list[str], *, schema: Schema | None) -> None:
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                self.walk(one, rest, schema=schema)

    def _property(self, node: Object, name: str, schema: Schema | None) -> Schema:
        if schema is None:
            schema = specification().schema(node["object"])
        found: Schema | None = schema.get("properties", {}).get(name)
        if found is None:
            raise self._refused()
        return found

    def _refused(self) -> NotExecuted:
        return bad_parameter(f"This property cannot be expanded ({self._path}).", param="expand")


def _refunds(tx: Tx, charge: Object) -> Object:
    """The only list that Stripe leaves out of an object until it is asked for, of those that are here."""
    url = f"/v1/charges/{charge['id']}/refunds"
    return page(tx, "refund", {"charge": charge["id"], "limit": LIMIT_DEFAULT}, url=url, equal=("charge",))


def _holds_objects(schema: Schema) -> bool:
    """Whether it is a row of objects that are there unasked, such as a dispute's balance transactions."""
    return schema.get("type") == "array" and "$ref" in schema["items"]


def _hash_schema(schema: Schema) -> Schema:
    alternatives = schema.get("anyOf", [schema])
    return specification().follow(alternatives[0])
