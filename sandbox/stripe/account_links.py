"""Account links: the way to the onboarding page, for one click."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import accounts, links
from .errors import bad_parameter, invalid
from .objects import Object
from .support import only, web_address

if TYPE_CHECKING:
    from .parameters import Params
    from .transaction import Tx

PATH = "/connect/setup"


def create(tx: Tx, params: Params) -> Object:
    """Whoever opens it can answer for the account, so it is for its person only, and for now."""
    only(params, "account", "type", "refresh_url", "return_url", "collection_options", "collect")
    account = accounts.connected(tx, params["account"])
    if params["type"] != "account_onboarding":
        raise invalid(
            f"You cannot create `{params['type']}` type Account Links for this account. Valid account link "
            "types for this account are: account_onboarding.",
            param="type",
        )
    if "collect" in params and "collection_options" in params:
        raise bad_parameter("You may only specify one of collect and collection_options.", param="collect")
    return links.mint(
        tx,
        "account_link",
        PATH,
        account=account["id"],
        fields={"expires_at": tx.now + links.OPENS_S},
        refresh_url=web_address(params, "refresh_url"),
        return_url=web_address(params, "return_url"),
    )
