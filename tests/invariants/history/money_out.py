"""What becomes of sent money at Stripe: taken back, paid to a bank, returned by it; and where it is short."""

from typing import Any

from tests.invariants.history import accounts, stripe
from tests.invariants.history.world import Contractor, World

FLOAT = 10_000_000_00
FAILURES = ("account_closed", "could_not_process", "no_account")
STEP = 100
CURRENCIES = ("USD", "EUR", "JPY", "ISK", "KWD")


async def reverse(world: World, place: int, hundreds: int | None) -> None:
    """Somebody takes back a transfer, or a part of it, in Stripe's dashboard; None is the rest of it."""
    transfers = await world.house.stripe.objects("transfer")
    if not transfers:
        return
    transfer = transfers[place % len(transfers)]
    amount = {} if hundreds is None else {"amount": str(hundreds * STEP)}
    await stripe.ask(world, f"/v1/transfers/{transfer['id']}/reversals", amount)


async def pay_out(world: World, contractor: Contractor) -> None:
    """All that is in the account goes to the bank now, and not at midnight."""
    stripe_id = await accounts.acct(world, contractor)
    if stripe_id is not None and contractor.ready:
        await world.house.stripe.control(f"/accounts/{stripe_id}/payout")


async def conclude(world: World, place: int, failure: str | None) -> None:
    """The bank takes a payout, or sends it back: days later too. Then it wants another bank account."""
    payouts = await world.house.stripe.objects("payout")
    if not payouts:
        return
    payout: dict[str, Any] = payouts[place % len(payouts)]
    if payout["status"] in {"failed", "canceled"} or (payout["status"] == "paid" and failure is None):
        return
    outcome = {"outcome": "failed", "failure_code": failure} if failure else {"outcome": "paid"}
    if failure:
        for contractor in world.contractors:
            contractor.ready = contractor.steady = False
    await world.house.stripe.control(f"/payouts/{payout['id']}", outcome)


async def short(world: World, currency: str) -> None:
    """The platform's balance at Stripe is empty."""
    await world.house.stripe.control("/float", {"currency": currency.lower(), "amount": 0})


async def ample(world: World, *currencies: str) -> None:
    for currency in currencies or CURRENCIES:
        await world.house.stripe.control("/float", {"currency": currency.lower(), "amount": FLOAT})
