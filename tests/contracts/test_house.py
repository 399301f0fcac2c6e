"""The shape of the house: every room stands in the contract, every type of the API is explained."""

import re
import tomllib
from pathlib import Path

from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLInterfaceType, GraphQLObjectType

from domain.auditlog import Act
from schema.roots import make_schema

ROOT = Path(__file__).parents[2]


def test_every_room_is_in_the_contract() -> None:
    """import-linter checks exhaustively inside a package; for the top level this does."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    house = next(contract for contract in contracts if contract["id"] == "house")
    rooms = {room for layer in house["layers"] for room in layer.split(" | ")}
    packages = {init.parent.name for init in ROOT.glob("*/__init__.py")}
    assert packages - {"tests"} == rooms


def test_every_type_and_field_has_a_description() -> None:
    bare = []
    for name, kind in make_schema()._schema.type_map.items():
        if name.startswith("__") or name in {"ID", "String", "Int", "Boolean", "Float"}:
            continue
        if not kind.description:
            bare.append(name)
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            bare += [
                f"{name}.{field}" for field, definition in kind.fields.items() if not definition.description
            ]
    assert bare == []


def test_the_docs_tell_of_every_act_of_administrators() -> None:
    """And so whoever adds a mutation for them is reminded of its record in the audit log."""
    told = (ROOT / "docs/corrections.md").read_text()
    mutations = make_schema()._schema.mutation_type
    assert mutations is not None
    admins = [
        name for name, field in mutations.fields.items() if (field.description or "").startswith("ADMIN.")
    ]
    assert [name for name in [*admins, *Act] if not re.search(rf"\b{name}\b", told)] == []


def test_enums_are_declared_open() -> None:
    """Clients must expect more values: it stands in the description of each that can grow."""
    closed = {"Role"}  # what a person may do is decided with every value known
    enums = [kind for kind in make_schema()._schema.type_map.values() if isinstance(kind, GraphQLEnumType)]
    growing = [e for e in enums if not e.name.startswith("__") and e.name not in closed]
    assert [e.name for e in growing if "More may be added" not in (e.description or "")] == []
