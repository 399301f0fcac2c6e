"""Contractors' accounts at Stripe: made, set up, and changed in their standing, as Stripe pleases."""

import asyncio
from typing import Any

from domain import onboarding
from tests.invariants.history.world import UNAVAILABLE, Contractor, World, must

# One that is set up well, then what else Stripe may think of it.
OUTCOMES = ("active", "restricted", "payouts_disabled", "in_review", "incomplete", "rejected")


async def open_account(world: World, contractor: Contractor, *, times: int = 1) -> None:
    """The first, or another after one that ended; so many calls at once, under keys of their own."""
    keys = [f"account {contractor.keys + number}" for number in range(times)]
    contractor.keys += times
    person = contractor.person
    payloads = await asyncio.gather(*(person.create_connect_account(key=key) for key in keys))
    for payload in payloads:
        codes = world.codes("createConnectAccount", payload)
        # One that shut us out a moment ago may not be known for that; and Stripe may refuse under a fault.
        allowed = {UNAVAILABLE, "INVALID_INPUT", "INVALID_STATE"}
        untroubled = world.calm and contractor.steady
        must(codes <= (set() if untroubled else allowed), f"createConnectAccount was refused by {codes}")


async def onboard(world: World, contractor: Contractor, outcome: str, *, looks: bool = True) -> None:
    """Stripe makes up its mind. `looks`: the person asks how things stand; else events tell."""
    contractor.ready = False
    stripe_id = await acct(world, contractor)
    if stripe_id is None:
        return
    contractor.steady = contractor.steady and outcome == "active"
    await world.house.stripe.control(f"/accounts/{stripe_id}/onboard", {"outcome": outcome})
    if looks:
        await look(world, contractor)


async def deauthorize(world: World, contractor: Contractor) -> None:
    """The person shuts us out, for ever: that account is seen no more."""
    stripe_id = await acct(world, contractor)
    if stripe_id is not None:
        contractor.ready = contractor.steady = False
        world.gone.add(stripe_id)
        await world.house.stripe.control(f"/accounts/{stripe_id}/onboard", {"outcome": "deauthorized"})


async def look(world: World, contractor: Contractor) -> None:
    """The account as it is, if Stripe can be asked."""
    account = await contractor.person.connect_account(refresh=True)
    if account is not None and await acct(world, contractor) is not None:
        contractor.ready = account["status"] == "ACTIVE" and account["withdrawalsEnabled"]


async def all_look(world: World) -> None:
    for contractor in world.contractors:
        if await acct(world, contractor) is not None:
            await look(world, contractor)


async def judge(world: World) -> None:
    """Two thirds of the accounts are set up well; the others stay as they are."""
    for number, contractor in enumerate(world.contractors):
        if number % 3 < 2:
            await onboard(world, contractor, "active")


async def acct(world: World, contractor: Contractor) -> str | None:
    """Stripe's id of the newest account, if there is one and we are let in."""
    account: Any = await onboarding.latest(contractor.person.id)
    if account is None or account.stripe_id in {None, *world.gone}:
        return None
    return str(account.stripe_id)
