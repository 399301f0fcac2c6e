"""The business' figures: what all wallets and escrows hold came by these, or was put right by a person."""

from datetime import timedelta

from domain import ledger, metrics
from domain.metrics import SPAN_DAYS_MAX
from tests.house import House

SECOND = timedelta(seconds=1)


async def odd(house: House) -> list[str]:
    until = house.clock() + SECOND
    balances = await ledger.platform_balances()
    wallets = await house.collection("wallets").find({}).to_list()
    found = []
    for currency in sorted({row["currency"] for row in wallets}):
        measured = await metrics.measure(
            house.runtime, currency, until - timedelta(days=SPAN_DAYS_MAX), until
        )
        flows = measured.turnover
        grown = flows.deposits - flows.withdrawals - flows.refunds - flows.disputes - flows.fees
        grown -= sum(balances.get((currency, f"platform:{name}"), 0) for name in ("adjustments", "losses"))
        held = sum(row["available"] + row["held"] for row in wallets if row["currency"] == currency)
        if held + measured.in_escrow != grown:
            found.append(f"people hold {held + measured.in_escrow} {currency}, and {flows} make {grown}")
    return found
