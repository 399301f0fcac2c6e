"""The books, pure: entries that balance by construction, and what an entry does to one wallet.

Money is decided here, without a database, so that it can be tested a million times.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import orjson

from domain.kernel.clock import iso
from domain.kernel.errors import InsufficientFunds, WalletFrozen
from domain.kernel.money import MINOR_UNITS_MAX, Money
from domain.ledger.accounts import Account, Part

# The `head` of a wallet that has no line yet.
GENESIS: Final = "0" * 64


class Kind(StrEnum):
    """What an entry that touches wallets is about, as their statement lines show it."""

    DEPOSIT = "DEPOSIT"
    WITHDRAWAL_REQUESTED = "WITHDRAWAL_REQUESTED"
    WITHDRAWAL_SENT = "WITHDRAWAL_SENT"
    WITHDRAWAL_RETURNED = "WITHDRAWAL_RETURNED"
    WITHDRAWAL_REVERSED = "WITHDRAWAL_REVERSED"
    ESCROW_FUNDED = "ESCROW_FUNDED"
    ESCROW_RELEASED = "ESCROW_RELEASED"
    ESCROW_REFUNDED = "ESCROW_REFUNDED"
    REFUND_REQUESTED = "REFUND_REQUESTED"
    REFUND_SENT = "REFUND_SENT"
    REFUND_RETURNED = "REFUND_RETURNED"
    DISPUTE_WITHDRAWN = "DISPUTE_WITHDRAWN"
    DISPUTE_REINSTATED = "DISPUTE_REINSTATED"
    DISPUTE_WRITTEN_OFF = "DISPUTE_WRITTEN_OFF"
    ADJUSTMENT = "ADJUSTMENT"


class PlatformKind(StrEnum):
    """What an entry between the platform's own accounts is about. No statement shows it."""

    STRIPE_FEE = "STRIPE_FEE"
    BANK = "BANK"
    UNEXPLAINED = "UNEXPLAINED"


AnyKind = Kind | PlatformKind


class FreezeCause(StrEnum):
    ADMIN = "ADMIN"
    DISPUTE = "DISPUTE"
    DEBT = "DEBT"


@dataclass(frozen=True, slots=True)
class Freeze:
    """Why nothing may leave a wallet on its owner's word. Each cause removes only its own."""

    cause: FreezeCause
    operation: str | None
    by: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class WalletState:
    """A wallet after its line `seq`, whose hash is `head`. Amounts are minor units of `currency`."""

    id: str
    currency: str
    available: int = 0
    held: int = 0
    seq: int = 0
    head: str = GENESIS
    last_at: datetime | None = None
    freezes: tuple[Freeze, ...] = ()


@dataclass(frozen=True, slots=True)
class Posting:
    """`amount` (> 0, minor units) moves from `source` to `destination`."""

    source: Account
    destination: Account
    amount: int

    def __post_init__(self) -> None:
        if type(self.amount) is not int or not 0 < self.amount <= MINOR_UNITS_MAX:
            raise ValueError(f"a posting moves 1 to 2^53 - 1 minor units, not {self.amount!r}")
        if self.source == self.destination:
            raise ValueError(f"a posting needs two accounts, not {self.source} twice")


@dataclass(frozen=True, slots=True)
class Entry:
    """One immutable journal document. `ref` names the step that it records; nothing is posted twice."""

    id: str
    ref: str
    kind: AnyKind
    currency: str
    postings: tuple[Posting, ...]
    operation: str
    actor: str
    created_at: datetime
    hash: str = ""

    def fields(self) -> dict[str, Any]:
        """All fields but the hash, as they are stored."""
        return {
            "_id": self.id,
            "ref": self.ref,
            "kind": self.kind.value,
            "currency": self.currency,
            "postings": [
                {"source": str(p.source), "destination": str(p.destination), "amount": p.amount}
                for p in self.postings
            ],
            "operation": self.operation,
            "actor": self.actor,
            "created_at": self.created_at,
        }

    def sealed(self) -> "Entry":
        return replace(self, hash=digest(self.fields()))

    def wallet_ids(self) -> list[str]:
        """The wallets that it touches, sorted, so that every transaction takes them in the same order."""
        accounts = [account for p in self.postings for account in (p.source, p.destination)]
        return sorted({account.wallet_id for account in accounts if account.wallet_id is not None})


@dataclass(frozen=True, slots=True)
class Line:
    """One wallet's view of one entry: line `seq` of its statement."""

    wallet_id: str
    seq: int
    ref: str
    kind: Kind
    operation: str
    created_at: datetime
    available_delta: int
    held_delta: int
    available_after: int
    held_after: int
    entry_hash: str
    hash: str = ""

    def fields(self) -> dict[str, Any]:
        """All fields but the hash, as they are stored. The order within `_id` is part of the key."""
        return {
            "_id": {"w": self.wallet_id, "s": self.seq},
            "ref": self.ref,
            "kind": self.kind.value,
            "operation": self.operation,
            "created_at": self.created_at,
            "available_delta": self.available_delta,
            "held_delta": self.held_delta,
            "available_after": self.available_after,
            "held_after": self.held_after,
            "entry_hash": self.entry_hash,
        }

    def sealed(self, head: str) -> "Line":
        """With its hash over itself and the hash of the line before."""
        return replace(self, hash=digest({**self.fields(), "previous": head}))


