"""Why is my money not moving? Each wish and each withdrawal says so, and goes on once that is over."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from domain import ledger, onboarding, withdrawals
from domain.kernel.clock import iso
from domain.kernel.database import Database, Result, Tx, Work
from domain.ledger import FreezeCause
from jobs.sweep import LEASE_NAME
from tests.features.test_freezes import freeze, unfreeze, wallet_id
from tests.features.test_withdrawals import at_stripe, codes
from tests.house import House, Person
from tests.house.people import BLOCKERS

FUNDS = 2_000_00
ABOVE = 1_000_00
DOCUMENT = "individual.verification.document"
# What a withdrawal in each state waits for, where nothing in particular is in its way.
WAITS_FOR = {
    "AWAITING_APPROVAL": "APPROVAL",
    "PENDING": "SENDING",
    "PROCESSING": None,
    "RETRYING": "RETRY",
    "UNCONFIRMED": "CONFIRMATION",
    "NEEDS_REVIEW": "REVIEW",
    "IN_TRANSIT": "BANK",
    "PAYOUT_FAILED": "PAYOUT_FAILED",
    "PAID": None,
    "FAILED": None,
    "REVERSED": None,
    "REJECTED": None,
    "CANCELED": None,
}


@pytest.fixture
async def grace(house: House) -> Person:
    """A contractor with 2,000 dollars, whose account is ready."""
    return await house.funded(await house.onboarded(), usd=FUNDS)


@pytest.fixture
async def quiet_house(house: House, grace: Person) -> AsyncIterator[House]:
    """Nothing is sent but by the test."""
    async with house.worker_away():
        yield house


async def in_the_way(person: Person, amount: int, currency: str = "USD") -> list[dict[str, Any]]:
    """What withdrawalBlockers says."""
    answer = await person.data(BLOCKERS, {"amount": amount, "currency": currency})
    blockers: list[dict[str, Any]] = answer["wallet"]["withdrawalBlockers"]
    return blockers


async def waits_for(house: House, person: Person, withdrawal: dict[str, Any], code: str) -> dict[str, Any]:
    """The withdrawal, once it waits for that."""

    async def waits() -> dict[str, Any] | None:
        present = await person.withdrawal(withdrawal["id"])
        return present if (present["waitingFor"] or {}).get("code") == code else None

    waiting: dict[str, Any] = await house.until(waits)
    return waiting


async def at_stripe_only(house: House, person: Person, outcome: str, **more: Any) -> None:
    """What Stripe makes of the account, of which only events tell."""
    await house.stripe.control(f"/accounts/{await house.acct(person)}/onboard", {"outcome": outcome, **more})


# ------------------------------------------------------------------ wishes


async def test_where_nothing_is_in_the_way_it_goes(quiet_house: House, grace: Person) -> None:
    for amount in (10_00, ABOVE):
        assert await in_the_way(grace, amount) == []
        withdrawal = (await grace.request_withdrawal(amount))["withdrawal"]
        assert withdrawal["status"] == "PENDING"
        await grace.cancel_withdrawal(withdrawal)


async def test_an_amount_that_cannot_be_is_told_as_the_request_would(house: House, grace: Person) -> None:
    before = await house.count("withdrawals")
    for amount in (-1, 0, 9_99, 10_000_01, FUNDS + 1):
        [blocker, *others] = await in_the_way(grace, amount)
        assert {other["code"] for other in others} <= {"APPROVAL"}
        [error] = (await grace.request_withdrawal(amount))["userErrors"]
        assert (blocker["code"], blocker["message"]) == (error["code"], error["message"])
        assert blocker["until"] is None
    assert await house.count("withdrawals") == before


async def test_what_would_wait_for_an_approval_says_so(quiet_house: House, grace: Person) -> None:
    [blocker] = await in_the_way(grace, ABOVE + 1)
    assert (blocker["code"], blocker["until"]) == ("APPROVAL", None)
    await grace.withdraws(usd=600_00)
    assert await in_the_way(grace, 400_00) == []
    assert [blocker["code"] for blocker in await in_the_way(grace, 400_01)] == ["APPROVAL"]
    assert (await grace.withdraws(usd=400_01))["waitingFor"] == blocker


async def test_everything_in_the_way_is_told_at_once(house: House) -> None:
    hopper = await house.funded(await house.contractor("hopper"), usd=10_00)
    await freeze(await house.admin(), await wallet_id(hopper), "a call from the bank.")
    told = {blocker["code"]: blocker for blocker in await in_the_way(hopper, ABOVE + 1)}
    assert list(told) == ["INSUFFICIENT_FUNDS", "WALLET_FROZEN", "CONNECT_ACCOUNT_REQUIRED", "APPROVAL"]
    assert "a call from the bank." in told["WALLET_FROZEN"]["message"]
    # A look costs nothing, and writes nothing.
    assert await house.count("withdrawals") == 0


async def test_the_account_is_told_as_it_stands(house: House) -> None:
    hopper = await house.funded(await house.contractor("hopper"), usd=FUNDS)

    async def told() -> tuple[str, str]:
        [blocker] = await in_the_way(hopper, 20_00)
        return blocker["code"], blocker["message"]

    assert (await told())[0] == "CONNECT_ACCOUNT_REQUIRED"
    await hopper.create_connect_account()
    assert (await told())[0] == "CONNECT_ACCOUNT_NOT_READY"
    await house.onboard(hopper, "in_review")
    assert (await told())[0] == "CONNECT_ACCOUNT_NOT_READY"
    await house.onboard(hopper, "restricted", requirements=[DOCUMENT])
    code, message = await told()
    assert code == "ONBOARDING_REQUIREMENT"
    assert DOCUMENT in message
    await house.onboard(hopper, "payouts_disabled")
    assert (await told())[0] == "CONNECT_ACCOUNT_NOT_READY"
    await house.onboard(hopper, "active")
    assert await in_the_way(hopper, 20_00) == []


async def test_too_often_is_told_with_its_end(quiet_house: House, grace: Person) -> None:
    async with quiet_house.limited(withdrawals="1/hour"):
        assert await in_the_way(grace, 20_00) == []
        await grace.withdraws(usd=20_00)
        [blocker] = await in_the_way(grace, 20_00)
        [error] = (await grace.request_withdrawal(20_00))["userErrors"]
        assert blocker["code"] == error["code"] == "RATE_LIMITED"
        until = datetime.fromisoformat(blocker["until"])
        told = quiet_house.clock() + timedelta(seconds=error["retryAfterSeconds"])
        assert abs(until - told) < timedelta(seconds=5)
        await quiet_house.time_passes_for_limits(3600)
        assert await in_the_way(grace, 20_00) == []


# ------------------------------------------------------------------ withdrawals


async def test_each_state_says_what_it_waits_for(quiet_house: House, grace: Person) -> None:
    withdrawal = await grace.withdraws(usd=20_00)
    due = quiet_house.clock().replace(microsecond=0) + timedelta(hours=1)
    for state, code in WAITS_FOR.items():
        # Put there by hand: the ways into each state have tests of their own.
        fields = {"status": state, "next_attempt_at": due}
        await quiet_house.collection("withdrawals").update_one({}, {"$set": fields})
        waiting = (await grace.withdrawal(withdrawal["id"]))["waitingFor"]
        assert (waiting and waiting["code"]) == code, state
        assert waiting is None or waiting["message"]
        timed = code in {"SENDING", "RETRY", "CONFIRMATION"}
        assert (waiting and waiting["until"]) == (iso(due) if timed else None), state


async def test_a_retry_says_when(house: House, grace: Person) -> None:
    await house.stripe.fault("POST", "/v1/transfers", "rate_limit_429")
    withdrawal = await grace.withdraws(usd=20_00)
    retrying = await waits_for(house, grace, withdrawal, "RETRY")
    assert retrying["status"] == "RETRYING"
    assert retrying["waitingFor"]["until"] == retrying["nextAttemptAt"]
    until = datetime.fromisoformat(retrying["waitingFor"]["until"])
    assert timedelta(minutes=4) < until - house.clock() <= timedelta(minutes=5)
    await house.time_passes(minutes=5)
    await house.withdrawal_reaches(grace, withdrawal, "IN_TRANSIT")
    assert await at_stripe(house) == 1


async def test_what_nobody_knows_says_that_it_is_asked_about(house: House, grace: Person) -> None:
    await house.stripe.webhooks(drop=1.0)
    await house.stripe.fault("POST", "/v1/transfers", "reset_after_commit")
    withdrawal = await grace.withdraws(usd=20_00)
    waiting = await waits_for(house, grace, withdrawal, "CONFIRMATION")
    assert waiting["status"] == "UNCONFIRMED"
    assert waiting["waitingFor"]["until"] == waiting["nextAttemptAt"]
    assert await grace.held() == 20_00
    assert codes(await grace.cancel_withdrawal(withdrawal)) == [("INVALID_STATE", ["id"])]


async def test_it_is_sent_as_soon_as_the_account_is_in_order(house: House, grace: Person) -> None:
    """Whoever tells: an event, a look of its owner's, or the sweep's own look where events are lost."""
    for number, told_by in enumerate(("event", "owner", "sweep")):
        async with house.worker_away():
            withdrawal = await grace.withdraws(usd=20_00)
            await house.onboard(grace, "restricted", requirements=[DOCUMENT])
        waiting = await waits_for(house, grace, withdrawal, "ONBOARDING_REQUIREMENT")
        assert DOCUMENT in waiting["waitingFor"]["message"]
        assert (waiting["status"], await at_stripe(house)) == ("PENDING", number)
        await house.quiet()
        if told_by != "event":
            await house.stripe.webhooks(drop=1.0)
        await at_stripe_only(house, grace, "active")
        if told_by == "owner":
            await grace.connect_account(refresh=True)
        if told_by == "sweep":
            # Far less than the hour after which the withdrawal is looked at in any case.
            house.clock.advance(minutes=5)
        await house.withdrawal_reaches(grace, withdrawal, "IN_TRANSIT")
        assert await at_stripe(house) == number + 1
        await house.stripe.webhooks()
    assert await house.ledger_is_sound()


class Overtaken(Database):
    """Its first transaction has read the account before `meanwhile` happens, and goes on after it."""

    def __init__(self, house: House, owner: str, meanwhile: Callable[[], Awaitable[Any]]) -> None:
        inner = house.runtime.database
        super().__init__(inner.client, inner.mongo.name, house.runtime.now)
        self._owner = owner
        self._meanwhile = meanwhile
        self.runs = 0

    async def transact(self, work: Work[Result]) -> Result:
        async def overtaken(tx: Tx) -> Result:
            self.runs += 1
            if self.runs == 1:
                assert await onboarding.live_account(self._owner, tx)  # the first read takes the snapshot
                await self._meanwhile()
            return await work(tx)

        return await super().transact(overtaken)


async def test_an_account_in_order_by_the_time_it_is_waited_for_loses_no_waking(
    quiet_house: House, grace: Person
) -> None:
    """The account is waited for by what has seen it as it was, and woken by what has not seen that wait."""
    house = quiet_house
    withdrawal = await grace.withdraws(usd=20_00)
    await house.onboard(grace, "restricted", requirements=[DOCUMENT])

    async def mended() -> None:
        await at_stripe_only(house, grace, "active")
        account = await grace.connect_account(refresh=True)
        assert account is not None
        assert account["status"] == "ACTIVE"

    overtaken = Overtaken(house, grace.id, mended)
    await withdrawals.go_on(replace(house.runtime, database=overtaken), withdrawal["id"])
    assert (await grace.withdrawal(withdrawal["id"]))["status"] == "IN_TRANSIT"
    assert await at_stripe(house) == 1
    assert await house.ledger_is_sound()


async def test_it_is_sent_as_soon_as_the_wallet_is_open(house: House, grace: Person) -> None:
    edith, wallet = await house.admin(), await wallet_id(grace)
    async with house.worker_away():
        withdrawal = await grace.withdraws(usd=20_00)
        await freeze(edith, wallet, "a call from the bank.")
    waiting = await waits_for(house, grace, withdrawal, "WALLET_FROZEN")
    assert "a call from the bank." in waiting["waitingFor"]["message"]
    assert (waiting["status"], await at_stripe(house)) == ("PENDING", 0)
    await unfreeze(edith, wallet)
    await house.withdrawal_reaches(grace, withdrawal, "IN_TRANSIT")
    assert await at_stripe(house) == 1
    assert await house.ledger_is_sound()


async def test_what_was_woken_waits_only_to_be_sent(quiet_house: House, grace: Person) -> None:
    """Until the sweep comes, its owner is not left without a reason."""
    house = quiet_house
    edith, wallet = await house.admin(), await wallet_id(grace)
    withdrawal = await grace.withdraws(usd=20_00)

    async def reason() -> str | None:
        present = await grace.withdrawal(withdrawal["id"])
        assert present["status"] == "PENDING"
        blocker = present["waitingFor"]
        return None if blocker is None else str(blocker["code"])

    await freeze(edith, wallet)
    await withdrawals.go_on(house.runtime, withdrawal["id"])
    assert await reason() == "WALLET_FROZEN"
    await unfreeze(edith, wallet)
    assert await reason() == "SENDING"
    await house.onboard(grace, "restricted", requirements=[DOCUMENT])
    await withdrawals.go_on(house.runtime, withdrawal["id"])
    assert await reason() == "ONBOARDING_REQUIREMENT"
    await house.onboard(grace, "active")
    assert await reason() == "SENDING"
    assert await at_stripe(house) == 0


async def test_what_is_still_frozen_for_another_cause_still_waits(quiet_house: House, grace: Person) -> None:
    edith, wallet = await quiet_house.admin(), await wallet_id(grace)
    withdrawal = await grace.withdraws(usd=20_00)
    await freeze(edith, wallet)
    await quiet_house.runtime.database.transact(
        lambda tx: ledger.freeze(
            tx, wallet, cause=FreezeCause.DISPUTE, operation="dsp_1", by="dsp_1", reason="it is disputed."
        )
    )
    await withdrawals.go_on(quiet_house.runtime, withdrawal["id"])
    await unfreeze(edith, wallet)
    await withdrawals.go_on(quiet_house.runtime, withdrawal["id"])
    present = await grace.withdrawal(withdrawal["id"])
    assert (present["status"], present["waitingFor"]["code"]) == ("PENDING", "WALLET_FROZEN")
    assert "it is disputed." in present["waitingFor"]["message"]
    assert await at_stripe(quiet_house) == 0


async def test_it_is_sent_as_soon_as_there_are_funds(house: House, grace: Person) -> None:
    """The platform holds no euros at Stripe: what waits for them says so, and so does the next wish."""
    hopper = await house.funded(await house.onboarded("hopper"), eur=50_00)
    await house.funded(grace, eur=50_00)
    withdrawal = (await grace.request_withdrawal(20_00, currency="EUR"))["withdrawal"]
    waiting = await waits_for(house, grace, withdrawal, "FUNDS_AVAILABLE")
    assert (waiting["status"], waiting["waitingFor"]["until"]) == ("RETRYING", waiting["nextAttemptAt"])
    [blocker] = await in_the_way(hopper, 20_00, "EUR")
    assert (blocker["code"], blocker["until"]) == ("FUNDS_AVAILABLE", waiting["nextAttemptAt"])
    assert await in_the_way(grace, 20_00) == []
    await house.stripe.control("/float", {"currency": "eur", "amount": 100_00})
    await house.withdrawal_reaches(grace, withdrawal, "IN_TRANSIT")
    assert await in_the_way(hopper, 20_00, "EUR") == []
    assert await house.ledger_is_sound()


async def test_a_bank_that_says_no_is_told(house: House, grace: Person) -> None:
    withdrawal = await grace.withdraws(usd=20_00)
    await house.withdrawal_reaches(grace, withdrawal, "IN_TRANSIT")
    waiting = await waits_for(house, grace, withdrawal, "BANK")
    assert waiting["waitingFor"]["until"] is waiting["estimatedArrival"] is None
    await house.stripe.control(f"/accounts/{await house.acct(grace)}/payout")
    [payout] = await house.stripe.objects("payout")
    outcome = {"outcome": "failed", "failure_code": "account_closed"}
    await house.stripe.control(f"/payouts/{payout['id']}", outcome)
    failed = await waits_for(house, grace, withdrawal, "PAYOUT_FAILED")
    assert failed["status"] == "PAYOUT_FAILED"
    assert failed["failure"]["code"] == "account_closed"
    assert failed["failure"]["message"] in failed["waitingFor"]["message"]
    # It is in the contractor's account at Stripe, not in the wallet.
    assert (await grace.available(), await grace.held()) == (FUNDS - 20_00, 0)
    assert await house.ledger_is_sound()

    async def wants_another_bank() -> bool:
        return [blocker["code"] for blocker in await in_the_way(grace, 20_00)] == ["ONBOARDING_REQUIREMENT"]

    # And Stripe, which pays nothing to that bank any more, is heard too.
    await house.until(wants_another_bank)
    [blocker] = await in_the_way(grace, 20_00)
    assert "external_account" in blocker["message"]


async def test_while_stripe_is_asked_nothing_it_says_until_when(house: House, grace: Person) -> None:
    async with house.with_gateway(circuit_failures=1, circuit_open_seconds=60):
        await house.stripe.fault("POST", "/v1/accounts/*/login_links", "error_503")
        await grace.create_dashboard_link()
        withdrawal = await grace.withdraws(usd=20_00)

        async def is_postponed() -> dict[str, Any] | None:
            present = await grace.withdrawal(withdrawal["id"])
            until = datetime.fromisoformat(present["waitingFor"]["until"])
            # Beyond the lease of a worker that is at it.
            return present if until - house.clock() > timedelta(seconds=20) else None

        waiting = await house.until(is_postponed)
        assert (waiting["status"], waiting["waitingFor"]["code"]) == ("PENDING", "SENDING")
        assert (waiting["attempts"], await at_stripe(house)) == (0, 0)
    house.clock.advance(minutes=2)
    sent = await house.withdrawal_reaches(grace, withdrawal, "IN_TRANSIT")
    assert sent["attempts"] == 1
    assert await house.ledger_is_sound()


async def nobody_sweeps(house: House) -> None:
    """The lease is another's, for as long as a test may take: only who is rung for is done."""
    held = {"holder": "nobody", "until": house.clock() + timedelta(hours=1)}
    await house.collection("leases").update_one({"_id": LEASE_NAME}, {"$set": held}, upsert=True)


