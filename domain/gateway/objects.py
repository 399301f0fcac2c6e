"""Stripe's objects as the product knows them: plain values, amounts in our minor units."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from domain.gateway.amounts import from_stripe
from domain.kernel.money import Money

_ID = re.compile("[A-Za-z0-9_]{1,255}")
# What Stripe asks not to be told to the payer, for it would help a thief.
_SENSITIVE_DECLINES = frozenset({"lost_card", "stolen_card", "fraudulent", "pickup_card", "restricted_card"})


@dataclass(frozen=True)
class PaymentError:
    code: str
    message: str
    decline_code: str | None


@dataclass(frozen=True)
class PaymentIntent:
    """`status` is Stripe's, and open: an unknown one must be looked at again, never guessed."""

    id: str
    status: str
    amount: Money
    received: Money
    customer: str | None
    client_secret: str | None
    next_action_url: str | None
    last_error: PaymentError | None
    metadata: Mapping[str, str]
    livemode: bool
    created_at: datetime

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "PaymentIntent":
        """Of Stripe's JSON, an answer's or an event's. Raises KeyError, TypeError, ValueError."""
        error = raw.get("last_payment_error")
        customer = raw.get("customer")
        return cls(
            id=raw["id"],
            status=raw["status"],
            amount=from_stripe(raw["amount"], raw["currency"]),
            received=from_stripe(raw["amount_received"], raw["currency"]),
            customer=customer["id"] if isinstance(customer, Mapping) else customer,
            client_secret=raw.get("client_secret"),
            next_action_url=_redirect(raw.get("next_action") or {}),
            last_error=None if error is None else payment_error(error),
            metadata=dict(raw.get("metadata") or {}),
            livemode=raw["livemode"],
            created_at=datetime.fromtimestamp(raw["created"], UTC),
        )


@dataclass(frozen=True)
class PaymentMethod:
    """`customer` is null once it was detached, and then for ever. A card has all of the rest, others less."""

    id: str
    type: str
    customer: str | None
    brand: str | None
    last4: str | None
    exp_month: int | None
    exp_year: int | None
    created_at: datetime

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "PaymentMethod":
        """Of Stripe's JSON. Raises AttributeError, KeyError, TypeError, ValueError."""
        # What one can see of it stands under the name of its type.
        face = raw.get(raw["type"]) or {}
        return cls(
            id=raw["id"],
            type=raw["type"],
            customer=id_of(raw.get("customer")),
            brand=face.get("brand"),
            last4=face.get("last4"),
            exp_month=face.get("exp_month"),
            exp_year=face.get("exp_year"),
            created_at=datetime.fromtimestamp(raw["created"], UTC),
        )


@dataclass(frozen=True)
class Customer:
    """One that was deleted at Stripe has neither a default nor metadata."""

    id: str
    default_payment_method: str | None
    metadata: Mapping[str, str]
    deleted: bool

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "Customer":
        """Of Stripe's JSON. Raises AttributeError, KeyError, TypeError."""
        settings = raw.get("invoice_settings") or {}
        return cls(
            id=raw["id"],
            default_payment_method=id_of(settings.get("default_payment_method")),
            metadata=dict(raw.get("metadata") or {}),
            deleted=raw.get("deleted") is True,
        )


@dataclass(frozen=True)
class Refund:
    """Of a charge, wholly or in part. `status` is Stripe's, and open.

    `moved`: whether it has left the balance, be it back by now.
    """

    id: str
    status: str
    amount: Money
    payment_intent: str | None
    moved: bool
    failure_reason: str | None
    metadata: Mapping[str, str]

    @property
    def came_back(self) -> bool:
        """No money has left, or it is back: also days after the refund had succeeded."""
        return self.status in {"failed", "canceled"}

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "Refund":
        """Of Stripe's JSON. Raises KeyError, TypeError, ValueError."""
        return cls(
            id=raw["id"],
            status=raw["status"],
            amount=from_stripe(raw["amount"], raw["currency"]),
            payment_intent=id_of(raw.get("payment_intent")),
            moved=raw.get("balance_transaction") is not None,
            failure_reason=raw.get("failure_reason"),
            metadata=dict(raw.get("metadata") or {}),
        )


