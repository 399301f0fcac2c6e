"""What was held against Stripe, counted."""

from tests.invariants.history.reckoning.sides import Sides, in_ours, received
from tests.invariants.history.world import World


def count(world: World, sides: Sides) -> None:
    tally = world.tally
    tally.deposits.update(row["status"] for row in sides.deposits)
    tally.escrows.update(row["status"] for row in sides.escrows)
    tally.withdrawals.update(row["status"] for row in sides.withdrawals)
    tally.refunds.update(f"{row['status']} ({row['origin']})" for row in sides.paybacks)
    tally.disputes.update(row["status"] for row in sides.complaints)
    tally.adjustments.update(row["status"] for row in sides.adjustments)
    tally.accounts.update(row["status"] for row in sides.connected)
    for intent in sides.intents:
        amount, currency = received(intent)
        tally.received[currency] += amount
    for refund in sides.refunds:
        amount, currency = in_ours(refund["amount"], refund["currency"])
        tally.returned[currency] += amount if refund["status"] not in {"failed", "canceled"} else 0
    for transfer in sides.transfers:
        amount, currency = in_ours(transfer["amount"], transfer["currency"])
        tally.sent[currency] += amount
        tally.reversed[currency] += in_ours(transfer["amount_reversed"], currency)[0]
    tally.checks["ledgers verified"] += 1
    tally.checks["wallets against Stripe"] += len(sides.wallets)
    tally.checks["statement lines"] += len(sides.lines)
    tally.checks["entries"] += len(sides.entries)
    tally.checks["deposits against Stripe"] += len(sides.deposits)
    tally.checks["escrows against their parties"] += len(sides.escrows)
    tally.checks["moves of escrows"] += len(sides.moves)
    tally.checks["withdrawals against Stripe"] += len(sides.withdrawals)
    tally.checks["refunds against Stripe"] += len(sides.paybacks)
    tally.checks["disputes against Stripe"] += len(sides.complaints)
    tally.checks["transfers"] += len(sides.transfers)
    tally.checks["payouts"] += len(sides.payouts)


async def count_events(world: World) -> None:
    """Of each delivery, what became of it."""
    for delivery in (await world.house.stripe.state())["deliveries"]:
        outcome = {"200": "delivered", "400": "given up, for we refused it"}.get(delivery["outcome"])
        world.tally.events[outcome or delivery["outcome"]] += 1
        world.tally.events["beside the first copy"] += bool(delivery["extra"])
        world.tally.events["tried again"] += max(delivery["tries"] - 1, 0)
