"""Webhook endpoints: whom to tell, about what, and the secrets to sign with.

While an endpoint is disabled nothing is planned for it, and what was planned is given up when it falls due:
events of that time are to be read from `/v1/events`, as at Stripe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .config import API_VERSION, WebhookEndpointConfig
from .errors import bad_parameter, unsupported
from .lists import page
from .objects import Object, merge_metadata, shaped
from .support import only

if TYPE_CHECKING:
    from .parameters import Params
    from .store import Stored
    from .transaction import Tx

SECRET_LENGTH = 32
ROLLED_S_MAX = 86_400
"""How long a secret can stay in use beside the one that takes its place, in virtual seconds."""

PLATFORM_EVENTS = (
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "payment_intent.canceled",
    "charge.succeeded",
    "charge.failed",
    "charge.updated",
    "charge.refunded",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "charge.dispute.closed",
    "transfer.created",
    "transfer.reversed",
    "transfer.updated",
    "setup_intent.succeeded",
    "setup_intent.setup_failed",
    "payment_method.attached",
    "payment_method.detached",
    "payment_method.updated",
    "payment_method.automatically_updated",
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "balance.available",
    "customer.updated",
    "customer.deleted",
)
CONNECT_EVENTS = (
    "account.updated",
    "account.application.deauthorized",
    "account.external_account.created",
    "account.external_account.updated",
    "account.external_account.deleted",
    "capability.updated",
    "person.updated",
    "payout.created",
    "payout.updated",
    "payout.paid",
    "payout.failed",
    "payout.canceled",
    "payout.reconciliation_completed",
)


def create(tx: Tx, params: Params) -> Object:
    """The only answer that shows the secret."""
    only(params, "url", "enabled_events", "api_version", "connect", "description", "metadata")
    if tx.account:
        raise unsupported("Stripe-Account", what="webhook endpoints of a connected account's own")
    secret = _new_secret(tx)
    body = _new(
        tx,
        url=_checked_url(params["url"]),
        enabled_events=params["enabled_events"],
        description=params.get("description") or None,
        metadata=merge_metadata({}, params.get("metadata")),
    )
    _check_version(params.get("api_version"))
    tx.insert(body, {"secret": secret, "previous": [], "connect": params.get("connect", False)})
    return body | {"secret": secret}


def retrieve(tx: Tx, _params: Params, *, webhook_endpoint: str) -> Object:
    return tx.fetch("webhook_endpoint", webhook_endpoint, param="webhook_endpoint").body


def update(tx: Tx, params: Params, *, webhook_endpoint: str) -> Object:
    only(params, "url", "enabled_events", "description", "disabled", "metadata")
    body = tx.fetch("webhook_endpoint", webhook_endpoint, param="webhook_endpoint").body
    if "url" in params:
        body["url"] = _checked_url(params["url"])
    if "enabled_events" in params:
        body["enabled_events"] = params["enabled_events"]
    if "description" in params:
        body["description"] = params["description"] or None
    if "disabled" in params:
        body["status"] = "disabled" if params["disabled"] else "enabled"
    body["metadata"] = merge_metadata(body["metadata"], params.get("metadata"))
    return tx.save(body)


def delete(tx: Tx, _params: Params, *, webhook_endpoint: str) -> Object:
    body = tx.fetch("webhook_endpoint", webhook_endpoint, param="webhook_endpoint").body
    tombstone = {"id": body["id"], "object": "webhook_endpoint", "deleted": True}
    tx.store.mark_deleted(tombstone)
    tx.store.write(
        "UPDATE deliveries SET due = NULL, outcome = 'endpoint deleted' WHERE endpoint = ?", body["id"]
    )
    return tombstone


def list_all(tx: Tx, params: Params) -> Object:
    return page(tx, "webhook_endpoint", params, url="/v1/webhook_endpoints")


def ensure(tx: Tx, configured: tuple[WebhookEndpointConfig, ...]) -> None:
    """Have the configured endpoints as they are configured, enabled and with no secret but theirs.

    Each has its slot: with another url or secret it is still the same.
    """
    existing = {
        stored.private["slot"]: stored.body
        for stored in tx.store.all_objects("webhook_endpoint")
        if "slot" in stored.private
    }
    for slot, wanted in enumerate(configured):
        previous = [{"secret": wanted.previous_secret, "until": None}] if wanted.previous_secret else []
        private = {"secret": wanted.secret, "previous": previous, "connect": wanted.connect, "slot": slot}
        events = list(CONNECT_EVENTS if wanted.connect else PLATFORM_EVENTS)
        body = existing.pop(slot, None)
        if body is None:
            tx.insert(_new(tx, url=wanted.url, enabled_events=events), private)
        else:
            tx.save(body | {"url": wanted.url, "enabled_events": events, "status": "enabled"})
            tx.store.update_private(body["id"], private)
    for body in existing.values():
        delete(tx, {}, webhook_endpoint=body["id"])


def roll(tx: Tx, endpoint_id: str, *, expire_in_s: float) -> Object:
    """Give an endpoint another secret. The old one, and what it rolled before, sign on until they expire.

    Stripe has this in its dashboard only. Raises StripeError resource_missing.
    """
    stored = tx.fetch("webhook_endpoint", endpoint_id, param="webhook_endpoint")
    until = tx.clock.now() + expire_in_s
    secret = _new_secret(tx)
    previous = [{"secret": stored.private["secret"], "until": until}, *_in_use(stored, now=tx.clock.now())]
    tx.store.update_private(endpoint_id, stored.private | {"secret": secret, "previous": previous})
    return {"id": endpoint_id, "secret": secret, "previous_secret_expires_at": until}


def signing_secrets(endpoint: Stored, *, now: float) -> list[str]:
    """Those that sign a delivery at a virtual time, the newest first."""
    return [endpoint.private["secret"], *(one["secret"] for one in _in_use(endpoint, now=now))]


def label(endpoint: Stored) -> str:
    """What chance knows an endpoint by: for one that was configured, the same in every sandbox."""
    slot = endpoint.private.get("slot")
    return endpoint.body["id"] if slot is None else f"slot {slot}"


def listening(tx: Tx, event_type: str) -> list[Stored]:
    """The endpoints that hear an event of this account: the platform's, those for Connect or the others."""
    return [
        stored
        for stored in tx.store.all_objects("webhook_endpoint")
        if stored.body["status"] == "enabled"
        and stored.private["connect"] == bool(tx.account)
        and not {"*", event_type}.isdisjoint(stored.body["enabled_events"])
    ]


def _in_use(endpoint: Stored, *, now: float) -> list[Object]:
    """The previous secrets that have not expired; those that were configured never do."""
    previous: list[Object] = endpoint.private.get("previous", [])
    return [one for one in previous if one["until"] is None or one["until"] > now]


def _new_secret(tx: Tx) -> str:
    return "whsec_" + tx.ids.text("whsec_", SECRET_LENGTH)


def _new(tx: Tx, **fields: Any) -> Object:
    return shaped(
        "webhook_endpoint",
        {
            "id": tx.ids.new("we_"),
            "object": "webhook_endpoint",
            "api_version": API_VERSION,
            "created": tx.now,
            "livemode": False,
            "metadata": {},
            "status": "enabled",
            **fields,
        },
    )


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise bad_parameter(
            "Invalid URL: An explicit scheme (such as https) must be provided.",
            param="url",
            code="url_invalid",
        )
    return url


def _check_version(version: str | None) -> None:
    if version not in {None, "", API_VERSION}:
        raise bad_parameter(f"The sandbox renders events in {API_VERSION} only.", param="api_version")
