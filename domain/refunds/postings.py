"""A refund's entries: each step named, so that it can be booked only once."""

from typing import Final

from domain.ledger import Account, Kind, NewEntry, Platform, Posting
from domain.refunds.documents import Refund, SentBy

STRIPE: Final = Account.platform(Platform.STRIPE)
UNEXPLAINED: Final = Account.platform(Platform.UNEXPLAINED)


def reserved_ref(refund_id: str) -> str:
    return f"refund:{refund_id}:reserved"


def hold_settled_ref(refund_id: str) -> str:
    """Sent and given back bear the same ref: they exclude each other in the database."""
    return sent_ref(refund_id, SentBy.HOLD_SETTLED)


def sent_ref(refund_id: str, booked: SentBy) -> str:
    return f"refund:{refund_id}:{booked.value}"


def returned_ref(refund_id: str) -> str:
    return f"refund:{refund_id}:returned"


def reserved(refund: Refund, *, actor: str) -> NewEntry:
    step = Posting(Account.available(refund.wallet), Account.held(refund.wallet), refund.amount)
    return _entry(refund, reserved_ref(refund.id), Kind.REFUND_REQUESTED, step, actor=actor)


def given_back(refund: Refund, *, actor: str) -> NewEntry:
    """It was never sent: what was held is available again."""
    step = Posting(Account.held(refund.wallet), Account.available(refund.wallet), refund.amount)
    return _entry(refund, hold_settled_ref(refund.id), Kind.REFUND_RETURNED, step, actor=actor)


def sent(refund: Refund, booked: SentBy, *, read_before: bool, actor: str) -> NewEntry:
    """`read_before`: Stripe's balance was read before anybody knew whose the refund is."""
    wallet = refund.wallet
    source = Account.held(wallet) if booked is SentBy.HOLD_SETTLED else Account.available(wallet)
    step = Posting(source, UNEXPLAINED if read_before else STRIPE, refund.amount)
    return _entry(refund, sent_ref(refund.id, booked), Kind.REFUND_SENT, step, actor=actor)


def returned(refund: Refund, *, read_before: bool, actor: str) -> NewEntry:
    """It failed after it was sent: the money is at Stripe again."""
    source = UNEXPLAINED if read_before else STRIPE
    step = Posting(source, Account.available(refund.wallet), refund.amount)
    return _entry(refund, returned_ref(refund.id), Kind.REFUND_RETURNED, step, actor=actor)


def read_way(*, left: bool) -> tuple[str, str]:
    """From where to where Stripe's balance is booked, but for fees, before anybody knows whose it is."""
    way = (str(UNEXPLAINED), str(STRIPE))
    return way if left else way[::-1]


def _entry(refund: Refund, ref: str, kind: Kind, step: Posting, *, actor: str) -> NewEntry:
    return NewEntry(
        ref=ref, kind=kind, currency=refund.currency, postings=[step], operation=refund.id, actor=actor
    )
