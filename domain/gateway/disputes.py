"""Disputes: what banks of payers take back. The product only reads them."""

from datetime import datetime
from typing import Any

from domain.gateway.calls import READ, Calls, parsed
from domain.gateway.objects import Dispute


class DisputeCalls(Calls):
    async def dispute(self, dispute_id: str) -> Dispute:
        """The dispute as it is now, with the movements of money that it has caused so far."""
        retrieve = self._client.v1.disputes.retrieve_async
        answer = await self._ask("disputes.retrieve", retrieve, dispute_id, None, READ)
        return parsed(Dispute.of, answer.to_dict())

    async def disputes(
        self, *, payment_intent: str | None = None, since: datetime | None = None
    ) -> list[Dispute]:
        """Those of an intent, or all that were made at `since` or later; the oldest first."""
        filters: dict[str, Any] = {}
        if payment_intent is not None:
            filters["payment_intent"] = payment_intent
        if since is not None:
            filters["created"] = {"gte": int(since.timestamp())}
        listing = self._all("disputes.list", self._client.v1.disputes.list_async, filters)
        newest_first = [parsed(Dispute.of, raw) async for raw in listing]
        return newest_first[::-1]
