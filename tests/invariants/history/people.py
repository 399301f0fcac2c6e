"""What people do: they ask the API, and pay in their browsers."""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

from domain import deposits
from domain.deposits import CheckoutAddresses, CreateDeposit
from domain.kernel.errors import RateLimited, WalletFrozen
from tests.house import Person
from tests.invariants.history.world import Card, Contractor, Payer, Wish, World, must

OUTCOMES = ("CREDIT", "REFUND")
OPENING_MONEY = 1_000_00
# Enough for a withdrawal that an administrator must approve.
EARNED = 2_500_00
RETURN_URL = "https://shop.example.com/back"
CHECKOUT = {"successUrl": "https://shop.example.com/done", "cancelUrl": "https://shop.example.com/basket"}
_CANCEL = """
mutation ($input: CancelDepositInput!) {
  payload: cancelDeposit(input: $input) { deposit { id status } userErrors { code } }
}
"""
_RESOLVE = """
mutation ($input: ResolveDepositInput!) {
  payload: resolveDeposit(input: $input) { deposit { id status } userErrors { code } }
}
"""
_RECEIPTS = "query ($id: ID!) { deposit(id: $id) { receipts { paymentIntentId } } }"
_ASKED = "query ($id: ID!) { deposit(id: $id) { id status clientSecret nextActionUrl checkoutUrl } }"


async def settle(world: World) -> None:
    """Those who are there from the start."""
    await sign_up(world, "ada")
    await contractor(world, "grace")


async def sign_up(world: World, name: str) -> Payer:
    payer = Payer(await world.house.customer(name))
    world.payers.append(payer)
    await grant(world, payer.person, OPENING_MONEY)
    return payer


async def contractor(world: World, name: str) -> Contractor:
    made = Contractor(await world.house.contractor(name))
    world.contractors.append(made)
    await grant(world, made.person, EARNED)
    return made


async def grant(world: World, person: Person, amount: int) -> None:
    """Dollars that Stripe knows nothing of, so that jobs need not wait for deposits."""
    await world.house.funded(person, usd=amount)
    world.granted[person.id, "USD"] += amount


async def die(doing: Coroutine[Any, Any, Any], after_ms: int) -> Any:
    """What it answered or raised; CancelledError where its process died before that."""
    task = asyncio.create_task(doing)
    await asyncio.wait([task], timeout=after_ms / 1000)
    if not task.done():
        task.cancel()
    return (await asyncio.gather(task, return_exceptions=True))[0]


def wish(world: World, payer: Payer, command: Mapping[str, Any], card: Card | None = None) -> Wish:
    """A new intention; its key is in the order of their making, so that a history can be told again."""
    if card is not None:
        command = {**command, "checkout": None, "paymentMethodId": card.id, "returnUrl": RETURN_URL}
    made = Wish(payer, f"wish {len(world.wishes)}", command, card)
    world.wishes.append(made)
    return made


async def create(world: World, wanted: Wish, *, times: int = 1) -> None:
    """Ask for the deposit, or for its replay, so many times at once."""
    wanted.payer.keys.add(wanted.key)
    person = wanted.payer.person
    asked = (person.create_deposit(key=wanted.key, **wanted.command) for _ in range(times))
    for payload in await asyncio.gather(*asked):
        world.heard_created(wanted, payload)


async def create_and_die(world: World, wanted: Wish, *, after_ms: int) -> None:
    """The API's process dies in the middle of it; whoever asked knows nothing."""
    world.calm = False
    wanted.payer.keys.add(wanted.key)
    runtime, command = world.house.runtime, wanted.command
    making = deposits.create(
        runtime,
        wanted.payer.person.id,
        CreateDeposit(
            amount=command["amount"],
            currency=command["currency"],
            idempotency_key=wanted.key,
            save_payment_method=command.get("savePaymentMethod", False),
            checkout=CheckoutAddresses(*CHECKOUT.values()) if command.get("checkout") else None,
        ),
        budget=world.limits.deposits,
    )
    made: Any = await die(making, after_ms)
    expected = (deposits.Created, asyncio.CancelledError, RateLimited, WalletFrozen)
    must(isinstance(made, expected), f"createDeposit raised {made!r}")
    # It may have written the deposit, or not: both are well.
    wanted.firsts += isinstance(made, deposits.Created) and not made.replayed


async def reuse_key(world: World, used: Wish) -> None:
    """The same key for another amount."""
    if used.deposit is None:
        return
    other = {**used.command, "amount": used.command["amount"] + 100}
    world.heard_conflict(used, await used.payer.person.create_deposit(key=used.key, **other))


async def pay(world: World, wanted: Wish, card: str) -> None:
    """As with Stripe.js, or on the page. What comes of it, the bank or an event says."""
    if card.startswith("pm_card_createDispute"):
        world.shaken.add(wanted.payer.person.id)  # these dispute what they have paid
    if wanted.page is not None:
        await _pay_on_page(world, wanted, {"card": card})
    if wanted.intent is None:
        return
    intent = await world.house.stripe.confirm(wanted.intent, card)
    if intent.get("status") == "requires_action":
        wanted.challenge = intent["next_action"]["use_stripe_sdk"]["stripe_js"]


