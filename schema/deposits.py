"""Deposits, as clients see them."""

import strawberry

import resolvers.deposits
import resolvers.refunds
from domain import deposits
from domain.deposits import (
    Canceled,
    CheckoutAddresses,
    Created,
    CreateDeposit,
    DepositStatus,
    Resolved,
    ResolveDeposit,
    ReviewOutcome,
)
from domain.kernel.operations import Blocker
from schema.shared import (
    URL,
    CurrencyCode,
    DateTime,
    Failure,
    Idempotency,
    Info,
    MinorUnits,
    Money,
    Node,
    Operation,
    Party,
    UserError,
    operation_fields,
    user_error,
)

strawberry.enum(
    DepositStatus,
    description="Where a deposit stands. FAILED is the last attempt's: the same deposit may be paid again. "
    "SUCCEEDED and CANCELED are settled. More may be added.",
)
strawberry.enum(
    ReviewOutcome,
    name="DepositResolution",
    description="What becomes of money that was received, but not as agreed: CREDIT, into the owner's "
    "wallet; REFUND, back to the card. More may be added.",
)


@strawberry.type(
    description="Money that Stripe received for a deposit, but not as agreed: another amount or currency, or "
    "a second payment. It is in nobody's wallet until an administrator decides."
)
class DepositReceipt:
    received: Money = strawberry.field(description="What was received.")
    payment_intent_id: str = strawberry.field(description="Stripe's id of the payment.")
    resolution: ReviewOutcome | None = strawberry.field(description="What was decided; null while it waits.")

    @classmethod
    def of(cls, receipt: deposits.Receipt) -> "DepositReceipt":
        return cls(
            received=Money.of(receipt.amount, receipt.currency),
            payment_intent_id=receipt.payment_intent_id,
            resolution=None if receipt.resolution is None else receipt.resolution.outcome,
        )


@strawberry.type(description="Money that a customer brings into their wallet by card.")
class Deposit(Node, Operation):
    document: strawberry.Private[deposits.Deposit]
    owner: Party = strawberry.field(description="Whose wallet it is for.")
    amount: Money = strawberry.field(description="What was asked for.")
    received: Money = strawberry.field(description="What reached the wallet; zero until it SUCCEEDED.")
    status: DepositStatus = strawberry.field(description="Where it stands.")
    failure: Failure | None = strawberry.field(description="Why the last attempt did not work.")
    expires_at: DateTime | None = strawberry.field(
        description="When it is canceled unless it is paid by then; null once that cannot be."
    )
    refunded: Money = strawberry.field(description="What went back to the card, or is on its way there.")
    receipts: list[DepositReceipt] = strawberry.field(description="What was received, but not as agreed.")

    @strawberry.field(
        description="For Stripe.js; only its owner sees it, and only until the deposit is settled."
    )
    def client_secret(self, info: Info) -> str | None:
        return resolvers.deposits.client_secret(info.context, self.document)

    @strawberry.field(
        description="Where to send the payer for 3-D Secure, when the server confirmed; only its owner "
        "sees it, and only while the bank asks."
    )
    def next_action_url(self, info: Info) -> URL | None:
        url = resolvers.deposits.next_action_url(info.context, self.document)
        return None if url is None else URL(url)

    @strawberry.field(
        description="Where to send the payer, to pay on Stripe's own page; only its owner sees it, and only "
        "while that page is open."
    )
    def checkout_url(self, info: Info) -> URL | None:
        url = resolvers.deposits.checkout_url(info.context, self.document)
        return None if url is None else URL(url)

    @strawberry.field(
        description="What could be refunded now: what is left of it, as far as the wallet has it; zero while "
        "a dispute is open."
    )
    async def refundable(self, info: Info) -> Money:
        left = await resolvers.refunds.refundable(info.context, self.document)
        return Money.of(left, self.document.paid.currency)

    async def blocker(self, _info: Info) -> Blocker | None:
        return deposits.waiting_for(self.document)

    @classmethod
    def of(cls, document: deposits.Deposit) -> "Deposit":
        return cls(
            **operation_fields(document),
            owner=Party.of(document.owner),
            amount=Money.of(document.amount, document.currency),
            received=Money.of(document.received, document.received_currency or document.currency),
            refunded=Money.of(document.refunded, document.paid.currency),
            status=document.status,
            failure=None if document.failure is None else Failure.of(document.failure),
            expires_at=document.expires_at if document.is_open else None,
            receipts=[DepositReceipt.of(receipt) for receipt in document.receipts],
        )


