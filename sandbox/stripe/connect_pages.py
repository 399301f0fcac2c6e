"""The pages for the person behind a connected account: onboarding, and the Express dashboard.

A link opens once and leads to a session; a session's address is the permission.
"""

from __future__ import annotations

import datetime

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from . import account_links, balance, external_accounts, links, login_links, onboarding
from .currencies import displayed
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
from .sandbox import Sandbox
from .standing import Outcome
from .store import Stored

ONBOARDING = "/connect/onboarding"
DASHBOARD = "/connect/dashboard"
PAYOUTS_SHOWN = 10
_ENDINGS = (
    Choice(Outcome.ACTIVE, "Submit, and be verified", "active"),
    Choice(Outcome.IN_REVIEW, "Submit, and Stripe looks into it", "in review"),
    Choice(Outcome.RESTRICTED, "Submit, and a document is missing", "restricted"),
    Choice(Outcome.PAYOUTS_DISABLED, "Submit, and get no payouts yet", "payouts off"),
    Choice(Outcome.REJECTED, "Submit, and be turned down", "rejected"),
)
_WAIT_MINUTES = round(links.OPENS_S / 60)


class ConnectPages:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def routes(self) -> list[Route]:
        methods = ["GET", "POST"]
        return [
            Route(f"{account_links.PATH}/{{secret}}", self.enter_onboarding),
            Route(f"{login_links.PATH}/{{secret}}", self.enter_dashboard),
            Route(f"{ONBOARDING}/{{session}}", self.onboarding, methods=methods),
            Route(f"{DASHBOARD}/{{session}}", self.dashboard, methods=methods),
        ]

    async def enter_onboarding(self, request: Request) -> Response:
        """Used up or too old, the link leads to where the platform makes a new one."""
        opened = links.find(self._sandbox.store, "account_link", request.path_params["secret"])
        if opened is None or self._account(opened) is None:
            return not_found()
        session = self._open(opened)
        return RedirectResponse(
            f"{ONBOARDING}/{session}" if session else opened.private["refresh_url"], status_code=303
        )

    async def enter_dashboard(self, request: Request) -> Response:
        """Used up or too old, the link says so: it has no way back."""
        opened = links.find(self._sandbox.store, "login_link", request.path_params["secret"])
        if opened is None or self._account(opened) is None:
            return not_found()
        session = self._open(opened)
        return RedirectResponse(f"{DASHBOARD}/{session}", 303) if session else _spent()

    async def onboarding(self, request: Request) -> Response:
        """Posting `outcome` is both the person's last click and what Stripe makes of it."""
        outcome = (await posted(request)).get("outcome")  # from here on nothing else happens in between
        found = links.of_session(self._sandbox.store, "account_link", request.path_params["session"])
        account = self._account(found)
        if found is None or account is None:
            return not_found()
        if not links.lasts(found, now=self._sandbox.clock.now()):
            onward = "return_url" if "ended" in found.private else "refresh_url"
            return RedirectResponse(found.private[onward], 303)
        if request.method == "GET":
            return _onboarding_form(account, found.private["return_url"])
        if outcome not in _offered(account):
            return _onboarding_form(account, found.private["return_url"], status=400)
        with self._sandbox.change() as tx:
            onboarding.conclude(tx, account["id"], Outcome(outcome))
            links.end_session(tx, found)
        return RedirectResponse(found.private["return_url"], 303)

    async def dashboard(self, request: Request) -> Response:
        """Posting `bank`, one of the test numbers, has payouts go there from now on."""
        number = (await posted(request)).get("bank", "")
        found = links.of_session(self._sandbox.store, "login_link", request.path_params["session"])
        account = self._account(found)
        if found is None or account is None:
            return not_found()
        if not links.lasts(found, now=self._sandbox.clock.now()):
            return _spent()
        if request.method == "GET":
            return self._shown(account)
        bank = external_accounts.BY_NUMBER.get(number)
        if bank is None:
            return self._shown(account, status=400)
        with self._sandbox.change() as tx:
            onboarding.change_bank(tx, account["id"], bank)
        return RedirectResponse(request.url.path, 303)

    def _account(self, opened: Stored | None) -> Object | None:
        """The account as it is by now, unless it is connected no more."""
        if opened is None:
            return None
        stored = self._sandbox.store.find("account", opened.private["account"], account="")
        return stored.body if stored is not None and not stored.deleted else None

    def _open(self, opened: Stored) -> str | None:
        with self._sandbox.change() as tx:
            return links.open_session(tx, opened)

    def _shown(self, account: Object, *, status: int = 200) -> Response:
        with self._sandbox.change(account=account["id"]) as tx:
            held = balance.retrieve(tx, {})
            payouts = tx.store.all_objects("payout", where="account = ?", values=(account["id"],))
        latest = [stored.body for stored in reversed(payouts[-PAYOUTS_SHOWN:])]
        return _dashboard(account, held, latest, status=status)


