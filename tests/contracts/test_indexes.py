"""Every index is there, and MongoDB's own profiler says that the product's queries are served by them."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from beanie import Document

from domain import (
    customers,
    deposits,
    disputes,
    escrow,
    identity,
    inbox,
    ledger,
    methods,
    onboarding,
    withdrawals,
)
from domain.customers import Customer
from domain.deposits import CreateDeposit, Deposit, DepositStatus
from domain.deposits.documents import Checkout
from domain.escrow import Escrow, EscrowStatus
from domain.gateway import Attempt, CheckoutSession, PaymentIntent
from domain.identity import Role, User
from domain.inbox import Endpoint, EventStatus, WebhookEvent
from domain.kernel.database import Row, Tx
from domain.kernel.ids import new_id
from domain.kernel.money import Money
from domain.kernel.operations import Actor, IdempotencyKey, StatusChange, first_with
from domain.kernel.pages import Page, PageRequest
from domain.kernel.search import Search
from domain.ledger import (
    Account,
    AlreadyPosted,
    Entry,
    FreezeCause,
    FreezeChange,
    Kind,
    NewEntry,
    Platform,
    Posting,
    Wallet,
    WalletState,
)
from domain.methods import PaymentMethod
from domain.onboarding import ConnectAccount, ConnectAccountStatus
from domain.sending import Hindrance
from domain.treasury import reading
from domain.withdrawals import Withdrawal, WithdrawalStatus, reads, waking
from domain.withdrawals.documents import BankPayout, SentTransfer
from server.runtime import DOCUMENTS
from tests.house import House
from tests.house.disputes import conclude, disputed
from tests.house.refunds import paid, reaches, refunds_of
from tests.house.treasury import cards_settle

S = DepositStatus
OTHERS = [status for status in S if status is not S.SUCCEEDED]
ADA, PAGE = "usr_ada", 10
STRIPE = Account.platform(Platform.STRIPE)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.__name__)
async def test_the_database_has_each_index_as_it_is_declared(house: House, document: type[Document]) -> None:
    settings: Any = document.Settings
    declared = {index.document["name"]: index.document for index in getattr(settings, "indexes", [])}
    present = {
        row["name"]: {name: value for name, value in row.items() if name != "v"}
        async for row in await house.collection(settings.name).list_indexes()
    }
    present.pop("_id_", None)
    assert present == {name: {**index, "key": dict(index["key"])} for name, index in declared.items()}


# What MongoDB did for a query.


@dataclass(frozen=True)
class Query:
    """One row of the profiler."""

    row: Row

    @property
    def plan(self) -> set[str]:
        """What it was served by: `COLLSCAN`, `IDHACK`, or indexes, e.g. `IXSCAN { ref: 1 }`."""
        return set(re.findall(r"[A-Z_]+(?: \{[^}]*\})?", self.row["planSummary"]))

    @property
    def keys(self) -> int:
        return int(self.row.get("keysExamined", 0))

    @property
    def documents(self) -> int:
        return int(self.row.get("docsExamined", 0))

    @property
    def sorted_in_memory(self) -> bool:
        return "SORT" in self.stages or bool(self.row.get("hasSortStage"))

    @property
    def stages(self) -> set[str]:
        return set(_stages(self.row.get("execStats", {})))


def _stages(stats: Any) -> Iterator[str]:
    if isinstance(stats, dict):
        if "stage" in stats:
            yield stats["stage"]
        for value in stats.values():
            yield from _stages(value)
    elif isinstance(stats, list):
        for value in stats:
            yield from _stages(value)


class Profiler:
    """What was asked of MongoDB since the profile began."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def queries(self, collection: str | None = None) -> list[Query]:
        """Those of `collection`, or all of the product's."""
        name = self._house.settings.mongodb_database
        criteria: dict[str, Any] = {"planSummary": {"$exists": True}, "ns": {"$ne": f"{name}.system.profile"}}
        if collection is not None:
            criteria["ns"] = f"{name}.{collection}"
        return [Query(row) for row in await self._house.collection("system.profile").find(criteria).to_list()]


@asynccontextmanager
async def profile(house: House) -> AsyncIterator[Profiler]:
    mongo = house.runtime.database.mongo
    await mongo.command("profile", 2)
    try:
        yield Profiler(house)
    finally:
        await mongo.command("profile", 0)
        await mongo.drop_collection("system.profile")


# A house in which much has happened, and nobody but the test asks anything.


@pytest.fixture
async def busy_house(house: House) -> AsyncIterator[House]:
    await house.stop_worker()
    await write_statements(house)
    await Deposit.insert_many([old_deposit(house, number) for number in range(600)])
    await WebhookEvent.insert_many([old_event(house, number) for number in range(300)])
    await User.insert_many([old_user(house, number) for number in range(100)])
    await Customer.insert_many([old_customer(house, number) for number in range(100)])
    await PaymentMethod.insert_many([old_card(house, number) for number in range(300)])
    await ConnectAccount.insert_many([old_account(house, number) for number in range(300)])
    yield house
    await house.sweep_clean()
    await house.start_worker()


