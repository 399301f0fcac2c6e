"""The three roots: a field is a call of a resolver, and refusals are data."""

from collections.abc import AsyncIterator, Callable, Sequence

import strawberry
from graphql import GraphQLError
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

import resolvers.books
import resolvers.deposits
import resolvers.identity
import resolvers.methods
import resolvers.wallets
from domain.identity import SignOut
from domain.kernel.errors import DomainError
from schema.books import LedgerReport
from schema.deposits import (
    CancelDepositInput,
    CancelDepositPayload,
    CreateDepositInput,
    CreateDepositPayload,
    Deposit,
    ResolveDepositInput,
    ResolveDepositPayload,
)
from schema.identity import (
    RefreshSessionInput,
    Session,
    SessionPayload,
    SignInInput,
    SignOutInput,
    SignOutPayload,
    SignUpInput,
    User,
)
from schema.methods import (
    CreateSetupIntentPayload,
    PaymentMethod,
    PaymentMethodInput,
    PaymentMethodPayload,
    SetupIntent,
)
from schema.nodes import find_node
from schema.shared import ERROR_TYPES, SCALARS, CurrencyCode, Info, Node, user_error
from schema.wallets import Transaction, Wallet

USD = CurrencyCode("USD")


@strawberry.type(description="Reading. Changes nothing, but that a wallet is made on first use.")
class Query:
    @strawberry.field(description="The person who is signed in.")
    async def me(self, info: Info) -> User:
        return User.of(await resolvers.identity.me(info.context))

    @strawberry.field(description="Anything by its id; null when it is not there or not yours.")
    async def node(self, info: Info, id: strawberry.ID) -> Node | None:
        return await find_node(info.context, id)

    @strawberry.field(
        description="Null for a currency that the platform does not take; made on first use otherwise."
    )
    async def wallet(self, info: Info, currency: CurrencyCode = USD) -> Wallet | None:
        wallet = await resolvers.wallets.own(info.context, currency)
        return None if wallet is None else Wallet.of(wallet)

    @strawberry.field(description="The viewer's wallets, by currency.")
    async def wallets(self, info: Info) -> list[Wallet]:
        return [Wallet.of(wallet) for wallet in await resolvers.wallets.all_own(info.context)]

    @strawberry.field(description="A deposit; null when it is not there or not yours.")
    async def deposit(self, info: Info, id: strawberry.ID) -> Deposit | None:
        deposit = await resolvers.deposits.find(info.context, id)
        return None if deposit is None else Deposit.of(deposit)

    @strawberry.field(
        description="The viewer's saved cards, newest first: as Stripe has them, or, while it cannot be "
        "reached, as they were last seen."
    )
    async def payment_methods(self, info: Info) -> list[PaymentMethod]:
        return [PaymentMethod.of(saved) for saved in await resolvers.methods.all_own(info.context)]

    @strawberry.field(description="ADMIN. Proves the books now: one pass over everything that is stored.")
    async def ledger_report(self, info: Info) -> LedgerReport:
        return LedgerReport.of(await resolvers.books.ledger_report(info.context))


