"""Wallets and their statements, as clients see them."""

import strawberry

import resolvers.wallets
import resolvers.withdrawals
from domain import ledger
from domain.kernel.database import Row
from domain.kernel.pages import PageRequest
from domain.ledger import FreezeCause, Kind, WalletDecision
from resolvers.wallets import StatementFilter
from schema.books import WalletFreeze
from schema.operations import shown
from schema.shared import (
    Blocker,
    Connection,
    CurrencyCode,
    DateTime,
    Info,
    MinorUnits,
    Money,
    Node,
    Operation,
    Party,
    UserError,
)

_DESCRIPTIONS = {
    Kind.DEPOSIT: "Deposit by card",
    Kind.WITHDRAWAL_REQUESTED: "Withdrawal requested",
    Kind.WITHDRAWAL_SENT: "Withdrawal sent",
    Kind.WITHDRAWAL_RETURNED: "Withdrawal returned",
    Kind.WITHDRAWAL_REVERSED: "Withdrawal reversed",
    Kind.ESCROW_FUNDED: "Escrow funded",
    Kind.ESCROW_RELEASED: "Escrow released",
    Kind.ESCROW_REFUNDED: "Escrow refunded",
    Kind.REFUND_REQUESTED: "Refund requested",
    Kind.REFUND_SENT: "Refund sent",
    Kind.REFUND_RETURNED: "Refund returned",
    Kind.DISPUTE_WITHDRAWN: "Dispute: money withdrawn",
    Kind.DISPUTE_REINSTATED: "Dispute: money reinstated",
    Kind.DISPUTE_WRITTEN_OFF: "Dispute: debt written off",
    Kind.ADJUSTMENT: "Adjustment",
}


def transaction_id(wallet_id: str, seq: int) -> str:
    """`stl_<the wallet's ULID>_<seq>`."""
    return f"stl_{wallet_id.removeprefix('wal_')}_{seq}"


def parse_transaction_id(text: str) -> tuple[str, int] | None:
    """Wallet id and sequence; None when it is not such an id."""
    wallet, _, seq = text.removeprefix("stl_").rpartition("_")
    return (f"wal_{wallet}", int(seq)) if seq.isascii() and seq.isdigit() and len(seq) < 16 else None


@strawberry.type(description="One line of a wallet's statement. Never changes once written.")
class Transaction(Node):
    operation_id: strawberry.Private[str]
    sequence: int = strawberry.field(description="Gapless, from 1, within its wallet.")
    kind: Kind = strawberry.field(description="What it is about.")
    amount: Money = strawberry.field(description="Signed: what it did to `available`.")
    held_delta: Money = strawberry.field(description="Signed: what it did to `held`.")
    available_after: Money = strawberry.field(description="`available` after it.")
    held_after: Money = strawberry.field(description="`held` after it.")
    description: str = strawberry.field(description="A few words to show.")
    created_at: DateTime = strawberry.field(description="When it was written; never before the line before.")

    @strawberry.field(description="What caused it.")
    async def operation(self, info: Info) -> Operation | None:
        operation = await info.context.loaders.operations.load(self.operation_id)
        return None if operation is None else shown(operation)

    @classmethod
    def of(cls, row: Row, currency: str) -> "Transaction":
        """From a stored line. Sequence numbers stay far below GraphQL's 2^31."""
        wallet_id, seq = row["_id"]["w"], row["_id"]["s"]
        kind = Kind(row["kind"])
        return cls(
            id=strawberry.ID(transaction_id(wallet_id, seq)),
            operation_id=row["operation"],
            sequence=seq,
            kind=kind,
            amount=Money.of(row["available_delta"], currency),
            held_delta=Money.of(row["held_delta"], currency),
            available_after=Money.of(row["available_after"], currency),
            held_after=Money.of(row["held_after"], currency),
            description=_DESCRIPTIONS[kind],
            created_at=row["created_at"],
        )


def _key(row: Row) -> str:
    return str(row["_id"]["s"])


@strawberry.input(description="Which lines of a statement to show.")
class TransactionFilter:
    kinds: list[Kind] | None = strawberry.field(default=None, description="Only these kinds.")
    created_after: DateTime | None = strawberry.field(default=None, description="Only later lines.")
    created_before: DateTime | None = strawberry.field(default=None, description="Only earlier lines.")

    def to_criteria(self) -> StatementFilter:
        return StatementFilter(self.kinds, self.created_after, self.created_before)


@strawberry.type(description="A wallet was frozen for a cause, or that was taken back. Never changes.")
class FreezeChange:
    id: strawberry.ID = strawberry.field(description="Opaque.")
    cause: FreezeCause = strawberry.field(description="What kind of reason it is.")
    operation_id: strawberry.ID | None = strawberry.field(description="The operation that it is about.")
    frozen: bool = strawberry.field(description="True when it was frozen, false when that was taken back.")
    by: strawberry.ID = strawberry.field(description="Whose doing it was: a person's or an operation's id.")
    reason: str = strawberry.field(description="In words.")
    at: DateTime = strawberry.field(description="When.")

    @classmethod
    def of(cls, document: ledger.FreezeChange) -> "FreezeChange":
        return cls(
            id=strawberry.ID(document.id),
            cause=document.cause,
            operation_id=None if document.operation is None else strawberry.ID(document.operation),
            frozen=document.frozen,
            by=strawberry.ID(document.by),
            reason=document.reason,
            at=document.at,
        )


