"""The end of a history: what is in our books, held against what Stripe has, and what people were answered.

Whatever the product says of money is computed here anew: from the sandbox's objects, and from the answers.
"""

from domain import ledger, treasury
from tests.invariants.history.reckoning import (
    accounts,
    business,
    counting,
    deposits,
    disputes,
    escrows,
    packs,
    records,
    refunds,
    wallets,
    withdrawals,
)
from tests.invariants.history.reckoning.sides import Sides
from tests.invariants.history.world import World, must


async def differences(world: World) -> list[str]:
    """What is not yet as it must be, once everything works and some time has passed."""
    sides = await Sides.of(world.house)
    return [
        *deposits.differences(sides),
        *escrows.differences(world, sides),
        *accounts.differences(world, sides),
        *withdrawals.differences(world, sides),
        *refunds.differences(world, sides),
        *disputes.differences(world, sides),
        *wallets.differences(world, sides),
    ]


async def unsettled(world: World) -> list[str]:
    """The same once the time of all that waited is over."""
    sides = await Sides.of(world.house)
    return [*deposits.unsettled(sides), *await differences(world)]


async def reckon(world: World) -> None:
    """What must be true however long one waits. Raises AssertionError."""
    house = world.house
    sides = await Sides.of(house)
    # Not by way of the chores, which would keep to themselves what goes wrong.
    await treasury.read_balance_transactions(house.runtime)
    await ledger.make_checkpoint(house.runtime)
    report = await house.report(asking_stripe=True)
    must(report.violations == [], f"the books are not sound: {report.violations}")
    must(report.unchecked == [], f"it could not be checked: {report.unchecked}")
    found = [
        *deposits.one_of_each(world, sides),
        *escrows.one_of_each(world, sides),
        *accounts.one_of_each(sides),
        *withdrawals.one_of_each(world, sides),
        *await withdrawals.waiting(world, sides),
        *refunds.one_of_each(world, sides),
        *await refunds.waiting(world, sides),
        *disputes.one_of_each(sides),
        *records.histories(sides),
        *records.statements(world, sides),
        *await records.inbox(world),
        *await records.cards(world),
        *await packs.unsound(house),
        *await business.odd(house),
    ]
    for recorder in (house.sandbox.recorder, house.deliveries):
        found += [f"not as Stripe specifies: {violation}" for violation in recorder.violations]
        # The next history is not to blame.
        recorder.violations.clear()
    must(not found, "; ".join(found))
    counting.count(world, sides)
    await counting.count_events(world)