@pytest.fixture
async def ada(busy_house: House) -> Wallet:
    """The wallet with the thousand lines."""
    return await ledger.open_wallet(ADA, "USD")


async def write_statements(house: House) -> None:
    """A thousand lines of Ada's, a hundred each of others'; each entry has one."""
    entries, lines = [], []
    for owner, count in ((ADA, 1000), ("usr_eve", 100), ("usr_bob", 100)):
        wallet = await ledger.open_wallet(owner, "USD")
        state = WalletState(id=wallet.id, currency="USD")
        for number in range(count):
            entry = Entry(
                id=f"ent_{owner}_{number:04}",
                ref=f"step:{owner}:{number}",
                kind=[Kind.ADJUSTMENT, Kind.DEPOSIT, Kind.DISPUTE_REINSTATED, Kind.REFUND_RETURNED][
                    number % 4
                ],
                currency="USD",
                postings=(Posting(STRIPE, Account.available(wallet.id), 1),),
                operation=f"op_{number}",
                actor="admin",
                created_at=wallet.created_at + timedelta(seconds=number),
            ).sealed()
            state, line = ledger.apply(state, entry)
            entries.append({**entry.fields(), "hash": entry.hash})
            lines.append({**line.fields(), "hash": line.hash})
        await house.collection("wallets").update_one({"_id": wallet.id}, {"$set": {"seq": state.seq}})
    await house.collection("entries").insert_many(entries)
    await house.collection("statement_lines").insert_many(lines)


def owner_of(number: int) -> str:
    return ADA if number % 2 else f"usr_{number % 10}"