async def pay_later(world: World, wanted: Wish, bank_account: str) -> None:
    """On the page: the bank answers days later."""
    if wanted.page is not None:
        await _pay_on_page(world, wanted, {"bank": bank_account})


async def _pay_on_page(world: World, wanted: Wish, form: dict[str, str]) -> None:
    answer = await world.house.stripe.http.post(str(wanted.page), data=form)
    onward = answer.headers.get("location", "")
    wanted.challenge = onward if "/3ds/" in onward else wanted.challenge


async def answer_bank(world: World, wanted: Wish, *, accept: bool) -> None:
    """3-D Secure, wherever it was asked for: on the page, or at an address that the API names."""
    if wanted.deposit is None:
        return
    seen = (await wanted.payer.person.data(_ASKED, {"id": wanted.deposit}))["deposit"]
    world.heard(wanted, seen)
    url = seen["nextActionUrl"] or wanted.challenge
    if url is not None:
        outcome = "accept" if accept else "refuse"
        await world.house.stripe.http.post(url, data={"outcome": outcome})


async def cancel(world: World, wanted: Wish) -> None:
    if wanted.deposit is None:
        return
    answer = await wanted.payer.person.data(_CANCEL, {"input": {"id": wanted.deposit}})
    world.heard_canceled(answer["payload"])


async def cancel_while_paying(world: World, wanted: Wish, card: str) -> None:
    await asyncio.gather(cancel(world, wanted), pay(world, wanted, card))


async def look(world: World, payer: Payer) -> None:
    """Everything that a person can see of their money answers."""
    for wanted in world.wishes:
        if wanted.payer is payer and wanted.deposit is not None:
            world.heard(wanted, await payer.person.deposit(wanted.deposit))
    shaken = payer.person.id in world.shaken
    must(await payer.person.available() >= 0 or shaken, "money in, and a wallet below zero")


# ------------------------------------------------------------------ saved cards


async def save_card(world: World, payer: Payer, template: str) -> Card | None:
    """By a setup intent, with the bank's question answered; None where Stripe was away, or said no."""
    person, stripe = payer.person, world.house.stripe
    secret = world.heard_setup(await person.create_setup_intent())
    if secret is None:
        return None
    path = f"/v1/setup_intents/{secret.partition('_secret_')[0]}/confirm"
    intent = await stripe.request("POST", path, {"payment_method": template})
    if intent.get("status") == "requires_action":
        await stripe.http.post(
            intent["next_action"]["use_stripe_sdk"]["stripe_js"], data={"outcome": "accept"}
        )
    known = {card["id"] for card in await person.cards()}
    new = sorted(known - {card.id for card in world.cards if card.payer is payer})
    if not new:
        return None
    # A payment may have saved others, which are as good.
    card = Card(payer, new[-1])
    world.cards.append(card)
    return card


async def make_default(world: World, card: Card) -> None:
    payload = await card.payer.person.set_default_card(card.id)
    world.heard_of_card("setDefaultPaymentMethod", card, payload)


async def remove(world: World, card: Card) -> None:
    person = card.payer.person
    card.touched = True
    payload = await person.remove_card(card.id)
    world.heard_of_card("removePaymentMethod", card, payload)
    if payload["userErrors"] == []:
        must(card.id not in {seen["id"] for seen in await person.cards()}, "a removed card is shown")


async def charge_while_removing(world: World, wanted: Wish, card: Card) -> None:
    card.touched = True
    await asyncio.gather(create(world, wanted), remove(world, card))


# ------------------------------------------------------------------ admins


async def admin(world: World, number: int) -> Person:
    while len(world.admins) <= number:
        world.admins.append(await world.house.admin())
    return world.admins[number]


async def judge(world: World) -> None:
    """Of what waits for a decision, a third is credited, a third sent back, and a third goes on waiting."""
    for number, wanted in enumerate(world.wishes):
        if wanted.deposit is not None and number % 3 < len(OUTCOMES):
            await resolve(world, wanted, [OUTCOMES[number % 3]], named=True)


async def resolve(world: World, wanted: Wish, outcomes: list[str], *, named: bool = False) -> None:
    """An administrator decides, or several do at once, each in their way; `named`: of the newest receipt."""
    if wanted.deposit is None:
        return
    admins = [await admin(world, number) for number in range(len(outcomes))]
    decision = {"id": wanted.deposit, "reason": "by hand"}
    if named:
        seen = (await admins[0].data(_RECEIPTS, {"id": wanted.deposit}))["deposit"]["receipts"]
        decision |= {"paymentIntentId": seen[-1]["paymentIntentId"]} if seen else {}
    deciding = (
        admin.data(_RESOLVE, {"input": {**decision, "outcome": outcome}})
        for admin, outcome in zip(admins, outcomes, strict=True)
    )
    for answer in await asyncio.gather(*deciding):
        world.heard_resolved(answer["payload"])
