"""Money at Stripe, the platform's or an account's: a transaction for every movement, and their sum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .currencies import least_charge, step_of
from .errors import invalid
from .lists import page
from .objects import Object, shaped

if TYPE_CHECKING:
    from .parameters import Params
    from .transaction import Tx

FEE_BPS = 290
FEE_FIXED = 30
DISPUTE_FEE_LEAST_CHARGES = 30
"""What a dispute costs, in charges of the least amount: 15.00 USD, and about as much of any currency."""
DEBIT_FEE_BPS = 80
DEBIT_FEE_MAX = 500
PENDING_DAYS = 2
DAY_S = 86_400

OPENING_FLOAT = ("usd", 10_000_000_00)


@dataclass(frozen=True)
class Movement:
    """One change of the balance, in minor units. `kind` is Stripe's balance transaction type."""

    kind: str
    reporting_category: str
    amount: int
    currency: str
    source: str | None
    description: str | None = None
    fee: int = 0
    fee_description: str = "Stripe processing fees"


def card_fee(amount: int, currency: str) -> int:
    """2.9 % and 30, rounded half up to what the currency can express."""
    step = step_of(currency)
    exact = amount * FEE_BPS + FEE_FIXED * 10_000
    return (exact + 5_000 * step) // (10_000 * step) * step


