"""What an operation stores that has Stripe send money out."""

from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

from domain.gateway import Attempt
from domain.kernel.operations import Operation

StatusT = TypeVar("StatusT", bound=StrEnum)


class Stage(StrEnum):
    """Where the sending stands: states that each such noun's machine has under these names.

    PENDING ──> PROCESSING ──> RETRYING (not done, later) | UNCONFIRMED (nobody knows) | FAILED (refused)
    RETRYING ──> PROCESSING          UNCONFIRMED ──> RETRYING | FAILED | NEEDS_REVIEW (a person decides)
    """

    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    RETRYING = "RETRYING"
    UNCONFIRMED = "UNCONFIRMED"
    NEEDS_REVIEW = "NEEDS_REVIEW"
    FAILED = "FAILED"


# Stripe is being asked, or was and nobody knows what it did: the money stays held.
ASKED = frozenset({Stage.PROCESSING, Stage.UNCONFIRMED, Stage.NEEDS_REVIEW})


class Hindrance(StrEnum):
    """Why what could be sent is not sent now."""

    FUNDS = "FUNDS"
    ACCOUNT = "ACCOUNT"
    FREEZE = "FREEZE"


class Sending(Operation[StatusT], Generic[StatusT]):
    """Amounts in minor units of `currency`. `attempts_made` counts the questions to Stripe.

    `attempt`: the question that is under way, and may be sent again under its key; null once it is decided.
    `key_number`: how many keys were used. `retries`: how often it was tried again, of the schedule's times.
    """

    wallet: str
    amount: int
    currency: str
    attempt: Attempt | None = None
    key_number: int = 0
    retries: int = 0
    hindrance: Hindrance | None = None
    hindered_since: datetime | None = None
    expected_at: datetime | None = None
    alerted: bool = False
