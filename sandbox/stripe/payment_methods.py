"""Payment methods: cards. Using a template (`pm_card_visa`) clones it into a card with an id of its own."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from . import intents
from .cards import BY_NUMBER, LIVE_CARD, TEMPLATES, TestCard
from .errors import CardError, StripeError, bad_parameter, invalid, missing, unsupported
from .lists import page
from .objects import Object, merge_metadata, shaped
from .support import only

if TYPE_CHECKING:
    from .parameters import Params
    from .store import Stored
    from .transaction import Tx

_NEVER_AGAIN = (
    "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, "
    "shared with a "
    "connected account without Customer attachment, or was detached from a Customer. It may not be used "
    "again. "
    "To use a PaymentMethod multiple times, you must attach it to a Customer first."
)


def create(tx: Tx, params: Params) -> Object:
    """From a raw test number or a `tok_...` of the same name as a template."""
    only(params, "type", "card", "billing_details", "metadata", "allow_redisplay")
    if "type" not in params:
        raise bad_parameter("Missing required param: type.", param="type", code="parameter_missing")
    if params["type"] != "card":
        raise unsupported("type", what="payment methods other than cards")
    card = _card(params.get("card") or {})
    created = _clone(tx, card, metadata=merge_metadata({}, params.get("metadata")))
    created["billing_details"] |= _billing(params.get("billing_details") or {})
    if "allow_redisplay" in params:
        created["allow_redisplay"] = params["allow_redisplay"]
    return tx.save(created)


def retrieve(tx: Tx, _params: Params, *, payment_method: str) -> Object:
    return _use(tx, payment_method, param="payment_method", status=404).body


def update(tx: Tx, params: Params, *, payment_method: str) -> Object:
    only(params, "billing_details", "metadata", "allow_redisplay")
    before = tx.fetch("payment_method", payment_method, param="payment_method").body
    if before["customer"] is None:
        raise invalid("You must save this PaymentMethod to a customer before you can update it.")
    after = before | {"metadata": merge_metadata(before["metadata"], params.get("metadata"))}
    if "billing_details" in params:
        after["billing_details"] = before["billing_details"] | _billing(params["billing_details"])
    if "allow_redisplay" in params:
        after["allow_redisplay"] = params["allow_redisplay"]
    return tx.save_and_emit("payment_method.updated", before, after)


def attach(tx: Tx, params: Params, *, payment_method: str) -> Object:
    only(params, "customer")
    if "customer" not in params:
        raise bad_parameter("Missing required param: customer.", param="customer", code="parameter_missing")
    tx.referenced("customer", params["customer"], param="customer")
    stored = _use(tx, payment_method, param="payment_method", status=404)
    card = card_of(stored)
    if card.decline is not None and not card.attaches:
        raise CardError(card.decline.fields())
    if stored.body["customer"] not in {None, params["customer"]}:
        raise invalid(
            "The payment method you provided has already been attached to a customer.",
            code="resource_already_exists",
        )
    if stored.private.get("spent"):
        raise _spent(status=400)
    return save_to_customer(tx, stored.body, params["customer"])


def detach(tx: Tx, _params: Params, *, payment_method: str) -> Object:
    stored = tx.fetch("payment_method", payment_method, param="payment_method")
    before = stored.body
    if before["customer"] is None:
        raise invalid(
            "The payment method you provided is not attached to a customer so detachment is impossible.",
            param="payment_method",
        )
    after = before | {"customer": None}
    tx.store.update_private(payment_method, stored.private | {"spent": True})
    tx.save(after)
    tx.emit("payment_method.detached", after, previous={"customer": before["customer"]})
    _forget_default(tx, before["customer"], payment_method)
    return after


def list_all(tx: Tx, params: Params) -> Object:
    if "customer" not in params:
        params = params | {"customer": ""}  # Stripe lists payment methods of customers alone
    else:
        tx.referenced("customer", params["customer"], param="customer")
    return _listed(tx, params, url="/v1/payment_methods")


def list_of_customer(tx: Tx, params: Params, *, customer: str) -> Object:
    tx.fetch("customer", customer, param="customer")
    return _listed(tx, params | {"customer": customer}, url=f"/v1/customers/{customer}/payment_methods")


def retrieve_of_customer(tx: Tx, _params: Params, *, customer: str, payment_method: str) -> Object:
    tx.fetch("customer", customer, param="customer")
    body = tx.fetch("payment_method", payment_method, param="payment_method").body
    if body["customer"] != customer:
        raise missing("payment_method", payment_method, param="payment_method")
    return body


def _listed(tx: Tx, params: Params, *, url: str) -> Object:
    return page(tx, "payment_method", params, url=url, equal=("customer", "type", "allow_redisplay"))


# For intents


def usable(tx: Tx, payment_method: str, *, intent: Object) -> Stored:
    """The card to pay with, or to save: a fresh clone of a template, or one that is there.

    Raises StripeError (400) when it is unknown, somebody else's, or was used up.
    """
    stored = _use(tx, payment_method, param="payment_method", status=400)
    owner = stored.body["customer"]
    if owner is None and stored.private.get("spent"):
        raise _spent(status=400)
    if owner is not None and owner != intent["customer"]:
        raise invalid(
            f"The payment method {payment_method} belongs to the customer {owner}. "
            f"Please include the customer in the `customer` parameter on the {intents.label(intent)}.",
            param="payment_method",
        )
    return stored


def card_of(stored: Stored) -> TestCard:
    return BY_NUMBER[stored.private["number"]]


def spend(tx: Tx, stored: Stored) -> None:
    """A card that pays once without belonging to a customer can never be used again."""
    if stored.body["customer"] is None:
        tx.store.update_private(stored.body["id"], stored.private | {"spent": True})


def save_to_customer(tx: Tx, body: Object, customer: str) -> Object:
    """Attach it, and say so once."""
    if body["customer"] == customer:
        return body
    after = body | {"customer": customer}
    tx.save(after)
    tx.emit("payment_method.attached", after)
    return after


def set_up(tx: Tx, stored: Stored) -> None:
    """The cardholder was authenticated while saving it: some cards ask no more after that."""
    tx.store.update_private(stored.body["id"], stored.private | {"set_up": True})


def _use(tx: Tx, payment_method: str, *, param: str, status: int) -> Stored:
    template = TEMPLATES.get(payment_method)
    if template is not None:
        payment_method = _clone(tx, template, metadata={})["id"]
    return tx.fetch("payment_method", payment_method, param=param, status=status)


def _clone(tx: Tx, card: TestCard, *, metadata: dict[str, str]) -> Object:
    body = shaped(
        "payment_method",
        {
            "id": tx.ids.new("pm_"),
            "object": "payment_method",
            "allow_redisplay": "unspecified",
            "billing_details": shaped("billing_details", {"address": shaped("address", {})}),
            "card": _face(tx, card),
            "created": tx.now,
            "livemode": False,
            "metadata": metadata,
            "type": "card",
        },
    )
    return tx.insert(body, {"number": card.number})


def _face(tx: Tx, card: TestCard) -> Object:
    """What one can see of a card. The fingerprint is the number's."""
    checks = shaped("payment_method_card_checks", {"cvc_check": "unchecked"})
    year = datetime.datetime.fromtimestamp(tx.now, datetime.UTC).year
    return shaped(
        "payment_method_card",
        {
            "brand": card.brand,
            "checks": checks,
            "country": "US",
            "display_brand": card.brand,
            "exp_month": 12,
            "exp_year": year + 1,
            "fingerprint": fingerprint(card),
            "funding": "credit",
            "last4": card.last4,
            "networks": {"available": [card.brand], "preferred": None},
            "regulated_status": "unregulated",
            "three_d_secure_usage": {"supported": True},
        },
    )


