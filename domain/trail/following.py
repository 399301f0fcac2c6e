"""Following money through the books, both ways, a wave at a time: what one wave needs is read together."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from domain.ledger import Account, EntryRecord, Wallet
from domain.trail.books import PARCELS_MAX, Books
from domain.trail.flows import Parcel, Place, Way, account_of, is_wallet, place_after, place_at
from domain.trail.queue import Search, Span, Units

Enter = Callable[[Wallet], bool]
"""Whether what happens in a wallet may be looked at."""


@dataclass(frozen=True, slots=True)
class Following:
    """Units `span` of a parcel, on their `way`, which began at the parcel `began`."""

    way: Way
    parcel: Parcel
    span: Span
    began: Parcel

    def next(self, parcel: Parcel, span: Span) -> "Following":
        return Following(self.way, parcel, span, self.began)


@dataclass(frozen=True, slots=True)
class Spot:
    """A place, the currency there, and whose or what it is: a wallet, an operation, an account."""

    place: Place
    currency: str
    of: str | None = None


@dataclass
class Traced:
    """`amounts`: how much is traced, by currency. `units`: what of each parcel that is.

    `spots`: where all of it is now, in minor units. `is_complete`: whether no limit ended the way.
    """

    amounts: Counter[str] = field(default_factory=Counter)
    units: dict[Parcel, Units] = field(default_factory=lambda: defaultdict(Units))
    spots: Counter[Spot] = field(default_factory=Counter)
    entered: set[str] = field(default_factory=set)
    is_complete: bool = True

    def give_up(self, way: Way, size: int, currency: str) -> None:
        """So many units are not followed any further."""
        self.is_complete = False
        if way is Way.ON:
            self.spots[Spot(Place.NOT_FOLLOWED, currency)] += size


@dataclass(frozen=True)
class _Step:
    """What is followed now: its entry, and the account in which its next parcels are looked for."""

    following: Following
    entry: EntryRecord
    account: Account

    @property
    def amounts(self) -> Iterator[int]:
        """Of the entry's postings that touch the account as this one does, up to and with this one."""
        way, index = self.following.way, self.following.parcel.index
        for number in range(index + 1):
            if account_of(self.entry, number, way) == self.account:
                yield self.entry.postings[number].amount

    @property
    def span_in_line(self) -> Span:
        """Its units as those of the statement line, which shows the whole entry."""
        *earlier, _ = self.amounts
        return self.following.span.shifted(sum(earlier))


@dataclass(frozen=True)
class _Walk:
    """A search along a wallet's statement."""

    wallet: Wallet
    search: Search
    following: Following

    @property
    def way(self) -> Way:
        return self.following.way


async def follow(books: Books, seeds: Sequence[tuple[Parcel, Span]], may_enter: Enter) -> Traced:
    """Where the money of `seeds` came from and went to; each unit of a parcel is followed once a way."""
    traced = Traced()
    seen: defaultdict[tuple[Way, Parcel], Units] = defaultdict(Units)
    begun = {parcel for parcel, _ in seeds}
    for parcel, span in seeds:
        traced.amounts[books.entries[parcel.ref].currency] += span.size
    going = [Following(way, parcel, span, parcel) for parcel, span in seeds for way in Way]
    while going:
        fresh = []
        for one in going:
            currency = books.entries[one.parcel.ref].currency
            if one.parcel not in traced.units and len(traced.units) >= PARCELS_MAX:
                traced.give_up(one.way, one.span.size, currency)
                continue
            new = seen[one.way, one.parcel].add(one.span)
            if one.way is Way.ON:
                size = one.span.size - sum(span.size for span in new)
                if one.parcel in begun - {one.began}:
                    # The same money, taken once more: that is followed from here on already.
                    traced.amounts[currency] -= size
                else:
                    # Round to where it was taken from, as a debt is by what pays it.
                    traced.spots[Spot(Place.EVENED_OUT, currency)] += size
            for span in new:
                traced.units[one.parcel].add(span)
                fresh.append(one.next(one.parcel, span))
        going = await _wave(books, traced, fresh, may_enter)
    return traced


