"""The proof of the books: it finds whatever was tampered with, names it, and disturbs no traffic."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from ulid import ULID

from domain import deposits, ledger
from domain.deposits import Deposit, DepositStatus
from domain.gateway import PaymentIntent
from domain.kernel.database import Row, Tx
from domain.kernel.ids import new_id
from domain.kernel.money import Money
from domain.kernel.operations import Actor, IdempotencyKey, StatusChange
from domain.ledger import Account, EntryRecord, Kind, NewEntry, Platform, Posting, Wallet
from domain.ledger.books import digest
from tests.house import House

STRIPE, FEES = Account.platform(Platform.STRIPE), Account.platform(Platform.FEES)


# Sound books: two wallets with lines, and a deposit that was paid.


@dataclass(frozen=True)
class Books:
    house: House
    ada: Wallet
    eve: Wallet
    deposit: Deposit

    async def change(self, collection: str, criteria: Mapping[str, Any], update: Mapping[str, Any]) -> None:
        """Behind the product's back."""
        result = await self.house.collection(collection).update_one(criteria, update)
        assert result.modified_count == 1

    async def remove(self, collection: str, criteria: Mapping[str, Any]) -> Row:
        row: Row | None = await self.house.collection(collection).find_one_and_delete(criteria)
        assert row is not None
        return row

    async def change_wallet(self, **fields: Any) -> None:
        await self.change("wallets", {"_id": self.ada.id}, {"$set": fields})

    async def change_line(self, seq: int, **fields: Any) -> None:
        await self.change("statement_lines", {"_id": self.line_id(seq)}, {"$set": fields})

    async def change_entry(self, **fields: Any) -> None:
        """The entry "three". Names may be paths: `postings__1__amount`."""
        paths = {name.replace("__", "."): value for name, value in fields.items()}
        await self.change("entries", {"ref": "three"}, {"$set": paths})

    async def forge_entry(self, **fields: Any) -> None:
        """With a hash that fits, as somebody would who knows how the books are made."""
        await self.change_entry(**fields)
        row = await self.house.collection("entries").find_one({"ref": "three"}, {"hash": 0})
        await self.change_entry(hash=digest(row))

    async def change_deposit(self, **fields: Any) -> None:
        await self.change("deposits", {"_id": self.deposit.id}, {"$set": fields})

    def line_id(self, seq: int) -> dict[str, Any]:
        return {"w": self.ada.id, "s": seq}

    async def violations(self) -> set[tuple[str, str]]:
        return {(found.invariant, found.subject) for found in (await self.house.report()).violations}


async def post(
    house: House,
    ref: str,
    *moves: tuple[Account, Account, int],
    kind: Kind = Kind.ADJUSTMENT,
    operation: str | None = None,
) -> None:
    entry = NewEntry(
        ref=ref,
        kind=kind,
        currency="USD",
        postings=[Posting(*move) for move in moves],
        operation=operation or f"op_of_{ref}",
        actor="admin",
    )

    async def work(tx: Tx) -> None:
        await ledger.post(tx, entry)

    await house.runtime.database.transact(work)


async def paid_deposit(house: House, wallet: Wallet, amount: int, *, settled: bool = True) -> Deposit:
    """A deposit that was made and, if `settled`, of which Stripe has said that it was paid."""
    now = house.runtime.now()
    deposit = Deposit(
        id=new_id("dep"),
        owner=wallet.owner,
        wallet=wallet.id,
        amount=amount,
        currency="USD",
        status=DepositStatus.PROCESSING,
        history=[StatusChange(status=DepositStatus.PROCESSING, at=now, actor=Actor.OWNER)],
        idempotency=IdempotencyKey.of(
            actor=wallet.owner, mutation="createDeposit", key=str(ULID()), fields={}
        ),
        payment_intent_id=f"pi_{ULID()}",
        created_at=now,
        updated_at=now,
    )
    await deposit.insert()
    return await settle(house, deposit) if settled else deposit


