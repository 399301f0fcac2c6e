"""Asking Stripe to make something, exactly once, however often we are interrupted.

The document that wants it holds `attempt` and `lease_until`. One worker at a time asks, under the stored key;
before the call the attempt is marked unknown, and only an answer which says that nothing was done takes
that back. So a process that dies at any line leaves behind what is true.

Where the key cannot speak for an earlier sending, Stripe's list does, and an empty one only when it was empty
twice, `lookup_wait` apart: what was made a moment ago may not be listed yet.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from pymongo import ReturnDocument
from pymongo.asynchronous.collection import AsyncCollection

from domain.gateway.attempts import Attempt, NotSendable
from domain.gateway.errors import Forbidden, KeySpent, NotDone, NotFoundYet, Refused, StripeTrouble, Unknown
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
    check_circuit: Callable[[], None],
    now: Clock,
    lease: timedelta,
    lookup_wait: timedelta,
) -> Made | None:
    """What Stripe made, or found, for the document `subject`, whose `answer_field`, if any, is still null.

    None when another worker is asking, an answer is stored by now, or the document is no longer as `criteria`
    say. Raises StripeTrouble: Refused and KeySpent are decided, everything else is to be asked again. The
    caller stores the answer.
    """
    check_circuit()
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
        return await _decide(attempt, lambda: send(attempt, lease_until), find, now, lookup_wait)
    except StripeTrouble as trouble:
        attempt.unknown = attempt.unknown or not _did_nothing(trouble)
        await _release(collection, subject, lease_until, attempt)
        raise


async def _decide(
    attempt: Attempt,
    send: Callable[[], Awaitable[Made]],
    find: Find[Made],
    now: Clock,
    lookup_wait: timedelta,
) -> Made:
    """The answer under the key; where that cannot speak for an earlier sending, the lookup."""
    trouble: StripeTrouble
    if attempt.stored_failure is not None:
        return await _look_up(attempt, find, KeySpent(attempt.stored_failure), now, lookup_wait)
    try:
        return await send()
    except Refused as refused:
        if not attempt.unknown:
            raise
        # Only what Stripe keeps under the key was, for certain, also its answer to the sending before.
        trouble = refused if refused.replayed else Unknown(refused.code)
    except Unknown as unknown:
        if not unknown.replayed:
            # It may have been done just now: what was not there before says nothing of that.
            attempt.missed_at = None
            raise
        attempt.stored_failure = unknown.code
        trouble = KeySpent(unknown.code)
    except NotSendable as error:
        if attempt.may_be_sent(now()):  # its turn came after the lease had passed
            raise (Unknown if attempt.unknown else NotDone)("not_sendable") from error
        trouble = KeySpent("key_too_old") if attempt.is_spent(now()) else Unknown("not_sendable")
    return await _look_up(attempt, find, trouble, now, lookup_wait)


async def _look_up(
    attempt: Attempt, find: Find[Made], trouble: StripeTrouble, now: Clock, lookup_wait: timedelta
) -> Made:
    """What Stripe lists. Raises NotFoundYet, and once it is proved that there is nothing, `trouble`."""
    proves = attempt.missed_at is not None and now() >= attempt.missed_at + lookup_wait
    found = await listed(find, attempt)
    if found is not None:
        return found
    if proves:
        raise trouble
    attempt.missed_at = attempt.missed_at or now()
    raise NotFoundYet(retry_after=attempt.missed_at + lookup_wait - now())


async def listed(find: Find[Made], attempt: Attempt) -> Made | None:
    """What Stripe lists. Raises Unknown also when it refuses to: that is no answer to what was sent."""
    try:
        return await find(attempt)
    except Refused as refused:
        raise Unknown(refused.code, request_id=refused.request_id) from refused


def _did_nothing(trouble: StripeTrouble) -> bool:
    """Whether the first sending under a key certainly did nothing. An unknown one stays so all the same."""
    return isinstance(trouble, NotDone | Refused | Forbidden)


async def _release(
    collection: AsyncCollection[Row], subject: str, lease_until: Any, attempt: Attempt
) -> None:
    """Give the lease back, if it is still ours, and write down what is known by now."""
    await collection.update_one(
        {"_id": subject, "lease_until": lease_until},
        {
            "$set": {
                "lease_until": None,
                "attempt.unknown": attempt.unknown,
                "attempt.missed_at": attempt.missed_at,
                "attempt.stored_failure": attempt.stored_failure,
            }
        },
    )