def fingerprint(card: TestCard) -> str:
    return f"{int(card.number):016x}"[-16:]


def _card(given: Params) -> TestCard:
    token = given.get("token")
    if token is not None:
        template = TEMPLATES.get(token.replace("tok_", "pm_card_", 1))
        if template is None:
            raise missing("token", token, param="card[token]", status=400)
        return template
    if "number" not in given:
        raise bad_parameter("Missing required param: card.", param="card", code="parameter_missing")
    card = BY_NUMBER.get(given["number"].replace(" ", ""))
    if card is None:
        raise CardError(LIVE_CARD.fields())
    return card


def _billing(given: Params) -> Object:
    fields: Object = {name: value or None for name, value in given.items()}
    if isinstance(fields.get("address"), dict):
        fields["address"] = shaped("address", fields["address"])
    return fields


def _forget_default(tx: Tx, customer: str, payment_method: str) -> None:
    before = tx.fetch("customer", customer, param="customer").body
    settings = before.get("invoice_settings")
    if settings and settings["default_payment_method"] == payment_method:
        after = before | {"invoice_settings": settings | {"default_payment_method": None}}
        tx.save_and_emit("customer.updated", before, after)


def _spent(*, status: int) -> StripeError:
    return StripeError(status, _NEVER_AGAIN, code="payment_method_unexpected_state", param="payment_method")
