"""From Stripe to the bank, and back: payouts that cover withdrawals, and transfers that are reversed."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from domain import treasury
from tests.house import House, Person
from tests.house.treasury import alerts

AMOUNT = 20_00


async def sent(house: House, *, usd: int = 50_00, amount: int = AMOUNT) -> tuple[Person, dict[str, Any]]:
    """A contractor with `usd` cents, and a withdrawal of `amount` that is in their Stripe account."""
    grace = await house.funded(await house.onboarded(), usd=usd)
    withdrawal = await grace.withdraws(usd=amount)
    return grace, await house.withdrawal_reaches(grace, withdrawal, "IN_TRANSIT")


async def pay_out(house: House, person: Person) -> str:
    """The automatic payout of the person's account is made; its id."""
    made = await house.stripe.control(f"/accounts/{await house.acct(person)}/payout")
    [payout] = made["payouts"]
    return str(payout["id"])


async def bank_says(house: House, payout: str, outcome: str, **more: str) -> None:
    await house.stripe.control(f"/payouts/{payout}", {"outcome": outcome, **more})


async def reverse(house: House, withdrawal: dict[str, Any], amount: int | None = None) -> dict[str, Any]:
    data = {} if amount is None else {"amount": str(amount)}
    return await house.stripe.request("POST", f"/v1/transfers/{withdrawal['transferId']}/reversals", data)


async def tell(house: House, event_type: str) -> None:
    """Deliver the newest event of that type, which was dropped, and wait until it is handled."""
    newest = [event for event in await house.stripe.objects("event") if event["type"] == event_type][-1]
    await house.stripe.control(f"/events/{newest['id']}/redeliver")
    await house.until(lambda: house.count("webhook_events", type=event_type, status="PROCESSED"))


async def transfer_by_hand(house: House, withdrawal: dict[str, Any], **more: str) -> dict[str, Any]:
    """A transfer that we did not ask for, and that says it is for the withdrawal."""
    document = await house.collection("withdrawals").find_one({"_id": withdrawal["id"]})
    account = await house.collection("connect_accounts").find_one({"owner": document["owner"]})
    data = {
        "amount": str(document["amount"]),
        "currency": "usd",
        "destination": account["stripe_id"],
        "metadata[withdrawal_id]": withdrawal["id"],
        **more,
    }
    return await house.stripe.request("POST", "/v1/transfers", data)


async def is_sound(house: House) -> bool:
    """The books, Stripe's balance read and held against them."""
    await house.caught_up()
    await treasury.read_balance_transactions(house.runtime)
    return await house.ledger_is_sound(asking_stripe=True)


# ------------------------------------------------------------------ payouts


async def test_it_is_paid_when_the_payout_that_covers_it_is(house: House) -> None:
    grace, withdrawal = await sent(house)
    payout = await pay_out(house, grace)
    await bank_says(house, payout, "paid")
    paid = await house.withdrawal_reaches(grace, withdrawal, "PAID")
    assert [change["status"] for change in paid["history"]] == ["PENDING", "PROCESSING", "IN_TRANSIT", "PAID"]
    assert (paid["waitingFor"], paid["nextAttemptAt"]) == (None, None)
    assert paid["estimatedArrival"] is not None
    assert (await grace.available(), await grace.held()) == (30_00, 0)
    assert await is_sound(house)


async def test_one_payout_covers_several_withdrawals(house: House) -> None:
    grace, first = await sent(house)
    second = await house.withdrawal_reaches(grace, await grace.withdraws(usd=15_00), "IN_TRANSIT")
    await bank_says(house, await pay_out(house, grace), "paid")
    for withdrawal in (first, second):
        await house.withdrawal_reaches(grace, withdrawal, "PAID")


