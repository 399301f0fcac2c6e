"""Customers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from . import payment_methods
from .errors import invalid, missing
from .lists import page
from .objects import Object, merge_metadata, shaped
from .support import only

if TYPE_CHECKING:
    from .parameters import Params
    from .transaction import Tx

INVOICE_PREFIX_LENGTH = 8
_PLAIN = ("email", "name", "phone", "description")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")


def create(tx: Tx, params: Params) -> Object:
    only(params, *_PLAIN, "address", "metadata", "payment_method", "invoice_settings", "preferred_locales")
    body = shaped(
        "customer",
        {
            "id": tx.ids.new("cus_"),
            "object": "customer",
            "balance": 0,
            "created": tx.now,
            "delinquent": False,
            "invoice_prefix": tx.ids.text("invoice_prefix", INVOICE_PREFIX_LENGTH).upper(),
            "invoice_settings": shaped("invoice_setting_customer_setting", {}),
            "livemode": False,
            "metadata": {},
            "next_invoice_sequence": 1,
            "preferred_locales": [],
            "tax_exempt": "none",
        },
    )
    tx.insert(body)
    if "payment_method" in params:
        attached = payment_methods.attach(
            tx, {"customer": body["id"]}, payment_method=params["payment_method"]
        )
        _replace_template(params, attached["id"])
    body |= _changes(tx, body, params)
    tx.save(body)
    tx.emit("customer.created", body)
    return body


def retrieve(tx: Tx, _params: Params, *, customer: str) -> Object:
    """A deleted customer answers with its tombstone."""
    return tx.fetch("customer", customer, param="id").body


def update(tx: Tx, params: Params, *, customer: str) -> Object:
    only(params, *_PLAIN, "address", "metadata", "invoice_settings", "preferred_locales")
    before = _living(tx, customer)
    return tx.save_and_emit("customer.updated", before, before | _changes(tx, before, params))


def delete(tx: Tx, _params: Params, *, customer: str) -> Object:
    """Its cards are detached; payments keep its id."""
    body = _living(tx, customer)
    for stored in tx.store.all_objects(
        "payment_method",
        where="account = ? AND json_extract(body, '$.customer') = ?",
        values=(tx.account, customer),
    ):
        tx.save(stored.body | {"customer": None})
        tx.store.update_private(stored.body["id"], stored.private | {"spent": True})
    tombstone = {"id": customer, "object": "customer", "deleted": True}
    tx.store.mark_deleted(tombstone)
    tx.emit("customer.deleted", body)
    return tombstone


def list_all(tx: Tx, params: Params) -> Object:
    only(params, "created", "email", "limit", "starting_after", "ending_before")
    return page(tx, "customer", params, url="/v1/customers", equal=("email",))


def check_email(email: str) -> None:
    """Raises StripeError email_invalid."""
    if _EMAIL.fullmatch(email) is None:
        raise invalid(f"Invalid email address: {email}", param="email", code="email_invalid")


def _living(tx: Tx, customer: str) -> Object:
    stored = tx.fetch("customer", customer, param="id")
    if stored.deleted:
        raise missing("customer", customer, param="id")
    return stored.body


def _changes(tx: Tx, body: Object, params: Params) -> Object:
    changes: Object = {name: params[name] or None for name in _PLAIN if name in params}
    if changes.get("email") is not None:
        check_email(changes["email"])
    if "address" in params:
        changes["address"] = shaped("address", params["address"]) if params["address"] else None
    if "preferred_locales" in params:
        changes["preferred_locales"] = params["preferred_locales"]
    if "invoice_settings" in params:
        changes["invoice_settings"] = _invoice_settings(tx, body, params["invoice_settings"])
    changes["metadata"] = merge_metadata(body["metadata"], params.get("metadata"))
    return changes


def _invoice_settings(tx: Tx, body: Object, params: Params) -> Object:
    """The default card must be one of the customer's."""
    only(params, "default_payment_method")
    settings: Object = body["invoice_settings"]
    if "default_payment_method" not in params:
        return settings
    default = params["default_payment_method"] or None
    if default is not None:
        card = tx.referenced("payment_method", default, param="invoice_settings[default_payment_method]").body
        if card["customer"] != body["id"]:
            raise invalid(
                f"The customer does not have a payment method with the ID {default}. "
                "The payment method must be attached to the customer.",
                param="invoice_settings[default_payment_method]",
                code="resource_missing",
            )
    return settings | {"default_payment_method": default}


def _replace_template(params: Params, payment_method: str) -> None:
    """`payment_method` and the default named the same template: they mean the same clone."""
    settings = params.get("invoice_settings") or {}
    if settings.get("default_payment_method") == params["payment_method"]:
        settings["default_payment_method"] = payment_method