def _offered(account: Object) -> set[str]:
    return set() if _is_rejected(account) else {choice.value for choice in _ENDINGS}


def _is_rejected(account: Object) -> bool:
    return bool((account["requirements"]["disabled_reason"] or "").startswith("rejected."))


def _onboarding_form(account: Object, return_url: str, *, status: int = 200) -> Response:
    parts = [heading("Get paid"), paragraph(f"Stripe wants to know who you are, {_name(account)}.")]
    parts += _news(account)
    if not _is_rejected(account):
        parts.append(buttons("outcome", _ENDINGS))
    return page(
        "Onboarding",
        *parts,
        link(return_url, "Leave, and finish another time"),
        footer(f"{account['id']} · {account['country']} · a link opens once, within {_WAIT_MINUTES} minutes"),
        status=status,
    )


def _dashboard(account: Object, held: Object, payouts: list[Object], *, status: int) -> Response:
    banks = [
        Choice(
            bank.number,
            f"Pay out to ···· {bank.last4}",
            (bank.failure_code or "payouts arrive").replace("_", " "),
        )
        for bank in external_accounts.TEST_BANKS
    ]
    current = account["external_accounts"]["data"]
    return page(
        "Express dashboard",
        heading(_name(account)),
        *_news(account),
        subheading("Balance"),
        facts([(kind.capitalize(), _amount(one)) for kind in ("available", "pending") for one in held[kind]]),
        subheading("Payouts"),
        facts([(f"{_date(one['arrival_date'])} · {one['status']}", _amount(one)) for one in payouts])
        if payouts
        else paragraph("None so far."),
        subheading("Bank account"),
        *[
            paragraph(f"···· {bank['last4']} · {bank['currency'].upper()} · {bank['status']}")
            for bank in current
        ],
        buttons("bank", banks),
        footer(f"{account['id']} · {account['country']}"),
        status=status,
    )


def _news(account: Object) -> list[str]:
    """Where the account stands, in a sentence."""
    requirements = account["requirements"]
    deadline = requirements["current_deadline"]
    if not account["details_submitted"]:
        return []
    if _is_rejected(account):
        return [bad_news("Stripe has turned this account down.")]
    if requirements["currently_due"]:
        until = f" until {_date(deadline)}" if deadline else ""
        return [bad_news(f"Stripe needs{until}: {', '.join(requirements['currently_due'])}.")]
    if requirements["pending_verification"]:
        return [paragraph("Stripe is checking what it was told.")]
    if not account["payouts_enabled"]:
        return [bad_news("Payouts are switched off.")]
    return [good_news("Nothing is due. Payouts are on.")]


def _spent() -> Response:
    return page(
        "Express dashboard",
        heading("No longer open"),
        bad_news(f"A link opens once, within {_WAIT_MINUTES} minutes. Please ask for a new one."),
        status=410,
    )


def _name(account: Object) -> str:
    name: str = account["business_profile"]["name"] or account["email"] or account["id"]
    return name


def _amount(money: Object) -> str:
    return displayed(money["amount"], money["currency"])


def _date(moment: int) -> str:
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).date().isoformat()