@dataclass(frozen=True)
class BalanceTransaction:
    """One movement of the platform's balance at Stripe: `amount` came (or, negative, left), less `fee`.

    `category` is Stripe's reporting category, and open. `source`: the id of what moved it, if any.
    `payment_intent`: the intent behind a charge. `transfer`: the transfer of which a reversal is.
    """

    id: str
    type: str
    category: str
    amount: Money
    fee: Money
    source: str | None
    payment_intent: str | None
    transfer: str | None
    created_at: datetime

    @property
    def net(self) -> Money:
        """What it added to the balance."""
        return Money(self.amount.amount - self.fee.amount, self.amount.currency)

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "BalanceTransaction":
        """Of Stripe's JSON with its source expanded. Raises KeyError, TypeError, ValueError."""
        source = raw["source"]
        expanded = source if isinstance(source, Mapping) else {}
        return cls(
            id=raw["id"],
            type=raw["type"],
            category=raw["reporting_category"],
            amount=from_stripe(raw["amount"], raw["currency"]),
            fee=from_stripe(raw["fee"], raw["currency"]),
            source=expanded.get("id", None if expanded else source),
            payment_intent=expanded.get("payment_intent"),
            transfer=id_of(expanded.get("transfer"))
            if expanded.get("object") == "transfer_reversal"
            else None,
            created_at=datetime.fromtimestamp(raw["created"], UTC),
        )


@dataclass(frozen=True)
class Dispute:
    """A payer's bank asks about a charge, or takes it back. `status` is Stripe's, and open.

    `movements`: what it has moved so far, in that order: taken, and given back. Their amounts are not always
    the dispute's. `due_by`: until when it may be answered.
    """

    id: str
    status: str
    reason: str
    amount: Money
    payment_intent: str | None
    movements: tuple[BalanceTransaction, ...]
    due_by: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "Dispute":
        """Of Stripe's JSON. Raises AttributeError, KeyError, TypeError, ValueError."""
        movements = [BalanceTransaction.of(movement) for movement in raw["balance_transactions"]]
        due_by = raw["evidence_details"].get("due_by")
        return cls(
            id=raw["id"],
            status=raw["status"],
            reason=raw["reason"],
            amount=from_stripe(raw["amount"], raw["currency"]),
            payment_intent=id_of(raw.get("payment_intent")),
            # What is taken comes first, also where both are of one second.
            movements=tuple(sorted(movements, key=lambda one: (one.created_at, one.amount.amount > 0))),
            due_by=None if due_by is None else datetime.fromtimestamp(due_by, UTC),
            created_at=datetime.fromtimestamp(raw["created"], UTC),
        )


@dataclass(frozen=True)
class Balance:
    """The platform's balance at Stripe, by currency, in our minor units."""

    available: Mapping[str, int]
    pending: Mapping[str, int]

    @property
    def total(self) -> dict[str, int]:
        """What Stripe holds for us, available or not yet."""
        currencies = self.available.keys() | self.pending.keys()
        return {code: self.available.get(code, 0) + self.pending.get(code, 0) for code in currencies}

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "Balance":
        """Of Stripe's JSON. Raises KeyError, TypeError, ValueError."""
        return cls(available=_by_currency(raw["available"]), pending=_by_currency(raw["pending"]))


def _by_currency(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    amounts = [from_stripe(row["amount"], row["currency"]) for row in rows]
    return {money.currency: money.amount for money in amounts}


def _redirect(next_action: Mapping[str, Any]) -> str | None:
    """Where the payer must go; None where Stripe.js shows the bank's question itself."""
    redirect = next_action.get("redirect_to_url") or {}
    url: str | None = redirect.get("url")
    return url


def looks_like_id(text: str) -> bool:
    """Whether Stripe may be asked for it: what a person has typed becomes part of an address."""
    return _ID.fullmatch(text) is not None


def id_of(reference: str | Mapping[str, Any] | None) -> str | None:
    """The id of what Stripe names, or shows in full."""
    return reference["id"] if isinstance(reference, Mapping) else reference


def payment_error(raw: Mapping[str, Any]) -> PaymentError:
    """A decline as the payer may see it."""
    decline_code = raw.get("decline_code")
    if decline_code in _SENSITIVE_DECLINES:
        return PaymentError("card_declined", "Your card was declined.", "generic_decline")
    return PaymentError(
        code=raw.get("code") or "payment_failed",
        message=raw.get("message") or "The payment did not succeed.",
        decline_code=decline_code,
    )
