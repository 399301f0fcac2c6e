"""PaymentIntents and their refunds."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import stripe
from ulid import ULID

from domain.gateway.attempts import Attempt
from domain.gateway.calls import READ, Calls, parsed
from domain.gateway.errors import Refused
from domain.gateway.objects import PaymentIntent, Refund
from domain.kernel.money import Money


class PaymentCalls(Calls):
    async def create_payment_intent(self, attempt: Attempt, *, lease_until: datetime) -> PaymentIntent:
        """The intent that was made, also when it was confirmed at once and the card declined."""
        create = self._client.v1.payment_intents.create_async
        try:
            return _intent(await self._send("payment_intents.create", create, attempt, lease_until))
        except Refused as refused:
            if refused.payment_intent is None:
                raise
            return parsed(PaymentIntent.of, refused.payment_intent)

    async def payment_intent(self, intent_id: str) -> PaymentIntent:
        retrieve = self._client.v1.payment_intents.retrieve_async
        return _intent(await self._ask("payment_intents.retrieve", retrieve, intent_id, None, READ))

    async def cancel_payment_intent(self, intent_id: str, *, reason: str) -> PaymentIntent:
        """The intent as it is after that: canceled, or what it had become before.

        No stored attempt: canceled twice is canceled, and under one key Stripe would repeat a refusal also
        when the intent could be canceled by then.
        """
        cancel = self._client.v1.payment_intents.cancel_async
        options: Any = {"idempotency_key": f"cancel:{intent_id}:{ULID()}"}
        parameters: Any = {"cancellation_reason": reason}
        try:
            return _intent(await self._ask("payment_intents.cancel", cancel, intent_id, parameters, options))
        except Refused as refused:
            if refused.code != "payment_intent_unexpected_state":
                raise
            return await self.payment_intent(intent_id)

    async def find_payment_intent(
        self, *, customer: str, since: datetime, metadata: Mapping[str, str]
    ) -> PaymentIntent | None:
        """The customer's intent, made at `since` or later, that carries `metadata`; None if there is none."""
        created = {"customer": customer, "created": {"gte": int(since.timestamp())}}
        listing = self._all("payment_intents.list", self._client.v1.payment_intents.list_async, created)
        async for raw in listing:
            if metadata.items() <= raw["metadata"].items():
                return PaymentIntent.of(raw)
        return None

    async def create_refund(self, attempt: Attempt, *, lease_until: datetime) -> Refund:
        create = self._client.v1.refunds.create_async
        answer = await self._send("refunds.create", create, attempt, lease_until)
        return parsed(Refund.of, answer.to_dict())

    async def refund(self, refund_id: str) -> Refund:
        retrieve = self._client.v1.refunds.retrieve_async
        answer = await self._ask("refunds.retrieve", retrieve, refund_id, None, READ)
        return parsed(Refund.of, answer.to_dict())

    async def refunds(self, *, payment_intent: str) -> list[Refund]:
        """All refunds of the intent, newest first, whatever became of them."""
        listing = self._all(
            "refunds.list", self._client.v1.refunds.list_async, {"payment_intent": payment_intent}
        )
        return [parsed(Refund.of, raw) async for raw in listing]

    async def find_refund(
        self, *, payment_intent: str, amount: Money, since: datetime, metadata: Mapping[str, str]
    ) -> Refund | None:
        """The intent's refund of `amount`, made at `since` or later, that carries `metadata`.

        None if there is none. One of another amount is not what was asked for, whoever made it.
        """
        made = {"payment_intent": payment_intent, "created": {"gte": int(since.timestamp())}}
        async for raw in self._all("refunds.list", self._client.v1.refunds.list_async, made):
            if metadata.items() <= raw["metadata"].items():
                refund = parsed(Refund.of, raw)
                if refund.amount == amount:
                    return refund
        return None


def _intent(answer: stripe.StripeObject) -> PaymentIntent:
    return parsed(PaymentIntent.of, answer.to_dict())
