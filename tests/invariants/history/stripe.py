"""What is done at Stripe, not by us: in its dashboard, by other systems, and by its courier."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx

from tests.invariants.history.world import Wish, World, must

# Beyond what a signature may be old.
OLD_S = 400
PATIENCE_S = 1.0
# Stripe counts krónur in hundredths, which it does not charge.
STRIPES_IN_ONE = {"ISK": 100}
FOREIGN = {"metadata[made_by]": "somebody else"}


async def cancel_intent(world: World, wanted: Wish) -> None:
    """Or its page is expired."""
    if wanted.page is not None:
        await ask(world, f"/v1/checkout/sessions/{wanted.page.rpartition('/')[2]}/expire", {})
    elif wanted.intent is not None:
        await ask(world, f"/v1/payment_intents/{wanted.intent}/cancel", {})


async def change_amount(world: World, wanted: Wish, amount: int) -> None:
    """If it is then paid, it is paid with another amount than was agreed."""
    if wanted.intent is not None:
        await ask(world, f"/v1/payment_intents/{wanted.intent}", {"amount": str(amount)})


async def pay_twice(world: World, wanted: Wish, amount: int, currency: str, card: str) -> None:
    """Somebody makes a second intent in the deposit's name, in whatever currency, and it is paid."""
    if wanted.intent is None:
        return
    made = {
        "amount": str(amount),
        "currency": currency.lower(),
        "metadata[deposit_id]": str(wanted.deposit),
        "metadata[user_id]": wanted.payer.person.id,
        **FOREIGN,
        "automatic_payment_methods[enabled]": "true",
        "automatic_payment_methods[allow_redirects]": "never",
    }
    intent = await ask(world, "/v1/payment_intents", made)
    if "id" in intent:
        await world.house.stripe.confirm(intent["id"], card)


async def paid_as_agreed(world: World, wanted: Wish) -> list[dict[str, Any]]:
    """The intent of a deposit that was paid as its person wanted: none, or one."""
    agreed = (wanted.command["amount"], wanted.command["currency"])
    return [
        intent
        for intent in await world.house.stripe.objects("payment_intent")
        if wanted.deposit is not None
        and intent["metadata"].get("deposit_id") == wanted.deposit
        and intent["status"] == "succeeded"
        and not is_foreign(intent)
        and in_ours(intent["amount_received"], intent["currency"]) == agreed
    ]


async def fail_refund(world: World, place: int) -> None:
    """The bank sends back what was refunded, if anything was."""
    refunds = [one for one in await world.house.stripe.objects("refund") if one["payment_intent"]]
    if refunds and (refund := refunds[place % len(refunds)])["status"] not in {"failed", "canceled"}:
        await world.house.stripe.control(f"/refunds/{refund['id']}", {"outcome": "failed"})


def in_ours(amount: int, currency: str) -> tuple[int, str]:
    code = currency.upper()
    return amount // STRIPES_IN_ONE.get(code, 1), code


def is_foreign(intent: Mapping[str, Any]) -> bool:
    """Whether somebody else made it in the name of a deposit."""
    return "made_by" in intent["metadata"]


async def ask(
    world: World, path: str, data: Mapping[str, str] | None = None, *, method: str = "POST"
) -> dict[str, Any]:
    """Stripe's answer; empty where it is out of order, for others as for us."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await world.house.stripe.request(method, path, data)
    except (TimeoutError, httpx.HTTPError, json.JSONDecodeError):
        return {}


async def replay(world: World, place: int, *, copies: int) -> None:
    """An event is posted again, as it was: known or new to us, its effects are there once."""
    event = await _event(world, place)
    if event is not None:
        for _ in range(copies):
            response = await world.house.deliver(event)
            must(response.status_code == 200, f"a delivery was answered by {response.status_code}")


async def replay_old(world: World, place: int) -> None:
    """Signed long ago: whoever overheard it then shall not be believed now."""
    event = await _event(world, place)
    if event is not None:
        response = await world.house.deliver(event, age_s=OLD_S)
        must(response.status_code == 400, f"an old delivery was answered by {response.status_code}")


async def _event(world: World, place: int) -> dict[str, Any] | None:
    """Counted from the newest, of the newest hundred."""
    events = (await ask(world, "/v1/events?limit=100", method="GET")).get("data", [])
    return events[place % len(events)] if events else None


async def redeliver(world: World, times: int) -> None:
    """The newest event that somebody listens to, if there is one."""
    if (await world.house.stripe.state())["deliveries"]:
        await world.house.stripe.redeliver_last(times)
