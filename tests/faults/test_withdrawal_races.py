"""Workers, owners, freezes and administrators at one withdrawal at the same time: one of them wins."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from pymongo.errors import OperationFailure

from domain import ledger, withdrawals
from domain.ledger import WalletDecision
from tests.house import House, Person
from tests.house.withdrawals import (
    SECOND,
    TRANSFERS,
    another_line,
    given_back,
    go_on,
    in_doubt,
    in_review,
    keys,
    lookups,
    money,
    pause,
    sent_once,
    statuses,
    stored,
    transfer_by_hand,
    work,
)

HOUR = timedelta(hours=1)
# It was made, and whether it will last is not known.
WRITE_CONCERN_TIMEOUT = {"code": 64, "errmsg": "waiting for replication timed out"}


@pytest.fixture
async def grace(house: House) -> Person:
    """With an account that is active, and 50.00; of what follows Stripe tells nothing."""
    grace = await house.funded(await house.onboarded(), usd=50_00)
    await house.stripe.webhooks(drop=1)
    return grace


@pytest.fixture
async def idle(house: House, grace: Person) -> AsyncIterator[House]:
    """Without a worker: the test does what is due."""
    await house.stop_worker()
    yield house
    await house.start_worker()


async def decision(person: Person) -> WalletDecision:
    wallet = await ledger.wallet_of(person.id, "USD")
    assert wallet is not None
    return WalletDecision(wallet_id=wallet.id, reason="a call from her bank.")


async def freeze(house: House, person: Person) -> None:
    await ledger.freeze_wallet(house.runtime, "usr_edith", await decision(person))


async def unfreeze(house: House, person: Person) -> None:
    await withdrawals.unfreeze_wallet(house.runtime, "usr_edith", await decision(person))


def refusal(payload: dict[str, Any]) -> tuple[str, list[str]]:
    [error] = payload["userErrors"]
    return error["code"], error["path"]


# ------------------------------------------------------------------ workers


async def test_many_workers_at_once_send_it_once(idle: House, grace: Person) -> None:
    """Bells and sweeps, all at the same moment."""
    withdrawal = await grace.withdraws(usd=20_00)
    bells = [withdrawals.go_on(idle.runtime, withdrawal["id"]) for _ in range(5)]
    await asyncio.gather(*bells, *(work(idle) for _ in range(5)), idle.sweep())
    assert await keys(idle) == [1]
    assert await statuses(idle, withdrawal) == ["PENDING", "PROCESSING", "IN_TRANSIT"]
    await sent_once(idle, grace, withdrawal)


async def test_workers_whose_claims_overlap_send_it_once(idle: House, grace: Person) -> None:
    """As if each had been paused for so long that the next was let in: the lease of the question holds."""
    withdrawal = await grace.withdraws(usd=20_00)
    claimed = await withdrawals.claim_next(idle.runtime)
    assert claimed is not None
    await asyncio.gather(*(withdrawals.look_again(idle.runtime, claimed) for _ in range(5)))
    assert await keys(idle) == [1]
    await sent_once(idle, grace, withdrawal)


@pytest.mark.parametrize("meanwhile", ["sent", "in doubt"])
async def test_a_worker_that_was_paused_neither_sends_nor_concludes(
    idle: House, grace: Person, meanwhile: str
) -> None:
    """Its question waits for its turn; its lease passes, and another worker asks."""
    withdrawal = await grace.withdraws(usd=20_00)
    async with another_line(idle, requests_per_second=1.0) as slow:
        await slow.gateway.balance()  # this second's turn is taken
        paused = asyncio.create_task(withdrawals.go_on(slow, withdrawal["id"]))

        async def is_claimed() -> bool:
            return bool((await stored(idle, withdrawal))["lease_until"])

        await idle.until(is_claimed)
        await idle.time_passes(seconds=idle.runtime.policy.lease.total_seconds() + 1)
        if meanwhile == "in doubt":
            await idle.stripe.fault("POST", TRANSFERS, "reset_after_commit")
        await work(idle)
        before = await stored(idle, withdrawal)
        assert before["status"] == ("IN_TRANSIT" if meanwhile == "sent" else "UNCONFIRMED")
        await paused
    assert await stored(idle, withdrawal) == before
    assert await keys(idle) == [1]
    if meanwhile == "in doubt":
        assert await go_on(idle, withdrawal) == "IN_TRANSIT"
    await sent_once(idle, grace, withdrawal)


async def test_a_killed_worker_is_succeeded_by_the_sweep(house: House, grace: Person) -> None:
    """Stripe takes its time, and the worker is killed while it waits for the answer."""
    await house.stripe.fault("POST", TRANSFERS, "latency", latency_ms=300)
    withdrawal = await grace.withdraws(usd=20_00)

    async def is_asked() -> bool:
        return bool((await stored(house, withdrawal))["lease_until"])

    await house.until(is_asked)
    await house.kill_worker()
    row = await stored(house, withdrawal)
    assert (row["status"], row["attempt"]["unknown"]) == ("PROCESSING", True)
    assert await money(house, grace) == (30_00, 20_00)
    await asyncio.sleep(0.3)  # until Stripe is done with it
    await house.time_passes(seconds=house.runtime.policy.lease.total_seconds() + 1)
    await work(house)
    await house.start_worker()
    assert await statuses(house, withdrawal) == ["PENDING", "PROCESSING", "UNCONFIRMED", "IN_TRANSIT"]
    await sent_once(house, grace, withdrawal)


@pytest.mark.parametrize("how", ["emptied", "away"])
async def test_without_redis_the_sweep_does_it(house: House, grace: Person, how: str) -> None:
    """Also what is to be tried again: nothing is remembered there."""
    await house.stripe.fault("POST", TRANSFERS, "rate_limit_429")
    if how == "away":
        async with house.redis_away():
            withdrawal = await grace.withdraws(usd=20_00)
            await house.withdrawal_reaches(grace, withdrawal, "RETRYING")
    else:
        withdrawal = await grace.withdraws(usd=20_00)
        await house.empty_redis()
        await house.withdrawal_reaches(grace, withdrawal, "RETRYING")
        await house.empty_redis()
    await house.time_passes(minutes=5)
    await house.withdrawal_reaches(grace, withdrawal, "IN_TRANSIT")
    await sent_once(house, grace, withdrawal)


@pytest.mark.parametrize(("command", "collection"), [("insert", "entries"), ("update", "wallets")])
async def test_an_answer_that_could_not_be_written_is_asked_for_again(
    idle: House, grace: Person, command: str, collection: str
) -> None:
    """The transfer is made, and MongoDB fails while that is written."""
    withdrawal = await grace.withdraws(usd=20_00)
    async with idle.mongo_failing(command, collection, times=1):
        with pytest.raises(OperationFailure):
            await work(idle)
    assert len(await idle.stripe.objects("transfer")) == 1
    assert await money(idle, grace) == (30_00, 20_00)
    assert await idle.ledger_is_sound()
    await idle.time_passes(seconds=idle.runtime.policy.lease.total_seconds() + 1)
    await work(idle)
    assert await keys(idle) == [1, 1]
    await sent_once(idle, grace, withdrawal)


async def test_commits_of_which_nobody_knows_are_repeated_and_nothing_else_is(
    idle: House, grace: Person
) -> None:
    withdrawal = await grace.withdraws(usd=20_00)
    admin, fail_point = idle.runtime.database.client.admin, {"configureFailPoint": "failCommand"}
    data = {"failCommands": ["commitTransaction"], "writeConcernError": WRITE_CONCERN_TIMEOUT}
    await admin.command({**fail_point, "mode": {"activationProbability": 0.7}, "data": data})
    try:
        await work(idle)
    finally:
        await admin.command({**fail_point, "mode": "off"})
    assert await keys(idle) == [1]
    assert await statuses(idle, withdrawal) == ["PENDING", "PROCESSING", "IN_TRANSIT"]
    await sent_once(idle, grace, withdrawal)


# ------------------------------------------------------------------ the owner


@pytest.mark.parametrize("status", ["PENDING", "RETRYING"])
async def test_taking_it_back_and_sending_it_have_one_winner(idle: House, grace: Person, status: str) -> None:
    await idle.funded(grace, usd=450_00)
    wins = set()
    for _ in range(12):
        before = len(await idle.stripe.objects("transfer"))
        withdrawal = await grace.withdraws(usd=20_00)
        if status == "RETRYING":
            await idle.stripe.fault("POST", TRANSFERS, "rate_limit_429")
            await work(idle)
            await idle.collection("withdrawals").update_one(
                {"_id": withdrawal["id"]}, {"$set": {"next_attempt_at": idle.clock()}}
            )
        payload, _ = await asyncio.gather(
            grace.cancel_withdrawal(withdrawal), withdrawals.go_on(idle.runtime, withdrawal["id"])
        )
        row = await stored(idle, withdrawal)
        sent = len(await idle.stripe.objects("transfer")) - before
        assert (row["status"], sent) == (("CANCELED", 0) if not payload["userErrors"] else ("IN_TRANSIT", 1))
        wins.add(row["status"])
    transfers = await idle.stripe.objects("transfer")
    assert await money(idle, grace) == (500_00 - 20_00 * len(transfers), 0)
    assert await idle.ledger_is_sound(asking_stripe=True)


async def test_what_is_in_doubt_cannot_be_taken_back(idle: House, grace: Person) -> None:
    withdrawal = await in_doubt(idle, grace)
    assert refusal(await grace.cancel_withdrawal(withdrawal)) == ("INVALID_STATE", ["id"])
    assert await money(idle, grace) == (30_00, 20_00)


# ------------------------------------------------------------------ freezing


async def test_what_was_not_sent_waits_while_its_wallet_is_frozen(idle: House, grace: Person) -> None:
    withdrawal = await grace.withdraws(usd=20_00)
    await freeze(idle, grace)
    await work(idle)
    assert await go_on(idle, withdrawal) == "PENDING"
    assert await pause_from_now(idle, withdrawal) == pytest.approx(HOUR, abs=SECOND)
    assert await keys(idle) == []
    await unfreeze(idle, grace)
    await work(idle)
    await sent_once(idle, grace, withdrawal)


async def pause_from_now(house: House, withdrawal: dict[str, Any]) -> timedelta:
    waits: timedelta = (await stored(house, withdrawal))["next_attempt_at"] - house.clock()
    return waits


async def test_freezing_and_sending_have_one_winner(idle: House, grace: Person) -> None:
    """Whatever went out had begun before the freeze; and whatever begins after it does not go out."""
    for _ in range(8):
        before = await keys(idle)
        await idle.funded(grace, usd=20_00)
        withdrawal = await grace.withdraws(usd=20_00)
        await asyncio.gather(freeze(idle, grace), withdrawals.go_on(idle.runtime, withdrawal["id"]))
        row = await stored(idle, withdrawal)
        begun = [change["at"] for change in row["history"] if change["status"] == "PROCESSING"]
        if row["status"] == "PENDING":
            assert (begun, await keys(idle)) == ([], before)
            assert row["hindrance"] == "FREEZE"
        else:
            assert (row["status"], len(begun), len(await keys(idle))) == ("IN_TRANSIT", 1, len(before) + 1)
        await unfreeze(idle, grace)
        await work(idle)
        assert (await stored(idle, withdrawal))["status"] == "IN_TRANSIT"
    assert await money(idle, grace) == (50_00, 0)
    assert await idle.ledger_is_sound(asking_stripe=True)


async def test_what_was_begun_and_not_asked_is_stopped_by_a_freeze(idle: House, grace: Person) -> None:
    """Its worker died just before the question; the next one sees the freeze."""
    withdrawal = await grace.withdraws(usd=20_00)
    async with another_line(idle, api_base="http://127.0.0.1:1") as nowhere:
        await work(idle, nowhere)
    begun = {"status": "PROCESSING", "next_attempt_at": idle.clock()}
    await idle.collection("withdrawals").update_one({"_id": withdrawal["id"]}, {"$set": begun})
    await freeze(idle, grace)
    await work(idle)
    row = await stored(idle, withdrawal)
    assert (row["status"], row["hindrance"]) == ("RETRYING", "FREEZE")
    assert (await grace.withdrawal(withdrawal["id"]))["waitingFor"]["code"] == "WALLET_FROZEN"
    assert await keys(idle) == []
    await unfreeze(idle, grace)
    await work(idle)
    await sent_once(idle, grace, withdrawal)


@pytest.mark.parametrize("was_sent", [True, False])
async def test_what_is_in_doubt_is_only_looked_up_while_its_wallet_is_frozen(
    idle: House, grace: Person, was_sent: bool
) -> None:
    withdrawal = await in_doubt(idle, grace)
    await freeze(idle, grace)
    for number in (1, 2, 3):
        assert await go_on(idle, withdrawal) == "UNCONFIRMED"
        assert (await keys(idle), await lookups(idle)) == ([1], number)
        assert await pause(idle, withdrawal) == HOUR
    if was_sent:
        await transfer_by_hand(idle, grace, withdrawal)
        assert await go_on(idle, withdrawal) == "IN_TRANSIT"
    else:
        await unfreeze(idle, grace)
        await work(idle)
        assert await keys(idle) == [1, 1]
    await sent_once(idle, grace, withdrawal)


# ------------------------------------------------------------------ a person decides


async def test_sent_is_believed_only_of_the_transfer_that_was_asked_for(idle: House, grace: Person) -> None:
    edith, alan = await idle.admin(), await idle.contractor("alan")
    await alan.create_connect_account()
    await idle.onboard(alan, "active")
    elsewhere = await idle.acct(alan)
    withdrawal = await in_review(idle, grace)
    other = await grace.withdraws(usd=20_00)
    await work(idle)
    [others] = (await stored(idle, other))["transfers"]
    wrong = [
        await transfer_by_hand(idle, grace, None, amount=19_99),
        await transfer_by_hand(idle, grace, None, to=elsewhere),
        await transfer_by_hand(idle, grace, other),
        others["id"],
        "tr_of_nobody",
    ]
    for transfer in wrong:
        payload = await edith.resolve_withdrawal(withdrawal, "SENT", transferId=transfer)
        assert refusal(payload) == ("INVALID_INPUT", ["transferId"]), transfer
    assert refusal(await edith.resolve_withdrawal(withdrawal, "SENT")) == ("INVALID_INPUT", ["transferId"])

    right = await transfer_by_hand(idle, grace, None)
    await idle.stripe.fault("GET", f"{TRANSFERS}/{right}", "error_503", times=3)
    payload = await edith.resolve_withdrawal(withdrawal, "SENT", transferId=right)
    assert refusal(payload)[0] == "PAYMENT_PROVIDER_UNAVAILABLE"
    row = await stored(idle, withdrawal)
    assert (row["status"], row["transfers"]) == ("NEEDS_REVIEW", [])
    assert await money(idle, grace) == (10_00, 20_00)

    for _ in range(2):  # again is no change
        payload = await edith.resolve_withdrawal(withdrawal, "SENT", transferId=right)
        assert (payload["userErrors"], payload["withdrawal"]["status"]) == ([], "IN_TRANSIT")
    assert (await stored(idle, withdrawal))["history"][-1]["reason"] == "seen at Stripe."
    assert await money(idle, grace) == (10_00, 0)
    assert await idle.ledger_is_sound()


async def test_sent_is_refused_of_what_turned_out_to_be_sent_by_another(
    idle: House, grace: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While Stripe is asked about the one that an administrator names, the sweep finds the right one."""
    edith = await idle.admin()
    withdrawal = await in_review(idle, grace)
    await transfer_by_hand(idle, grace, withdrawal)
    named = await transfer_by_hand(idle, grace, None)
    read = idle.runtime.gateway.transfer

    async def slowly(transfer_id: str) -> Any:
        transfer = await read(transfer_id)
        if transfer_id == named:
            assert await go_on(idle, withdrawal) == "IN_TRANSIT"
        return transfer

    monkeypatch.setattr(idle.runtime.gateway, "transfer", slowly)
    payload = await edith.resolve_withdrawal(withdrawal, "SENT", transferId=named)
    assert refusal(payload) == ("INVALID_STATE", ["id"])
    assert [sent["found"] for sent in (await stored(idle, withdrawal))["transfers"]] == [False]
    assert await money(idle, grace) == (30_00, 0)


