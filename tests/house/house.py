"""One house for the whole suite, swept clean between tests."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import httpx
import redis.asyncio as redis
import uvicorn
from arq.constants import job_key_prefix
from arq.worker import Worker
from cryptography.fernet import Fernet
from starlette.types import Receive, Scope, Send
from ulid import ULID

from domain import adjustments, customers, identity, ledger, onboarding, reconciliation
from domain.adjustments import AdjustWallet
from domain.changes import Changes
from domain.gateway import StripeGateway
from domain.identity import NewPerson, Role
from domain.kernel.money import MINOR_UNITS_MAX, Limit
from domain.ledger import Report
from domain.runtime import Runtime
from jobs import CHORES, Chores, Sweep
from jobs.sweep import LEASE_NAME
from resolvers.context import Limits
from sandbox.processes import any_free_port
from sandbox.stores import Store, start_mongod, start_valkey, throwaway_folder
from sandbox.stripe.delivery import signature
from server import worker
from server.app import create_app
from server.limits import open_limits
from server.rates import Rate
from server.runtime import gateway_config
from server.settings import Settings
from server.setup import prepare
from server.wire.stalling import StallingHttp, StallingSocket
from tests.conformance import DeliveryRecorder
from tests.house.clock import TestClock
from tests.house.people import Person
from tests.house.processes import Process
from tests.house.sandbox import (
    CONNECT_WEBHOOK_SECRET,
    IDLE_S_MAX,
    NEW_WEBHOOK_SECRET,
    SECRET_KEY,
    WEBHOOK_SECRET,
    SandboxServer,
    StripeSide,
    listening_socket,
)

# As in production: events must do their part. A test that wants deposits swept moves the clock.
RECHECK = timedelta(minutes=1)
NEVER = timedelta(days=36_500)
WAIT_S_MAX = 20.0
GRACE_S = 5
POLL_S = 0.02


@dataclass(frozen=True)
class Parts:
    """The real stores that a house stands on."""

    mongod: Store
    valkey: Store

    @classmethod
    @contextmanager
    def started(cls) -> Iterator["Parts"]:
        with (
            throwaway_folder() as folder,
            start_mongod(
                folder / "mongodb", set_parameters={"enableTestCommands": "1"}, throwaway=True
            ) as mongod,
            start_valkey(folder / "redis", throwaway=True) as valkey,
        ):
            yield cls(mongod, valkey)


class House:
    """API and worker in this event loop, the sandbox in a thread, the stores in processes."""

    def __init__(
        self, parts: Parts, values: Mapping[str, Any], sandbox: SandboxServer, url: str, clock: TestClock
    ) -> None:
        self.parts = parts
        self.settings = Settings(_env_file=None, **values)
        # The same settings as another process would be given them.
        self.environment = {name.upper(): str(value) for name, value in values.items()}
        self.sandbox = sandbox
        self.url = url
        self.clock = clock
        self.http = httpx.AsyncClient(
            timeout=60, limits=httpx.Limits(max_connections=200, keepalive_expiry=IDLE_S_MAX)
        )
        self.stripe = StripeSide(sandbox.url)
        self.deliveries: DeliveryRecorder
        self.runtime: Runtime
        self.changes: Changes
        self.limits: Limits
        self._lifespan: dict[str, Any] = {}
        self._worker: asyncio.Task[None] | None = None
        self._worker_stop = asyncio.Event()
        self._requests = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, parts: Parts) -> AsyncIterator["House"]:
        bound = listening_socket()
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        clock = TestClock()
        sandbox = SandboxServer(url, clock)
        sandbox.start()
        house = cls(parts, _values(parts, sandbox.url), sandbox, url, clock)
        await prepare(house.settings)
        app, _ = create_app(house.settings, now=house.clock)
        house.deliveries = DeliveryRecorder(app)
        config = uvicorn.Config(
            house._serve,
            interface="asgi3",
            # The product's own protocols.
            http=StallingHttp,
            ws=StallingSocket,
            log_config=None,
            access_log=False,
            proxy_headers=False,
            # What a failed test has left open must not keep the house from closing.
            timeout_graceful_shutdown=GRACE_S,
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve([bound]))
        try:
            await house.until(lambda: _is_up(house.http, url))
            house._lifespan = server.lifespan.state
            house.runtime = house._lifespan["runtime"]
            house.runtime = house._lifespan["runtime"] = house.with_policy(recheck=RECHECK)
            house.changes = house._lifespan["changes"]
            house.limits = house._lifespan["limits"]
            await house._put_off_chores()
            await house.start_worker()
            yield house
            if house._worker is not None:
                # A test may have started it this moment, and PyMongo leaves a socket open whose connecting is
                # cancelled: its first round is waited for.
                await house.until(lambda: house.count("leases", _id=LEASE_NAME))
                await asyncio.sleep(house.settings.sweep_interval_seconds)
        finally:
            await house.stop_worker()
            server.should_exit = True
            await serving
            await house.stripe.close()
            await house.http.aclose()
            sandbox.stop()

    # ------------------------------------------------------------------ people

    def nobody(self) -> Person:
        return Person(f"{self.url}/graphql", self.http)

    async def customer(self, name: str = "ada") -> Person:
        return await self.nobody().sign_up(name, "CUSTOMER")

    async def contractor(self, name: str = "grace") -> Person:
        return await self.nobody().sign_up(name, "CONTRACTOR")

    async def admin(self, name: str = "edith") -> Person:
        email = f"{name}.{ULID()}@example.com".lower()
        person = NewPerson(email=email, password="correct horse", display_name=name, roles=(Role.ADMIN,))
        await identity.people.ensure(self.runtime, [person])
        query = """mutation ($input: SignInInput!) { signIn(input: $input) {
            session { accessToken refreshToken user { id email } } } }"""
        admin = self.nobody()
        answer = await admin.data(query, {"input": {"email": email, "password": "correct horse"}})
        admin.take(answer["signIn"]["session"])
        return admin

    async def onboarded(self, name: str = "grace") -> Person:
        """A contractor whose account is ACTIVE; no event about that is on its way any more."""
        person = await self.contractor(name)
        assert (await person.create_connect_account())["userErrors"] == []
        await self.onboard(person, "active")
        await self.quiet()
        return person

    async def funded(self, person: Person, **amounts: int) -> Person:
        """The person, with e.g. `usd=5_00` more at once: an adjustment, of which Stripe knows nothing."""
        runtime = self.with_policy(adjustment_two_admins_above=Limit(MINOR_UNITS_MAX))
        for code, amount in amounts.items():
            wallet = await ledger.open_wallet(person.id, code.upper())
            command = AdjustWallet(wallet.id, amount, "A test.", idempotency_key=str(ULID()))
            await adjustments.adjust(runtime, "usr_house", command)
        return person

    # ------------------------------------------------------------------ what happens

    async def start_worker(self) -> None:
        self._worker_stop = asyncio.Event()
        self._worker = asyncio.create_task(worker.work(self.runtime, self.settings, self._worker_stop))

    async def stop_worker(self) -> None:
        if self._worker is not None:
            self._worker_stop.set()
            await self._worker
            self._worker = None

    @asynccontextmanager
    async def worker_away(self) -> AsyncIterator[None]:
        """Nothing is sent, handled or swept but by the test itself."""
        await self.stop_worker()
        try:
            yield
        finally:
            await self.start_worker()

    async def kill_worker(self) -> None:
        """Its tasks are cancelled wherever they are, the jobs that arq runs included: none may finish."""
        for task in asyncio.all_tasks():
            name = getattr(task.get_coro(), "__qualname__", "")
            if name == Worker.run_job.__qualname__:
                task.cancel()
        await self.stop_worker()

    async def time_passes(self, **duration: float) -> None:
        """Here and at Stripe, in timedelta's words. What falls due there is played, in its order."""
        await self.stripe.control("/clock", {"advance_seconds": timedelta(**duration).total_seconds()})
        self.clock.advance(**duration)

    async def sweep(self) -> None:
        """One round of the sweep, now, as another process would do it."""
        sweep = Sweep(self.runtime, interval_s=60)
        try:
            await sweep.once()
        finally:
            # Or the next round, which is another process's, finds it taken and does nothing.
            await sweep.release()

    async def chore(self, name: str) -> None:
        """One chore, now; the house's own worker leaves them all alone."""
        # Under a name that the worker does not know, for else it might be first.
        chores = [replace(chore, name=f"{name}, now") for chore in CHORES if chore.name == name]
        await self.collection("chores").delete_one({"_id": f"{name}, now"})
        await Chores(self.runtime, interval_s=60, chores=chores).once()

    async def pay(self, deposit: dict[str, Any], card: str = "pm_card_visa") -> dict[str, Any]:
        """Confirm the deposit's intent at Stripe, as its payer's browser would."""
        return await self.stripe.confirm(intent_of(deposit), card)

    async def save_card(self, person: Person, card: str = "pm_card_visa") -> dict[str, Any]:
        """Attach a card to the person's Customer, made if need be, with no word to us but an event's."""
        customer = await customers.ensure(self.runtime, person.id)
        path = f"/v1/payment_methods/{card}/attach"
        return await self.stripe.request("POST", path, {"customer": customer})

    async def onboard(self, person: Person, outcome: str, **more: Any) -> dict[str, Any]:
        """What Stripe makes of the person's account, by the sandbox's words; and ours as it shows then."""
        stripe_id = await self.acct(person)
        await self.stripe.control(f"/accounts/{stripe_id}/onboard", {"outcome": outcome, **more})
        account = await person.connect_account(refresh=outcome != "deauthorized")
        assert account is not None
        return account

    async def acct(self, person: Person) -> str:
        """Stripe's id of the person's account."""
        account = await onboarding.latest(person.id)
        assert account is not None
        assert account.stripe_id is not None
        return account.stripe_id

    async def deliver(
        self,
        event: Mapping[str, Any] | bytes,
        *,
        secret: str = WEBHOOK_SECRET,
        route: str = "/webhooks/stripe",
        age_s: float = 0,
        header: str | None = None,
    ) -> httpx.Response:
        """One delivery, signed as Stripe does unless `header` says otherwise ("" for none)."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        if header is None:
            header = signature(body, secret, timestamp=int(self.clock().timestamp() - age_s))
        headers = {"Stripe-Signature": header} if header else {}
        return await self.http.post(f"{self.url}{route}", content=body, headers=headers)

    async def settled(self, person: Person, deposit: dict[str, Any]) -> dict[str, Any]:
        """The deposit once it is settled."""
        return await self.reaches(person, deposit, "SUCCEEDED", "CANCELED")

    async def reaches(self, person: Person, deposit: dict[str, Any], *statuses: str) -> dict[str, Any]:
        """The deposit once it is in one of `statuses`."""

        async def reached() -> dict[str, Any] | None:
            present = await person.deposit(deposit["id"])
            return present if present["status"] in statuses else None

        present: dict[str, Any] = await self.until(reached)
        return present

    async def withdrawal_reaches(
        self, person: Person, withdrawal: dict[str, Any], *statuses: str
    ) -> dict[str, Any]:
        """The withdrawal once it is in one of `statuses`."""

        async def reached() -> dict[str, Any] | None:
            present = await person.withdrawal(withdrawal["id"])
            return present if present["status"] in statuses else None

        present: dict[str, Any] = await self.until(reached)
        return present

    async def until(self, condition: Callable[[], Awaitable[Any]], timeout_s: float = WAIT_S_MAX) -> Any:
        """What `condition` answers, once that is true."""
        async with asyncio.timeout(timeout_s):
            while not (answer := await condition()):  # noqa: ASYNC110 - what others do has no event here
                await asyncio.sleep(POLL_S)
            return answer

    @asynccontextmanager
    async def process(self, *command: str, **settings: str) -> AsyncIterator[Process]:
        """`jobsphere <command>` as a process of its own, under the house's settings and `settings`."""
        changed = {name.upper(): value for name, value in settings.items()}
        process = await Process.start(*command, environment=self.environment | changed)
        try:
            yield process
        finally:
            await process.stop()

    @asynccontextmanager
    async def another_api(self, **settings: str) -> AsyncIterator[str]:
        """The API in a process of its own, at a port of its own; answers its url once it serves."""
        port = any_free_port()
        url = f"http://127.0.0.1:{port}"
        async with self.process("serve", port=str(port), **settings):
            await self.until(lambda: _is_up(self.http, url))
            yield url

    @asynccontextmanager
    async def redis_away(self) -> AsyncIterator[None]:
        """Redis is stopped, and starts again, empty, at the same address."""
        valkey = self.parts.valkey
        valkey.stop()
        try:
            yield
        finally:
            with throwaway_folder() as folder:
                valkey.process = start_valkey(folder / "redis", valkey.port, throwaway=True).process

    @asynccontextmanager
    async def redis_hanging(self) -> AsyncIterator[None]:
        """Redis takes connections and questions, and answers none of them."""
        process = self.parts.valkey.process
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    @asynccontextmanager
    async def limited(self, **rates: str) -> AsyncIterator[Limits]:
        """Other rate limits than the house's generous ones, on nobody's account yet: `deposits="5/hour"`."""
        changes = {f"rate_limit_{name}": Rate.parse(rate) for name, rate in rates.items()}
        async with open_limits(self.settings.model_copy(update=changes)) as limits:
            self._lifespan["limits"] = limits
            try:
                yield limits
            finally:
                self._lifespan["limits"] = self.limits

    async def time_passes_for_limits(self, seconds: float) -> None:
        """What Redis has counted is so much longer ago. Its clock is its own: so the past is moved."""
        async with self._redis() as client:
            async for key in client.scan_iter("limit:*"):
                for member in await client.zrange(key, 0, -1):
                    await client.zincrby(key, -seconds * 1_000_000, member)

    async def forget_scripts(self) -> None:
        """As Redis does when it starts."""
        async with self._redis() as client:
            await client.script_flush()

    async def empty_redis(self) -> None:
        async with self._redis() as client:
            await client.flushall()

    async def jobs(self, prefix: str = job_key_prefix) -> int:
        """How many jobs the worker was rung for and has not done; with another prefix, in another state."""
        async with self._redis() as client:
            return len(await client.keys(f"{prefix}*"))

    def _redis(self) -> Any:
        return redis.from_url(self.parts.valkey.url)  # type: ignore[no-untyped-call]  # redis-py 5 left it bare

    async def end_transactions(self) -> None:
        """What MongoDB does by itself a minute after a process died within a transaction."""
        await self.runtime.database.client.admin.command("killAllSessions", [])

    @asynccontextmanager
    async def mongo_failing(
        self, command: str, collection: str, *, times: int, error_code: int = 2
    ) -> AsyncIterator[None]:
        """MongoDB refuses the next `times` such commands, by an error that is no race."""
        fail_point = {"configureFailPoint": "failCommand"}
        data = {
            "failCommands": [command],
            "namespace": f"{self.settings.mongodb_database}.{collection}",
            "errorCode": error_code,
        }
        admin = self.runtime.database.client.admin
        await admin.command({**fail_point, "mode": {"times": times}, "data": data})
        try:
            yield
        finally:
            await admin.command({**fail_point, "mode": "off"})

    # ------------------------------------------------------------------ what is there

    async def report(self, *, asking_stripe: bool = False) -> Report:
        """With `asking_stripe`, also whether Stripe holds what the books say, where nothing is planted."""
        if self.clock.ahead >= timedelta(days=2):  # a test that leaps over days leaps over their checkpoints
            await self.chore("checkpoint")
        return await reconciliation.verify_books(self.runtime, asking_stripe=asking_stripe)

    async def ledger_is_sound(self, *, asking_stripe: bool = False) -> bool:
        report = await self.report(asking_stripe=asking_stripe)
        assert (report.violations, report.unchecked) == ([], [])
        return report.ok

    def collection(self, name: str) -> Any:
        return self.runtime.database.mongo[name]

    async def count(self, name: str, **criteria: Any) -> int:
        return int(await self.collection(name).count_documents(criteria))

    async def quiet(self) -> None:
        """No event waits for its effects."""

        async def none_open() -> bool:
            return not await self.count("webhook_events", status={"$in": ["PENDING", "FAILED"]})

        await self.until(none_open)

    async def caught_up(self) -> None:
        """Whatever Stripe has to tell has come, and has its effects."""

        async def all_told() -> bool:
            return not await self.deliveries_due()

        await self.until(all_told)
        await self.quiet()

    async def deliveries_due(self) -> int:
        """How many of Stripe's deliveries are on their way to us, or will be tried again."""
        deliveries = (await self.stripe.state())["deliveries"]
        return sum(delivery["due"] is not None for delivery in deliveries)

    def with_policy(self, **changes: Any) -> Runtime:
        """The runtime under other rules."""
        return replace(self.runtime, policy=replace(self.runtime.policy, **changes))

    @asynccontextmanager
    async def with_gateway(self, **settings: Any) -> AsyncIterator[StripeGateway]:
        """API and worker on a gateway of their own, e.g. `circuit_failures=5`; afterwards on the old one."""
        before = self.runtime
        config = gateway_config(self.settings.model_copy(update=settings))
        gateway = StripeGateway(config, cipher=before.cipher, now=self.clock)
        await self._move_to(replace(before, gateway=gateway))
        try:
            yield gateway
        finally:
            await self._move_to(before)
            await gateway.close()

    async def _move_to(self, runtime: Runtime) -> None:
        await self.stop_worker()
        self.runtime = self._lifespan["runtime"] = runtime
        await self.start_worker()

    # ------------------------------------------------------------------ between tests

    async def sweep_clean(self, seed: int = 1) -> None:
        """Empty stores, a healthy sandbox that begins anew from `seed`, real time."""
        self.clock.ahead *= 0
        await self.stripe.reset(seed)
        await self.until(self._answered_everybody)
        await self.empty_redis()
        # First what handlers and the sweep start from: one that is still at it finds nothing to do any more.
        for name in (
            "webhook_events",
            "deposits",
            "escrows",
            "connect_accounts",
            "withdrawals",
            "disputes",
        ):
            await self.collection(name).delete_many({})
        # But for the rows that put off the chores: while they were gone, the worker would begin.
        others = {"_id": {"$nin": [chore.name for chore in CHORES]}}
        full = await self._full_collections()
        await asyncio.gather(*(self.collection(name).delete_many(others) for name in full))
        await self._put_off_chores()

    async def _full_collections(self) -> list[str]:
        """The names of those that hold anything, by one question: most are empty after most tests."""
        first, *rest = await self.runtime.database.mongo.list_collection_names()

        def name_if_full(name: str) -> list[dict[str, Any]]:
            return [{"$limit": 1}, {"$project": {"_id": {"$literal": name}}}]

        unions = [{"$unionWith": {"coll": name, "pipeline": name_if_full(name)}} for name in rest]
        cursor = await self.collection(first).aggregate([*name_if_full(first), *unions])
        return [row["_id"] async for row in cursor]

    async def _put_off_chores(self) -> None:
        """None is due by itself: what it asks of Stripe would come between a test and its faults."""
        for chore in CHORES:
            never = {"$set": {"next_attempt_at": self.clock() + NEVER}}
            await self.collection("chores").update_one({"_id": chore.name}, never, upsert=True)

    async def _answered_everybody(self) -> bool:
        """No delivery of the test before is under way."""
        return self._requests == 0

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The API, counting the requests that it is at."""
        asked = scope["type"] == "http"
        self._requests += asked
        try:
            await self.deliveries(scope, receive, send)
        finally:
            self._requests -= asked


def intent_of(deposit: Mapping[str, Any]) -> str:
    """The id of a deposit's PaymentIntent, as its payer knows it."""
    intent_id: str = deposit["clientSecret"].partition("_secret_")[0]
    return intent_id


