"""What contractors and administrators do about withdrawals; and what must be true of every answer."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from domain import withdrawals
from domain.kernel.errors import DomainError
from domain.withdrawals import RequestWithdrawal
from tests.invariants.history import people
from tests.invariants.history.world import UNAVAILABLE, Contractor, Draw, World, must

LEAST, MOST = 10_00, 10_000_00
DECISIONS = ("approve", "reject")
_NO_ACCOUNT = {"CONNECT_ACCOUNT_REQUIRED", "CONNECT_ACCOUNT_NOT_READY"}


def draw(world: World, contractor: Contractor, amount: int, currency: str = "USD") -> Draw:
    """A new intention; its key is in the order of their making, as a wish's."""
    made = Draw(contractor, f"draw {len(world.draws)}", amount, currency)
    world.draws.append(made)
    return made


async def request(world: World, wanted: Draw, *, times: int = 1) -> None:
    """Ask for the withdrawal, or for its replay, so many times at once."""
    person = wanted.contractor.person
    asked = (
        person.request_withdrawal(wanted.amount, key=wanted.key, currency=wanted.currency)
        for _ in range(times)
    )
    for payload in await asyncio.gather(*asked):
        _heard_requested(world, wanted, payload)


async def request_and_die(world: World, wanted: Draw, *, after_ms: int) -> None:
    """The API's process dies in the middle of it; whoever asked tries once more."""
    command = RequestWithdrawal(wanted.amount, wanted.currency, wanted.key)
    asking = withdrawals.request(
        world.house.runtime, wanted.contractor.person.id, command, budget=world.limits.withdrawals
    )
    made = await people.die(asking, after_ms)
    must(isinstance(made, withdrawals.Requested | asyncio.CancelledError | DomainError), f"raised {made!r}")
    wanted.firsts += isinstance(made, withdrawals.Requested) and not made.replayed
    await request(world, wanted)


async def race(world: World, contractor: Contractor, times: int) -> None:
    """All there is, by so many wishes at once: one of them can have it."""
    amount = await contractor.person.available()
    if not LEAST <= amount <= MOST:
        return
    # What comes back of an earlier one meanwhile can be had too.
    before = any(known.id for known in world.draws if known.contractor is contractor)
    wanted = [draw(world, contractor, amount) for _ in range(times)]
    await asyncio.gather(*(request(world, one) for one in wanted))
    must(before or sum(one.id is not None for one in wanted) <= 1, "the same money went out twice")


async def cancel(world: World, wanted: Draw) -> None:
    if wanted.id is None:
        return
    payload = await wanted.contractor.person.cancel_withdrawal({"id": wanted.id})
    codes = world.codes("cancelWithdrawal", payload)
    must(codes <= {"INVALID_STATE"}, f"cancelWithdrawal was refused by {codes}")
    if not codes:
        status = payload["withdrawal"]["status"]
        must(status == "CANCELED", f"cancelWithdrawal succeeded, and it is {status}")
        wanted.canceled = True


async def decide(world: World, wanted: Draw, decisions: Sequence[str]) -> None:
    """An administrator approves or rejects, or several do at once, each in their way: one decision holds."""
    if wanted.id is None:
        return
    admins = [await people.admin(world, number) for number in range(len(decisions))]
    told = {"id": wanted.id}
    payloads = await asyncio.gather(
        *(
            admin.approve_withdrawal(told) if decision == "approve" else admin.reject_withdrawal(told)
            for admin, decision in zip(admins, decisions, strict=True)
        )
    )
    for decision, payload in zip(decisions, payloads, strict=True):
        codes = world.codes(f"{decision}Withdrawal", payload)
        must(codes <= {"INVALID_STATE"}, f"{decision}Withdrawal was refused by {codes}")
        wanted.approved = wanted.approved or (decision == "approve" and not codes)
        wanted.rejected = wanted.rejected or (decision == "reject" and not codes)
    must(not (wanted.approved and wanted.rejected), f"{wanted.id} was approved and rejected")


async def resolve(world: World, wanted: Draw) -> None:
    """An administrator says that it was never sent, where nobody knows; Stripe is asked, and may know."""
    if wanted.id is None:
        return
    payload = await (await people.admin(world, 0)).resolve_withdrawal({"id": wanted.id}, "NOT_SENT")
    codes = world.codes("resolveWithdrawal", payload)
    must(codes <= {"INVALID_STATE", UNAVAILABLE}, f"resolveWithdrawal was refused by {codes}")


async def judge(world: World) -> None:
    """Of what waits for a decision, a third is approved, a third rejected, and a third goes on waiting."""
    for number, wanted in enumerate(world.draws):
        if number % 3 < len(DECISIONS):
            await decide(world, wanted, [DECISIONS[number % 3]])
        await resolve(world, wanted)


def _heard_requested(world: World, wanted: Draw, payload: Mapping[str, Any]) -> None:
    made, codes = payload["withdrawal"], world.codes("requestWithdrawal", payload)
    if made is None:
        must(wanted.id is None, f"the withdrawal {wanted.id} is there, and its replay answers {codes}")
        allowed = {"INSUFFICIENT_FUNDS"}
        if not LEAST <= wanted.amount <= MOST:
            allowed.add("INVALID_INPUT")
        if not wanted.contractor.ready:
            allowed |= _NO_ACCOUNT
        if (wanted.contractor.person.id, wanted.currency) in world.frozen:
            allowed.add("WALLET_FROZEN")
        must(len(codes) == 1 and codes <= allowed, f"requestWithdrawal was refused by {codes}")
        return
    must(not codes, f"a withdrawal, and {codes}")
    told = (made["amount"]["amount"], made["amount"]["currency"])
    must(told == (wanted.amount, wanted.currency), f"the withdrawal is one of {told}, not of {wanted.amount}")
    must(wanted.id in {None, made["id"]}, f"{wanted.key} made {wanted.id} and {made['id']}")
    wanted.id = made["id"]
