"""Checkpoints: what is taken away from what was signed, slipped into it or changed in it is found."""

import asyncio
import base64
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pymongo.errors import DuplicateKeyError
from structlog.testing import capture_logs
from ulid import ULID

from domain import ledger, reconciliation
from domain.kernel.database import Row, Tx
from domain.kernel.ids import new_id
from domain.kernel.signer import Signer
from domain.ledger import Account, CheckpointUnsound, Kind, NewEntry, Platform, Posting, Report, Wallet
from domain.ledger.books import GENESIS, digest
from domain.runtime import Runtime
from server.logs import hide
from tests.house import House

STRIPE, FEES = Account.platform(Platform.STRIPE), Account.platform(Platform.FEES)
DAY = timedelta(days=1)


async def post(house: House, ref: str, *moves: tuple[Account, Account, int]) -> None:
    entry = NewEntry(
        ref=ref,
        kind=Kind.ADJUSTMENT,
        currency="USD",
        postings=[Posting(*move) for move in moves],
        operation=f"op_of_{ref}",
        actor="admin",
    )

    async def work(tx: Tx) -> None:
        await ledger.post(tx, entry)

    await house.runtime.database.transact(work)


def new_key() -> str:
    return Fernet.generate_key().decode()


@dataclass(frozen=True)
class Books:
    """The last three days, each with an entry that credits Ada, one that touches no wallet, a checkpoint."""

    house: House
    ada: Wallet
    days: list[str]
    """The checkpoints' dates: the entries "0 ..." are under days[0], and so on."""

    async def entry(self, ref: str) -> Row:
        row: Row = await self.house.collection("entries").find_one({"ref": ref})
        return row

    async def change(self, day: str, update: dict[str, Any]) -> None:
        changed = await self.house.collection("checkpoints").update_one({"_id": day}, update)
        assert changed.modified_count == 1

    async def remove(self, *days: str) -> None:
        removed = await self.house.collection("checkpoints").delete_many({"_id": {"$in": list(days)}})
        assert removed.deleted_count == len(days)

    async def violations(self, runtime: Runtime | None = None) -> list[tuple[str, str]]:
        report = await reconciliation.verify_books(runtime or self.house.runtime, asking_stripe=False)
        return [(found.invariant, found.subject) for found in report.violations]


@pytest.fixture
async def books(house: House) -> Books:
    house.clock.advance(days=-3)
    ada = await ledger.open_wallet("usr_ada", "USD")
    days = []
    for number in range(3):
        await post(house, f"{number} credit", (STRIPE, Account.available(ada.id), 10_00))
        await post(house, f"{number} fee", (STRIPE, FEES, 1_00))
        house.clock.advance(days=1)
        await house.chore("checkpoint")
        days.append(house.clock().date().isoformat())
    await post(house, "today", (STRIPE, FEES, 1_00))
    return Books(house, ada, days)


async def checkpoints(house: House) -> list[Row]:
    rows: list[Row] = await house.collection("checkpoints").find({}).sort("_id", 1).to_list()
    return rows


# How they are made.


async def test_each_counts_on_from_the_one_before_and_names_its_signature(books: Books) -> None:
    first, second, third = made = await checkpoints(books.house)
    assert [row["_id"] for row in made] == books.days
    assert [row["entries"] for row in made] == [2, 4, 6]
    assert [row["previous"] for row in made] == [GENESIS, first["signature"], second["signature"]]
    assert third["last_entry"] == (await books.entry("2 fee"))["_id"]
    assert await books.violations() == []
    report = await books.house.report()
    assert report.last_checkpoint_at == third["made_at"]


async def test_the_log_keeps_what_was_signed(house: House) -> None:
    """Beyond the reach of whoever takes the newest checkpoint away, and not hidden there as a secret."""
    with capture_logs(processors=[hide]) as lines:
        await house.chore("checkpoint")
    [told] = [line for line in lines if line["event"] == "checkpoint made"]
    [made] = await checkpoints(house)
    assert (told["day"], told["digest"], told["signed"]) == (made["_id"], made["digest"], made["signature"])


async def test_an_auditor_needs_a_public_key_and_no_secret(books: Books) -> None:
    house = books.house
    auditor = replace(house.runtime, signer=Signer([f"public:{house.runtime.signer.key}"]))
    assert await books.violations(auditor) == []
    house.clock.advance(days=1)
    with pytest.raises(ValueError, match="cannot sign"):
        await ledger.make_checkpoint(auditor)
    assert len(await checkpoints(house)) == 3


