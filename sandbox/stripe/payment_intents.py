"""Payment intents: the endpoints. What happens between them is in `payments.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import intents, payment_methods, payments
from .currencies import check_amount, check_currency
from .errors import StripeError, unsupported
from .lists import page
from .objects import Object, merge_metadata, shaped
from .support import only

if TYPE_CHECKING:
    from .parameters import Params
    from .transaction import Tx

_PLAIN = (
    "description",
    "receipt_email",
    "setup_future_usage",
    "statement_descriptor_suffix",
    "transfer_group",
)
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
        "payment_method_options",
        "payment_method_types",
        *_PLAIN,
        *intents.CONFIRMING,
    )
    intents.only_when_confirming(params, name="PaymentIntent")
    currency = check_currency(params["currency"])
    if "customer" in params:
        tx.referenced("customer", params["customer"], param="customer")
    intent = draft(tx, params | {"currency": currency}, types=intents.types(params))
    if "payment_method" in params:
        intent |= _with_card(tx, intent, params["payment_method"])
    tx.insert(intent)
    tx.emit("payment_intent.created", intent)
    return _confirm(tx, intent, params) if params.get("confirm") else intent


def draft(tx: Tx, params: Params, *, types: list[str]) -> Object:
    """A fresh one, not yet told to anybody. Raises StripeError for an amount that cannot be charged."""
    intent_id = tx.ids.new("pi_")
    intent = shaped(
        "payment_intent",
        {
            "id": intent_id,
            "object": "payment_intent",
            "amount": check_amount(params["amount"], params["currency"]),
            "amount_capturable": 0,
            "amount_details": {"tip": {}},
            "amount_received": 0,
            "automatic_payment_methods": intents.automatic(params),
            "capture_method": _supported_value(params, "capture_method", "automatic_async", "automatic"),
            "client_secret": intents.new_secret(tx, intent_id),
            "confirmation_method": _supported_value(params, "confirmation_method", "automatic"),
            "created": tx.now,
            "currency": params["currency"],
            "customer": params.get("customer"),
            "livemode": False,
            "metadata": merge_metadata({}, params.get("metadata")),
            "payment_method_options": {
                "card": shaped(
                    "payment_intent_payment_method_options_card", {"request_three_d_secure": "automatic"}
                )
            },
            "payment_method_types": types,
            "status": "requires_payment_method",
            **_plain(params),
        },
    )
    return intent | intents.with_options(intent, params)


def retrieve(tx: Tx, params: Params, *, intent: str) -> Object:
    body = tx.fetch("payment_intent", intent, param="intent").body
    if "client_secret" in params or tx.publishable:
        intents.check_secret(body, params)
    return _shown(tx, body)


def update(tx: Tx, params: Params, *, intent: str) -> Object:
    """No event: Stripe has none for it."""
    supported = ("amount", "currency", "customer", "metadata", "payment_method", "payment_method_options")
    only(params, *supported, *_PLAIN)
    stored = tx.fetch("payment_intent", intent, param="intent")
    body = stored.body
    if params.keys() - _CHANGEABLE_WHEN_DONE:
        intents.refuse_state(body, "update")
        intents.refuse_checkout(stored)
    changes = _plain(params)
    changes["metadata"] = merge_metadata(body["metadata"], params.get("metadata"))
    if "customer" in params:
        tx.referenced("customer", params["customer"], param="customer")
        changes["customer"] = params["customer"]
    if "amount" in params or "currency" in params:
        wanted = body | params
        currency = check_currency(wanted["currency"])
        changes |= {"currency": currency, "amount": check_amount(wanted["amount"], currency)}
    after = body | changes | intents.with_options(body, params)
    if "payment_method" in params:
        after |= _with_card(tx, after, params["payment_method"]) | {"next_action": None}
    return tx.save(after)


def confirm(tx: Tx, params: Params, *, intent: str) -> Object:
    supported = ("client_secret", "payment_method", "payment_method_options", "receipt_email")
    only(params, *supported, "setup_future_usage", *intents.CONFIRMING)
    stored = tx.fetch("payment_intent", intent, param="intent")
    body = stored.body
    if "client_secret" in params or tx.publishable:
        intents.check_secret(body, params)
    try:
        intents.refuse_state(body, "confirm")
        intents.refuse_checkout(stored)
        body |= _plain(params) | intents.with_options(body, params)
        if "payment_method" in params:
            body |= _with_card(tx, body, params["payment_method"])
        return _shown(tx, _confirm(tx, body, params))
    except StripeError as error:
        if "payment_intent" in error.body:
            error.body["payment_intent"] = _shown(tx, error.body["payment_intent"])
        raise


def cancel(tx: Tx, params: Params, *, intent: str) -> Object:
    stored = tx.fetch("payment_intent", intent, param="intent")
    intents.refuse_state(stored.body, "cancel")
    intents.refuse_checkout(stored)
    return payments.cancel(tx, stored.body, reason=params.get("cancellation_reason"))


def list_all(tx: Tx, params: Params) -> Object:
    only(params, "created", "customer", "limit", "starting_after", "ending_before")
    return page(tx, "payment_intent", params, url="/v1/payment_intents", equal=("customer",))


def _confirm(tx: Tx, intent: Object, params: Params) -> Object:
    return payments.pay(tx, intent, intents.confirmation(intent, params, by_browser=tx.publishable))


def _plain(params: Params) -> Object:
    """The fields that are taken as they are given; "" unsets."""
    return {name: params[name] or None for name in _PLAIN if name in params}


def _with_card(tx: Tx, intent: Object, payment_method: str) -> Object:
    stored = payment_methods.usable(tx, payment_method, intent=intent)
    return {"payment_method": stored.body["id"], "status": "requires_confirmation"}


def _supported_value(params: Params, name: str, *values: str) -> str:
    """The first value is the default."""
    value: str = params.get(name, values[0])
    if value not in values:
        raise unsupported(name, what=f"{name}={value}")
    return value


def _shown(tx: Tx, intent: Object) -> Object:
    """A browser sees less than the server does."""
    return {name: intent[name] for name in _SHOWN_TO_BROWSERS} if tx.publishable else intent
