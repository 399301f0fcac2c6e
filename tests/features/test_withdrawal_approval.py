"""Large withdrawals wait for an administrator, who is never their owner; and one word about each counts."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.identity import Role
from domain.withdrawals import reads
from tests.features.test_escrow_payments import given_roles
from tests.features.test_withdrawals import at_stripe, codes, fault, history, moved, status
from tests.house import House, Person

FUNDS = 5_000_00
# As the settings have it: WITHDRAWAL_APPROVAL_ABOVE.
ABOVE = 1_000_00
ROUNDS = 12


@pytest.fixture
async def grace(house: House) -> Person:
    """A contractor with 5,000 dollars, whose account is ready."""
    return await house.funded(await house.onboarded(), usd=FUNDS)


@pytest.fixture
async def edith(house: House) -> Person:
    return await house.admin("edith")


@pytest.fixture
async def quiet_house(house: House, grace: Person, edith: Person) -> AsyncIterator[House]:
    """Nothing is sent but by the test."""
    async with house.worker_away():
        yield house


async def large(person: Person, usd: int = ABOVE + 1) -> dict[str, Any]:
    """A withdrawal that waits for its approval."""
    withdrawal = await person.withdraws(usd=usd)
    assert withdrawal["status"] == "AWAITING_APPROVAL"
    return withdrawal


# ------------------------------------------------------------------ what must be approved


async def test_a_cent_above_waits_and_the_money_is_reserved(quiet_house: House, grace: Person) -> None:
    withdrawal = await large(grace)
    assert withdrawal["waitingFor"]["code"] == "APPROVAL"
    assert withdrawal["nextAttemptAt"] is None
    assert (await grace.available(), await grace.held()) == (FUNDS - ABOVE - 1, ABOVE + 1)
    await grace.cancel_withdrawal(withdrawal)
    assert (await grace.withdraws(usd=ABOVE))["status"] == "PENDING"
    assert await quiet_house.ledger_is_sound()


async def test_a_days_withdrawals_are_counted_together(quiet_house: House, grace: Person) -> None:
    first = await grace.withdraws(usd=600_00)
    second = await grace.withdraws(usd=400_00)
    assert first["status"] == second["status"] == "PENDING"
    third = await large(grace, 10_00)
    # What was given back does not count; what waits does, for it is to leave.
    await grace.cancel_withdrawal(first)
    assert (await grace.withdraws(usd=590_00))["status"] == "PENDING"
    await large(grace, 10_00)
    # What waits already is an administrator's to decide, whatever is given back meanwhile.
    assert (await grace.withdrawal(third["id"]))["status"] == "AWAITING_APPROVAL"


async def test_each_currency_and_each_person_by_itself(house: House, grace: Person) -> None:
    hopper = await house.funded(await house.onboarded("hopper"), usd=FUNDS)
    await house.funded(grace, eur=FUNDS)
    async with house.worker_away():
        assert status(await grace.request_withdrawal(ABOVE)) == "PENDING"
        assert status(await grace.request_withdrawal(ABOVE, currency="EUR")) == "PENDING"
        assert status(await grace.request_withdrawal(10_00, currency="EUR")) == "AWAITING_APPROVAL"
        assert status(await hopper.request_withdrawal(ABOVE)) == "PENDING"


async def test_after_a_day_nothing_is_counted_any_more(quiet_house: House, grace: Person) -> None:
    withdrawal = await grace.withdraws(usd=ABOVE)
    quiet_house.clock.advance(hours=23, minutes=59)
    await grace.refresh()
    waiting = await large(grace, 10_00)
    await grace.cancel_withdrawal(waiting)
    quiet_house.clock.advance(minutes=1)
    await grace.refresh()
    assert (await grace.withdraws(usd=ABOVE))["status"] == "PENDING"

    # To the millisecond: a day to the instant still counts.
    made_at = datetime.fromisoformat(withdrawal["createdAt"])
    assert reads.APPROVAL_WINDOW.total_seconds() == 24 * 3600
    for since, counted in ((made_at, 2 * ABOVE), (made_at + timedelta(milliseconds=1), ABOVE)):
        assert await reads.asked_for_since(None, grace.id, "USD", since) == counted


async def test_requests_that_race_are_counted_one_after_the_other(quiet_house: House, grace: Person) -> None:
    made = await asyncio.gather(*(grace.withdraws(usd=300_00) for _ in range(10)))
    assert Counter(one["status"] for one in made) == {"PENDING": 3, "AWAITING_APPROVAL": 7}
    assert (await grace.available(), await grace.held()) == (FUNDS - 3_000_00, 3_000_00)
    assert await quiet_house.ledger_is_sound()


# ------------------------------------------------------------------ decided


async def test_what_is_approved_is_sent(house: House, grace: Person, edith: Person) -> None:
    withdrawal = await large(grace)
    await house.sweep()
    assert await at_stripe(house) == 0
    approved = (await edith.approve_withdrawal(withdrawal, reason="called her"))["withdrawal"]
    assert history(approved)[:2] == [
        ("AWAITING_APPROVAL", "owner", None),
        ("PENDING", "admin", "called her"),
    ]
    await house.withdrawal_reaches(grace, withdrawal, "IN_TRANSIT")
    assert (await grace.held(), await at_stripe(house)) == (0, 1)
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_what_is_rejected_comes_back(quiet_house: House, grace: Person, edith: Person) -> None:
    withdrawal = await large(grace)
    rejected = (await edith.reject_withdrawal(withdrawal, reason="who is she?"))["withdrawal"]
    assert history(rejected)[1:] == [("REJECTED", "admin", "who is she?")]
    assert rejected["waitingFor"] is None
    assert (await grace.available(), await grace.held()) == (FUNDS, 0)
    await quiet_house.sweep()
    assert await at_stripe(quiet_house) == 0
    # What was given back does not count.
    assert (await grace.withdraws(usd=ABOVE))["status"] == "PENDING"
    assert await quiet_house.ledger_is_sound()


async def test_again_is_no_change_and_another_word_is_too_late(
    quiet_house: House, grace: Person, edith: Person
) -> None:
    mallory = await quiet_house.admin("mallory")
    yes, no = await large(grace), await large(grace)
    approved = (await edith.approve_withdrawal(yes, reason="called her"))["withdrawal"]
    rejected = (await edith.reject_withdrawal(no))["withdrawal"]
    before = await moved(quiet_house)
    for admin in (edith, mallory):
        assert (await admin.approve_withdrawal(yes, reason="me too"))["withdrawal"] == approved
        assert (await admin.reject_withdrawal(no, reason="me too"))["withdrawal"] == rejected
        assert codes(await admin.reject_withdrawal(yes)) == [("INVALID_STATE", ["id"])]
        assert codes(await admin.approve_withdrawal(no)) == [("INVALID_STATE", ["id"])]
    assert codes(await grace.cancel_withdrawal(no)) == [("INVALID_STATE", ["id"])]
    assert await moved(quiet_house) == before
    # Approved, but not sent yet: its owner may still change their mind.
    assert status(await grace.cancel_withdrawal(yes)) == "CANCELED"
    assert status(await edith.approve_withdrawal(yes)) == "CANCELED"
    assert await quiet_house.ledger_is_sound()


async def test_there_is_nothing_to_decide_about_a_small_one(
    quiet_house: House, grace: Person, edith: Person
) -> None:
    small = await grace.withdraws(usd=10_00)
    canceled = await large(grace)
    await grace.cancel_withdrawal(canceled)
    before = await moved(quiet_house)
    for withdrawal in (small, canceled):
        assert codes(await edith.approve_withdrawal(withdrawal)) == [("INVALID_STATE", ["id"])]
        assert codes(await edith.reject_withdrawal(withdrawal)) == [("INVALID_STATE", ["id"])]
    for nothing in ("", "wdr_nobody", grace.id):
        assert codes(await edith.approve_withdrawal({"id": nothing})) == [("NOT_FOUND", ["id"])]
        assert codes(await edith.reject_withdrawal({"id": nothing})) == [("NOT_FOUND", ["id"])]
    assert await moved(quiet_house) == before


async def test_a_reason_too_long_to_be_kept_decides_nothing(
    quiet_house: House, grace: Person, edith: Person
) -> None:
    withdrawal = await large(grace)
    before = await moved(quiet_house)
    for payload in (
        await edith.approve_withdrawal(withdrawal, reason="x" * 501),
        await edith.reject_withdrawal(withdrawal, reason="x" * 501),
    ):
        assert codes(payload) == [("INVALID_INPUT", ["reason"])]
    assert await moved(quiet_house) == before


async def test_nobody_decides_about_their_own(quiet_house: House, grace: Person, edith: Person) -> None:
    """Nor does a contractor who is an administrator besides."""
    await given_roles(quiet_house, grace, Role.CONTRACTOR, Role.ADMIN)
    withdrawal = await large(grace)
    before = await moved(quiet_house)
    decision = {"id": withdrawal["id"], "outcome": "NOT_SENT", "reason": "mine"}
    assert await fault(grace, "approveWithdrawal", id=withdrawal["id"]) == "FORBIDDEN"
    assert await fault(grace, "rejectWithdrawal", id=withdrawal["id"]) == "FORBIDDEN"
    assert await fault(grace, "resolveWithdrawal", **decision) == "FORBIDDEN"
    assert await moved(quiet_house) == before
    assert status(await edith.approve_withdrawal(withdrawal)) == "PENDING"


async def test_only_what_nobody_knows_of_is_resolved(
    quiet_house: House, grace: Person, edith: Person
) -> None:
    withdrawal = await large(grace)
    before = await moved(quiet_house)
    sent = await edith.resolve_withdrawal(withdrawal, "SENT", transferId="tr_1")
    not_sent = await edith.resolve_withdrawal(withdrawal, "NOT_SENT")
    assert codes(sent) == codes(not_sent) == [("INVALID_STATE", ["id"])]
    unnamed = await edith.resolve_withdrawal(withdrawal, "SENT")
    assert codes(unnamed) == [("INVALID_INPUT", ["transferId"])]
    for reason in ("", "  ", "x" * 501):
        payload = await edith.resolve_withdrawal(withdrawal, "NOT_SENT", reason=reason)
        assert codes(payload) == [("INVALID_INPUT", ["reason"])]
    unknown = await edith.resolve_withdrawal({"id": "wdr_nobody"}, "NOT_SENT")
    assert codes(unknown) == [("NOT_FOUND", ["id"])]
    assert await moved(quiet_house) == before


# ------------------------------------------------------------------ several at once


async def test_of_approving_rejecting_and_canceling_that_race_one_counts(
    quiet_house: House, grace: Person, edith: Person
) -> None:
    mallory = await quiet_house.admin("mallory")
    for number in range(ROUNDS):
        withdrawal = await large(grace)
        yes, no, *back = await asyncio.gather(
            edith.approve_withdrawal(withdrawal),
            mallory.reject_withdrawal(withdrawal),
            # Only now and then, for a canceled one is neither approved nor rejected.
            *([grace.cancel_withdrawal(withdrawal)] if number % 2 else []),
        )
        approved, rejected = not yes["userErrors"], not no["userErrors"]
        canceled = any(not payload["userErrors"] for payload in back)
        present = (await grace.withdrawal(withdrawal["id"]))["status"]
        # Who approves is not contradicted by an owner who then changes their mind; everything else excludes.
        assert present == ("REJECTED" if rejected else "CANCELED" if canceled else "PENDING")
        assert [rejected, approved or canceled].count(True) == 1
        if present == "PENDING":
            await grace.cancel_withdrawal(withdrawal)
        assert (await grace.available(), await grace.held()) == (FUNDS, 0)
    assert await quiet_house.ledger_is_sound()
