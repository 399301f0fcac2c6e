"""A process that dies between any two of its steps leaves nothing behind, or everything; and what is asked
again is then completed, once.

A coroutine is driven to its n-th await and never resumed: no line of it runs any more, no `finally` either.
"""

import asyncio
import contextlib
import itertools
import sys
import types
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from dataclasses import replace
from typing import Any

import pytest
from ulid import ULID

from domain import deposits, onboarding, withdrawals
from domain.deposits import CreateDeposit, Deposit
from domain.gateway import GatewayConfig, StripeGateway
from domain.kernel.database import Tx
from domain.kernel.money import Limit
from domain.kernel.operations import Actor
from domain.onboarding import Addresses, CreateConnectAccount
from domain.runtime import Runtime
from domain.withdrawals import RequestWithdrawal, Withdrawal, WithdrawalStatus
from tests.house import House, Person, intent_of
from tests.house.people import ADDRESSES
from tests.house.sandbox import SECRET_KEY

STEPS_MAX = 400


@contextlib.asynccontextmanager
async def killed_at(step: int, work: Coroutine[Any, Any, Any]) -> AsyncIterator[bool]:
    """Within the block `work` lies dead at its await number `step`; False when it came to its end before.

    Behind the block it is buried: cancelled, so that its connections go back.
    """
    death, burial = asyncio.Event(), asyncio.Event()
    process = asyncio.create_task(_process(work, step, death, burial))
    dying = asyncio.create_task(death.wait())
    await asyncio.wait([process, dying], return_when=asyncio.FIRST_COMPLETED)
    try:
        if not death.is_set():
            await process
        yield death.is_set()
    finally:
        burial.set()
        dying.cancel()
        await asyncio.gather(process, dying, return_exceptions=True)


@contextlib.asynccontextmanager
async def paused_at(step: int, work: Coroutine[Any, Any, Any]) -> AsyncIterator[bool]:
    """Within the block `work` stands still at its await number `step`, and behind it goes on to its end."""
    reached, resumed = asyncio.Event(), asyncio.Event()
    process = asyncio.create_task(_paused(work, step, reached, resumed))
    reaching = asyncio.create_task(reached.wait())
    await asyncio.wait([process, reaching], return_when=asyncio.FIRST_COMPLETED)
    try:
        yield reached.is_set()
    finally:
        resumed.set()
        reaching.cancel()
        await process


async def _paused(
    work: Coroutine[Any, Any, Any], step: int, reached: asyncio.Event, resumed: asyncio.Event
) -> None:
    await _standing(work, step, reached, resumed)


@types.coroutine
def _standing(
    work: Coroutine[Any, Any, Any], step: int, reached: asyncio.Event, resumed: asyncio.Event
) -> Generator[Any, None, None]:
    resume: Callable[[Any], Any] = work.send
    message: Any = None
    with contextlib.suppress(StopIteration):
        for awaits in itertools.count():
            waits_for = resume(message)
            resume, message = work.send, None
            while awaits == step and not resumed.is_set():
                reached.set()
                try:
                    yield from resumed.wait().__await__()
                except asyncio.CancelledError as cancelled:  # it hears of that when it goes on
                    resume, message = work.throw, cancelled
            if message is not None:
                continue
            try:
                yield waits_for
            except asyncio.CancelledError as cancelled:
                resume, message = work.throw, cancelled


async def _process(
    work: Coroutine[Any, Any, Any], step: int, death: asyncio.Event, burial: asyncio.Event
) -> None:
    if await _driven(work, work.send, None, awaits=step):
        return
    death.set()
    while not burial.is_set():
        # A timeout that it had set may still go off: the dead do not hear it.
        with contextlib.suppress(asyncio.CancelledError):
            await burial.wait()
    await _driven(work, work.throw, asyncio.CancelledError(), awaits=sys.maxsize)


@types.coroutine
def _driven(
    work: Coroutine[Any, Any, Any], resume: Callable[[Any], Any], message: Any, *, awaits: int
) -> Generator[Any, None, bool]:
    """Whether `work`, resumed by `message`, came to its end before its await number `awaits`."""
    try:
        for _ in range(awaits):
            waits_for = resume(message)
            try:
                yield waits_for
            except asyncio.CancelledError as cancelled:
                resume, message = work.throw, cancelled
            else:
                resume, message = work.send, None
    except StopIteration:
        return True
    return False


# ------------------------------------------------------------------ settling


