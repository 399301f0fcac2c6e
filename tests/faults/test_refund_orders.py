"""What is told of refunds late, twice, or of two at once: no word takes back a fact, or makes one."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from domain import gateway, ledger, refunds
from domain.kernel.database import Tx
from domain.kernel.money import Money
from domain.kernel.operations import Actor
from domain.ledger import Account, NewEntry, Platform, PlatformKind, Posting
from domain.refunds import sending
from tests.house import House, Person
from tests.house.refunds import REFUNDS, at_stripe, go_on, paid, present, refunds_of, stored, work
from tests.house.withdrawals import money

SECOND = timedelta(seconds=1)


@pytest.fixture
async def ada(house: House) -> Person:
    return await house.customer()


@pytest.fixture
async def edith(house: House) -> Person:
    return await house.admin()


@pytest.fixture
async def deposit(house: House, ada: Person) -> dict[str, Any]:
    """50.00 that were paid; of what follows Stripe tells nothing."""
    deposit = await paid(house, ada, 50_00)
    await house.caught_up()
    await house.stripe.webhooks(drop=1)
    return deposit


@pytest.fixture
async def idle(house: House, deposit: dict[str, Any]) -> AsyncIterator[House]:
    """Without a worker: the test does what is due."""
    async with house.worker_away():
        yield house


def word(refund: dict[str, Any], deposit: dict[str, Any], status: str, **fields: Any) -> gateway.Refund:
    """What Stripe says, or said, of the refund that it was asked for."""
    told = {
        "id": "re_1",
        "status": status,
        "amount": Money(20_00, "USD"),
        "payment_intent": deposit["intent"],
        "moved": True,
        "failure_reason": None,
        "metadata": {"refund_id": refund["id"]},
    }
    return gateway.Refund(**(told | fields))


async def test_a_failure_is_believed_whatever_was_known_later(
    idle: House, ada: Person, edith: Person, deposit: dict[str, Any]
) -> None:
    """Of two processes, one has a clock that runs ahead: what it has seen does not undo what failed since."""
    refund = await refunds_of(edith, deposit, 20_00)
    await work(idle)
    [made] = await at_stripe(idle)
    ahead = idle.clock() + 2 * SECOND
    await idle.stripe.control(f"/refunds/{made['id']}", {"outcome": "failed"})
    runtime, told = idle.runtime, await idle.runtime.gateway.refund(made["id"])
    await idle.collection("refunds").update_one({"_id": refund["id"]}, {"$set": {"observed_at": ahead}})
    for _ in range(2):
        await sending.record(runtime, refund["id"], told, observed_at=idle.clock(), actor=Actor.WEBHOOK)
    assert (await stored(idle, refund))["status"] == "FAILED"
    assert await money(idle, ada) == (50_00, 0)
    await idle.chore("treasury")
    assert await idle.ledger_is_sound(asking_stripe=True)


async def test_an_old_answer_does_not_make_again_what_stripe_gave_up(
    idle: House, ada: Person, edith: Person, deposit: dict[str, Any]
) -> None:
    """It was made, and given up before any money moved; then our own answer comes, of the moment before."""
    refund = await refunds_of(edith, deposit, 20_00)
    asked = idle.runtime.gateway.create_refund

    async def overtaken(*_args: Any, **_named: Any) -> gateway.Refund:
        idle.clock.advance(seconds=1)
        given_up = word(refund, deposit, "failed", moved=False)
        await sending.record(
            idle.runtime, refund["id"], given_up, observed_at=idle.clock(), actor=Actor.WEBHOOK
        )
        return word(refund, deposit, "pending", moved=False)

    idle.runtime.gateway.create_refund = overtaken  # type: ignore[method-assign]
    try:
        await work(idle)
    finally:
        idle.runtime.gateway.create_refund = asked  # type: ignore[method-assign]
    row = await stored(idle, refund)
    assert (row["status"], row["sent"]) == ("FAILED", None)
    assert await money(idle, ada) == (50_00, 0)
    assert await idle.ledger_is_sound(asking_stripe=True)


async def test_of_two_that_name_the_same_wish_each_is_one_of_its_own(
    idle: House, ada: Person, edith: Person, deposit: dict[str, Any]
) -> None:
    """Somebody made one by hand with our id, which was booked first; what we asked for then fails."""
    refund = await refunds_of(edith, deposit, 20_00)
    now, runtime = idle.clock(), idle.runtime
    by_hand = word(refund, deposit, "succeeded", id="re_by_hand")
    await sending.record(runtime, refund["id"], by_hand, observed_at=now, actor=Actor.WEBHOOK)
    ours = word(refund, deposit, "failed", id="re_ours")
    await sending.record(runtime, refund["id"], ours, observed_at=now, actor=Actor.WORKER)
    rows = await idle.collection("refunds").find({}).sort("_id", 1).to_list()
    assert [(row["origin"], row["status"], row["sent"]["id"]) for row in rows] == [
        ("PRODUCT", "SUCCEEDED", "re_by_hand"),
        ("STRIPE", "FAILED", "re_ours"),
    ]
    assert await money(idle, ada) == (30_00, 0)


async def test_what_somebody_refunded_by_hand_meanwhile_is_not_waited_for(
    idle: House, ada: Person, edith: Person, deposit: dict[str, Any]
) -> None:
    """The debt that this makes is what our own refund holds: it would freeze the wallet for ever."""
    refund = await refunds_of(edith, deposit, 40_00)
    made = await idle.stripe.request("POST", REFUNDS, {"payment_intent": deposit["intent"]})
    await refunds.booking_of_refund(idle.runtime, made["id"])
    assert await money(idle, ada) == (-40_00, 40_00)
    await work(idle)
    called_off = await present(ada, refund)
    assert called_off["status"] == "CANCELED"
    assert await money(idle, ada) == (0, 0)
    row = await idle.collection("wallets").find_one({"owner": ada.id})
    assert row["freezes"] == []
    await idle.chore("treasury")
    assert await idle.ledger_is_sound(asking_stripe=True)


async def test_one_of_another_amount_is_not_what_was_asked_for(
    idle: House, ada: Person, edith: Person, deposit: dict[str, Any]
) -> None:
    """The answer was lost, and the key is too old by now; in Stripe's list one bears our id."""
    refund = await refunds_of(edith, deposit, 20_00)
    await idle.stripe.fault("POST", REFUNDS, "reset_before_commit")
    await work(idle)
    by_hand = {"payment_intent": deposit["intent"], "metadata[refund_id]": refund["id"], "amount": "500"}
    await idle.stripe.request("POST", REFUNDS, by_hand)
    await idle.time_passes(hours=23, minutes=30)
    await work(idle)
    while (await stored(idle, refund))["status"] in {"UNCONFIRMED", "RETRYING"}:
        await go_on(idle, refund)
    await idle.chore("treasury")
    rows = await idle.collection("refunds").find({}).sort("_id", 1).to_list()
    assert [(row["origin"], row["status"], row["amount"]) for row in rows] == [
        ("PRODUCT", "SUCCEEDED", 20_00),
        ("STRIPE", "SUCCEEDED", 5_00),
    ]
    assert await money(idle, ada) == (25_00, 0)
    assert await idle.ledger_is_sound(asking_stripe=True)


