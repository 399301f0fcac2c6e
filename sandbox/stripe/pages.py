"""The pages that a person would see: a card form as with Stripe.js, and the bank's 3-D Secure question.

The secret in the address is the permission.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from . import challenges, intents, payment_intents, setup_intents
from .cards import spaced
from .currencies import displayed
from .errors import AttemptFailed, StripeError
from .markup import (
    Choice,
    bad_news,
    buttons,
    footer,
    good_news,
    heading,
    link,
    not_found,
    page,
    paragraph,
    posted,
)
from .objects import Object
from .sandbox import Sandbox
from .store import Stored
from .transaction import Cause

CARDS_TO_PAY = (
    ("pm_card_visa", "Pay"),
    ("pm_card_authenticationRequired", "Pay with 3-D Secure"),
    ("pm_card_authenticationRequiredChargeDeclinedInsufficientFunds", "3-D Secure, no funds"),
    ("pm_card_chargeDeclined", "Declined"),
    ("pm_card_chargeDeclinedInsufficientFunds", "Insufficient funds"),
    ("pm_card_chargeDeclinedExpiredCard", "Expired"),
    ("pm_card_createDispute", "Pay, then dispute it"),
)
_TO_SAVE = (
    ("pm_card_visa", "Save"),
    ("pm_card_authenticationRequiredOnSetup", "3-D Secure once, now"),
    ("pm_card_authenticationRequired", "3-D Secure now and always"),
    ("pm_card_chargeCustomerFail", "Save, decline later"),
    ("pm_card_chargeDeclined", "Declined"),
)
_ANSWERS = (Choice("accept", "Yes, authenticate"), Choice("refuse", "No, refuse"))
_WAIT_MINUTES = round(intents.CHALLENGE_EXPIRES_S / 60)


class Pages:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def routes(self) -> list[Route]:
        methods = ["GET", "POST"]
        return [
            Route("/pay/{client_secret}", self.pay, methods=methods),
            Route("/setup/{client_secret}", self.setup, methods=methods),
            Route("/3ds/{intent}/{token}", self.challenge, methods=methods),
        ]

    async def pay(self, request: Request) -> Response:
        """The payment form. Posting `card` confirms the intent as Stripe.js would."""
        return await self._form(request, "payment_intent", payment_intents.confirm)

    async def setup(self, request: Request) -> Response:
        """The same for a card that is to be saved."""
        return await self._form(request, "setup_intent", setup_intents.confirm)

    async def challenge(self, request: Request) -> Response:
        """The bank's question. Posting `outcome` (accept, refuse) answers it; leaving does not."""
        outcome = (await posted(request)).get("outcome")  # from here on nothing else happens in between
        store = self._sandbox.store
        stored = challenges.find(store, request.path_params["intent"], request.path_params["token"])
        if stored is None:
            return not_found()
        if not challenges.is_open(stored):
            return _closed_question(stored)
        if request.method == "GET":
            return _question(stored)
        if outcome not in {"accept", "refuse"}:
            return _question(stored, status=400)
        with self._sandbox.change() as tx:
            intent = challenges.answer(tx, stored, accepted=outcome == "accept")
        return RedirectResponse(_onward(intent, stored.private["return_url"]), 303)

    async def _form(self, request: Request, object_type: str, confirm: Callable[..., Object]) -> Response:
        card = (await posted(request)).get("card", "")
        secret: str = request.path_params["client_secret"]
        intent = self._intent_of(object_type, secret)
        if intent is None:
            return not_found()
        if request.method == "GET":
            return _card_form(intent)
        cause = Cause(self._sandbox.ids.new("req_"), idempotency_key=None)
        with self._sandbox.change(cause=cause, base_url=base_url(request), publishable=True) as tx:
            try:
                intent = confirm(tx, {"client_secret": secret, "payment_method": card}, intent=intent["id"])
            except AttemptFailed:
                return RedirectResponse(request.url.path, 303)  # which tells what the intent remembers
            except StripeError as error:
                return _card_form(intent, problem=str(error), status=error.status)
        return RedirectResponse(intents.challenge_url(intent) or request.url.path, 303)

    def _intent_of(self, object_type: str, client_secret: str) -> Object | None:
        intent_id = client_secret.partition("_secret_")[0]
        stored = self._sandbox.store.find(object_type, intent_id, account="")
        if stored is None or not _same(stored.body["client_secret"], client_secret):
            return None
        return stored.body


