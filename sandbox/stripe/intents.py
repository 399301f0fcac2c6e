"""What payment intents and setup intents have in common: secrets, states, the bank's question."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import DOCS, StripeError, bad_parameter, invalid, unsupported
from .objects import Object, shaped
from .support import only

if TYPE_CHECKING:
    from .cards import Authentication
    from .parameters import Params
    from .store import Stored
    from .transaction import Tx

OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")
"""The states in which an intent can still be changed, confirmed and canceled."""

CONFIRMING = ("off_session", "return_url", "use_stripe_sdk")
"""Parameters of a confirmation; setup intents know no `off_session`."""

CHALLENGE_EXPIRES_S = 600.0
"""Virtual seconds that the bank waits for the cardholder: a usual wait. Stripe names no figure."""

SECRET_LENGTH = 25
TOKEN_LENGTH = 24

_ADDRESS = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://\S+")  # an app's own scheme will do
_LABELS = {"payment_intent": "PaymentIntent", "setup_intent": "SetupIntent"}


@dataclass(frozen=True)
class Confirmation:
    """How an intent is confirmed, beside the card."""

    off_session: bool = False
    return_url: str | None = None
    use_stripe_sdk: bool = False


def label(intent: Object) -> str:
    """What Stripe's sentences call it."""
    return _LABELS[intent["object"]]


def new_secret(tx: Tx, intent_id: str) -> str:
    return f"{intent_id}_secret_{tx.ids.text('client_secret', SECRET_LENGTH)}"


def check_secret(intent: Object, params: Params) -> None:
    """Raise StripeError (400) unless the parameters name the intent's own client secret."""
    given = params.get("client_secret")
    if given is None:
        raise bad_parameter(
            "Missing required param: client_secret.", param="client_secret", code="parameter_missing"
        )
    if not secrets.compare_digest(given.encode(), intent["client_secret"].encode()):
        raise invalid(
            "The client_secret provided does not match the client_secret associated with the "
            f"{label(intent)}.",
            param="client_secret",
            code=f"{intent['object']}_invalid_parameter",
        )


def refuse_state(intent: Object, doing: str) -> None:
    """Raise StripeError `..._unexpected_state`, the intent within, unless it is open."""
    if intent["status"] in OPEN:
        return
    name = label(intent)
    raise _unexpected(
        intent,
        f"You cannot {doing} this {name} because it has a status of {intent['status']}. "
        f"Only a {name} with one of the following statuses may be used: {', '.join(OPEN)}.",
    )


def refuse_checkout(stored: Stored) -> None:
    """Raise StripeError for an intent that a Checkout Session made: there alone it is paid or called off."""
    if "checkout" in stored.private:
        raise invalid(
            "You cannot perform this action on PaymentIntents created by Checkout. Try expiring the Checkout "
            "Session instead."
        )


def confirmation(intent: Object, params: Params, *, by_browser: bool) -> Confirmation:
    """What the parameters say of it. Raises StripeError (400) when the card or the return_url is missing."""
    if intent["payment_method"] is None:
        name = label(intent)
        raise _unexpected(
            intent,
            f"You cannot confirm this {name} because it's missing a payment method. You can either update "
            f"the {name} with a payment method and then confirm it again, or confirm it again directly with "
            "a payment method or ConfirmationToken.",
        )
    _need_return_url(intent, params, by_browser=by_browser)
    if "return_url" in params and _ADDRESS.fullmatch(params["return_url"]) is None:
        raise invalid("Not a valid URL", param="return_url", code="url_invalid")
    return Confirmation(
        off_session=bool(params.get("off_session")),
        return_url=params.get("return_url"),
        use_stripe_sdk=params.get("use_stripe_sdk", False),
    )


def only_when_confirming(params: Params, *, name: str) -> None:
    """Raise StripeError (400) for what a creation without `confirm` cannot use."""
    for parameter in CONFIRMING:
        if parameter in params and parameter != "use_stripe_sdk" and not params.get("confirm"):
            raise invalid(
                f"The parameter `{parameter}` cannot be passed when creating a {name} unless `confirm` "
                "is set to true.",
                param=parameter,
            )


def automatic(params: Params) -> Object | None:
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