async def books(house: House, deposit_id: str) -> tuple[str, int, int, int, int]:
    """Status, received, balance, entries and lines, as one snapshot shows them."""

    async def work(tx: Tx) -> tuple[str, int, int, int, int]:
        deposit = await house.collection("deposits").find_one({"_id": deposit_id}, session=tx.session)
        wallet = await house.collection("wallets").find_one({"_id": deposit["wallet"]}, session=tx.session)
        entries = await house.collection("entries").count_documents(
            {"operation": deposit_id}, session=tx.session
        )
        lines = await house.collection("statement_lines").count_documents(
            {"operation": deposit_id}, session=tx.session
        )
        return deposit["status"], deposit["received"], wallet["available"], entries, lines

    return await house.runtime.database.transact(work)


async def test_settling_is_done_wholly_or_not_at_all(house: House) -> None:
    nothing, everything = ("REQUIRES_PAYMENT", 0, 0, 0, 0), ("SUCCEEDED", 25_00, 25_00, 1, 1)
    await house.stop_worker()
    await house.stripe.webhooks(drop=1)
    outcomes = []
    try:
        for step in range(STEPS_MAX):
            ada = await house.customer()
            deposit = await ada.deposits(usd=25_00)
            await house.pay(deposit)
            intent = await house.runtime.gateway.payment_intent(intent_of(deposit))

            def settle(intent: Any = intent) -> Coroutine[Any, Any, Deposit | None]:
                return deposits.settle(house.runtime, intent, observed_at=house.clock(), actor=Actor.WORKER)

            async with killed_at(step, settle()) as died:
                await house.end_transactions()
                outcomes.append(await books(house, deposit["id"]))
                assert outcomes[-1] in (nothing, everything), step
                await settle()
                assert await books(house, deposit["id"]) == everything, step
            assert await books(house, deposit["id"]) == everything, step
            if not died:
                break
    finally:
        await house.start_worker()

    assert not died
    # It died before its commit, and it died after it: the test saw both.
    assert outcomes[0] == nothing
    assert outcomes[-2] == outcomes[-1] == everything
    assert await house.ledger_is_sound()


# ------------------------------------------------------------------ asking Stripe


async def test_a_deposit_that_was_begun_is_finished_by_its_replay(house: House) -> None:
    """Before, within and after the calls to Stripe: one deposit, one customer and one intent in the end."""
    await house.stop_worker()
    made_before_the_replay = set()
    try:
        for step in range(STEPS_MAX):
            await house.sweep_clean()
            ada = await house.customer()
            command = CreateDeposit(amount=25_00, currency="USD", idempotency_key="rent")
            budget = house.limits.deposits
            async with (
                own_line_to_stripe(house) as runtime,
                killed_at(step, deposits.create(runtime, ada.id, command, budget=budget)) as died,
            ):
                made_before_the_replay.add(
                    (await house.count("deposits"), len(await house.stripe.objects("payment_intent")))
                )
                await house.end_transactions()
                # Whoever was killed keeps its lease until it runs out.
                house.clock.advance(seconds=house.settings.lease_seconds + 1)
                payload = await ada.create_deposit(25_00, key="rent")
                while payload["userErrors"]:  # the dead one's call is still under way at Stripe
                    assert payload["userErrors"][0]["code"] == "PAYMENT_PROVIDER_UNAVAILABLE"
                    payload = await ada.create_deposit(25_00, key="rent")
            await one_of_each(house, payload["deposit"])
            if not died:
                break
    finally:
        await house.start_worker()

    assert not died
    # It died before there was anything, with only the deposit, and with the intent too.
    assert made_before_the_replay == {(0, 0), (1, 0), (1, 1)}


async def test_an_account_that_was_begun_is_finished_by_its_replay(house: House) -> None:
    """The same for a contractor's account: one of ours, and one at Stripe, in the end."""
    await house.stop_worker()
    made_before_the_replay = set()
    addresses = Addresses(return_url=ADDRESSES["returnUrl"], refresh_url=ADDRESSES["refreshUrl"])
    command = CreateConnectAccount(country="US", addresses=addresses, idempotency_key="payouts")
    try:
        for step in range(STEPS_MAX):
            await house.sweep_clean()
            grace = await house.contractor()
            budget = house.limits.connect_accounts
            async with (
                own_line_to_stripe(house) as runtime,
                killed_at(step, onboarding.create(runtime, grace.id, command, budget=budget)) as died,
            ):
                made_before_the_replay.add(
                    (await house.count("connect_accounts"), len(await house.stripe.objects("account")))
                )
                await house.end_transactions()
                house.clock.advance(seconds=house.settings.lease_seconds + 1)
                payload = await grace.create_connect_account(key="payouts")
                while payload["userErrors"]:  # the dead one's call is still under way at Stripe
                    assert payload["userErrors"][0]["code"] == "PAYMENT_PROVIDER_UNAVAILABLE"
                    payload = await grace.create_connect_account(key="payouts")
            [account] = await house.stripe.objects("account")
            assert account["metadata"]["connect_account_id"] == payload["connectAccount"]["id"]
            assert await house.acct(grace) == account["id"]
            assert await house.count("connect_accounts") == 1
            if not died:
                break
    finally:
        await house.start_worker()

    assert not died
    assert made_before_the_replay == {(0, 0), (1, 0), (1, 1)}


