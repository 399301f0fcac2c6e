"""A trail's steps: what each posting, and what has none, was on the way of the money."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from domain.deposits import Deposit
from domain.disputes import Dispute
from domain.kernel.money import Money
from domain.ledger import Account, EntryRecord, Kind, Platform
from domain.trail.books import Books
from domain.trail.flows import Parcel
from domain.trail.nouns import AnyOperation, stripe_ids
from domain.treasury import Movement
from domain.withdrawals import Withdrawal


class StepKind(StrEnum):
    """As statement lines say it, and what shows on none. In the order of steps of the same instant."""

    DEPOSIT_REQUESTED = "DEPOSIT_REQUESTED"
    CARD_CHARGED = "CARD_CHARGED"
    UNEXPLAINED = "UNEXPLAINED"
    DEPOSIT = "DEPOSIT"
    BANK = "BANK"
    STRIPE_FEE = "STRIPE_FEE"
    ESCROW_FUNDED = "ESCROW_FUNDED"
    ESCROW_RELEASED = "ESCROW_RELEASED"
    ESCROW_REFUNDED = "ESCROW_REFUNDED"
    PLATFORM_FEE = "PLATFORM_FEE"
    WITHDRAWAL_REQUESTED = "WITHDRAWAL_REQUESTED"
    WITHDRAWAL_SENT = "WITHDRAWAL_SENT"
    WITHDRAWAL_RETURNED = "WITHDRAWAL_RETURNED"
    WITHDRAWAL_REVERSED = "WITHDRAWAL_REVERSED"
    PAYOUT = "PAYOUT"
    REFUND_REQUESTED = "REFUND_REQUESTED"
    REFUND_SENT = "REFUND_SENT"
    REFUND_RETURNED = "REFUND_RETURNED"
    DISPUTE_OPENED = "DISPUTE_OPENED"
    DISPUTE_WITHDRAWN = "DISPUTE_WITHDRAWN"
    DISPUTE_REINSTATED = "DISPUTE_REINSTATED"
    DISPUTE_WRITTEN_OFF = "DISPUTE_WRITTEN_OFF"
    ADJUSTMENT = "ADJUSTMENT"


_ORDER: Final = {kind: place for place, kind in enumerate(StepKind)}
_FEES, _STRIPE = str(Account.platform(Platform.FEES)), str(Account.platform(Platform.STRIPE))


@dataclass(frozen=True)
class Step:
    """`amount`: of all of it; `share`: how much of that is the traced money.

    `state`: in which the step left its operation, or what a payout is in; None where nothing has states.
    `party`: whose wallet it is about. `entry`: the journal's, where it is booked.
    """

    kind: StepKind
    at: datetime
    amount: Money
    share: Money
    state: str | None = None
    party: str | None = None
    operation: str | None = None
    entry: EntryRecord | None = None
    stripe_ids: tuple[str, ...] = ()

    @property
    def order(self) -> tuple[datetime, int, str]:
        return self.at, _ORDER[self.kind], "" if self.entry is None else self.entry.id


@dataclass(frozen=True)
class Told:
    """What steps are told of: the books as read, the operations, and Stripe's movements by entry's ref.

    `everything`: also what only administrators hear of.
    """

    books: Books
    documents: Mapping[str, AnyOperation]
    movements: Mapping[str, Movement]
    everything: bool

    def steps(self, shares: Mapping[Parcel, int]) -> list[Step]:
        """In the order of their time. `shares`: the traced units of every posting that is to be shown."""
        booked = [self._booked(parcel, share) for parcel, share in shares.items()]
        unbooked = [step for document in self.documents.values() for step in self._unbooked(document, shares)]
        return sorted([*booked, *unbooked], key=lambda step: step.order)

    def _booked(self, parcel: Parcel, share: int) -> Step:
        entry = self.books.entries[parcel.ref]
        posting = entry.postings[parcel.index]
        # What the treasury books beside an operation changes nothing of it.
        is_beside = entry.ref.startswith("stripe:")
        document = None if is_beside else self.documents.get(entry.operation)
        return Step(
            kind=_kind(entry, parcel.index),
            at=entry.created_at,
            amount=Money(posting.amount, entry.currency),
            share=Money(share, entry.currency),
            state=_state(document, entry.created_at),
            party=self._party(entry, parcel.index, document),
            operation=entry.operation,
            entry=entry,
            stripe_ids=self._stripe_ids(entry),
        )

    def _unbooked(self, document: AnyOperation, shares: Mapping[Parcel, int]) -> Iterator[Step]:
        mine = [(parcel, share) for parcel, share in shares.items() if self._is_of(parcel, document.id)]
        if isinstance(document, Deposit):
            yield from self._before_credit(document, mine)
        elif isinstance(document, Withdrawal):
            yield from self._payouts(document, mine)
        elif isinstance(document, Dispute):
            yield self._opening(document)

    def _before_credit(self, deposit: Deposit, mine: Iterable[tuple[Parcel, int]]) -> Iterator[Step]:
        """It was asked for, and cards were charged: the entries show only what came of that."""
        charged = [(parcel, share) for parcel, share in mine if self._is_payment(parcel)]
        own = sum(
            share for parcel, share in charged if self.books.entries[parcel.ref].currency == deposit.currency
        )
        yield Step(
            kind=StepKind.DEPOSIT_REQUESTED,
            at=deposit.created_at,
            amount=Money(deposit.amount, deposit.currency),
            share=Money(min(own, deposit.amount), deposit.currency),
            state=deposit.history[0].status,
            party=deposit.owner,
            operation=deposit.id,
            stripe_ids=tuple(stripe_ids(deposit, None)),
        )
        for parcel, share in charged:
            entry = self.books.entries[parcel.ref]
            yield Step(
                kind=StepKind.CARD_CHARGED,
                at=entry.created_at,
                amount=Money(entry.postings[parcel.index].amount, entry.currency),
                share=Money(share, entry.currency),
                state=_state(deposit, entry.created_at),
                party=deposit.owner,
                operation=deposit.id,
                entry=entry,
                stripe_ids=self._stripe_ids(entry),
            )

    def _payouts(self, withdrawal: Withdrawal, mine: Iterable[tuple[Parcel, int]]) -> Iterator[Step]:
        """Of what was sent, from the contractor's Stripe account to the bank: no money of ours any more."""
        sent = [
            (self.books.entries[parcel.ref], parcel.index, share)
            for parcel, share in mine
            if self.books.entries[parcel.ref].kind is Kind.WITHDRAWAL_SENT
        ]
        if not sent:
            return
        first = min(entry.created_at for entry, _, _ in sent)
        for payout in withdrawal.payouts:
            yield Step(
                kind=StepKind.PAYOUT,
                # Stripe's clock is its own, and shows seconds.
                at=max(payout.created_at, first),
                amount=Money(
                    sum(entry.postings[index].amount for entry, index, _ in sent), withdrawal.currency
                ),
                share=Money(sum(share for _, _, share in sent), withdrawal.currency),
                state=payout.status,
                party=withdrawal.owner,
                operation=withdrawal.id,
                stripe_ids=(payout.id,),
            )

    def _opening(self, dispute: Dispute) -> Step:
        """The bank asked, or announced what it would take: no money moves by that."""
        return Step(
            kind=StepKind.DISPUTE_OPENED,
            at=dispute.created_at,
            amount=Money(dispute.amount, dispute.currency),
            share=Money(0, dispute.currency),
            state=dispute.history[0].status,
            party=dispute.owner,
            operation=dispute.id,
            stripe_ids=(dispute.stripe_id,) if self.everything else (),
        )

    def _is_of(self, parcel: Parcel, operation: str) -> bool:
        return self.books.entries[parcel.ref].operation == operation

    def _is_payment(self, parcel: Parcel) -> bool:
        """Whether it is what a card brought: from Stripe, for the first time."""
        entry = self.books.entries[parcel.ref]
        comes = entry.postings[parcel.index].source == _STRIPE or entry.ref.endswith(":succeeded")
        return comes and entry.kind is Kind.DEPOSIT

    def _party(self, entry: EntryRecord, index: int, document: AnyOperation | None) -> str | None:
        """Who receives it, else whose it was. What a deposit brought into no wallet is its owner's."""
        posting = entry.postings[index]
        for text in (posting.destination, posting.source):
            wallet_id = Account.parse(text).wallet_id
            if wallet_id is not None:
                return self.books.wallets[wallet_id].owner
        return document.owner if isinstance(document, Deposit) else None

    def _stripe_ids(self, entry: EntryRecord) -> tuple[str, ...]:
        """The operation's own for the step, and what was read of Stripe's balance about it."""
        document = self.documents.get(entry.operation)
        # A bank's case is between it and the platform.
        hidden = isinstance(document, Dispute) and not self.everything
        told = [] if hidden else stripe_ids(document, entry)
        movement = self.movements.get(entry.ref)
        if movement is not None:
            told = [*told, *filter(None, (movement.source, movement.id))]
        elif entry.ref.startswith("stripe:"):
            told = [entry.ref.split(":")[1]]
        return tuple(dict.fromkeys(told))


def _kind(entry: EntryRecord, index: int) -> StepKind:
    if entry.postings[index].destination == _FEES:
        return StepKind.PLATFORM_FEE
    if entry.kind is Kind.DEPOSIT and Account.parse(entry.postings[index].destination).wallet_id is None:
        return StepKind.UNEXPLAINED
    return StepKind(entry.kind.value)


def _state(document: AnyOperation | None, at: datetime) -> str | None:
    """An entry, and the state that it brought about, are of one transaction, and of one instant."""
    if document is None:
        return None
    reached = [change.status for change in document.history if change.at <= at]
    return reached[-1] if reached else document.history[0].status
