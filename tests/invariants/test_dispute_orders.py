"""What happened to a dispute is told in every order, each word of it twice: the books are the same."""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from domain import dispatch, ledger
from domain.deposits import Deposit, DepositStatus
from domain.disputes import upkeep
from domain.disputes.facts import Told
from domain.gateway import Dispute
from domain.kernel.database import Tx
from domain.kernel.ids import new_id
from domain.kernel.operations import Actor, IdempotencyKey, StatusChange
from domain.ledger import Account, Kind, NewEntry, Platform, Posting
from tests.house import House, Person
from tests.house.disputes import causes, complain, decide, learn, stored
from tests.house.refunds import paid
from tests.house.treasury import cards_settle

PAID = 50_00
LANES = 8
STEP = timedelta(seconds=1)
# Each with what the bank does after the dispute has begun, and whether it begins as an inquiry.
LIVES = {
    "won": (["won"], False),
    "lost": (["lost"], False),
    "an inquiry that became a dispute and was won": (["under_review", "needs_response", "won"], True),
    "an inquiry that came to nothing": (["under_review", "warning_closed"], True),
}


@dataclass(frozen=True)
class Picture:
    """What Stripe showed at an instant."""

    dispute: Dispute
    observed_at: datetime


async def life_of(house: House, person: Person, outcomes: Sequence[str], *, inquiry: bool) -> list[Picture]:
    """A dispute at Stripe, with a picture of each of its moments; nobody here hears of it."""
    deposit = await paid(house, person, PAID)
    await house.quiet()
    await house.stripe.webhooks(drop=1)
    dispute = await complain(house, deposit, inquiry=inquiry)
    now = house.clock()
    pictures = [Picture(await house.runtime.gateway.dispute(dispute["id"]), now)]
    if not inquiry:
        # As `charge.dispute.created` shows it: the money is about to be taken.
        [taken] = pictures
        pictures = [replace(taken, dispute=replace(taken.dispute, movements=())), replace(taken)]
    for outcome in outcomes:
        await decide(house, {"stripe_id": dispute["id"]}, outcome)
        pictures.append(Picture(await house.runtime.gateway.dispute(dispute["id"]), now))
    last = pictures[-1]
    if last.dispute.status == "won":
        # Closed, before the money is back.
        first = replace(last, dispute=replace(last.dispute, movements=last.dispute.movements[:1]))
        pictures.insert(-1, first)
    return [replace(picture, observed_at=now + n * STEP) for n, picture in enumerate(pictures)]


async def another_deposit(house: House) -> Deposit:
    """Paid, and in the wallet of somebody new, as far as the books say."""
    now, owner = house.clock(), new_id("usr")
    wallet = (await ledger.open_wallet(owner, "USD")).id
    deposit = Deposit(
        id=new_id("dep"),
        owner=owner,
        wallet=wallet,
        amount=PAID,
        currency="USD",
        received=PAID,
        status=DepositStatus.SUCCEEDED,
        history=[StatusChange(status="SUCCEEDED", at=now, actor=Actor.WEBHOOK)],
        idempotency=IdempotencyKey.of(actor=owner, mutation="test", key=new_id("key"), fields={}),
        payment_intent_id=new_id("pi"),
        created_at=now,
        updated_at=now,
    )
    step = Posting(Account.platform(Platform.STRIPE), Account.available(wallet), PAID)
    entry = NewEntry(
        ref=f"deposit:{deposit.id}:succeeded",
        kind=Kind.DEPOSIT,
        currency="USD",
        postings=[step],
        operation=deposit.id,
        actor="webhook",
    )

    async def work(tx: Tx) -> None:
        await deposit.insert(session=tx.session)
        await ledger.post(tx, entry)

    await house.runtime.database.transact(work)
    return deposit


def of_another(picture: Picture, deposit: Deposit, mark: str) -> Told:
    """The same picture, of a dispute about another deposit."""
    dispute = replace(
        picture.dispute,
        id=f"{picture.dispute.id}{mark}",
        payment_intent=deposit.payment_intent_id,
        movements=tuple(replace(one, id=f"{one.id}{mark}") for one in picture.dispute.movements),
    )
    return Told(dispute, deposit.id, picture.observed_at)


async def books(house: House, deposit: Deposit, mark: str) -> dict[str, Any]:
    """All that must not depend on the order, without the ids of this one telling."""
    row = await house.collection("disputes").find_one({"deposit": deposit.id})
    reclaims = (await house.collection("deposits").find_one({"_id": deposit.id}))["reclaims"]
    wallet = await house.collection("wallets").find_one({"_id": deposit.wallet})
    lines = await house.collection("statement_lines").find({"_id.w": deposit.wallet}).sort("_id", 1).to_list()
    entries = await house.collection("entries").find({"operation": row["_id"]}).sort("ref", 1).to_list()
    return {
        "status": row["status"],
        "movements": [
            (one["id"].removesuffix(mark), one["amount"], one["recovered"]) for one in row["movements"]
        ],
        "entries": [
            (
                entry["ref"].removesuffix(mark).replace(row["_id"], "dispute"),
                entry["kind"],
                [
                    (
                        step["source"].replace(wallet["_id"], ""),
                        step["destination"].replace(wallet["_id"], ""),
                        step["amount"],
                    )
                    for step in entry["postings"]
                ],
            )
            for entry in entries
        ],
        "reclaims": [(one["amount"], one["blocks"]) for one in reclaims],
        "lines": [(line["kind"], line["available_delta"], line["available_after"]) for line in lines],
        "available": wallet["available"],
        "frozen": bool(wallet["freezes"]),
        "due": row["next_attempt_at"] is not None,
    }


