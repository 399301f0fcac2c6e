"""Our reading of Stripe's schemas against jsonschema's, on what both can say: valid, or not."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from jsonschema import Draft4Validator, FormatChecker

from tests.conformance import source
from tests.conformance.dialect import inspect
from tests.conformance.samples import sample
from tests.conformance.spec import Schema

RESOURCES = [
    "account",
    "account_link",
    "balance",
    "balance_transaction",
    "capability",
    "charge",
    "checkout.session",
    "customer",
    "dispute",
    "error",
    "event",
    "payment_intent",
    "payment_method",
    "payout",
    "refund",
    "setup_intent",
    "transfer",
    "transfer_reversal",
    "webhook_endpoint",
]
MUTATIONS = 10
JUNK: list[Any] = [None, 7, -1.5, True, "junk", "x" * 5001, [], ["junk"], {}, {"object": "junk"}]


class Translation(dict[str, Any]):
    """The schemas by name, in JSON Schema's own words, as they are asked for."""

    def __missing__(self, name: str) -> Any:
        self[name] = translate(source.schema(name))
        return self[name]


TRANSLATED = Translation()


@pytest.mark.parametrize("name", RESOURCES)
def test_both_accept_what_the_specification_makes(name: str) -> None:
    for whole in (False, True):
        value = sample(name, whole=whole)
        assert inspect(value, reference(name)).findings == []
        assert validator(name).is_valid(value)


@pytest.mark.parametrize("name", RESOURCES)
def test_both_say_the_same_of_objects_with_a_random_mistake(name: str) -> None:
    seeded = random.Random(name)
    original = sample(name, whole=True)
    for _ in range(MUTATIONS):
        value = copy.deepcopy(original)
        mistake = mutate(value, seeded)
        ours = inspect(value, reference(name)).findings
        assert (ours == []) == validator(name).is_valid(value), f"{mistake}: {ours}"


def mutate(value: dict[str, Any], seeded: random.Random) -> str:
    """One field, anywhere, is dropped, replaced or invented."""
    holder = seeded.choice(list(holders(value)))
    name = seeded.choice([*holder, "invented"])
    if name in holder and seeded.random() < 0.3:
        del holder[name]
        return f"no {name}"
    holder[name] = seeded.choice(JUNK)
    return f"{name} = {str(holder[name])[:20]}"


def holders(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for below in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from holders(below)


def reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


@cache
def validator(name: str) -> Draft4Validator:
    formats = FormatChecker(formats=())
    formats.checks("currency")(lambda value: not isinstance(value, str) or value == "usd")
    formats.checks("decimal", raises=ArithmeticError)(lambda value: bool(Decimal(value)))
    schema = {**reference(name), "components": {"schemas": TRANSLATED}}
    return Draft4Validator(schema, format_checker=formats)


def translate(node: Any) -> Any:
    """A null type for `nullable`, and no fields but those that are named."""
    if isinstance(node, list):
        return [translate(item) for item in node]
    if not isinstance(node, dict):
        return node
    translation = {name: translate(below) for name, below in node.items() if name != "nullable"}
    if isinstance(node.get("properties"), dict) and node.get("type") == "object":
        translation.setdefault("additionalProperties", False)
    if node.get("nullable") is True:
        return {"anyOf": [{"type": "null"}, translation]}
    return translation
