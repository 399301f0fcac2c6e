"""A budget says how often a thing may be done. A verb that is handed one spends it before it writes."""

from typing import Protocol

from domain.kernel.errors import RateLimited


class Budget(Protocol):
    async def spend(self, *subjects: str, member: str) -> None:
        """Count `member` (the attempt's own name) once against each of `subjects`, or against none of them.

        A member that was counted already is allowed and not counted again: replays and racing copies bear the
        same name. Raises RateLimited when one of `subjects` has nothing left; nothing is counted then.
        """

    async def room(self, subject: str) -> RateLimited | None:
        """What `subject` would be told now if a new member were spent, and None if it were let in.

        Nothing is counted, and nothing promised: others may spend before whoever looked does.
        """
