"""Payouts: from a connected account's balance to its bank account, at midnight (UTC) or by hand.

pending ──> in_transit ──> paid ──> failed
   │             └──────────────────> failed
   └──> canceled (those made by hand)
The money leaves the balance when the payout is made; failed and canceled, it is in the balance again. A bank
may send it back days after it was paid: the control `/payouts` makes it happen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import accounts, balance, external_accounts, onboarding
from .currencies import check_currency, check_positive, check_step
from .errors import StripeError, invalid, missing, unsupported
from .lists import page
from .objects import Object, merge_metadata, shaped
from .support import only

if TYPE_CHECKING:
    from .parameters import Params
    from .transaction import Tx

SUBMITTED_AFTER_S = 600
"""Virtual seconds for which a payout is pending, unless its day is over before."""
RECONCILED_AFTER_S = 1.0
"""Virtual seconds from a bank's answer until Stripe can tell what an automatic payout pays out."""

FAILURES = {
    "account_closed": "The bank account has been closed.",
    "account_frozen": "The bank account has been frozen.",
    "bank_account_restricted": "The bank account has restrictions on the type or the number of its payouts.",
    "bank_ownership_changed": "The bank account is no longer valid: its branch has changed ownership.",
    "could_not_process": "The bank could not process this payout.",
    "debit_not_authorized": "Debit transactions are not approved on the bank account.",
    "declined": "The bank has declined this payout. The bank knows why.",
    "incorrect_account_holder_address": "The bank has another address for the holder of this account.",
    "incorrect_account_holder_name": "The bank has another name for the holder of this account.",
    "incorrect_account_holder_tax_id": "The bank has another tax id for the holder of this account.",
    "insufficient_funds": "The Stripe account has insufficient funds to cover the payout.",
    "invalid_account_number": "The routing number seems correct, but the account number is invalid.",
    "invalid_currency": "The bank could not process this payout because of its currency.",
    "no_account": "No bank account could be found with these details.",
}
"""Those of Stripe's codes that a bank account can meet with, and what they mean. The words are ours."""

_TOO_LITTLE = (
    "You have insufficient funds in your Stripe account for this transfer. Your card balance is too low. You "
    "can use the /v1/balance endpoint to view your Stripe balance (for more details, see "
    "stripe.com/docs/api#balance)."
)

# Endpoints


def create(tx: Tx, params: Params) -> Object:
    """By hand, whatever the schedule. What it pays out nobody can tell but whoever made it."""
    only(params, "amount", "currency", "description", "metadata", "method", "statement_descriptor")
    if params.get("method", "standard") != "standard":
        raise unsupported("method", what="instant payouts")
    currency = check_currency(params["currency"])
    amount = check_positive(params["amount"])
    check_step(amount, currency, payout=True)
    bank = _bank(tx)
    if balance.available(tx, currency) < amount:
        raise invalid(_TOO_LITTLE, code="balance_insufficient")
    payout = draft(
        tx,
        amount=amount,
        currency=currency,
        description=params.get("description"),
        destination=bank["id"],
        metadata=merge_metadata({}, params.get("metadata")),
        statement_descriptor=params.get("statement_descriptor"),
    )
    return _send(tx, payout)


def retrieve(tx: Tx, _params: Params, *, payout: str) -> Object:
    return tx.fetch("payout", payout, param="payout").body


def update(tx: Tx, params: Params, *, payout: str) -> Object:
    before = tx.fetch("payout", payout, param="payout").body
    after = before | {"metadata": merge_metadata(before["metadata"], params.get("metadata"))}
    return tx.save_and_emit("payout.updated", before, after)


def cancel(tx: Tx, _params: Params, *, payout: str) -> Object:
    body = tx.fetch("payout", payout, param="payout").body
    if body["automatic"]:
        raise invalid("Automatic payouts cannot be canceled.", param="payout", code="payouts_not_allowed")
    if body["status"] != "pending":
        raise invalid(
            f"Payouts can only be canceled while they are pending. This payout is {body['status']}.",
            param="payout",
        )
    return _return(tx, body, status="canceled", kind="payout_cancel")


def list_all(tx: Tx, params: Params) -> Object:
    only(params, "created", "destination", "ending_before", "limit", "starting_after", "status")
    return page(tx, "payout", params, url="/v1/payouts", equal=("destination", "status"))


# What time brings


def fall_due(tx: Tx, account_id: str) -> None:
    """A timer, at midnight. What cannot go, for payouts are off or by hand, waits for the next one."""
    account = tx.store.find("account", account_id, account="")
    if account is None or account.deleted:
        return
    interval = account.body["settings"]["payouts"]["schedule"]["interval"]
    if interval != "daily" or not accounts.payouts_enabled(account.body):
        balance.plan_payouts(tx)
        return
    pay_all_out(tx)


def pay_all_out(tx: Tx) -> list[Object]:
    """All that is available goes to the bank: an automatic payout for each currency.

    Raises StripeError payouts_not_allowed.
    """
    bank = _bank(tx)
    made = []
    for currency, amount in sorted(balance.all_available(tx).items()):
        if amount > 0:
            payout = draft(
                tx,
                amount=amount,
                automatic=True,
                currency=currency,
                description="STRIPE PAYOUT",
                destination=bank["id"],
                reconciliation_status="in_progress",
            )
            made.append(_send(tx, payout))
            balance.pay_out(tx, payout["id"], currency)
    return made


def submit(tx: Tx, payout_id: str) -> None:
    """A timer: the bank hears of it."""
    payout = tx.fetch("payout", payout_id, param="payout").body
    if payout["status"] == "pending":
        _submitted(tx, payout)


