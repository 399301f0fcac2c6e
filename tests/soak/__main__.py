"""Random histories until the time is over: `make soak MINUTES=5 SEED=123`.

They come in batches, each from a seed that is one more than that of the batch before; so the seed of a batch
that failed, given again, tells it first. Exit status 1 when a history failed.
"""

import argparse
import asyncio
import contextlib
import logging
import secrets
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import structlog
from rich.console import Console
from rich.live import Live

from tests.house import House, Parts
from tests.invariants.history import Tally, fit_for_histories, tell
from tests.soak.figures import line, tables

HISTORIES = 10
STEPS = 40
REFRESH_S = 0.5


@dataclass(frozen=True)
class Soak:
    """`shrink`: look for the shortest history that fails; it takes up to some minutes more."""

    minutes: float
    seed: int
    shrink: bool


def main() -> int:
    soak = _asked(sys.argv[1:])
    # A broken Stripe fills the log: here the machine judges, not a reader.
    structlog.configure(processors=[_silence])
    logging.disable()
    console = Console()
    console.print(f"Random histories for {soak.minutes:g} minutes, seed {soak.seed}.")
    tally = Tally()
    with Parts.started() as parts:
        error = asyncio.run(_run(soak, parts, tally, console))
    for table in tables(tally):
        console.print(table)
    return 0 if error is None else 1


async def _run(soak: Soak, parts: Parts, tally: Tally, console: Console) -> BaseException | None:
    """What went wrong, told; None when nothing did."""
    over = asyncio.Event()
    async with House.open(parts) as house, fit_for_histories(house) as limits:
        loop = asyncio.get_running_loop()
        loop.call_later(soak.minutes * 60, over.set)
        loop.add_signal_handler(signal.SIGINT, over.set)
        seed = soak.seed
        while not over.is_set():
            try:
                with _live(console, tally, seed), _announcing(loop, console, tally, seed):
                    await tell(
                        house, limits, tally, seed=seed, histories=HISTORIES, steps=STEPS, shrink=soak.shrink
                    )
            except Exception as error:  # whatever it is, its history is what we are here for
                console.print_exception(max_frames=4)
                console.print(f"\nTell it again: make soak SEED={seed}")
                return error
            seed += 1
    return None


@contextlib.contextmanager
def _announcing(loop: asyncio.AbstractEventLoop, console: Console, tally: Tally, seed: int) -> Iterator[None]:
    """Say at once that a history failed: to find the shortest that does takes minutes."""

    async def announce() -> None:
        while not tally.failures:  # noqa: ASYNC110 - it is counted in hypothesis's thread
            await asyncio.sleep(REFRESH_S)
        console.print(f"A history failed under seed {seed}: looking for a shorter one, for minutes.")

    announcing = loop.create_task(announce())
    try:
        yield
    finally:
        announcing.cancel()


@contextlib.contextmanager
def _live(console: Console, tally: Tally, seed: int) -> Iterator[None]:
    """One line that shows what is going on."""
    began = time.monotonic()
    with Live(
        console=console, transient=True, refresh_per_second=2, get_renderable=lambda: line(tally, seed, began)
    ):
        yield


def _asked(arguments: list[str]) -> Soak:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--no-shrink", dest="shrink", action="store_false")
    asked = parser.parse_args(arguments)
    seed = secrets.randbelow(1_000_000_000) if asked.seed is None else asked.seed
    return Soak(asked.minutes, seed, asked.shrink)


def _silence(_logger: object, _method: str, _event: structlog.types.EventDict) -> structlog.types.EventDict:
    raise structlog.DropEvent


if __name__ == "__main__":
    sys.exit(main())
