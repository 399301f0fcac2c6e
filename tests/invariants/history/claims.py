"""Money back to the cards that it came from: what administrators ask for, and what is done at Stripe."""

import asyncio
from collections.abc import Mapping
from typing import Any

from domain import refunds
from domain.kernel.errors import DomainError
from domain.refunds import Asker, RefundDeposit
from tests.house.refunds import ask_of_refund, refund_deposit
from tests.invariants.history import escrows, people, stripe
from tests.invariants.history.deals import PLATFORM_FEE_BPS, WHOLE_BPS
from tests.invariants.history.world import UNAVAILABLE, Claim, Contractor, Wish, World, must

_NOT_DONE = {"INVALID_STATE", "INVALID_INPUT", "INSUFFICIENT_FUNDS"}
ESCROW_MIN = 100
TURNS = ("succeeded", "requires_action", "failed", "canceled")


def claim(world: World, wish: Wish, amount: int | None) -> Claim:
    """A new intention; its key is in the order of their making, as a wish's. `amount`: None is the rest."""
    made = Claim(wish, f"claim {len(world.claims)}", amount)
    world.claims.append(made)
    return made


async def ask(world: World, wanted: Claim, *, times: int = 1) -> None:
    """An administrator asks for the refund, or for its replay, so many times at once."""
    if wanted.wish.deposit is None:
        return
    admin = await people.admin(world, 0)
    deposit = {"id": wanted.wish.deposit}
    asked = (refund_deposit(admin, deposit, wanted.amount, key=wanted.key) for _ in range(times))
    for payload in await asyncio.gather(*asked):
        _heard(world, wanted, payload)


async def ask_and_die(world: World, wanted: Claim, *, after_ms: int) -> None:
    """The API's process dies in the middle of it; whoever asked tries once more."""
    if wanted.wish.deposit is None:
        return
    admin = await people.admin(world, 0)
    command = RefundDeposit(wanted.wish.deposit, wanted.amount, None, wanted.key)
    asking = refunds.request(world.house.runtime, Asker(admin.id, is_admin=True), command)
    made = await people.die(asking, after_ms)
    must(isinstance(made, refunds.Requested | asyncio.CancelledError | DomainError), f"it raised {made!r}")
    wanted.firsts += isinstance(made, refunds.Requested) and not made.replayed
    await ask(world, wanted)


async def reuse_key(world: World, used: Claim) -> None:
    """The same key for another amount."""
    if used.id is None:
        return
    deposit, other = {"id": used.wish.deposit}, (used.amount or 0) + 100
    payload = await refund_deposit(await people.admin(world, 0), deposit, other, key=used.key)
    codes = world.codes("refundDeposit", payload)
    must(codes == {"IDEMPOTENCY_KEY_REUSED"}, f"{used.key} was used again and answered {codes}")
    must(payload["refund"] is None, "a conflict comes with no refund")


async def race(world: World, wish: Wish, times: int) -> None:
    """All that is left, by so many administrators' wishes at once: one of them can have it."""
    before = any(known.id for known in world.claims if known.wish is wish)
    wanted = [claim(world, wish, None) for _ in range(times)]
    await asyncio.gather(*(ask(world, one) for one in wanted))
    # What comes back of an earlier one meanwhile can be had too; and so can what fails at once.
    must(before or sum(one.id is not None for one in wanted) <= 1 or not world.calm, "it went back twice")


async def cancel(world: World, wanted: Claim) -> None:
    if wanted.id is None:
        return
    payload = await ask_of_refund(await people.admin(world, 0), "cancelRefund", id=wanted.id)
    codes = world.codes("cancelRefund", payload)
    must(codes <= {"INVALID_STATE"}, f"cancelRefund was refused by {codes}")
    if not codes:
        status = payload["refund"]["status"]
        must(status == "CANCELED", f"cancelRefund succeeded, and it is {status}")
        wanted.canceled = True


async def resolve(world: World, wanted: Claim) -> None:
    """An administrator says that it was never sent, where nobody knows; Stripe is asked, and may know."""
    if wanted.id is None:
        return
    told = {"id": wanted.id, "outcome": "NOT_SENT", "reason": "by hand"}
    payload = await ask_of_refund(await people.admin(world, 0), "resolveRefund", **told)
    codes = world.codes("resolveRefund", payload)
    must(codes <= {"INVALID_STATE", UNAVAILABLE}, f"resolveRefund was refused by {codes}")


async def by_hand(world: World, wish: Wish, amount: int | None) -> None:
    """Somebody refunds a deposit in Stripe's dashboard, where it was paid as agreed; None is the rest."""
    for intent in await stripe.paid_as_agreed(world, wish):
        world.shaken.add(wish.payer.person.id)
        share = {} if amount is None else {"amount": str(amount)}
        await stripe.ask(world, "/v1/refunds", {"payment_intent": intent["id"], **share})


async def spend(world: World, wish: Wish, contractor: Contractor) -> None:
    """Lock all that the deposit's wallet has for a job, as near as the fee lets it be."""
    person, currency = wish.payer.person, str(wish.command["currency"])
    available = await person.available(currency)
    price = available * WHOLE_BPS // (WHOLE_BPS + PLATFORM_FEE_BPS)
    if price >= ESCROW_MIN:
        await escrows.create(world, escrows.deal(world, wish.payer, contractor, price, currency))


async def turn(world: World, place: int, outcome: str) -> None:
    """The bank says something else of a refund, as far as Stripe's picture has it."""
    found = [one for one in await world.house.stripe.objects("refund") if one["payment_intent"]]
    if not found:
        return
    # An arrow that is not there is refused.
    refund = found[place % len(found)]
    await world.house.stripe.http.post(f"/_sandbox/refunds/{refund['id']}", json={"outcome": outcome})


async def judge(world: World) -> None:
    for wanted in world.claims:
        await resolve(world, wanted)


def _heard(world: World, wanted: Claim, payload: Mapping[str, Any]) -> None:
    made, codes = payload["refund"], world.codes("refundDeposit", payload)
    if made is None:
        must(wanted.id is None, f"the refund {wanted.id} is there, and its replay answers {codes}")
        frozen = world.frozen_for(wanted.wish.payer.person, str(wanted.wish.command["currency"]))
        # What was paid in another currency than agreed is in another wallet.
        allowed = _NOT_DONE | ({"WALLET_FROZEN"} if frozen is not False or world.frozen else set())
        must(len(codes) == 1 and codes <= allowed, f"refundDeposit was refused by {codes}")
        return
    must(not codes, f"a refund, and {codes}")
    must(made["deposit"]["id"] == wanted.wish.deposit, f"{wanted.key} refunds {made['deposit']['id']}")
    told = made["amount"]["amount"]
    must(wanted.amount in {None, told}, f"the refund is one of {told}, not of {wanted.amount}")
    must(wanted.id in {None, made["id"]}, f"{wanted.key} made {wanted.id} and {made['id']}")
    wanted.id = made["id"]
    wanted.firsts += not payload["idempotency"]["replayed"]
    must(wanted.firsts <= 1, f"{wanted.key} was new twice")