async def test_a_payout_covers_nobody_elses(house: House) -> None:
    grace, hers = await sent(house)
    linus = await house.funded(await house.onboarded("linus"), usd=50_00)
    his = await house.withdrawal_reaches(linus, await linus.withdraws(usd=AMOUNT), "IN_TRANSIT")
    await bank_says(house, await pay_out(house, grace), "paid")
    await house.withdrawal_reaches(grace, hers, "PAID")
    await house.caught_up()
    assert (await linus.withdrawal(his["id"]))["status"] == "IN_TRANSIT"


async def test_the_bank_says_no_and_the_money_is_at_stripe(house: House) -> None:
    grace, withdrawal = await sent(house)
    payout = await pay_out(house, grace)
    await bank_says(house, payout, "failed", failure_code="account_closed")
    failed = await house.withdrawal_reaches(grace, withdrawal, "PAYOUT_FAILED")
    assert failed["failure"]["code"] == "account_closed"
    assert failed["waitingFor"]["code"] == "PAYOUT_FAILED"
    # Not ours any more: it comes back by a reversal, or goes out again.
    assert (await grace.available(), await grace.held()) == (30_00, 0)
    assert await is_sound(house)


async def test_what_was_paid_may_fail_days_later_and_be_paid_again(house: House) -> None:
    grace, withdrawal = await sent(house)
    first = await pay_out(house, grace)
    await bank_says(house, first, "paid")
    await house.withdrawal_reaches(grace, withdrawal, "PAID")
    await bank_says(house, first, "failed", failure_code="no_account")
    failed = await house.withdrawal_reaches(grace, withdrawal, "PAYOUT_FAILED")
    assert failed["nextAttemptAt"] is None

    await house.onboard(grace, "active")
    second = await pay_out(house, grace)
    await bank_says(house, second, "paid")
    paid = await house.withdrawal_reaches(grace, withdrawal, "PAID")
    assert (paid["failure"], paid["waitingFor"]) == (None, None)
    # What the first payout's events say now is old news.
    await house.stripe.redeliver_last(times=3)
    await house.caught_up()
    assert (await grace.withdrawal(withdrawal["id"]))["status"] == "PAID"
    assert await is_sound(house)


async def events_of(house: House, account: str, prefix: str) -> list[dict[str, Any]]:
    listed = [event for event in await house.stripe.objects("event") if event.get("account") == account]
    return [event for event in listed if event["type"].startswith(prefix)]


async def test_the_order_of_the_events_is_nothing(house: House) -> None:
    grace, withdrawal = await sent(house)
    await house.stripe.webhooks(drop=1.0)
    payout = await pay_out(house, grace)
    await bank_says(house, payout, "paid")
    events = await events_of(house, await house.acct(grace), "payout.")
    assert {event["type"] for event in events} >= {
        "payout.created",
        "payout.paid",
        "payout.reconciliation_completed",
    }
    await house.stripe.webhooks()
    histories = set()
    for order in list(permutations(events))[:12]:
        await forget_the_payout(house, withdrawal)
        for event in order:
            await house.stripe.control(f"/events/{event['id']}/redeliver")
            await house.caught_up()
        present = await grace.withdrawal(withdrawal["id"])
        histories.add((present["status"], present["estimatedArrival"]))
    assert len(histories) == 1
    assert histories.pop()[0] == "PAID"


async def forget_the_payout(house: House, withdrawal: dict[str, Any]) -> None:
    """As if none of its events had come yet."""
    document = await house.collection("withdrawals").find_one({"_id": withdrawal["id"]})
    history = [change for change in document["history"] if change["status"] != "PAID"]
    as_before = {"payouts": [], "status": "IN_TRANSIT", "history": history}
    await house.collection("withdrawals").update_one({"_id": withdrawal["id"]}, {"$set": as_before})
    await house.collection("webhook_events").delete_many({"type": {"$regex": "^payout"}})


