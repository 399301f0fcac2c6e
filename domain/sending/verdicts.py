"""What becomes of a sending when Stripe did not do it: one table, and no database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from domain.gateway import CircuitOpen, Forbidden, KeySpent, Refused, StripeTrouble, Unknown
from domain.kernel.operations import Failure
from domain.runtime import Policy
from domain.sending.documents import Hindrance, Sending, Stage

# Refused, but not for ever: the same under a new key may be taken later.
NOT_NOW: Final = frozenset({"processing_error"})
# What was made a moment ago may not be listed yet: one empty list proves nothing.
LOOKUPS: Final = 2
FUNDS_SHORT: Final = "balance_insufficient"


class NotListed(Unknown):
    """Looked up, and not done: Stripe lists no such thing."""

    def __init__(self) -> None:
        super().__init__("not_listed")


@dataclass(frozen=True)
class Terms:
    """What a noun says of its failures. `forbidden`: of 403s, by code, that are about who is to be paid."""

    unreachable: Failure
    forbidden: Mapping[str, Failure] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """The state to move to, when to try again (None: not by itself), and whether this counts as a retry.

    `decided`: the key has done nothing and never will; the next attempt takes a new one.
    `failure`: why the sending is over, and the money goes back.
    """

    status: Stage
    retry_in: timedelta | None = None
    counted: bool = False
    decided: bool = False
    hindrance: Hindrance | None = None
    failure: Failure | None = None


def judge(
    sending: Sending[Any], trouble: StripeTrouble, *, unknown: bool, policy: Policy, terms: Terms
) -> Verdict:
    """`unknown`: whether the key may have done it, as the attempt says after this trouble."""
    if sending.status == Stage.NEEDS_REVIEW:  # a person decides, unless it turns up
        return Verdict(Stage.NEEDS_REVIEW, retry_in=policy.recheck_max)
    if isinstance(trouble, Refused):
        return _refused(sending, trouble, policy, terms)
    if isinstance(trouble, KeySpent):
        return _again(sending, policy, terms, decided=True)
    if unknown:
        return _unknown(sending, trouble, policy)
    return _not_done(sending, trouble, policy, terms)


def _not_done(sending: Sending[Any], trouble: StripeTrouble, policy: Policy, terms: Terms) -> Verdict:
    if isinstance(trouble, Forbidden) and trouble.code in terms.forbidden:
        return Verdict(Stage.FAILED, decided=True, failure=terms.forbidden[trouble.code])
    if isinstance(trouble, CircuitOpen):
        return Verdict(Stage.RETRYING, retry_in=trouble.retry_after)
    return _again(sending, policy, terms, decided=False)


def _refused(sending: Sending[Any], refused: Refused, policy: Policy, terms: Terms) -> Verdict:
    if refused.code == FUNDS_SHORT:
        return Verdict(Stage.RETRYING, retry_in=policy.funds_recheck, decided=True, hindrance=Hindrance.FUNDS)
    if refused.code in NOT_NOW:
        return _again(sending, policy, terms, decided=True)
    return Verdict(Stage.FAILED, decided=True, failure=Failure(code=refused.code, message=refused.message))


def _again(sending: Sending[Any], policy: Policy, terms: Terms, *, decided: bool) -> Verdict:
    """Certainly not done: once more by the schedule, and when that is at its end, the money goes back."""
    if sending.retries < len(policy.retry_delays):
        delay = policy.retry_delays[sending.retries]
        return Verdict(Stage.RETRYING, retry_in=delay, counted=True, decided=decided)
    return Verdict(Stage.FAILED, decided=True, failure=terms.unreachable)


def _unknown(sending: Sending[Any], trouble: StripeTrouble, policy: Policy) -> Verdict:
    """The same key by the schedule, then two looks at what Stripe lists, and then a person."""
    if trouble.retry_after is not None:  # an open circuit, or a lookup that must be repeated
        return Verdict(Stage.UNCONFIRMED, retry_in=trouble.retry_after)
    if isinstance(trouble, NotListed):
        return _not_listed(sending, policy)
    beyond = sending.retries - len(policy.retry_delays)
    if beyond > 0:  # the lists cannot be read: that proves nothing
        return Verdict(Stage.UNCONFIRMED, retry_in=policy.lookup_wait)
    delay = timedelta(0) if beyond == 0 else policy.retry_delays[sending.retries]
    return Verdict(Stage.UNCONFIRMED, retry_in=delay, counted=True)


def _not_listed(sending: Sending[Any], policy: Policy) -> Verdict:
    beyond = sending.retries - len(policy.retry_delays)
    if beyond <= 0:  # looked for because its wallet is frozen: nothing is sent until it is not
        return Verdict(Stage.UNCONFIRMED, retry_in=policy.recheck_max, hindrance=Hindrance.FREEZE)
    if beyond < LOOKUPS:
        return Verdict(Stage.UNCONFIRMED, retry_in=policy.lookup_wait, counted=True)
    return Verdict(Stage.NEEDS_REVIEW, retry_in=policy.recheck_max)


def looks_up_only(sending: Sending[Any], policy: Policy) -> bool:
    """Whether the schedule is at its end: then Stripe's lists are asked, and nothing is sent."""
    return sending.status == Stage.NEEDS_REVIEW or sending.retries > len(policy.retry_delays)
