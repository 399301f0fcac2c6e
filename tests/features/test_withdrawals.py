"""Money out, as its owner sees it: reserved at once, sent once, given back when it is not sent."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from domain import ledger, withdrawals
from domain.kernel.errors import InvalidInput
from domain.kernel.money import MINOR_UNITS_MAX
from domain.ledger import Account, Kind, NewEntry, Platform, Posting
from domain.withdrawals import RequestWithdrawal, WithdrawalStatus
from domain.withdrawals.documents import CANCELABLE
from tests.features.test_freezes import freeze, wallet_id
from tests.house import House, Person
from tests.house.people import withdrawal_mutation

FUNDS = 100_00
ROUNDS = 12
LIST = """
query ($status: [WithdrawalStatus!], $first: Int, $after: String, $last: Int) {
  me { page: withdrawals(status: $status, first: $first, after: $after, last: $last) {
    edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage endCursor }
  } }
}
"""
STATEMENT = """
{ wallet { transactions { edges { node {
  kind amount { amount } heldDelta { amount } operation { id state }
} } } } }
"""
NODE = "query ($id: ID!) { withdrawal(id: $id) { id } node(id: $id) { id } operation(id: $id) { id } }"
WATCH = "subscription ($id: ID!) { withdrawalUpdated(id: $id) { id } }"


@pytest.fixture
async def grace(house: House) -> Person:
    """A contractor with 100 dollars, whose account is ready."""
    return await house.funded(await house.onboarded(), usd=FUNDS)


@pytest.fixture
async def quiet_house(house: House, grace: Person) -> AsyncIterator[House]:
    """Nothing is sent but by the test."""
    async with house.worker_away():
        yield house


def codes(payload: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Code and path of each user error."""
    return [(error["code"], error["path"]) for error in payload["userErrors"]]


def status(payload: dict[str, Any]) -> str:
    assert payload["userErrors"] == []
    return str(payload["withdrawal"]["status"])


