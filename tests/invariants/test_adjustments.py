"""The proof of the books finds whatever is wrong between adjustments and their entries."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.house import House, Person
from tests.house.adjustments import adjust, confirm, waiting, wallet_id

SIXTH = "6 operation agrees with its entries"
Damage = Callable[[House, dict[str, Any], dict[str, Any]], Awaitable[Any]]


def change_posted(**fields: Any) -> Damage:
    """Of what two administrators posted."""
    return lambda house, posted, _: house.collection("adjustments").update_one(
        {"_id": posted["id"]}, {"$set": fields}
    )


async def confirmed_alone(house: House, posted: dict[str, Any], _asked: dict[str, Any]) -> None:
    await change_posted(decided_by=posted["askedBy"]["id"])(house, posted, _asked)


async def confirmed_by_the_owner(house: House, posted: dict[str, Any], _asked: dict[str, Any]) -> None:
    await change_posted(decided_by=posted["owner"]["id"])(house, posted, _asked)


async def said_to_be_posted(house: House, _posted: dict[str, Any], asked: dict[str, Any]) -> None:
    await house.collection("adjustments").update_one({"_id": asked["id"]}, {"$set": {"status": "POSTED"}})


async def lost(house: House, posted: dict[str, Any], _asked: dict[str, Any]) -> None:
    await house.collection("adjustments").delete_one({"_id": posted["id"]})


async def under_another_step(house: House, posted: dict[str, Any], _asked: dict[str, Any]) -> None:
    await house.collection("entries").update_one(
        {"operation": posted["id"]}, {"$set": {"ref": f"adjustment:{posted['id']}:again"}}
    )


@pytest.mark.parametrize(
    ("damage", "subjects"),
    [
        (change_posted(amount=1), ["{posted}"]),
        (change_posted(amount=0), ["{posted}"]),
        (change_posted(kind="WRITE_OFF"), ["{posted}"]),
        (change_posted(status="REJECTED"), ["{posted}"]),
        (change_posted(status="LOST"), ["{posted}"]),
        (confirmed_alone, ["{posted}"]),
        (confirmed_by_the_owner, ["{posted}"]),
        (said_to_be_posted, ["{asked}"]),
        (lost, ["adjustment:{posted}:posted"]),
        (under_another_step, ["adjustment:{posted}:again", "{posted}"]),
    ],
)
async def test_what_does_not_agree_is_found(house: House, damage: Damage, subjects: list[str]) -> None:
    edith, fritz = await house.admin("edith"), await house.admin("fritz")
    ada: Person = await house.customer("ada")
    wallet = await wallet_id(ada)
    await adjust(edith, wallet, 1_00)
    posted = await waiting(edith, wallet, 200_00)
    await confirm(fritz, posted)
    asked = await waiting(edith, wallet, -200_00)
    assert await house.ledger_is_sound()
    await damage(house, posted, asked)
    found = {one.subject for one in (await house.report()).violations if one.invariant == SIXTH}
    assert found == {subject.format(posted=posted["id"], asked=asked["id"]) for subject in subjects}