async def settle(house: House, deposit: Deposit) -> Deposit:
    """Stripe says that it was paid."""
    now = house.runtime.now()
    intent = PaymentIntent(
        id=str(deposit.payment_intent_id),
        status="succeeded",
        amount=Money(deposit.amount, "USD"),
        received=Money(deposit.amount, "USD"),
        customer=None,
        client_secret=None,
        next_action_url=None,
        last_error=None,
        metadata={"deposit_id": deposit.id},
        livemode=False,
        created_at=now,
    )
    await deposits.settle(house.runtime, intent, observed_at=now, actor=Actor.WORKER)
    return await Deposit.get(deposit.id) or deposit


@pytest.fixture
async def books(house: House) -> Books:
    ada, eve = [await ledger.open_wallet(f"usr_{name}", "USD") for name in ("ada", "eve")]
    await post(house, "one", (STRIPE, Account.available(ada.id), 50_00))
    deposit = await paid_deposit(house, ada, 25_00)
    house.clock.advance(seconds=1)
    await post(house, "three", (STRIPE, Account.available(ada.id), 10_00), (STRIPE, FEES, 1_00))
    await post(house, "four", (Account.available(ada.id), Account.available(eve.id), 5_00))
    await post(house, "debt", (Account.available(eve.id), STRIPE, 6_00), kind=Kind.DISPUTE_WITHDRAWN)
    return Books(house, ada, eve, deposit)


async def test_sound_books_are_found_sound(books: Books) -> None:
    report = await books.house.report()
    assert report.violations == []
    assert (report.wallets, report.entries, report.ok) == (2, 5, True)


# What somebody may have done to them. Ada's lines: 1 of "one", 2 of her deposit, 3 of "three", 4 of "four".

Crime = Callable[[Books], Awaitable[object]]
DIGEST = "0" * 64


def found(invariant: str, subject: str, crime: Crime) -> Any:
    """`crime` is reported as a violation of `invariant` by `subject`, which may name {ada} or {deposit}."""
    return pytest.param(invariant, subject, crime, id=f"{invariant}: {subject}")


async def forge_the_last_line(books: Books) -> None:
    """With hashes that fit and a balance that agrees: as far as the wallet goes, all is well."""
    third, fourth = [
        await books.house.collection("statement_lines").find_one({"_id": books.line_id(seq)})
        for seq in (3, 4)
    ]
    del fourth["hash"]
    fourth |= {"available_delta": 5_00, "available_after": third["available_after"] + 5_00}
    fourth["hash"] = digest({**fourth, "previous": third["hash"]})
    await books.change_line(4, **{name: value for name, value in fourth.items() if name != "_id"})
    await books.change_wallet(available=fourth["available_after"], head=fourth["hash"])


async def forget_the_last_line(books: Books) -> None:
    """And set the wallet back to the line before, as if nothing had ever come after it."""
    await books.remove("statement_lines", {"_id": books.line_id(4)})
    third = await books.house.collection("statement_lines").find_one({"_id": books.line_id(3)})
    await books.change_wallet(
        available=third["available_after"], seq=3, head=third["hash"], last_at=third["created_at"]
    )


async def forge_lines_beyond(books: Books) -> None:
    """Two that go on from the last, with hashes that fit; the wallet knows nothing of them yet."""
    line = await books.house.collection("statement_lines").find_one({"_id": books.line_id(4)})
    for seq in (5, 6):
        previous = line.pop("hash")
        line |= {"_id": books.line_id(seq), "available_after": line["available_after"] - 5_00}
        line["hash"] = digest({**line, "previous": previous})
        await books.house.collection("statement_lines").insert_one(line)


async def forge_line(books: Books, **changed: Any) -> None:
    """A copy of Ada's last line under another id."""
    line = await books.house.collection("statement_lines").find_one({"_id": books.line_id(4)})
    await books.house.collection("statement_lines").insert_one({**line, **changed})


