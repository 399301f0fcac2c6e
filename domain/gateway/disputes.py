"""Disputes: what banks of payers take back. The product only reads them."""

from datetime import datetime

from domain.gateway.calls import READ, Calls, parsed
from domain.gateway.objects import Dispute


class DisputeCalls(Calls):
    async def dispute(self, dispute_id: str) -> Dispute:
        """The dispute as it is now, with the movements of money that it has caused so far."""
        retrieve = self._client.v1.disputes.retrieve_async
        answer = await self._ask("disputes.retrieve", retrieve, dispute_id, None, READ)
        return parsed(Dispute.of, answer.to_dict())

    async def disputes(self, *, since: datetime) -> list[Dispute]:
        """All that were made at `since` or later; the oldest first."""
        made = {"created": {"gte": int(since.timestamp())}}
        listing = self._all("disputes.list", self._client.v1.disputes.list_async, made)
        newest_first = [parsed(Dispute.of, raw) async for raw in listing]
        return newest_first[::-1]
