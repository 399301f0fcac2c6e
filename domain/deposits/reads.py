"""Reading deposits: their owner's pages, sums, and the secrets that only the owner may see."""

from collections.abc import Sequence
from typing import Any, Final

from domain.deposits.documents import Deposit, DepositStatus
from domain.kernel.database import Tx, parse
from domain.kernel.operations import Blocker
from domain.kernel.pages import Page, PageRequest, newest_first
from domain.kernel.search import Search
from domain.runtime import Runtime


async def find(deposit_id: str) -> Deposit | None:
    row = await Deposit.get_pymongo_collection().find_one({"_id": deposit_id})
    return None if row is None else parse(Deposit, row)


async def get(deposit_id: str, tx: Tx | None = None) -> Deposit:
    """As `tx` sees it, where one is given. Raises LookupError: only for ids that were read before."""
    session = None if tx is None else tx.session
    row = await Deposit.get_pymongo_collection().find_one({"_id": deposit_id}, session=session)
    if row is None:
        raise LookupError(deposit_id)
    return parse(Deposit, row)


async def find_by_intent(payment_intent_id: str, tx: Tx | None = None) -> Deposit | None:
    """The deposit whose own intent it is; as `tx` sees it, where one is given."""
    session = None if tx is None else tx.session
    collection = Deposit.get_pymongo_collection()
    row = await collection.find_one({"payment_intent_id": payment_intent_id}, session=session)
    return None if row is None else parse(Deposit, row)


async def find_by_session(session_id: str) -> Deposit | None:
    """The deposit that is paid on this page of Stripe's, a Checkout Session."""
    row = await Deposit.get_pymongo_collection().find_one({"checkout.session_id": session_id})
    return None if row is None else parse(Deposit, row)


async def find_many(deposit_ids: Sequence[str]) -> dict[str, Deposit]:
    rows = await Deposit.get_pymongo_collection().find({"_id": {"$in": list(deposit_ids)}}).to_list()
    return {row["_id"]: parse(Deposit, row) for row in rows}


async def page_of(
    owner: str, request: PageRequest, *, statuses: Sequence[DepositStatus] | None = None
) -> Page[Deposit]:
    """The owner's deposits, newest first. Cursors are ids."""
    return await page(request, Search(person=owner), statuses=statuses)


async def page(
    request: PageRequest, search: Search, *, statuses: Sequence[DepositStatus] | None = None
) -> Page[Deposit]:
    """Everybody's deposits that `search` finds, newest first. Cursors are ids."""
    criteria = search.criteria("dep")
    if statuses is not None:
        criteria["status"] = {"$in": [status.value for status in statuses]}
    page = await newest_first(Deposit.get_pymongo_collection(), criteria, request)
    return Page([parse(Deposit, row) for row in page.items], page.has_next_page, page.has_previous_page)


async def incoming(owner: str, currency: str) -> int:
    """What the owner's deposits in PROCESSING would bring, in minor units."""
    pipeline: list[dict[str, Any]] = [
        {"$match": {"owner": owner, "status": DepositStatus.PROCESSING.value, "currency": currency}},
        {"$group": {"_id": None, "amount": {"$sum": "$amount"}}},
    ]
    rows = await (await Deposit.get_pymongo_collection().aggregate(pipeline)).to_list()
    return int(rows[0]["amount"]) if rows else 0


def client_secret(runtime: Runtime, deposit: Deposit) -> str | None:
    """For Stripe.js; null once the deposit is settled."""
    if deposit.client_secret is None or deposit.is_settled:
        return None
    return runtime.cipher.decrypt(deposit.client_secret).decode()


def next_action_url(runtime: Runtime, deposit: Deposit) -> str | None:
    """Where the payer answers the bank's question; null while none is asked."""
    if deposit.next_action_url is None or deposit.is_settled:
        return None
    return runtime.cipher.decrypt(deposit.next_action_url).decode()


def checkout_url(runtime: Runtime, deposit: Deposit) -> str | None:
    """Where the payer pays on Stripe's page; null once that is closed, or the deposit settled."""
    if deposit.checkout_url is None or deposit.is_settled:
        return None
    return runtime.cipher.decrypt(deposit.checkout_url).decode()


def waiting_for(deposit: Deposit) -> Blocker | None:
    """What the deposit waits for; None when nothing is expected of anybody."""
    if deposit.cancellation is not None and deposit.is_open:
        return Blocker("CANCELLATION", "It is being canceled.", deposit.next_attempt_at)
    if deposit.refund_under_way is not None:
        return Blocker("REFUND", "The payment is being sent back.", deposit.next_attempt_at)
    if deposit.is_open and not deposit.is_made:
        message = "The payment provider has not answered yet; we keep asking."
        return Blocker("PAYMENT_PROVIDER", message, deposit.next_attempt_at)
    code_and_message = _WAITING.get(deposit.status)
    if code_and_message is None:
        return None
    return Blocker(*code_and_message, until=deposit.expires_at if deposit.is_open else None)


_WAITING: Final = {
    DepositStatus.REQUIRES_PAYMENT: ("PAYMENT", "The payer has not confirmed the payment yet."),
    DepositStatus.REQUIRES_ACTION: ("PAYER_ACTION", "The payer's bank asks the payer to confirm."),
    DepositStatus.PROCESSING: ("BANK", "The payment is being processed."),
    DepositStatus.FAILED: ("PAYMENT", "The last attempt did not work; it may be paid again."),
    DepositStatus.NEEDS_REVIEW: ("REVIEW", "An administrator looks at what was received."),
}
