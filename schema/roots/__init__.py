"""The three roots, put together of each noun's own: a field is a call of a resolver, refusals are data."""

from collections.abc import Callable, Sequence
from typing import Final

import strawberry
from graphql import GraphQLError
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from schema.connect import ConnectAccount
from schema.escrow import EscrowMove
from schema.identity import User
from schema.inbox import WebhookEvent
from schema.methods import PaymentMethod
from schema.nodes import find_node
from schema.operations import SHAPES, shown
from schema.roots.adjustments import AdjustmentMutations, AdjustmentQueries
from schema.roots.auditlog import AuditLogQueries
from schema.roots.connect import ConnectMutations, ConnectQueries, ConnectSubscriptions
from schema.roots.deposits import DepositMutations, DepositQueries, DepositSubscriptions
from schema.roots.disputes import DisputeMutations, DisputeQueries
from schema.roots.escrow import EscrowMutations, EscrowQueries, EscrowSubscriptions
from schema.roots.inbox import InboxQueries
from schema.roots.methods import MethodMutations, MethodQueries
from schema.roots.metrics import MetricsQueries
from schema.roots.people import PeopleMutations, PeopleQueries
from schema.roots.refunds import RefundMutations, RefundQueries
from schema.roots.trail import TrailQueries
from schema.roots.wallets import WalletMutations, WalletQueries, WalletSubscriptions
from schema.roots.withdrawals import WithdrawalMutations, WithdrawalQueries, WithdrawalSubscriptions
from schema.shared import ERROR_TYPES, SCALARS, Info, Node, Operation
from schema.wallets import Transaction, Wallet


@strawberry.type(description="Reading. Changes nothing, but that a wallet is made on first use.")
class Query(
    PeopleQueries,
    WalletQueries,
    DepositQueries,
    EscrowQueries,
    ConnectQueries,
    WithdrawalQueries,
    DisputeQueries,
    RefundQueries,
    MethodQueries,
    AdjustmentQueries,
    AuditLogQueries,
    InboxQueries,
    MetricsQueries,
    TrailQueries,
):
    @strawberry.field(description="Anything by its id; null when it is not there or not yours.")
    async def node(self, info: Info, id: strawberry.ID) -> Node | None:
        return await find_node(info.context, id)

    @strawberry.field(
        description="An operation of any kind by its id; null when it is not there or, but for admins, when "
        "the viewer is no party to it."
    )
    async def operation(self, info: Info, id: strawberry.ID) -> Operation | None:
        found = await info.context.find_operation(id)
        return None if found is None else shown(found)


@strawberry.type(description="Changing. Every mutation takes one `input` and answers with a payload.")
class Mutation(
    PeopleMutations,
    WalletMutations,
    DepositMutations,
    EscrowMutations,
    ConnectMutations,
    WithdrawalMutations,
    DisputeMutations,
    RefundMutations,
    MethodMutations,
    AdjustmentMutations,
):
    pass


@strawberry.type(description="The state now, then changes; intermediate ones may be merged, the last is not.")
class Subscription(
    DepositSubscriptions,
    EscrowSubscriptions,
    ConnectSubscriptions,
    WithdrawalSubscriptions,
    WalletSubscriptions,
):
    pass


class Schema(strawberry.Schema):
    """Errors are logged by the server's extensions, each once, and the expected ones not at all."""

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        pass


# What only `node`, or an interface, leads to.
_NODES: Final = (
    *SHAPES.values(),
    EscrowMove,
    PaymentMethod,
    ConnectAccount,
    User,
    Wallet,
    Transaction,
    WebhookEvent,
)


def make_schema(
    extensions: Sequence[type[SchemaExtension] | Callable[[], SchemaExtension]] = (),
) -> strawberry.Schema:
    """The schema, with the server's extensions."""
    return Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[*ERROR_TYPES, *_NODES],
        extensions=list(extensions),
        config=StrawberryConfig(scalar_map=SCALARS),
    )