async def test_the_sweep_reads_what_no_event_told(house: House) -> None:
    grace, withdrawal = await sent(house)
    await house.stripe.webhooks(drop=1.0)
    payout = await pay_out(house, grace)
    await bank_says(house, payout, "failed", failure_code="account_closed")
    await house.onboard(grace, "active")
    await bank_says(house, await pay_out(house, grace), "paid")
    house.clock.advance(hours=1, seconds=1)
    await grace.refresh()
    await house.sweep()
    paid = await house.withdrawal_reaches(grace, withdrawal, "PAID")
    assert [change["status"] for change in paid["history"]][-3:] == ["IN_TRANSIT", "PAYOUT_FAILED", "PAID"]
    assert {change["actor"] for change in paid["history"][-2:]} == {"worker"}


async def test_ten_days_without_a_payout_are_told(house: House) -> None:
    grace, withdrawal = await sent(house)
    before = alerts("PAYOUT_NOT_LINKED")
    for days in (9, 1, 1):
        house.clock.advance(days=days, hours=1)
        await house.sweep()
    await grace.refresh()
    present = await grace.withdrawal(withdrawal["id"])
    assert (present["status"], present["waitingFor"]["code"]) == ("IN_TRANSIT", "PAYOUT_NOT_LINKED")
    assert alerts("PAYOUT_NOT_LINKED") == before + 1
    [finding] = await house.collection("findings").find({"kind": "PAYOUT_NOT_LINKED"}).to_list()
    assert finding["object_id"] == withdrawal["transferId"]
    # A payout that comes all the same is linked all the same.
    await bank_says(house, await pay_out(house, grace), "paid")
    await house.withdrawal_reaches(grace, withdrawal, "PAID")


# ------------------------------------------------------------------ reversals


async def test_what_is_reversed_comes_back(house: House) -> None:
    grace, withdrawal = await sent(house)
    await reverse(house, withdrawal)
    back = await house.withdrawal_reaches(grace, withdrawal, "REVERSED")
    assert back["reversed"]["amount"] == AMOUNT
    assert (await grace.available(), await grace.held()) == (50_00, 0)
    assert await is_sound(house)


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "told of all at once"])
async def test_it_may_come_back_in_parts(house: House, together: bool) -> None:
    grace, withdrawal = await sent(house)
    if together:
        await house.stripe.webhooks(drop=1.0)
    for amount in (5_00, 7_00):
        await reverse(house, withdrawal, amount)
        if not together:
            await house.caught_up()
    await house.stripe.webhooks()
    await tell(house, "transfer.reversed")
    partly = await grace.withdrawal(withdrawal["id"])
    assert (partly["status"], partly["reversed"]["amount"]) == ("IN_TRANSIT", 12_00)
    assert await grace.available() == 42_00
    await reverse(house, withdrawal)
    await house.withdrawal_reaches(grace, withdrawal, "REVERSED")
    reversals = house.collection("entries").find({"kind": "WITHDRAWAL_REVERSED"})
    cumulative = {int(entry["ref"].rpartition(":")[2]) async for entry in reversals}
    assert cumulative == {5_00, 12_00, 20_00}
    assert await is_sound(house)


async def test_a_repeated_reversal_brings_nothing_more(house: House) -> None:
    grace, withdrawal = await sent(house)
    await reverse(house, withdrawal, 5_00)
    await house.caught_up()
    await house.stripe.redeliver_last(times=5)
    await house.caught_up()
    assert await grace.available() == 35_00


async def test_what_was_paid_may_be_reversed(house: House) -> None:
    grace, withdrawal = await sent(house, amount=10_00)
    await house.withdrawal_reaches(grace, await grace.withdraws(usd=10_00), "IN_TRANSIT")
    await bank_says(house, await pay_out(house, grace), "paid")
    await house.withdrawal_reaches(grace, withdrawal, "PAID")
    # The account has other money by now, of which Stripe can take it back.
    await house.withdrawal_reaches(grace, await grace.withdraws(usd=10_00), "IN_TRANSIT")
    await reverse(house, withdrawal)
    await house.withdrawal_reaches(grace, withdrawal, "REVERSED")
    assert await grace.available() == 30_00
    assert await is_sound(house)


# ------------------------------------------------------------------ found sent