class LedgerBug(Exception):
    """The books were asked for something that no caller may ask for. Nothing is written."""


def digest(fields: Mapping[str, Any]) -> str:
    """SHA-256 over `fields` as JSON with sorted keys and times in milliseconds."""
    text = orjson.dumps(
        fields, option=orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATETIME, default=_hashable
    )
    return hashlib.sha256(text).hexdigest()


def kind_of(text: str) -> AnyKind:
    """Raises ValueError for what is no kind."""
    return PlatformKind(text) if text in PlatformKind.__members__ else Kind(text)


def apply(wallet: WalletState, entry: Entry) -> tuple[WalletState, Line]:
    """What `entry` makes of `wallet`, and the line that says so.

    Raises WalletFrozen or InsufficientFunds where a person asks for what may not be, LedgerBug where the
    product does. An entry that records what Stripe already did always posts.
    """
    if wallet.currency != entry.currency:
        raise LedgerBug(f"{entry.ref} is in {entry.currency}, {wallet.id} in {wallet.currency}")
    if not isinstance(entry.kind, Kind):
        raise LedgerBug(f"{entry.ref} is the platform's own, and touches {wallet.id}")
    available_delta, held_delta = deltas(wallet.id, entry.postings)
    if max(abs(available_delta), abs(held_delta)) > MINOR_UNITS_MAX:
        raise LedgerBug(f"{entry.ref} moves more than can be counted")
    _guard(wallet, entry, available_delta)
    available, held = wallet.available + available_delta, wallet.held + held_delta
    if held < 0 or max(abs(available), held) > MINOR_UNITS_MAX:
        raise LedgerBug(f"{entry.ref} would leave {wallet.id} with {available} available and {held} held")
    line = Line(
        wallet_id=wallet.id,
        seq=wallet.seq + 1,
        ref=entry.ref,
        kind=entry.kind,
        operation=entry.operation,
        # Clocks of several processes differ; a statement never runs backwards.
        created_at=max(entry.created_at, wallet.last_at or entry.created_at),
        available_delta=available_delta,
        held_delta=held_delta,
        available_after=available,
        held_after=held,
        entry_hash=entry.hash,
    ).sealed(wallet.head)
    after = replace(
        wallet,
        available=available,
        held=held,
        seq=line.seq,
        head=line.hash,
        last_at=line.created_at,
        freezes=_freezes(wallet.freezes, available, line),
    )
    return after, line


def deltas(wallet_id: str, postings: Sequence[Posting]) -> tuple[int, int]:
    """What `postings` do to the wallet's available and held, signed minor units."""
    change = {Part.AVAILABLE: 0, Part.HELD: 0}
    for posting in postings:
        for account, sign in ((posting.source, -1), (posting.destination, 1)):
            if account.wallet_id == wallet_id and account.part is not None:
                change[account.part] += sign * posting.amount
    return change[Part.AVAILABLE], change[Part.HELD]


def _guard(wallet: WalletState, entry: Entry, available_delta: int) -> None:
    """Funds and freezes stop only what a person asks for; an adjustment may never go below zero."""
    leaving = [p for p in entry.postings if p.source == Account.available(wallet.id)]
    asked = any(p.destination.part is Part.HELD or p.destination.is_escrow for p in leaving)
    if asked and wallet.freezes:
        raise WalletFrozen("Nothing may leave this wallet for now: " + wallet.freezes[0].reason)
    guarded = asked or (leaving and entry.kind is Kind.ADJUSTMENT)
    if guarded and wallet.available + available_delta < 0:
        raise InsufficientFunds(
            available=Money(wallet.available, wallet.currency),
            required=Money(-available_delta, wallet.currency),
        )


def _freezes(freezes: tuple[Freeze, ...], available: int, line: Line) -> tuple[Freeze, ...]:
    """A wallet below zero carries a named debt; one that is out of it, none."""
    if available >= 0:
        return tuple(freeze for freeze in freezes if freeze.cause is not FreezeCause.DEBT)
    if any(freeze.cause is FreezeCause.DEBT for freeze in freezes):
        return freezes
    debt = Freeze(
        cause=FreezeCause.DEBT,
        operation=line.operation,
        by=line.operation,
        at=line.created_at,
        reason="it owes money.",
    )
    return (*freezes, debt)


def _hashable(value: object) -> str:
    if isinstance(value, datetime):
        return iso(value)
    raise TypeError(f"not to be hashed: {value!r}")