@strawberry.input(description="A payment on a page of Stripe's own, and where that sends the payer.")
class CheckoutInput:
    success_url: URL = strawberry.field(description="Where the payer comes back to, having paid.")
    cancel_url: URL = strawberry.field(description="Where the payer comes back to, having given up.")

    def to_addresses(self) -> CheckoutAddresses:
        return CheckoutAddresses(success_url=self.success_url, cancel_url=self.cancel_url)


@strawberry.input(description="A deposit to be made.")
class CreateDepositInput:
    amount: MinorUnits = strawberry.field(description="In minor units: 1050 is $10.50.")
    idempotency_key: str = strawberry.field(
        description="1 to 255 characters, chosen by the caller, one per intention."
    )
    currency: CurrencyCode = strawberry.field(
        default=CurrencyCode("USD"), description="One that the platform takes."
    )
    payment_method_id: strawberry.ID | None = strawberry.field(
        default=None, description="Charge this saved method at once; returnUrl is then required."
    )
    return_url: URL | None = strawberry.field(
        default=None, description="Where the payer's bank sends the payer after 3-D Secure."
    )
    save_payment_method: bool = strawberry.field(
        default=False, description="Keep the card that it is paid with, to be charged again."
    )

    checkout: CheckoutInput | None = strawberry.field(
        default=None,
        description="Answer with a page of Stripe's, checkoutUrl, instead of a client secret; not together "
        "with paymentMethodId.",
    )

    def to_command(self) -> CreateDeposit:
        return CreateDeposit(
            amount=self.amount,
            currency=self.currency,
            idempotency_key=self.idempotency_key,
            payment_method_id=self.payment_method_id,
            return_url=self.return_url,
            save_payment_method=self.save_payment_method,
            checkout=None if self.checkout is None else self.checkout.to_addresses(),
        )


@strawberry.type(description="The deposit, or why there is none.")
class CreateDepositPayload:
    deposit: Deposit | None = strawberry.field(default=None, description="Null when nothing was made.")
    idempotency: Idempotency | None = strawberry.field(default=None, description="What the key did.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list,
        description="Empty on success. When a saved card is declined, or Stripe cannot be reached, the error "
        "comes with the deposit.",
    )

    @classmethod
    def of(cls, created: Created) -> "CreateDepositPayload":
        return cls(
            deposit=Deposit.of(created.deposit),
            idempotency=Idempotency(replayed=created.replayed, first_seen_at=created.deposit.created_at),
            user_errors=[] if created.refusal is None else [user_error(created.refusal)],
        )


@strawberry.input(description="A deposit to be canceled.")
class CancelDepositInput:
    id: strawberry.ID = strawberry.field(description="The deposit's id, one of the viewer's own.")


@strawberry.type(description="The deposit as it is now, and why it is not canceled, if it is not.")
class CancelDepositPayload:
    deposit: Deposit | None = strawberry.field(default=None, description="Null when there is none.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list,
        description="Empty on success. Where Stripe cannot be reached, it is canceled as soon as it can be.",
    )

    @classmethod
    def of(cls, canceled: Canceled) -> "CancelDepositPayload":
        return cls(
            deposit=Deposit.of(canceled.deposit),
            user_errors=[] if canceled.refusal is None else [user_error(canceled.refusal)],
        )


@strawberry.input(description="What an administrator decides about money that was not agreed.")
class ResolveDepositInput:
    id: strawberry.ID = strawberry.field(description="The deposit's id.")
    outcome: ReviewOutcome = strawberry.field(description="What becomes of the receipt.")
    reason: str = strawberry.field(description="1 to 500 characters; the deposit's history keeps it.")
    payment_intent_id: str | None = strawberry.field(
        default=None,
        description="Whose receipt is meant; needed where several payments were received.",
    )

    def to_command(self) -> ResolveDeposit:
        return ResolveDeposit(
            deposit_id=self.id,
            outcome=self.outcome,
            reason=self.reason,
            payment_intent_id=self.payment_intent_id,
        )


@strawberry.type(description="The deposit as it is now, and why it is not resolved, if it is not.")
class ResolveDepositPayload:
    deposit: Deposit | None = strawberry.field(default=None, description="Null when there is none.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list,
        description="Empty on success. Where Stripe cannot be reached, it is refunded as soon as it can be.",
    )

    @classmethod
    def of(cls, resolved: Resolved) -> "ResolveDepositPayload":
        return cls(
            deposit=Deposit.of(resolved.deposit),
            user_errors=[] if resolved.refusal is None else [user_error(resolved.refusal)],
        )
