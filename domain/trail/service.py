"""Where is this money? Its way from the card that paid to the bank that received, and what comes next."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from domain import treasury
from domain.disputes import Dispute
from domain.kernel.money import Money
from domain.ledger import Account
from domain.runtime import Runtime
from domain.trail import expected, nouns
from domain.trail.books import Books
from domain.trail.expected import Expectation, Present
from domain.trail.flows import Parcel, Place
from domain.trail.following import Spot, Traced, follow
from domain.trail.nouns import AnyOperation, Subject
from domain.trail.queue import Span
from domain.trail.steps import Step, Told
from domain.withdrawals import Withdrawal, WithdrawalStatus


@dataclass(frozen=True)
class Whereabouts:
    """`amount` of the traced money is at `place`. `party`: whose; None where it is the platform's."""

    place: Place
    amount: Money
    party: str | None = None
    operation: str | None = None


@dataclass(frozen=True)
class Trail:
    """`amount`: what was traced, and `now` adds up to it; `is_complete`: whether no limit cut it short."""

    amount: Money
    steps: Sequence[Step]
    now: Sequence[Whereabouts]
    expected: Sequence[Expectation]
    is_complete: bool


async def trail_of(runtime: Runtime, subjects: Sequence[Subject], *, person: str | None) -> Trail | None:
    """The trail of all of `subjects` together; None where they are neither operations nor in the books.

    `person`: sees only their own wallets, and of escrows their own side; None, an administrator, sees all.
    That the person may see the subjects is for the caller to know.
    """
    books = Books()
    await books.read_operations({subject.operation for subject in subjects})
    seeds = [seed for subject in subjects for seed in _seeds(books, subject)]
    traced = await follow(books, seeds, lambda wallet: person in {None, wallet.owner})
    met = {books.entries[parcel.ref].operation for parcel in traced.units}
    own = {subject.operation for subject in subjects}
    documents = await nouns.find_documents(met | own)
    # A refund belongs to its deposit, and a deposit to its refunds, whosever money it took.
    beside = await nouns.concerned(documents[one] for one in sorted(own & documents.keys()))
    documents |= beside
    beside |= await nouns.about(documents.values())
    documents |= beside
    _take_from_review(traced, documents.values())
    currency = next(iter(traced.amounts), None) or _currency(documents)
    if currency is None:
        return None
    await books.read_operations(documents.keys() if person is None else beside.keys())
    shares = dict.fromkeys(_beside(books, documents, beside.keys(), everything=person is None), 0)
    # Money that comes back in pieces may go the same way twice; there is no more of it for that.
    for parcel, units in traced.units.items():
        shares[parcel] = min(units.count, traced.amounts[books.entries[parcel.ref].currency])
    movements, accounts, _ = await asyncio.gather(
        treasury.movements_of([parcel.ref for parcel in shares] if person is None else []),
        expected.accounts_for(documents),
        books.read_wallets(_wallet_ids(books, shares) | expected.wallets_for(documents)),
    )
    present = Present(runtime.now(), person is None, books.wallets, accounts)
    told = Told(books, documents, movements, everything=person is None)
    awaited = [*expected.of_operations(documents, present)]
    awaited += [one for wallet in sorted(traced.entered) for one in expected.of_wallet(books.wallets[wallet])]
    steps = told.steps(shares)
    if person is None:
        awaited += [one for step in steps for one in expected.of_charge(step, movements)]
    return Trail(
        amount=Money(traced.amounts[currency], currency),
        steps=steps,
        now=[_whereabouts(books, documents, spot, size) for spot, size in traced.spots.items() if size],
        expected=awaited,
        is_complete=traced.is_complete,
    )


def _seeds(books: Books, subject: Subject) -> list[tuple[Parcel, Span]]:
    if subject.entry is not None:
        postings = enumerate(books.entries[subject.entry].postings)
        return [(Parcel(subject.entry, index), Span(0, posting.amount)) for index, posting in postings]
    passages = books.passages(subject.operation)
    return [] if passages is None else passages.brought_in()


def _take_from_review(traced: Traced, documents: Iterable[AnyOperation]) -> None:
    """What a bank took of a payment that is in no wallet yet is booked under its dispute, not the deposit."""
    for document in documents:
        if isinstance(document, Dispute) and not document.in_wallet:
            review = Spot(Place.REVIEW, document.currency, document.deposit)
            taken = min(traced.spots[review], document.outstanding)
            traced.spots[review] -= taken
            traced.spots[Spot(Place.DISPUTED, document.currency, document.id)] += taken


def _currency(documents: Mapping[str, AnyOperation]) -> str | None:
    """Of operations that have moved no money yet."""
    return next((document.currency for document in documents.values()), None)


def _beside(
    books: Books, documents: Mapping[str, AnyOperation], beside: Set[str], *, everything: bool
) -> list[Parcel]:
    """What no unit need have gone through, and yet belongs here; `everything`: with fees, too."""
    entries = [
        entry
        for operation in documents
        for entry in books.of(operation)
        if (everything if entry.ref.startswith("stripe:") else operation in beside)
    ]
    return [Parcel(entry.ref, index) for entry in entries for index in range(len(entry.postings))]


def _wallet_ids(books: Books, shares: Mapping[Parcel, int]) -> set[str]:
    """The wallets whose owners the steps name."""
    postings = (books.entries[parcel.ref].postings[parcel.index] for parcel in shares)
    accounts = (Account.parse(text) for posting in postings for text in (posting.source, posting.destination))
    return {account.wallet_id for account in accounts if account.wallet_id is not None}


def _whereabouts(books: Books, documents: Mapping[str, AnyOperation], spot: Spot, size: int) -> Whereabouts:
    place, of = spot.place, spot.of or ""
    document, wallet = documents.get(of), books.wallets.get(of)
    if place is Place.SENT and isinstance(document, Withdrawal) and document.status is WithdrawalStatus.PAID:
        place = Place.PAID_OUT
    owner = document.owner if document is not None else wallet.owner if wallet is not None else None
    return Whereabouts(place, Money(size, spot.currency), owner, None if document is None else document.id)