async def test_one_transfer_is_not_two_withdrawals(idle: House, grace: Person) -> None:
    """It names none itself: whoever is told of it first has it."""
    edith = await idle.admin()
    first, second = await in_review(idle, grace), await in_review(idle, grace)
    transfer = await transfer_by_hand(idle, grace, None)
    payload = await edith.resolve_withdrawal(first, "SENT", transferId=transfer)
    assert payload["userErrors"] == []
    payload = await edith.resolve_withdrawal(second, "SENT", transferId=transfer)
    assert refusal(payload) == ("INVALID_INPUT", ["transferId"])
    assert await money(idle, grace) == (10_00, 20_00)
    assert await idle.ledger_is_sound()


async def test_not_sent_is_believed_only_of_a_spent_key(idle: House, grace: Person) -> None:
    edith = await idle.admin()
    withdrawal = await in_review(idle, grace)
    await idle.stripe.fault("GET", TRANSFERS, "error_503", times=3)
    assert refusal(await edith.resolve_withdrawal(withdrawal, "NOT_SENT")) == ("INVALID_STATE", ["id"])
    assert (await idle.stripe.state())["faults"], "nothing needs to be asked for that"
    await idle.time_passes(hours=24)
    await edith.refresh()
    payload = await edith.resolve_withdrawal(withdrawal, "NOT_SENT")
    assert refusal(payload)[0] == "PAYMENT_PROVIDER_UNAVAILABLE"
    assert await money(idle, grace) == (30_00, 20_00)
    for _ in range(2):  # again is no change
        payload = await edith.resolve_withdrawal(withdrawal, "NOT_SENT")
        assert (payload["userErrors"], payload["withdrawal"]["status"]) == ([], "FAILED")
    await given_back(idle, grace, withdrawal, "not_sent")