@strawberry.type(description="Changing. Every mutation takes one `input` and answers with a payload.")
class Mutation:
    @strawberry.mutation(description="Make a person and sign them in.")
    async def sign_up(self, info: Info, input: SignUpInput) -> SessionPayload:
        try:
            session = await resolvers.identity.sign_up(info.context, input.to_command())
        except DomainError as error:
            return SessionPayload(user_errors=[user_error(error)])
        return SessionPayload(session=Session.of(session))

    @strawberry.mutation(description="Sign in with e-mail address and password.")
    async def sign_in(self, info: Info, input: SignInInput) -> SessionPayload:
        try:
            session = await resolvers.identity.sign_in(info.context, input.to_command())
        except DomainError as error:
            return SessionPayload(user_errors=[user_error(error)])
        return SessionPayload(session=Session.of(session))

    @strawberry.mutation(
        description="Rotates: the old refresh token dies; using it again revokes the whole family."
    )
    async def refresh_session(self, info: Info, input: RefreshSessionInput) -> SessionPayload:
        try:
            session = await resolvers.identity.refresh_session(info.context, input.to_command())
        except DomainError as error:
            return SessionPayload(user_errors=[user_error(error)])
        return SessionPayload(session=Session.of(session))

    @strawberry.mutation(description="End this session, or every session of this person.")
    async def sign_out(self, info: Info, input: SignOutInput | None = None) -> SignOutPayload:
        await resolvers.identity.sign_out(info.context, SignOut() if input is None else input.to_command())
        return SignOutPayload()

    @strawberry.mutation(description="Start moving money from a card into the viewer's wallet.")
    async def create_deposit(self, info: Info, input: CreateDepositInput) -> CreateDepositPayload:
        try:
            created = await resolvers.deposits.create_deposit(info.context, input.to_command())
        except DomainError as error:
            return CreateDepositPayload(user_errors=[user_error(error)])
        return CreateDepositPayload.of(created)

    @strawberry.mutation(
        description="Cancel a deposit that nobody paid yet; again is no change. A payment that races it wins."
    )
    async def cancel_deposit(self, info: Info, input: CancelDepositInput) -> CancelDepositPayload:
        try:
            canceled = await resolvers.deposits.cancel_deposit(info.context, input.id)
        except DomainError as error:
            return CancelDepositPayload(user_errors=[user_error(error)])
        return CancelDepositPayload.of(canceled)

    @strawberry.mutation(
        description="ADMIN. Decide about money that was received for a deposit, but not as agreed. The same "
        "decision again, about the same receipt, is no change."
    )
    async def resolve_deposit(self, info: Info, input: ResolveDepositInput) -> ResolveDepositPayload:
        try:
            resolved = await resolvers.deposits.resolve_deposit(info.context, input.to_command())
        except DomainError as error:
            return ResolveDepositPayload(user_errors=[user_error(error)])
        return ResolveDepositPayload.of(resolved)

    @strawberry.mutation(description="Begin saving a card. Each call may make another intent; none charges.")
    async def create_setup_intent(self, info: Info) -> CreateSetupIntentPayload:
        try:
            client_secret = await resolvers.methods.create_setup_intent(info.context)
        except DomainError as error:
            return CreateSetupIntentPayload(user_errors=[user_error(error)])
        return CreateSetupIntentPayload(setup_intent=SetupIntent(client_secret=client_secret))

    @strawberry.mutation(description="Charge this card unless another is named.")
    async def set_default_payment_method(self, info: Info, input: PaymentMethodInput) -> PaymentMethodPayload:
        try:
            saved = await resolvers.methods.set_default(info.context, input.id)
        except DomainError as error:
            return PaymentMethodPayload(user_errors=[user_error(error)])
        return PaymentMethodPayload(payment_method=PaymentMethod.of(saved))

    @strawberry.mutation(description="Forget this card, for ever: it can never be charged again.")
    async def remove_payment_method(self, info: Info, input: PaymentMethodInput) -> PaymentMethodPayload:
        try:
            saved = await resolvers.methods.remove(info.context, input.id)
        except DomainError as error:
            return PaymentMethodPayload(user_errors=[user_error(error)])
        return PaymentMethodPayload(payment_method=PaymentMethod.of(saved))


@strawberry.type(description="The state now, then changes; intermediate ones may be merged, the last is not.")
class Subscription:
    @strawberry.subscription(
        description="Null when it is not there or not yours. The present state at once, then changes; "
        "completes when settled."
    )
    async def deposit_updated(self, info: Info, id: strawberry.ID) -> AsyncIterator[Deposit | None]:
        async for deposit in resolvers.deposits.watch(info.context, id):
            yield None if deposit is None else Deposit.of(deposit)

    @strawberry.subscription(
        description="The wallet now, then at each change. Null for a currency that is not taken."
    )
    async def wallet_updated(self, info: Info, currency: CurrencyCode = USD) -> AsyncIterator[Wallet | None]:
        async for wallet in resolvers.wallets.watch(info.context, currency):
            yield None if wallet is None else Wallet.of(wallet)


class Schema(strawberry.Schema):
    """Errors are logged by the server's extensions, each once, and the expected ones not at all."""

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        pass


def make_schema(
    extensions: Sequence[type[SchemaExtension] | Callable[[], SchemaExtension]] = (),
) -> strawberry.Schema:
    """The schema, with the server's extensions."""
    return Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[*ERROR_TYPES, User, Wallet, Transaction, Deposit, PaymentMethod],
        extensions=list(extensions),
        config=StrawberryConfig(scalar_map=SCALARS),
    )
