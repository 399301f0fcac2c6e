"""What an account is for money that is followed, pure: a queue, or a place where a way begins or ends."""

from collections import defaultdict
from collections.abc import Container, Iterator, Sequence
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


class Passages:
    """The ways through one operation, of all whose entries it is made, in the order of their making."""

    def __init__(self, entries: Sequence[EntryRecord]) -> None:
        self.entries = entries
        known = {entry.ref for entry in entries}
        self._amounts: dict[Parcel, int] = {}
        self._queues: dict[tuple[Parcel, Way], Queue | None] = {}
        # The postings into a queue (ON) and out of it (BACK).
        self._touching: defaultdict[tuple[Queue, Way], list[Parcel]] = defaultdict(list)
        for entry in entries:
            for index, posting in enumerate(entry.postings):
                parcel = Parcel(entry.ref, index)
                self._amounts[parcel] = posting.amount
                for way in Way:
                    queue = queue_of(entry, index, way, known)
                    self._queues[parcel, way] = queue
                    if queue is not None:
                        self._touching[queue, way].append(parcel)

    def through(self, parcel: Parcel, span: Span, way: Way) -> Passed:
        """Through the queue that follows `parcel`."""
        queue = self._queues[parcel, way]
        if queue is None:
            return Passed(None)
        if queue.is_of_units_that_return:
            return Passed(queue, self._undone(queue, parcel, span))
        mine, others = self._touching[queue, way], self._touching[queue, way.opposite]
        amounts, other_amounts = ([self._amounts[one] for one in side] for side in (mine, others))
        found = across(amounts, mine.index(parcel), span, other_amounts)
        return Passed(queue, [(others[number], units) for number, units in found])

    def brought_in(self) -> list[tuple[Parcel, Span]]:
        """The units that the operation brings in from elsewhere.

        Where it took some out of a wallet, only those: what Stripe or a loss adds lies on ways that meet
        theirs.
        """
        brought = []
        for parcel in self._own():
            amount = self._amounts[parcel]
            passed = self.through(parcel, Span(0, amount), Way.BACK)
            # What did not come by the operation itself is what is last of it.
            covered = sum(units.size for _, units in passed.parts)
            if covered < amount:
                brought.append((parcel, Span(covered, amount)))
        taken = [one for one in brought if self._leaves_wallet(one[0])]
        return taken or brought

    def _undone(self, queue: Queue, parcel: Parcel, span: Span) -> list[tuple[Parcel, Span]]:
        """Of units that went to Stripe those that came back, or of those that came back those that went."""
        went, came = (set(self._touching[queue, way]) for way in Way)
        both = [one for one in self._amounts if one in went or one in came]
        found = []
        for pair in undone([self._amounts[one] * (1 if one in went else -1) for one in both]):
            gone, back = (both[pair.went], pair.gone), (both[pair.came], pair.back)
            for (mine, units), (other, _) in ((gone, back), (back, gone)):
                common = units.common(span) if mine == parcel else None
                if common is not None:
                    found.append((other, pair.across(common)))
        return found

    def _own(self) -> Iterator[Parcel]:
        """What the treasury books beside an operation is no money of it; nor is a fee of what it books."""
        own = [entry for entry in self.entries if not entry.ref.startswith("stripe:")]
        alone = [entry for entry in self.entries if entry.kind is not PlatformKind.STRIPE_FEE]
        for entry in own or alone or self.entries:
            for index in range(len(entry.postings)):
                yield Parcel(entry.ref, index)

    def _leaves_wallet(self, parcel: Parcel) -> bool:
        entry = next(entry for entry in self.entries if entry.ref == parcel.ref)
        return is_wallet(account_of(entry, parcel.index, Way.BACK))


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
