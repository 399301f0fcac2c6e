"""What time brings: timers, played in the order in which they fall due."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from . import balance, challenges, charges, checkouts, disputes, onboarding, payouts, refunds
from .transaction import Tx

if TYPE_CHECKING:
    from .sandbox import Sandbox

_PLAY: dict[str, Callable[[Tx, str], object]] = {
    "charge_settles": lambda tx, subject: charges.settle(tx, subject, pending=True),
    "charge_settles_at_once": lambda tx, subject: charges.settle(tx, subject, pending=False),
    "funds_available": balance.funds_available,
    "challenge_expires": challenges.expire,
    "checkout_expires": checkouts.fall_due,
    "debit_arrives": checkouts.debit_arrives,
    "payouts_fall_due": payouts.fall_due,
    "payout_submitted": payouts.submit,
    "payout_arrives": payouts.arrive,
    "payout_reconciled": payouts.reconcile,
    "refund_arrives": refunds.arrive,
    "refund_bounces": refunds.bounce,
    "evidence_weighed": disputes.weigh,
    "dispute_falls_due": disputes.fall_due,
    "inquiry_lapses": disputes.lapse,
    "requirements_fall_due": onboarding.fall_due,
}


def play(sandbox: Sandbox, *, until: float) -> int:
    """Play everything due up to a virtual moment, each at its own. How many there were."""
    played = 0
    try:
        while timer := sandbox.store.row(
            "SELECT * FROM timers WHERE due <= ? ORDER BY due, id LIMIT 1", until
        ):
            sandbox.clock.stand_at(timer["due"])
            with sandbox.change(account=timer["account"]) as tx:
                sandbox.store.write("DELETE FROM timers WHERE id = ?", timer["id"])
                _PLAY[timer["kind"]](tx, timer["subject"])
            played += 1
    finally:
        sandbox.clock.stand_at(None)
    return played


def next_due(sandbox: Sandbox) -> float | None:
    row = sandbox.store.row("SELECT min(due) AS due FROM timers")
    return row["due"] if row else None
