"""`python -m benchmarks.books [entries]`: how long checkpoint, proof and metrics of large books take."""

import os
import resource
import sys
import time
from collections.abc import Iterator
from datetime import timedelta

import uvloop
from rich.console import Console
from rich.progress import track

from benchmarks import rig
from domain import ledger, metrics, reconciliation
from domain.deposits import Deposit, DepositStatus
from domain.kernel.clock import utc_now
from domain.kernel.database import Row
from domain.kernel.ids import new_id
from domain.kernel.operations import Actor, IdempotencyKey, StatusChange
from domain.ledger import Account, Entry, Kind, Platform, Posting, WalletState
from domain.metrics import SPAN_DAYS_MAX
from domain.runtime import Runtime
from server.runtime import open_runtime
from server.settings import Settings
from server.setup import prepare

ENTRIES = 100_000
WALLETS = 1000
BATCH = 1000
# As if they had been written one a second, the last an hour ago.
AGE = timedelta(hours=1)
console = Console()


async def main(entries: int) -> None:
    with rig.environment() as environment:
        os.environ.update(environment)
        settings = Settings(_env_file=None)
        await prepare(settings)
        async with open_runtime(settings) as runtime:
            await _write(runtime, entries)
            for name in ("first checkpoint", "the same day again"):
                started = time.perf_counter()
                await ledger.make_checkpoint(runtime)
                _say(name, started)
            started = time.perf_counter()
            now = utc_now()
            measured = await metrics.measure(runtime, "USD", now - timedelta(days=SPAN_DAYS_MAX), now)
            _say(f"metrics, deposits of {measured.turnover.deposits}", started)
            started = time.perf_counter()
            report = await reconciliation.verify_books(runtime)
            _say(f"proof of {report.entries} entries, {report.wallets} wallets: ok is {report.ok}", started)
    console.print(f"at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB in this process")


def _say(name: str, started: float) -> None:
    console.print(f"{name}: {time.perf_counter() - started:.2f} s")


async def _write(runtime: Runtime, count: int) -> None:
    """By the same pure rules as `post`, but many at once."""
    mongo = runtime.database.mongo
    wallets = [WalletState(id=new_id("wal"), currency="USD") for _ in range(WALLETS)]
    batches = range(0, count, BATCH)
    for first in track(batches, description="writing", console=console):
        rows = list(_rows(wallets, range(first, min(first + BATCH, count)), count))
        await mongo["entries"].insert_many([entry for entry, _ in rows])
        await mongo["statement_lines"].insert_many([line for _, line in rows])
        await Deposit.insert_many([_deposit(entry) for entry, _ in rows])
    await mongo["wallets"].insert_many(
        {
            "_id": wallet.id,
            "owner": f"usr_{wallet.id}",
            "currency": wallet.currency,
            "available": wallet.available,
            "held": wallet.held,
            "seq": wallet.seq,
            "head": wallet.head,
            "last_at": wallet.last_at,
            "freezes": [],
            "guard": 0,
            "created_at": utc_now(),
        }
        for wallet in wallets
    )


def _rows(wallets: list[WalletState], numbers: range, count: int) -> Iterator[tuple[Row, Row]]:
    for number in numbers:
        created_at = utc_now() - AGE - timedelta(seconds=count - number)
        wallet, deposit = wallets[number % WALLETS], new_id("dep")
        entry = Entry(
            id=new_id("ent", at=created_at),
            ref=f"deposit:{deposit}:succeeded",
            kind=Kind.DEPOSIT,
            currency="USD",
            postings=(Posting(Account.platform(Platform.STRIPE), Account.available(wallet.id), 1_00),),
            operation=deposit,
            actor="webhook",
            created_at=created_at,
        ).sealed()
        wallets[number % WALLETS], line = ledger.apply(wallet, entry)
        yield {**entry.fields(), "hash": entry.hash}, {**line.fields(), "hash": line.hash}


def _deposit(entry: Row) -> Deposit:
    """What the entry says was paid."""
    at = entry["created_at"]
    wallet = entry["postings"][0]["destination"].split(":")[1]
    return Deposit(
        id=entry["operation"],
        owner=f"usr_{wallet}",
        wallet=wallet,
        amount=1_00,
        currency="USD",
        received=1_00,
        status=DepositStatus.SUCCEEDED,
        history=[StatusChange(status=DepositStatus.SUCCEEDED, at=at, actor=Actor.WEBHOOK)],
        idempotency=IdempotencyKey.of(actor="bench", mutation="bench", key=entry["_id"], fields={}),
        created_at=at,
        updated_at=at,
    )


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else ENTRIES))
