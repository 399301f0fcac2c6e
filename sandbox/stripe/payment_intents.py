"""Payment intents: the endpoints. What happens between them is in `payments.py`."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from . import payment_methods, payments
from .currencies import check_amount, check_currency
from .errors import PaymentFailed, bad_parameter, invalid, unsupported
from .lists import page
from .objects import Object, merge_metadata, shaped
from .support import only

if TYPE_CHECKING:
    from .parameters import Params
    from .transaction import Tx

SECRET_LENGTH = 25

_PLAIN = (
    "description",
    "receipt_email",
    "setup_future_usage",
    "statement_descriptor_suffix",
    "transfer_group",
)
_CONFIRMING = ("off_session", "return_url", "use_stripe_sdk")
_CHANGEABLE_WHEN_DONE = {"description", "metadata", "receipt_email", "transfer_group", "expand"}
_SHOWN_TO_BROWSERS = (
    "id",
    "object",
    "amount",
    "amount_details",
    "automatic_payment_methods",
    "canceled_at",
    "cancellation_reason",
    "capture_method",
    "client_secret",
    "confirmation_method",
    "created",
    "currency",
    "description",
    "last_payment_error",
    "livemode",
    "next_action",
    "payment_method",
    "payment_method_types",
    "processing",
    "receipt_email",
    "setup_future_usage",
    "shipping",
    "status",
)


def create(tx: Tx, params: Params) -> Object:
    supported = ("amount", "currency", "customer", "automatic_payment_methods", "capture_method", "confirm")
    only(
        params,
        *supported,
        "confirmation_method",
        "metadata",
        "payment_method",
        "payment_method_types",
        *_PLAIN,
        *_CONFIRMING,
    )
    if not params.get("confirm"):
        _only_when_confirming(params)
    currency = check_currency(params["currency"])
    if "customer" in params:
        tx.referenced("customer", params["customer"], param="customer")
    intent_id = tx.ids.new("pi_")
    intent = shaped(
        "payment_intent",
        {
            "id": intent_id,
            "object": "payment_intent",
            "amount": check_amount(params["amount"], currency),
            "amount_capturable": 0,
            "amount_details": {"tip": {}},
            "amount_received": 0,
            "automatic_payment_methods": _automatic(params),
            "capture_method": _supported_value(params, "capture_method", "automatic_async", "automatic"),
            "client_secret": f"{intent_id}_secret_{tx.ids.text('client_secret', SECRET_LENGTH)}",
            "confirmation_method": _supported_value(params, "confirmation_method", "automatic"),
            "created": tx.now,
            "currency": currency,
            "customer": params.get("customer"),
            "livemode": False,
            "metadata": merge_metadata({}, params.get("metadata")),
            "payment_method_options": {
                "card": shaped(
                    "payment_intent_payment_method_options_card", {"request_three_d_secure": "automatic"}
                )
            },
            "payment_method_types": _types(params),
            "status": "requires_payment_method",
            **_plain(params),
        },
    )
    if "payment_method" in params:
        intent |= _with_card(tx, intent, params["payment_method"])
    tx.insert(intent)
    tx.emit("payment_intent.created", intent)
    return _confirm(tx, intent, params) if params.get("confirm") else intent


def retrieve(tx: Tx, params: Params, *, intent: str) -> Object:
    body = tx.fetch("payment_intent", intent, param="intent").body
    if "client_secret" in params or tx.publishable:
        _check_secret(body, params)
    return _shown(tx, body)


def update(tx: Tx, params: Params, *, intent: str) -> Object:
    """No event: Stripe has none for it."""
    only(params, "amount", "currency", "customer", "metadata", "payment_method", *_PLAIN)
    body = tx.fetch("payment_intent", intent, param="intent").body
    if params.keys() - _CHANGEABLE_WHEN_DONE:
        payments.refuse_state(body, "update")
    changes = _plain(params)
    changes["metadata"] = merge_metadata(body["metadata"], params.get("metadata"))
    if "customer" in params:
        tx.referenced("customer", params["customer"], param="customer")
        changes["customer"] = params["customer"]
    if "amount" in params or "currency" in params:
        wanted = body | params
        currency = check_currency(wanted["currency"])
        changes |= {"currency": currency, "amount": check_amount(wanted["amount"], currency)}
    after = body | changes
    if "payment_method" in params:
        after |= _with_card(tx, after, params["payment_method"]) | {"next_action": None}
    return tx.save(after)


def confirm(tx: Tx, params: Params, *, intent: str) -> Object:
    only(params, "client_secret", "payment_method", "receipt_email", "setup_future_usage", *_CONFIRMING)
    body = tx.fetch("payment_intent", intent, param="intent").body
    if "client_secret" in params or tx.publishable:
        _check_secret(body, params)
    payments.refuse_state(body, "confirm")
    body |= _plain(params)
    if "payment_method" in params:
        body |= _with_card(tx, body, params["payment_method"])
    try:
        return _shown(tx, _confirm(tx, body, params))
    except PaymentFailed as failure:
        failure.body["payment_intent"] = _shown(tx, failure.body["payment_intent"])
        raise


def cancel(tx: Tx, params: Params, *, intent: str) -> Object:
    body = tx.fetch("payment_intent", intent, param="intent").body
    payments.refuse_state(body, "cancel")
    return payments.cancel(tx, body, reason=params.get("cancellation_reason"))


def list_all(tx: Tx, params: Params) -> Object:
    only(params, "created", "customer", "limit", "starting_after", "ending_before")
    return page(tx, "payment_intent", params, url="/v1/payment_intents", equal=("customer",))


def _confirm(tx: Tx, intent: Object, params: Params) -> Object:
    if intent["payment_method"] is None:
        raise invalid(
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either "
            "update the "
            "PaymentIntent with a payment method and then confirm it again, or confirm it again directly "
            "with a "
            "payment method or ConfirmationToken.",
            code="payment_intent_unexpected_state",
            payment_intent=intent,
        )
    _check_return_url(intent, params, by_browser=tx.publishable)
    confirmation = payments.Confirmation(
        off_session=bool(params.get("off_session")),
        return_url=params.get("return_url"),
        use_stripe_sdk=params.get("use_stripe_sdk", False),
    )
    return payments.pay(tx, intent, confirmation)


def _check_return_url(intent: Object, params: Params, *, by_browser: bool) -> None:
    """A card that redirects needs somewhere to come back to, unless redirects are ruled out."""
    automatic = intent["automatic_payment_methods"]
    may_redirect = automatic is not None and automatic.get("allow_redirects") != "never"
    if not may_redirect or by_browser or "return_url" in params or params.get("use_stripe_sdk"):
        return
    raise invalid(
        "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because "
        "some of these "
        "payment methods might redirect your customer off of your page, you must provide a `return_url`. "
        "If you don't "
        "want to accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to `true` "
        "and "
        "`automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and Payment "
        "Intents.",
        param="return_url",
    )


def _plain(params: Params) -> Object:
    """The fields that are taken as they are given; "" unsets."""
    return {name: params[name] or None for name in _PLAIN if name in params}


def _with_card(tx: Tx, intent: Object, payment_method: str) -> Object:
    stored = payment_methods.usable(tx, payment_method, customer=intent["customer"])
    return {"payment_method": stored.body["id"], "status": "requires_confirmation"}


def _automatic(params: Params) -> Object | None:
    """Dynamic payment methods are what Stripe does when nothing is said."""
    given = params.get("automatic_payment_methods")
    if "payment_method_types" in params:
        if given and given["enabled"]:
            raise invalid(
                "You may only specify one of these parameters: automatic_payment_methods, "
                "payment_method_types.",
                param="automatic_payment_methods",
                code="parameters_exclusive",
            )
        return None
    if given is None:
        return {"allow_redirects": "always", "enabled": True}
    if not given["enabled"]:
        return None
    return {"allow_redirects": given.get("allow_redirects", "always"), "enabled": True}


def _types(params: Params) -> list[str]:
    types = params.get("payment_method_types", ["card"])
    if types != ["card"]:
        raise unsupported("payment_method_types", what="payment methods other than cards")
    return ["card"]


def _supported_value(params: Params, name: str, *values: str) -> str:
    """The first value is the default."""
    value: str = params.get(name, values[0])
    if value not in values:
        raise unsupported(name, what=f"{name}={value}")
    return value


def _only_when_confirming(params: Params) -> None:
    for name in _CONFIRMING:
        if name in params and name != "use_stripe_sdk":
            raise invalid(
                f"The parameter `{name}` cannot be passed when creating a PaymentIntent unless `confirm` "
                "is set to true.",
                param=name,
            )


def _check_secret(intent: Object, params: Params) -> None:
    given = params.get("client_secret")
    if given is None:
        raise bad_parameter(
            "Missing required param: client_secret.", param="client_secret", code="parameter_missing"
        )
    if not secrets.compare_digest(given.encode(), intent["client_secret"].encode()):
        raise invalid(
            "The client_secret provided does not match the client_secret associated with the PaymentIntent.",
            param="client_secret",
            code="payment_intent_invalid_parameter",
        )


def _shown(tx: Tx, intent: Object) -> Object:
    """A browser sees less than the server does."""
    return {name: intent[name] for name in _SHOWN_TO_BROWSERS} if tx.publishable else intent
