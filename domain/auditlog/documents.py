"""An administrator's act, written in the transaction that carried it out."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from beanie import Document
from pymongo import ASCENDING, DESCENDING, IndexModel


class Act(StrEnum):
    """What was done, by the noun that it was done to."""

    WALLET_FROZEN = "WALLET_FROZEN"
    WALLET_UNFROZEN = "WALLET_UNFROZEN"
    DEPOSIT_RESOLVED = "DEPOSIT_RESOLVED"
    ESCROW_REFUNDED = "ESCROW_REFUNDED"
    ESCROW_RELEASED = "ESCROW_RELEASED"
    ESCROW_RESOLVED = "ESCROW_RESOLVED"
    WITHDRAWAL_APPROVED = "WITHDRAWAL_APPROVED"
    WITHDRAWAL_REJECTED = "WITHDRAWAL_REJECTED"
    WITHDRAWAL_RESOLVED = "WITHDRAWAL_RESOLVED"
    REFUND_REQUESTED = "REFUND_REQUESTED"
    REFUND_CANCELED = "REFUND_CANCELED"
    REFUND_RESOLVED = "REFUND_RESOLVED"
    DISPUTE_WRITTEN_OFF = "DISPUTE_WRITTEN_OFF"
    ADJUSTMENT_POSTED = "ADJUSTMENT_POSTED"
    ADJUSTMENT_ASKED_FOR = "ADJUSTMENT_ASKED_FOR"
    ADJUSTMENT_CONFIRMED = "ADJUSTMENT_CONFIRMED"
    ADJUSTMENT_REJECTED = "ADJUSTMENT_REJECTED"


class AuditRecord(Document):
    """`by`: the administrator's id. `subject`: the id of what it was done to. `person`: whose that is.

    `reason`: in their words. `request_id`: the request's, as the logs have it. Nothing here ever changes.
    """

    id: str  # type: ignore[assignment]  # prefixed ids in place of ObjectIds
    act: Act
    by: str
    subject: str
    person: str | None
    reason: str | None
    request_id: str | None
    at: datetime

    class Settings:
        name = "audit_records"
        indexes: ClassVar = [
            IndexModel([("by", ASCENDING), ("_id", DESCENDING)], name="by"),
            IndexModel([("subject", ASCENDING), ("_id", DESCENDING)], name="subject"),
            IndexModel([("person", ASCENDING), ("_id", DESCENDING)], name="person"),
            IndexModel([("act", ASCENDING), ("_id", DESCENDING)], name="act"),
        ]
