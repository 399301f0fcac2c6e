"""Wallets, and the books as a whole."""

from collections.abc import AsyncIterator

import strawberry

import resolvers.books
import resolvers.wallets
from domain import ledger
from domain.kernel.pages import PageRequest
from schema.books import LedgerReport
from schema.shared import USD, Connection, CurrencyCode, Info, answered
from schema.wallets import Debt, Wallet, WalletDecisionInput, WalletPayload


@strawberry.type
class WalletQueries:
    @strawberry.field(
        description="Null for a currency that the platform does not take; made on first use otherwise."
    )
    async def wallet(self, info: Info, currency: CurrencyCode = USD) -> Wallet | None:
        wallet = await resolvers.wallets.own(info.context, currency)
        return None if wallet is None else Wallet.of(wallet)

    @strawberry.field(description="The viewer's wallets, by currency.")
    async def wallets(self, info: Info) -> list[Wallet]:
        return [Wallet.of(wallet) for wallet in await resolvers.wallets.all_own(info.context)]

    @strawberry.field(description="ADMIN. Somebody's wallet; null when they never had one in this currency.")
    async def wallet_of(
        self, info: Info, user_id: strawberry.ID, currency: CurrencyCode = USD
    ) -> Wallet | None:
        wallet = await resolvers.wallets.of_person(info.context, user_id, currency)
        return None if wallet is None else Wallet.of(wallet)

    @strawberry.field(
        description="ADMIN. Wallets below zero in one currency, most owed first. A debt that changes while "
        "pages are turned may be met twice or not at all; every other is met once."
    )
    async def debts(
        self,
        info: Info,
        currency: CurrencyCode = USD,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> Connection[Debt]:
        request = PageRequest.of(first, after, last, before)
        page = await resolvers.wallets.debts(info.context, currency, request)
        return Connection[Debt].of(page, Debt.of, key=ledger.debt_place)

    @strawberry.field(description="ADMIN. Proves the books now: one pass over everything that is stored.")
    async def ledger_report(self, info: Info) -> LedgerReport:
        return LedgerReport.of(await resolvers.books.ledger_report(info.context))


@strawberry.type
class WalletMutations:
    @strawberry.mutation(
        description="ADMIN. Let nothing leave a wallet. What comes in is still posted. Again is no change: "
        "the first reason stays."
    )
    async def freeze_wallet(self, info: Info, input: WalletDecisionInput) -> WalletPayload:
        return await answered(WalletPayload, resolvers.wallets.freeze(info.context, input.to_command()))

    @strawberry.mutation(
        description="ADMIN. Take back what an administrator froze; a dispute's or a debt's freeze stays. "
        "INVALID_STATE when no administrator froze it."
    )
    async def unfreeze_wallet(self, info: Info, input: WalletDecisionInput) -> WalletPayload:
        return await answered(WalletPayload, resolvers.wallets.unfreeze(info.context, input.to_command()))


@strawberry.type
class WalletSubscriptions:
    @strawberry.subscription(
        description="The wallet now, then at each change. Null for a currency that is not taken."
    )
    async def wallet_updated(self, info: Info, currency: CurrencyCode = USD) -> AsyncIterator[Wallet | None]:
        async for wallet in resolvers.wallets.watch(info.context, currency):
            yield None if wallet is None else Wallet.of(wallet)