Ending = Callable[[House, Person, dict[str, Any]], Awaitable[object]]


async def test_what_was_given_back_turns_out_to_be_sent(house: House) -> None:
    grace = await house.funded(await house.onboarded(), usd=50_00)
    before = alerts("TRANSFER_FOUND_SENT")
    async with house.worker_away():
        withdrawal = await grace.withdraws(usd=AMOUNT)
        await grace.cancel_withdrawal(withdrawal)
    await transfer_by_hand(house, withdrawal)
    found = await house.withdrawal_reaches(grace, withdrawal, "IN_TRANSIT")
    assert [change["status"] for change in found["history"]] == ["PENDING", "CANCELED", "IN_TRANSIT"]
    assert alerts("TRANSFER_FOUND_SENT") == before + 1
    assert (await grace.available(), await grace.held()) == (30_00, 0)
    assert await is_sound(house)
    await reverse(house, found)
    await house.withdrawal_reaches(grace, withdrawal, "REVERSED")
    assert await grace.available() == 50_00
    assert await is_sound(house)


async def test_what_was_given_back_and_spent_becomes_a_debt(house: House) -> None:
    grace = await house.funded(await house.onboarded(), usd=AMOUNT)
    async with house.worker_away():
        withdrawal = await grace.withdraws(usd=AMOUNT)
        await grace.cancel_withdrawal(withdrawal)
    again = await house.withdrawal_reaches(grace, await grace.withdraws(usd=AMOUNT), "IN_TRANSIT")
    await transfer_by_hand(house, withdrawal)
    await house.withdrawal_reaches(grace, withdrawal, "IN_TRANSIT")
    assert await grace.available() == -AMOUNT
    assert await grace.blockers(AMOUNT) == ["INSUFFICIENT_FUNDS", "WALLET_FROZEN"]
    assert (await grace.withdrawal(again["id"]))["status"] == "IN_TRANSIT"
    assert await is_sound(house)


async def test_a_second_transfer_leaves_the_state(house: House) -> None:
    grace, withdrawal = await sent(house)
    before = alerts("TRANSFER_FOUND_SENT")
    second = await transfer_by_hand(house, withdrawal)
    await house.caught_up()
    present = await grace.withdrawal(withdrawal["id"])
    assert (present["status"], present["transferId"]) == ("IN_TRANSIT", withdrawal["transferId"])
    assert alerts("TRANSFER_FOUND_SENT") == before + 1
    assert await grace.available() == 10_00
    # Both must have come back before it is reversed.
    await reverse(house, withdrawal)
    await house.caught_up()
    assert (await grace.withdrawal(withdrawal["id"]))["status"] == "IN_TRANSIT"
    await reverse(house, {"transferId": second["id"]})
    await house.withdrawal_reaches(grace, withdrawal, "REVERSED")
    assert await grace.available() == 50_00
    assert await is_sound(house)


async def test_another_amount_settles_no_hold(house: House) -> None:
    grace = await house.funded(await house.onboarded(), usd=50_00)
    async with house.worker_away():
        withdrawal = await grace.withdraws(usd=AMOUNT)
        await transfer_by_hand(house, withdrawal, amount="700")
    present = await house.withdrawal_reaches(grace, withdrawal, "IN_TRANSIT")
    await house.caught_up()
    assert (await grace.available(), await grace.held()) == (50_00 - AMOUNT - 7_00, 0)
    assert present["amount"]["amount"] == AMOUNT
    assert await is_sound(house)


async def test_a_transfer_stays_of_its_withdrawal_whatever_is_written_on_it_later(house: House) -> None:
    grace, first = await sent(house)
    second = await house.withdrawal_reaches(grace, await grace.withdraws(usd=AMOUNT), "IN_TRANSIT")
    key = f"/v1/transfers/{first['transferId']}"
    await house.stripe.request("POST", key, {"metadata[withdrawal_id]": second["id"]})
    await reverse(house, first)
    await house.withdrawal_reaches(grace, first, "REVERSED")
    await house.caught_up()
    assert not await house.count("webhook_events", status={"$ne": "PROCESSED"}, object_id=first["transferId"])
    assert (await grace.available(), await grace.held()) == (50_00 - AMOUNT, 0)
    assert await is_sound(house)