async def test_an_auditor_needs_no_code_of_ours(books: Books) -> None:
    """As docs/ledger.md tells them."""
    rows = await books.house.collection("entries").find({}).sort("_id", 1).to_list()
    for checkpoint in await checkpoints(books.house):
        cut = f"ent_{str(ULID.from_datetime(checkpoint['cut_at']))[:10]}{'0' * 16}"
        covered = [row for row in rows if row["_id"] < cut]
        chained = "0" * 64
        for row in covered:
            chained = hashlib.sha256((chained + row["hash"]).encode()).hexdigest()
        assert (checkpoint["entries"], checkpoint["digest"]) == (len(covered), chained)
        signature = base64.urlsafe_b64decode(checkpoint.pop("signature"))
        for name in ("cut_at", "made_at"):
            checkpoint[name] = checkpoint[name].strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        text = json.dumps(checkpoint, sort_keys=True, separators=(",", ":"))
        public = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(checkpoint["key"]))
        public.verify(signature, hashlib.sha256(text.encode()).hexdigest().encode())


async def test_there_is_one_a_day_however_many_make_it(books: Books) -> None:
    house = books.house
    house.clock.advance(days=1)
    await asyncio.gather(*(ledger.make_checkpoint(house.runtime) for _ in range(10)))
    assert len(await checkpoints(house)) == 4
    await ledger.make_checkpoint(house.runtime)
    assert len(await checkpoints(house)) == 4
    assert await books.violations() == []


async def test_a_process_that_was_paused_over_midnight_makes_no_second_branch(books: Books) -> None:
    late = (await checkpoints(books.house))[-1]
    with pytest.raises(DuplicateKeyError):
        await books.house.collection("checkpoints").insert_one({**late, "_id": "2100-01-01"})


async def test_what_may_still_be_appearing_waits_for_the_next_day(house: House) -> None:
    await post(house, "old", (STRIPE, FEES, 1))
    house.clock.advance(minutes=5, seconds=1)
    await post(house, "young", (STRIPE, FEES, 1))
    house.clock.advance(minutes=4, seconds=55)
    await house.chore("checkpoint")
    house.clock.advance(days=1)
    await house.chore("checkpoint")
    assert [row["entries"] for row in await checkpoints(house)] == [1, 2]


async def test_only_what_is_new_is_read(books: Books) -> None:
    """An old entry that is gone is not noticed by the next checkpoint, but by the proof."""
    house = books.house
    await house.collection("entries").delete_one({"ref": "0 fee"})
    house.clock.advance(days=1)
    await house.chore("checkpoint")
    assert [row["entries"] for row in await checkpoints(house)] == [2, 4, 6, 7]


async def test_nothing_is_built_on_one_that_was_tampered_with(books: Books) -> None:
    await books.change(books.days[2], {"$set": {"entries": 5}})
    books.house.clock.advance(days=1)
    with pytest.raises(CheckpointUnsound):
        await ledger.make_checkpoint(books.house.runtime)
    assert len(await checkpoints(books.house)) == 3


async def test_one_that_is_dated_ahead_does_not_silence_the_others(books: Books) -> None:
    newest = (await checkpoints(books.house))[-1]
    ahead = {**newest, "_id": "9999-12-31", "previous": newest["signature"]}
    await books.house.collection("checkpoints").insert_one(ahead)
    with pytest.raises(CheckpointUnsound):
        await ledger.make_checkpoint(books.house.runtime)


async def test_keys_rotate_as_long_as_the_old_are_known(books: Books) -> None:
    house, new = books.house, new_key()
    old = house.environment["CHECKPOINT_KEY"]
    rotated = replace(house.runtime, signer=Signer([new, f"public:{Signer([old]).key}"]))
    house.clock.advance(days=1)
    await ledger.make_checkpoint(rotated)
    assert (await checkpoints(house))[-1]["key"] == Signer([new]).key
    assert await books.violations(rotated) == []
    forgotten = replace(house.runtime, signer=Signer([new]))
    assert await books.violations(forgotten) == [("10 checkpoint key is known", day) for day in books.days]


# What somebody may have done.

COUNTS, DIGESTS = "10 checkpoint counts its entries", "10 checkpoint digests its entries"
FOLLOWS, SIGNATURE = "10 checkpoint follows the one before", "10 checkpoint signature"
KEY, EVERY_DAY = "10 checkpoint key is known", "10 a checkpoint is made every day"