def _card_form(intent: Object, *, problem: str | None = None, status: int = 200) -> Response:
    saving = intent["object"] == "setup_intent"
    title, subtitle = ("Save a card", "Nothing is paid now.") if saving else ("Payment", "Payment")
    lines = [heading(_subject(intent)), paragraph(intent["description"] or subtitle)]
    match intent["status"]:
        case "succeeded":
            lines.append(good_news("The card is saved." if saving else "Paid. Thank you."))
        case "canceled":
            lines.append(bad_news("This was canceled."))
        case _:
            failure = problem or (_last_error(intent) or {}).get("message")
            lines += [bad_news(failure)] if failure else []
            waiting = intents.challenge_url(intent)
            lines += [link(waiting, "Your bank waits for your answer")] if waiting else []
            lines.append(buttons("card", card_choices(_TO_SAVE if saving else CARDS_TO_PAY)))
    return page(title, *lines, footer(f"{intent['id']} · {intent['status']}"), status=status)


def _question(stored: Stored, *, status: int = 200) -> Response:
    intent = stored.body
    asked = "is it you who saves this card?" if intent["object"] == "setup_intent" else "is it you who pays?"
    return page(
        "Your bank",
        heading(_subject(intent)),
        paragraph(f"Your bank wants to know: {asked}"),
        buttons("outcome", _ANSWERS),
        link(_elsewhere(intent, stored.private["return_url"]), "Leave without an answer"),
        footer(f"3-D Secure · {intent['id']} · the bank waits for {_WAIT_MINUTES} minutes"),
        status=status,
    )


def _closed_question(stored: Stored) -> Response:
    """Of a link that has done its work."""
    intent = stored.body
    if intent["status"] == "canceled":
        why = "It was canceled in the meantime."
    elif stored.private.get("expired"):
        why = f"Nobody answered within {_WAIT_MINUTES} minutes. Please try again."
    else:
        why = "It was answered, or another card was used. The bank asks only once."
    return page(
        "Your bank",
        heading("No longer open"),
        bad_news(why),
        link(_elsewhere(intent, stored.private["return_url"]), "Go back"),
        footer(f"3-D Secure · {intent['id']} · {intent['status']}"),
        status=410,
    )


def _subject(intent: Object) -> str:
    if intent["object"] == "setup_intent":
        return "Save a card"
    return displayed(intent["amount"], intent["currency"])


def _last_error(intent: Object) -> Object | None:
    name = "last_setup_error" if intent["object"] == "setup_intent" else "last_payment_error"
    error: Object | None = intent[name]
    return error


def card_choices(cards: tuple[tuple[str, str], ...]) -> list[Choice]:
    """A button for each."""
    return [Choice(name, label, spaced(name)) for name, label in cards]


def _onward(intent: Object, return_url: str | None) -> str:
    """Where the answer leads."""
    return challenges.return_address(intent, return_url) if return_url else _form_of(intent)


def _elsewhere(intent: Object, return_url: str | None) -> str:
    """Where one goes who does not answer. An app's own scheme is not for a link."""
    is_web = return_url is not None and urlsplit(return_url).scheme in {"http", "https"}
    return return_url if return_url and is_web else _form_of(intent)


def _form_of(intent: Object) -> str:
    room = "setup" if intent["object"] == "setup_intent" else "pay"
    return f"/{room}/{intent['client_secret']}"


def base_url(request: Request) -> str:
    return str(request.base_url).rstrip("/")


def _same(real: str, given: str) -> bool:
    return secrets.compare_digest(real.encode(), given.encode())
