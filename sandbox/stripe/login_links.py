"""Login links: the way to the Express dashboard, with the balance, the payouts and the bank account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import accounts, links
from .errors import invalid
from .objects import Object

if TYPE_CHECKING:
    from .parameters import Params
    from .transaction import Tx

PATH = "/connect/express"


def create(tx: Tx, _params: Params, *, account: str) -> Object:
    """Raises StripeError for an account without that dashboard, and while its onboarding is not done."""
    body = accounts.connected(tx, account)
    if body["controller"]["stripe_dashboard"]["type"] != "express":
        raise invalid("Cannot create a login link for an account without the Express Dashboard.")
    if not body["details_submitted"]:
        raise invalid("Cannot create a login link for an account that has not completed onboarding.")
    return links.mint(tx, "login_link", PATH, account=account, fields={})