async def insert_entry(books: Books, made_at: datetime, *, created_at: datetime | None = None) -> str:
    """Well-formed, with a hash that fits and no wallet that could tell."""
    fields = {**await books.entry("1 fee"), "_id": new_id("ent", at=made_at), "ref": "forged"}
    del fields["hash"]
    fields["created_at"] = created_at or made_at
    await books.house.collection("entries").insert_one({**fields, "hash": digest(fields)})
    return str(fields["_id"])


async def test_an_entry_that_was_deleted_is_found_though_no_wallet_misses_it(books: Books) -> None:
    gone = await books.entry("1 fee")
    await books.house.collection("entries").delete_one({"_id": gone["_id"]})
    assert await books.violations() == [(COUNTS, books.days[1]), (DIGESTS, books.days[1])]
    await books.house.collection("entries").insert_one(gone)
    assert await books.violations() == []


async def test_an_entry_that_was_slipped_in_below_a_cut_is_found(books: Books) -> None:
    await insert_entry(books, (await books.entry("1 fee"))["created_at"])
    assert await books.violations() == [(COUNTS, books.days[1]), (DIGESTS, books.days[1])]


async def test_an_entry_that_was_exchanged_is_found_though_its_hash_fits(books: Books) -> None:
    changed = await books.entry("1 fee")
    del changed["hash"]
    changed["actor"] = "nobody"
    entries = books.house.collection("entries")
    await entries.replace_one({"_id": changed["_id"]}, {**changed, "hash": digest(changed)})
    assert await books.violations() == [(DIGESTS, books.days[1])]


async def test_an_entry_that_hides_from_checkpoints_is_found(books: Books) -> None:
    """In the far future it would never be below a cut; without a proper id neither."""
    await insert_entry(books, books.house.clock() + 3 * DAY)
    assert await books.violations() == [("2 entry's id is of its time", "forged")]
    await books.house.collection("entries").delete_one({"ref": "forged"})
    await insert_entry(books, books.house.clock() + DAY, created_at=books.house.clock())
    assert await books.violations() == [("2 entry's id is of its time", "forged")]
    for identifier in ("ent_zzz", "zzz", 7, {"is": "no id"}, new_id("ent").lower(), "aaa"):
        await books.house.collection("entries").delete_one({"ref": "forged"})
        fields = {**await books.entry("1 fee"), "_id": identifier, "ref": "forged"}
        del fields["hash"]
        await books.house.collection("entries").insert_one({**fields, "hash": digest(fields)})
        assert await books.violations() == [("2 entry is well formed", "forged")]


Crime = Callable[[Books], Awaitable[object]]


async def sign_again(books: Books) -> None:
    """All that was changed is signed, but with a key of one's own."""
    row = await books.house.collection("checkpoints").find_one({"_id": books.days[1]}, {"signature": 0})
    thief = Signer([new_key()])
    row |= {"entries": 5, "key": thief.key}
    row["signature"] = thief.sign(digest(row).encode()).text
    await books.house.collection("checkpoints").replace_one({"_id": books.days[1]}, row)


async def borrow_a_key(books: Books) -> None:
    """A key of one's own, under the name of the true one."""
    await sign_again(books)
    await books.change(books.days[1], {"$set": {"key": books.house.runtime.signer.key}})


async def add(books: Books, **fields: Any) -> None:
    await books.house.collection("checkpoints").insert_one(fields)


async def remove_last(books: Books) -> None:
    await books.remove(books.days[2])
    books.house.clock.advance(days=1, minutes=1)


async def remove_all(books: Books) -> None:
    await books.remove(*books.days)


