"""Invariant 6 for deposits: their states and their entries agree."""

from collections import defaultdict
from collections.abc import Mapping, Set
from typing import Final

from domain.deposits.documents import Deposit, DepositStatus, Receipt, ReviewOutcome
from domain.kernel.database import Row, batched, parse
from domain.ledger import INVARIANT_6, Account, EntryRecord, Platform, Report, Wallet

_BOOKED: Final = {"$regex": "^deposit:"}
_REVIEWED: Final = (DepositStatus.SUCCEEDED.value, DepositStatus.NEEDS_REVIEW.value)
_STRIPE: Final = str(Account.platform(Platform.STRIPE))
_UNEXPLAINED: Final = str(Account.platform(Platform.UNEXPLAINED))

Owned = Mapping[tuple[str, str], str]
"""The account from which one may spend, by its owner and currency."""


async def check(report: Report) -> None:
    """Beside traffic: what is read second was committed with, or before, what is read first."""
    await _deposits_have_entries(report)
    await _entries_have_deposits(report)


async def _deposits_have_entries(report: Report) -> None:
    """What was received is in its owner's wallet, or outside of every wallet until a person decides."""
    criteria = {"$or": [{"status": {"$in": list(_REVIEWED)}}, {"receipts.0": {"$exists": True}}]}
    async for rows in batched(Deposit.get_pymongo_collection().find(criteria)):
        deposits = [parse(Deposit, row) for row in rows]
        entries: dict[str, dict[str, Row]] = defaultdict(dict)
        # What was read from Stripe's balance before anybody knew whose it is came under its intent.
        intents = [intent_id for deposit in deposits for intent_id in _intents_of(deposit)]
        operations = {"operation": {"$in": [*(deposit.id for deposit in deposits), *intents]}}
        async for entry in EntryRecord.get_pymongo_collection().find(operations):
            entries[entry["operation"]][entry["ref"]] = entry
        owned = await _owned_by({deposit.owner for deposit in deposits})
        for deposit in deposits:
            read = _intents_of(deposit) & entries.keys()
            _check_deposit(report, deposit, entries[deposit.id], read, owned)


def _intents_of(deposit: Deposit) -> set[str]:
    agreed = set() if deposit.payment_intent_id is None else {deposit.payment_intent_id}
    return agreed | {receipt.payment_intent_id for receipt in deposit.receipts}


async def _owned_by(owners: Set[str]) -> Owned:
    wallets = Wallet.get_pymongo_collection().find(
        {"owner": {"$in": list(owners)}}, {"owner": 1, "currency": 1}
    )
    return {
        (row["owner"], str(row.get("currency"))): str(Account.available(row["_id"])) async for row in wallets
    }


def _check_deposit(
    report: Report, deposit: Deposit, entries: Mapping[str, Row], read: Set[str], owned: Owned
) -> None:
    """`read`: the intents whose money was booked before anybody knew whose it is."""
    if deposit.status is DepositStatus.SUCCEEDED:
        report.expect(INVARIANT_6, deposit.id, deposit.received, _credited(deposit, entries))
    succeeded = entries.get(f"deposit:{deposit.id}:succeeded")
    if succeeded is not None:
        came_from = _UNEXPLAINED if deposit.payment_intent_id in read else _STRIPE
        way = (came_from, owned.get((deposit.owner, succeeded["currency"])))
        report.expect(INVARIANT_6, deposit.id, [way], _ways(succeeded))
    if deposit.status is DepositStatus.NEEDS_REVIEW and not deposit.receipts:
        report.expect(INVARIANT_6, deposit.id, "an entry in platform:unexplained", sorted(entries))
    for receipt in deposit.receipts:
        came = receipt.payment_intent_id not in read
        _check_receipt(report, deposit, receipt, entries, owned, came=came)


async def _entries_have_deposits(report: Report) -> None:
    """Each is a step that its deposit tells of."""
    collection = EntryRecord.get_pymongo_collection()
    booked = collection.find({"ref": _BOOKED}, {"ref": 1, "operation": 1})
    async for entries in batched(booked):
        ids = [entry["operation"] for entry in entries]
        found = Deposit.get_pymongo_collection().find({"_id": {"$in": ids}})
        deposits = {row["_id"]: row async for row in found}
        returns = collection.find({"ref": {"$in": [_return_before(entry["ref"]) for entry in entries]}})
        came_back = {row["ref"] async for row in returns}
        for entry in entries:
            _check_entry(report, entry, deposits.get(entry["operation"]), came_back)