async def forge_an_old_entry(books: Books) -> None:
    """One that no wallet has heard of."""
    row = await books.house.collection("entries").find_one({"ref": "four"}, {"hash": 0})
    row |= {"_id": new_id("ent", at=row["created_at"]), "ref": "forged"}
    await books.house.collection("entries").insert_one({**row, "hash": digest(row)})
    books.house.clock.advance(minutes=6)


async def forget_an_old_line(books: Books) -> None:
    await forget_the_last_line(books)
    books.house.clock.advance(minutes=6)


async def count_an_old_line_twice(books: Books) -> None:
    """The entry "four" moved Ada's money once; another line says it again."""
    await forge_lines_beyond(books)
    last = await books.house.collection("statement_lines").find_one({"_id": books.line_id(6)})
    await books.change_wallet(seq=6, head=last["hash"], available=last["available_after"])
    books.house.clock.advance(minutes=6)


async def forget_an_old_wallet(books: Books) -> None:
    await books.remove("wallets", {"_id": books.eve.id})
    books.house.clock.advance(minutes=6)


async def credit_without_entry(books: Books) -> None:
    other = await paid_deposit(books.house, books.ada, 1_00, settled=False)
    await books.change("deposits", {"_id": other.id}, {"$set": {"status": "SUCCEEDED", "received": 1_00}})


def postings(amount: object, destination: str = "platform:fees") -> list[dict[str, object]]:
    return [{"source": "platform:stripe", "destination": destination, "amount": amount}]


async def credit_another(books: Books) -> None:
    """A deposit of Ada's is led to Eve's wallet before it is paid."""
    deposit = await paid_deposit(books.house, books.ada, 3_00, settled=False)
    await books.change("deposits", {"_id": deposit.id}, {"$set": {"wallet": books.eve.id}})
    await settle(books.house, deposit)


async def credit_the_wrong_way(books: Books) -> None:
    """What came is booked as if it had left."""
    deposit = await paid_deposit(books.house, books.ada, 3_00, settled=False)
    left = (Account.available(books.ada.id), STRIPE, 3_00)
    await post(
        books.house,
        f"deposit:{deposit.id}:succeeded",
        left,
        kind=Kind.DISPUTE_WITHDRAWN,
        operation=deposit.id,
    )
    await books.change("deposits", {"_id": deposit.id}, {"$set": {"status": "SUCCEEDED", "received": 3_00}})


