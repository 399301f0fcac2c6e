"""`node`: the prefix of an id tells its noun."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import resolvers.escrow
import resolvers.identity
import resolvers.inbox
import resolvers.methods
import resolvers.onboarding
import resolvers.wallets
from domain import inbox
from resolvers.context import Context
from schema.connect import ConnectAccount
from schema.escrow import EscrowMove
from schema.identity import User
from schema.inbox import PREFIX, WebhookEvent
from schema.methods import PaymentMethod
from schema.operations import shown
from schema.shared import Node
from schema.wallets import Transaction, Wallet, parse_transaction_id


async def find_node(context: Context, node_id: str) -> Node | None:
    """What is not there, not yours or of no known noun is the same: None."""
    context.require()
    find, shape = _NOUNS.get(node_id.partition("_")[0], (Context.find_operation, shown))
    found = await find(context, node_id)
    return None if found is None else shape(found)


async def _line(context: Context, node_id: str) -> Transaction | None:
    key = parse_transaction_id(node_id)
    found = None if key is None else await resolvers.wallets.find_line(context, *key)
    if found is None:
        return None
    line, wallet = found
    return Transaction.of(line.model_dump(by_alias=True), wallet.currency)


async def _event(context: Context, node_id: str) -> inbox.WebhookEvent | None:
    return await resolvers.inbox.find(context, node_id.removeprefix(PREFIX))


# An id's prefix -> who finds it, as far as the viewer may see it, and its shape. The rest are operations.
_NOUNS: Final[Mapping[str, tuple[Callable[[Context, str], Awaitable[Any]], Callable[[Any], Node]]]] = {
    "usr": (resolvers.identity.find_user, User.of),
    "wal": (resolvers.wallets.find, Wallet.of),
    "stl": (_line, lambda transaction: transaction),
    "pmt": (resolvers.methods.find, PaymentMethod.of),
    "cac": (resolvers.onboarding.find, ConnectAccount.of),
    "whe": (_event, WebhookEvent.of),
    "esm": (resolvers.escrow.find_move, EscrowMove.of),
}
