"""Whether a delivery is Stripe's: the signature over the raw bytes, against every secret in rotation."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson
import stripe

TOLERANCE_S: Final = 300
_TIMESTAMP: Final = re.compile(r"(?:^|,)\s*t=(\d{1,12})(?:,|$)")


class BadDelivery(Exception):
    """Not Stripe's, too old, from the future, or not an event. The message names the reason, not the body."""


def verified_event(
    body: bytes, header: str | None, *, secrets: Sequence[str], now: datetime
) -> dict[str, Any]:
    """The event that `body` holds. Raises BadDelivery."""
    if not header:
        raise BadDelivery("no signature")
    stamp = _TIMESTAMP.search(header)
    # The SDK refuses what is old, and takes what comes from the future.
    if stamp is None or abs(int(stamp[1]) - now.timestamp()) > TOLERANCE_S:
        raise BadDelivery("timestamp outside the tolerance")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadDelivery("not UTF-8") from error
    if not any(_signed(text, header, secret) for secret in secrets):
        raise BadDelivery("signature does not fit")
    return _event(body)


def _signed(text: str, header: str, secret: str) -> bool:
    try:
        # The age was judged above, by the product's own clock.
        stripe.WebhookSignature.verify_header(text, header, secret, tolerance=None)
    except (stripe.SignatureVerificationError, ValueError, TypeError):
        return False
    return True


def _event(body: bytes) -> dict[str, Any]:
    try:
        event = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadDelivery("not JSON") from error
    if not isinstance(event, dict) or event.get("object") != "event":
        raise BadDelivery("not an event")
    texts = (event.get("id"), event.get("type"))
    data = event.get("data")
    if not all(isinstance(text, str) and text for text in texts) or not isinstance(data, Mapping):
        raise BadDelivery("not an event")
    if not isinstance(data.get("object"), Mapping) or not isinstance(event.get("livemode"), bool):
        raise BadDelivery("not an event")
    return event