def types(params: Params) -> list[str]:
    given = params.get("payment_method_types", ["card"])
    if given != ["card"]:
        raise unsupported("payment_method_types", what="payment methods other than cards")
    return ["card"]


def with_options(intent: Object, params: Params) -> Object:
    """Its `payment_method_options`, in which the sandbox knows one wish: for 3-D Secure."""
    given = params.get("payment_method_options") or {}
    only(given, "card")
    card = given.get("card") or {}
    only(card, "request_three_d_secure")
    return {"payment_method_options": {"card": intent["payment_method_options"]["card"] | card}}


def requested(intent: Object) -> str:
    """Whether 3-D Secure was asked for: `automatic`, `any` or `challenge`."""
    wish: str = intent["payment_method_options"]["card"]["request_three_d_secure"]
    return wish


def authenticated(schema_name: str, how: Authentication) -> Object:
    """The bank's word for it, in the shape of a charge or of a setup attempt."""
    return shaped(
        schema_name,
        {
            "authentication_flow": how.value,
            "electronic_commerce_indicator": "05",
            "result": "authenticated",
            "version": "2.2.0",
        },
    )


def challenge(tx: Tx, intent: Object, how: Confirmation) -> Object:
    """Have the bank ask the cardholder, at a page whose address only they learn, for a while."""
    token = tx.ids.text("challenge", TOKEN_LENGTH)
    url = f"{tx.base_url}/3ds/{intent['id']}/{token}"
    if how.return_url is not None and not how.use_stripe_sdk:
        action: Object = {
            "type": "redirect_to_url",
            "redirect_to_url": {"return_url": how.return_url, "url": url},
        }
    else:
        action = {
            "type": "use_stripe_sdk",
            "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": url},
        }
    after = intent | {
        "status": "requires_action",
        "next_action": shaped(f"{intent['object']}_next_action", action),
    }
    tx.save(after)
    known = tx.fetch(intent["object"], intent["id"], param="intent").private
    asked = {"challenge": token, "return_url": how.return_url, "expired": False}
    tx.store.update_private(intent["id"], known | asked)
    tx.schedule("challenge_expires", f"{intent['id']}/{token}", due=tx.clock.now() + CHALLENGE_EXPIRES_S)
    tx.emit(f"{intent['object']}.requires_action", after)
    return after


def challenge_url(intent: Object) -> str | None:
    """Where the bank asks, of an intent in requires_action."""
    action = intent["next_action"]
    if action is None:
        return None
    url: str = (
        action["redirect_to_url"]["url"]
        if "redirect_to_url" in action
        else action["use_stripe_sdk"]["stripe_js"]
    )
    return url


def not_authenticated(intent: Object) -> Object:
    """Why an attempt failed when the cardholder refused, or never answered."""
    return {
        "code": f"{intent['object']}_authentication_failure",
        "message": "The provided PaymentMethod has failed authentication. You can provide "
        f"payment_method_data or a new PaymentMethod to attempt to fulfill this {label(intent)} again.",
        "type": "invalid_request_error",
    }


def remembered(error: Object, payment_method: Object) -> Object:
    """An error as the intent keeps it in `last_..._error`."""
    code: str = error["code"]
    kept = error | {"doc_url": DOCS + code.replace("_", "-"), "payment_method": payment_method}
    return shaped("api_errors", dict(sorted(kept.items())))


def _need_return_url(intent: Object, params: Params, *, by_browser: bool) -> None:
    """A card that redirects needs somewhere to come back to, unless redirects are ruled out."""
    methods = intent["automatic_payment_methods"]
    may_redirect = methods is not None and methods.get("allow_redirects") != "never"
    if not may_redirect or by_browser or "return_url" in params or params.get("use_stripe_sdk"):
        return
    raise invalid(
        f"This {label(intent)} is configured to accept payment methods enabled in your Dashboard. Because "
        "some of these payment methods might redirect your customer off of your page, you must provide a "
        "`return_url`. If you don't want to accept redirect-based payment methods, set "
        "`automatic_payment_methods[enabled]` to `true` and "
        "`automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and Payment "
        "Intents.",
        param="return_url",
    )


def _unexpected(intent: Object, message: str) -> StripeError:
    noun: str = intent["object"]
    return StripeError(400, message, code=f"{noun}_unexpected_state", fields={noun: intent})
