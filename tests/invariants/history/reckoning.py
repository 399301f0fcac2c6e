"""The end of a history: what is in our books, held against what Stripe has.

Whatever the product says of money is computed here anew, from the sandbox's intents and refunds alone.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from domain import ledger, treasury
from domain.deposits import MACHINE, DepositStatus
from domain.kernel.database import Row
from tests.house import House
from tests.invariants.history.stripe import is_foreign
from tests.invariants.history.world import SETTLED, World, must

# Stripe counts krónur in hundredths, which it does not charge.
STRIPES_IN_ONE = {"ISK": 100}
UNEXPLAINED = "platform:unexplained"
_STATES = {
    "requires_payment_method": "REQUIRES_PAYMENT",
    "requires_confirmation": "REQUIRES_PAYMENT",
    "requires_action": "REQUIRES_ACTION",
    "canceled": "CANCELED",
}


@dataclass(frozen=True)
class Sides:
    """Both sides at one moment: rows of ours, and objects of Stripe's by their kind."""

    deposits: list[Row]
    wallets: list[Row]
    lines: list[Row]
    entries: list[Row]
    cards: list[Row]
    intents: list[dict[str, Any]]
    refunds: list[dict[str, Any]]
    customers: list[dict[str, Any]]
    attached: list[dict[str, Any]]

    @classmethod
    async def of(cls, house: House) -> "Sides":
        names = ("deposits", "wallets", "statement_lines", "entries", "payment_methods")
        ours = [await house.collection(name).find().to_list() for name in names]
        at_stripe = (await house.stripe.state())["objects"]
        kinds = ("payment_intent", "refund", "customer", "payment_method")
        return cls(*ours, *(at_stripe.get(kind, []) for kind in kinds))

    def intents_of(self, deposit: Row) -> list[dict[str, Any]]:
        return [one for one in self.intents if one["metadata"].get("deposit_id") == deposit["_id"]]


async def differences(world: World) -> list[str]:
    """What is not yet as it must be, once everything works and some time has passed."""
    sides = await Sides.of(world.house)
    return [*_deposits(sides), *_wallets(sides), *_unexplained(sides)]


async def unsettled(world: World) -> list[str]:
    """The same once every deposit's time is over: none may still wait, but for a person's decision.

    A refund that was decided may take its hours, also of a deposit that is settled.
    """
    sides = await Sides.of(world.house)
    at_rest = SETTLED | {"NEEDS_REVIEW"}
    waiting = [
        f"{row['_id']} is {row['status']}, and due at {row['next_attempt_at']}"
        for row in sides.deposits
        if row["status"] not in at_rest or row["next_attempt_at"]
    ]
    return [*waiting, *await differences(world)]


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
        *_one_of_each(world, sides),
        *_histories(sides),
        *_statements(sides),
        *await _inbox(house),
        *await _cards(world),
    ]
    for recorder in (house.sandbox.recorder, house.deliveries):
        found += [f"not as Stripe specifies: {violation}" for violation in recorder.violations]
        # The next history is not to blame.
        recorder.violations.clear()
    must(not found, "; ".join(found))
    _count(world, sides)
    await _count_events(world)


# ------------------------------------------------------------------ in the end


def _deposits(sides: Sides) -> Iterator[str]:
    """Each is what its intents make of it."""
    for row in sides.deposits:
        own = [one for one in sides.intents_of(row) if not is_foreign(one)]
        receipts = {receipt["payment_intent_id"]: receipt for receipt in row["receipts"]}
        paid = [one for one in sides.intents_of(row) if one["status"] == "succeeded"]
        agreed = _paid_as_agreed(row, own)
        for intent in paid:
            receipt = receipts.get(intent["id"])
            told = receipt and (receipt["amount"], receipt["currency"])
            if intent not in agreed and told != _received(intent):
                yield f"{row['_id']} was paid by {intent['id']}, and has {told} of it"
        if not own and _may_not_be_asked(row):
            continue
        expected = _state(row, own[0] if own else None, agreed=bool(agreed))
        if row["status"] not in expected:
            yield f"{row['_id']} is {row['status']}, not {expected}"