async def _wave(books: Books, traced: Traced, wave: Sequence[Following], may_enter: Enter) -> list[Following]:
    """What comes next of all of them; what has no next is noted as where it is."""
    steps = [_step(books, following) for following in wave]
    await books.read_operations({step.entry.operation for step in steps if not is_wallet(step.account)})
    in_wallets = [step for step in steps if is_wallet(step.account)]
    await books.read_wallets({step.account.wallet_id or "" for step in in_wallets})
    onwards: list[Following] = []
    for step in steps:
        if not is_wallet(step.account):
            onwards += _in_operation(books, traced, step)
    return onwards + await _in_wallets(books, traced, in_wallets, may_enter)


def _step(books: Books, following: Following) -> _Step:
    entry = books.entries[following.parcel.ref]
    return _Step(following, entry, account_of(entry, following.parcel.index, following.way))


def _in_operation(books: Books, traced: Traced, step: _Step) -> list[Following]:
    """Within the queue that the operation makes of the account; or there is no next."""
    way, parcel, span = step.following.way, step.following.parcel, step.following.span
    passages = books.passages(step.entry.operation)
    if passages is None:
        traced.give_up(way, span.size, step.entry.currency)
        return []
    passed = passages.through(parcel, span, way)
    rest = span.size - sum(units.size for _, units in passed.parts)
    if rest and way is Way.ON:
        of = step.account.text if passed.queue is None else passed.queue.operation
        place = place_at(step.account) if passed.queue is None else place_after(passed.queue)
        traced.spots[Spot(place, step.entry.currency, of)] += rest
    return [step.following.next(*part) for part in passed.parts]


async def _in_wallets(
    books: Books, traced: Traced, steps: Sequence[_Step], may_enter: Enter
) -> list[Following]:
    """Along the statements of those wallets that may be entered."""
    entering: list[tuple[_Step, Wallet]] = []
    for step in steps:
        wallet = books.wallets[step.account.wallet_id or ""]
        if may_enter(wallet):
            traced.entered.add(wallet.id)
            entering.append((step, wallet))
        elif step.following.way is Way.ON:
            traced.spots[Spot(Place.OTHER_PARTY, wallet.currency, wallet.id)] += step.following.span.size
    wanted = [(wallet.id, step.entry.ref, step.entry.created_at) for step, wallet in entering]
    lines = await books.find_lines(wanted)
    walks = []
    for step, wallet in entering:
        line = lines.get((wallet.id, step.entry.ref))
        if line is None:
            traced.give_up(step.following.way, step.following.span.size, wallet.currency)
        else:
            walks.append(_Walk(wallet, Search(line, step.span_in_line), step.following))
    await books.search([(walk.wallet.id, walk.search) for walk in walks])
    for walk in walks:
        _note_missing(traced, walk)
    # The next wave cannot take more of them.
    refs = [line.ref for walk in walks for line, _ in walk.search.found]
    await books.read_entries(refs[: PARCELS_MAX + 1])
    return [following for walk in walks for following in _postings_of(books, traced, walk)]


def _note_missing(traced: Traced, walk: _Walk) -> None:
    """What is still in the wallet; or, of what left, what is still owed."""
    missing = walk.search.missing
    if not walk.search.is_over:
        traced.give_up(walk.way, missing, walk.wallet.currency)
    elif missing and walk.way is Way.ON:
        traced.spots[Spot(Place.AVAILABLE, walk.wallet.currency, walk.wallet.id)] += missing


def _postings_of(books: Books, traced: Traced, walk: _Walk) -> Iterator[Following]:
    """The units of the lines that were found as those of their entries' postings."""
    account = Account.available(walk.wallet.id)
    for line, units in walk.search.found:
        entry = books.entries.get(line.ref)
        if entry is None:
            traced.give_up(walk.way, units.size, walk.wallet.currency)
            continue
        start = 0
        for index, posting in enumerate(entry.postings):
            # What left the wallet is found where it went from, and the other way round.
            if account_of(entry, index, walk.way.opposite) == account:
                common = units.common(Span(start, start + posting.amount))
                if common is not None:
                    yield walk.following.next(Parcel(entry.ref, index), common.shifted(-start))
                start += posting.amount
