"""What the database needs before the API starts: indexes, and the people of `sandbox.people`."""

import asyncio
import importlib
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from sandbox.errors import RunError
from sandbox.files import write_environment
from sandbox.people import PEOPLE
from sandbox.plan import Plan

if TYPE_CHECKING:
    from server.settings import Settings


class UnsafeSettingsError(RunError):
    """The product refuses these settings."""


async def warm_up() -> None:
    """Import the product, which takes more than a second, while the stores are starting."""
    await asyncio.to_thread(importlib.import_module, "server.setup")


async def prepare(plan: Plan) -> None:
    """Make what is not there yet. Raises UnsafeSettingsError."""
    from server.setup import NewPerson, Role, prepare  # noqa: PLC0415 - see `warm_up`

    people = [
        NewPerson(
            email=person.email,
            password=plan.passwords[name],
            display_name=person.display_name,
            roles=(Role(person.role),),
        )
        for name, person in PEOPLE.items()
    ]
    await prepare(_settings(plan), people)


def _settings(plan: Plan) -> "Settings":
    from server.settings import Settings, explain  # noqa: PLC0415 - see `warm_up`

    mine: dict[str, Any] = {
        name: plan.environment[name.upper()]
        for name in Settings.model_fields
        if name.upper() in plan.environment
    }
    # Other commands, run in this folder, find the run by it.
    write_environment(plan.data / "environment", {name.upper(): text for name, text in mine.items()})
    try:
        return Settings(_env_file=None, **mine)
    except ValidationError as error:  # its own text would show the values, which may be secrets
        raise UnsafeSettingsError(explain(error)) from None