BALANCES = [
    found("1 available is the sum of its lines", "{ada}", lambda b: b.change_wallet(available=80_01)),
    found("1 held is the sum of its lines", "{ada}", lambda b: b.change_wallet(held=1)),
    found("1 available is the sum of its lines", "{ada}", lambda b: b.change_line(2, available_delta=26_00)),
    found("1 held is the sum of its lines", "{ada}", lambda b: b.change_line(2, held_delta=1)),
    found("1 available after the line", "{ada} line 2", lambda b: b.change_line(2, available_after=76_00)),
    found("1 held after the line", "{ada} line 2", lambda b: b.change_line(2, held_after=1)),
]
CHAINS = [
    found("2 line hash", "{ada} line 2", lambda b: b.change_line(2, hash=DIGEST)),
    found("2 line hash", "{ada} line 3", lambda b: b.change_line(2, hash=DIGEST)),
    found("2 line hash", "{ada} line 2", lambda b: b.change_line(2, note="a field too many")),
    found("2 line hash", "{ada} line 2", lambda b: b.change_line(2, available_delta=25_00.0)),
    found("2 line hash", "{ada} line 2", lambda b: b.change_line(2, created_at=b.ada.created_at)),
    found("2 time is monotone", "{ada} line 3", lambda b: b.change_line(3, created_at=b.ada.created_at)),
    found(
        "2 seq has no gap",
        "{ada} line 3",
        lambda b: b.remove("statement_lines", {"_id": b.line_id(2)}),
    ),
    found("2 seq is the last line's", "{ada}", lambda b: b.remove("statement_lines", {"_id": b.line_id(4)})),
    found("2 seq is the last line's", "{ada}", lambda b: b.change_wallet(seq=5)),
    found("2 head is the last line's hash", "{ada}", lambda b: b.change_wallet(seq=3)),
    found("2 head is the last line's hash", "{ada}", lambda b: b.change_wallet(head=DIGEST)),
    found("2 last_at is the last line's time", "{ada}", lambda b: b.change_wallet(last_at=b.ada.created_at)),
    found("2 wallet and lines are well formed", "{ada}", lambda b: b.change_wallet(available=80_00.0)),
    found(
        "2 wallet and lines are well formed",
        "{ada}",
        lambda b: b.change("wallets", {"_id": b.ada.id}, {"$unset": {"available": 1, "currency": 1}}),
    ),
    found(
        "2 wallet and lines are well formed",
        "{ada}",
        lambda b: b.change("statement_lines", {"_id": b.line_id(2)}, {"$unset": {"hash": 1}}),
    ),
    found("2 no line is beyond seq", "{ada} line 6", forge_lines_beyond),
    found("2 no line is beyond seq", "{ada} line 900", lambda b: forge_line(b, _id=b.line_id(900))),
    found("2 seq has no gap", "{ada} line -1", lambda b: forge_line(b, _id=b.line_id(-1))),
    found(
        "2 wallet and lines are well formed",
        "{ada}",
        lambda b: forge_line(b, _id={"w": b.ada.id, "s": "five"}),
    ),
    found("2 the line's wallet exists", "wal_x", lambda b: forge_line(b, _id={"w": "wal_x", "s": 1})),
    found("2 the line's wallet exists", "None", lambda b: forge_line(b, _id=7)),
    found("2 every entry has its line", "{ada}", forget_an_old_line),
    found("2 every entry has its line", "four in {ada}", forget_an_old_line),
    found("2 every entry has its line", "forged in {eve}", forge_an_old_entry),
    found("2 every entry has its line", "four in {ada}", count_an_old_line_twice),
    found("2 every entry has its line", "{eve}", forget_an_old_wallet),
]
ENTRIES = [
    found("2 line agrees with its entry", "{ada} line 3", lambda b: b.change_line(3, kind="DEPOSIT")),
    found("2 line agrees with its entry", "{ada} line 3", lambda b: b.change_line(3, operation="op_other")),
    found("2 line agrees with its entry", "{ada} line 3", lambda b: b.change_line(3, entry_hash=DIGEST)),
    found("2 the line's entry exists", "{ada} line 3", lambda b: b.change_line(3, ref="another")),
    found("2 the line's entry exists", "{ada} line 3", lambda b: b.remove("entries", {"ref": "three"})),
    found("2 entry hash", "another", lambda b: b.change_entry(ref="another")),
    found("2 entry hash", "three", lambda b: b.change_entry(postings__1__amount=1_01)),
    found("2 entry is well formed", "three", lambda b: b.change_entry(postings__1__amount=1_00.0)),
    found("2 entry hash", "three", lambda b: b.change_entry(postings__1__note="too many")),
    found("2 entry hash", "three", lambda b: b.change_entry(kind="DEPOSIT")),
    found("2 entry hash", "three", lambda b: b.change_entry(currency="EUR")),
    found("2 entry hash", "three", lambda b: b.change_entry(operation="op_other")),
    found("2 entry hash", "three", lambda b: b.change_entry(actor="owner")),
    found("2 entry hash", "three", lambda b: b.change_entry(created_at=b.ada.created_at)),
    found("2 entry hash", "three", lambda b: b.change_entry(hash=DIGEST)),
    found("2 entry hash", "three", lambda b: b.change_entry(note="a field too many")),
    found("2 entry is well formed", "three", lambda b: b.change_entry(postings=postings(0))),
    found("2 entry is well formed", "three", lambda b: b.change_entry(postings=postings(10.5))),
    found("2 entry is well formed", "three", lambda b: b.change_entry(postings=postings("10"))),
    found("2 entry is well formed", "three", lambda b: b.change_entry(postings=postings(1, "nowhere"))),
    found("2 entry is well formed", "three", lambda b: b.change_entry(kind="GIFT")),
    found("2 entry is well formed", "three", lambda b: b.change_entry(created_at="yesterday")),
    found("2 entry is well formed", "three", lambda b: b.forge_entry(created_at=7)),
    found("2 entry is well formed", "three", lambda b: b.change_entry(postings=[{"amount": 1}])),
    found(
        "2 entry is well formed",
        "three",
        lambda b: b.change("entries", {"ref": "three"}, {"$unset": {"currency": 1}}),
    ),
    found(
        "2 line agrees with its entry",
        "{ada} line 3",
        lambda b: b.forge_entry(postings__0__amount=11_00),
    ),
    found(
        "2 line moves what its entry moves",
        "{ada} line 3",
        lambda b: b.forge_entry(postings__0__amount=11_00),
    ),
    found("2 line moves what its entry moves", "{ada} line 4", forge_the_last_line),
]
TOTALS = [
    found(
        "3 wallets and derived accounts are zero",
        "USD",
        lambda b: b.forge_entry(postings__0__amount=11_00),
    ),
    found("3 wallets and derived accounts are zero", "USD", forge_the_last_line),
    found("3 wallets and derived accounts are zero", "USD", forget_the_last_line),
    found("3 wallets and derived accounts are zero", "USD", lambda b: b.remove("wallets", {"_id": b.eve.id})),
    found("3 wallets and derived accounts are zero", "EUR", lambda b: b.change_wallet(currency="EUR")),
]
SIGNS = [
    found(
        "4 available is not negative",
        "{eve}",
        lambda b: b.change("wallets", {"_id": b.eve.id}, {"$set": {"freezes": []}}),
    ),
    found(
        "4 available is not negative",
        "{eve}",
        lambda b: b.change("wallets", {"_id": b.eve.id}, {"$set": {"freezes.0.cause": "ADMIN"}}),
    ),
    found("4 held is not negative", "{ada}", lambda b: b.change_wallet(held=-1)),
]
OPERATIONS = [
    found("6 operation agrees with its entries", "{deposit}", lambda b: b.change_deposit(status="CANCELED")),
    found("6 operation agrees with its entries", "{deposit}", lambda b: b.change_deposit(received=24_00)),
    found(
        "6 operation agrees with its entries",
        "{deposit}",
        lambda b: b.remove("deposits", {"_id": b.deposit.id}),
    ),
    found(
        "6 operation agrees with its entries",
        "{deposit}",
        lambda b: b.remove("entries", {"operation": b.deposit.id}),
    ),
    found("6 operation agrees with its entries", "dep_", credit_without_entry),
    found("6 operation agrees with its entries", "{deposit}", lambda b: b.change_wallet(owner="usr_mallory")),
    found("6 operation agrees with its entries", "{deposit}", lambda b: b.change_deposit(owner="usr_eve")),
    found("6 operation agrees with its entries", "dep_", credit_another),
    found("6 operation agrees with its entries", "dep_", credit_the_wrong_way),
    found(
        "6 operations are well formed",
        "domain.deposits.audit",
        lambda b: b.change("entries", {"operation": b.deposit.id}, {"$set": {"postings": [7]}}),
    ),
    found(
        "9 held is what is in flight",
        "{ada}",
        lambda b: post(b.house, "hold", (Account.available(b.ada.id), Account.held(b.ada.id), 1_00)),
    ),
]


