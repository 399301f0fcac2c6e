"""Setup intents: the endpoints. What happens between them is in `setups.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import intents, payment_methods, setups
from .errors import StripeError
from .lists import page
from .objects import Object, merge_metadata, shaped
from .support import only

if TYPE_CHECKING:
    from .parameters import Params
    from .transaction import Tx

_OF_CARDS = ("payment_method", "payment_method_options")
_CONFIRMING = ("return_url", "use_stripe_sdk")
_CHANGEABLE_WHEN_DONE = {"description", "metadata", "expand"}
_SHOWN_TO_BROWSERS = (
    "id",
    "object",
    "automatic_payment_methods",
    "cancellation_reason",
    "client_secret",
    "created",
    "description",
    "last_setup_error",
    "livemode",
    "next_action",
    "payment_method",
    "payment_method_types",
    "status",
    "usage",
)


def create(tx: Tx, params: Params) -> Object:
    supported = ("automatic_payment_methods", "confirm", "customer", "description", "metadata", "usage")
    only(params, *supported, *_OF_CARDS, "payment_method_types", *_CONFIRMING)
    intents.only_when_confirming(params, name="SetupIntent")
    if "customer" in params:
        tx.referenced("customer", params["customer"], param="customer")
    intent_id = tx.ids.new("seti_")
    intent = shaped(
        "setup_intent",
        {
            "id": intent_id,
            "object": "setup_intent",
            "automatic_payment_methods": intents.automatic(params),
            "client_secret": intents.new_secret(tx, intent_id),
            "created": tx.now,
            "customer": params.get("customer"),
            "description": params.get("description"),
            "livemode": False,
            "metadata": merge_metadata({}, params.get("metadata")),
            "payment_method_options": {
                "card": shaped(
                    "setup_intent_payment_method_options_card", {"request_three_d_secure": "automatic"}
                )
            },
            "payment_method_types": intents.types(params),
            "status": "requires_payment_method",
            "usage": params.get("usage", "off_session"),
        },
    )
    intent |= intents.with_options(intent, params)
    if "payment_method" in params:
        intent |= _with_card(tx, intent, params["payment_method"])
    tx.insert(intent)
    tx.emit("setup_intent.created", intent)
    return _confirm(tx, intent, params) if params.get("confirm") else intent


def retrieve(tx: Tx, params: Params, *, intent: str) -> Object:
    body = tx.fetch("setup_intent", intent, param="intent").body
    if "client_secret" in params or tx.publishable:
        intents.check_secret(body, params)
    return _shown(tx, body)


def update(tx: Tx, params: Params, *, intent: str) -> Object:
    """No event: Stripe has none for it."""
    only(params, "customer", "description", "metadata", *_OF_CARDS)
    body = tx.fetch("setup_intent", intent, param="intent").body
    if params.keys() - _CHANGEABLE_WHEN_DONE:
        intents.refuse_state(body, "update")
    changes: Object = {"metadata": merge_metadata(body["metadata"], params.get("metadata"))}
    if "description" in params:
        changes["description"] = params["description"]
    if "customer" in params:
        tx.referenced("customer", params["customer"], param="customer")
        changes["customer"] = params["customer"]
    after = body | changes | intents.with_options(body, params)
    if "payment_method" in params:
        setups.give_up(tx, body)
        after |= _with_card(tx, after, params["payment_method"]) | {"next_action": None}
    return tx.save(after)


def confirm(tx: Tx, params: Params, *, intent: str) -> Object:
    only(params, "client_secret", *_OF_CARDS, *_CONFIRMING)
    body = tx.fetch("setup_intent", intent, param="intent").body
    if "client_secret" in params or tx.publishable:
        intents.check_secret(body, params)
    try:
        intents.refuse_state(body, "confirm")
        body |= intents.with_options(body, params)
        if "payment_method" in params:
            body |= _with_card(tx, body, params["payment_method"])
        return _shown(tx, _confirm(tx, body, params))
    except StripeError as error:
        if "setup_intent" in error.body:
            error.body["setup_intent"] = _shown(tx, error.body["setup_intent"])
        raise


def cancel(tx: Tx, params: Params, *, intent: str) -> Object:
    body = tx.fetch("setup_intent", intent, param="intent").body
    intents.refuse_state(body, "cancel")
    return setups.cancel(tx, body, reason=params.get("cancellation_reason"))


def list_all(tx: Tx, params: Params) -> Object:
    only(params, "created", "customer", "payment_method", "limit", "starting_after", "ending_before")
    return page(tx, "setup_intent", params, url="/v1/setup_intents", equal=("customer", "payment_method"))


def _confirm(tx: Tx, intent: Object, params: Params) -> Object:
    return setups.set_up(tx, intent, intents.confirmation(intent, params, by_browser=tx.publishable))


def _with_card(tx: Tx, intent: Object, payment_method: str) -> Object:
    stored = payment_methods.usable(tx, payment_method, intent=intent)
    return {"payment_method": stored.body["id"], "status": "requires_confirmation"}


def _shown(tx: Tx, intent: Object) -> Object:
    """A browser sees less than the server does."""
    return {name: intent[name] for name in _SHOWN_TO_BROWSERS} if tx.publishable else intent