async def test_a_fee_that_was_read_with_it_is_not_its_coming_back(
    idle: House, ada: Person, deposit: dict[str, Any]
) -> None:
    """Stripe's balance was read before anybody knew whose it is, and some of the fee came back with it."""
    by_hand = {"payment_intent": deposit["intent"], "amount": "2000"}
    made = await idle.stripe.request("POST", REFUNDS, by_hand)
    names = (Platform.STRIPE, Platform.STRIPE_FEES, Platform.UNEXPLAINED)
    stripe, fees, unexplained = map(Account.platform, names)
    steps = [
        ("amount", PlatformKind.UNEXPLAINED, Posting(unexplained, stripe, 20_00)),
        ("fee", PlatformKind.STRIPE_FEE, Posting(stripe, fees, 59)),
    ]

    async def read(tx: Tx) -> None:
        for step, kind, posting in steps:
            await ledger.post(
                tx,
                NewEntry(
                    ref=f"stripe:txn_1:{step}",
                    kind=kind,
                    currency="USD",
                    postings=[posting],
                    operation=made["id"],
                    actor="worker",
                ),
            )

    await idle.runtime.database.transact(read)
    await refunds.booking_of_refund(idle.runtime, made["id"])
    await idle.stripe.control(f"/refunds/{made['id']}", {"outcome": "failed"})
    booking = await refunds.booking_of_return(idle.runtime, made["id"])
    assert booking is not None
    entries = await ledger.entries_of(booking.refund)
    ways = [(posting.source, posting.destination) for entry in entries for posting in entry.postings]
    purse = str(Account.available((await stored(idle, {"id": booking.refund}))["wallet"]))
    assert ways == [(purse, str(unexplained)), (str(stripe), purse)]
    # Nobody has read the movement itself: it is made up.
    told = {one.subject for one in (await idle.report()).violations}
    assert told == {"stripe:txn_1:amount", "stripe:txn_1:fee"}
