"""The platform's money in tests: what moves it at Stripe, and what the books then say."""

from typing import Any

from prometheus_client import REGISTRY

from domain import ledger
from sandbox.stripe import balance
from sandbox.stripe.transaction import Tx
from tests.house.house import House

OPENING_FLOAT = 10_000_000_00


async def cards_settle(house: House) -> None:
    """What was paid by card until now reaches Stripe's balance."""
    await house.stripe.control("/clock", {"advance_seconds": 2})


async def plant(
    house: House,
    category: str,
    amount: int,
    *,
    currency: str = "usd",
    fee: int = 0,
    kind: str | None = None,
    source: str | None = None,
    age_s: int = 0,
    times: int = 1,
) -> list[str]:
    """Balance transactions that no call of ours brought about, `age_s` old when they appear. Their ids."""

    def work(tx: Tx) -> list[str]:
        tx.now -= age_s
        movement = balance.Movement(
            kind=kind or "adjustment",
            reporting_category=category,
            amount=amount,
            currency=currency,
            source=source,
            fee=fee,
        )
        return [balance.move(tx, movement, pending=False)["id"] for _ in range(times)]

    return await house.sandbox.change(work)


async def settle_otherwise(house: House, charge: str, amount: int, currency: str, *, fee: int = 0) -> str:
    """The charge reaches Stripe's balance, but as another amount or in another currency."""

    def forget(tx: Tx) -> None:
        tx.store.write("DELETE FROM timers WHERE kind = 'charge_settles' AND subject = ?", charge)

    await house.sandbox.change(forget)
    [planted] = await plant(house, "charge", amount, currency=currency, fee=fee, kind="charge", source=charge)
    return planted


async def platform(house: House, currency: str = "USD") -> dict[str, int]:
    """The platform's accounts that are not zero, without `platform:`, as the journal gives them."""
    balances = await ledger.platform_balances()
    return {
        account.removeprefix("platform:"): amount
        for (code, account), amount in balances.items()
        if code == currency and amount
    }


async def outcomes(house: House) -> dict[str, str]:
    """What became of each movement that was read."""
    return {row["_id"]: row["outcome"] async for row in house.collection("movements").find({})}


async def at_stripe(house: House) -> list[dict[str, Any]]:
    """Stripe's balance transactions, as they were made."""
    return await house.stripe.objects("balance_transaction")


def alerts(code: str) -> float:
    """How often it was raised in this process."""
    return REGISTRY.get_sample_value("jobsphere_alerts_total", {"code": code}) or 0
