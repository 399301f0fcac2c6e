"""What payers' banks dispute, and how that ends; and the debts that administrators write off."""

import asyncio
from typing import Any

from tests.house.disputes import WRITE_OFF
from tests.invariants.history import people, stripe
from tests.invariants.history.world import Wish, World, must

OUTCOMES = ("under_review", "won", "lost", "warning_closed", "needs_response", "prevented")
STEP = 100


async def complain(world: World, wish: Wish, *, part: bool, inquiry: bool) -> None:
    """A bank disputes what was paid, or the half of it, or only asks; where it can be, of that payment."""
    for intent in await stripe.paid_as_agreed(world, wish):
        world.shaken.add(wish.payer.person.id)
        told: dict[str, Any] = {"inquiry": inquiry}
        if part and (half := _half(intent["amount_received"])):
            told["amount"] = half
        await world.house.stripe.http.post(f"/_sandbox/charges/{intent['id']}/dispute", json=told)


async def decide(world: World, place: int, outcome: str, *, part: bool) -> None:
    """The bank goes on, as far as Stripe's picture has it; `part`: only the half comes back."""
    disputes = await world.house.stripe.objects("dispute")
    if not disputes:
        return
    dispute = disputes[place % len(disputes)]
    told: dict[str, Any] = {"outcome": outcome}
    if outcome == "won" and part and (half := _half(dispute["amount"])):
        told["amount"] = half
    # An arrow that is not there is refused.
    await world.house.stripe.http.post(f"/_sandbox/disputes/{dispute['id']}", json=told)


async def write_off(world: World, place: int, *, times: int = 1) -> None:
    """Administrators take what a wallet owes for a dispute upon the platform, all at once: it counts once."""
    rows = await world.house.collection("disputes").find().sort("_id", 1).to_list()
    if not rows:
        return
    row = rows[place % len(rows)]
    admins = [await people.admin(world, number) for number in range(times)]
    command = {"id": row["_id"], "reason": "she pays no more."}
    asked = (admin.data(WRITE_OFF, {"input": command}) for admin in admins)
    for answer in await asyncio.gather(*asked):
        payload = answer["payload"]
        codes = world.codes("writeOffDispute", payload)
        must(codes <= {"INVALID_STATE"}, f"writeOffDispute was refused by {codes}")
        before = world.written_off.get(row["stripe_id"])
        must(not (codes and before), f"{row['_id']} was written off, and its replay answers {codes}")
        if not codes:
            dispute = payload["dispute"]
            amount, back = dispute["writtenOff"]["amount"], dispute["reinstated"]["amount"]
            must(before is None or before[0] == amount, f"{row['_id']} was written off twice")
            world.written_off.setdefault(row["stripe_id"], (amount, back))


async def judge(world: World) -> None:
    """Of those that are open a third is won, and a third of the debts are written off."""
    disputes = await world.house.stripe.objects("dispute")
    for number in range(len(disputes)):
        if number % 3 == 0:
            await decide(world, number, "won", part=False)
        elif number % 3 == 1:
            await write_off(world, number)


def _half(amount: int) -> int:
    return amount // (2 * STEP) * STEP
