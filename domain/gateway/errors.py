"""What Stripe can answer but yes. Told apart here, once, by the table in docs/stripe.md.

StripeTrouble
├── Refused      a definite no: tell the person; the same key would be refused again
├── NotDone      certainly not executed, may work later: the same key, later
│   └── CircuitOpen   not even sent: Stripe is down
├── Unknown      nobody knows whether it was done: the same key, or look it up; never a new key
│   └── NotFoundYet   looked up in vain, but one empty list proves nothing: look again
├── KeySpent     certainly not done, and this key never will be: a new key
└── Misuse       our bug or our configuration: an alert; says nothing about an earlier sending
    └── Forbidden     401, 403: Stripe let nothing in, so this sending did nothing
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import httpx
import stripe


class StripeTrouble(Exception):
    """`code` is Stripe's where it gave one. The message may be logged: it never quotes a body.

    `outage`: Stripe did not answer, or not as Stripe does; many of them in a row open the circuit.
    `retry_after`: where it is known when asking again will be of use. Such trouble counts as no attempt.
    """

    retry_after: timedelta | None = None

    def __init__(self, code: str, *, request_id: str | None = None, outage: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.request_id = request_id
        self.outage = outage


class NotDone(StripeTrouble):
    pass


class CircuitOpen(NotDone):
    """`retry_after`: about when the circuit may be closed again."""

    def __init__(self, *, retry_after: timedelta) -> None:
        super().__init__("circuit_open")
        self.retry_after: timedelta = retry_after


class Unknown(StripeTrouble):
    """`replayed`: Stripe repeats a failure that it stored under this key; sending it again is of no use."""

    def __init__(
        self, code: str, *, request_id: str | None = None, outage: bool = False, replayed: bool = False
    ) -> None:
        super().__init__(code, request_id=request_id, outage=outage)
        self.replayed = replayed


class NotFoundYet(Unknown):
    """`retry_after`: when another empty lookup would prove something."""

    def __init__(self, *, retry_after: timedelta) -> None:
        super().__init__("not_found_yet")
        self.retry_after: timedelta = retry_after


class KeySpent(StripeTrouble):
    """Certainly not done under this key, and never will be: the next attempt takes a new one."""


class Misuse(StripeTrouble):
    pass


class Forbidden(Misuse):
    pass


class Refused(StripeTrouble):
    """`message` is Stripe's sentence for a person; `decline_code` comes with a declined card.

    `replayed`: Stripe keeps this answer under the key; until then it is one of this moment only.
    `payment_intent` is Stripe's JSON of the intent that was refused something: it exists, and lives on.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        decline_code: str | None = None,
        parameter: str | None = None,
        payment_intent: Mapping[str, Any] | None = None,
        request_id: str | None = None,
        replayed: bool = False,
    ) -> None:
        super().__init__(code, request_id=request_id)
        self.message = message
        self.replayed = replayed
        self.decline_code = decline_code
        self.parameter = parameter
        self.payment_intent = payment_intent


# The request never left this machine: httpx had no connection to send it on.
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def classify(error: stripe.StripeError) -> StripeTrouble:
    """The product's kind of trouble for what the SDK raised."""
    request_id = error.request_id
    # The SDK fills error.code for some classes only; the body has it for all.
    code = getattr(error.error, "code", None) or error.code or type(error).__name__
    replayed = (error.headers or {}).get("idempotent-replayed") == "true"
    match error:
        case stripe.APIConnectionError():
            if isinstance(error.__cause__, _NEVER_SENT):
                return NotDone("not_connected", outage=True)
            # What broke is worth a word: a lost answer, or, disguised as one, a mistake of ours.
            return Unknown(f"answer_lost_by_{type(error.__cause__).__name__}", outage=True)
        case stripe.RateLimitError():
            return NotDone(code, request_id=request_id)
        case stripe.CardError() | stripe.InvalidRequestError():
            return Refused(
                code,
                error.user_message or "The payment provider refused this request.",
                decline_code=getattr(error.error, "decline_code", None),
                parameter=error.param,
                payment_intent=_intent_in(error),
                request_id=request_id,
                replayed=replayed,
            )
        case stripe.AuthenticationError() | stripe.PermissionError() | stripe.IdempotencyError():
            kind = Misuse if isinstance(error, stripe.IdempotencyError) else Forbidden
            return kind(code, request_id=request_id)
        case _:
            # 409 (still running), 5xx, and a 200 that cannot be parsed.
            # What Stripe stored once and repeats now says nothing about its health.
            outage = not replayed and (error.error is None or (error.http_status or 0) >= 500)
            return Unknown(code, request_id=request_id, outage=outage, replayed=replayed)


def _intent_in(error: stripe.StripeError) -> Mapping[str, Any] | None:
    body = error.json_body
    intent = body["error"].get("payment_intent") if isinstance(body, Mapping) else None
    return intent if isinstance(intent, Mapping) else None
