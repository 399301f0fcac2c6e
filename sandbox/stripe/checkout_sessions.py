"""Checkout Sessions: the endpoints. What happens between them is in `checkouts.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import bank_debits, checkouts
from .currencies import check_amount, check_currency, check_step
from .errors import bad_parameter, invalid, unsupported
from .lists import page
from .objects import Object, merge_metadata, shaped
from .support import only, web_address

if TYPE_CHECKING:
    from .parameters import Params
    from .transaction import Tx

PATH = "/c/pay"
EXPIRES_S_MIN = 30 * 60
EXPIRES_S_MAX = 24 * 3600
LINE_ITEMS_MAX = 100
_SUPPORTED = (
    "mode",
    "ui_mode",
    "customer",
    "success_url",
    "cancel_url",
    "line_items",
    "payment_intent_data",
    "client_reference_id",
    "metadata",
    "expires_at",
)


def create(tx: Tx, params: Params) -> Object:
    only(params, *_SUPPORTED)
    _check_kind(params)
    success_url = web_address(params, "success_url")
    cancel_url = web_address(params, "cancel_url") if "cancel_url" in params else None
    if "customer" in params:
        tx.referenced("customer", params["customer"], param="customer")
    items = [_item(given, at) for at, given in enumerate(params.get("line_items", []))]
    currency, total = _total(items)
    expires_at = _expiry(tx, params)
    session_id = tx.ids.new("cs_test_")
    session = shaped(
        "checkout.session",
        {
            "id": session_id,
            "object": "checkout.session",
            "adaptive_pricing": {"enabled": False},
            "amount_subtotal": total,
            "amount_total": total,
            "automatic_tax": shaped("payment_pages_checkout_session_automatic_tax", {"enabled": False}),
            "cancel_url": cancel_url,
            "client_reference_id": params.get("client_reference_id"),
            "created": tx.now,
            "currency": currency,
            "custom_fields": [],
            "custom_text": shaped("payment_pages_checkout_session_custom_text", {}),
            "customer": params.get("customer"),
            "customer_creation": None if "customer" in params else "if_required",
            "customer_details": checkouts.customer_details(tx, params.get("customer")),
            "expires_at": expires_at,
            "livemode": False,
            "metadata": merge_metadata({}, params.get("metadata")),
            "mode": "payment",
            "payment_method_collection": "if_required",
            "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
            "payment_method_types": _methods(currency),
            "payment_status": "unpaid",
            "phone_number_collection": {"enabled": False},
            "shipping_options": [],
            "status": "open",
            "success_url": success_url,
            "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
            "ui_mode": "hosted_page",
            "url": f"{tx.base_url}{PATH}/{session_id}",
        },
    )
    tx.insert(session, {"items": items, "payment_intent_data": _for_intent(params)})
    tx.schedule("checkout_expires", session_id, due=expires_at)
    return session


def retrieve(tx: Tx, _params: Params, *, session: str) -> Object:
    return tx.fetch("checkout.session", session, param="session").body


def list_all(tx: Tx, params: Params) -> Object:
    equal = ("customer", "payment_intent", "status")
    only(params, "created", "limit", "starting_after", "ending_before", *equal)
    return page(tx, "checkout.session", params, url="/v1/checkout/sessions", equal=equal)


def expire(tx: Tx, _params: Params, *, session: str) -> Object:
    body = tx.fetch("checkout.session", session, param="session").body
    if body["status"] != "open":
        raise invalid(
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a '
            f"status of `{body['status']}`."
        )
    return checkouts.expire(tx, body)


def _check_kind(params: Params) -> None:
    if "mode" not in params:
        raise bad_parameter("Missing required param: mode.", param="mode", code="parameter_missing")
    for name, value in (("mode", "payment"), ("ui_mode", "hosted_page")):
        if params.get(name, value) != value:
            raise unsupported(name, what=f"{name}={params[name]}")


def _item(given: Params, at: int) -> Object:
    """A line as the page shows it: `name`, `description`, `currency`, `unit_amount`, `quantity`."""
    where = f"line_items[{at}]"
    only(given, "price_data", "quantity")
    if "price_data" not in given:
        raise unsupported(f"{where}[price]", what="prices that are not in `price_data`")
    price = given["price_data"]
    only(price, "currency", "product_data", "unit_amount")
    for group, name in ((price, "product_data"), (price, "unit_amount"), (given, "quantity")):
        if name not in group:
            path = f"{where}[{name}]" if group is given else f"{where}[price_data][{name}]"
            raise bad_parameter(f"Missing required param: {path}.", param=path, code="parameter_missing")
    only(price["product_data"], "name", "description")
    for value, least, path in (
        (given["quantity"], 1, f"{where}[quantity]"),
        (price["unit_amount"], 0, f"{where}[price_data][unit_amount]"),
    ):
        if value < least:
            raise bad_parameter(
                f"This value must be greater than or equal to {least}.",
                param=path,
                code="parameter_invalid_integer",
            )
    currency = check_currency(price["currency"], param=f"{where}[price_data][currency]")
    check_step(price["unit_amount"], currency)
    return {
        "name": price["product_data"]["name"],
        "description": price["product_data"].get("description"),
        "currency": currency,
        "unit_amount": price["unit_amount"],
        "quantity": given["quantity"],
    }


def _total(items: list[Object]) -> tuple[str, int]:
    """The currency, and what is to be paid. Raises StripeError."""
    if not items:
        raise bad_parameter(
            "Missing required param: line_items.", param="line_items", code="parameter_missing"
        )
    if len(items) > LINE_ITEMS_MAX:
        raise bad_parameter(f"You can have at most {LINE_ITEMS_MAX} line items.", param="line_items")
    currencies = {item["currency"] for item in items}
    if len(currencies) > 1:
        raise invalid("All line items must have the same currency.", param="line_items")
    [currency] = currencies
    return currency, check_amount(sum(item["unit_amount"] * item["quantity"] for item in items), currency)


def _expiry(tx: Tx, params: Params) -> int:
    """24 hours from now unless a moment is given. Raises StripeError."""
    expires_at: int = params.get("expires_at", tx.now + EXPIRES_S_MAX)
    if expires_at < tx.now + EXPIRES_S_MIN:
        raise invalid(
            "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.",
            param="expires_at",
        )
    if expires_at > tx.now + EXPIRES_S_MAX:
        raise invalid(
            "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.",
            param="expires_at",
        )
    return expires_at


def _methods(currency: str) -> list[str]:
    """What the payer can choose from: the sandbox's bank accounts are American."""
    return ["card", bank_debits.METHOD] if currency == bank_debits.CURRENCY else ["card"]


def _for_intent(params: Params) -> Params:
    given: Params = params.get("payment_intent_data") or {}
    only(given, "description", "metadata", "setup_future_usage", "transfer_group")
    if "setup_future_usage" in given and "customer" not in params:
        raise unsupported(
            "payment_intent_data[setup_future_usage]", what="customers whom Checkout makes: name one"
        )
    return given