def arrive(tx: Tx, payout_id: str) -> None:
    """A timer: the bank takes it, or sends it back, as its number decides."""
    payout = tx.fetch("payout", payout_id, param="payout").body
    if payout["status"] == "in_transit":
        bank = tx.store.find("bank_account", payout["destination"], account=tx.account)
        failure_code = external_accounts.bank_of(bank).failure_code if bank else None
        conclude(tx, payout_id, "failed" if failure_code else "paid", failure_code=failure_code)


def reconcile(tx: Tx, payout_id: str) -> Object:
    """A timer: from now on the balance's transactions can be listed by the payout that they are in."""
    payout = tx.fetch("payout", payout_id, param="payout").body
    if payout["reconciliation_status"] == "in_progress":
        payout = tx.save(payout | {"reconciliation_status": "completed"})
        tx.emit("payout.reconciliation_completed", payout)
    return payout


def conclude(tx: Tx, payout_id: str, outcome: str, *, failure_code: str | None = None) -> Object:
    """The bank's answer, `paid` or `failed`. Raises StripeError where the picture has no way to it."""
    payout = tx.fetch("payout", payout_id, param="payout").body
    if payout["status"] == "pending":
        payout = _submitted(tx, payout)
    ways = {"in_transit": {"paid", "failed"}, "paid": {"failed"}}
    if outcome not in ways.get(payout["status"], ()):
        raise invalid(f"The payout {payout_id} is {payout['status']}: it cannot become {outcome}.")
    if payout["reconciliation_status"] == "in_progress":
        tx.schedule("payout_reconciled", payout_id, due=tx.clock.now() + RECONCILED_AFTER_S)
    if outcome == "failed":
        return _failed(tx, payout, failure_code or "could_not_process")
    paid = tx.save(payout | {"status": "paid"})
    tx.emit("payout.paid", paid)
    return paid


def account_of(tx: Tx, payout_id: str) -> str:
    """Whose payout it is. Raises StripeError resource_missing."""
    row = tx.store.row("SELECT account FROM objects WHERE id = ? AND object = 'payout'", payout_id)
    if row is None:
        raise missing("payout", payout_id, param="payout")
    return str(row["account"])


def draft(tx: Tx, *, amount: int, currency: str, **fields: object) -> Object:
    """A payout that is not booked yet; by hand, unless `fields` say otherwise."""
    return shaped(
        "payout",
        {
            "id": tx.ids.new("po_", of=f"{tx.account}{currency}"),
            "object": "payout",
            "amount": amount,
            "arrival_date": tx.now,
            "automatic": False,
            "created": tx.now,
            "currency": currency,
            "livemode": False,
            "metadata": {},
            "method": "standard",
            "reconciliation_status": "not_applicable",
            "source_type": "card",
            "status": "pending",
            "type": "bank_account",
        }
        | fields,
    )


def _bank(tx: Tx) -> Object:
    """Where the account's payouts go. Raises StripeError while they are off."""
    if not tx.account:
        raise unsupported("Stripe-Account", what="payouts of the platform's own")
    if not accounts.payouts_enabled(accounts.connected(tx, tx.account)):
        raise _not_allowed()
    bank = external_accounts.current(tx, tx.account)
    if bank is None:
        raise _not_allowed()
    return bank.body


def _not_allowed() -> StripeError:
    return invalid(
        "Payouts have been disabled on this account. Check its requirements to see what has to be provided.",
        code="payouts_not_allowed",
    )


def _send(tx: Tx, payout: Object) -> Object:
    """It arrives at the end of the day, on weekends too."""
    arrival = balance.next_midnight(tx.now)
    booked = _book(tx, payout, kind="payout", category="payout", amount=-payout["amount"])
    payout |= {"arrival_date": arrival, "balance_transaction": booked["id"]}
    tx.insert(payout)
    tx.emit("payout.created", payout)
    tx.schedule("payout_submitted", payout["id"], due=min(tx.now + SUBMITTED_AFTER_S, arrival))
    tx.schedule("payout_arrives", payout["id"], due=arrival)
    return payout


def _submitted(tx: Tx, payout: Object) -> Object:
    return tx.save_and_emit("payout.updated", payout, payout | {"status": "in_transit"})


def _failed(tx: Tx, payout: Object, failure_code: str) -> Object:
    failure = {"failure_code": failure_code, "failure_message": FAILURES[failure_code]}
    after = _return(tx, payout | failure, status="failed", kind="payout_failure")
    bank = external_accounts.current(tx, tx.account)
    if bank is not None and bank.body["id"] == payout["destination"] and not _left(tx):
        onboarding.fail_bank(tx, tx.account)
    return after


def _left(tx: Tx) -> bool:
    """Whether the account is connected no more. Its payouts go on; nothing is written about it."""
    account = tx.store.find("account", tx.account, account="")
    return account is None or account.deleted


def _return(tx: Tx, payout: Object, *, status: str, kind: str) -> Object:
    """The money is in the balance again, and the next automatic payout pays it out."""
    booked = _book(tx, payout, kind=kind, category="payout_reversal", amount=payout["amount"])
    after = tx.save(payout | {"status": status, "failure_balance_transaction": booked["id"]})
    tx.emit(f"payout.{status}", after)
    return after


def _book(tx: Tx, payout: Object, *, kind: str, category: str, amount: int) -> Object:
    movement = balance.Movement(
        kind=kind,
        reporting_category=category,
        amount=amount,
        currency=payout["currency"],
        source=payout["id"],
        description=payout["description"],
    )
    return balance.move(tx, movement, pending=False)
