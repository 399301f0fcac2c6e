"""Sending: the attempt written down, Stripe asked under its key, and the answer written.

A process that dies at any line leaves a state from which the next one goes on: before the question it is
PROCESSING with a key that did nothing, and is begun once more; after it, with a key that nobody knows about,
which is UNCONFIRMED.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Generic, TypeVar

from domain import ledger
from domain.gateway import Attempt, NotSendable, StripeTrouble, ask, listed
from domain.kernel.alerts import alert
from domain.kernel.database import Tx, parse
from domain.kernel.errors import InvalidState, WalletFrozen
from domain.kernel.operations import Actor, move
from domain.runtime import Runtime
from domain.sending.documents import ASKED, Hindrance, Sending, Stage
from domain.sending.verdicts import FUNDS_SHORT, NotListed, Terms, Verdict, judge, looks_up_only

SendingT = TypeVar("SendingT", bound=Sending[Any])
Made = TypeVar("Made")

CLOCK_SLACK: Final = timedelta(minutes=5)
FUNDS_ALERT_AFTER: Final = timedelta(hours=24)
# A sending that is over asks nothing, and waits for nothing.
CLEARED: Final[Mapping[str, Any]] = {
    "attempt": None,
    "hindrance": None,
    "hindered_since": None,
    "expected_at": None,
}


@dataclass(frozen=True, kw_only=True)
class Errand(Generic[SendingT, Made]):
    """What a noun adds. `noun` names it in alerts, of which these are the codes; `terms` names its failures.

    `start`: from PENDING or RETRYING (or PROCESSING that asked nothing) to PROCESSING with its attempt; None
    where it cannot be sent now, which it has written down. `record` writes what was made, `give_back` ends
    it in FAILED and frees what was held.
    """

    noun: str
    needs_review: str
    waits_for_funds: str
    model: type[SendingT]
    terms: Terms
    start: Callable[[Runtime, Tx, SendingT], Awaitable[SendingT | None]]
    create: Callable[[Runtime, Attempt, datetime], Awaitable[Made]]
    find: Callable[[Runtime, SendingT, Attempt], Awaitable[Made | None]]
    record: Callable[[Runtime, str, Made], Awaitable[Any]]
    give_back: Callable[[Tx, SendingT, str, Mapping[str, Any]], Awaitable[Any]]

    async def get(self, sending_id: str, tx: Tx) -> SendingT:
        """Raises LookupError: only for ids that were read before."""
        row = await self.model.get_pymongo_collection().find_one({"_id": sending_id}, session=tx.session)
        if row is None:
            raise LookupError(sending_id)
        return parse(self.model, row)


async def send(runtime: Runtime, errand: Errand[SendingT, Made], sending_id: str) -> None:
    """Have Stripe do it, or go on asking what became of it. Raises CircuitOpen: nothing was begun."""
    runtime.gateway.check_circuit()
    begun = await _begin(runtime, errand, sending_id)
    if begun is None or begun.attempt is None:
        return
    try:
        made = await _ask(runtime, errand, begun)
    except StripeTrouble as trouble:
        await _conclude(runtime, errand, begun, trouble)
        return
    if made is not None:
        await errand.record(runtime, begun.id, made)


async def is_startable(tx: Tx, sending: Sending[Any], *, look_in: timedelta) -> bool:
    """Whether its wallet lets anything leave; where not, that is written down, and it waits.

    A freeze that comes at the same moment conflicts with this.
    """
    try:
        await ledger.guard_send(tx, sending.wallet)
    except WalletFrozen:
        await hinder(tx, sending, Hindrance.FREEZE, look_in=look_in)
        return False
    return True


async def prove_not_sent(runtime: Runtime, errand: Errand[SendingT, Made], sending: SendingT) -> None:
    """For who decides that it was not sent: where that can be. What Stripe lists after all is recorded.

    Raises InvalidState: its key may still do it, or it was done; StripeTrouble: Stripe cannot be asked.
    """
    attempt = sending.attempt
    if attempt is None or not (attempt.is_spent(runtime.now()) or attempt.stored_failure):
        raise InvalidState(
            "It may still be made under its key, until 24 hours after it was first sent.", path=["id"]
        )
    found = await errand.find(runtime, sending, attempt)
    if found is not None:
        await errand.record(runtime, sending.id, found)
        raise InvalidState("It was sent: it is there at Stripe.", path=["outcome"])


async def hinder(tx: Tx, sending: Sending[Any], hindrance: Hindrance, *, look_in: timedelta) -> None:
    """It waits; it may be woken before, and is looked at again in that time at the latest."""
    changes: dict[str, Any] = {"next_attempt_at": tx.now + look_in}
    if sending.hindrance is hindrance and sending.status != Stage.PROCESSING:
        collection = type(sending).get_pymongo_collection()
        await collection.update_one({"_id": sending.id}, {"$set": changes}, session=tx.session)
        return
    changes |= {"hindrance": hindrance.value, "hindered_since": tx.now, "expected_at": None, "alerted": False}
    status = Stage.RETRYING if sending.status == Stage.PROCESSING else sending.status
    await move(tx, sending, status, actor=Actor.WORKER, reason=hindrance.value, changes=changes)


def attempt_for(
    runtime: Runtime, sending: Sending[Any], *, step: str, parameters: dict[str, Any], same: bool = True
) -> dict[str, Any]:
    """The fields of the attempt that did nothing, once more; or, where that was decided, of the next one.

    `same`: whether the earlier one, if there is any, asked for what is wanted now. `step`: of its key,
    `<kind>:<id>:<step>:<number>`.
    """
    now, earlier = runtime.now(), sending.attempt
    number = sending.key_number
    if earlier is None or not same or not earlier.may_be_sent(now):
        number += 1
        key = f"{step}:{number}"
        earlier = Attempt.make(key, parameters, cipher=runtime.cipher, now=now)
    return {
        "attempt": earlier.model_dump(),
        "key_number": number,
        "attempts_made": sending.attempts_made + 1,
    }


async def _begin(runtime: Runtime, errand: Errand[SendingT, Made], sending_id: str) -> SendingT | None:
    """The sending with the attempt that is to be sent, or asked about; None when it is not its time."""

    async def work(tx: Tx) -> SendingT | None:
        sending = await errand.get(sending_id, tx)
        if sending.status in {Stage.PENDING, Stage.RETRYING}:
            return await errand.start(runtime, tx, sending)
        if sending.status not in ASKED or sending.attempt is None or _is_leased(sending, tx.now):
            return None
        cut_off = sending.status == Stage.PROCESSING
        if cut_off and not sending.attempt.unknown:
            # Nobody has asked: its wallet may be frozen by now, or who is to be paid be another.
            return await errand.start(runtime, tx, sending)
        status = Stage.UNCONFIRMED if cut_off else sending.status
        changes = {"attempts_made": sending.attempts_made + 1}
        reason = "whoever sent it was cut off"
        return await move(tx, sending, status, actor=Actor.WORKER, reason=reason, changes=changes)

    return await runtime.database.transact(work)


async def _ask(runtime: Runtime, errand: Errand[SendingT, Made], sending: SendingT) -> Made | None:
    """What Stripe made, or found; None when another worker is asking, or it was decided meanwhile."""
    only_look = looks_up_only(sending, runtime.policy) or await _is_frozen(runtime, sending)

    async def make(attempt: Attempt, lease_until: datetime) -> Made:
        if not only_look:
            return await errand.create(runtime, attempt, lease_until)
        if attempt.is_spent(runtime.now()):
            raise NotSendable(f"{attempt.key} is only looked up")
        found = await listed(find, attempt)
        if found is None:
            raise NotListed
        return found

    async def find(attempt: Attempt) -> Made | None:
        return await errand.find(runtime, sending, attempt)

    return await ask(
        errand.model.get_pymongo_collection(),
        sending.id,
        criteria={
            "status": sending.status.value,
            "attempt.key": None if sending.attempt is None else sending.attempt.key,
        },
        send=make,
        find=find,
        check_circuit=runtime.gateway.check_circuit,
        now=runtime.now,
        lease=runtime.policy.lease,
        lookup_wait=runtime.policy.lookup_wait,
    )


async def _is_frozen(runtime: Runtime, sending: Sending[Any]) -> bool:
    """Of what may have been sent before: PROCESSING was guarded when it began."""
    if sending.status == Stage.PROCESSING:
        return False

    async def work(tx: Tx) -> bool:
        try:
            await ledger.guard_send(tx, sending.wallet)
        except WalletFrozen:
            return True
        return False

    return await runtime.database.transact(work)


async def _conclude(
    runtime: Runtime, errand: Errand[SendingT, Made], begun: SendingT, trouble: StripeTrouble
) -> None:
    """Write what follows of `trouble`, unless somebody has changed it, or begun to ask, meanwhile."""
    expected_at = await _funds_expected_at(runtime, begun, trouble)

    async def work(tx: Tx) -> None:
        sending = await errand.get(begun.id, tx)
        attempt = sending.attempt
        if sending.version != begun.version or sending.lease_until is not None or attempt is None:
            return
        verdict = judge(sending, trouble, unknown=attempt.unknown, policy=runtime.policy, terms=errand.terms)
        await _carry_out(tx, errand, sending, verdict, trouble, expected_at=expected_at)

    await runtime.database.transact(work)


async def _carry_out(
    tx: Tx,
    errand: Errand[SendingT, Made],
    sending: SendingT,
    verdict: Verdict,
    trouble: StripeTrouble,
    *,
    expected_at: datetime | None,
) -> None:
    due = None if verdict.retry_in is None else tx.now + verdict.retry_in
    if due is not None and expected_at is not None:
        due = min(due, expected_at)
    changes: dict[str, Any] = {
        "retries": sending.retries + verdict.counted,
        "next_attempt_at": due,
        "lease_until": None,
    }
    if verdict.decided:
        changes["attempt"] = None
    changes |= _hindered(tx, errand, sending, verdict.hindrance, expected_at)
    if verdict.failure is not None:
        changes |= {**CLEARED, "failure": verdict.failure.model_dump()}
        await errand.give_back(tx, sending, trouble.code, changes)
        return
    if verdict.status is Stage.NEEDS_REVIEW and sending.status != Stage.NEEDS_REVIEW:
        tx.after_commit.append(partial(alert, errand.needs_review, **{errand.noun: sending.id}))
    await move(tx, sending, verdict.status, actor=Actor.WORKER, reason=trouble.code, changes=changes)


def _hindered(
    tx: Tx,
    errand: Errand[SendingT, Made],
    sending: SendingT,
    hindrance: Hindrance | None,
    expected_at: datetime | None,
) -> dict[str, Any]:
    """What is waited for, and since when: a whole day without funds is worth an alert."""
    if hindrance is None:
        return {"hindrance": None, "hindered_since": None, "expected_at": None, "alerted": False}
    since = sending.hindered_since if sending.hindrance is hindrance else None
    overdue = since is not None and tx.now - since >= FUNDS_ALERT_AFTER and hindrance is Hindrance.FUNDS
    if overdue and not sending.alerted:
        facts = {errand.noun: sending.id, "currency": sending.currency, "amount": sending.amount}
        tx.after_commit.append(partial(alert, errand.waits_for_funds, **facts))
    return {
        "hindrance": hindrance.value,
        "hindered_since": since or tx.now,
        "expected_at": expected_at,
        "alerted": overdue,
    }


def _is_leased(sending: Sending[Any], now: datetime) -> bool:
    return sending.lease_until is not None and sending.lease_until > now


async def _funds_expected_at(
    runtime: Runtime, sending: Sending[Any], trouble: StripeTrouble
) -> datetime | None:
    """When the platform's next money becomes available, where that is what is missing."""
    if trouble.code != FUNDS_SHORT:
        return None
    try:
        return await runtime.gateway.funds_expected_at(sending.currency, after=runtime.now())
    except StripeTrouble:
        return None  # not worth a retry: it is tried every hour, and when Stripe says that money came
