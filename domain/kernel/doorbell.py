"""The doorbell tells a worker that something is due. It may be silent: MongoDB holds the truth."""

from typing import Protocol


class DoorbellSilent(Exception):
    """Nobody heard the bell (Redis is away); the sweep will find what is due."""


class Doorbell(Protocol):
    async def ring(self, job: str, subject: str) -> None:
        """Ask a worker to run `job` for the id `subject` now. Raises DoorbellSilent."""
