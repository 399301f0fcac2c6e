"""The platform's own balance."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from domain.gateway.calls import READ, Calls, parsed
from domain.gateway.objects import Balance, BalanceTransaction


class BalanceCalls(Calls):
    async def balance(self) -> Balance:
        """What Stripe holds for the platform now."""
        answer = await self._ask("balance.retrieve", self._client.v1.balance.retrieve_async, None, READ)
        return parsed(Balance.of, answer.to_dict())

    async def balance_transactions(
        self, *, since: datetime | None, until: datetime | None = None
    ) -> AsyncIterator[BalanceTransaction]:
        """Every movement made from `since` to `until`, both included, to the second; newest first."""
        bounds = {
            name: int(instant.timestamp())
            for name, instant in (("gte", since), ("lte", until))
            if instant is not None
        }
        filters: dict[str, Any] = {"expand": ["data.source"]} | ({"created": bounds} if bounds else {})
        list_page = self._client.v1.balance_transactions.list_async
        async for raw in self._all("balance_transactions.list", list_page, filters):
            yield parsed(BalanceTransaction.of, raw)

    async def funds_expected_at(self, currency: str, *, after: datetime) -> datetime | None:
        """When the next of the platform's pending money becomes available, as its newest movements tell."""
        filters: Any = {"currency": currency.lower(), "limit": 100}
        list_page = self._client.v1.balance_transactions.list_async
        page = (await self._ask("balance_transactions.list", list_page, filters, READ)).to_dict()
        moments = [datetime.fromtimestamp(raw["available_on"], UTC) for raw in page["data"] if raw["net"] > 0]
        return min((moment for moment in moments if moment > after), default=None)
