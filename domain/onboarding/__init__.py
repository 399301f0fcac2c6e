"""Accounts for payouts: a contractor's account at Stripe Connect, from its making to its end."""

from domain.onboarding import events
from domain.onboarding.documents import (
    MACHINE,
    ConnectAccount,
    ConnectAccountStatus,
    RequirementError,
)
from domain.onboarding.facts import guard_wait
from domain.onboarding.reads import find, find_by_stripe_id, latest, live_account, live_accounts
from domain.onboarding.service import (
    Addresses,
    CreateConnectAccount,
    Created,
    create,
    create_dashboard_link,
    create_onboarding_link,
    of_owner,
    refresh,
)
from domain.onboarding.status import blocker_of, status_of
from domain.onboarding.upkeep import claim_next, look_again

DOCUMENTS = (ConnectAccount,)

__all__ = [
    "DOCUMENTS",
    "MACHINE",
    "Addresses",
    "ConnectAccount",
    "ConnectAccountStatus",
    "CreateConnectAccount",
    "Created",
    "RequirementError",
    "blocker_of",
    "claim_next",
    "create",
    "create_dashboard_link",
    "create_onboarding_link",
    "events",
    "find",
    "find_by_stripe_id",
    "guard_wait",
    "latest",
    "live_account",
    "live_accounts",
    "look_again",
    "of_owner",
    "refresh",
    "status_of",
]
