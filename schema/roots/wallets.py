"""Wallets, and the books as a whole."""

from collections.abc import AsyncIterator

import strawberry

import resolvers.books
import resolvers.wallets
from schema.books import LedgerReport
from schema.shared import USD, CurrencyCode, Info
from schema.wallets import Wallet


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

    @strawberry.field(description="ADMIN. Proves the books now: one pass over everything that is stored.")
    async def ledger_report(self, info: Info) -> LedgerReport:
        return LedgerReport.of(await resolvers.books.ledger_report(info.context))


@strawberry.type
class WalletSubscriptions:
    @strawberry.subscription(
        description="The wallet now, then at each change. Null for a currency that is not taken."
    )
    async def wallet_updated(self, info: Info, currency: CurrencyCode = USD) -> AsyncIterator[Wallet | None]:
        async for wallet in resolvers.wallets.watch(info.context, currency):
            yield None if wallet is None else Wallet.of(wallet)
