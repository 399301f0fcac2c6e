"""The proof of refunds: whatever does not agree with them is found, however much came after it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from domain.ledger.books import digest
from tests.house import House
from tests.house.refunds import paid, reaches, refunds_of

SIX = "6 operation agrees with its entries"


@dataclass(frozen=True)
class Books:
    """50.00 were paid, of which 20.00 went back, and after that 10.00."""

    house: House
    deposit: str
    first: str
    second: str

    async def change(self, collection: str, subject: str, update: dict[str, Any]) -> None:
        """Behind the product's back."""
        changed = await self.house.collection(collection).update_one({"_id": subject}, update)
        assert changed.modified_count == 1

    async def reclaim(self, operation: str, amount: int) -> None:
        reclaim = {"operation": operation, "amount": amount, "blocks": False}
        await self.change("deposits", self.deposit, {"$push": {"reclaims": reclaim}})

    async def forget_reclaim(self, operation: str) -> None:
        await self.change("deposits", self.deposit, {"$pull": {"reclaims": {"operation": operation}}})

    async def forget_entry(self, ref: str) -> None:
        assert (await self.house.collection("entries").delete_one({"ref": ref})).deleted_count == 1

    async def forge_entry(self, ref: str, **fields: Any) -> None:
        """A copy of how the first one left, with a hash that fits."""
        entries = self.house.collection("entries")
        row = await entries.find_one({"ref": f"refund:{self.first}:hold_settled"}, {"hash": 0})
        row |= {"_id": f"{row['_id']}X", "ref": ref, **fields}
        await entries.insert_one({**row, "hash": digest(row)})


@pytest.fixture
async def books(house: House) -> Books:
    ada, edith = await house.customer(), await house.admin()
    deposit = await paid(house, ada, 50_00)
    made = []
    for amount in (20_00, 10_00):
        made.append(await refunds_of(edith, deposit, amount))
        await reaches(house, ada, made[-1], "SUCCEEDED")
    await house.quiet()
    return Books(house, deposit["id"], *(refund["id"] for refund in made))


Crime = Callable[[Books], Awaitable[None]]
# Each with the subject of the violation that it is reported as.
CRIMES: dict[str, tuple[str, Crime]] = {
    "a reclaim is forgotten": ("{first}", lambda b: b.forget_reclaim(b.first)),
    "the last reclaim is forgotten": ("{second}", lambda b: b.forget_reclaim(b.second)),
    "a reclaim counts twice": ("{first}", lambda b: b.reclaim(b.first, 20_00)),
    "a reclaim of no refund": ("{deposit}", lambda b: b.reclaim("rfd_none", 5_00)),
    "a reclaim of another deposit's": (
        "{first}",
        lambda b: b.change("refunds", b.first, {"$set": {"deposit": "dep_none"}}),
    ),
    "an entry is forgotten": (
        "refund:{first}:hold_settled",
        lambda b: b.forget_entry(f"refund:{b.first}:hold_settled"),
    ),
    "an entry that its refund does not tell of": (
        "refund:{first}:returned",
        lambda b: b.forge_entry(f"refund:{b.first}:returned"),
    ),
    "an entry of no refund": (
        "refund:rfd_none:hold_settled",
        lambda b: b.forge_entry("refund:rfd_none:hold_settled", operation="rfd_none"),
    ),
    "it took more than is booked": (
        "refund:{first}:reserved",
        lambda b: b.change("refunds", b.first, {"$set": {"amount": 21_00}}),
    ),
    "it is said to have failed": (
        "{first}",
        lambda b: b.change("refunds", b.first, {"$set": {"status": "FAILED"}}),
    ),
    "it is said to be on its way": (
        "{first}",
        lambda b: b.change("refunds", b.first, {"$set": {"status": "PENDING", "sent": None}}),
    ),
}


@pytest.mark.parametrize("crime", CRIMES)
async def test_what_was_tampered_with_is_found_and_named(books: Books, crime: str) -> None:
    assert await books.house.ledger_is_sound()
    subject, commit = CRIMES[crime]
    await commit(books)
    named = subject.format(deposit=books.deposit, first=books.first, second=books.second)
    violations = [(one.invariant, one.subject) for one in (await books.house.report()).violations]
    assert any(broken == SIX and whose.startswith(named) for broken, whose in violations), violations
