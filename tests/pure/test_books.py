"""The books, pure: what each kind of entry does to a wallet, and what it may never do."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum, auto
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from domain.kernel.clock import iso
from domain.kernel.errors import InsufficientFunds, WalletFrozen
from domain.kernel.money import MINOR_UNITS_MAX, Money
from domain.ledger import (
    Account,
    Entry,
    FreezeCause,
    Kind,
    LedgerBug,
    Part,
    Platform,
    PlatformKind,
    Posting,
    WalletState,
    apply,
)
from domain.ledger.books import GENESIS, Freeze, Line, deltas, digest

NOW = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
WALLET_ID = "wal_01ARZ3NDEKTSV4RRFFQ69G5FAV"
OTHER_ID = "wal_01ARZ3NDEKTSV4RRFFQ69G5FAW"
ESCROW = Account.escrow("esc_01ARZ3NDEKTSV4RRFFQ69G5FAX")
STRIPE, FEES, STRIPE_FEES, LOSSES, BANK, ADJUSTMENTS, UNEXPLAINED = map(Account.platform, Platform)


class Power(Enum):
    """On whose word an entry is written, and so what may stop it."""

    ASKED = auto()  # a person's: lacking funds and any freeze
    FACT = auto()  # Stripe's, or what follows from an earlier step: nothing
    ADJUSTED = auto()  # an admin's: lacking funds


class Purse:
    """The two accounts of one wallet."""

    def __init__(self, wallet_id: str) -> None:
        self.available, self.held = Account.available(wallet_id), Account.held(wallet_id)


Moves = Callable[[Purse, int], Sequence[tuple[Account, Account, int]]]


@dataclass(frozen=True, repr=False)
class Event:
    """A row of the ledger's table "What moves". `moves` answers (source, destination, amount) each."""

    name: str
    kind: Kind
    power: Power
    moves: Moves

    def __repr__(self) -> str:
        return self.name

    def takes_from(self, part: Part) -> bool:
        return any(source.part is part for source, _, _ in self.moves(Purse(WALLET_ID), 1))


