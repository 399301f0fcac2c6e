"""What every call to Stripe is made with: the SDK's client, and the transport that paces and judges."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import stripe

from domain.gateway.errors import Unknown
from domain.gateway.transport import READ, Transport

__all__ = ["READ", "Calls", "parsed"]
Parsed = TypeVar("Parsed")


class Calls:
    """The calls about one noun are a class of their own; StripeGateway is all of them."""

    def __init__(self, client: stripe.StripeClient, transport: Transport) -> None:
        self._client = client
        self._ask, self._send, self._all = transport.ask, transport.send, transport.all


def parsed(of: Callable[[Mapping[str, Any]], Parsed], raw: Mapping[str, Any]) -> Parsed:
    """Raises Unknown for an answer that is not what was asked for: it was probably done all the same."""
    try:
        return of(raw)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Unknown("unparsable_answer") from error
