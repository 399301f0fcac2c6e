"""What is due of a sending: claimed by one worker at a time, and put off when Stripe cannot be asked."""

from datetime import timedelta
from typing import Any, TypeVar

from domain.kernel.database import parse
from domain.kernel.due import claim_due
from domain.runtime import Runtime
from domain.sending.documents import Sending

SendingT = TypeVar("SendingT", bound=Sending[Any])


async def claim(runtime: Runtime, model: type[SendingT], sending_id: str | None = None) -> SendingT | None:
    """The one that is due longest, or this one if it is due: leased to the caller."""
    row = await claim_due(
        model.get_pymongo_collection(),
        now=runtime.now(),
        lease=runtime.policy.lease,
        criteria=None if sending_id is None else {"_id": sending_id},
    )
    return None if row is None else parse(model, row)


async def postpone(runtime: Runtime, sending: Sending[Any], pause: timedelta) -> None:
    """Due again after `pause`, unless it moved on meanwhile."""
    await (
        type(sending)
        .get_pymongo_collection()
        .update_one(
            {"_id": sending.id, "version": sending.version, "next_attempt_at": {"$type": "date"}},
            # Its owner is told until when it waits.
            {"$set": {"next_attempt_at": runtime.now() + pause}, "$inc": {"version": 1}},
        )
    )
