"""What a refund waits for."""

from typing import Final

from domain.kernel.operations import Blocker
from domain.ledger import Wallet
from domain.refunds.documents import Refund, RefundStatus
from domain.sending import Hindrance

S = RefundStatus
_REVIEW: Final = Blocker("REVIEW", "An administrator finds out whether the refund was made.")
_ACTION: Final = Blocker("PAYER_ACTION", "The card's owner must do something before the money can come.")


def waiting_for(refund: Refund, *, wallet: Wallet | None) -> Blocker | None:
    """None when it is over, or moves this very moment. `wallet` is looked at where a freeze hinders it."""
    until = refund.next_attempt_at
    match refund.status:
        case S.PENDING | S.RETRYING:
            return _before_sending(refund, wallet)
        case S.UNCONFIRMED:
            message = "Whether the refund was made is not known yet; we keep asking the payment provider."
            return Blocker("CONFIRMATION", message, until)
        case S.NEEDS_REVIEW:
            return _REVIEW
        case S.REQUIRES_ACTION:
            return _ACTION
        case S.PROCESSING if refund.sent is not None:
            return Blocker("BANK", "The payment provider is bringing it to the card.")
        case _:
            return None


def _before_sending(refund: Refund, wallet: Wallet | None) -> Blocker:
    until = refund.next_attempt_at
    match refund.hindrance:
        case Hindrance.FUNDS:
            message = "The platform's balance does not cover it yet."
            return Blocker("FUNDS_AVAILABLE", message, refund.expected_at or until)
        case Hindrance.FREEZE if wallet is not None and wallet.freezes:
            reason = wallet.freezes[0].reason
            return Blocker("WALLET_FROZEN", "Nothing may leave this wallet for now: " + reason)
        case None if refund.status is S.RETRYING:
            return Blocker("RETRY", "The payment provider could not take it; it is tried again.", until)
        case _:
            return Blocker("SENDING", "It is about to be sent.", until)
