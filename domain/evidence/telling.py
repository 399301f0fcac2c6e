"""What of a stored document is evidence. What is not named here is not told; a test wants it decided."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from beanie import Document

from domain import adjustments, deposits, disputes, escrow, refunds, withdrawals
from domain.auditlog import AuditRecord
from domain.identity import User
from domain.kernel.clock import iso
from domain.kernel.database import Row
from domain.ledger import FreezeChange, Wallet
from domain.treasury import Movement

Facts = dict[str, Any]
"""What JSON can hold: no floats, times as text."""


@dataclass(frozen=True)
class Telling:
    """`told` and `withheld`: fields of `model`, a part of a field as `field.part`."""

    model: type[Document]
    told: tuple[str, ...]
    withheld: frozenset[str]

    def facts(self, row: Row) -> Facts:
        """Raises TypeError for bytes: what is encrypted never gets out."""
        return {"id": row["_id"], **_picked(row, self.told)}


# Of every operation: never a caller's key, nor what the machinery notes for itself.
_OPERATION: Final = (
    *("owner", "status", "version", "history", "failure", "attempts_made", "created_at", "updated_at"),
)
_MACHINERY: Final = frozenset({"idempotency", "next_attempt_at", "lease_until"})
_AT_STRIPE: Final = _MACHINERY | {"attempt"}
_SENDING: Final = _AT_STRIPE | {"key_number", "retries", "expected_at", "alerted"}

OPERATIONS: Final[Mapping[str, Telling]] = {
    "escrows": Telling(
        escrow.Escrow,
        (
            *_OPERATION,
            *("job_id", "wallet", "contractor", "contractor_wallet", "price", "currency"),
            *("platform_fee_bps", "service_fee_bps", "released", "refunded", "locked", "moves_made"),
            "expires_at",
        ),
        _MACHINERY,
    ),
    "deposits": Telling(
        deposits.Deposit,
        (
            *_OPERATION,
            *("wallet", "amount", "currency", "received", "received_currency", "payment_intent_id"),
            *("saved_card.method", "saved_card.stripe_id", "expires_at", "cancellation", "receipts"),
            *("checkout.session_id", "checkout.page", "reclaims", "observed_at"),
        ),
        _AT_STRIPE | {"save_method", "client_secret", "next_action_url", "checkout_url"},
    ),
    "withdrawals": Telling(
        withdrawals.Withdrawal,
        (
            *_OPERATION,
            *("wallet", "amount", "currency", "approval", "account", "transfers", "payouts", "sent_at"),
            *("hindrance", "hindered_since"),
        ),
        _SENDING,
    ),
    "refunds": Telling(
        refunds.Refund,
        (
            *_OPERATION,
            *("deposit", "wallet", "amount", "currency", "payment_intent", "origin", "asked_by", "sent"),
            *("hindrance", "hindered_since", "observed_at"),
        ),
        _SENDING,
    ),
    "disputes": Telling(
        disputes.Dispute,
        (
            *_OPERATION,
            *("deposit", "wallet", "in_wallet", "amount", "currency", "reason", "stripe_id"),
            *("payment_intent_id", "evidence_due_by", "movements", "left", "write_off", "observed_at"),
        ),
        _MACHINERY,
    ),
    "adjustments": Telling(
        adjustments.Adjustment,
        (*_OPERATION, *("wallet", "amount", "currency", "kind", "reason", "asked_by", "decided_by")),
        _MACHINERY,
    ),
}
"""By the section of a pack."""

MOVES: Final = Telling(
    escrow.EscrowMove,
    (
        *("escrow", "number", "kind", "amount", "net", "fees", "currency", "actor", "by", "reason"),
        "created_at",
    ),
    frozenset({"idempotency"}),
)
WALLETS: Final = Telling(
    Wallet,
    ("owner", "currency", "created_at"),
    # What a party has today is not the job's.
    frozenset({"available", "held", "seq", "head", "last_at", "freezes", "guard"}),
)
PARTIES: Final = Telling(
    User,
    ("display_name",),
    frozenset({"email", "email_hash", "password_hash", "roles", "version", "created_at"}),
)
FREEZES: Final = Telling(
    FreezeChange, ("wallet", "cause", "operation", "frozen", "by", "at", "reason"), frozenset()
)
AUDIT: Final = Telling(
    AuditRecord, ("act", "by", "subject", "person", "reason", "request_id", "at"), frozenset()
)
MOVEMENTS: Final = Telling(
    Movement,
    (
        *(
            "type",
            "category",
            "currency",
            "amount",
            "fee",
            "source",
            "outcome",
            "operation",
            "account",
            "entry",
        ),
        *("created_at", "read_at"),
    ),
    frozenset(),
)
ALL: Final = (*OPERATIONS.values(), MOVES, WALLETS, PARTIES, FREEZES, AUDIT, MOVEMENTS)

# By the beginning of an id: in which section the operation is told.
NOUNS: Final[Mapping[str, str]] = {
    "dep": "deposits",
    "wdr": "withdrawals",
    "rfd": "refunds",
    "dsp": "disputes",
    "adj": "adjustments",
}


def section_of(operation: str) -> str | None:
    """None for what belongs to others: an escrow of another job, an id of Stripe's."""
    return NOUNS.get(operation.partition("_")[0])


def plain(value: Any) -> Any:
    """`value` as JSON can hold it. Raises TypeError for what it cannot, and for what money must never be."""
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, datetime):
        return iso(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)  # the driver's Int64 too
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [plain(part) for part in value]
    raise TypeError(f"not to be told: {type(value).__name__}")


def _picked(row: Row, fields: Sequence[str]) -> Facts:
    picked: Facts = {}
    for field in fields:
        name, _, part = field.partition(".")
        # A document that was written before the field was thought of has none.
        value = row.get(name)
        if not part:
            picked[name] = plain(value)
        elif value is None:
            picked[name] = None
        else:
            picked.setdefault(name, {})[part] = plain(value.get(part))
    return picked
