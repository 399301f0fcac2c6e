"""Deposits, as clients see them."""

import strawberry

import resolvers.deposits
from domain import deposits
from domain.deposits import Created, CreateDeposit, DepositStatus
from domain.kernel.pages import Page, encode_cursor
from schema.shared import (
    Blocker,
    CurrencyCode,
    Failure,
    Idempotency,
    Info,
    MinorUnits,
    Money,
    Node,
    Operation,
    PageInfo,
    Party,
    StatusChange,
    UserError,
    user_error,
)

strawberry.enum(
    DepositStatus,
    description="Where a deposit stands. FAILED is the last attempt's: the same deposit may be paid again. "
    "SUCCEEDED and CANCELED are settled. More may be added.",
)


@strawberry.type(description="Money that a customer brings into their wallet by card.")
class Deposit(Node, Operation):
    document: strawberry.Private[deposits.Deposit]
    owner: Party = strawberry.field(description="Whose wallet it is for.")
    amount: Money = strawberry.field(description="What was asked for.")
    received: Money = strawberry.field(description="What reached the wallet; zero until it SUCCEEDED.")
    status: DepositStatus = strawberry.field(description="Where it stands.")
    failure: Failure | None = strawberry.field(description="Why the last attempt did not work.")

    @strawberry.field(
        description="For Stripe.js; only its owner sees it, and only until the deposit is settled."
    )
    def client_secret(self, info: Info) -> str | None:
        return resolvers.deposits.client_secret(info.context, self.document)

    @classmethod
    def of(cls, document: deposits.Deposit) -> "Deposit":
        return cls(
            id=strawberry.ID(document.id),
            document=document,
            state=document.status.value,
            waiting_for=_waiting_for(document),
            created_at=document.created_at,
            updated_at=document.updated_at,
            history=[StatusChange.of(change) for change in document.history],
            owner=Party.of(document.owner),
            amount=Money.of(document.amount, document.currency),
            received=Money.of(document.received, document.currency),
            status=document.status,
            failure=None if document.failure is None else Failure.of(document.failure),
        )


def _waiting_for(document: deposits.Deposit) -> Blocker | None:
    waiting = deposits.waiting_for(document)
    return None if waiting is None else Blocker(code=waiting.code, message=waiting.message, until=None)


@strawberry.type(description="One deposit and its place in the list.")
class DepositEdge:
    cursor: str = strawberry.field(description="Opaque; good for `after` and `before`.")
    node: Deposit = strawberry.field(description="The deposit.")


@strawberry.type(description="Deposits, newest first, a page at a time.")
class DepositConnection:
    edges: list[DepositEdge] = strawberry.field(description="This page's deposits.")
    page_info: PageInfo = strawberry.field(description="Where this page lies.")

    @classmethod
    def of(cls, page: Page[deposits.Deposit]) -> "DepositConnection":
        return cls(
            edges=[DepositEdge(cursor=encode_cursor(item.id), node=Deposit.of(item)) for item in page.items],
            page_info=PageInfo.of(page, lambda item: str(item.id)),
        )


@strawberry.input(description="A deposit to be made.")
class CreateDepositInput:
    amount: MinorUnits = strawberry.field(description="In minor units: 1050 is $10.50.")
    idempotency_key: str = strawberry.field(
        description="1 to 255 characters, chosen by the caller, one per intention."
    )
    currency: CurrencyCode = strawberry.field(
        default=CurrencyCode("USD"), description="One that the platform takes."
    )

    def to_command(self) -> CreateDeposit:
        return CreateDeposit(amount=self.amount, currency=self.currency, idempotency_key=self.idempotency_key)


@strawberry.type(description="The deposit, or why there is none.")
class CreateDepositPayload:
    deposit: Deposit | None = strawberry.field(default=None, description="Null when nothing was made.")
    idempotency: Idempotency | None = strawberry.field(default=None, description="What the key did.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list,
        description="Empty on success. Where Stripe cannot be reached, the error comes with the deposit.",
    )

    @classmethod
    def of(cls, created: Created) -> "CreateDepositPayload":
        return cls(
            deposit=Deposit.of(created.deposit),
            idempotency=Idempotency(replayed=created.replayed, first_seen_at=created.deposit.created_at),
            user_errors=[] if created.refusal is None else [user_error(created.refusal)],
        )
