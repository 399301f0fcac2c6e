"""Connected accounts. They belong to the platform; what they own is kept under their own name (`Tx.on`)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from . import external_accounts
from .balance import holds_money
from .countries import PLATFORM_COUNTRY, currency_of
from .currencies import check_currency
from .customers import check_email
from .errors import StripeError, bad_parameter, invalid, missing, no_access, unsupported
from .lists import page
from .objects import Object, changed, merge_metadata, shaped
from .standing import CAPABILITIES, Standing, capability, derived
from .support import only

if TYPE_CHECKING:
    from .parameters import Params
    from .store import Stored
    from .transaction import Tx

DELAY_DAYS = 2
DELAY_DAYS_MAX = 31
_UPDATABLE = ("email", "business_type", "business_profile", "capabilities", "metadata", "settings")
_PROFILE = (*("mcc", "name", "product_description", "support_email", "support_phone", "support_url", "url"),)
_LIKE_EXPRESS = ("application", "application", "express")
_LIKE_STANDARD = ("account", "stripe", "full")

# For whoever moves money


def connected(tx: Tx, account_id: str, *, param: str = "account") -> Object:
    """The account, as the caller may know it: the platform knows all of its own, they know themselves.

    Raises StripeError resource_missing when another parameter names one that never was, else account_invalid.
    """
    return find(tx, account_id, param=param).body


def can_receive(account: Object) -> bool:
    """Whether transfers may be sent to it."""
    return bool(account["capabilities"].get("transfers") == "active")


def payouts_enabled(account: Object) -> bool:
    """Whether its balance may be sent to its bank."""
    return bool(account["payouts_enabled"])


def find(tx: Tx, account_id: str, *, param: str = "account") -> Stored:
    stored = tx.store.find("account", account_id, account="")
    if stored is None and param != "account":
        raise missing(param, account_id, param=param, status=400)
    if stored is None or stored.deleted or tx.account not in {"", account_id}:
        raise no_access(account_id)
    return stored


# Endpoints


def create(tx: Tx, params: Params) -> Object:
    """Nothing is known of who it is for: `onboarding.py` has what comes next."""
    only(params, *_UPDATABLE, "type", "controller", "country", "default_currency", "tos_acceptance")
    if tx.account:
        raise invalid(
            "You can only create new accounts if you've signed up for Connect, which you can do at "
            "https://dashboard.stripe.com/connect."
        )
    controller = _controller(params)
    agreement = _service_agreement(params)
    country = params.get("country", PLATFORM_COUNTRY)
    currency = currency_of(country, recipient=agreement == "recipient")
    if agreement == "recipient" and country == PLATFORM_COUNTRY:
        raise invalid(
            "The recipient ToS agreement is not supported for platforms in US creating accounts in US. See "
            "https://stripe.com/docs/connect/cross-border-payouts.",
            param="tos_acceptance[service_agreement]",
        )
    account_id = tx.ids.new("acct_")
    blank = {
        "id": account_id,
        "object": "account",
        "business_profile": shaped("account_business_profile", {}),
        "controller": controller,
        "country": country,
        "created": tx.now,
        "default_currency": check_currency(
            params.get("default_currency", currency), param="default_currency"
        ),
        "external_accounts": external_accounts.listed(tx, account_id),
        "metadata": {},
        "settings": _settings(),
        "tos_acceptance": shaped(
            "account_tos_acceptance", {"service_agreement": agreement} if agreement else {}
        ),
        "type": _type(controller),
    }
    body = shaped("account", blank)
    body |= _changes(body, params)
    standing = _requested(tx, Standing(), body, params)
    return tx.insert(shaped("account", body | derived(body, standing)), standing.dump())


def retrieve(tx: Tx, _params: Params, *, account: str) -> Object:
    return connected(tx, account)


def update(tx: Tx, params: Params, *, account: str) -> Object:
    only(params, *_UPDATABLE)
    stored = find(tx, account)
    fields = _changes(stored.body, params)
    standing = _requested(tx, Standing.load(stored.private), stored.body | fields, params)
    return change(tx, stored, fields=fields, standing=standing)


def delete(tx: Tx, _params: Params, *, account: str) -> Object:
    """Raises StripeError while it holds money."""
    body = connected(tx, account)
    if holds_money(tx.on(account)):
        raise invalid("This account can't be deleted because it has a balance that is not zero.")
    tombstone = {"id": body["id"], "object": "account", "deleted": True}
    tx.store.mark_deleted(tombstone)
    return tombstone


def list_all(tx: Tx, params: Params) -> Object:
    """Newest first, without those that are connected no more."""
    return page(tx, "account", params, url="/v1/accounts")


def list_capabilities(tx: Tx, _params: Params, *, account: str) -> Object:
    stored = find(tx, account)
    standing = Standing.load(stored.private)
    return {
        "object": "list",
        "data": [capability(stored.body, standing, name) for name in CAPABILITIES],
        "has_more": False,
        "url": f"/v1/accounts/{account}/capabilities",
    }


def retrieve_capability(tx: Tx, _params: Params, *, account: str, capability: str) -> Object:
    return _capability(find(tx, account), capability)


def update_capability(tx: Tx, params: Params, *, account: str, capability: str) -> Object:
    only(params, "requested")
    _capability(find(tx, account), capability)
    if "requested" in params:
        wish = {"capabilities": {capability: {"requested": params["requested"]}}}
        update(tx, wish, account=account)
    return _capability(find(tx, account), capability)


# For what happens to an account at Stripe


def change(
    tx: Tx, stored: Stored, *, fields: Object | None = None, standing: Standing | None = None
) -> Object:
    """Write what is new, with all that follows from it, and tell whoever listens for connected accounts."""
    before, old = stored.body, Standing.load(stored.private)
    new = standing or old
    after = before | (fields or {})
    after |= derived(after, new) | {"external_accounts": external_accounts.listed(tx, before["id"])}
    tx.store.update_private(before["id"], stored.private | new.dump())
    there = tx.on(before["id"])
    for name in CAPABILITIES:
        shown = capability(after, new, name)
        if previous := changed(capability(before, old, name), shown):
            there.emit("capability.updated", shown, previous=previous)
    return there.save_and_emit("account.updated", before, after)


def _capability(stored: Stored, name: str) -> Object:
    if name not in CAPABILITIES:
        raise missing("capability", name, param="capability")
    return capability(stored.body, Standing.load(stored.private), name)


def _changes(body: Object, params: Params) -> Object:
    changes: Object = {name: params[name] for name in ("email", "business_type") if name in params}
    if "email" in changes:
        check_email(changes["email"])
    if "business_profile" in params:
        only(params["business_profile"], *_PROFILE)
        changes["business_profile"] = body["business_profile"] | params["business_profile"]
    if "settings" in params:
        changes["settings"] = _with_schedule(body["settings"], params["settings"])
    changes["metadata"] = merge_metadata(body["metadata"], params.get("metadata"))
    return changes


def _requested(tx: Tx, standing: Standing, account: Object, params: Params) -> Standing:
    """With the capabilities that are asked for, or no longer."""
    wishes: Params = params.get("capabilities", {})
    only(wishes, *CAPABILITIES)
    requested = dict(standing.requested)
    for name, wish in wishes.items():
        if wish.get("requested"):
            requested.setdefault(name, tx.now)
        elif "requested" in wish:
            requested.pop(name, None)
    if "card_payments" in requested and account["tos_acceptance"].get("service_agreement") == "recipient":
        raise invalid(
            "Accounts under the recipient service agreement cannot request the card_payments capability.",
            param="capabilities[card_payments]",
        )
    return replace(standing, requested=requested)


def _controller(params: Params) -> Object:
    """Who answers for what. `type` is the old word for the most usual answers."""
    given: Params = params.get("controller", {})
    if "type" in params:
        if "controller" in params:
            raise bad_parameter("You may not provide both `type` and `controller`.", param="type")
        if params["type"] != "express":
            raise unsupported("type", what="accounts of another type than express")
        return _shaped_controller("application_express", *_LIKE_EXPRESS[1:])
    if given.get("requirement_collection", "stripe") != "stripe":
        raise unsupported(
            "controller[requirement_collection]", what="requirements that the platform collects"
        )
    payer = given.get("fees", {}).get("payer", _LIKE_STANDARD[0])
    losses = given.get("losses", {}).get("payments", _LIKE_STANDARD[1])
    dashboard = given.get("stripe_dashboard", {}).get("type", _LIKE_STANDARD[2])
    if dashboard == "none" and losses != "stripe":
        raise invalid(
            "When stripe_dashboard[type]=none and requirement_collection=stripe, Stripe must be liable for "
            "negative balances or refunds and chargebacks.",
            param="controller",
        )
    return _shaped_controller(payer, losses, dashboard)


def _shaped_controller(payer: str, losses: str, dashboard: str) -> Object:
    return shaped(
        "account_unification_account_controller",
        {
            "fees": {"payer": payer},
            "is_controller": True,
            "losses": {"payments": losses},
            "requirement_collection": "stripe",
            "stripe_dashboard": {"type": dashboard},
            "type": "application",
        },
    )


def _type(controller: Object) -> str:
    """The old word for what the controller says, where there is one."""
    payer = controller["fees"]["payer"].removesuffix("_express")
    answers = (payer, controller["losses"]["payments"], controller["stripe_dashboard"]["type"])
    return {_LIKE_EXPRESS: "express", _LIKE_STANDARD: "standard"}.get(answers, "none")


def _service_agreement(params: Params) -> str | None:
    """Raises StripeError for what only a platform sends that collects the acceptance itself."""
    acceptance: Params = params.get("tos_acceptance", {})
    only(acceptance, "service_agreement")
    agreement: str | None = acceptance.get("service_agreement")
    if agreement not in {None, "full", "recipient"}:
        raise invalid(
            f"Invalid service agreement: {agreement}. It must be full or recipient.",
            param="tos_acceptance[service_agreement]",
        )
    return agreement


def _settings() -> Object:
    decline_on = {"avs_failure": False, "cvc_failure": False}
    schedule = {"delay_days": DELAY_DAYS, "interval": "daily"}
    return shaped(
        "account_settings",
        {
            "branding": shaped("account_branding_settings", {}),
            "card_payments": shaped("account_card_payments_settings", {"decline_on": decline_on}),
            "dashboard": shaped("account_dashboard_settings", {"timezone": "Etc/UTC"}),
            "payments": shaped("account_payments_settings", {}),
            "payouts": shaped(
                "account_payout_settings",
                {"debit_negative_balances": True, "schedule": shaped("transfer_schedule", schedule)},
            ),
        },
    )


def _with_schedule(settings: Object, given: Params) -> Object:
    only(given, "payouts")
    only(given.get("payouts", {}), "schedule")
    wish: Params = given.get("payouts", {}).get("schedule", {})
    only(wish, "interval", "delay_days")
    if wish.get("interval", "daily") not in {"daily", "manual"}:
        raise unsupported("settings[payouts][schedule][interval]", what="weekly and monthly payouts")
    delay = DELAY_DAYS if wish.get("delay_days") == "minimum" else wish.get("delay_days")
    if delay is not None and not DELAY_DAYS <= delay <= DELAY_DAYS_MAX:
        raise _bad_delay()
    payouts = settings["payouts"]
    schedule = payouts["schedule"] | {name: wish[name] for name in ("interval",) if name in wish}
    if delay is not None:
        schedule["delay_days"] = delay
    return settings | {"payouts": payouts | {"schedule": schedule}}


def _bad_delay() -> StripeError:
    return invalid(
        f"delay_days must be from {DELAY_DAYS} to {DELAY_DAYS_MAX}.",
        param="settings[payouts][schedule][delay_days]",
    )
