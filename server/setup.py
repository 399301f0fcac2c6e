"""What a database needs before the first request: its indexes, and, where asked for, its first people."""

from collections.abc import Sequence

from domain import identity
from domain.identity import NewPerson, Role
from server.runtime import open_runtime
from server.settings import Settings

__all__ = ["NewPerson", "Role", "prepare"]


async def prepare(settings: Settings, people: Sequence[NewPerson] = ()) -> None:
    """Create what is missing. Safe to run again, and beside a running product."""
    async with open_runtime(settings, create_indexes=True) as runtime:
        await identity.people.ensure(runtime, people)