async def test_a_transfer_of_nobodys_is_found(house: House) -> None:
    grace, withdrawal = await sent(house)
    unmatched, unexplained = alerts("UNMATCHED_EVENT"), alerts("UNEXPLAINED_MOVEMENT")
    await transfer_by_hand(house, withdrawal, **{"metadata[withdrawal_id]": "", "amount": "300"})
    assert await is_sound(house)
    assert alerts("UNMATCHED_EVENT") == unmatched + 1
    assert alerts("UNEXPLAINED_MOVEMENT") == unexplained + 1
    assert await grace.available() == 30_00


# ------------------------------------------------------------------ Stripe's balance


async def test_the_balance_finds_what_no_event_told(house: House) -> None:
    """The reading of Stripe's balance is a way of its own: transfer and reversal are booked by it."""
    grace = await house.funded(await house.onboarded(), usd=50_00)
    async with house.worker_away():
        withdrawal = await grace.withdraws(usd=AMOUNT)
        await grace.cancel_withdrawal(withdrawal)
    await house.stripe.webhooks(drop=1.0)
    made = await transfer_by_hand(house, withdrawal)
    await reverse(house, {"transferId": made["id"]}, 5_00)
    assert await is_sound(house)
    present = await grace.withdrawal(withdrawal["id"])
    assert (present["status"], present["reversed"]["amount"]) == ("IN_TRANSIT", 5_00)
    assert await grace.available() == 50_00 - AMOUNT + 5_00
    outcomes = {row["outcome"] async for row in house.collection("movements").find({"type": "transfer"})}
    assert outcomes == {"MATCHED"}


async def test_what_was_booked_unexplained_moves_from_there(house: House) -> None:
    grace = await house.funded(await house.onboarded(), usd=50_00)
    async with house.worker_away():
        withdrawal = await grace.withdraws(usd=AMOUNT)
    await house.stripe.webhooks(drop=1.0)
    async with house.worker_away():
        made = await transfer_by_hand(house, withdrawal, **{"metadata[withdrawal_id]": ""})
        await treasury.read_balance_transactions(house.runtime)
    key = f"/v1/transfers/{made['id']}"
    await house.stripe.request("POST", key, {"metadata[withdrawal_id]": withdrawal["id"]})
    await house.stripe.webhooks()
    await tell(house, "transfer.updated")
    assert await house.collection("entries").count_documents({"operation": made["id"]}) == 1
    assert await is_sound(house)


async def test_days_later_nothing_is_missing(house: House) -> None:
    """Payouts by Stripe's own schedule, over nights, with nobody's help but the clock's."""
    grace, withdrawal = await sent(house)
    for _ in range(4):
        await house.time_passes(days=1)
    await grace.refresh()
    await house.withdrawal_reaches(grace, withdrawal, "PAID")
    assert house.clock.ahead >= timedelta(days=4)


async def test_a_payout_of_an_account_that_has_left_is_read_no_more(house: House) -> None:
    """Told of before its owner shut us out, and looked at after: Stripe would answer 403 for ever."""
    grace = await house.funded(await house.onboarded(), usd=50_00)
    withdrawal = await grace.withdraws(usd=20_00)
    await house.withdrawal_reaches(grace, withdrawal, "IN_TRANSIT")
    async with house.worker_away():
        await house.stripe.control(f"/accounts/{await house.acct(grace)}/payout")
        await house.onboard(grace, "deauthorized")
        await house.until(lambda: has_arrived(house))
    await house.quiet()
    assert await house.count("webhook_events", status="DEAD") == 0
    assert (await grace.withdrawal(withdrawal["id"]))["status"] == "IN_TRANSIT"


async def has_arrived(house: House) -> bool:
    return not await house.deliveries_due()