def _check_entry(report: Report, entry: Row, deposit: Row | None, came_back: Set[str]) -> None:
    if entry["ref"] == f"deposit:{entry['operation']}:succeeded":
        status = None if deposit is None else deposit["status"]
        report.expect(INVARIANT_6, entry["operation"], DepositStatus.SUCCEEDED.value, status)
    elif deposit is None or not _is_step(parse(Deposit, deposit), entry["ref"], came_back):
        report.expect(INVARIANT_6, entry["ref"], "a step of its deposit", None)


def _is_step(deposit: Deposit, ref: str, came_back: Set[str]) -> bool:
    """Of a receipt: that it came, was decided about, came back by a refund, was decided about again.

    A receipt knows only the last of several refunds that came back; the others are in `came_back`.
    """
    for receipt in deposit.receipts:
        intent = receipt.payment_intent_id
        resolved, returned = (deposit.review_ref(step, intent) for step in ("resolved", "returned"))
        if ref == deposit.review_ref("resolved", intent, receipt.returned):
            return receipt.resolution is not None and receipt.resolution.done
        earlier = ref == resolved or _is_turn(ref, returned)
        earlier = earlier or (_is_turn(ref, resolved) and _return_before(ref) in came_back)
        if ref == deposit.review_ref("unexplained", intent) or (receipt.returned and earlier):
            return True
    return False


def _is_turn(ref: str, step: str) -> bool:
    """Whether it is the step, named by a refund."""
    return ref.rpartition(":")[0] == step


def _return_before(ref: str) -> str:
    """Of a decision that is named by a refund: that this had come back."""
    return ref.replace(":resolved:", ":returned:")


def _credited(deposit: Deposit, entries: Mapping[str, Row]) -> int | None:
    """What the wallet got, in the currency of `received`; None when it got nothing."""
    currency = deposit.received_currency or deposit.currency
    amounts = [
        receipt.amount
        for receipt in deposit.receipts
        if receipt.currency == currency and _is_done(receipt, ReviewOutcome.CREDIT)
    ]
    entry = entries.get(f"deposit:{deposit.id}:succeeded")
    if entry is not None and entry["currency"] == currency:
        amounts.append(_amount(entry))
    return sum(amounts) if amounts else None


def _check_receipt(
    report: Report,
    deposit: Deposit,
    receipt: Receipt,
    entries: Mapping[str, Row],
    owned: Owned,
    *,
    came: bool,
) -> None:
    """It came by one entry (`came`: of the deposit's), comes back by one, and leaves by one."""
    intent = receipt.payment_intent_id
    steps = {deposit.review_ref("unexplained", intent): (_STRIPE, _UNEXPLAINED)} if came else {}
    if receipt.returned is not None:
        steps[deposit.review_ref("returned", intent, receipt.returned)] = (_STRIPE, _UNEXPLAINED)
    if receipt.resolution is not None and receipt.resolution.done:
        refunded = receipt.resolution.outcome is ReviewOutcome.REFUND
        goes_to = _STRIPE if refunded else owned.get((deposit.owner, receipt.currency), "a wallet")
        steps[deposit.review_ref("resolved", intent, receipt.returned)] = (_UNEXPLAINED, goes_to)
    for ref, way in steps.items():
        entry = entries.get(ref)
        booked = None if entry is None else (_ways(entry), _amount(entry), entry["currency"])
        report.expect(INVARIANT_6, ref, ([way], receipt.amount, receipt.currency), booked)


def _is_done(receipt: Receipt, outcome: ReviewOutcome) -> bool:
    resolution = receipt.resolution
    return resolution is not None and resolution.done and resolution.outcome is outcome


def _ways(entry: Row) -> list[tuple[str, str]]:
    return [(posting["source"], posting["destination"]) for posting in entry["postings"]]


def _amount(entry: Row) -> int:
    return int(sum(posting["amount"] for posting in entry["postings"]))