# ------------------------------------------------------------------ sending money


async def requested(house: House, grace: Person) -> Withdrawal:
    """Of 10.00, however many they were before."""
    policy = house.with_policy(withdrawal_approval_above=Limit(10**9))
    command = RequestWithdrawal(amount=10_00, currency="USD", idempotency_key=str(ULID()))
    asked = await withdrawals.request(policy, grace.id, command, budget=house.limits.withdrawals)
    return asked.withdrawal


async def seen(house: House, withdrawal: Withdrawal) -> tuple[WithdrawalStatus, bool]:
    """Its status, and whether its transfer has been made."""
    present = await withdrawals.find(withdrawal.id)
    assert present is not None
    made = await house.stripe.request("GET", f"/v1/transfers?transfer_group=wd_{withdrawal.id}", key=None)
    return present.status, bool(made["data"])


async def until_sent(house: House, withdrawal: Withdrawal) -> None:
    """What the sweep does of it, each time that it is due; the dead one's call may be under way at Stripe."""
    for _ in range(4):
        present = await withdrawals.find(withdrawal.id)
        assert present is not None
        if present.status is WithdrawalStatus.IN_TRANSIT:
            return
        assert present.next_attempt_at is not None
        await house.time_passes(seconds=max((present.next_attempt_at - house.clock()).total_seconds(), 0))
        await withdrawals.go_on(house.runtime, withdrawal.id)
    raise AssertionError(f"{withdrawal.id} is not sent")


async def sent_exactly_once(house: House, asked: list[Withdrawal]) -> None:
    transfers = await house.stripe.objects("transfer")
    made = [one["metadata"]["withdrawal_id"] for one in transfers]
    assert sorted(made) == sorted(one.id for one in asked)
    wallet = await house.collection("wallets").find_one({"owner": asked[0].owner})
    assert (wallet["available"], wallet["held"]) == (STEPS_MAX * 10_00 - len(asked) * 10_00, 0)
    assert await house.ledger_is_sound(asking_stripe=True)


@pytest.mark.parametrize("end", ["dies", "is paused"])
async def test_money_is_sent_once_wherever_its_worker_ends(house: House, end: str) -> None:
    """One that was paused goes on when another has done it all, and finds that nothing is left to do."""
    grace = await house.funded(await house.onboarded(), usd=STEPS_MAX * 10_00)
    await house.stripe.webhooks(drop=1)
    await house.stop_worker()
    asked, left_behind = [], set()
    try:
        for step in range(STEPS_MAX):
            withdrawal = await requested(house, grace)
            asked.append(withdrawal)
            async with own_line_to_stripe(house) as runtime:
                going = withdrawals.go_on(runtime, withdrawal.id)
                ends = killed_at(step, going) if end == "dies" else paused_at(step, going)
                async with ends as ended:
                    left_behind.add(await seen(house, withdrawal))
                    await house.end_transactions()
                    await until_sent(house, withdrawal)
            if not ended:
                break
    finally:
        await house.start_worker()

    assert not ended
    assert left_behind == {
        (WithdrawalStatus.PENDING, False),
        (WithdrawalStatus.PROCESSING, False),
        (WithdrawalStatus.PROCESSING, True),
        (WithdrawalStatus.IN_TRANSIT, True),
    }
    await sent_exactly_once(house, asked)


@contextlib.asynccontextmanager
async def own_line_to_stripe(house: House) -> AsyncIterator[Runtime]:
    """As a process of its own would have it: on the connections of the dead, others would wait for ever."""
    config = GatewayConfig(secret_key=SECRET_KEY, api_base=house.sandbox.url, requests_per_second=1000)
    gateway = StripeGateway(config, cipher=house.runtime.cipher, now=house.clock)
    try:
        yield replace(house.runtime, gateway=gateway)
    finally:
        await gateway.close()


async def one_of_each(house: House, deposit: dict[str, Any]) -> None:
    assert deposit["status"] == "REQUIRES_PAYMENT"
    [intent] = await house.stripe.objects("payment_intent")
    assert intent["metadata"]["deposit_id"] == deposit["id"]
    assert intent["client_secret"] == deposit["clientSecret"]
    assert len(await house.stripe.objects("customer")) == 1
    assert await house.count("deposits") == await house.count("customers") == 1
