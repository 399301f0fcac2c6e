"""What Stripe is asked to make for a deposit: its intent, or the page on which that comes to be."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar

from domain.gateway import Attempt, Find

CLOCK_SLACK: Final = timedelta(minutes=5)
Made = TypeVar("Made")


@dataclass(frozen=True)
class Question(Generic[Made]):
    """`step` names it in its key; `answer_field` of the deposit holds the id of what was made.

    `parameters` are those of a new attempt, for Stripe's id of the customer; `store` writes the answer, to
    what was asked at that time.
    """

    step: str
    answer_field: str
    parameters: Callable[[str], Mapping[str, Any]]
    send: Callable[[Attempt, datetime], Awaitable[Made]]
    find: Find[Made]
    store: Callable[[Made, datetime], Awaitable[object]]
