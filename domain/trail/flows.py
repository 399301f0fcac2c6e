"""What an account is for money that is followed, pure: a queue, or a place where a way begins or ends."""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.ledger import Account, EntryRecord, Part, Platform, PlatformKind
from domain.trail.queue import Span, across, undone


class Way(StrEnum):
    """To where the money went, or to where it came from."""

    ON = "ON"
    BACK = "BACK"

    @property
    def opposite(self) -> "Way":
        return Way.BACK if self is Way.ON else Way.ON


class Place(StrEnum):
    """Where money is now, as far as it was followed."""

    AVAILABLE = "AVAILABLE"
    HELD = "HELD"
    ESCROW = "ESCROW"
    SENT = "SENT"
    PAID_OUT = "PAID_OUT"
    REFUNDED = "REFUNDED"
    DISPUTED = "DISPUTED"
    REVIEW = "REVIEW"
    PLATFORM = "PLATFORM"
    OTHER_PARTY = "OTHER_PARTY"
    EVENED_OUT = "EVENED_OUT"
    NOT_FOLLOWED = "NOT_FOLLOWED"


@dataclass(frozen=True, slots=True)
class Parcel:
    """A posting, by its entry's ref and its place in it."""

    ref: str
    index: int


@dataclass(frozen=True, slots=True)
class Queue:
    """An account as far as one operation uses it: what came into it by the operation leaves by it."""

    operation: str
    name: str

    @property
    def is_of_units_that_return(self) -> bool:
        """Whether it is Stripe: what went there by the operation comes back by it, or stays away."""
        return not self.name.startswith(("wallet:", "escrow:"))


# What these send to Stripe may come back by them; often what comes was booked before it was understood.
_SENDING = frozenset({"withdrawal", "refund", "dispute"})
_STRIPE, _UNEXPLAINED = (str(Account.platform(name)) for name in (Platform.STRIPE, Platform.UNEXPLAINED))


def account_of(entry: EntryRecord, index: int, way: Way) -> Account:
    """Where the posting's money is found next on its `way`."""
    posting = entry.postings[index]
    return Account.parse(posting.destination if way is Way.ON else posting.source)


def is_wallet(account: Account) -> bool:
    """Whether its queue is the wallet's statement."""
    return account.part is Part.AVAILABLE


def queue_of(entry: EntryRecord, index: int, way: Way, known: Container[str]) -> Queue | None:
    """The queue that the posting's next account is; None where the way ends. `known`: the operation's refs.

    What left to Stripe may come back, by the same operation. A card's payment came from outside.
    """
    account = account_of(entry, index, way)
    if account.part is Part.HELD or account.is_escrow:
        return Queue(entry.operation, account.text)
    if account.text not in {_STRIPE, _UNEXPLAINED}:
        return None
    noun, _, step, *more = [*entry.ref.split(":"), ""]
    if noun == "deposit":
        is_payment = account.text == _STRIPE and way is Way.BACK and step != "returned"
        # Of each payment apart: that of the deposit's own intent is not named.
        intent = next((name for name in more if name.startswith("pi_")), "")
        return None if is_payment else Queue(entry.operation, account.text + intent)
    if noun not in _SENDING or (account.text == _UNEXPLAINED and _other(entry, index, way) == _STRIPE):
        return None
    if noun == "withdrawal" and step in {"found_sent", "reversed"}:
        # Of a transfer that nobody expected: apart from the one that the hold was for.
        found = f"withdrawal:{entry.operation}:found_sent:{more[0]}" in known
        return Queue(entry.operation, more[0] if found else "sent")
    return Queue(entry.operation, "sent")


def _other(entry: EntryRecord, index: int, way: Way) -> str:
    return account_of(entry, index, way.opposite).text


@dataclass(frozen=True)
class Passed:
    """Which units of a queue's other side some units are; what is missing has not left it, or never came."""

    queue: Queue | None
    parts: Sequence[tuple[Parcel, Span]] = ()


