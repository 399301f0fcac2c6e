"""`node`: the prefix of an id tells its noun."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar

import resolvers.deposits
import resolvers.identity
import resolvers.methods
import resolvers.onboarding
import resolvers.wallets
from resolvers.context import Context
from schema.connect import ConnectAccount
from schema.deposits import Deposit
from schema.identity import User
from schema.methods import PaymentMethod
from schema.shared import Node
from schema.wallets import Transaction, Wallet, parse_transaction_id

Found = TypeVar("Found")


async def _line(context: Context, node_id: str) -> Transaction | None:
    context.require()
    key = parse_transaction_id(node_id)
    found = None if key is None else await resolvers.wallets.find_line(context, *key)
    if found is None:
        return None
    line, wallet = found
    return Transaction.of(line.model_dump(by_alias=True), wallet.currency)


def _shown(
    find: Callable[[Context, str], Awaitable[Found | None]], shape: Callable[[Found], Node]
) -> Callable[[Context, str], Awaitable[Node | None]]:
    async def node(context: Context, node_id: str) -> Node | None:
        found = await find(context, node_id)
        return None if found is None else shape(found)

    return node


_FINDERS: Final[Mapping[str, Callable[[Context, str], Awaitable[Node | None]]]] = {
    "usr": _shown(resolvers.identity.find_user, User.of),
    "wal": _shown(resolvers.wallets.find, Wallet.of),
    "stl": _line,
    "dep": _shown(resolvers.deposits.find, Deposit.of),
    "pmt": _shown(resolvers.methods.find, PaymentMethod.of),
    "cac": _shown(resolvers.onboarding.find, ConnectAccount.of),
}


async def find_node(context: Context, node_id: str) -> Node | None:
    """What is not there, not yours or of no known noun is the same: None."""
    find = _FINDERS.get(node_id.partition("_")[0])
    if find is None:
        context.require()
        return None
    return await find(context, node_id)