@pytest.mark.parametrize("life", LIVES)
async def test_in_every_order_and_twice_the_books_are_the_same(house: House, life: str) -> None:
    """A picture may be of any moment, and be written down at any other: its instant tells what is newer."""
    outcomes, inquiry = LIVES[life]
    pictures = await life_of(house, await house.customer(), outcomes, inquiry=inquiry)
    orders = list(itertools.permutations(pictures))
    numbers = iter(range(len(orders)))
    seen = {}

    async def tell_some() -> None:
        for number in numbers:
            order = orders[number]
            deposit = await another_deposit(house)
            # Each once more, just then, and the first again when all is told.
            for picture in [*itertools.chain.from_iterable(zip(order, order, strict=True)), order[0]]:
                await upkeep.record(house.runtime, of_another(picture, deposit, f"_{number}"))
            seen[number] = await books(house, deposit, f"_{number}")

    async with house.worker_away():
        await asyncio.gather(*(tell_some() for _ in range(LANES)))
    assert len(seen) == len(orders)
    assert [number for number, one in seen.items() if one != seen[0]] == []
    assert (seen[0]["status"], seen[0]["frozen"], seen[0]["due"]) == (outcomes[-1].upper(), False, False)
    assert await house.ledger_is_sound()


async def test_all_at_once_the_books_are_the_same(house: House) -> None:
    """Two workers, and more: each picture in the hands of two."""
    ada = await house.customer()
    pictures = await life_of(house, ada, ["under_review", "won"], inquiry=False)
    deposit = await another_deposit(house)
    await asyncio.gather(
        *(upkeep.record(house.runtime, of_another(picture, deposit, "_0")) for picture in pictures * 2)
    )
    found = await books(house, deposit, "_0")
    assert (found["status"], [one[1] for one in found["movements"]]) == ("WON", [-PAID, PAID])
    assert (found["available"], found["frozen"]) == (PAID, False)
    assert await house.ledger_is_sound()


async def test_an_old_event_finds_the_dispute_in_any_of_its_states(house: House) -> None:
    """`charge.dispute.created` comes again and again, while life goes on: nothing but the newest counts."""
    ada = await house.customer()
    deposit = await paid(house, ada, PAID)
    await house.quiet()
    await house.stripe.webhooks(drop=1)
    dispute = await complain(house, deposit, inquiry=True)
    [created] = [
        one for one in await house.stripe.objects("event") if one["type"] == "charge.dispute.created"
    ]
    moments = [
        (None, "WARNING_NEEDS_RESPONSE", PAID),
        ("under_review", "WARNING_UNDER_REVIEW", PAID),
        ("needs_response", "NEEDS_RESPONSE", 0),
        ("under_review", "UNDER_REVIEW", 0),
        ("won", "WON", PAID),
    ]
    for number, (outcome, status, available) in enumerate(moments):
        if outcome is not None:
            await decide(house, {"stripe_id": dispute["id"]}, outcome)
        for copy in range(2):
            event_id = f"{created['id']}{number}{copy}"
            await house.deliver(created | {"id": event_id})
            await dispatch.handle(house.runtime, event_id)
        await house.quiet()
        row = await stored(house, dispute["id"])
        assert (row["status"], await ada.available()) == (status, available)
        assert (await causes(ada) == []) is (status == "WON")
    await cards_settle(house)
    await house.chore("treasury")
    assert await house.ledger_is_sound(asking_stripe=True)


@pytest.mark.parametrize("order", list(itertools.permutations(["event", "sweep", "treasury"])))
async def test_whoever_is_first_books_it_and_the_others_nothing(house: House, order: Sequence[str]) -> None:
    ada = await house.customer()
    deposit = await paid(house, ada, PAID)
    await cards_settle(house)
    await house.quiet()
    await house.stripe.webhooks(drop=1)
    dispute = await complain(house, deposit)
    events = [one for one in await house.stripe.objects("event") if "dispute" in one["type"]]
    async with house.worker_away():
        for reader in order:
            if reader == "event":
                for event in events:
                    await house.deliver(event)
                    await dispatch.handle(house.runtime, event["id"])
            elif reader == "sweep":
                await learn(house, dispute)
            else:
                await house.chore("treasury")
    row = await stored(house, dispute["id"])
    refs = await house.collection("entries").distinct("ref", {"operation": row["_id"]})
    [movement] = dispute["balance_transactions"]
    assert refs == [f"dispute:{row['_id']}:{movement['id']}", f"stripe:{movement['id']}:fee"]
    assert await ada.available() == 0
    assert await house.ledger_is_sound(asking_stripe=True)