def _paid_as_agreed(row: Row, intents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    agreed = (row["amount"], row["currency"])
    return [one for one in intents if not is_foreign(one) and _received(one) == agreed]


def _may_not_be_asked(row: Row) -> bool:
    """A saved card that was perhaps charged, and now shall not be: until the key is spent, a day later."""
    asked = row["attempt"] is not None and row["attempt"]["unknown"]
    return bool(asked and row["saved_card"] and row["cancellation"] and row["status"] not in SETTLED)


def _state(row: Row, own: dict[str, Any] | None, *, agreed: bool) -> set[str]:
    if agreed:
        return {"SUCCEEDED"}
    if row["receipts"]:
        done = [r["resolution"] for r in row["receipts"] if r["resolution"] and r["resolution"]["done"]]
        credited = any(decision["outcome"] == "CREDIT" for decision in done)
        if len(done) < len(row["receipts"]):
            # What came after a credit had settled it waits in a deposit that stays as it is.
            return {"NEEDS_REVIEW", "SUCCEEDED"} if credited else {"NEEDS_REVIEW"}
        return {"SUCCEEDED" if credited else "CANCELED"}
    if own is None:
        return {"CANCELED"}
    if own["status"] == "requires_payment_method" and own["last_payment_error"] is not None:
        return {"FAILED"}
    return {_STATES.get(own["status"], "NEEDS_REVIEW")}


def _wallets(sides: Sides) -> Iterator[str]:
    """What Stripe received for a person, less what went back, and what nobody has decided about."""
    due: defaultdict[tuple[str, str], int] = defaultdict(int)
    owners = {}
    for intent in sides.intents:
        owners[intent["id"]] = intent["metadata"].get("user_id")
        if intent["status"] == "succeeded":
            amount, currency = _received(intent)
            due[owners[intent["id"]], currency] += amount
    for refund in sides.refunds:
        if refund["status"] not in {"failed", "canceled"}:
            amount, currency = _ours(refund["amount"], refund["currency"])
            due[owners[refund["payment_intent"]], currency] -= amount
    for row, receipt in _waiting(sides):
        due[row["owner"], receipt["currency"]] -= receipt["amount"]
    has = {(row["owner"], row["currency"]): row["available"] for row in sides.wallets}
    for key in sorted(due.keys() | has.keys()):
        if due[key] != has.get(key, 0):
            yield f"{key[0]} has {has.get(key, 0)} {key[1]}, and Stripe has {due[key]}"


def _unexplained(sides: Sides) -> Iterator[str]:
    """It holds what waits for a decision, and nothing else."""
    held: Counter[str] = Counter()
    for entry in sides.entries:
        for posting in entry["postings"]:
            held[entry["currency"]] += posting["amount"] * (posting["destination"] == UNEXPLAINED)
            held[entry["currency"]] -= posting["amount"] * (posting["source"] == UNEXPLAINED)
    waiting: Counter[str] = Counter()
    for _, receipt in _waiting(sides):
        waiting[receipt["currency"]] += receipt["amount"]
    for currency in sorted(held.keys() | waiting.keys()):
        if held[currency] != waiting[currency]:
            yield f"{UNEXPLAINED} holds {held[currency]} {currency}, and {waiting[currency]} waits"


def _waiting(sides: Sides) -> Iterator[tuple[Row, Row]]:
    """Receipts, each with its deposit, that are not decided about, or not carried out."""
    for row in sides.deposits:
        for receipt in row["receipts"]:
            if not (receipt["resolution"] and receipt["resolution"]["done"]):
                yield row, receipt


# ------------------------------------------------------------------ at any time


def _one_of_each(world: World, sides: Sides) -> Iterator[str]:
    """One deposit for each wish, one intent for each deposit, one Customer for each person."""
    wishes = {(wish.payer.person.id, wish.key): wish for wish in world.wishes}
    for row in sides.deposits:
        wish = wishes.get((row["owner"], row["idempotency"]["key"]))
        if wish is None or wish.deposit not in {None, row["_id"]}:
            yield f"nobody wished for {row['_id']}"
        own = [one["id"] for one in sides.intents_of(row) if not is_foreign(one)]
        if own != [row["payment_intent_id"]] and (own or row["status"] != "CANCELED"):
            yield f"{row['_id']} is {row['status']}, has {row['payment_intent_id']}, and Stripe has {own}"
    made = {row["_id"] for row in sides.deposits}
    yield from (f"{wish.deposit} is gone" for wish in world.wishes if wish.deposit not in {None, *made})
    persons = Counter(customer["metadata"]["user_id"] for customer in sides.customers)
    yield from (f"{person} is {count} Customers" for person, count in persons.items() if count != 1)


def _histories(sides: Sides) -> Iterator[str]:
    """Along drawn arrows, from the first state to the present one, never back in time."""
    for row in sides.deposits:
        told = row["history"]
        states = [DepositStatus(change["status"]) for change in told]
        for before, after in itertools.pairwise(states):
            if before is not after and not MACHINE.allows(before, after):
                yield f"{row['_id']} went from {before} to {after}"
        times = [change["at"] for change in told]
        if states[0] is not DepositStatus.REQUIRES_PAYMENT or states[-1] != row["status"]:
            yield f"the history of {row['_id']}, which is {row['status']}, is {states}"
        if times != sorted(times):
            yield f"the history of {row['_id']} runs back in time"
        if row["status"] in SETTLED and row["client_secret"]:
            yield f"{row['_id']} is settled, and still has a secret"


def _statements(sides: Sides) -> Iterator[str]:
    """What a deposit says it received is what its owner's statement shows of it.

    It says so in one currency. What came in another one too, it only says by its receipts, or by its amount.
    """
    currencies = {row["_id"]: row["currency"] for row in sides.wallets}
    shown: Counter[tuple[str, str]] = Counter()
    for line in sides.lines:
        shown[line["operation"], currencies[line["_id"]["w"]]] += line["available_delta"]
    told: Counter[tuple[str, str]] = Counter()
    for row in sides.deposits:
        own = row["received_currency"] or row["currency"]
        told[row["_id"], own] = row["received"]
        if own != row["currency"] and _paid_as_agreed(row, sides.intents_of(row)):
            told[row["_id"], row["currency"]] += row["amount"]
        for receipt in row["receipts"]:
            decision = receipt["resolution"]
            if receipt["currency"] != own and decision and decision["outcome"] == "CREDIT":
                told[row["_id"], receipt["currency"]] += receipt["amount"]
    for key in sorted(shown.keys() | told.keys()):
        if shown[key] != told[key]:
            yield f"{key[0]} received {told[key]} {key[1]}, and the statement shows {shown[key]}"


async def _inbox(house: House) -> list[str]:
    rows = await house.collection("webhook_events").find().to_list()
    findings = await house.collection("findings").find().to_list()
    return [
        *(
            f"{row['_id']} is {row['status']}"
            for row in rows
            if row["status"] not in {"PROCESSED", "IGNORED"}
        ),
        *(f"{finding['_id']} is unmatched" for finding in findings),
    ]


async def _cards(world: World) -> list[str]:
    """Each person is shown what Stripe has attached to them, and which is charged unless another is named."""
    shown = {payer.person.id: await payer.person.cards() for payer in world.payers}
    sides = await Sides.of(world.house)
    stripe_ids = {row["_id"]: row["stripe_id"] for row in sides.cards}
    found = []
    for customer in sides.customers:
        person = customer["metadata"]["user_id"]
        cards = shown[person]
        attached = {one["id"] for one in sides.attached if one["customer"] == customer["id"]}
        seen = {stripe_ids[card["id"]] for card in cards}
        if seen != attached:
            found.append(f"{person} is shown {seen}, and has {attached}")
        default = customer["invoice_settings"]["default_payment_method"]
        chosen = {stripe_ids[card["id"]] for card in cards if card["isDefault"]}
        if chosen != ({default} & attached):
            found.append(f"{person} is shown {chosen} as the default, and chose {default}")
    return found


def _received(intent: dict[str, Any]) -> tuple[int, str]:
    return _ours(intent["amount_received"], intent["currency"])


def _ours(amount: int, currency: str) -> tuple[int, str]:
    code = currency.upper()
    return amount // STRIPES_IN_ONE.get(code, 1), code


# ------------------------------------------------------------------ counted


def _count(world: World, sides: Sides) -> None:
    tally = world.tally
    tally.deposits.update(row["status"] for row in sides.deposits)
    for intent in sides.intents:
        amount, currency = _received(intent)
        tally.received[currency] += amount
    for refund in sides.refunds:
        amount, currency = _ours(refund["amount"], refund["currency"])
        tally.returned[currency] += amount if refund["status"] not in {"failed", "canceled"} else 0
    tally.checks["ledgers verified"] += 1
    tally.checks["wallets against Stripe"] += len(sides.wallets)
    tally.checks["statement lines"] += len(sides.lines)
    tally.checks["entries"] += len(sides.entries)
    tally.checks["deposits against Stripe"] += len(sides.deposits)


async def _count_events(world: World) -> None:
    """Of each delivery, what became of it."""
    for delivery in (await world.house.stripe.state())["deliveries"]:
        outcome = {"200": "delivered", "400": "given up, for we refused it"}.get(delivery["outcome"])
        world.tally.events[outcome or delivery["outcome"]] += 1
        world.tally.events["beside the first copy"] += bool(delivery["extra"])
        world.tally.events["tried again"] += max(delivery["tries"] - 1, 0)