@strawberry.type(description="One person's money in one currency.")
class Wallet(Node):
    document: strawberry.Private[ledger.Wallet]
    currency: CurrencyCode = strawberry.field(description="ISO 4217 code.")
    owner: Party = strawberry.field(description="Whose it is.")
    available: Money = strawberry.field(description="What the owner may spend or withdraw; below zero: owed.")
    held: Money = strawberry.field(description="Reserved for withdrawals and refunds in flight.")
    frozen: bool = strawberry.field(description="Whether nothing may leave it for now.")
    freezes: list[WalletFreeze] = strawberry.field(description="Why it is frozen; empty when it is not.")

    @strawberry.field(description="This owner's money locked in escrow, fees included.")
    async def in_escrow(self) -> Money:
        return Money.of(await resolvers.wallets.in_escrow(self.document), self.currency)

    @strawberry.field(
        description="Why a withdrawal of this amount would be refused or wait now; empty when it would go."
    )
    async def withdrawal_blockers(self, info: Info, amount: MinorUnits) -> list[Blocker]:
        found = await resolvers.withdrawals.blockers(info.context, self.document, amount)
        return [Blocker.of(blocker) for blocker in found]

    @strawberry.field(description="Deposits that are being processed.")
    async def incoming(self) -> Money:
        return Money.of(await resolvers.wallets.incoming(self.document), self.currency)

    @strawberry.field(
        description="ADMIN. How it was frozen and unfrozen, newest first. A debt comes and goes with entries."
    )
    async def freeze_changes(
        self,
        info: Info,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> Connection[FreezeChange]:
        request = PageRequest.of(first, after, last, before)
        page = await resolvers.wallets.freeze_changes(info.context, self.document, request)
        return Connection[FreezeChange].of(page, FreezeChange.of)

    @strawberry.field(description="The statement, newest line first.")
    async def transactions(
        self,
        info: Info,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
        filter: TransactionFilter | None = None,
    ) -> Connection[Transaction]:
        request = PageRequest.of(first, after, last, before)
        criteria = StatementFilter() if filter is None else filter.to_criteria()
        page = await resolvers.wallets.statement(info.context, self.document, request, criteria)
        return Connection[Transaction].of(page, lambda row: Transaction.of(row, self.currency), key=_key)

    @classmethod
    def of(cls, document: ledger.Wallet) -> "Wallet":
        return cls(
            id=strawberry.ID(document.id),
            document=document,
            currency=CurrencyCode(document.currency),
            owner=Party.of(document.owner),
            available=Money.of(document.available, document.currency),
            held=Money.of(document.held, document.currency),
            frozen=document.frozen,
            freezes=[WalletFreeze.of(freeze) for freeze in document.freezes],
        )


@strawberry.type(description="A wallet below zero: what its owner owes the platform.")
class Debt:
    wallet: Wallet = strawberry.field(description="The wallet; its `freezes` say why nothing may leave it.")
    owner: Party = strawberry.field(description="Who owes it.")
    owed: Money = strawberry.field(description="How far the wallet is below zero.")
    since: DateTime | None = strawberry.field(description="When it came to be below zero.")
    operation_id: strawberry.Private[str | None]

    @strawberry.field(
        description="What took the wallet below zero. Others may have taken it further since: see the "
        "statement."
    )
    async def operation(self, info: Info) -> Operation | None:
        if self.operation_id is None:
            return None
        operation = await info.context.loaders.operations.load(self.operation_id)
        return None if operation is None else shown(operation)

    @classmethod
    def of(cls, document: ledger.Wallet) -> "Debt":
        """From a wallet that is below zero."""
        debt = document.debt
        return cls(
            wallet=Wallet.of(document),
            owner=Party.of(document.owner),
            owed=Money.of(-document.available, document.currency),
            since=None if debt is None else debt.at,
            operation_id=None if debt is None else debt.operation,
        )


@strawberry.input(description="A wallet to be frozen or unfrozen, and why.")
class WalletDecisionInput:
    wallet_id: strawberry.ID = strawberry.field(description="The wallet's id.")
    reason: str = strawberry.field(description="1 to 500 characters; a freeze's is shown to the owner.")

    def to_command(self) -> WalletDecision:
        return WalletDecision(wallet_id=self.wallet_id, reason=self.reason)


@strawberry.type(description="The wallet as it is now, or why nothing changed.")
class WalletPayload:
    wallet: Wallet | None = strawberry.field(default=None, description="Null when refused.")
    user_errors: list[UserError] = strawberry.field(default_factory=list, description="Empty on success.")

    @classmethod
    def of(cls, document: ledger.Wallet) -> "WalletPayload":
        return cls(wallet=Wallet.of(document))