def status_of(number: int) -> DepositStatus:
    """Two in three are paid, the rest is spread over the other statuses."""
    turn = number // 2
    return S.SUCCEEDED if turn % 3 else OTHERS[turn // 3 % len(OTHERS)]


def old_deposit(house: House, number: int) -> Deposit:
    """Half of them Ada's, in every status; what is not settled was due for long, or will be."""
    now = house.runtime.now()
    owner, status = owner_of(number), status_of(number)
    due = timedelta(minutes=-number if number % 7 == 0 else number)
    settled = status in (S.SUCCEEDED, S.CANCELED)
    return Deposit(
        id=f"dep_{number:06}",
        owner=owner,
        wallet=f"wal_{owner}",
        amount=25_00,
        currency="USD",
        status=status,
        history=[StatusChange(status=status, at=now, actor=Actor.WORKER)],
        idempotency=idempotency(owner, number),
        payment_intent_id=f"pi_{number}",
        checkout=Checkout(success_url=b"", cancel_url=b"", session_id=f"cs_{number}") if number % 5 else None,
        next_attempt_at=None if settled else now + due,
        created_at=now,
        updated_at=now,
    )


def idempotency(owner: str, number: int) -> IdempotencyKey:
    fields = {"amount": 25_00, "currency": "USD"}
    return IdempotencyKey.of(actor=owner, mutation="createDeposit", key=f"key-{number}", fields=fields)


def old_event(house: House, number: int) -> WebhookEvent:
    now = house.runtime.now()
    pending = number % 3 == 0
    return WebhookEvent(
        id=f"evt_{number}",
        endpoint=Endpoint.PLATFORM,
        type="payment_intent.succeeded",
        account=None,
        object_id=f"pi_{number}",
        body=b"sealed",
        status=EventStatus.PENDING if pending else EventStatus.PROCESSED,
        received_at=now,
        next_attempt_at=now + timedelta(minutes=number - 30) if pending else None,
    )


def old_user(house: House, number: int) -> User:
    email = f"somebody.{number}@example.com"
    cipher = house.runtime.cipher
    return User(
        id=f"usr_{number:03}",
        email=cipher.encrypt(email),
        email_hash=cipher.lookup_hashes(email)[0],
        password_hash="of no use here",
        display_name="Somebody",
        roles=[Role.CUSTOMER if number % 3 else Role.CONTRACTOR],
        created_at=house.runtime.now(),
    )


def old_customer(house: House, number: int) -> Customer:
    """One in ten has had no answer from Stripe yet."""
    now = house.runtime.now()
    attempt = Attempt.make(f"customer:usr_{number}:create:1", {}, cipher=house.runtime.cipher, now=now)
    stripe_id = None if number % 10 == 0 else f"cus_{number}"
    return Customer(id=f"usr_{number}", stripe_id=stripe_id, attempt=attempt, created_at=now)


def old_card(house: House, number: int) -> PaymentMethod:
    """Half of them Ada's, and of hers every other one is removed."""
    now = house.runtime.now()
    return PaymentMethod(
        id=f"pmt_{number:06}",
        owner=owner_of(number),
        stripe_id=f"pm_{number}",
        type="card",
        removed_at=now if number % 4 == 1 else None,
        observed_at=now,
        created_at=now - timedelta(minutes=number * 7 % 300),
    )


def old_account(house: House, number: int) -> ConnectAccount:
    """Three of each person's: of most the last one lives."""
    now, owner = house.runtime.now(), f"usr_{number % 100}"
    live = number >= 200 and number != 255
    status = ConnectAccountStatus.ACTIVE if live else ConnectAccountStatus.REJECTED
    fields = {"country": "US"}
    return ConnectAccount(
        id=f"cac_{number:06}",
        owner=owner,
        country="US",
        status=status,
        live=live,
        history=[StatusChange(status=status, at=now, actor=Actor.WORKER)],
        idempotency=IdempotencyKey.of(
            actor=owner, mutation="createConnectAccount", key=f"key-{number}", fields=fields
        ),
        stripe_id=f"acct_{number}",
        attempt=Attempt.make("key", {}, cipher=house.runtime.cipher, now=now),
        next_attempt_at=now - timedelta(minutes=number) if live else None,
        created_at=now,
        updated_at=now,
    )


# Pages.

Read = Callable[[PageRequest], Awaitable[Page[Any]]]


def pages(middle: str) -> list[PageRequest]:
    """From either end, and on from `middle` in either direction."""
    return [
        PageRequest(size=PAGE),
        PageRequest(size=PAGE, after=middle),
        PageRequest(size=PAGE, backward=True),
        PageRequest(size=PAGE, before=middle, backward=True),
    ]


async def explained(house: House, read: Awaitable[Page[Any]], collection: str) -> Query:
    """The one query that reads a full page."""
    async with profile(house) as profiler:
        page = await read
        (query,) = await profiler.queries(collection)
    assert len(page.items) == PAGE
    assert not query.sorted_in_memory
    return query


async def test_a_page_of_a_thousand_lines_examines_one_key_a_line_and_one_more(
    busy_house: House, ada: Wallet
) -> None:
    for request in pages("500"):
        query = await explained(busy_house, ledger.statement(ada.id, request), "statement_lines")
        assert query.plan == {"IXSCAN { _id: 1 }"}
        assert (query.keys, query.documents) == (PAGE + 1, PAGE + 1), request


async def test_a_page_of_some_kinds_examines_no_line_of_another(busy_house: House, ada: Wallet) -> None:
    for kinds in ([Kind.DEPOSIT], [Kind.DEPOSIT, Kind.ADJUSTMENT, Kind.REFUND_RETURNED]):
        for request in pages("500"):
            read = ledger.statement(ada.id, request, kinds=kinds)
            query = await explained(busy_house, read, "statement_lines")
            assert query.plan == {"IXSCAN { _id.w: 1, kind: 1, _id.s: 1 }"}
            assert query.documents == PAGE + 1
            assert query.keys <= PAGE + len(kinds)


async def test_a_filter_by_time_looks_at_a_line_for_each_halving(busy_house: House, ada: Wallet) -> None:
    after, before = (ada.created_at + timedelta(seconds=seconds) for seconds in (300, 700))
    async with profile(busy_house) as profiler:
        await ledger.statement(ada.id, PageRequest(size=PAGE), created_after=after, created_before=before)
        *halvings, page = await profiler.queries("statement_lines")
    assert len(halvings) <= 2 * 10
    assert all((query.plan, query.documents) == ({"IDHACK"}, 1) for query in halvings)
    assert (page.plan, page.keys) == ({"IXSCAN { _id: 1 }"}, PAGE + 1)


async def test_a_page_of_somebodys_deposits_examines_one_key_a_deposit_and_one_more(
    busy_house: House,
) -> None:
    for request in pages("dep_000300"):
        query = await explained(busy_house, deposits.page_of(ADA, request), "deposits")
        assert query.plan == {"IXSCAN { owner: 1, _id: -1 }"}
        assert (query.keys, query.documents) == (PAGE + 1, PAGE + 1), request


async def test_a_page_of_somebodys_deposits_by_status_is_read_in_order(busy_house: House) -> None:
    for statuses in ([S.SUCCEEDED], [S.FAILED, S.CANCELED, S.NEEDS_REVIEW]):
        for request in pages("dep_000300"):
            read = deposits.page_of(ADA, request, statuses=statuses)
            query = await explained(busy_house, read, "deposits")
            assert query.plan == {"IXSCAN { owner: 1, status: 1, _id: -1 }"}, (request, query.documents)
            assert query.documents == PAGE + 1
            assert query.keys <= PAGE + 1 + len(statuses)


async def test_a_page_of_everybodys_deposits_examines_none_that_it_does_not_show(busy_house: House) -> None:
    searches: list[tuple[Search, list[DepositStatus] | None, set[str]]] = [
        (Search(), None, {"IXSCAN { _id: 1 }"}),
        (Search(), [S.SUCCEEDED], {"IXSCAN { status: 1, _id: -1 }"}),
        (Search(), [S.FAILED, S.CANCELED, S.NEEDS_REVIEW], {"IXSCAN { status: 1, _id: -1 }"}),
        (Search(person=ADA), None, {"IXSCAN { owner: 1, _id: -1 }"}),
        (Search(person=ADA), [S.SUCCEEDED], {"IXSCAN { owner: 1, status: 1, _id: -1 }"}),
    ]
    for search, statuses, plan in searches:
        for request in pages("dep_000300"):
            read = deposits.page(request, search, statuses=statuses)
            query = await explained(busy_house, read, "deposits")
            assert query.plan == plan, (search, statuses, request)
            assert query.documents == PAGE + 1
            assert query.keys <= PAGE + 1 + len(statuses or ())


async def test_a_page_of_a_time_begins_where_the_time_does(house: House) -> None:
    """Of five hundred deposits, a minute apart, those of an hour: no other is looked at."""
    await house.stop_worker()
    first = house.runtime.now() - timedelta(minutes=500)
    rows = [old_deposit(house, number) for number in range(500)]
    for number, row in enumerate(rows):
        row.created_at = first + timedelta(minutes=number)
        row.id = new_id("dep", at=row.created_at)
    await Deposit.insert_many(rows)
    hour = Search(created_after=first + timedelta(minutes=100), created_before=first + timedelta(minutes=161))
    for statuses in (None, [S.SUCCEEDED]):
        async with profile(house) as profiler:
            page = await deposits.page(PageRequest(size=100), hour, statuses=statuses)
            (query,) = await profiler.queries("deposits")
        shown = [deposit.id for deposit in page.items]
        assert shown == [
            row.id for row in reversed(rows[101:161]) if statuses is None or row.status in statuses
        ]
        assert query.documents == len(shown)
        assert query.keys <= len(shown) + 1
        assert not query.sorted_in_memory
    await house.collection("deposits").delete_many({})
    await house.start_worker()


async def test_a_page_of_everybodys_escrows_or_withdrawals_examines_none_that_it_does_not_show(
    busy_house: House,
) -> None:
    await Escrow.insert_many([old_escrow(busy_house, number) for number in range(300)])
    await Withdrawal.insert_many([old_withdrawal(busy_house, number) for number in range(300)])
    everybody, hers = Search(), Search(person=ADA)

    def escrows(search: Search, **more: Any) -> Read:
        return lambda request: escrow.page(request, search, **more)

    def outgoing(search: Search, *statuses: WithdrawalStatus) -> Read:
        criteria, some = search.criteria("wdr"), statuses or None
        return lambda request: withdrawals.page_of(request, criteria=criteria, statuses=some)

    funded, paid = [EscrowStatus.FUNDED], WithdrawalStatus.PAID
    reads: list[tuple[str, Read, set[str]]] = [
        ("esc", escrows(everybody), {"IXSCAN { _id: 1 }"}),
        ("esc", escrows(everybody, statuses=funded), {"IXSCAN { status: 1, _id: -1 }"}),
        ("esc", escrows(everybody, job_id="job 1"), {"IXSCAN { job_id: 1, _id: -1 }"}),
        ("esc", escrows(hers), {"IXSCAN { owner: 1, _id: -1 }", "IXSCAN { contractor: 1, _id: -1 }"}),
        ("wdr", outgoing(everybody), {"IXSCAN { _id: 1 }"}),
        ("wdr", outgoing(everybody, paid), {"IXSCAN { status: 1, _id: -1 }"}),
        ("wdr", outgoing(hers), {"IXSCAN { owner: 1, _id: -1 }"}),
        ("wdr", outgoing(hers, paid), {"IXSCAN { owner: 1, status: 1, _id: -1 }"}),
    ]
    for prefix, read, plan in reads:
        collection = {"esc": "escrows", "wdr": "withdrawals"}[prefix]
        for request in pages(f"{prefix}_000150"):
            query = await explained(busy_house, read(request), collection)
            assert query.plan == plan, (prefix, request)
            assert query.documents <= PAGE + 2
            assert query.keys <= PAGE + 3


def old_escrow(house: House, number: int) -> Escrow:
    """Ada pays for every tenth, and works for another."""
    now = house.runtime.now()
    status = EscrowStatus.FUNDED if number // 10 % 2 else EscrowStatus.RELEASED
    return Escrow(
        id=f"esc_{number:06}",
        owner=ADA if number % 10 == 0 else "usr_1",
        contractor=ADA if number % 10 == 1 else "usr_2",
        wallet="wal_1",
        job_id=f"job {number % 4}",
        price=100_00,
        currency="USD",
        platform_fee_bps=500,
        service_fee_bps=2000,
        locked=0,
        expires_at=now,
        status=status,
        history=[StatusChange(status=status, at=now, actor=Actor.OWNER)],
        idempotency=idempotency(ADA, number),
        created_at=now,
        updated_at=now,
    )


def old_withdrawal(house: House, number: int) -> Withdrawal:
    """Half of them Ada's, half of those paid."""
    now = house.runtime.now()
    status = WithdrawalStatus.PAID if number // 2 % 2 else WithdrawalStatus.CANCELED
    return Withdrawal(
        id=f"wdr_{number:06}",
        owner=owner_of(number),
        wallet="wal_1",
        amount=25_00,
        currency="USD",
        status=status,
        history=[StatusChange(status=status, at=now, actor=Actor.OWNER)],
        idempotency=idempotency(owner_of(number), number),
        created_at=now,
        updated_at=now,
    )


async def test_a_page_of_people_is_read_in_order(busy_house: House) -> None:
    for role, plan in ((None, "IXSCAN { _id: 1 }"), (Role.CONTRACTOR, "IXSCAN { roles: 1, _id: -1 }")):
        for request in pages("usr_050"):
            query = await explained(
                busy_house, identity.page(busy_house.runtime, request, role=role), "users"
            )
            assert query.plan == {plan}, (role, request)
            assert (query.keys, query.documents) == (PAGE + 1, PAGE + 1)


async def test_a_person_is_found_by_address_among_all(busy_house: House) -> None:
    async with profile(busy_house) as profiler:
        page = await identity.page(busy_house.runtime, PageRequest(), email="somebody.50@example.com")
        by_address, by_id = await profiler.queries("users")
    assert [person.id for person in page.items] == ["usr_050"]
    assert (by_address.plan, by_address.documents) == ({"IXSCAN { email_hash: 1 }"}, 1)
    assert (by_id.plan, by_id.documents) == ({"IXSCAN { _id: 1 }"}, 1)


async def test_the_record_of_a_wallets_freezes_is_read_in_order(busy_house: House, ada: Wallet) -> None:
    changes = [old_freeze(busy_house, ada.id if number % 2 else "wal_1", number) for number in range(100)]
    await FreezeChange.insert_many(changes)
    for request in pages("frz_000050"):
        query = await explained(busy_house, ledger.freeze_changes(ada.id, request), "freeze_changes")
        assert query.plan == {"IXSCAN { wallet: 1, _id: -1 }"}
        assert (query.keys, query.documents) == (PAGE + 1, PAGE + 1)


def old_freeze(house: House, wallet: str, number: int) -> FreezeChange:
    return FreezeChange(
        id=f"frz_{number:06}",
        wallet=wallet,
        cause=FreezeCause.ADMIN,
        operation=None,
        frozen=number % 4 < 2,
        by="usr_edith",
        at=house.runtime.now(),
        reason="a test.",
    )


# Look-ups.

Look = Callable[[House], Awaitable[object]]


async def replay(house: House) -> None:
    number = next(n for n in range(600) if (owner_of(n), status_of(n)) == (ADA, S.SUCCEEDED))
    command = CreateDeposit(amount=25_00, currency="USD", idempotency_key=f"key-{number}")
    created = await deposits.create(house.runtime, ADA, command, budget=house.limits.deposits)
    assert (created.replayed, created.deposit.id) == (True, f"dep_{number:06}")


async def hear_of_an_intent(house: House) -> None:
    """One whose metadata are not ours, so that it is found by its own id."""
    nothing = Money(0, "USD")
    intent = PaymentIntent(
        id="pi_305",
        status="processing",
        amount=nothing,
        received=nothing,
        customer=None,
        client_secret=None,
        next_action_url=None,
        last_error=None,
        metadata={},
        livemode=False,
        created_at=house.runtime.now(),
    )

    async def find(tx: Tx) -> None:
        deposit = await deposits.facts.find_for(tx, intent)
        assert deposit is not None
        assert deposit.id == "dep_000305"

    await house.runtime.database.transact(find)


async def hear_of_a_page(house: House) -> None:
    """Likewise, of a Checkout Session."""
    session = CheckoutSession(id="cs_306", status="open", url=None, payment_intent=None, metadata={})

    async def find(tx: Tx) -> None:
        deposit = await deposits.facts.find_for_page(tx, session)
        assert deposit is not None
        assert deposit.id == "dep_000306"

    await house.runtime.database.transact(find)


async def post_again(house: House) -> None:
    wallet = await ledger.open_wallet(ADA, "USD")

    async def work(tx: Tx) -> AlreadyPosted | ledger.Posted:
        step = NewEntry(
            ref=f"step:{ADA}:500",
            kind=Kind.ADJUSTMENT,
            currency="USD",
            postings=[Posting(STRIPE, Account.available(wallet.id), 1)],
            operation="op_500",
            actor="admin",
        )
        return await ledger.post(tx, step)

    assert isinstance(await house.runtime.database.transact(work), AlreadyPosted)


async def claim_a_deposit(house: House) -> None:
    claimed = await deposits.claim_next(house.runtime)
    assert claimed is not None


async def claim_an_event(house: House) -> None:
    claimed = await inbox.claim_next(house.runtime)
    assert claimed is not None
    assert claimed.id == "evt_0"


async def find_by_email(house: House) -> None:
    found = await identity.people.find_by_email(house.runtime, "somebody.50@example.com")
    assert found is not None
    assert found.id == "usr_050"


async def find_whose_customer_it_is(house: House) -> None:
    assert await customers.owner_of("cus_55") == "usr_55"


async def find_whose_card_it_is(house: House) -> None:
    async def find(tx: Tx) -> None:
        assert await methods.reads.owner_of(tx, "pm_55") == ADA

    await house.runtime.database.transact(find)


async def find_the_live_account(house: House) -> None:
    account = await onboarding.live_account("usr_50")
    assert account is not None
    assert account.id == "cac_000250"


async def find_an_account_by_stripes_id(house: House) -> None:
    account = await onboarding.find_by_stripe_id("acct_55")
    assert account is not None
    assert account.id == "cac_000055"


async def find_the_account_that_a_key_made(house: House) -> None:
    fields = {"country": "US"}
    key = IdempotencyKey.of(actor="usr_55", mutation="createConnectAccount", key="key-55", fields=fields)
    account = await first_with(ConnectAccount, key)
    assert account is not None
    assert account.id == "cac_000055"


async def claim_an_account(house: House) -> None:
    account = await onboarding.claim_next(house.runtime)
    assert account is not None
    assert account.id == "cac_000299"


async def find_a_wallet(house: House) -> None:
    assert (await ledger.open_wallet(ADA, "USD")).owner == ADA


IDEMPOTENCY = "idempotency.actor: 1, idempotency.mutation: 1, idempotency.key: 1"


async def test_one_thing_is_found_by_one_key(busy_house: House) -> None:
    looks: list[tuple[Look, str, str]] = [
        (replay, "deposits", IDEMPOTENCY),
        (hear_of_an_intent, "deposits", "payment_intent_id: 1"),
        (hear_of_a_page, "deposits", "checkout.session_id: 1"),
        (claim_a_deposit, "deposits", "next_attempt_at: 1"),
        (claim_an_event, "webhook_events", "next_attempt_at: 1"),
        (post_again, "entries", "ref: 1"),
        (find_the_live_account, "connect_accounts", "owner: 1"),
        (find_an_account_by_stripes_id, "connect_accounts", "stripe_id: 1"),
        (find_the_account_that_a_key_made, "connect_accounts", IDEMPOTENCY),
        (claim_an_account, "connect_accounts", "next_attempt_at: 1"),
        (find_a_wallet, "wallets", "owner: 1, currency: 1"),
        (find_by_email, "users", "email_hash: 1"),
        (find_whose_customer_it_is, "customers", "stripe_id: 1"),
        (find_whose_card_it_is, "payment_methods", "stripe_id: 1"),
    ]
    for look, collection, index in looks:
        async with profile(busy_house) as profiler:
            await look(busy_house)
            query, *_ = await profiler.queries(collection)
        assert query.plan == {f"IXSCAN {{ {index} }}"}, look
        assert (query.keys, query.documents) == (1, 1), look
        assert not query.sorted_in_memory


async def test_what_is_incoming_is_summed_over_ones_own_deposits_in_processing(busy_house: House) -> None:
    async with profile(busy_house) as profiler:
        incoming = await deposits.incoming(ADA, "USD")
        (query,) = await profiler.queries("deposits")
    assert incoming > 0
    assert query.plan == {"IXSCAN { owner: 1, status: 1, _id: -1 }"}
    assert query.documents == incoming // 25_00
    assert query.keys <= query.documents + 1


async def test_the_last_account_that_ended_is_found_first(busy_house: House) -> None:
    async with profile(busy_house) as profiler:
        account = await onboarding.latest("usr_55")
        live, ended = await profiler.queries("connect_accounts")
    assert account is not None
    assert account.id == "cac_000255"
    assert (live.plan, live.documents) == ({"IXSCAN { owner: 1 }"}, 0)
    assert (ended.plan, ended.documents) == ({"IXSCAN { owner: 1, _id: -1 }"}, 1)


async def test_no_query_of_an_accounts_whole_life_scans_a_collection(house: House) -> None:
    async with profile(house) as profiler:
        grace = await house.onboarded()
        await grace.create_connect_account()
        await house.onboard(grace, "rejected")
        await grace.connect_account()
        await grace.create_connect_account()
        house.clock.advance(minutes=2)
        await house.sweep()
        await house.quiet()
        queries = await profiler.queries("connect_accounts")
    assert queries
    assert [query.row["command"] for query in queries if "COLLSCAN" in query.plan] == []


async def test_saved_cards_are_read_in_order_and_no_removed_one(busy_house: House) -> None:
    async with profile(busy_house) as profiler:
        copies = await methods.reads.copies_of(ADA)
        (query,) = await profiler.queries("payment_methods")
    newest_first = sorted(copies, key=lambda saved: saved.method.created_at, reverse=True)
    assert [saved.method.id for saved in copies] == [saved.method.id for saved in newest_first]
    assert query.plan == {"IXSCAN { owner: 1, removed_at: 1, created_at: -1, _id: -1 }"}
    assert not query.sorted_in_memory
    assert query.documents == len(copies) == 75
    assert query.keys <= len(copies) + 2


async def test_no_query_of_a_saved_cards_whole_life_scans_a_collection(house: House) -> None:
    async with profile(house) as profiler:
        ada = await house.customer()
        await house.save_card(ada)
        [card] = await ada.cards()
        await ada.set_default_card(card["id"])
        await ada.remove_card(card["id"])
        await house.quiet()
        for collection in ("users", "customers", "payment_methods"):
            queries = await profiler.queries(collection)
            assert queries
            assert [query.row["command"] for query in queries if "COLLSCAN" in query.plan] == []


async def test_no_query_of_a_deposits_whole_life_scans_a_collection(house: House) -> None:
    async with profile(house) as profiler:
        ada = await house.customer()
        deposit = await ada.deposits(usd=25_00)
        await house.pay(deposit)
        await house.settled(ada, deposit)
        await ada.data("{ wallet { transactions(first: 10) { edges { node { id operation { id } } } } } }")
        await ada.data("{ me { deposits(first: 10) { edges { node { id } } } } }")
        await house.sweep()
        queries = await profiler.queries()
    assert {"deposits", "wallets", "entries", "users", "webhook_events"} <= {
        query.row["ns"].partition(".")[2] for query in queries
    }
    assert [query.row["command"] for query in queries if "COLLSCAN" in query.plan] == []


async def test_no_query_of_a_withdrawals_whole_life_scans_a_collection(house: House) -> None:
    async with profile(house) as profiler:
        grace, edith = await house.funded(await house.onboarded(), usd=5_000_00), await house.admin()
        large = await grace.withdraws(usd=1_200_00)
        await edith.approve_withdrawal(large)
        await grace.blockers(10_00)
        await house.withdrawal_reaches(grace, large, "IN_TRANSIT")
        await house.stripe.control(f"/accounts/{await house.acct(grace)}/payout")
        [payout] = await house.stripe.objects("payout")
        await house.stripe.control(f"/payouts/{payout['id']}", {"outcome": "paid"})
        await house.withdrawal_reaches(grace, large, "PAID")
        await grace.cancel_withdrawal(await grace.withdraws(usd=2_000_00))
        await grace.data("{ me { withdrawals(first: 10) { edges { node { id waitingFor { code } } } } } }")
        await house.stripe.control("/float", {"currency": "usd", "amount": 1_000_000_00})
        await house.sweep()
        queries = {
            collection: await profiler.queries(collection)
            # Not webhook_events, of which the test itself asks whether all are handled.
            for collection in ("withdrawals", "wallets", "entries", "connect_accounts", "users")
        }
    for collection, asked in queries.items():
        assert asked, collection
        assert [query.row["command"] for query in asked if "COLLSCAN" in query.plan] == []


async def test_no_query_of_a_refunds_whole_life_scans_a_collection(house: House) -> None:
    async with profile(house) as profiler:
        ada, edith = await house.customer(), await house.admin()
        deposit = await paid(house, ada, 50_00)
        refund = await refunds_of(edith, deposit, 20_00)
        await reaches(house, ada, refund, "SUCCEEDED")
        by_hand = {"payment_intent": deposit["intent"], "amount": "1000"}
        await house.stripe.request("POST", "/v1/refunds", by_hand)
        await house.caught_up()
        await ada.data("{ me { refunds { edges { node { id deposit { refundable { amount } } } } } } }")
        page = "{ refunds(status: SUCCEEDED, filter: {personId: %s}) { edges { node { id } } } }"
        await edith.data(page.replace("%s", f'"{ada.id}"'))
        await house.time_passes(days=3)  # money becomes available at Stripe
        await house.caught_up()
        await house.sweep()
        queries = {
            collection: await profiler.queries(collection)
            for collection in ("refunds", "deposits", "wallets", "entries")
        }
    for collection, asked in queries.items():
        assert asked, collection
        assert [query.row["command"] for query in asked if "COLLSCAN" in query.plan] == []


async def test_no_query_of_a_disputes_whole_life_scans_a_collection(house: House) -> None:
    async with profile(house) as profiler:
        ada, edith = await house.customer(), await house.admin()
        row = await disputed(house, ada, 50_00)
        await conclude(house, row, "lost")
        await disputes.of_deposit(row["deposit"])
        await ada.data("{ me { disputes(status: LOST) { edges { node { id deposit { id } } } } } }")
        page = "{ disputes(status: LOST, filter: {personId: %s}) { edges { node { id } } } }"
        await edith.data(page.replace("%s", f'"{ada.id}"'))
        await edith.data("{ disputes(status: LOST) { edges { node { id } } } }")
        await cards_settle(house)
        await house.chore("treasury")
        await house.chore("disputes")
        await house.sweep()
        queries = {
            collection: await profiler.queries(collection)
            for collection in ("disputes", "deposits", "withdrawals", "entries")
        }
    for collection, asked in queries.items():
        assert asked, collection
        assert [query.row["command"] for query in asked if "COLLSCAN" in query.plan] == []


async def test_a_page_tells_what_each_waits_for_by_one_query_for_all(house: House) -> None:
    """Of ten people's withdrawals, half of which wait for a wallet and half for an account."""
    await house.stop_worker()
    edith = await house.admin()
    rows = [old_withdrawal(house, number) for number in range(10)]
    for number, row in enumerate(rows):
        row.status, row.owner = WithdrawalStatus.PENDING, f"usr_{number}"
        row.hindrance = Hindrance.FREEZE if number % 2 else Hindrance.ACCOUNT
        row.wallet = (await ledger.open_wallet(row.owner, "USD")).id
    await Withdrawal.insert_many(rows)
    async with profile(house) as profiler:
        query = "{ withdrawals { edges { node { owner { displayName } waitingFor { code } } } } }"
        edges = (await edith.data(query))["withdrawals"]["edges"]
        asked = [await profiler.queries(name) for name in ("withdrawals", "wallets", "connect_accounts")]
    waits_for = [edge["node"]["waitingFor"]["code"] for edge in edges]
    # Newest first; those wallets are not frozen any more.
    assert waits_for == ["SENDING", "CONNECT_ACCOUNT_REQUIRED"] * 5
    assert [len(queries) for queries in asked] == [1, 1, 1]
    await house.sweep_clean()
    await house.start_worker()


async def wake_an_owners(house: House) -> None:
    await withdrawals.wake_owner(house.runtime, ADA)


async def wake_for_funds(house: House) -> None:
    assert await house.runtime.database.transact(waking.wake_for_funds) == 3


async def add_up_a_day(house: House) -> None:
    """Only what is of that day is read, however much its owner has ever withdrawn."""
    since = house.runtime.now() - timedelta(minutes=19, seconds=30)
    assert await reads.asked_for_since(None, ADA, "USD", since) == 10 * 25_00


async def find_by_transfer(house: House) -> None:
    async def find(tx: Tx) -> None:
        found = await reads.of_transfer(tx, "tr_150", None)
        assert found is not None

    await house.runtime.database.transact(find)


async def find_by_payout(house: House) -> None:
    async def find(tx: Tx) -> None:
        assert len(await reads.of_payout(tx, "po_150", ["py_151"], None)) == 2

    await house.runtime.database.transact(find)


async def test_withdrawals_are_found_by_what_they_wait_for_and_by_what_stripe_names(
    busy_house: House,
) -> None:
    await Withdrawal.insert_many([waiting_withdrawal(busy_house, number) for number in range(300)])
    hindrance = "IXSCAN { hindrance: 1, owner: 1 }"
    named = {"IXSCAN { payouts.id: 1 }", "IXSCAN { transfers.payment: 1 }"}
    looks: list[tuple[Look, set[str], int]] = [
        (wake_an_owners, {hindrance}, 2),
        (wake_for_funds, {hindrance}, 3),
        (add_up_a_day, {"IXSCAN { owner: 1, _id: -1 }"}, 10),
        (find_by_transfer, {"IXSCAN { transfers.id: 1 }"}, 1),
        (find_by_payout, named, 2),
    ]
    for look, plan, documents in looks:
        async with profile(busy_house) as profiler:
            await look(busy_house)
            query, *_ = await profiler.queries("withdrawals")
        assert query.plan == plan, look
        assert query.documents == documents, look
        assert query.keys <= documents + 3, look


def waiting_withdrawal(house: House, number: int) -> Withdrawal:
    """One a minute, lately every other one Ada's; few of them wait for something in particular."""
    at = house.runtime.now() - timedelta(minutes=number)
    withdrawal = old_withdrawal(house, number)
    withdrawal.id = new_id("wdr", at=at)
    withdrawal.owner = ADA if number >= 100 or number in range(0, 20, 2) else "usr_1"
    withdrawal.status = WithdrawalStatus.PENDING
    waits_for = {10: Hindrance.ACCOUNT, 20: Hindrance.FUNDS, 21: Hindrance.FUNDS, 22: Hindrance.FUNDS}
    withdrawal.hindrance = waits_for.get(number, Hindrance.FREEZE if number == 100 else None)
    sent = SentTransfer(id=f"tr_{number}", amount=25_00, payment=f"py_{number}", found=False)
    paid = BankPayout(
        id=f"po_{number}",
        status="paid",
        arrives_at=at,
        failure_code=None,
        failure_message=None,
        created_at=at,
        observed_at=at,
    )
    withdrawal.transfers, withdrawal.payouts = [sent], [paid]
    return withdrawal


async def test_no_query_of_the_reading_of_stripes_balance_scans_a_collection(house: House) -> None:
    ada = await house.customer()
    deposit = await ada.deposits(usd=25_00)
    await house.pay(deposit)
    await house.settled(ada, deposit)
    await cards_settle(house)
    async with profile(house) as profiler:
        for _ in range(2):
            await reading.read_all(house.runtime)
        queries = await profiler.queries()
    assert {"movements", "deposits", "entries"} <= {query.row["ns"].partition(".")[2] for query in queries}
    assert [query.row["command"] for query in queries if "COLLSCAN" in query.plan] == []
