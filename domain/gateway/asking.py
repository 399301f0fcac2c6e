"""Asking Stripe to make something, exactly once, however often we are interrupted.

The document that wants it holds `attempt` and `lease_until`. One worker at a time asks, under the stored key;
before the call the attempt is marked unknown, and only an answer which says that nothing was done takes
that back. So a process that dies at any line leaves behind what is true.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from pymongo import ReturnDocument
from pymongo.asynchronous.collection import AsyncCollection

from domain.gateway.attempts import Attempt, NotSendable
from domain.gateway.errors import KeySpent, NotDone, Refused, StripeTrouble, Unknown
from domain.kernel.clock import Clock
from domain.kernel.database import Row

Made = TypeVar("Made")
Send = Callable[[Attempt, Any], Awaitable[Made]]
Find = Callable[[Attempt], Awaitable[Made | None]]


async def ask(
    collection: AsyncCollection[Row],
    subject: str,
    *,
    answer_field: str | None = None,
    criteria: Mapping[str, Any] | None = None,
    send: Send[Made],
    find: Find[Made],
    now: Clock,
    lease: timedelta,
) -> Made | None:
    """What Stripe made, or found, for the document `subject`, whose `answer_field`, if any, is still null.

    None when another worker is asking, an answer is stored by now, or the document is no longer as `criteria`
    say. Raises StripeTrouble: Refused and KeySpent are decided, everything else is to be asked again. The
    caller stores the answer.
    """
    lease_until = now() + lease
    row = await collection.find_one_and_update(
        {
            "_id": subject,
            **({} if answer_field is None else {answer_field: None}),
            "attempt": {"$ne": None},
            "lease_until": {"$not": {"$gt": now()}},
            **(criteria or {}),
        },
        {"$set": {"lease_until": lease_until, "attempt.unknown": True}},
        return_document=ReturnDocument.BEFORE,
    )
    if row is None:
        return None
    attempt = Attempt.model_validate(row["attempt"])
    try:
        return await _decide(attempt, lambda: send(attempt, lease_until), find, now)
    except StripeTrouble as trouble:
        await _release(collection, subject, lease_until, unknown=_still_unknown(attempt, trouble))
        raise


async def _decide(
    attempt: Attempt, send: Callable[[], Awaitable[Made]], find: Find[Made], now: Clock
) -> Made:
    """The answer under the key; where that cannot speak for an earlier sending, the lookup."""
    trouble: StripeTrouble
    try:
        return await send()
    except Refused as refused:
        if not attempt.unknown:
            raise
        trouble = refused
    except Unknown as unknown:
        if not unknown.replayed:
            raise
        trouble = KeySpent(unknown.code)
    except NotSendable as error:
        if not attempt.is_spent(now()):
            raise Unknown("not_sendable") from error
        trouble = KeySpent("key_too_old")
    found = await find(attempt)
    if found is None:
        raise trouble
    return found


def _still_unknown(attempt: Attempt, trouble: StripeTrouble) -> bool:
    """A key that was once unknown stays so; a first sending that certainly did nothing is not."""
    return attempt.unknown or not isinstance(trouble, NotDone | Refused)


async def _release(
    collection: AsyncCollection[Row], subject: str, lease_until: Any, *, unknown: bool
) -> None:
    """Give the lease back, if it is still ours."""
    await collection.update_one(
        {"_id": subject, "lease_until": lease_until},
        {"$set": {"lease_until": None, "attempt.unknown": unknown}},
    )
