"""Refusals, in Stripe's words and shape.

StripeError          not a 200; of the request nothing remains but this answer, under its idempotency key
├── NotExecuted      refused before the endpoint ran: not even that
└── CardError        402: the card cannot be used
    └── AttemptFailed    ... and was tried in vain: the intent remembers it
        ├── PaymentFailed
        └── SetupFailed
"""

from typing import Any

DOCS = "https://stripe.com/docs/error-codes/"


class StripeError(Exception):
    """`fields` are those of Stripe's error object, beside `type`, `code`, `message` and `param`."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        type: str = "invalid_request_error",
        fields: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        known = {"code": code, "message": message, "param": param, "type": type}
        self.body: dict[str, Any] = {name: value for name, value in known.items() if value is not None}
        if code is not None:
            self.body["doc_url"] = DOCS + code.replace("_", "-")
        self.body |= fields or {}

    def envelope(self, request_id: str) -> dict[str, Any]:
        """What goes over the wire."""
        log = f"https://dashboard.stripe.com/test/logs/{request_id}"
        return {"error": dict(sorted((self.body | {"request_log_url": log}).items()))}


class NotExecuted(StripeError):
    """Authentication, routing, validation, limits and idempotency conflicts."""


class CardError(StripeError):
    """402: a card that cannot be used. `fields` are the whole of Stripe's error object."""

    def __init__(self, fields: dict[str, Any]) -> None:
        named = {"code", "message", "param", "type"}
        super().__init__(
            402,
            fields["message"],
            code=fields["code"],
            param=fields.get("param"),
            type="card_error",
            fields={name: value for name, value in fields.items() if name not in named},
        )


class AttemptFailed(CardError):
    """What the request changed stays: the intent lives on, and can be tried again with another card."""


class PaymentFailed(AttemptFailed):
    """The error holds the payment intent, which remembers the charge."""


class SetupFailed(AttemptFailed):
    """The error holds the setup intent."""


def invalid(message: str, *, param: str | None = None, code: str | None = None, **fields: Any) -> StripeError:
    """A business 400: the endpoint ran and said no."""
    return StripeError(400, message, code=code, param=param, fields=fields)


def bad_parameter(message: str, *, param: str | None = None, code: str | None = None) -> NotExecuted:
    """A validation 400: the endpoint never ran."""
    return NotExecuted(400, message, code=code, param=param)


def no_access(account: str) -> NotExecuted:
    """403: the account never was, or is connected no more. Stripe does not say which."""
    return NotExecuted(
        403,
        f"The provided key does not have access to account '{account}' (or that account does not exist). "
        "Application access may have been revoked.",
        code="account_invalid",
    )


def missing(object_type: str, object_id: str, *, param: str, status: int = 404) -> StripeError:
    """404 for what the path names, 400 for what a parameter names."""
    label = {"payment_method": "PaymentMethod"}.get(object_type, object_type)
    return StripeError(status, f"No such {label}: '{object_id}'", code="resource_missing", param=param)


def unsupported(param: str, *, what: str) -> NotExecuted:
    """Stripe could do it; the sandbox says plainly that it cannot, rather than ignore it."""
    return bad_parameter(f"The sandbox does not support {what}.", param=param, code="sandbox_unsupported")
