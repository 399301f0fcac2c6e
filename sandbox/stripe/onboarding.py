"""What happens to a connected account at Stripe, where no call of the platform's has a say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from . import accounts, external_accounts
from .objects import Object, shaped
from .standing import Outcome, Standing, identity_document

if TYPE_CHECKING:
    from .external_accounts import TestBank
    from .transaction import Tx

CLIENT_ID_LENGTH = 32


def conclude(
    tx: Tx, account_id: str, outcome: Outcome, *, due: tuple[str, ...] = (), deadline: int | None = None
) -> Object:
    """The account after Stripe made up its mind. `due` and `deadline` are of a restricted one.

    An outcome other than incomplete means that its person told Stripe everything: the terms are accepted, and
    there is a bank account; for an active one, a bank account that works. Raises StripeError account_invalid.
    """
    stored = accounts.find(tx, account_id)
    account = stored.body
    if outcome is Outcome.RESTRICTED and not due:
        due = (identity_document(account),)
    if deadline is not None and deadline <= tx.now:
        deadline = None
    standing = replace(Standing.load(stored.private), outcome=outcome, due=due, deadline=deadline)
    if outcome is Outcome.ACTIVE:
        standing = replace(standing, bank_failed=False)
    fields = {} if outcome is Outcome.INCOMPLETE else _told(tx, account, standing)
    if deadline is not None:
        tx.on("").schedule("requirements_fall_due", f"{account_id}/{deadline}", due=deadline)
    return accounts.change(tx, stored, fields=fields, standing=standing)


def change_bank(tx: Tx, account_id: str, bank: TestBank) -> Object:
    """The account after its person chose where payouts go."""
    stored = accounts.find(tx, account_id)
    external_accounts.replace(tx, stored.body, bank)
    return accounts.change(tx, stored, standing=replace(Standing.load(stored.private), bank_failed=False))


def fail_bank(tx: Tx, account_id: str) -> Object:
    """The account after its bank sent a payout back: no more of them until there is another bank account."""
    stored = accounts.find(tx, account_id)
    bank = external_accounts.current(tx, account_id)
    if bank is not None:
        errored = bank.body | {"status": "errored"}
        tx.on(account_id).save_and_emit("account.external_account.updated", bank.body, errored)
    return accounts.change(tx, stored, standing=replace(Standing.load(stored.private), bank_failed=True))


def deauthorize(tx: Tx, account_id: str) -> Object:
    """Its person cut the tie to the platform, which from now on may not even look. The application."""
    account = accounts.connected(tx, account_id)
    application = shaped(
        "application",
        {
            "id": "ca_" + tx.ids.lasting("client_id", CLIENT_ID_LENGTH),
            "object": "application",
            "name": "The platform",
        },
    )
    tx.on(account_id).emit("account.application.deauthorized", application)
    tx.store.mark_deleted(account)
    return application


def fall_due(tx: Tx, subject: str) -> None:
    """A timer: a deadline passes. One that was met, or moved, is left alone."""
    account_id, _, deadline = subject.partition("/")
    stored = tx.store.find("account", account_id, account="")
    if stored is None or stored.deleted:
        return
    standing = Standing.load(stored.private)
    if standing.outcome is Outcome.RESTRICTED and standing.deadline == int(deadline):
        accounts.change(tx, stored, standing=standing.late())


def _told(tx: Tx, account: Object, standing: Standing) -> Object:
    """What the account shows of what its person entered."""
    told = account | {"business_type": account["business_type"] or "individual"}
    bank = external_accounts.current(tx, account["id"])
    if bank is None or (bank.body["status"] == "errored" and not standing.bank_failed):
        external_accounts.replace(tx, told, external_accounts.TEST_BANKS[0])
    acceptance = account["tos_acceptance"]
    return {
        "business_type": told["business_type"],
        "tos_acceptance": acceptance | {"date": acceptance["date"] or tx.now},
    }