@pytest.mark.parametrize(
    ("found", "day", "crime"),
    [
        (FOLLOWS, 1, lambda b: b.remove(b.days[0])),
        (FOLLOWS, 2, lambda b: b.remove(b.days[1])),
        (FOLLOWS, 2, lambda b: b.remove(b.days[0], b.days[1])),
        (EVERY_DAY, "2 credit", remove_last),
        (EVERY_DAY, "0 credit", remove_all),
        (SIGNATURE, 1, lambda b: b.change(b.days[1], {"$set": {"entries": 5}})),
        (SIGNATURE, 1, lambda b: b.change(b.days[1], {"$set": {"entries": 4.0}})),
        (SIGNATURE, 1, lambda b: b.change(b.days[1], {"$set": {"digest": GENESIS}})),
        (SIGNATURE, 1, lambda b: b.change(b.days[1], {"$set": {"previous": "another"}})),
        (SIGNATURE, 1, lambda b: b.change(b.days[1], {"$set": {"cut_at": b.house.clock()}})),
        (SIGNATURE, 1, lambda b: b.change(b.days[1], {"$set": {"made_at": b.house.clock()}})),
        (SIGNATURE, 1, lambda b: b.change(b.days[1], {"$set": {"note": "a field too many"}})),
        (SIGNATURE, 1, lambda b: b.change(b.days[1], {"$unset": {"cut_at": 1}})),
        (SIGNATURE, 1, lambda b: b.change(b.days[1], {"$set": {"signature": "no base64"}})),
        (SIGNATURE, 1, lambda b: b.change(b.days[1], {"$set": {"signature": 7}})),
        (SIGNATURE, 1, lambda b: b.change(b.days[1], {"$set": {"last_entry": [b"garbage"]}})),
        (SIGNATURE, 1, borrow_a_key),
        (KEY, 1, sign_again),
        (KEY, 1, lambda b: b.change(b.days[1], {"$set": {"key": ["garbage"]}})),
        (KEY, 1, lambda b: b.change(b.days[1], {"$unset": {"key": 1}})),
        (KEY, 7, lambda b: add(b, _id=7)),
    ],
)
async def test_a_checkpoint_that_was_tampered_with_is_found_and_named(
    books: Books, found: str, day: int | str, crime: Crime
) -> None:
    await crime(books)
    if isinstance(day, str):
        subject = (await books.entry(day))["_id"]
    else:
        subject = books.days[day] if day < len(books.days) else str(day)
    assert (found, subject) in await books.violations()


async def test_an_admin_sees_what_was_taken_away(books: Books) -> None:
    await books.house.collection("entries").delete_one({"ref": "1 fee"})
    edith = await books.house.admin()
    answer = await edith.data("{ ledgerReport { ok violations { invariant subject expected actual } } }")
    assert answer["ledgerReport"]["ok"] is False
    violation = {"invariant": COUNTS, "subject": books.days[1], "expected": "4", "actual": "3"}
    assert violation in answer["ledgerReport"]["violations"]


# Beside traffic.


async def test_running_traffic_and_new_checkpoints_are_never_taken_for_a_violation(house: House) -> None:
    wallets = [await ledger.open_wallet(f"usr_{number}", "USD") for number in range(4)]
    for wallet in wallets:
        await post(house, f"first of {wallet.id}", (STRIPE, Account.available(wallet.id), 100_00))

    async def trade(day: int, number: int) -> None:
        """All of them between the same few wallets, so that most meet."""
        source, other = wallets[number % 4], wallets[(number + 1) % 4]
        for step in range(4):
            ref = f"{day}:{number}:{step}"
            await post(house, ref, (Account.available(source.id), Account.available(other.id), 1))
            await post(house, f"{ref}:fee", (STRIPE, FEES, 1))

    for day in range(4):
        house.clock.advance(days=1)
        async with asyncio.TaskGroup() as tasks:
            for number in range(8):
                tasks.create_task(trade(day, number))
            makers = [tasks.create_task(ledger.make_checkpoint(house.runtime)) for _ in range(2)]
            for _ in range(2):
                assert (
                    await reconciliation.verify_books(house.runtime, asking_stripe=False)
                ).violations == []
            await asyncio.wait(makers)
            assert (await reconciliation.verify_books(house.runtime, asking_stripe=False)).violations == []
    made = await checkpoints(house)
    assert [row["entries"] for row in made] == [4 + day * 64 for day in range(4)]
    assert (await reconciliation.verify_books(house.runtime, asking_stripe=False)).violations == []


async def test_deposits_on_their_way_are_never_taken_for_a_violation(books: Books) -> None:
    house = books.house
    busy = True

    async def pay(name: str) -> None:
        person = await house.customer(name)
        while busy:
            deposit = await person.deposits(usd=25_00)
            await house.pay(deposit)
            await house.settled(person, deposit)

    reports: list[Report] = []
    async with asyncio.TaskGroup() as tasks:
        for name in ("grace", "joan", "mary"):
            tasks.create_task(pay(name))
        while len(reports) < 5:
            reports.append(await reconciliation.verify_books(house.runtime, asking_stripe=False))
        await house.until(lambda: house.count("deposits", status="SUCCEEDED"))
        reports.append(await reconciliation.verify_books(house.runtime, asking_stripe=False))
        busy = False
    assert [report.violations for report in reports] == [[]] * 6
    assert reports[-1].entries > reports[0].entries
