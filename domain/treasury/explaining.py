"""Whose movement is it? One table: Stripe's reporting category -> the noun that is asked."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from domain import deposits, disputes, refunds, withdrawals
from domain.gateway import BalanceTransaction
from domain.kernel.money import Money
from domain.ledger import Platform
from domain.runtime import Runtime


@dataclass(frozen=True)
class Matched:
    """An operation of ours explains it. `entry`: the ref under which it has posted `posted`."""

    operation: str
    entry: str
    posted: Money


@dataclass(frozen=True)
class Own:
    """The platform's own: its amount is booked to `account`."""

    account: Platform


@dataclass(frozen=True)
class Unexplained:
    """Nothing of ours caused it. `subject`: what it is booked under, until somebody knows better."""

    subject: str


Explanation = Matched | Own | Unexplained
Explain = Callable[[Runtime, BalanceTransaction], Awaitable[Explanation]]
"""The noun's verb: finds or adopts the operation and posts, if nobody has. Raises StripeTrouble."""


async def explain(runtime: Runtime, transaction: BalanceTransaction) -> Explanation:
    return await _EXPLAIN.get(transaction.category, _nobody)(runtime, transaction)


async def _charge(runtime: Runtime, transaction: BalanceTransaction) -> Explanation:
    if transaction.payment_intent is None:
        return await _nobody(runtime, transaction)
    booking = await deposits.booking_of_charge(
        runtime, transaction.payment_intent, settled_as=transaction.amount
    )
    if booking is None:
        # Under the intent: should a deposit of ours turn up for it, its credit comes from there.
        return Unexplained(transaction.payment_intent)
    return _matched(booking)


async def _refund(runtime: Runtime, transaction: BalanceTransaction) -> Explanation:
    """Of what was in a wallet; else of what was not agreed, by a review."""
    if transaction.source is None:
        return await _nobody(runtime, transaction)
    refund = await refunds.booking_of_refund(runtime, transaction.source)
    if refund is not None:
        return Matched(refund.refund, refund.entry, refund.amount)
    booking = await deposits.booking_of_refund(runtime, transaction.source)
    return await _nobody(runtime, transaction) if booking is None else _matched(booking)


async def _refund_failure(runtime: Runtime, transaction: BalanceTransaction) -> Explanation:
    if transaction.source is None:
        return await _nobody(runtime, transaction)
    refund = await refunds.booking_of_return(runtime, transaction.source)
    if refund is not None:
        return Matched(refund.refund, refund.entry, refund.amount)
    booking = await deposits.booking_of_return(runtime, transaction.source)
    return await _nobody(runtime, transaction) if booking is None else _matched(booking)


async def _transfer(runtime: Runtime, transaction: BalanceTransaction) -> Explanation:
    """Left, or came back: a withdrawal's, for nothing else of ours transfers."""
    if transaction.source is None:
        return await _nobody(runtime, transaction)
    if transaction.transfer is None:
        booking = await withdrawals.booking_of_transfer(runtime, transaction.source)
    else:
        booking = await withdrawals.booking_of_reversal(runtime, transaction.transfer, transaction.source)
    if booking is None:
        return await _nobody(runtime, transaction)
    return Matched(booking.withdrawal, booking.entry, booking.amount)


async def _dispute(runtime: Runtime, transaction: BalanceTransaction) -> Explanation:
    """Unknown, it is booked under itself: a dispute takes and gives back, and is the source of both."""
    booking = None
    if transaction.source is not None:
        booking = await disputes.booking_of(runtime, transaction.source, transaction.id)
    if booking is None:
        return Unexplained(transaction.id)
    return Matched(booking.dispute, booking.entry, booking.amount)


def _matched(booking: deposits.Booking) -> Matched:
    return Matched(booking.deposit, booking.entry, booking.amount)


async def _fee(_runtime: Runtime, _transaction: BalanceTransaction) -> Explanation:
    return Own(Platform.STRIPE_FEES)


async def _bank(_runtime: Runtime, _transaction: BalanceTransaction) -> Explanation:
    return Own(Platform.BANK)


async def _nobody(_runtime: Runtime, transaction: BalanceTransaction) -> Explanation:
    """Also for a category that Stripe has thought of since."""
    return Unexplained(transaction.source or transaction.id)


# What operations book at platform:stripe before Stripe's balance shows it, by the beginning of its ref.
BOOKED_AHEAD: Final = "^(deposit|withdrawal|refund|dispute):"
_EXPLAIN: Final[Mapping[str, Explain]] = {
    "charge": _charge,
    "refund": _refund,
    "refund_failure": _refund_failure,
    "dispute": _dispute,
    "dispute_reversal": _dispute,
    "transfer": _transfer,
    "transfer_reversal": _transfer,
    "fee": _fee,
    "network_cost": _fee,
    "tax": _fee,
    "payout": _bank,
    "payout_reversal": _bank,
    "payout_failure": _bank,
    "topup": _bank,
    "topup_reversal": _bank,
}