def dispute_fee(currency: str) -> int:
    """Rounded up to what the currency can express."""
    step = step_of(currency)
    return -(-DISPUTE_FEE_LEAST_CHARGES * least_charge(currency) // step) * step


def debit_fee(amount: int, _currency: str) -> int:
    """Of a bank debit, in US cents: 0.8 %, rounded half up, and at most 5.00."""
    return min((amount * DEBIT_FEE_BPS + 5_000) // 10_000, DEBIT_FEE_MAX)


def move(tx: Tx, movement: Movement, *, pending: bool) -> Object:
    """Book it. Pending money becomes available at midnight UTC two days on."""
    available_on = next_midnight(tx.now) + (PENDING_DAYS - 1) * DAY_S if pending else tx.now
    body = shaped(
        "balance_transaction",
        {
            "id": tx.ids.new("txn_", of=movement.source or movement.kind),
            "object": "balance_transaction",
            "amount": movement.amount,
            "available_on": available_on,
            "balance_type": "payments",
            "created": tx.now,
            "currency": movement.currency,
            "description": movement.description,
            "fee": movement.fee,
            "fee_details": _fee_details(movement),
            "net": movement.amount - movement.fee,
            "reporting_category": movement.reporting_category,
            "source": movement.source,
            "status": "pending" if pending else "available",
            "type": movement.kind,
        },
    )
    tx.insert(body)
    if pending:
        tx.schedule("funds_available", body["id"], due=available_on)
    elif body["net"] > 0:
        plan_payouts(tx)
    return body


def next_midnight(now: int) -> int:
    """UTC, always later than `now`."""
    return (now // DAY_S + 1) * DAY_S


def plan_payouts(tx: Tx) -> None:
    """A connected account with money has its turn at the next midnight (`payouts.py`)."""
    if tx.account and any(amount > 0 for amount in all_available(tx).values()):
        tx.schedule_once("payouts_fall_due", tx.account, due=next_midnight(tx.now))


def pay_out(tx: Tx, payout_id: str, currency: str) -> None:
    """What is available and in no other automatic payout is in this one, itself too: the sum is nothing."""
    tx.store.write(
        "UPDATE objects SET private = json_set(private, '$.payout', ?) "
        "WHERE object = 'balance_transaction' AND account = ? AND json_extract(body, '$.currency') = ? "
        "AND json_extract(body, '$.status') = 'available' AND json_extract(private, '$.payout') IS NULL",
        payout_id,
        tx.account,
        currency,
    )


def _fee_details(movement: Movement) -> list[Object]:
    if not movement.fee:
        return []
    fee = {
        "amount": movement.fee,
        "currency": movement.currency,
        "description": movement.fee_description,
        "type": "stripe_fee",
    }
    return [shaped("fee", fee)]


def funds_available(tx: Tx, transaction_id: str) -> None:
    """A timer: pending money can be used from now on."""
    body = tx.fetch("balance_transaction", transaction_id, param="id").body
    tx.save(body | {"status": "available"})
    tx.emit("balance.available", _balance(tx))
    plan_payouts(tx)


def set_float(tx: Tx, *, currency: str, amount: int, announce: bool) -> Object | None:
    """Bring the available balance to `amount`: a top-up for what is missing, a reversed one for an excess.

    Returns the top-up; None where nothing had to move.
    """
    difference = amount - available(tx, currency)
    if difference == 0:
        return None
    incoming = difference > 0
    topup = shaped(
        "topup",
        {
            "id": tx.ids.new("tu_"),
            "object": "topup",
            "amount": abs(difference),
            "created": tx.now,
            "currency": currency,
            "description": "The sandbox's float",
            "expected_availability_date": tx.now,
            "livemode": False,
            "metadata": {},
            "status": "succeeded" if incoming else "reversed",
        },
    )
    kind = "topup" if incoming else "topup_reversal"
    booked = move(
        tx, Movement(kind, kind, difference, currency, topup["id"], topup["description"]), pending=False
    )
    topup["balance_transaction"] = booked["id"]
    tx.insert(topup)
    if announce:
        tx.emit("topup.succeeded" if incoming else "topup.reversed", topup)
        tx.emit("balance.available", _balance(tx))
    return topup


def available(tx: Tx, currency: str) -> int:
    return all_available(tx).get(currency, 0)


def all_available(tx: Tx) -> dict[str, int]:
    """By currency."""
    return _sums(tx, "available")


def holds_money(tx: Tx) -> bool:
    """Whether anything is there or owed, available or not."""
    return any(_sums(tx, "available").values()) or any(_sums(tx, "pending").values())


def retrieve(tx: Tx, _params: Params) -> Object:
    return _balance(tx)


def retrieve_transaction(tx: Tx, _params: Params, *, id: str) -> Object:
    return tx.fetch("balance_transaction", id, param="id").body


def list_transactions(tx: Tx, params: Params) -> Object:
    where, values = _in_payout(tx, params["payout"]) if "payout" in params else ([], [])
    return page(
        tx,
        "balance_transaction",
        params,
        url="/v1/balance_transactions",
        equal=("type", "source", "currency"),
        where=where,
        values=values,
    )


def _in_payout(tx: Tx, payout_id: str) -> tuple[list[str], list[str]]:
    """A condition on transactions. Of a payout that is not reconciled yet, Stripe knows but its own.

    Raises StripeError for one that was made by hand.
    """
    payout = tx.referenced("payout", payout_id, param="payout").body
    if not payout["automatic"]:
        raise invalid(
            "Balance transaction history can only be filtered on automatic transfers, not manual.",
            param="payout",
        )
    if payout["reconciliation_status"] != "completed":
        return ["id = ?"], [payout["balance_transaction"]]
    return ["json_extract(private, '$.payout') = ?"], [payout_id]


def _balance(tx: Tx) -> Object:
    ready, waiting = _sums(tx, "available"), _sums(tx, "pending")
    currencies = sorted(ready.keys() | waiting.keys()) or [_usual_currency(tx)]
    return shaped(
        "balance",
        {
            "object": "balance",
            "available": [_amount(currency, ready) for currency in currencies],
            "livemode": False,
            "pending": [_amount(currency, waiting) for currency in currencies],
        },
    )


def _usual_currency(tx: Tx) -> str:
    account = tx.store.find("account", tx.account, account="") if tx.account else None
    return str(account.body["default_currency"]) if account else OPENING_FLOAT[0]


def _amount(currency: str, sums: dict[str, int]) -> Object:
    amount = sums.get(currency, 0)
    return {"amount": amount, "currency": currency, "source_types": {"card": amount}}


def _sums(tx: Tx, status: str) -> dict[str, int]:
    rows = tx.store.rows(
        "SELECT json_extract(body, '$.currency') AS currency, sum(json_extract(body, '$.net')) AS net FROM "
        "objects "
        "WHERE object = 'balance_transaction' AND account = ? AND json_extract(body, '$.status') = ? GROUP "
        "BY 1",
        tx.account,
        status,
    )
    return {row["currency"]: row["net"] for row in rows}
