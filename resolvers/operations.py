"""Operations of every noun, found by the prefix of their id. A new noun is a line here, and one in schema."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from domain import adjustments, deposits, disputes, escrow, refunds, withdrawals
from domain.kernel.operations import Operation

AnyOperation = Operation[Any]


@dataclass(frozen=True)
class Noun:
    """How its operations are read, many at once, and whose they are."""

    find_many: Callable[[Sequence[str]], Awaitable[Mapping[str, Any]]]
    people: Callable[[Any], Collection[str]] = lambda operation: {operation.owner}


NOUNS: Final[Mapping[str, Noun]] = {
    # Until it is posted, an adjustment is a matter among administrators.
    "adj": Noun(adjustments.find_many, lambda operation: {operation.owner} if operation.is_posted else ()),
    "dep": Noun(deposits.find_many),
    "dsp": Noun(disputes.find_many),
    "esc": Noun(escrow.find_many, lambda operation: {operation.owner, operation.contractor}),
    "wdr": Noun(withdrawals.find_many),
    "rfd": Noun(refunds.find_many),
}


def prefix_of(operation_id: str) -> str:
    return operation_id.partition("_")[0]


async def find_many(operation_ids: Iterable[str]) -> dict[str, AnyOperation]:
    """By id, one query a noun; what is not there, or of no noun here, is left out."""
    by_prefix: defaultdict[str, list[str]] = defaultdict(list)
    for operation_id in operation_ids:
        by_prefix[prefix_of(operation_id)].append(operation_id)
    known = [(NOUNS[prefix], ids) for prefix, ids in by_prefix.items() if prefix in NOUNS]
    found = await asyncio.gather(*(noun.find_many(ids) for noun, ids in known))
    return {operation_id: operation for each in found for operation_id, operation in each.items()}


def concerns(operation: AnyOperation, person: str) -> bool:
    """Whether the person is a party to it."""
    return person in NOUNS[prefix_of(operation.id)].people(operation)