def through(entries: Sequence[EntryRecord], parcel: Parcel, span: Span, way: Way) -> Passed:
    """Through the queue that follows `parcel`, of which `entries` are the whole operation's."""
    known = {entry.ref: entry for entry in entries}
    entry = known[parcel.ref]
    queue = queue_of(entry, parcel.index, way, known)
    if queue is None:
        return Passed(None)
    if queue.is_of_units_that_return:
        return Passed(queue, _undone(entries, queue, parcel, span, known))
    mine = _touching(entries, queue, way, known)
    others = _touching(entries, queue, way.opposite, known)
    place = [one for one, _ in mine].index(parcel)
    found = across([amount for _, amount in mine], place, span, [amount for _, amount in others])
    return Passed(queue, [(others[number][0], units) for number, units in found])


def _undone(
    entries: Sequence[EntryRecord], queue: Queue, parcel: Parcel, span: Span, known: Container[str]
) -> list[tuple[Parcel, Span]]:
    """Of units that went to Stripe those that came back, or of those that came back those that went."""
    went, came = (dict(_touching(entries, queue, way, known)) for way in Way)
    both = [one for one in _parcels(entries) if one in went or one in came]
    found = []
    for pair in undone([went[one] if one in went else -came[one] for one in both]):
        gone, back = (both[pair.went], pair.gone), (both[pair.came], pair.back)
        for (mine, units), (other, _) in ((gone, back), (back, gone)):
            common = units.common(span) if mine == parcel else None
            if common is not None:
                found.append((other, pair.across(common)))
    return found


def _parcels(entries: Iterable[EntryRecord]) -> Iterator[Parcel]:
    for entry in entries:
        for index in range(len(entry.postings)):
            yield Parcel(entry.ref, index)


def brought_in(entries: Sequence[EntryRecord]) -> list[tuple[Parcel, Span]]:
    """The units that an operation, whose all `entries` are, brings in from elsewhere.

    Where it took some out of a wallet, only those: what Stripe or a loss adds lies on ways that meet theirs.
    """
    brought = []
    # What the treasury books beside an operation is no money of it; nor is a fee of what it books alone.
    own = [entry for entry in entries if not entry.ref.startswith("stripe:")]
    alone = [entry for entry in entries if entry.kind is not PlatformKind.STRIPE_FEE]
    for entry in own or alone or entries:
        for index, posting in enumerate(entry.postings):
            parcel, whole = Parcel(entry.ref, index), Span(0, posting.amount)
            leaves = is_wallet(account_of(entry, index, Way.BACK))
            parts = () if leaves else through(entries, parcel, whole, Way.BACK).parts
            # First come, first gone: what did not come by the operation itself is what is last of it.
            covered = sum(units.size for _, units in parts)
            if covered < posting.amount:
                brought.append((leaves, parcel, Span(covered, posting.amount)))
    taken = any(leaves for leaves, _, _ in brought)
    return [(parcel, span) for leaves, parcel, span in brought if leaves or not taken]


def _touching(
    entries: Sequence[EntryRecord], queue: Queue, way: Way, known: Container[str]
) -> list[tuple[Parcel, int]]:
    """The postings into the queue (ON) or out of it (BACK), and their amounts."""
    return [
        (Parcel(entry.ref, index), posting.amount)
        for entry in entries
        for index, posting in enumerate(entry.postings)
        if queue_of(entry, index, way, known) == queue
    ]


def place_at(account: Account) -> Place:
    """Where money is whose way ends in the account."""
    return Place.REVIEW if account.text == _UNEXPLAINED else Place.PLATFORM


def place_after(queue: Queue) -> Place:
    """Where money is that has not left the queue."""
    if queue.name.endswith(f":{Part.HELD}"):
        return Place.HELD
    if queue.name.startswith("escrow:"):
        return Place.ESCROW
    if queue.name.startswith(_UNEXPLAINED):
        return Place.REVIEW
    return _SENT.get(queue.operation.partition("_")[0], Place.PLATFORM)


_SENT = {"wdr": Place.SENT, "rfd": Place.REFUNDED, "dep": Place.REFUNDED, "dsp": Place.DISPUTED}
