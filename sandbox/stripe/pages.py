"""The pages that a person would see: paying by card as with Stripe.js, and the bank's 3-D Secure question.

Self-contained HTML over plain form posts. The secret in the address is the permission.
"""

from __future__ import annotations

import html
import secrets
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from . import payment_intents, payments
from .currencies import displayed
from .errors import PaymentFailed, StripeError
from .objects import Object
from .sandbox import Sandbox
from .store import Stored
from .transaction import Cause

_CARDS = (
    ("pm_card_visa", "Pay", "4242 4242 4242 4242"),
    ("pm_card_authenticationRequired", "Pay with 3-D Secure", "4000 0027 6000 3184"),
    ("pm_card_chargeDeclined", "Declined", "4000 0000 0000 0002"),
    ("pm_card_chargeDeclinedInsufficientFunds", "Insufficient funds", "4000 0000 0000 9995"),
)

_STYLE = """
:root { color-scheme: light dark; --ink: #1a1f36; --soft: #697386; --line: #e3e8ee; --back: #f6f9fc;
  --card: #fff; --accent: #635bff; --good: #0e6245; --bad: #a41c4e }
@media (prefers-color-scheme: dark) { :root { --ink: #f0f2f7; --soft: #a3acb9; --line: #2f3747;
  --back: #0d1220; --card: #171d2e; --good: #4fd1a1; --bad: #ff8fb3 } }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--back);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
main { width: min(26rem, calc(100vw - 2rem)); box-sizing: border-box; padding: 2rem; border-radius: 12px;
  border: 1px solid var(--line); background: var(--card); box-shadow: 0 8px 24px rgb(0 0 0 / 8%) }
h1 { margin: 0; font-size: 2rem } p { margin: .25rem 0 1.25rem; color: var(--soft) }
p.good { color: var(--good) } p.bad { color: var(--bad) } form { display: grid; gap: .6rem }
button { display: flex; justify-content: space-between; align-items: baseline; gap: 1rem; padding: .8rem 1rem;
  border: 1px solid var(--line); border-radius: 8px; background: none; color: inherit; font: inherit;
  cursor: pointer; text-align: left }
button:first-child { background: var(--accent); border-color: var(--accent); color: #fff }
button:hover, button:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }
small { opacity: .75; font-variant-numeric: tabular-nums; white-space: nowrap }
footer { margin-top: 1.5rem; font-size: .8rem; color: var(--soft) }
"""

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}


class Pages:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def routes(self) -> list[Route]:
        return [
            Route("/pay/{client_secret}", self.pay, methods=["GET", "POST"]),
            Route("/3ds/{intent}/{token}", self.challenge, methods=["GET", "POST"]),
        ]

    async def pay(self, request: Request) -> Response:
        """The payment form. Posting `card` confirms the intent as Stripe.js would."""
        secret: str = request.path_params["client_secret"]
        intent = self._intent_of(secret)
        if intent is None:
            return _not_found()
        if request.method == "GET":
            return _page("Payment", _payment(intent))
        card = (await _form(request)).get("card", "")
        cause = Cause(self._sandbox.ids.new("req_"), idempotency_key=None)
        with self._sandbox.change(cause=cause, base_url=_base_url(request), publishable=True) as tx:
            try:
                params = {"client_secret": secret, "payment_method": card}
                intent = payment_intents.confirm(tx, params, intent=intent["id"])
            except PaymentFailed:
                pass  # the page tells what the intent remembers
            except StripeError as error:
                return _page("Payment", _payment(intent, problem=str(error)), status=error.status)
        action = intent["next_action"]
        if intent["status"] == "requires_action" and action is not None:
            return RedirectResponse(action["use_stripe_sdk"]["stripe_js"], 303)
        return RedirectResponse(request.url.path, 303)

    async def challenge(self, request: Request) -> Response:
        """The bank's question. Posting `outcome` (accept, refuse) answers it."""
        stored = self._challenged(request.path_params["intent"], request.path_params["token"])
        if stored is None:
            return _not_found()
        if request.method == "GET":
            return _page("Your bank", _question(stored.body))
        outcome = (await _form(request)).get("outcome")
        if outcome not in {"accept", "refuse"}:
            return _page("Your bank", _question(stored.body), status=400)
        with self._sandbox.change() as tx:
            intent = payments.authenticate(tx, stored.body, accepted=outcome == "accept")
        return_url = stored.private["return_url"]
        if return_url is None:
            return RedirectResponse(f"/pay/{intent['client_secret']}", 303)
        return RedirectResponse(payments.return_address(intent, return_url), 303)

    def _intent_of(self, client_secret: str) -> Object | None:
        intent_id = client_secret.partition("_secret_")[0]
        stored = self._sandbox.store.find("payment_intent", intent_id, account="")
        if stored is None or not _same(stored.body["client_secret"], client_secret):
            return None
        return stored.body

    def _challenged(self, intent: str, token: str) -> Stored | None:
        stored = self._sandbox.store.find("payment_intent", intent, account="")
        if stored is None or stored.body["status"] != "requires_action":
            return None
        return stored if _same(stored.private["challenge"], token) else None


def _payment(intent: Object, *, problem: str | None = None) -> str:
    amount = html.escape(displayed(intent["amount"], intent["currency"]))
    failure = problem or (intent["last_payment_error"] or {}).get("message")
    lines = [f"<h1>{amount}</h1>", f"<p>{html.escape(intent['description'] or 'Payment')}</p>"]
    match intent["status"]:
        case "succeeded":
            lines.append('<p class="good" role="status">Paid. Thank you.</p>')
        case "canceled":
            lines.append('<p class="bad" role="status">This payment was canceled.</p>')
        case _:
            if failure:
                lines.append(f'<p class="bad" role="alert">{html.escape(failure)}</p>')
            buttons = "".join(
                f'<button name="card" value="{name}"><span>{label}</span><small>{number}</small></button>'
                for name, label, number in _CARDS
            )
            lines.append(f'<form method="post">{buttons}</form>')
    lines.append(f"<footer>{html.escape(intent['id'])} · {html.escape(intent['status'])}</footer>")
    return "".join(lines)


def _question(intent: Object) -> str:
    amount = html.escape(displayed(intent["amount"], intent["currency"]))
    return (
        f"<h1>{amount}</h1><p>Your bank wants to know: is it you who pays?</p>"
        '<form method="post">'
        '<button name="outcome" value="accept"><span>Yes, authenticate</span></button>'
        '<button name="outcome" value="refuse"><span>No, refuse</span></button>'
        f"</form><footer>3-D Secure · {html.escape(intent['id'])}</footer>"
    )


def _page(title: str, content: str, *, status: int = 200) -> HTMLResponse:
    return HTMLResponse(
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{title} (sandbox)</title><style>{_STYLE}</style><main>{content}</main></html>",
        status,
        headers=_HEADERS,
    )


def _not_found() -> HTMLResponse:
    return _page(
        "Not found", "<h1>Not found</h1><p>There is nothing to do here, or no longer.</p>", status=404
    )


def _base_url(request: Request) -> str:
    return str(request.base_url).rstrip("/")


async def _form(request: Request) -> dict[str, str]:
    fields = parse_qs((await request.body()).decode(errors="replace"))
    return {name: values[-1] for name, values in fields.items()}


def _same(real: str, given: str) -> bool:
    return secrets.compare_digest(real.encode(), given.encode())
