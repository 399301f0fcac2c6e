"""What is written down along the way: histories, statements, events, and the cards that are shown."""

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

from domain import adjustments, deposits, disputes, escrow, onboarding
from domain import refunds as refund
from domain import withdrawals as withdrawal
from domain.inbox import FindingKind
from domain.kernel.database import Row
from domain.kernel.machine import Machine
from tests.invariants.history.reckoning import disputes as complaints
from tests.invariants.history.reckoning import escrows, refunds, withdrawals
from tests.invariants.history.reckoning.deposits import paid_as_agreed
from tests.invariants.history.reckoning.sides import Sides
from tests.invariants.history.world import World


def histories(sides: Sides) -> Iterator[str]:
    """Along drawn arrows, from the first state to the present one, never back in time."""
    yield from _histories(sides.deposits, deposits.MACHINE, {deposits.DepositStatus.REQUIRES_PAYMENT})
    yield from _histories(sides.escrows, escrow.MACHINE, {escrow.EscrowStatus.FUNDED})
    first = {withdrawal.WithdrawalStatus.AWAITING_APPROVAL, withdrawal.WithdrawalStatus.PENDING}
    yield from _histories(sides.withdrawals, withdrawal.MACHINE, first)
    asked_for = {refund.RefundStatus.PENDING, refund.RefundStatus.PROCESSING}
    yield from _histories(sides.paybacks, refund.MACHINE, asked_for)
    yield from _histories(sides.complaints, disputes.MACHINE, set(disputes.DisputeStatus))
    words = {adjustments.AdjustmentStatus.AWAITING_CONFIRMATION, adjustments.AdjustmentStatus.POSTED}
    yield from _histories(sides.adjustments, adjustments.MACHINE, words)
    first_of_accounts = {onboarding.ConnectAccountStatus.INCOMPLETE}
    yield from _histories(sides.connected, onboarding.MACHINE, first_of_accounts)
    for row in sides.deposits:
        if row["status"] in {"SUCCEEDED", "CANCELED"} and (row["client_secret"] or row["checkout_url"]):
            yield f"{row['_id']} is settled, and still has a secret"


def statements(world: World, sides: Sides) -> Iterator[str]:
    """What an operation says it brought somebody, or cost them, is what their statement shows of it."""
    told = _deposits_told(sides)
    owners = {row["_id"]: row for row in sides.wallets}
    shown: Counter[tuple[str, str, str]] = Counter()
    for line in sides.lines:
        wallet = owners[line["_id"]["w"]]
        change = line["available_delta"] + line["held_delta"]
        shown[line["operation"], wallet["owner"], wallet["currency"]] += change
    told.update(escrows.told(world, sides))
    told.update(withdrawals.told(world, sides))
    told.update(refunds.told(sides))
    told.update(complaints.told(world, sides))
    corrected = {correction.id: correction for correction in world.corrections if correction.id}
    for correction in corrected.values():
        if correction.status == "POSTED":
            told[str(correction.id), correction.person.id, correction.currency] += correction.amount
    for key in sorted(shown.keys() | told.keys()):
        # What people had from the start is an adjustment too.
        granted = key[0].startswith("adj_") and key[0] not in corrected
        if shown[key] != told[key] and not granted:
            yield f"{key[0]} brought {told[key]} {key[2]}, and the statement shows {shown[key]}"


def _histories(rows: list[Row], machine: Machine[Any], first: set[Any]) -> Iterator[str]:
    for row in rows:
        told = row["history"]
        states = [type(next(iter(first)))(change["status"]) for change in told]
        for before, after in itertools.pairwise(states):
            if before is not after and not machine.allows(before, after):
                yield f"{row['_id']} went from {before} to {after}"
        times = [change["at"] for change in told]
        if states[0] not in first or states[-1] != row["status"]:
            yield f"the history of {row['_id']}, which is {row['status']}, is {states}"
        if times != sorted(times):
            yield f"the history of {row['_id']} runs back in time"


def _deposits_told(sides: Sides) -> Counter[tuple[str, str, str]]:
    """By their own word, by operation, person and currency.

    A deposit says so in one currency. What came in another one too, it only says by its receipts, or by its
    amount.
    """
    told: Counter[tuple[str, str, str]] = Counter()
    for row in sides.deposits:
        own = row["received_currency"] or row["currency"]
        told[row["_id"], row["owner"], own] = row["received"]
        if own != row["currency"] and paid_as_agreed(row, sides.intents_of(row)):
            told[row["_id"], row["owner"], row["currency"]] += row["amount"]
        for receipt in row["receipts"]:
            decision = receipt["resolution"]
            if receipt["currency"] != own and decision and decision["outcome"] == "CREDIT":
                told[row["_id"], row["owner"], receipt["currency"]] += receipt["amount"]
    return told


async def inbox(world: World) -> list[str]:
    house = world.house
    rows = await house.collection("webhook_events").find().to_list()
    if world.deaf:  # of an account that left unheard, nothing can be read
        rows = [row for row in rows if not {row["account"], row["object_id"]} & world.gone]
    # That no payout covers a transfer is so when its account lets us in no more, or pays nothing out.
    expected = {"kind": {"$ne": FindingKind.PAYOUT_NOT_LINKED.value}}
    findings = await house.collection("findings").find(expected).to_list()
    return [
        *(
            f"{row['type']} of {row['account'] or row['object_id']} is {row['status']}: {row['error']}"
            for row in rows
            if row["status"] not in {"PROCESSED", "IGNORED"}
        ),
        *(f"{finding['_id']} is unmatched" for finding in findings),
    ]


async def cards(world: World) -> list[str]:
    """Each person is shown what Stripe has attached to them, and which is charged unless another is named."""
    shown = {payer.person.id: await payer.person.cards() for payer in world.payers}
    sides = await Sides.of(world.house)
    stripe_ids = {row["_id"]: row["stripe_id"] for row in sides.cards}
    found = []
    for customer in sides.customers:
        person = customer["metadata"]["user_id"]
        own = shown[person]
        attached = {one["id"] for one in sides.attached if one["customer"] == customer["id"]}
        seen = {stripe_ids[card["id"]] for card in own}
        if seen != attached:
            found.append(f"{person} is shown {seen}, and has {attached}")
        default = customer["invoice_settings"]["default_payment_method"]
        chosen = {stripe_ids[card["id"]] for card in own if card["isDefault"]}
        if chosen != ({default} & attached):
            found.append(f"{person} is shown {chosen} as the default, and chose {default}")
    return found
