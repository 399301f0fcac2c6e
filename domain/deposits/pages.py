"""The page of a checkout, as Stripe shows it, and how it ends a deposit that is not paid there."""

from typing import Any, Final

from domain.deposits.documents import NO_SECRETS, Deposit, DepositStatus, Page
from domain.gateway import CheckoutSession
from domain.kernel.cipher import Cipher
from domain.kernel.database import Tx
from domain.kernel.operations import Actor, move

_PAGES: Final = {page.value: page for page in Page}
_CLOSED: Final = {
    Page.EXPIRED: "its page has expired",
    Page.COMPLETE: "the payment failed after its page was closed",
}


async def end_if_over(tx: Tx, deposit: Deposit, *, actor: Actor) -> Deposit:
    """On a page that is closed nobody pays any more: what is not paid there, nor being paid, has ended.

    Stripe cancels no intent of a page, and expires none that was complete: there is nothing to ask it for.
    """
    if deposit.checkout is None or not deposit.is_open:
        return deposit
    page, failed = deposit.checkout.page, deposit.status is DepositStatus.FAILED
    if page is Page.OPEN or not (page is Page.EXPIRED or failed or deposit.payment_intent_id is None):
        return deposit
    by, reason = ended_by(deposit, actor)
    failure = deposit.failure if page is Page.COMPLETE else None
    changes = {**NO_SECRETS, "failure": None if failure is None else failure.model_dump()}
    return await move(tx, deposit, DepositStatus.CANCELED, actor=by, reason=reason, changes=changes)


def ended_by(deposit: Deposit, actor: Actor) -> tuple[Actor, str | None]:
    """Who ended it, and why: whoever wished so, or else its page."""
    if deposit.cancellation is not None:
        return deposit.cancellation.by, deposit.cancellation.reason
    page = Page.OPEN if deposit.checkout is None else deposit.checkout.page
    return actor, _CLOSED.get(page)


def changes_of(deposit: Deposit, session: CheckoutSession, cipher: Cipher) -> dict[str, Any]:
    """The deposit's fields as `session` shows them, where they are others. What is closed stays closed."""
    checkout = deposit.checkout
    if checkout is None or checkout.session_id not in (None, session.id):
        return {}
    page = checkout.page
    if page is Page.OPEN and not deposit.is_settled:
        page = _PAGES.get(session.status, page)
    url = deposit.checkout_url
    if page is not Page.OPEN or deposit.is_settled:
        url = None
    elif url is None and session.url is not None:
        url = cipher.encrypt(session.url)
    shown = checkout.model_copy(update={"session_id": session.id, "page": page})
    changes: dict[str, Any] = {} if shown == checkout else {"checkout": shown.model_dump()}
    return changes if url == deposit.checkout_url else {**changes, "checkout_url": url}