WALLET_EVENTS = [
    Event("deposit succeeded", Kind.DEPOSIT, Power.FACT, lambda w, n: [(STRIPE, w.available, n)]),
    Event("deposit credited", Kind.DEPOSIT, Power.FACT, lambda w, n: [(UNEXPLAINED, w.available, n)]),
    Event(
        "withdrawal requested",
        Kind.WITHDRAWAL_REQUESTED,
        Power.ASKED,
        lambda w, n: [(w.available, w.held, n)],
    ),
    Event("withdrawal sent", Kind.WITHDRAWAL_SENT, Power.FACT, lambda w, n: [(w.held, STRIPE, n)]),
    Event(
        "withdrawal returned", Kind.WITHDRAWAL_RETURNED, Power.FACT, lambda w, n: [(w.held, w.available, n)]
    ),
    Event("transfer reversed", Kind.WITHDRAWAL_REVERSED, Power.FACT, lambda w, n: [(STRIPE, w.available, n)]),
    Event("withdrawal found sent", Kind.WITHDRAWAL_SENT, Power.FACT, lambda w, n: [(w.available, STRIPE, n)]),
    Event("escrow funded", Kind.ESCROW_FUNDED, Power.ASKED, lambda w, n: [(w.available, ESCROW, n)]),
    Event(
        "escrow released",
        Kind.ESCROW_RELEASED,
        Power.FACT,
        lambda w, n: [(ESCROW, w.available, n), (ESCROW, FEES, 1 + n // 10)],
    ),
    Event("escrow refunded", Kind.ESCROW_REFUNDED, Power.FACT, lambda w, n: [(ESCROW, w.available, n)]),
    Event("refund requested", Kind.REFUND_REQUESTED, Power.ASKED, lambda w, n: [(w.available, w.held, n)]),
    Event("refund sent", Kind.REFUND_SENT, Power.FACT, lambda w, n: [(w.held, STRIPE, n)]),
    Event(
        "refund failed before it was sent",
        Kind.REFUND_RETURNED,
        Power.FACT,
        lambda w, n: [(w.held, w.available, n)],
    ),
    Event("refund failed later", Kind.REFUND_RETURNED, Power.FACT, lambda w, n: [(STRIPE, w.available, n)]),
    Event("refund adopted", Kind.REFUND_SENT, Power.FACT, lambda w, n: [(w.available, STRIPE, n)]),
    Event(
        "dispute: funds withdrawn",
        Kind.DISPUTE_WITHDRAWN,
        Power.FACT,
        lambda w, n: [(w.available, STRIPE, n)],
    ),
    Event(
        "dispute: funds reinstated, some of them written off before",
        Kind.DISPUTE_REINSTATED,
        Power.FACT,
        lambda w, n: [(STRIPE, LOSSES, 1 + n // 3), (STRIPE, w.available, n)],
    ),
    Event("debt written off", Kind.DISPUTE_WRITTEN_OFF, Power.FACT, lambda w, n: [(LOSSES, w.available, n)]),
    Event("adjustment up", Kind.ADJUSTMENT, Power.FACT, lambda w, n: [(ADJUSTMENTS, w.available, n)]),
    Event("adjustment down", Kind.ADJUSTMENT, Power.ADJUSTED, lambda w, n: [(w.available, ADJUSTMENTS, n)]),
]
ASKED, FACTS, ADJUSTED = ([e for e in WALLET_EVENTS if e.power is power] for power in Power)
TAKEN, HELD_MOVES = (
    [event for event in FACTS if event.takes_from(part)] for part in (Part.AVAILABLE, Part.HELD)
)
PLATFORM_MOVES = [
    (STRIPE, UNEXPLAINED),  # deposit paid, but wrong
    (UNEXPLAINED, STRIPE),  # and sent back
    (STRIPE_FEES, STRIPE),
    (BANK, STRIPE),
    (STRIPE, BANK),
]


def entry(
    *moves: tuple[Account, Account, int],
    kind: Kind | PlatformKind = Kind.DEPOSIT,
    at: datetime = NOW,
    number: int = 1,
    currency: str = "USD",
) -> Entry:
    return Entry(
        id=f"ent_{number}",
        ref=f"operation:{number}:step",
        kind=kind,
        currency=currency,
        postings=tuple(Posting(*move) for move in moves),
        operation=f"op_{number}",
        actor="worker",
        created_at=at,
    ).sealed()


def entry_for(event: Event, wallet_id: str, amount: int, *, at: datetime = NOW, number: int = 1) -> Entry:
    return entry(*event.moves(Purse(wallet_id), amount), kind=event.kind, at=at, number=number)


def wallet(**state: Any) -> WalletState:
    return WalletState(id=WALLET_ID, currency="USD", **state)


def freeze(cause: FreezeCause) -> Freeze:
    return Freeze(cause=cause, operation=None, by="usr_admin", at=NOW, reason=f"{cause} says so.")


def causes(state: WalletState) -> list[FreezeCause]:
    return [one.cause for one in state.freezes]


# Any life of two wallets: entries of every kind, freezes that come and go, clocks that disagree.


@dataclass(frozen=True)
class Step:
    """An event, or a freeze that is put on or taken off. `drift_ms`: the writing process's clock."""

    does: Event | FreezeCause
    wallet: int
    amount: int
    drift_ms: int


steps = st.builds(
    Step,
    does=st.sampled_from([*WALLET_EVENTS, FreezeCause.ADMIN, FreezeCause.DISPUTE]),
    wallet=st.integers(0, 1),
    amount=st.integers(1, 2_000),
    drift_ms=st.integers(-5_000, 5_000),
)


class Life:
    """Two wallets and everything that was written about them, beside a reckoning of the test's own."""

    def __init__(self) -> None:
        self.wallets = [WalletState(id=WALLET_ID, currency="USD"), WalletState(id=OTHER_ID, currency="USD")]
        self.lines: list[list[Line]] = [[], []]
        self.accounts: Counter[str] = Counter()
        self.entries = 0

    def live(self, step: Step) -> None:
        if isinstance(step.does, FreezeCause):
            self._toggle(step.wallet, step.does)
            return
        before = self.wallets[step.wallet]
        at = NOW + timedelta(milliseconds=100 * self.entries + step.drift_ms)
        written = entry_for(step.does, before.id, step.amount, at=at, number=self.entries)
        self.entries += 1
        refusal = self._refusal(step.does, before, written)
        if refusal is not None:
            with pytest.raises(refusal):
                apply(before, written)
            return
        after, line = apply(before, written)
        self._check_line(before, written, after, line)
        self._check_freezes(before, after)
        self.wallets[step.wallet] = after
        self.lines[step.wallet].append(line)
        for posting in written.postings:
            self.accounts[str(posting.source)] -= posting.amount
            self.accounts[str(posting.destination)] += posting.amount

    def _toggle(self, index: int, cause: FreezeCause) -> None:
        before = self.wallets[index]
        others = tuple(one for one in before.freezes if one.cause is not cause)
        frozen = len(others) < len(before.freezes)
        self.wallets[index] = replace(before, freezes=others if frozen else (*others, freeze(cause)))

    @staticmethod
    def _refusal(event: Event, before: WalletState, written: Entry) -> type[Exception] | None:
        available, held = moved(before.id, written)
        if event.power is Power.ASKED and before.freezes:
            return WalletFrozen
        if event.power is not Power.FACT and before.available + available < 0:
            return InsufficientFunds
        return LedgerBug if before.held + held < 0 else None

    @staticmethod
    def _check_line(before: WalletState, written: Entry, after: WalletState, line: Line) -> None:
        assert (line.available_delta, line.held_delta) == moved(before.id, written)
        assert line.available_after == after.available == before.available + line.available_delta
        assert line.held_after == after.held == before.held + line.held_delta
        assert after.held >= 0
        assert line.seq == after.seq == before.seq + 1
        assert line.hash == after.head == digest({**line.fields(), "previous": before.head})
        assert line.created_at == after.last_at
        assert line.created_at == max([written.created_at, *filter(None, [before.last_at])])
        assert (line.ref, line.kind, line.operation) == (written.ref, written.kind, written.operation)
        assert line.entry_hash == written.hash
        assert (after.id, after.currency) == (before.id, before.currency)

    @staticmethod
    def _check_freezes(before: WalletState, after: WalletState) -> None:
        def others(state: WalletState) -> list[Freeze]:
            return [one for one in state.freezes if one.cause is not FreezeCause.DEBT]

        assert others(after) == others(before)
        assert causes(after).count(FreezeCause.DEBT) == (after.available < 0)

    def check_whole(self) -> None:
        """What `ledger verify` proves of stored books."""
        for state, lines in zip(self.wallets, self.lines, strict=True):
            assert state.available == sum(line.available_delta for line in lines)
            assert state.held == sum(line.held_delta for line in lines)
            assert [line.seq for line in lines] == list(range(1, state.seq + 1))
            assert self.accounts[str(Account.available(state.id))] == state.available
            assert self.accounts[str(Account.held(state.id))] == state.held
        assert sum(self.accounts.values()) == 0


# Long lives, and yet short ones once a fault is being narrowed down.
lives = st.integers(0, 200).flatmap(lambda length: st.lists(steps, min_size=length, max_size=length))


@settings(
    max_examples=130,
    deadline=None,
    # One fault at a time, and no explanation of it, which take minutes here.
    report_multiple_bugs=False,
    phases=[Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(lives)
def test_whatever_happens_the_books_add_up_and_only_what_a_person_asks_for_is_refused(
    life: list[Step],
) -> None:
    lived = Life()
    for step in life:
        lived.live(step)
    lived.check_whole()


# What may stop an entry.


@pytest.mark.parametrize("event", [*ASKED, *ADJUSTED], ids=str)
def test_nobody_spends_more_than_there_is(event: Event) -> None:
    spent, _ = apply(wallet(available=500), entry_for(event, WALLET_ID, 500))
    assert spent.available == 0
    with pytest.raises(InsufficientFunds) as refused:
        apply(wallet(available=500), entry_for(event, WALLET_ID, 501))
    assert (refused.value.available, refused.value.required) == (Money(500, "USD"), Money(501, "USD"))


@pytest.mark.parametrize("cause", FreezeCause)
@pytest.mark.parametrize("event", ASKED, ids=str)
def test_any_freeze_stops_what_a_person_asks_for(event: Event, cause: FreezeCause) -> None:
    with pytest.raises(WalletFrozen, match=f"{cause} says so"):
        apply(wallet(available=500, freezes=(freeze(cause),)), entry_for(event, WALLET_ID, 1))


@pytest.mark.parametrize("cause", [FreezeCause.ADMIN, FreezeCause.DISPUTE])
@pytest.mark.parametrize("event", [*FACTS, *ADJUSTED], ids=str)
def test_a_freeze_stops_no_fact_and_no_adjustment_and_outlives_both(event: Event, cause: FreezeCause) -> None:
    frozen = wallet(available=500, held=500, freezes=(freeze(cause),))
    after, _ = apply(frozen, entry_for(event, WALLET_ID, 10))
    assert after.freezes == frozen.freezes


@pytest.mark.parametrize("event", TAKEN, ids=str)
def test_what_stripe_took_is_posted_below_zero_as_a_named_debt(event: Event) -> None:
    after, line = apply(wallet(available=500), entry_for(event, WALLET_ID, 700, number=7))
    assert after.available == line.available_after == -200
    (debt,) = after.freezes
    assert (debt.cause, debt.operation, debt.at) == (FreezeCause.DEBT, "op_7", NOW)


def test_a_debt_is_paid_first_and_goes_with_its_last_unit_alone() -> None:
    indebted, _ = apply(
        wallet(freezes=(freeze(FreezeCause.DISPUTE),)),
        entry((Account.available(WALLET_ID), STRIPE, 300), kind=Kind.DISPUTE_WITHDRAWN),
    )
    assert causes(indebted) == [FreezeCause.DISPUTE, FreezeCause.DEBT]
    deposit = (STRIPE, Account.available(WALLET_ID))
    deeper, _ = apply(indebted, entry((Account.available(WALLET_ID), STRIPE, 100), kind=Kind.REFUND_SENT))
    assert deeper.freezes == indebted.freezes
    nearly, _ = apply(deeper, entry((*deposit, 399)))
    assert (nearly.available, causes(nearly)) == (-1, [FreezeCause.DISPUTE, FreezeCause.DEBT])
    paid, _ = apply(nearly, entry((*deposit, 1)))
    assert (paid.available, causes(paid)) == (0, [FreezeCause.DISPUTE])


@pytest.mark.parametrize("event", HELD_MOVES, ids=str)
def test_nothing_leaves_a_hold_that_is_not_held(event: Event) -> None:
    emptied, _ = apply(wallet(held=500), entry_for(event, WALLET_ID, 500))
    assert emptied.held == 0
    with pytest.raises(LedgerBug):
        apply(wallet(held=500, available=9_999), entry_for(event, WALLET_ID, 501))


@pytest.mark.parametrize(
    ("state", "move"),
    [
        ({"available": MINOR_UNITS_MAX}, (STRIPE, Account.available(WALLET_ID), 1)),
        ({"available": -MINOR_UNITS_MAX}, (Account.available(WALLET_ID), STRIPE, 1)),
        (
            {"held": MINOR_UNITS_MAX, "available": 1},
            (Account.available(WALLET_ID), Account.held(WALLET_ID), 1),
        ),
    ],
)
def test_no_balance_grows_beyond_what_a_json_number_holds(
    state: dict[str, int], move: tuple[Account, Account, int]
) -> None:
    with pytest.raises(LedgerBug):
        apply(wallet(**state), entry(move))


def test_no_entry_moves_more_than_can_be_counted() -> None:
    move = (Account.available(WALLET_ID), ESCROW, MINOR_UNITS_MAX)
    with pytest.raises(LedgerBug):
        apply(wallet(), entry(move, move, kind=Kind.ESCROW_FUNDED))


@pytest.mark.parametrize("kind", PlatformKind)
def test_no_entry_of_the_platforms_own_touches_a_wallet(kind: PlatformKind) -> None:
    with pytest.raises(LedgerBug):
        apply(wallet(), entry((STRIPE, Account.available(WALLET_ID), 1), kind=kind))


def test_a_wallet_takes_entries_of_its_own_currency_only() -> None:
    with pytest.raises(LedgerBug):
        apply(wallet(), entry((STRIPE, Account.available(WALLET_ID), 1), currency="EUR"))


# Entries.


@pytest.mark.parametrize("amount", [0, -1, 1.0, 0.5, True, "1", None, MINOR_UNITS_MAX + 1])
def test_a_posting_moves_a_whole_positive_number_of_minor_units(amount: Any) -> None:
    with pytest.raises(ValueError, match="minor units"):
        Posting(STRIPE, FEES, amount)


def test_a_posting_has_two_ends() -> None:
    with pytest.raises(ValueError, match="two accounts"):
        Posting(FEES, FEES, 1)


def test_an_entry_names_the_wallets_that_it_touches_in_the_order_in_which_all_take_them() -> None:
    moves = [(Account.available(OTHER_ID), ESCROW, 5), (ESCROW, Account.available(WALLET_ID), 5)]
    assert entry(*moves).wallet_ids() == entry(*moves[::-1]).wallet_ids() == [WALLET_ID, OTHER_ID]


@pytest.mark.parametrize("move", PLATFORM_MOVES, ids=lambda move: f"{move[0]} to {move[1]}")
def test_what_moves_between_the_platforms_accounts_touches_no_wallet(move: tuple[Account, Account]) -> None:
    assert entry((*move, 5)).wallet_ids() == []


accounts = st.sampled_from(
    [Account.available(WALLET_ID), Account.held(WALLET_ID), Account.available(OTHER_ID), ESCROW, STRIPE, FEES]
)
postings = st.builds(
    lambda ends, amount: Posting(ends[0], ends[1], amount),
    st.tuples(accounts, accounts).filter(lambda ends: ends[0] != ends[1]),
    st.integers(1, MINOR_UNITS_MAX),
)


@given(st.lists(postings, max_size=6))
def test_a_wallets_deltas_are_what_its_two_accounts_gain(moves: list[Posting]) -> None:
    def gain(account: Account) -> int:
        return sum(p.amount * ((p.destination == account) - (p.source == account)) for p in moves)

    expected = gain(Account.available(WALLET_ID)), gain(Account.held(WALLET_ID))
    assert deltas(WALLET_ID, moves) == expected


# Hashes.


def test_a_hash_is_sha_256_over_the_fields_as_json_with_sorted_keys() -> None:
    written = entry((STRIPE, Account.available(WALLET_ID), 25_00))
    text = json.dumps(written.fields(), sort_keys=True, separators=(",", ":"), default=iso)
    assert '"created_at":"2026-03-01T12:00:00.250Z"' in text
    assert written.hash == hashlib.sha256(text.encode()).hexdigest()


def test_the_first_line_follows_the_genesis() -> None:
    _, line = apply(wallet(), entry((STRIPE, Account.available(WALLET_ID), 1)))
    assert line.hash == digest({**line.fields(), "previous": GENESIS})


def test_a_hash_knows_an_instant_however_its_zone_is_spelled() -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert digest({"at": elsewhere}) == digest({"at": NOW})
    assert digest({"at": NOW + timedelta(milliseconds=1)}) != digest({"at": NOW})


@pytest.mark.parametrize("value", [1j, {1}, object()])
def test_what_no_entry_holds_is_not_hashed(value: object) -> None:
    with pytest.raises(TypeError):
        digest({"value": value})


ENTRY_CHANGES: dict[str, Any] = {
    "id": "ent_2",
    "ref": "operation:2:step",
    "kind": Kind.ADJUSTMENT,
    "currency": "EUR",
    "postings": (Posting(STRIPE, Account.available(WALLET_ID), 26_00),),
    "operation": "op_2",
    "actor": "admin",
    "created_at": NOW + timedelta(milliseconds=1),
}
LINE_CHANGES: dict[str, Any] = {
    "wallet_id": OTHER_ID,
    "seq": 2,
    "ref": "operation:2:step",
    "kind": Kind.ADJUSTMENT,
    "operation": "op_2",
    "created_at": NOW + timedelta(milliseconds=1),
    "available_delta": 1,
    "held_delta": 1,
    "available_after": 1,
    "held_after": 1,
    "entry_hash": "0" * 64,
}


@pytest.mark.parametrize("name", [field.name for field in fields(Entry) if field.name != "hash"])
def test_an_entrys_hash_covers_every_field(name: str) -> None:
    written = entry((STRIPE, Account.available(WALLET_ID), 25_00))
    assert replace(written, **{name: ENTRY_CHANGES[name]}).sealed().hash != written.hash


@pytest.mark.parametrize("name", [field.name for field in fields(Line) if field.name != "hash"])
def test_a_lines_hash_covers_every_field(name: str) -> None:
    _, line = apply(wallet(), entry((STRIPE, Account.available(WALLET_ID), 25_00)))
    assert replace(line, **{name: LINE_CHANGES[name]}).sealed(GENESIS).hash != line.hash


@pytest.mark.parametrize("end", ["source", "destination", "amount"])
def test_an_entrys_hash_covers_each_part_of_a_posting(end: str) -> None:
    posting: dict[str, Any] = {
        "source": STRIPE,
        "destination": Account.available(WALLET_ID),
        "amount": 25_00,
    }
    other: dict[str, Any] = {"source": FEES, "destination": FEES, "amount": 26_00}
    written = replace(entry((STRIPE, BANK, 1)), postings=(Posting(**posting),)).sealed()
    changed = replace(written, postings=(Posting(**{**posting, end: other[end]}),)).sealed()
    assert changed.hash != written.hash


def test_a_lines_hash_covers_everything_before_it() -> None:
    later = entry((STRIPE, Account.available(WALLET_ID), 5), number=2)
    after_one, _ = apply(wallet(), entry((STRIPE, Account.available(WALLET_ID), 25_00)))
    after_other, _ = apply(wallet(), entry((UNEXPLAINED, Account.available(WALLET_ID), 25_00)))
    _, line = apply(after_one, later)
    _, other_line = apply(after_other, later)
    assert line.fields() == other_line.fields()
    assert line.hash != other_line.hash


# Accounts.


@pytest.mark.parametrize(
    "text",
    [
        f"wallet:{WALLET_ID}:available",
        f"wallet:{WALLET_ID}:held",
        "escrow:esc_01ARZ3NDEKTSV4RRFFQ69G5FAX",
        *(f"platform:{name}" for name in Platform),
    ],
)
def test_an_account_reads_back_as_it_is_written(text: str) -> None:
    account = Account.parse(text)
    assert str(account) == text
    assert account.is_escrow == text.startswith("escrow:")
    assert (account.wallet_id, account.part) == (
        (WALLET_ID, Part(text.rpartition(":")[2])) if text.startswith("wallet:") else (None, None)
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "wallet",
        f"wallet:{WALLET_ID}",
        f"wallet:{WALLET_ID}:",
        f"wallet:{WALLET_ID}:frozen",
        f"wallet:{WALLET_ID}:available ",
        f"wallet:{WALLET_ID}:available\n",
        f" wallet:{WALLET_ID}:available",
        f"wallet:{WALLET_ID.lower()}:available",
        f"wallet:{WALLET_ID[:-1]}:available",
        f"wallet:{WALLET_ID}0:available",
        f"wallet:{WALLET_ID.replace('wal', 'esc')}:available",
        f"WALLET:{WALLET_ID}:available",
        "escrow:",
        f"escrow:{WALLET_ID}",
        f"{ESCROW}:available",
        "platform:",
        "platform:cash",
        "platform:STRIPE",
        "platform:stripe:available",
        f"platform:stripe,wallet:{WALLET_ID}:held",
    ],
)
def test_what_the_grammar_does_not_know_is_no_account(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the grammar's own, or the enum's
        Account.parse(text)


def moved(wallet_id: str, written: Entry) -> tuple[int, int]:
    """What an entry does to a wallet, read from the accounts' text."""
    gains: Counter[str] = Counter()
    for posting in written.postings:
        gains[str(posting.source)] -= posting.amount
        gains[str(posting.destination)] += posting.amount
    return gains[f"wallet:{wallet_id}:available"], gains[f"wallet:{wallet_id}:held"]
