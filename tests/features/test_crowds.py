"""A thousand subscriptions at once: each hears of its own, the last change always, and nobody of others'."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import orjson
import pytest
import websockets

from domain.identity import Role
from domain.kernel.clock import utc_now
from server.runtime import token_issuer
from tests.contracts.test_indexes import profile
from tests.house import House, Person
from tests.house.people import frame_of

UPDATES = "subscription ($id: ID!) { depositUpdated(id: $id) { status received { amount } } }"
PER_SOCKET = 50


class Crowd:
    """So many subscriptions of one deposit, over one socket. `told`: what each has heard, by its number."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.socket = socket
        self.told: dict[str, list[dict[str, Any]]] = {str(number): [] for number in range(PER_SOCKET)}
        self.completed: set[str] = set()

    async def listen(self) -> None:
        async for message in self.socket:
            frame = orjson.loads(message)
            if frame["type"] == "complete":
                self.completed.add(frame["id"])
            else:
                assert frame["type"] == "next", frame
                self.told[frame["id"]].append(frame["payload"]["data"]["depositUpdated"])

    def all_heard(self, **last: Any) -> bool:
        """Whether that is what everybody of it heard last."""
        return all(told and last.items() <= told[-1].items() for told in self.told.values())

    @property
    def messages(self) -> int:
        return sum(map(len, self.told.values()))


@asynccontextmanager
async def crowd(person: Person, deposit_id: str, *, at: str | None = None) -> AsyncIterator[Crowd]:
    async with person.socket(at=at) as socket:
        gathered = Crowd(socket)
        listening = asyncio.create_task(gathered.listen())
        payload = {"query": UPDATES, "variables": {"id": deposit_id}}
        for number in gathered.told:
            await socket.send(frame_of({"id": number, "type": "subscribe", "payload": payload}))
        try:
            yield gathered
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):  # long, for a machine that is busy
        while not condition():  # noqa: ASYNC110 - it is the sockets that change
            await asyncio.sleep(0.01)


async def watchers(house: House) -> float:
    """How many subscriptions this process has open."""
    lines = (await house.http.get(f"{house.url}/metrics")).text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("jobsphere_watchers"))


@pytest.fixture
async def ada(house: House) -> Person:
    return await house.customer()


async def test_a_thousand_subscriptions_over_three_processes(house: House, ada: Person) -> None:
    deposit = await ada.deposits(usd=25_00)
    async with AsyncExitStack() as stack:
        others = await asyncio.gather(
            *(stack.enter_async_context(house.another_api()) for _ in range(2)),
        )
        places = [None] * 10 + [others[0]] * 5 + [others[1]] * 5
        crowds = await asyncio.gather(
            *(stack.enter_async_context(crowd(ada, deposit["id"], at=place)) for place in places)
        )
        await eventually(lambda: all(one.all_heard(status="REQUIRES_PAYMENT") for one in crowds))
        assert sum(len(one.told) for one in crowds) == 1000

        await house.pay(deposit, "pm_card_chargeDeclined")
        await eventually(lambda: all(one.all_heard(status="FAILED") for one in crowds))
        await house.pay(deposit)
        await eventually(lambda: all(len(one.completed) == PER_SOCKET for one in crowds))
        assert all(one.all_heard(status="SUCCEEDED", received={"amount": 25_00}) for one in crowds)


async def test_a_change_is_read_once_and_wakes_nobody_else(house: House, ada: Person) -> None:
    changing, quiet = await ada.deposits(usd=25_00), await ada.deposits(usd=25_00)
    deposits = house.collection("deposits")
    async with house.worker_away(), AsyncExitStack() as stack:
        watching = [await stack.enter_async_context(crowd(ada, changing["id"])) for _ in range(4)]
        resting = [await stack.enter_async_context(crowd(ada, quiet["id"])) for _ in range(4)]
        await eventually(lambda: all(one.messages == PER_SOCKET for one in [*watching, *resting]))

        async with profile(house) as profiler:
            await deposits.update_one({"_id": changing["id"]}, {"$set": {"status": "PROCESSING"}})
            await eventually(lambda: all(one.all_heard(status="PROCESSING") for one in watching))
            reads = [query for query in await profiler.queries("deposits") if query.row["op"] == "query"]
        # The two hundred are woken in one turn, and one read serves them all.
        assert [query.row["command"]["filter"] for query in reads] == [{"_id": changing["id"]}]
        assert all(one.messages == PER_SOCKET for one in resting)


async def test_of_a_thousand_racing_changes_the_last_is_heard_by_all(house: House, ada: Person) -> None:
    deposit = await ada.deposits(usd=25_00)
    deposits = house.collection("deposits")
    async with house.worker_away(), AsyncExitStack() as stack:
        crowds = [await stack.enter_async_context(crowd(ada, deposit["id"])) for _ in range(4)]
        one_more = {"$inc": {"received": 1}}
        await asyncio.gather(*(deposits.update_one({"_id": deposit["id"]}, one_more) for _ in range(1000)))
        await eventually(lambda: all(one.all_heard(received={"amount": 1000}) for one in crowds))
        for told in (told for one in crowds for told in one.told.values()):
            # Changes in between may be merged; none is told twice, and none after a later one.
            amounts = [state["received"]["amount"] for state in told]
            assert amounts == sorted(set(amounts))


async def test_one_that_does_not_read_keeps_nobody_waiting(house: House, ada: Person) -> None:
    deposit = await ada.deposits(usd=25_00)
    async with crowd(ada, deposit["id"]) as silent, crowd(ada, deposit["id"]) as attentive:
        await eventually(lambda: silent.messages == attentive.messages == PER_SOCKET)
        silent.socket.transport.pause_reading()
        await house.pay(deposit)
        await eventually(lambda: len(attentive.completed) == PER_SOCKET)
        assert silent.messages == PER_SOCKET
        silent.socket.transport.resume_reading()
        await eventually(lambda: silent.all_heard(status="SUCCEEDED"))


async def test_all_end_with_their_token(house: House, ada: Person) -> None:
    deposit, before = await ada.deposits(usd=25_00), await watchers(house)
    issuer = token_issuer(house.settings)
    assert ada.token is not None
    session = issuer.verify(ada.token, now=house.clock()).session_id
    life = timedelta(minutes=house.settings.access_token_minutes)
    soon = issuer.issue(ada.id, [Role.CUSTOMER], session, now=utc_now() - life + timedelta(seconds=3.5))
    ada.token = soon.token
    async with AsyncExitStack() as stack:
        crowds = [await stack.enter_async_context(crowd(ada, deposit["id"])) for _ in range(4)]
        await eventually(lambda: all(one.messages == PER_SOCKET for one in crowds))
        assert await watchers(house) == before + 4 * PER_SOCKET
        await asyncio.wait_for(asyncio.gather(*(one.socket.wait_closed() for one in crowds)), 30)
        assert utc_now() >= soon.expires_at
        assert {one.socket.close_code for one in crowds} == {4403}
        assert {one.socket.close_reason for one in crowds} == {"The access token has expired"}

        async def none_left() -> bool:
            return await watchers(house) == before

        await house.until(none_left)