async def _is_up(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(f"{url}/health/ready")).status_code == 200
    except httpx.TransportError:
        return False


def _values(parts: Parts, stripe_url: str) -> dict[str, Any]:
    return {
        "mongodb_url": parts.mongod.url,
        "mongodb_database": "house",
        "redis_url": parts.valkey.url,
        "stripe_secret_key": SECRET_KEY,
        "stripe_api_base": stripe_url,
        "stripe_webhook_secrets": f"{NEW_WEBHOOK_SECRET},{WEBHOOK_SECRET}",
        "stripe_connect_webhook_secrets": CONNECT_WEBHOOK_SECRET,
        "stripe_requests_per_second": 1000,
        "stripe_timeout_seconds": 5,
        # Tests break Stripe again and again; those of the circuit take a gateway of their own.
        "circuit_failures": 1000,
        "jwt_keys": "test:a-secret-of-the-test-house-32-bytes-long",
        "data_keys": Fernet.generate_key().decode(),
        "checkpoint_key": Fernet.generate_key().decode(),
        "currencies": "USD,EUR,JPY,ISK,KWD",
        # A test that wants to be refused says so: `house.limited`.
        "trusted_proxies": "127.0.0.1",
        "rate_limit_deposits": "100000/second",
        "rate_limit_withdrawals": "100000/second",
        "rate_limit_connect_accounts": "100000/second",
        "rate_limit_sign_in": "100000/second",
        "lease_seconds": 3,
        "sweep_interval_seconds": 0.25,
        "webhook_retry_delays_seconds": "0.1,0.2,0.5,1,2,4,8",
    }
