"""Stripe fails where a dispute is read, or the reader dies: it is read again, and booked once."""

import asyncio
from dataclasses import replace

import pytest

from domain.disputes import facts, upkeep
from domain.gateway import GatewayConfig, StripeGateway
from domain.kernel.operations import Actor
from tests.faults.test_steps import killed_at, own_line_to_stripe
from tests.house import House
from tests.house.disputes import DISPUTES, causes, complain, learn, stored, told, write_off
from tests.house.refunds import paid
from tests.house.sandbox import SECRET_KEY
from tests.house.treasury import cards_settle

PAID = 50_00
INTENT = "/v1/payment_intents/*"
# A read is asked for three times.
TRIES = 3
FAULTS = [
    "error_500_before_commit",
    "error_503",
    "reset_before_commit",
    "truncate_after_commit",
    "rate_limit_429",
    "error_401",
]


async def is_booked_once(house: House, stripe_id: str) -> None:
    row = await stored(house, stripe_id)
    refs = await house.collection("entries").distinct("ref", {"operation": row["_id"]})
    [movement] = row["movements"]
    assert [ref for ref in refs if ref.startswith("dispute:")] == [f"dispute:{row['_id']}:{movement['id']}"]
    await house.stripe.control("/faults", method="DELETE")
    await cards_settle(house)
    await house.chore("treasury")
    assert await house.ledger_is_sound(asking_stripe=True)


@pytest.mark.parametrize(("fault", "path"), [*((fault, DISPUTES) for fault in FAULTS), ("error_503", INTENT)])
async def test_an_event_waits_until_stripe_answers(house: House, fault: str, path: str) -> None:
    ada = await house.customer()
    deposit = await paid(house, ada, PAID)
    await house.quiet()
    await house.stripe.fault("GET", path, fault, times=TRIES)
    dispute = await complain(house, deposit)
    await told(house, dispute)
    assert (await ada.available(), await causes(ada)) == (0, ["DISPUTE"])
    await is_booked_once(house, dispute["id"])


async def test_an_answer_that_never_comes_is_waited_for_the_next_time(house: House) -> None:
    ada = await house.customer()
    row = await learn(house, await complain(house, await paid(house, ada, PAID)))
    await house.quiet()
    await house.stripe.webhooks(drop=1)
    await house.stripe.control(f"/disputes/{row['stripe_id']}", {"outcome": "lost"})
    await house.stripe.fault("GET", DISPUTES, "timeout_before_commit", times=TRIES)
    config = GatewayConfig(
        secret_key=SECRET_KEY, api_base=house.sandbox.url, requests_per_second=1000, timeout_s=0.3
    )
    gateway = StripeGateway(config, cipher=house.runtime.cipher, now=house.clock)
    async with house.worker_away():
        await house.time_passes(hours=1)
        try:
            hurried = replace(house.runtime, gateway=gateway)
            due = await upkeep.claim_next(hurried)
            assert due is not None
            await upkeep.look_again(hurried, due)
        finally:
            await gateway.close()
        # Neither lost nor read at once.
        row = await stored(house, row["stripe_id"])
        assert (row["status"], row["next_attempt_at"] > house.clock()) == ("NEEDS_RESPONSE", True)
        await house.time_passes(minutes=2)
        await house.sweep()
    assert (await stored(house, row["stripe_id"]))["status"] == "LOST"
    await ada.refresh()
    assert await causes(ada) == []


@pytest.mark.parametrize(("fault", "times"), [("error_503", TRIES), ("error_401", 1)])
async def test_the_treasury_goes_on_where_it_could_not_ask(house: House, fault: str, times: int) -> None:
    """What it could not ask about is not called unexplained."""
    ada = await house.customer()
    deposit = await paid(house, ada, PAID)
    await house.quiet()
    await house.stripe.webhooks(drop=1)
    dispute = await complain(house, deposit)
    await cards_settle(house)
    await house.stripe.fault("GET", DISPUTES, fault, times=times)
    await house.chore("treasury")
    assert await house.count("movements", category="dispute") == 0
    await house.chore("treasury")
    assert await house.count("movements", category="dispute", outcome="MATCHED") == 1
    await is_booked_once(house, dispute["id"])


async def test_a_reader_that_dies_at_any_step_leaves_what_the_next_one_ends(house: House) -> None:
    ada = await house.customer()
    deposit = await paid(house, ada, PAID)
    await house.quiet()
    await house.stripe.webhooks(drop=1)
    dispute = await complain(house, deposit)

    async with house.worker_away(), own_line_to_stripe(house) as runtime:
        for step in range(1, 400, 7):

            async def read_and_record() -> None:
                told = await facts.read(runtime, dispute["id"], actor=Actor.WORKER)
                await upkeep.record(runtime, told)

            async with killed_at(step, read_and_record()) as died:
                await house.end_transactions()
                assert await house.ledger_is_sound()
            if not died:
                break
        else:
            raise AssertionError("it never came to its end")
    assert await ada.available() == 0
    await is_booked_once(house, dispute["id"])


async def test_writing_off_races_with_money_that_comes_back(house: House) -> None:
    """Whichever is first: neither the wallet nor the platform has a cent too many."""
    edith, ada = await house.admin(), await house.customer()
    grace = await house.contractor()
    for number in range(4):
        deposit = await paid(house, ada, PAID)
        await ada.hires(grace, usd=PAID * 20 // 21)
        row = await told(house, await complain(house, deposit))
        owed = -await ada.available()
        assert owed > 0
        await house.stripe.webhooks(drop=1)
        await house.stripe.control(f"/disputes/{row['stripe_id']}", {"outcome": "won"})
        await asyncio.gather(
            learn(house, {"id": row["stripe_id"]}),
            # Refused, where nothing is owed any more.
            *(write_off(edith, row) for _ in range(2)),
        )
        await house.stripe.webhooks()
        row = await stored(house, row["stripe_id"])
        written_off = (row["write_off"] or {"amount": 0})["amount"]
        assert written_off == sum(one["recovered"] for one in row["movements"]), number
        assert await ada.available() == PAID - owed
    assert await house.ledger_is_sound()