async def test_not_sent_is_refuted_by_what_stripe_lists(idle: House, grace: Person) -> None:
    edith = await idle.admin()
    withdrawal = await in_review(idle, grace)
    await idle.time_passes(hours=24)
    await edith.refresh()
    await transfer_by_hand(idle, grace, withdrawal)
    payload = await edith.resolve_withdrawal(withdrawal, "NOT_SENT")
    assert refusal(payload) == ("INVALID_STATE", ["outcome"])
    await sent_once(idle, grace, withdrawal)


async def test_only_what_is_in_review_is_resolved(idle: House, grace: Person) -> None:
    edith = await idle.admin()
    doubtful = await in_doubt(idle, grace)
    transfer = await transfer_by_hand(idle, grace, doubtful)
    for outcome in ("SENT", "NOT_SENT"):
        payload = await edith.resolve_withdrawal(doubtful, outcome, transferId=transfer)
        assert refusal(payload)[0] == "INVALID_STATE"
    assert await go_on(idle, doubtful) == "IN_TRANSIT"
    payload = await edith.resolve_withdrawal(doubtful, "NOT_SENT")
    assert refusal(payload)[0] == "INVALID_STATE"


async def test_two_administrators_who_disagree_have_one_winner(idle: House, grace: Person) -> None:
    edith, mary = await idle.admin(), await idle.admin("mary")
    withdrawal = await in_review(idle, grace)
    await idle.time_passes(hours=24)
    await edith.refresh()
    await mary.refresh()
    transfer = await transfer_by_hand(idle, grace, None)
    sent, not_sent = await asyncio.gather(
        edith.resolve_withdrawal(withdrawal, "SENT", transferId=transfer),
        mary.resolve_withdrawal(withdrawal, "NOT_SENT"),
    )
    # Where both were believed, the transfer that was named later was found sent.
    accepted = [name for name, payload in (("sent", sent), ("not", not_sent)) if not payload["userErrors"]]
    assert accepted
    status = (await stored(idle, withdrawal))["status"]
    assert status == ("IN_TRANSIT" if "sent" in accepted else "FAILED")
    assert await money(idle, grace) == ((30_00, 0) if "sent" in accepted else (50_00, 0))
    assert await idle.ledger_is_sound()
