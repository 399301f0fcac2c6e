"""Transfers to connected accounts, and the payouts by which these reach a bank."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from domain.gateway.attempts import Attempt
from domain.gateway.calls import READ, Calls, parsed
from domain.gateway.money_out import Payout, Transfer
from domain.kernel.money import Money


class TransferCalls(Calls):
    async def create_transfer(self, attempt: Attempt, *, lease_until: datetime) -> Transfer:
        create = self._client.v1.transfers.create_async
        answer = await self._send("transfers.create", create, attempt, lease_until)
        return parsed(Transfer.of, answer.to_dict())

    async def transfer(self, transfer_id: str) -> Transfer:
        """With all of its reversals."""
        retrieve = self._client.v1.transfers.retrieve_async
        raw = (await self._ask("transfers.retrieve", retrieve, transfer_id, None, READ)).to_dict()
        if not raw["reversals"]["has_more"]:
            return parsed(Transfer.of, raw)

        async def list_page(parameters: Any, options: Any) -> Any:
            return await self._client.v1.transfers.reversals.list_async(transfer_id, parameters, options)

        reversals = [reversal async for reversal in self._all("transfers.reversals.list", list_page, {})]
        return parsed(lambda transfer: Transfer.of(transfer, reversals), raw)

    async def find_transfer(
        self,
        *,
        group: str,
        destination: str,
        amount: Money,
        key: str,
        since: datetime,
        metadata: Mapping[str, str],
    ) -> Transfer | None:
        """That group's transfer of `amount` that carries `metadata`, else the one made under our `key`.

        Of what was made at `since` or later. Stripe's list, and then its events: either may be behind.
        """
        made = {"gte": int(since.timestamp())}
        filters = {"transfer_group": group, "destination": destination, "created": made}
        async for raw in self._all("transfers.list", self._client.v1.transfers.list_async, filters):
            carries = metadata.items() <= raw["metadata"].items()
            # One of another amount is not what was asked for, whoever made it.
            if carries and parsed(Transfer.of, raw).amount == amount:
                return await self.transfer(raw["id"])
        filters = {"types": ["transfer.created"], "created": made}
        async for event in self._all("events.list", self._client.v1.events.list_async, filters):
            if (event["request"] or {}).get("idempotency_key") == key:
                return await self.transfer(event["data"]["object"]["id"])
        return None

    async def payout(self, account: str, payout_id: str) -> Payout:
        retrieve = self._client.v1.payouts.retrieve_async
        answer = await self._ask("payouts.retrieve", retrieve, payout_id, None, _on(account))
        return parsed(Payout.of, answer.to_dict())

    async def payouts(self, account: str, *, since: datetime) -> list[Payout]:
        """The account's payouts that were made at `since` or later, the oldest first."""

        async def list_page(parameters: Any, _options: Any) -> Any:
            return await self._client.v1.payouts.list_async(parameters, _on(account))

        made = {"created": {"gte": int(since.timestamp())}}
        newest_first = [parsed(Payout.of, raw) async for raw in self._all("payouts.list", list_page, made)]
        return newest_first[::-1]

    async def payout_sources(self, account: str, payout_id: str) -> list[str]:
        """The ids of what is in an automatic payout: payments that it pays, payouts that it makes good."""

        async def list_page(parameters: Any, _options: Any) -> Any:
            return await self._client.v1.balance_transactions.list_async(parameters, _on(account))

        listing = self._all("balance_transactions.list", list_page, {"payout": payout_id})
        sources = [raw["source"] async for raw in listing]
        return [source for source in sources if source is not None and source != payout_id]


def _on(account: str) -> Any:
    """As the connected account, in whose data set its payouts are."""
    return {**READ, "stripe_account": account}