@pytest.mark.parametrize(
    ("invariant", "subject", "crime"), [*BALANCES, *CHAINS, *ENTRIES, *TOTALS, *SIGNS, *OPERATIONS]
)
async def test_what_was_tampered_with_is_found_and_named(
    books: Books, invariant: str, subject: str, crime: Crime
) -> None:
    await crime(books)
    named = subject.format(ada=books.ada.id, eve=books.eve.id, deposit=books.deposit.id)
    violations = await books.violations()
    assert any(broken == invariant and whose.startswith(named) for broken, whose in violations), violations


async def test_a_step_that_was_posted_twice_is_found_though_the_index_that_forbids_it_is_gone(
    books: Books,
) -> None:
    entries = books.house.collection("entries")
    await entries.drop_index("ref")
    try:
        row = await entries.find_one({"ref": "three"}, {"hash": 0})
        again = {**row, "_id": "ent_again"}
        await entries.insert_one({**again, "hash": digest(again)})
        assert ("5 ref is unique", "three") in await books.violations()
    finally:
        await entries.delete_one({"_id": "ent_again"})
        await entries.create_indexes(EntryRecord.Settings.indexes)
    assert await books.house.ledger_is_sound()


# Beside traffic.


async def test_running_traffic_is_never_taken_for_a_violation(books: Books) -> None:
    busy = True
    posted = 0

    async def trade(number: int) -> None:
        nonlocal posted
        mine = await ledger.open_wallet(f"usr_{number}", "USD")
        while busy:
            ref = str(ULID())
            await post(books.house, ref, (STRIPE, Account.available(books.ada.id), 3_00), (STRIPE, FEES, 1))
            move = (Account.available(books.ada.id), Account.available(mine.id), 2_00)
            await post(books.house, f"{ref}:moved", move)
            await paid_deposit(books.house, mine, 25_00)
            posted += 3

    async with asyncio.TaskGroup() as traders:
        for number in range(4):
            traders.create_task(trade(number))
        reports = [await books.house.report() for _ in range(10)]
        busy = False
    assert [report.violations for report in reports] == [[]] * 10
    assert posted > 30
    assert reports[-1].entries > reports[0].entries
    assert await books.house.ledger_is_sound()