def history(withdrawal: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    return [(change["status"], change["actor"], change["reason"]) for change in withdrawal["history"]]


async def moved(house: House) -> list[Any]:
    """What a refusal must leave as it is: all that is written down of money."""
    names = ("withdrawals", "entries", "statement_lines")
    # A look opens a wallet: that is none of money's business.
    wallets = house.collection("wallets").find({"seq": {"$gt": 0}}).sort("_id", 1)
    return [*[await house.count(name) for name in names], await wallets.to_list()]


async def fault(person: Person, mutation: str, **command: Any) -> str | None:
    """The code of the top-level error, and no data beside it."""
    answer = await person.ask(withdrawal_mutation(mutation), {"input": command})
    assert not any((answer.data or {}).values())
    return answer.code


async def at_stripe(house: House) -> int:
    """How many transfers were made."""
    return len(await house.stripe.objects("transfer"))


# ------------------------------------------------------------------ asked for


async def test_what_is_asked_for_is_reserved_at_once(quiet_house: House, grace: Person) -> None:
    requested = await grace.request_withdrawal(20_00, key="rent")
    withdrawal = requested["withdrawal"]
    assert (withdrawal["status"], withdrawal["state"]) == ("PENDING", "PENDING")
    assert (withdrawal["amount"], withdrawal["owner"]) == (
        {"amount": 20_00, "currency": "USD"},
        {"id": grace.id},
    )
    assert (withdrawal["reversed"]["amount"], withdrawal["attempts"]) == (0, 0)
    assert withdrawal["transferId"] is withdrawal["failure"] is withdrawal["estimatedArrival"] is None
    assert history(withdrawal) == [("PENDING", "owner", None)]
    assert requested["idempotency"] == {"replayed": False, "firstSeenAt": withdrawal["createdAt"]}
    assert (await grace.available(), await grace.held()) == (80_00, 20_00)
    line = (await grace.data(STATEMENT))["wallet"]["transactions"]["edges"][0]["node"]
    assert line == {
        "kind": "WITHDRAWAL_REQUESTED",
        "amount": {"amount": -20_00},
        "heldDelta": {"amount": 20_00},
        "operation": {"id": withdrawal["id"], "state": "PENDING"},
    }
    assert await quiet_house.ledger_is_sound()


async def test_it_is_sent_by_itself_and_held_no_more(house: House, grace: Person) -> None:
    withdrawal = await grace.withdraws(usd=20_00)
    sent = await house.withdrawal_reaches(grace, withdrawal, "IN_TRANSIT")
    assert (await grace.available(), await grace.held()) == (80_00, 0)
    [transfer] = await house.stripe.objects("transfer")
    assert sent["transferId"] == transfer["id"]
    assert (transfer["amount"], transfer["destination"]) == (20_00, await house.acct(grace))
    assert transfer["metadata"] == {"withdrawal_id": withdrawal["id"], "user_id": grace.id}
    first, begun, (last, actor, _) = history(sent)
    assert (first, begun) == (("PENDING", "owner", None), ("PROCESSING", "worker", None))
    # Our own answer, or an event that outran it.
    assert last == "IN_TRANSIT"
    assert actor in {"worker", "webhook"}
    assert await house.ledger_is_sound()


async def test_the_least_and_the_most_go(quiet_house: House, grace: Person) -> None:
    await quiet_house.funded(grace, usd=10_000_00)
    assert status(await grace.request_withdrawal(10_00)) == "PENDING"
    assert status(await grace.request_withdrawal(10_000_00)) == "AWAITING_APPROVAL"
    assert await grace.available() == FUNDS - 10_00


# ------------------------------------------------------------------ refused


async def test_what_cannot_be_is_refused_and_costs_nothing(house: House, grace: Person) -> None:
    """Nothing is written, and the one withdrawal that the hour allows can still be made."""
    await house.funded(grace, eur=50_00)
    refusals: list[tuple[dict[str, Any], str, list[str]]] = [
        ({"amount": FUNDS + 1}, "INSUFFICIENT_FUNDS", ["amount"]),
        ({"amount": 10_000_00}, "INSUFFICIENT_FUNDS", ["amount"]),
        ({"amount": FUNDS, "currency": "EUR"}, "INSUFFICIENT_FUNDS", ["amount"]),
        *(
            ({"amount": amount}, "INVALID_INPUT", ["amount"])
            for amount in (0, -1, -20_00, 9_99, 10_000_01, 2**31, MINOR_UNITS_MAX, -MINOR_UNITS_MAX)
        ),
        *(
            ({"amount": 20_00, "currency": code}, "INVALID_INPUT", ["currency"])
            for code in ("GBP", "HUF", "XXX")
        ),
        ({"amount": 20_00, "idempotencyKey": ""}, "INVALID_INPUT", ["idempotencyKey"]),
        ({"amount": 20_00, "idempotencyKey": "x" * 256}, "INVALID_INPUT", ["idempotencyKey"]),
    ]
    async with house.worker_away(), house.limited(withdrawals="1/hour"):
        before = await moved(house)
        for command, code, path in refusals:
            wish = {"idempotencyKey": "rent"} | command
            payload = await grace.ask_of_withdrawal("requestWithdrawal", **wish)
            assert payload["withdrawal"] is payload["idempotency"] is None
            assert codes(payload) == [(code, path)], command
        assert await moved(house) == before
        assert status(await grace.request_withdrawal(FUNDS, key="rent")) == "PENDING"


async def test_who_asks_for_too_much_is_told_what_there_is(grace: Person) -> None:
    [error] = (await grace.request_withdrawal(FUNDS + 1))["userErrors"]
    assert error["__typename"] == "InsufficientFundsError"
    assert (error["available"]["amount"], error["required"]["amount"]) == (FUNDS, FUNDS + 1)


async def test_what_is_no_count_is_a_bad_request(house: House, grace: Person) -> None:
    """A float that is whole included: 2000.0 is written with its point."""
    before = await moved(house)
    for amount in (20.5, 20_00.0, "2000", True, None, 2**53, [2000]):
        command = {"amount": amount, "idempotencyKey": "rent"}
        assert await fault(grace, "requestWithdrawal", **command) == "BAD_REQUEST", amount
    assert await moved(house) == before


async def test_no_account_and_one_that_is_not_ready(house: House) -> None:
    """Each standing in turn; and what Stripe asks for is named."""
    hopper = await house.funded(await house.contractor("hopper"), usd=FUNDS)
    before = await moved(house)

    async def refusal() -> tuple[str, str]:
        payload = await hopper.request_withdrawal(20_00, key="rent")
        [error] = payload["userErrors"]
        assert payload["withdrawal"] is None
        assert await moved(house) == before
        return error["code"], error["message"]

    assert (await refusal())[0] == "CONNECT_ACCOUNT_REQUIRED"
    await hopper.create_connect_account()
    seen = {"INCOMPLETE": await refusal()}
    requirements = ["individual.verification.document"]
    for outcome in ("in_review", "restricted", "payouts_disabled", "rejected"):
        more = {"requirements": requirements} if outcome == "restricted" else {}
        account = await house.onboard(hopper, outcome, **more)
        seen[account["status"]] = await refusal()
    assert {name: code for name, (code, _) in seen.items()} == {
        "INCOMPLETE": "CONNECT_ACCOUNT_NOT_READY",
        "IN_REVIEW": "CONNECT_ACCOUNT_NOT_READY",
        "ACTION_REQUIRED": "CONNECT_ACCOUNT_NOT_READY",
        "PAYOUTS_DISABLED": "CONNECT_ACCOUNT_NOT_READY",
        "REJECTED": "CONNECT_ACCOUNT_REQUIRED",
    }
    assert "individual.verification.document" in seen["ACTION_REQUIRED"][1]
    assert len({message for _, message in seen.values()}) == len(seen)


async def test_an_account_that_shut_us_out_is_none(house: House, grace: Person) -> None:
    await house.onboard(grace, "deauthorized")

    async def is_heard() -> bool:
        return bool((await grace.connect_account() or {})["status"] == "DISCONNECTED")

    await house.until(is_heard)
    before = await moved(house)
    assert codes(await grace.request_withdrawal(20_00)) == [("CONNECT_ACCOUNT_REQUIRED", [])]
    assert await moved(house) == before


async def test_nothing_leaves_a_frozen_wallet(house: House, grace: Person) -> None:
    """Be it an administrator's word or a debt; other wallets of the same person are open."""
    await house.funded(grace, eur=50_00)
    await freeze(await house.admin(), await wallet_id(grace), "a call from the bank.")
    before = await moved(house)
    async with house.worker_away(), house.limited(withdrawals="1/hour"):
        payload = await grace.request_withdrawal(20_00)
        assert codes(payload) == [("WALLET_FROZEN", [])]
        assert "a call from the bank." in payload["userErrors"][0]["message"]
        assert await moved(house) == before
        assert status(await grace.request_withdrawal(20_00, currency="EUR")) == "PENDING"


async def test_who_owes_takes_nothing_out(house: House, grace: Person) -> None:
    wallet = await wallet_id(grace)
    lost = Posting(Account.available(wallet), Account.platform(Platform.STRIPE), FUNDS + 1)
    entry = NewEntry(
        ref="dispute:dsp_1:txn_1",
        kind=Kind.DISPUTE_WITHDRAWN,
        currency="USD",
        postings=[lost],
        operation="dsp_1",
        actor="webhook",
    )
    await house.runtime.database.transact(lambda tx: ledger.post(tx, entry))
    before = await moved(house)
    assert codes(await grace.request_withdrawal(20_00)) == [("WALLET_FROZEN", [])]
    assert await moved(house) == before
    await house.funded(grace, usd=20_01)
    async with house.worker_away():
        assert status(await grace.request_withdrawal(20_00)) == "PENDING"


async def test_somebody_elses_withdrawal_is_none(quiet_house: House, grace: Person) -> None:
    withdrawal = await grace.withdraws(usd=20_00)
    hopper = await quiet_house.contractor("hopper")
    none = {"withdrawal": None, "node": None, "operation": None}
    before = await moved(quiet_house)
    for wanted in (withdrawal["id"], "wdr_nobody", "", grace.id):
        assert await hopper.data(NODE, {"id": wanted}) == none
        async with hopper.subscribe(WATCH, {"id": wanted}) as updates:
            assert await updates.until_complete() == [{"withdrawalUpdated": None}]
        assert codes(await hopper.cancel_withdrawal({"id": wanted})) == [("NOT_FOUND", ["id"])]
    assert await moved(quiet_house) == before
    # An administrator sees it, but cancels nobody's.
    edith = await quiet_house.admin()
    seen = {"id": withdrawal["id"]}
    assert await edith.data(NODE, seen) == {"withdrawal": seen, "node": seen, "operation": seen}
    assert await fault(edith, "cancelWithdrawal", id=withdrawal["id"]) == "FORBIDDEN"


async def test_who_may_never(house: House, grace: Person) -> None:
    ada, nobody = await house.funded(await house.customer(), usd=FUNDS), house.nobody()
    before = await moved(house)
    ask, name = {"amount": 20_00, "idempotencyKey": "rent"}, {"id": "wdr_1"}
    resolve = {**name, "outcome": "NOT_SENT", "reason": "why not"}
    for person, mutation, command in (
        (ada, "requestWithdrawal", ask),
        (ada, "cancelWithdrawal", name),
        (grace, "approveWithdrawal", name),
        (grace, "rejectWithdrawal", name),
        (grace, "resolveWithdrawal", resolve),
    ):
        assert await fault(person, mutation, **command) == "FORBIDDEN"
        assert await fault(nobody, mutation, **command) == "UNAUTHENTICATED"
    assert await moved(house) == before


# ------------------------------------------------------------------ keys


async def test_the_same_key_answers_with_the_same_withdrawal_as_it_is_now(
    quiet_house: House, grace: Person
) -> None:
    first = await grace.request_withdrawal(20_00, key="rent")
    before = await moved(quiet_house)
    again = await grace.request_withdrawal(20_00, key="rent")
    assert again["withdrawal"] == first["withdrawal"]
    assert again["idempotency"] == {**first["idempotency"], "replayed": True}
    for other, field in (({"amount": 20_01}, "amount"), ({"currency": "EUR"}, "currency")):
        command = {"amount": 20_00, "idempotencyKey": "rent"} | other
        payload = await grace.ask_of_withdrawal("requestWithdrawal", **command)
        assert codes(payload) == [("IDEMPOTENCY_KEY_REUSED", ["idempotencyKey"])]
        assert payload["userErrors"][0]["conflictingFields"] == [field]
        assert payload["withdrawal"] is None
    assert await moved(quiet_house) == before
    await grace.cancel_withdrawal(first["withdrawal"])
    assert status(await grace.request_withdrawal(20_00, key="rent")) == "CANCELED"
    # A key is one person's.
    hopper = await quiet_house.contractor("hopper")
    assert codes(await hopper.request_withdrawal(20_00, key="rent")) == [("CONNECT_ACCOUNT_REQUIRED", [])]


async def test_a_replay_is_answered_whatever_stands_in_the_way_by_now(
    quiet_house: House, grace: Person
) -> None:
    """No longer enough money, no more room in the hour, the wallet frozen: it was asked before that."""
    async with quiet_house.limited(withdrawals="1/hour"):
        first = await grace.request_withdrawal(FUNDS, key="rent")
        await freeze(await quiet_house.admin(), await wallet_id(grace))
        again = await grace.request_withdrawal(FUNDS, key="rent")
    assert again["idempotency"]["replayed"] is True
    assert again["withdrawal"]["id"] == first["withdrawal"]["id"]


# ------------------------------------------------------------------ how often


async def test_so_many_an_hour_replays_not_counted(quiet_house: House, grace: Person) -> None:
    async with quiet_house.limited(withdrawals="3/hour"):
        for key in ("a", "a", "b", "a", "b", "c", "c"):
            assert status(await grace.request_withdrawal(10_00, key=key)) == "PENDING"
        before = await moved(quiet_house)
        payload = await grace.request_withdrawal(10_00, key="d")
        [error] = payload["userErrors"]
        assert (payload["withdrawal"], error["__typename"]) == (None, "RateLimitedError")
        assert (error["code"], error["limit"], error["windowSeconds"]) == ("RATE_LIMITED", 3, 3600)
        assert 3600 - 60 < error["retryAfterSeconds"] <= 3600
        assert await moved(quiet_house) == before
        await quiet_house.time_passes_for_limits(error["retryAfterSeconds"])
        assert status(await grace.request_withdrawal(10_00, key="d")) == "PENDING"


# ------------------------------------------------------------------ a hundred at once


async def test_of_a_hundred_for_the_whole_balance_one_wins(house: House, grace: Person) -> None:
    payloads = await asyncio.gather(*(grace.request_withdrawal(FUNDS) for _ in range(100)))
    won = [payload["withdrawal"] for payload in payloads if not payload["userErrors"]]
    refused = Counter(code for payload in payloads for code, _ in codes(payload))
    assert (len(won), refused) == (1, {"INSUFFICIENT_FUNDS": 99})
    assert await grace.available() == 0
    await house.withdrawal_reaches(grace, won[0], "IN_TRANSIT")
    assert (await grace.available(), await grace.held(), await at_stripe(house)) == (0, 0, 1)
    assert await house.count("withdrawals") == 1
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_a_hundred_copies_make_one_withdrawal(house: House, grace: Person) -> None:
    """Of all there is: a copy that finds the money gone is told where it went."""
    async with house.limited(withdrawals="1/hour"):
        payloads = await asyncio.gather(*(grace.request_withdrawal(FUNDS, key="rent") for _ in range(100)))
    assert [codes(payload) for payload in payloads] == [[]] * 100
    assert len({payload["withdrawal"]["id"] for payload in payloads}) == 1
    assert Counter(payload["idempotency"]["replayed"] for payload in payloads) == {False: 1, True: 99}
    await house.withdrawal_reaches(grace, payloads[0]["withdrawal"], "IN_TRANSIT")
    assert (await grace.available(), await at_stripe(house)) == (0, 1)
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_copies_that_differ_race_and_one_is_what_was_meant(quiet_house: House, grace: Person) -> None:
    """Also where they are about two wallets, so that nothing but the key makes them meet."""
    await quiet_house.funded(grace, eur=FUNDS)
    for number in range(5):
        inputs = [(10_00, "USD"), (11_00, "USD"), (10_00, "EUR"), (11_00, "EUR")]
        payloads = await asyncio.gather(
            *(
                grace.request_withdrawal(amount, currency=currency, key=f"rent {number}")
                for amount, currency in inputs * 2
            )
        )
        made = {payload["withdrawal"]["id"] for payload in payloads if payload["withdrawal"]}
        refused = Counter(code for payload in payloads for code, _ in codes(payload))
        assert (len(made), refused) == (1, {"IDEMPOTENCY_KEY_REUSED": 6})
        await grace.cancel_withdrawal({"id": made.pop()})
    assert await quiet_house.count("withdrawals") == 5
    assert await quiet_house.ledger_is_sound()


# ------------------------------------------------------------------ what a bank can be paid


async def test_a_bank_is_paid_in_steps_of_its_currency(quiet_house: House, grace: Person) -> None:
    steps = {"HUF": 100, "TWD": 100, "KWD": 10, "JPY": 1, "ISK": 1, "USD": 1}
    await quiet_house.funded(grace, **{currency.lower(): 1_000_000 for currency in steps})
    runtime = quiet_house.with_policy(currencies=tuple(steps))

    async def request(amount: int, currency: str) -> WithdrawalStatus:
        command = RequestWithdrawal(amount, currency, f"{currency} {amount}")
        budget = quiet_house.limits.withdrawals
        return (await withdrawals.request(runtime, grace.id, command, budget=budget)).withdrawal.status

    for currency, step in steps.items():
        before = await moved(quiet_house)
        for amount in (1_000 + 1, 1_000 + step - 1, 1_000 + 10 * step + 1) if step > 1 else ():
            with pytest.raises(InvalidInput, match=f"{currency} in steps of {step} minor units") as refused:
                await request(amount, currency)
            assert refused.value.path == ("amount",)
        assert await moved(quiet_house) == before
        for amount in (1_000, 1_000 + step):
            assert await request(amount, currency) is WithdrawalStatus.PENDING
    assert await quiet_house.ledger_is_sound()


async def test_stripe_is_told_the_amount_as_stripe_counts(house: House, grace: Person) -> None:
    stripes = {"usd": 10_500, "jpy": 10_500, "isk": 1_050_000, "kwd": 10_500}
    await house.funded(grace, **dict.fromkeys(stripes, 10_500))
    for currency in stripes:
        await house.stripe.control("/float", {"currency": currency, "amount": 10_000_000})
        withdrawal = (await grace.request_withdrawal(10_500, currency=currency.upper()))["withdrawal"]
        sent = await house.withdrawal_reaches(grace, withdrawal, "IN_TRANSIT")
        assert sent["amount"] == {"amount": 10_500, "currency": currency.upper()}
    sent_there = {one["currency"]: one["amount"] for one in await house.stripe.objects("transfer")}
    assert sent_there == stripes
    assert await house.ledger_is_sound()


# ------------------------------------------------------------------ taken back


async def test_its_owner_may_change_their_mind_before_it_is_sent(quiet_house: House, grace: Person) -> None:
    withdrawal = await grace.withdraws(usd=20_00)
    canceled = (await grace.cancel_withdrawal(withdrawal, reason="too early"))["withdrawal"]
    assert history(canceled) == [("PENDING", "owner", None), ("CANCELED", "owner", "too early")]
    assert canceled["waitingFor"] is canceled["nextAttemptAt"] is None
    assert (await grace.available(), await grace.held()) == (FUNDS, 0)
    before = await moved(quiet_house)
    again = await grace.cancel_withdrawal(withdrawal, reason="once more")
    assert again["withdrawal"] == canceled
    assert await moved(quiet_house) == before
    line = (await grace.data(STATEMENT))["wallet"]["transactions"]["edges"][0]["node"]
    assert (line["kind"], line["amount"]["amount"]) == ("WITHDRAWAL_RETURNED", 20_00)
    assert await quiet_house.ledger_is_sound()


async def test_what_was_canceled_is_never_sent(house: House, grace: Person) -> None:
    async with house.worker_away():
        withdrawal = await grace.withdraws(usd=20_00)
        await grace.cancel_withdrawal(withdrawal)
    await house.sweep()
    await withdrawals.go_on(house.runtime, withdrawal["id"])
    assert await at_stripe(house) == 0
    assert (await grace.withdrawal(withdrawal["id"]))["status"] == "CANCELED"


async def test_also_while_it_waits_to_be_tried_again(house: House, grace: Person) -> None:
    await house.stripe.fault("POST", "/v1/transfers", "rate_limit_429", times=10)
    withdrawal = await grace.withdraws(usd=20_00)
    await house.withdrawal_reaches(grace, withdrawal, "RETRYING")
    assert status(await grace.cancel_withdrawal(withdrawal)) == "CANCELED"
    assert (await grace.available(), await grace.held()) == (FUNDS, 0)
    assert await house.ledger_is_sound()


async def test_what_was_sent_perhaps_or_is_over_cannot_be_canceled(quiet_house: House, grace: Person) -> None:
    withdrawal = await grace.withdraws(usd=20_00)
    for state in set(WithdrawalStatus) - CANCELABLE - {WithdrawalStatus.CANCELED}:
        # Put there by hand: it is the verb's own look that is tested, not the way into each state.
        await quiet_house.collection("withdrawals").update_one({}, {"$set": {"status": state.value}})
        before = await moved(quiet_house)
        payload = await grace.cancel_withdrawal(withdrawal)
        assert (payload["withdrawal"], codes(payload)) == (None, [("INVALID_STATE", ["id"])]), state
        assert await moved(quiet_house) == before


async def test_a_reason_too_long_to_be_kept_cancels_nothing(quiet_house: House, grace: Person) -> None:
    withdrawal = await grace.withdraws(usd=20_00)
    payload = await grace.cancel_withdrawal(withdrawal, reason="x" * 501)
    assert codes(payload) == [("INVALID_INPUT", ["reason"])]
    assert (await grace.withdrawal(withdrawal["id"]))["status"] == "PENDING"
    assert status(await grace.cancel_withdrawal(withdrawal, reason="x" * 500)) == "CANCELED"


async def test_of_canceling_and_sending_that_race_one_wins(quiet_house: House, grace: Person) -> None:
    await quiet_house.funded(grace, usd=ROUNDS * 10_00)
    before, sent = await grace.available(), 0
    for number in range(ROUNDS):
        withdrawal = await grace.withdraws(usd=10_00)
        canceling = asyncio.create_task(grace.cancel_withdrawal(withdrawal))
        # Now the one is a little earlier, now the other.
        await asyncio.sleep(number % 5 * 0.01)
        await asyncio.gather(
            *(withdrawals.go_on(quiet_house.runtime, withdrawal["id"]) for _ in range(2)),
            grace.cancel_withdrawal(withdrawal),
        )
        payload = await canceling
        present = await grace.withdrawal(withdrawal["id"])
        if present["status"] == "CANCELED":
            assert status(payload) == "CANCELED"
        else:
            assert present["status"] == "IN_TRANSIT"
            assert codes(payload) == [("INVALID_STATE", ["id"])]
            sent += 1
        assert await at_stripe(quiet_house) == sent
        assert (await grace.available(), await grace.held()) == (before - sent * 10_00, 0)
    assert await quiet_house.ledger_is_sound()


# ------------------------------------------------------------------ lists


async def test_ones_own_are_listed_newest_first(quiet_house: House, grace: Person) -> None:
    made = [await grace.withdraws(usd=10_00) for _ in range(5)]
    await grace.cancel_withdrawal(made[1])
    ids = [withdrawal["id"] for withdrawal in reversed(made)]

    async def page(**variables: Any) -> tuple[list[str], dict[str, Any]]:
        found = (await grace.data(LIST, variables))["me"]["page"]
        return [edge["node"]["id"] for edge in found["edges"]], found["pageInfo"]

    first, info = await page(first=2)
    second, info = await page(first=2, after=info["endCursor"])
    third, info = await page(first=2, after=info["endCursor"])
    assert ([*first, *second, *third], info["hasNextPage"]) == (ids, False)
    assert (await page(last=2))[0] == ids[-2:]
    assert (await page(status=["CANCELED"]))[0] == [made[1]["id"]]
    assert (await page(status=["PENDING"], first=10))[0] == [one for one in ids if one != made[1]["id"]]
    assert (await page(status=["PAID", "FAILED"]))[0] == []
    hopper = await quiet_house.contractor("hopper")
    assert (await hopper.data(LIST))["me"]["page"]["edges"] == []
