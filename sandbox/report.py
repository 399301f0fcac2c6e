"""What a person sees of a run: what it waits for, where everything is, what became of a program."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Collection
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from sandbox.people import PEOPLE
from sandbox.plan import Plan

SILENT_S: Final = 2.0
TITLES: Final = {
    "mongodb": "MongoDB",
    "redis": "Valkey",
    "sandbox": "the Stripe sandbox",
    "people": "indexes and demo people",
    "api": "the API",
    "worker": "the worker",
}
FIRST_QUERY: Final = """\
mutation {
  signIn(input: {email: "%s", password: "%s"}) {
    session { accessToken user { displayName roles } }
    userErrors { code message }
  }
}"""


class Reporter:
    """Writes to the terminal; that nobody reads it any more must not end the run."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()

    def say(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    @contextlib.asynccontextmanager
    async def narrating(self, waiting: Collection[str]) -> AsyncIterator[None]:
        """Show what is in `waiting`, while the block runs, once that has taken SILENT_S."""
        narration = asyncio.create_task(self._narrate(waiting))
        try:
            yield
        finally:
            narration.cancel()
            await asyncio.gather(narration, return_exceptions=True)

    async def _narrate(self, waiting: Collection[str]) -> None:
        begun = time.monotonic()
        await asyncio.sleep(SILENT_S)
        said: set[str] = set()
        with self._console.status("Starting") as status:
            while True:
                names = ", ".join(title for name, title in TITLES.items() if name in waiting)
                status.update(f"Starting: {names} ({time.monotonic() - begun:.0f} s)")
                if not self._console.is_terminal and not set(waiting) <= said:
                    said = set(waiting)
                    self.say(f"Starting: {names}")
                await asyncio.sleep(0.2)

    def welcome(self, plan: Plan, run: dict[str, Any]) -> None:
        """One table of everything, and a query that works as it stands."""
        table = Table.grid(padding=(0, 3))
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for label, value in _rows(plan, run):
            table.add_row(label, value)
        with contextlib.suppress(OSError):
            self._console.print()
            self._console.print(table, markup=False, highlight=False)
        query = FIRST_QUERY % (PEOPLE["customer"].email, plan.passwords["customer"])
        self.say(f"\nPaste into GraphiQL:\n{query}\n")


def _rows(plan: Plan, run: dict[str, Any]) -> list[tuple[str, str]]:
    sandbox = "" if plan.embeds("sandbox") else " (Stripe itself, by STRIPE_SECRET_KEY)"
    sign_ins = [
        (f"Sign in: {name.replace('_', ' ')}", f"{person.email}  {plan.passwords[name]}")
        for name, person in PEOPLE.items()
    ]
    return [
        ("GraphiQL", run["graphiql"]),
        ("GraphQL", run["graphql"]),
        ("WebSocket", run["websocket"]),
        ("Webhooks", run["webhooks"]),
        ("Stripe sandbox", run["stripe_api_base"] + sandbox),
        *sign_ins,
        ("Logs", str(plan.log("api").parent)),
        ("To stop", "Ctrl-C"),
    ]
