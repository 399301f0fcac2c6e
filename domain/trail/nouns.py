"""What a trail asks of each noun: its documents, what Stripe calls a step, and which operations are whose."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from domain import adjustments, deposits, disputes, escrow, refunds, treasury, withdrawals
from domain.deposits import Deposit
from domain.disputes import Dispute
from domain.kernel.operations import Operation
from domain.ledger import EntryRecord, Kind
from domain.refunds import Refund
from domain.withdrawals import Withdrawal

AnyOperation = Operation[Any]


@dataclass(frozen=True)
class Subject:
    """What a trail is of: an operation, as the books call it; or one entry of it, by its ref."""

    operation: str
    entry: str | None = None


@dataclass(frozen=True)
class Noun:
    """`stripe_ids`: what the step of an entry, or the operation itself (None), is at Stripe."""

    find_many: Callable[[Sequence[str]], Awaitable[Mapping[str, Any]]]
    stripe_ids: Callable[[Any, EntryRecord | None], Iterable[str | None]] = lambda _operation, _entry: ()


async def find_documents(operation_ids: Iterable[str]) -> dict[str, AnyOperation]:
    """By id, one query a noun; what is not there, or none of ours, is left out."""
    by_prefix: defaultdict[str, list[str]] = defaultdict(list)
    for operation_id in sorted(set(operation_ids)):
        by_prefix[_prefix(operation_id)].append(operation_id)
    known = [(_NOUNS[prefix], ids) for prefix, ids in by_prefix.items() if prefix in _NOUNS]
    found = await asyncio.gather(*(noun.find_many(ids) for noun, ids in known))
    return {operation_id: operation for each in found for operation_id, operation in each.items()}


def stripe_ids(operation: AnyOperation | None, entry: EntryRecord | None) -> list[str]:
    """What of Stripe's the step is about, as the operation and its ref tell; each once."""
    noun = None if operation is None else _NOUNS.get(_prefix(operation.id))
    told = [] if noun is None else list(noun.stripe_ids(operation, entry))
    return list(dict.fromkeys(stripe_id for stripe_id in told if stripe_id))


async def concerned(documents: Iterable[AnyOperation]) -> dict[str, AnyOperation]:
    """The deposits of which the refunds and disputes among `documents` take something back."""
    found = {document.deposit for document in documents if isinstance(document, Refund | Dispute)}
    return await find_documents(found) if found else {}


async def about(documents: Iterable[AnyOperation]) -> dict[str, AnyOperation]:
    """The refunds and disputes of the deposits among `documents`, also those that came to nothing."""
    deposit_ids = [document.id for document in documents if isinstance(document, Deposit)]
    if not deposit_ids:
        return {}
    refunded, disputed = await asyncio.gather(
        refunds.of_deposits(deposit_ids), disputes.of_deposits(deposit_ids)
    )
    found: list[AnyOperation] = [*refunded, *disputed]
    return {operation.id: operation for operation in found}


async def subjects_of(identifier: str) -> list[Subject]:
    """What an id of ours or of Stripe's leads to, whether or not that is there."""
    prefix = _prefix(identifier)
    if prefix in _NOUNS:
        return [Subject(identifier)]
    if prefix == "esm":
        move = await escrow.find_move(identifier)
        return [] if move is None else [Subject(move.escrow, move.ref)]
    found = await _AT_STRIPE[prefix](identifier) if prefix in _AT_STRIPE else []
    if not found:
        # A charge, a reversal, a balance transaction: as far as Stripe's balance was read.
        movement = await treasury.find_by_stripe_id(identifier)
        found = [] if movement is None else [movement.operation]
    return [Subject(operation) for operation in found]


def is_ours(operation_id: str) -> bool:
    return _prefix(operation_id) in _NOUNS


async def _by_intent(stripe_id: str) -> list[str]:
    return _ids(await deposits.find_by_intent(stripe_id))


async def _by_session(stripe_id: str) -> list[str]:
    return _ids(await deposits.find_by_session(stripe_id))


async def _by_dispute(stripe_id: str) -> list[str]:
    return _ids(await disputes.find_by_stripe_id(stripe_id))


async def _by_refund(stripe_id: str) -> list[str]:
    return _ids(await refunds.find_sent(stripe_id))


def _ids(found: AnyOperation | None) -> list[str]:
    return [] if found is None else [found.id]


def _prefix(identifier: str) -> str:
    return identifier.partition("_")[0]


def _of_deposit(deposit: Deposit, entry: EntryRecord | None) -> Iterable[str | None]:
    named = [] if entry is None else entry.ref.split(":")[3:]
    yield None if deposit.checkout is None else deposit.checkout.session_id
    intent = next((one for one in named if one.startswith("pi_")), deposit.payment_intent_id)
    yield intent
    yield next((one for one in named if one.startswith("re_")), None)
    if entry is not None and entry.kind is Kind.REFUND_SENT:
        resolutions = (one.resolution for one in deposit.receipts if one.payment_intent_id == intent)
        yield from (one.refund_id for one in resolutions if one is not None)


def _of_withdrawal(withdrawal: Withdrawal, entry: EntryRecord | None) -> Iterable[str | None]:
    if entry is None or entry.kind not in {Kind.WITHDRAWAL_SENT, Kind.WITHDRAWAL_REVERSED}:
        return
    named = entry.ref.split(":")[3:]
    for transfer in withdrawal.transfers:
        if transfer.id in named or (not named and not transfer.found):
            yield transfer.id
            come_back = 0
            for reversal in transfer.reversals:
                come_back += reversal.amount
                yield reversal.id if named == [transfer.id, str(come_back)] else None


def _of_refund(refund: Refund, entry: EntryRecord | None) -> Iterable[str | None]:
    """The reserve, and its giving back, are known to nobody but us."""
    step = None if entry is None else entry.ref.rpartition(":")[2]
    if refund.sent is not None and step in {refund.sent.booked.value, "returned"}:
        yield refund.sent.id


def _of_dispute(dispute: Dispute, entry: EntryRecord | None) -> Iterable[str | None]:
    """With the balance transaction that moved the money, by which the ref is named."""
    yield dispute.stripe_id
    named = "" if entry is None else entry.ref.rpartition(":")[2]
    yield None if dispute.movement(named) is None else named


_NOUNS: Final[Mapping[str, Noun]] = {
    "dep": Noun(deposits.find_many, _of_deposit),
    "esc": Noun(escrow.find_many),
    "wdr": Noun(withdrawals.find_many, _of_withdrawal),
    "rfd": Noun(refunds.find_many, _of_refund),
    "dsp": Noun(disputes.find_many, _of_dispute),
    "adj": Noun(adjustments.find_many),
}

# Whose a thing at Stripe is, by the beginning of its id there.
_AT_STRIPE: Final[Mapping[str, Callable[[str], Awaitable[list[str]]]]] = {
    "pi": _by_intent,
    "cs": _by_session,
    "re": _by_refund,
    "dp": _by_dispute,
    "du": _by_dispute,
    "tr": withdrawals.ids_of,
    "po": withdrawals.ids_of,
}
