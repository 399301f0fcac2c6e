"""Checkout Sessions: pages of Stripe's own on which a payer pays."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import stripe
from ulid import ULID

from domain.gateway.attempts import Attempt
from domain.gateway.calls import READ, Calls, parsed
from domain.gateway.errors import Refused
from domain.gateway.objects import id_of

# How long Stripe lets a page be open, from its making.
OPEN_MIN: Final = timedelta(minutes=30)
OPEN_MAX: Final = timedelta(hours=24)


@dataclass(frozen=True)
class CheckoutSession:
    """`status` is Stripe's: open, complete (paid, or being paid; it never opens again) or expired.

    `url` is the page's while it is open. `payment_intent` is null until somebody tries to pay.
    """

    id: str
    status: str
    url: str | None
    payment_intent: str | None
    metadata: Mapping[str, str]

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "CheckoutSession":
        """Of Stripe's JSON. Raises AttributeError, KeyError, TypeError."""
        return cls(
            id=raw["id"],
            status=raw["status"],
            url=raw.get("url"),
            payment_intent=id_of(raw.get("payment_intent")),
            metadata=dict(raw.get("metadata") or {}),
        )


class CheckoutCalls(Calls):
    async def create_checkout_session(self, attempt: Attempt, *, lease_until: datetime) -> CheckoutSession:
        create = self._client.v1.checkout.sessions.create_async
        return _session(await self._send("checkout_sessions.create", create, attempt, lease_until))

    async def checkout_session(self, session_id: str) -> CheckoutSession:
        retrieve = self._client.v1.checkout.sessions.retrieve_async
        return _session(await self._ask("checkout_sessions.retrieve", retrieve, session_id, None, READ))

    async def expire_checkout_session(self, session_id: str) -> CheckoutSession:
        """The session as it is after that: expired, or what it is, if Stripe will not expire it.

        No stored attempt, as for an intent that is canceled: expired twice is expired.
        """
        expire = self._client.v1.checkout.sessions.expire_async
        options: Any = {"idempotency_key": f"expire:{session_id}:{ULID()}"}
        try:
            return _session(await self._ask("checkout_sessions.expire", expire, session_id, None, options))
        except Refused:
            # Most often it is open no more, for which Stripe has no code of its own.
            return await self.checkout_session(session_id)

    async def find_checkout_session(
        self, *, customer: str, since: datetime, metadata: Mapping[str, str]
    ) -> CheckoutSession | None:
        """The customer's session, made at `since` or later, that carries `metadata`, if there is one."""
        created = {"customer": customer, "created": {"gte": int(since.timestamp())}}
        list_page = self._client.v1.checkout.sessions.list_async
        async for raw in self._all("checkout_sessions.list", list_page, created):
            if metadata.items() <= raw["metadata"].items():
                return CheckoutSession.of(raw)
        return None


def _session(answer: stripe.StripeObject) -> CheckoutSession:
    return parsed(CheckoutSession.of, answer.to_dict())
