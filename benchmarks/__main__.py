"""`make bench`: every load once, as a table. Trust ratios within one run, not figures across runs."""

import os
from collections.abc import Iterator

import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks import loads, rig
from benchmarks.loads import Figures
from domain import ledger
from server.runtime import open_runtime
from server.settings import Settings
from server.setup import prepare

SIMPLE = "{ wallet { id available { amount } } }"
PAGE = """{ wallet { id available { amount display } held { amount } transactions(first: 10) {
    edges { cursor node { id sequence kind amount { amount display } availableAfter { amount }
    description createdAt } } pageInfo { hasNextPage endCursor } } } }"""
REQUESTS = 2000
TRANSFERS = 2000
CREDITS = 400


async def main() -> None:
    with rig.environment() as environment:
        os.environ.update(environment)
        settings = Settings(_env_file=None)
        await prepare(settings)
        async with rig.api(environment) as api, open_runtime(settings) as runtime:
            wallet = await ledger.open_wallet(api.user_id, "USD")
            for _ in range(50):
                await loads.credit(runtime, wallet, 100)
            figures: dict[str, Figures] = {}
            for name, query in (("warm-up", SIMPLE), ("simple query", SIMPLE), ("wallet page", PAGE)):
                figures[name] = await loads.queries(api, query, REQUESTS)
            wallets = await loads.make_wallets(runtime)
            figures["transfers"] = await loads.transfers(runtime, wallets, TRANSFERS)
            figures["one wallet"] = await loads.one_wallet(runtime, wallets, CREDITS)
    del figures["warm-up"]
    _print(figures)


def _rows(figures: dict[str, Figures]) -> Iterator[tuple[str, ...]]:
    for name, load in figures.items():
        yield (
            name,
            f"{load.per_second:.0f}",
            f"{load.percentile_ms(0.5):.1f}",
            f"{load.percentile_ms(0.99):.1f}",
        )


def _print(figures: dict[str, Figures]) -> None:
    table = Table(title=f"{loads.AT_ONCE} at a time, one process")
    for column in ("load", "per second", "median ms", "99th percentile ms"):
        table.add_column(column, justify="left" if column == "load" else "right")
    for row in _rows(figures):
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    uvloop.run(main())