# `jobsphere ledger verify`.


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str


async def jobsphere(house: House, folder: Path, *arguments: str, **environment: str) -> Ran:
    """The command as a process of its own, in an empty folder, under the house's settings."""
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("jobsphere"),
        *arguments,
        cwd=folder,
        env={**os.environ, **house.environment, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return Ran(process.returncode or 0, out.decode(), err.decode())


async def test_the_command_says_that_sound_books_are_sound(books: Books, tmp_path: Path) -> None:
    # As if at a terminal, where progress is shown.
    ran = await jobsphere(books.house, tmp_path, "ledger", "verify", "--offline", FORCE_COLOR="1")
    assert (ran.status, ran.out) == (0, "5 entries, 2 wallets, last checkpoint none: sound\n")
    assert "entries" in ran.err
    assert "wallets" in ran.err


async def test_the_command_fails_and_names_what_does_not_hold(books: Books, tmp_path: Path) -> None:
    await books.change_wallet(available=80_01)
    plain, structured = await asyncio.gather(
        jobsphere(books.house, tmp_path, "ledger", "verify", "--offline"),
        jobsphere(books.house, tmp_path, "ledger", "verify", "--offline", "--json"),
    )
    assert plain.status == structured.status == 1
    violation = f"1 available is the sum of its lines: {books.ada.id}: expected 8000, is 8001"
    assert violation in plain.out.splitlines()
    assert plain.out.endswith("5 entries, 2 wallets, last checkpoint none: 2 violations\n")
    report = json.loads(structured.out)
    assert datetime.fromisoformat(report.pop("checked_at")).tzinfo is not None
    assert report.pop("violations") == [
        {
            "invariant": "1 available is the sum of its lines",
            "subject": books.ada.id,
            "expected": "8000",
            "actual": "8001",
        },
        {
            "invariant": "3 wallets and derived accounts are zero",
            "subject": "USD",
            "expected": "0",
            "actual": "1",
        },
    ]
    assert report == {"ok": False, "entries": 5, "wallets": 2, "last_checkpoint_at": None, "unchecked": []}
