"""The named loads. Each answers the seconds that single operations took, and how long all of it took."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import orjson
from ulid import ULID

from benchmarks.rig import Api
from domain import ledger
from domain.kernel.database import Tx
from domain.ledger import Account, Kind, NewEntry, Platform, Posting, Wallet
from domain.runtime import Runtime

AT_ONCE = 20
WALLETS = 100


@dataclass(frozen=True)
class Figures:
    """`seconds`: of each operation; `total_s`: of the whole load."""

    seconds: list[float]
    total_s: float

    @property
    def per_second(self) -> float:
        return len(self.seconds) / self.total_s

    def percentile_ms(self, share: float) -> float:
        return sorted(self.seconds)[min(int(len(self.seconds) * share), len(self.seconds) - 1)] * 1000


async def run(operation: Callable[[int, int], Awaitable[None]], count: int) -> Figures:
    """`count` operations, AT_ONCE at a time. Each is given its lane and its number."""
    numbers = iter(range(count))
    seconds: list[float] = []

    async def lane(index: int) -> None:
        for number in numbers:
            started = time.perf_counter()
            await operation(index, number)
            seconds.append(time.perf_counter() - started)

    started = time.perf_counter()
    await asyncio.gather(*(lane(index) for index in range(AT_ONCE)))
    return Figures(seconds, time.perf_counter() - started)


async def make_wallets(runtime: Runtime) -> list[Wallet]:
    """WALLETS wallets with plenty in each."""
    wallets = [await ledger.open_wallet(f"usr_{ULID()}", "USD") for _ in range(WALLETS)]
    for wallet in wallets:
        await credit(runtime, wallet, 10**9)
    return wallets


async def credit(runtime: Runtime, wallet: Wallet, amount: int) -> None:
    await _post(runtime, Account.platform(Platform.STRIPE), Account.available(wallet.id), amount)


async def transfers(runtime: Runtime, wallets: list[Wallet], count: int) -> Figures:
    """Between pairs of wallets, so that lanes seldom meet."""

    async def transfer(_lane: int, number: int) -> None:
        source, destination = wallets[number % WALLETS], wallets[(number * 7 + 1) % WALLETS]
        await _post(runtime, Account.available(source.id), Account.available(destination.id), 1)

    return await run(transfer, count)


async def one_wallet(runtime: Runtime, wallets: list[Wallet], count: int) -> Figures:
    """Credits to one wallet from all lanes: every one meets the others."""

    async def credit_first(_lane: int, _number: int) -> None:
        await credit(runtime, wallets[0], 1)

    return await run(credit_first, count)


async def queries(api: Api, query: str, count: int) -> Figures:
    """The same query over HTTP keep-alive connections, the token verified each time."""
    body = orjson.dumps({"query": query})
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: {api.host}\r\nAuthorization: Bearer {api.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    request = head.encode() + body
    connections = [await asyncio.open_connection(api.host, api.port) for _ in range(AT_ONCE)]

    async def ask(lane: int, _number: int) -> None:
        reader, writer = connections[lane]
        writer.write(request)
        answer = await _read_answer(reader)
        if b'"errors"' in answer:
            raise RuntimeError(answer.decode())

    figures = await run(ask, count)
    for _, writer in connections:
        writer.close()
    return figures


async def _read_answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode())
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return await reader.readexactly(int(length.split(b":")[1]))


async def _post(runtime: Runtime, source: Account, destination: Account, amount: int) -> None:
    ref = f"bench:{ULID()}"
    entry = NewEntry(
        ref=ref,
        kind=Kind.ADJUSTMENT,
        currency="USD",
        postings=[Posting(source, destination, amount)],
        operation=ref,
        actor="bench",
    )

    async def work(tx: Tx) -> None:
        await ledger.post(tx, entry)

    await runtime.database.transact(work)
