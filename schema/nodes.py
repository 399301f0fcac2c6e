"""`node`: the prefix of an id tells its noun."""

import resolvers.identity
import resolvers.methods
import resolvers.wallets
from resolvers.context import Context
from schema.identity import User
from schema.methods import PaymentMethod
from schema.operations import shown
from schema.shared import Node
from schema.wallets import Transaction, Wallet, parse_transaction_id


async def find_node(context: Context, node_id: str) -> Node | None:
    """What is not there, not yours or of no known noun is the same: None."""
    match node_id.partition("_")[0]:
        case "usr":
            user = await resolvers.identity.find_user(context, node_id)
            return None if user is None else User.of(user)
        case "wal":
            wallet = await resolvers.wallets.find(context, node_id)
            return None if wallet is None else Wallet.of(wallet)
        case "stl":
            return await _line(context, node_id)
        case "pmt":
            saved = await resolvers.methods.find(context, node_id)
            return None if saved is None else PaymentMethod.of(saved)
        case _:
            operation = await context.find_operation(node_id)
            return None if operation is None else shown(operation)


async def _line(context: Context, node_id: str) -> Transaction | None:
    context.require()
    key = parse_transaction_id(node_id)
    found = None if key is None else await resolvers.wallets.find_line(context, *key)
    if found is None:
        return None
    line, wallet = found
    return Transaction.of(line.model_dump(by_alias=True), wallet.currency)
