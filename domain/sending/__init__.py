"""Money sent out through Stripe, once, whatever breaks: what withdrawals and refunds have in common."""

from domain.sending.documents import Hindrance, Sending, Stage
from domain.sending.reads import IN_DOUBT, in_doubt
from domain.sending.service import (
    CLEARED,
    CLOCK_SLACK,
    Errand,
    attempt_for,
    hinder,
    is_startable,
    prove_not_sent,
    send,
)
from domain.sending.upkeep import claim, postpone
from domain.sending.verdicts import LOOKUPS, NotListed, Terms, Verdict, judge, looks_up_only

__all__ = [
    "CLEARED",
    "CLOCK_SLACK",
    "IN_DOUBT",
    "LOOKUPS",
    "Errand",
    "Hindrance",
    "NotListed",
    "Sending",
    "Stage",
    "Terms",
    "Verdict",
    "attempt_for",
    "claim",
    "hinder",
    "in_doubt",
    "is_startable",
    "judge",
    "looks_up_only",
    "postpone",
    "prove_not_sent",
    "send",
]
