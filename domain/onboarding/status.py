"""Where an account stands, by Stripe's own fields. Pure: the table of docs/connect.md, line by line."""

from typing import Final

from domain.gateway import Account
from domain.kernel.operations import Blocker
from domain.onboarding.documents import ConnectAccount, ConnectAccountStatus

S = ConnectAccountStatus
_REJECTED: Final = frozenset({"listed", "platform_paused"})
_IN_REVIEW: Final = frozenset({"under_review", "requirements.pending_verification"})


def status_of(account: Account) -> ConnectAccountStatus:
    """The first line that applies, in the order of docs/connect.md."""
    requirements = account.requirements
    reason = requirements.disabled_reason or ""
    if not account.details_submitted:
        return S.INCOMPLETE
    if reason.startswith("rejected.") or reason in _REJECTED:
        return S.REJECTED
    if reason in _IN_REVIEW or (requirements.pending_verification and not requirements.due):
        return S.IN_REVIEW
    if requirements.due:
        return S.ACTION_REQUIRED
    if account.receives_transfers:
        return S.ACTIVE if account.payouts_enabled else S.PAYOUTS_DISABLED
    # Nothing is asked for, and still it receives nothing: its owner must act where Stripe says so. For
    # everything else, words that Stripe may yet invent included, Stripe must.
    acts = reason.startswith(("action_required.", "requirements."))
    return S.ACTION_REQUIRED if acts else S.IN_REVIEW


def withdrawals_enabled(account: Account) -> bool:
    """Whether money may leave to it: it can receive, and its bank account is paid."""
    return account.receives_transfers and account.payouts_enabled


def blocker_of(account: ConnectAccount | None) -> Blocker | None:
    """Why no money can leave to this account, of one's own; None when it can."""
    if account is None:
        return Blocker("CONNECT_ACCOUNT_REQUIRED", "Set up an account for payouts first.")
    if account.is_settled:
        return Blocker(
            "CONNECT_ACCOUNT_REQUIRED", "The account for payouts is closed: another must be set up."
        )
    if account.withdrawals_enabled:
        return None
    if account.details_submitted and account.requirements_due:
        return Blocker("ONBOARDING_REQUIREMENT", _wanted(account))
    return Blocker("CONNECT_ACCOUNT_NOT_READY", _NOT_READY[account.status])


def _wanted(account: ConnectAccount) -> str:
    first, *others = account.requirements_due
    more = f", and {len(others)} more" if others else ""
    error = next((error for error in account.requirement_errors if error.requirement == first), None)
    because = "" if error is None else f" ({error.reason})"
    return f"The payment provider needs {first}{because}{more}."


_NOT_READY: Final = {
    S.INCOMPLETE: "The set-up of the account for payouts is not finished.",
    S.ACTION_REQUIRED: "The payment provider asks for something on the account for payouts.",
    S.IN_REVIEW: "The payment provider is looking at the account for payouts.",
    S.PAYOUTS_DISABLED: "The payment provider pays nothing out from the account: its bank account must be "
    "looked at.",
}
