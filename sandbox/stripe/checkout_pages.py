"""The hosted page of a Checkout Session. Its id in the address is the permission, as at Stripe."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from . import checkouts, external_accounts, intents
from .bank_debits import METHOD
from .charges import STATEMENT_DESCRIPTOR
from .checkout_sessions import PATH
from .currencies import displayed
from .errors import AttemptFailed, StripeError
from .markup import (
    Choice,
    bad_news,
    buttons,
    facts,
    footer,
    good_news,
    heading,
    link,
    not_found,
    page,
    paragraph,
    posted,
    subheading,
)
from .objects import Object
from .pages import CARDS_TO_PAY, base_url, card_choices
from .sandbox import Sandbox
from .store import Stored
from .transaction import Cause, Tx

_BANKS = (
    Choice("000123456789", "Pay later, in days", "000123456789"),
    Choice("000222222227", "Sent back, in days", "000222222227"),
)
_ANSWERS = (Choice("pays", "The bank pays now"), Choice("refuses", "The bank sends it back now"))
_PLACEHOLDER = "{CHECKOUT_SESSION_ID}"


class CheckoutPages:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def routes(self) -> list[Route]:
        return [
            Route(f"{PATH}/{{session}}", self.checkout, methods=["GET", "POST"]),
            Route(f"{PATH}/{{session}}/back", self.back),
        ]

    async def checkout(self, request: Request) -> Response:
        """Posting `card` or `bank` pays; posting `answer` (pays, refuses) is the bank's word on a debit."""
        form = await posted(request)  # from here on nothing else happens in between
        stored = self._find(request)
        if stored is None:
            return not_found()
        if request.method == "GET":
            return self._shown(stored)
        cause = Cause(self._sandbox.ids.new("req_"), idempotency_key=None)
        with self._sandbox.change(cause=cause, base_url=base_url(request)) as tx:
            try:
                asked = _obey(tx, stored.body, form)
            except AttemptFailed:
                asked = None  # the page tells what the intent remembers
            except StripeError as error:
                return self._shown(stored, problem=str(error), status=error.status)
        return RedirectResponse(asked or self._onward(request), 303)

    async def back(self, request: Request) -> Response:
        """From the bank's question: on to the platform, or once more to the page."""
        return not_found() if self._find(request) is None else RedirectResponse(self._onward(request), 303)

    def _find(self, request: Request) -> Stored | None:
        return self._sandbox.store.find("checkout.session", request.path_params["session"], account="")

    def _onward(self, request: Request) -> str:
        """Whoever is done goes to the platform, the others to the page."""
        stored = self._find(request)
        if stored is None or stored.body["status"] != "complete":
            return f"{PATH}/{request.path_params['session']}"
        return _after(stored.body)

    def _shown(self, stored: Stored, *, problem: str | None = None, status: int = 200) -> Response:
        tried = stored.body["payment_intent"]
        found = self._sandbox.store.find("payment_intent", tried, account="") if tried else None
        return _page(stored, found.body if found else None, problem=problem, status=status)


def _obey(tx: Tx, session: Object, form: dict[str, str]) -> str | None:
    """Where the payer's bank asks, if it does. Raises StripeError."""
    if "answer" in form:
        code = None if form["answer"] == "pays" else "insufficient_funds"
        checkouts.conclude(tx, session, failure_code=code)
        return None
    if "bank" in form:
        bank = external_accounts.BY_NUMBER.get(form["bank"])
        if bank is None:
            raise StripeError(400, "No such bank account.")
        checkouts.pay_later(tx, session, bank)
        return None
    return intents.challenge_url(checkouts.pay(tx, session, form.get("card", "")))


def _after(session: Object) -> str:
    address: str = session["success_url"]
    return address.replace(_PLACEHOLDER, session["id"])


def _page(stored: Stored, intent: Object | None, *, problem: str | None, status: int) -> Response:
    session = stored.body
    parts = [
        heading(displayed(session["amount_total"], session["currency"])),
        paragraph(f"To {STATEMENT_DESCRIPTOR}, as it stands on your statement"),
        facts([(_line(item), _price(item)) for item in stored.private["items"]]),
    ]
    match session["status"]:
        case "complete":
            parts += _complete(session, intent)
        case "expired":
            parts.append(bad_news("This Checkout Session has expired. Nothing was paid."))
            status = 410
        case _:
            parts += _form(session, intent, problem)
    if session["cancel_url"] is not None and session["status"] != "complete":
        is_open = session["status"] == "open"
        parts.append(link(session["cancel_url"], "Cancel, and go back" if is_open else "Go back"))
    return page("Checkout", *parts, footer(f"{session['id']} · {session['status']}"), status=status)


def _form(session: Object, intent: Object | None, problem: str | None) -> list[str]:
    remembered = intent and intent["last_payment_error"]
    failure = problem or (remembered or {}).get("message")
    waiting = intent and intents.challenge_url(intent)
    parts = [bad_news(failure)] if failure else []
    parts += [link(waiting, "Your bank waits for your answer")] if waiting else []
    parts.append(buttons("card", card_choices(CARDS_TO_PAY)))
    if METHOD in session["payment_method_types"]:
        parts += [subheading("US bank account"), buttons("bank", _BANKS)]
    return parts


def _complete(session: Object, intent: Object | None) -> list[str]:
    onward = link(_after(session), "Go on to the platform")
    if session["payment_status"] == "paid":
        return [good_news("Paid. Thank you."), onward]
    if intent is not None and intent["status"] == "processing":
        return [
            good_news("On its way: your bank answers in a few days of the virtual clock."),
            buttons("answer", _ANSWERS),
            onward,
        ]
    return [bad_news("Your bank has sent it back. Nothing was paid."), onward]


def _line(item: Object) -> str:
    name = " · ".join(filter(None, (item["name"], item["description"])))
    return name if item["quantity"] == 1 else f"{item['quantity']} × {name}"


def _price(item: Object) -> str:
    return displayed(item["unit_amount"] * item["quantity"], item["currency"])
