"""What becomes of a withdrawal when Stripe did not make its transfer: one table, and no database."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from domain.gateway import CircuitOpen, Forbidden, KeySpent, Refused, StripeTrouble, Unknown
from domain.kernel.operations import Failure
from domain.runtime import Policy
from domain.withdrawals.documents import Hindrance, Withdrawal, WithdrawalStatus

S = WithdrawalStatus
# Refused, but not for ever: the same under a new key may be taken later.
NOT_NOW: Final = frozenset({"processing_error"})
# What was made a moment ago may not be listed yet: one empty list proves nothing.
LOOKUPS: Final = 2
FUNDS_SHORT: Final = "balance_insufficient"
# A 403 that is about the contractor's account, which has been taken from us, and not about our key.
ACCOUNT_GONE: Final = "account_invalid"
DISCONNECTED: Final = Failure(
    code=ACCOUNT_GONE,
    message="The account for payouts cannot be reached any more. The money is back.",
)
UNREACHABLE: Final = Failure(
    code="provider_unavailable",
    message="The payment provider could not be reached, and nothing was sent. The money is back.",
)


class NotListed(Unknown):
    """Looked up, and not sent: Stripe lists no such transfer."""

    def __init__(self) -> None:
        super().__init__("not_listed")


@dataclass(frozen=True)
class Verdict:
    """The state to move to, when to try again (None: not by itself), and whether this counts as a retry.

    `decided`: the key has done nothing and never will; the next attempt takes a new one.
    `failure`: why the withdrawal is over, and the money goes back.
    """

    status: WithdrawalStatus
    retry_in: timedelta | None = None
    counted: bool = False
    decided: bool = False
    hindrance: Hindrance | None = None
    failure: Failure | None = None


def judge(withdrawal: Withdrawal, trouble: StripeTrouble, *, unknown: bool, policy: Policy) -> Verdict:
    """`unknown`: whether the key may have made the transfer, as the attempt says after this trouble."""
    if withdrawal.status is S.NEEDS_REVIEW:  # a person decides, unless the transfer turns up
        return Verdict(S.NEEDS_REVIEW, retry_in=policy.recheck_max)
    if isinstance(trouble, Refused):
        return _refused(withdrawal, trouble, policy)
    if isinstance(trouble, KeySpent):
        return _again(withdrawal, policy, decided=True)
    if unknown:
        return _unknown(withdrawal, trouble, policy)
    return _not_done(withdrawal, trouble, policy)


def _not_done(withdrawal: Withdrawal, trouble: StripeTrouble, policy: Policy) -> Verdict:
    if isinstance(trouble, Forbidden) and trouble.code == ACCOUNT_GONE:
        return Verdict(S.FAILED, decided=True, failure=DISCONNECTED)
    if isinstance(trouble, CircuitOpen):
        return Verdict(S.RETRYING, retry_in=trouble.retry_after)
    return _again(withdrawal, policy, decided=False)


def _refused(withdrawal: Withdrawal, refused: Refused, policy: Policy) -> Verdict:
    if refused.code == FUNDS_SHORT:
        return Verdict(S.RETRYING, retry_in=policy.funds_recheck, decided=True, hindrance=Hindrance.FUNDS)
    if refused.code in NOT_NOW:
        return _again(withdrawal, policy, decided=True)
    return Verdict(S.FAILED, decided=True, failure=Failure(code=refused.code, message=refused.message))


def _again(withdrawal: Withdrawal, policy: Policy, *, decided: bool) -> Verdict:
    """Certainly not done: once more by the schedule, and when that is at its end, the money goes back."""
    if withdrawal.retries < len(policy.retry_delays):
        delay = policy.retry_delays[withdrawal.retries]
        return Verdict(S.RETRYING, retry_in=delay, counted=True, decided=decided)
    return Verdict(S.FAILED, decided=True, failure=UNREACHABLE)


def _unknown(withdrawal: Withdrawal, trouble: StripeTrouble, policy: Policy) -> Verdict:
    """The same key by the schedule, then two looks at what Stripe lists, and then a person."""
    if trouble.retry_after is not None:  # an open circuit, or a lookup that must be repeated
        return Verdict(S.UNCONFIRMED, retry_in=trouble.retry_after)
    if isinstance(trouble, NotListed):
        return _not_listed(withdrawal, policy)
    beyond = withdrawal.retries - len(policy.retry_delays)
    if beyond > 0:  # the lists cannot be read: that proves nothing
        return Verdict(S.UNCONFIRMED, retry_in=policy.lookup_wait)
    delay = timedelta(0) if beyond == 0 else policy.retry_delays[withdrawal.retries]
    return Verdict(S.UNCONFIRMED, retry_in=delay, counted=True)


def _not_listed(withdrawal: Withdrawal, policy: Policy) -> Verdict:
    beyond = withdrawal.retries - len(policy.retry_delays)
    if beyond <= 0:  # looked for because its wallet is frozen: nothing is sent until it is not
        return Verdict(S.UNCONFIRMED, retry_in=policy.recheck_max, hindrance=Hindrance.FREEZE)
    if beyond < LOOKUPS:
        return Verdict(S.UNCONFIRMED, retry_in=policy.lookup_wait, counted=True)
    return Verdict(S.NEEDS_REVIEW, retry_in=policy.recheck_max)


def looks_up_only(withdrawal: Withdrawal, policy: Policy) -> bool:
    """Whether the schedule is at its end: then Stripe's lists are asked, and nothing is sent."""
    return withdrawal.status is S.NEEDS_REVIEW or withdrawal.retries > len(policy.retry_delays)
