"""`node`: the prefix of an id tells its noun."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import resolvers.escrow
import resolvers.identity
import resolvers.methods
import resolvers.wallets
from resolvers.context import Context
from resolvers.operations import prefix_of
from schema.escrow import EscrowMove
from schema.identity import User
from schema.methods import PaymentMethod
from schema.operations import find_operation
from schema.shared import Node
from schema.wallets import Transaction, Wallet, parse_transaction_id

_Finder = Callable[[Context, str], Awaitable[Node | None]]


async def find_node(context: Context, node_id: str) -> Node | None:
    """What is not there, not yours or of no known noun is the same: None."""
    context.require()
    finder: _Finder = _FINDERS.get(prefix_of(node_id), find_operation)
    return await finder(context, node_id)


async def _user(context: Context, node_id: str) -> User | None:
    user = await resolvers.identity.find_user(context, node_id)
    return None if user is None else User.of(user)


async def _wallet(context: Context, node_id: str) -> Wallet | None:
    wallet = await resolvers.wallets.find(context, node_id)
    return None if wallet is None else Wallet.of(wallet)


async def _line(context: Context, node_id: str) -> Transaction | None:
    key = parse_transaction_id(node_id)
    found = None if key is None else await resolvers.wallets.find_line(context, *key)
    if found is None:
        return None
    line, wallet = found
    return Transaction.of(line.model_dump(by_alias=True), wallet.currency)


async def _escrow_move(context: Context, node_id: str) -> EscrowMove | None:
    move = await resolvers.escrow.find_move(context, node_id)
    return None if move is None else EscrowMove.of(move)


async def _payment_method(context: Context, node_id: str) -> PaymentMethod | None:
    saved = await resolvers.methods.find(context, node_id)
    return None if saved is None else PaymentMethod.of(saved)


_FINDERS: Final[Mapping[str, _Finder]] = {
    "usr": _user,
    "wal": _wallet,
    "stl": _line,
    "esm": _escrow_move,
    "pmt": _payment_method,
}
