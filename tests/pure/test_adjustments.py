"""An adjustment's arrows, and its preview: it is what the books would say, or why they would not."""

from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.adjustments import (
    MACHINE,
    Adjustment,
    AdjustmentKind,
    AdjustmentStatus,
    preview,
    waiting_for,
)
from domain.adjustments.postings import posted
from domain.kernel.errors import DomainError, InsufficientFunds, InvalidInput
from domain.kernel.ids import new_id
from domain.kernel.money import MINOR_UNITS_MAX
from domain.kernel.operations import IdempotencyKey
from domain.ledger import Entry, Freeze, FreezeCause, FreezeRecord, Wallet, WalletState, apply

S = AdjustmentStatus
CORRECTION, WRITE_OFF = AdjustmentKind.CORRECTION, AdjustmentKind.WRITE_OFF
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
WALLET = new_id("wal")
DEBT = Freeze(FreezeCause.DEBT, "dsp_1", "dsp_1", NOW, "it owes money.")


def wallet(available: int) -> Wallet:
    made: Wallet = Wallet.model_construct(
        id=WALLET,
        owner="usr_ada",
        currency="USD",
        available=available,
        held=7,
        seq=3,
        freezes=[FreezeRecord(**asdict(DEBT))] if available < 0 else [],
        last_at=NOW,
        created_at=NOW,
    )
    return made


def adjustment(
    amount: int, kind: AdjustmentKind = CORRECTION, status: AdjustmentStatus = S.AWAITING_CONFIRMATION
) -> Adjustment:
    made: Adjustment = Adjustment.model_construct(
        id=new_id("adj"),
        owner="usr_ada",
        wallet=WALLET,
        amount=amount,
        currency="USD",
        kind=kind,
        reason="a test.",
        asked_by="usr_edith",
        status=status,
        history=[],
        idempotency=IdempotencyKey.of(actor="usr_edith", mutation="adjustWallet", key="1", fields={}),
        created_at=NOW,
        updated_at=NOW,
    )
    return made


def test_these_arrows_are_drawn_and_no_others() -> None:
    drawn = {status: {target for target in S if MACHINE.allows(status, target)} for status in S}
    assert drawn == {
        S.AWAITING_CONFIRMATION: {S.POSTED, S.REJECTED},
        S.POSTED: set(),
        S.REJECTED: set(),
    }
    assert MACHINE.settled == MACHINE.final == {S.POSTED, S.REJECTED}


@pytest.mark.parametrize(
    ("available", "amount", "kind"),
    [
        (10, 5, CORRECTION),
        (10, -10, CORRECTION),
        (-10, 5, CORRECTION),
        (-10, 10, CORRECTION),
        (-10, 11, CORRECTION),
        (-17, 1, WRITE_OFF),
        (-17, 10, WRITE_OFF),
    ],
)
def test_a_preview_is_what_the_books_make_of_it(available: int, amount: int, kind: AdjustmentKind) -> None:
    """By `apply`, of the same entry, to the same wallet."""
    asked, owned = adjustment(amount, kind), wallet(available)
    entry = posted(asked)
    foreseen = preview(asked, owned, at=NOW + timedelta(seconds=1))
    assert foreseen.entry == entry
    [step] = entry.postings
    expected, line = apply(
        WalletState(
            WALLET,
            "USD",
            available,
            held=7,
            seq=3,
            last_at=NOW,
            freezes=(DEBT,) if available < 0 else (),
        ),
        Entry("ent", entry.ref, entry.kind, "USD", (step,), asked.id, "admin", NOW + timedelta(seconds=1)),
    )
    # The line's hash is over the entry's, whose id is another each time.
    assert replace(foreseen.wallet, head="") == replace(expected, head="")
    assert (expected.available, line.available_delta) == (available + amount, amount)
    assert foreseen.wallet.freezes == ((DEBT,) if available + amount < 0 else ())
    accounts = {str(step.source), str(step.destination)} - {f"wallet:{WALLET}:available"}
    assert accounts == {"platform:losses" if kind is WRITE_OFF else "platform:adjustments"}


@pytest.mark.parametrize(
    ("available", "amount", "kind", "refusal", "waits_for"),
    [
        (10, -11, CORRECTION, InsufficientFunds, "INSUFFICIENT_FUNDS"),
        (-10, -1, CORRECTION, InsufficientFunds, "INSUFFICIENT_FUNDS"),
        (1, MINOR_UNITS_MAX, CORRECTION, InvalidInput, "NOT_POSSIBLE"),
        (-10, 4, WRITE_OFF, InvalidInput, "NOT_POSSIBLE"),
        (-17, 11, WRITE_OFF, InvalidInput, "NOT_POSSIBLE"),
        (-10, -1, WRITE_OFF, InvalidInput, "NOT_POSSIBLE"),
        (0, 1, WRITE_OFF, InvalidInput, "NOT_POSSIBLE"),
        (10, 1, WRITE_OFF, InvalidInput, "NOT_POSSIBLE"),
    ],
)
def test_what_could_not_be_posted_has_no_preview_and_says_why(
    available: int, amount: int, kind: AdjustmentKind, refusal: type[DomainError], waits_for: str
) -> None:
    asked, owned = adjustment(amount, kind), wallet(available)
    with pytest.raises(refusal):
        preview(asked, owned, at=NOW)
    blocker = waiting_for(asked, owned, at=NOW)
    assert blocker is not None
    assert (blocker.code, blocker.until) == (waits_for, None)


def test_what_is_settled_waits_for_nothing() -> None:
    for status in (S.POSTED, S.REJECTED):
        assert waiting_for(adjustment(-99, status=status), wallet(0), at=NOW) is None
    blocker = waiting_for(adjustment(1), wallet(0), at=NOW)
    assert blocker is not None
    assert blocker.code == "CONFIRMATION"