async def test_a_bell_rings_for_what_was_woken(house: House, grace: Person) -> None:
    """The sweep would come too, but its interval is a minute, and its owner is looking."""
    edith, wallet = await house.admin(), await wallet_id(grace)
    async with house.worker_away():
        withdrawal = await grace.withdraws(usd=20_00)
        await freeze(edith, wallet)
    await waits_for(house, grace, withdrawal, "WALLET_FROZEN")
    await nobody_sweeps(house)
    await unfreeze(edith, wallet)
    await house.withdrawal_reaches(grace, withdrawal, "IN_TRANSIT")


@pytest.mark.parametrize("fresh", [False, True], ids=["by the event", "by its owner"])
async def test_a_bell_rings_once_the_account_is_in_order(house: House, grace: Person, fresh: bool) -> None:
    async with house.worker_away():
        withdrawal = await grace.withdraws(usd=20_00)
        await house.onboard(grace, "restricted", requirements=[DOCUMENT])
    await waits_for(house, grace, withdrawal, "ONBOARDING_REQUIREMENT")
    await house.caught_up()
    await nobody_sweeps(house)
    if fresh:
        await house.stripe.webhooks(drop=1.0)
    await house.stripe.control(f"/accounts/{await house.acct(grace)}/onboard", {"outcome": "active"})
    if fresh:
        await grace.connect_account(refresh=True)
    await house.withdrawal_reaches(grace, withdrawal, "IN_TRANSIT")


async def test_a_bell_rings_when_funds_come(house: House, grace: Person) -> None:
    await house.stripe.control("/float", {"currency": "usd", "amount": 10_00})
    withdrawal = await grace.withdraws(usd=20_00)
    await waits_for(house, grace, withdrawal, "FUNDS_AVAILABLE")
    await house.caught_up()
    await nobody_sweeps(house)
    await house.stripe.control("/float", {"currency": "usd", "amount": 100_00})
    await house.withdrawal_reaches(grace, withdrawal, "IN_TRANSIT")
