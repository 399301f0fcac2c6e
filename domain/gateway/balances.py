"""The platform's own balance."""

from collections.abc import AsyncIterator
from datetime import datetime
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
