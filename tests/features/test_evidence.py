"""The evidence of one job: all of it, nobody else's, and whoever changes a word of it is found out."""

import asyncio
import copy
import os
import re
import stat
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from ulid import ULID

from domain import evidence
from domain.evidence import verify
from domain.kernel.signer import Signer
from domain.ledger import digest
from tests.features.test_freezes import freeze, unfreeze, wallet_id
from tests.house import House, Person
from tests.house.adjustments import adjust
from tests.house.house import intent_of
from tests.house.refunds import reaches, refunds_of
from tests.house.treasury import cards_settle

JOB = 'garden "fence" <script>alert(1)</script>'
SPIED = "another job, which is nobody's business"


@dataclass(frozen=True)
class Told:
    """A job's people and operations, its pack, and what the house knew of it."""

    ada: Person
    grace: Person
    edith: Person
    deposits: list[str]
    fence: str
    gate: str
    withdrawal: str
    refund: str
    correction: str
    pack: evidence.Pack
    again: evidence.Pack
    seconds: float
    signer: Signer

    @property
    def facts(self) -> dict[str, Any]:
        return self.pack.facts

    def ids(self, section: str) -> set[str]:
        return {record["id"] for record in self.facts[section]}


@pytest.fixture(scope="module")
async def told(open_house: House) -> Told:
    """Told once for all tests here: none of them changes it."""
    await open_house.sweep_clean()
    return await tell(open_house)


async def tell(house: House) -> Told:
    """Two deposits, other business, two escrows of the job, a disagreement, a freeze, a withdrawal."""
    ada, grace, edith = (
        await house.customer("ada"),
        await house.onboarded("grace"),
        await house.admin("edith"),
    )
    deposits = [await _paid(house, ada, amount) for amount in (40_00, 200_00)]
    await _hired(ada, grace, 30_00, SPIED)
    await _frozen(edith, await wallet_id(ada), SPIED)
    fence = await _hired(ada, grace, 100_00, JOB)
    await ada.release_escrow(fence, 25_00)
    await grace.dispute_escrow(fence, "she will not <i>pay</i> & laughs")
    await _frozen(edith, await wallet_id(ada), "a bank asks.")
    decided = {"id": fence["id"], "releaseAmount": 50_00, "reason": "half of it stands"}
    await edith.ask_of_escrow("resolveEscrow", **decided, idempotencyKey=str(ULID()))
    gate = await _hired(ada, grace, 20_00, JOB, accepted=False)
    await ada.cancel_escrow(gate)
    withdrawal = await grace.withdraws(usd=15_00)
    await house.withdrawal_reaches(grace, withdrawal, "IN_TRANSIT", "PAID")
    refund = await refunds_of(edith, {"id": deposits[1]}, 5_00)
    await reaches(house, edith, refund, "SUCCEEDED")
    corrected = await adjust(edith, await wallet_id(grace), -1_00, reason="paid in cash")
    await cards_settle(house)
    await house.chore("treasury")
    await house.time_passes(minutes=10)
    await house.caught_up()
    await house.chore("checkpoint")
    began = time.perf_counter()
    pack = await evidence.collect(house.runtime, JOB)
    pack.zipped()
    return Told(
        ada=ada,
        grace=grace,
        edith=edith,
        deposits=deposits,
        fence=fence["id"],
        gate=gate["id"],
        withdrawal=withdrawal["id"],
        refund=refund["id"],
        correction=corrected["adjustment"]["id"],
        pack=pack,
        seconds=time.perf_counter() - began,
        again=await evidence.collect(house.runtime, JOB),
        signer=house.runtime.signer,
    )


async def _paid(house: House, person: Person, amount: int) -> str:
    deposit = await person.deposits(usd=amount)
    await house.pay(deposit)
    await house.settled(person, deposit)
    return str(deposit["id"])


async def _hired(
    ada: Person, grace: Person, price: int, job: str, *, accepted: bool = True
) -> dict[str, Any]:
    payload = await ada.create_escrow(grace, price, jobId=job)
    if accepted:
        payload = await grace.accept_escrow(payload["escrow"])
    escrow: dict[str, Any] = payload["escrow"]
    return escrow


async def _frozen(admin: Person, wallet: str, reason: str) -> None:
    """For a moment."""
    for decide in (freeze, unfreeze):
        assert (await decide(admin, wallet, reason))["userErrors"] == []


# What is in it.


def test_all_of_the_job_is_in_it(told: Told) -> None:
    facts = told.facts
    assert facts["job_id"] == JOB
    assert {p["display_name"]: p["sides"] for p in facts["parties"]} == {
        "ada": ["customer"],
        "grace": ["contractor"],
    }
    assert told.ids("escrows") == {told.fence, told.gate}
    assert [(move["kind"], move["amount"]) for move in facts["moves"]] == [
        ("RELEASE", 25_00),
        ("RELEASE", 50_00),
        ("REFUND", 25_00),
        ("REFUND", 20_00),
    ]
    [fence] = (escrow for escrow in facts["escrows"] if escrow["id"] == told.fence)
    statuses = [change["status"] for change in fence["history"]]
    assert statuses == ["FUNDED", "ACCEPTED", "PARTIALLY_RELEASED", "DISPUTED", "SPLIT"]
    assert fence["history"][3]["reason"] == "she will not <i>pay</i> & laughs"
    operations = {told.fence, told.refund, told.correction}
    assert {act["subject"] for act in facts["audit"]} == operations | {facts["freezes"][0]["wallet"]}
    assert {act["by"] for act in facts["audit"]} == {told.edith.id}
    assert [freeze["frozen"] for freeze in facts["freezes"]] == [True, False]
    assert [one["checkpoint"]["entries"] for one in facts["checkpoints"]] == [17]
    kinds = [entry["kind"] for entry in facts["entries"]]
    assert sorted(kinds) == sorted(
        [
            *["DEPOSIT"] * 2,
            *["ESCROW_FUNDED"] * 2,
            *["ESCROW_RELEASED"] * 2,
            *["ESCROW_REFUNDED"] * 2,
            *("WITHDRAWAL_REQUESTED", "WITHDRAWAL_SENT", "REFUND_REQUESTED", "REFUND_SENT", "ADJUSTMENT"),
            *["STRIPE_FEE"] * 2,
        ]
    )


def test_money_is_followed_to_the_card_and_to_the_bank(told: Told) -> None:
    """The other job took the first 31.50, so the job's own money is what came after."""
    assert told.ids("deposits") == set(told.deposits)
    assert told.ids("withdrawals") == {told.withdrawal}
    shares = [
        (share["direction"], share["credit_operation"], share["debit_operation"], share["amount"])
        for share in told.facts["trail"]
    ]
    first, second = told.deposits
    assert sorted(shares, key=str) == sorted(
        [
            ("IN", first, told.fence, 8_50),
            ("IN", second, told.fence, 96_50),
            ("IN", second, told.gate, 21_00),
            ("OUT", told.fence, told.withdrawal, 15_00),
            ("OUT", told.fence, told.correction, 1_00),
            ("OUT", told.fence, None, 4_00),
            ("OUT", told.fence, None, 40_00),
            ("OUT", told.fence, None, 26_25),
            ("OUT", told.gate, None, 21_00),
        ],
        key=str,
    )
    assert {m["operation"] for m in told.facts["movements"]} == {*told.deposits, told.withdrawal, told.refund}
    assert told.ids("adjustments") == {told.correction}
    assert told.ids("refunds") == {told.refund}, "of a deposit that paid for the job"
    assert told.facts["deposits"][0]["payment_intent_id"].startswith("pi_")
    assert told.facts["withdrawals"][0]["transfers"][0]["id"].startswith("tr_")


def test_nobody_elses_business_is_in_it_and_no_secret(told: Told) -> None:
    everything = b"".join(told.pack.files.values()).decode()
    assert SPIED not in everything
    for person in (told.ada, told.grace, told.edith):
        assert person.email not in everything
    for word in ("client_secret", "email", "password", 'attempt"', "idempotency", "fingerprint"):
        assert word not in everything
    assert told.edith.id in everything
    [lines] = [[line["_id"]["s"] for line in told.facts["lines"] if line["kind"] == "ESCROW_FUNDED"]]
    assert 3 not in lines, "the other job's"


def test_the_same_state_makes_the_same_bytes(told: Told) -> None:
    assert told.pack.zipped() == told.again.zipped()


def test_it_is_quick(told: Told) -> None:
    assert told.seconds < 2


async def test_what_began_before_yesterdays_checkpoint_is_under_two(house: House) -> None:
    """Each day's hashes lead from the first of the pack's entries to what was signed."""
    house.clock.advance(days=-2)
    ada, grace = await house.funded(await house.customer("ada"), usd=500_00), await house.contractor("grace")
    escrow = await _hired(ada, grace, 100_00, "long")
    for day in range(2):
        house.clock.advance(hours=23, minutes=59)
        await ada.refresh()
        await grace.refresh()
        await _hired(ada, grace, 1_00, "another")
        house.clock.advance(minutes=10)
        await house.chore("checkpoint")
        if day == 0:
            await ada.release_escrow(escrow, 10_00)
    await ada.release_escrow(escrow, 10_00)
    pack = await evidence.collect(house.runtime, "long")
    counted = [(one["checkpoint"]["entries"], len(one["hashes"])) for one in pack.facts["checkpoints"]]
    assert counted == [(3, 3), (5, 2)]
    report = verify.check(dict(pack.files), [house.runtime.signer.key])
    assert report.wrong == []
    assert any(sentence.startswith("1 of 4 entries are later") for sentence in report.unproven)


async def test_money_that_another_job_gave_back_is_followed_to_the_card(house: House) -> None:
    """Of that job, the pack has what it took and gave back, and no word more."""
    ada, grace = await house.customer("ada"), await house.contractor("grace")
    deposit = await _paid(house, ada, 105_00)
    first = await _hired(ada, grace, 100_00, SPIED, accepted=False)
    await ada.cancel_escrow(first)
    second = await _hired(ada, grace, 100_00, "second try")
    pack = await evidence.collect(house.runtime, "second try")
    trail = [(s["credit_operation"], s["debit_operation"], s["amount"]) for s in pack.facts["trail"]]
    assert trail == [(deposit, first["id"], 105_00), (first["id"], second["id"], 105_00)]
    assert [escrow["id"] for escrow in pack.facts["escrows"]] == [second["id"]]
    assert len(pack.facts["entries"]) == 4
    assert SPIED not in pack.files[verify.EVIDENCE].decode()
    assert named(dict(pack.files)) == set()


async def test_a_dispute_of_the_card_that_paid_is_in_it(house: House) -> None:
    """Money that a contractor has already; the bank takes it, and gives it back."""
    ada, grace = await house.customer("ada"), await house.contractor("grace")
    deposit = await ada.deposits(usd=105_00)
    await house.pay(deposit)
    await house.settled(ada, deposit)
    await ada.release_escrow(await _hired(ada, grace, 100_00, "disputed"))
    dispute = await house.stripe.control(f"/charges/{intent_of(deposit)}/dispute", {})
    for outcome in (None, "won"):
        if outcome is not None:
            await house.stripe.control(f"/disputes/{dispute['id']}", {"outcome": outcome})
        await house.caught_up()
        await cards_settle(house)
        await house.chore("treasury")
        pack = await evidence.collect(house.runtime, "disputed")
        assert named(dict(pack.files), house.runtime.signer.key) == set()
        [told] = pack.facts["disputes"]
        assert told["stripe_id"] == dispute["id"]
        freezes = [(freeze["cause"], freeze["frozen"]) for freeze in pack.facts["freezes"]]
        taken = {m["entry"]: m["amount"] for m in pack.facts["movements"] if m["operation"] == told["id"]}
        if outcome is None:
            assert freezes == [("DISPUTE", True)]
            assert list(taken.values()) == [-105_00]
        else:
            assert freezes == [("DISPUTE", True), ("DISPUTE", False)]
            assert sorted(taken.values()) == [-105_00, 105_00]
    facts = {name: part for name, part in pack.facts.items() if name != "seal"}
    for place in places(facts["disputes"][0]["movements"]):
        if place[-1] in {"id", "amount", "recovered"}:
            changed = with_forgery(facts, ("disputes", 0, "movements", *place))
            changed["seal"] = {"records": verify.sealed(changed), "key": None, "signature": None}
            assert f"disputes/{told['id']}" in named(alone(changed)), place


async def test_a_pack_shows_what_was_done_to_the_books(house: House) -> None:
    """Whoever rewrites an entry, and the hash, and the line, leaves the signed journal behind."""
    ada, grace = await house.funded(await house.customer("ada"), usd=500_00), await house.contractor("grace")
    escrow = await _hired(ada, grace, 100_00, "forged")
    await house.time_passes(minutes=10)
    await house.chore("checkpoint")
    entries, lines = house.collection("entries"), house.collection("statement_lines")
    entry = await entries.find_one({"operation": escrow["id"]})
    line = await lines.find_one({"ref": entry["ref"]})
    before = await lines.find_one({"_id.s": line["_id"]["s"] - 1})
    await entries.update_one({"_id": entry["_id"]}, {"$set": {"actor": "admin"}})
    assert await _wrong(house) == {f"entries/{entry['_id']}"}
    unhashed = {name: part for name, part in (entry | {"actor": "admin"}).items() if name != "hash"}
    forged = digest(unhashed)
    await entries.update_one({"_id": entry["_id"]}, {"$set": {"hash": forged}})
    rest = {name: part for name, part in line.items() if name != "hash"} | {"entry_hash": forged}
    rehashed = {"entry_hash": forged, "hash": digest({**rest, "previous": before["hash"]})}
    await lines.update_one({"_id": line["_id"]}, {"$set": rehashed})
    [day] = await house.collection("checkpoints").distinct("_id")
    assert await _wrong(house) == {f"checkpoints/{day}"}


async def _wrong(house: House) -> set[str]:
    return named(dict((await evidence.collect(house.runtime, "forged")).files))


# It is checked without us.


def alone(facts: dict[str, Any]) -> dict[str, bytes]:
    return {verify.EVIDENCE: verify.written(facts)}


def test_it_verifies_as_folder_as_zip_and_as_one_file(
    told: Told, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive, folder = tmp_path / "pack.zip", tmp_path / "unpacked"
    archive.write_bytes(told.pack.zipped())
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    for place in (archive, folder, folder / verify.EVIDENCE):
        assert verify.main([str(place), "--key", told.signer.key]) == 0
        assert "Sound." in capsys.readouterr().out
        assert verify.main([str(place), "--key", Signer([Fernet.generate_key().decode()]).key]) == 1
        assert f"WRONG       seal: is signed by {told.signer.key}, and not by" in capsys.readouterr().out
    # As whoever gets it would: another process, another folder, nothing of ours installed.
    alone = subprocess.run(
        [sys.executable, "-I", "-S", "verify.py"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert (alone.returncode, alone.stderr) == (0, "")
    assert f"signed by {told.signer.key}" in alone.stdout
    assert verify.main([str(tmp_path / "nowhere")]) == 1


@pytest.mark.parametrize("name", ["evidence.json", "index.html", "verify.py", "manifest.json"])
def test_a_byte_that_changed_in_a_file_is_found(told: Told, name: str) -> None:
    content = told.pack.files[name]
    for place in range(0, len(content), len(content) // 25):
        changed = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
        assert name in named({**told.pack.files, name: changed})
    assert named({other: told.pack.files[other] for other in told.pack.files if other != name})
    assert named({**told.pack.files, "more.html": b""})


def named(files: dict[str, bytes], *keys: str) -> set[str]:
    """The records and files that are called wrong."""
    return {name for name, _ in verify.check(files, keys).wrong}


Place = tuple[str | int, ...]


def places(value: Any, place: Place = ()) -> Iterator[Place]:
    """Every fact in it, each list and each object."""
    if place:
        yield place
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, part in inner:
        yield from places(part, (*place, step))


def forged(value: Any, more: int = 1) -> Any:
    match value:
        case bool():
            return not value
        case int():
            return value + more
        case str():
            return value[:-1] + ("x" if value[-1:] != "x" else "y")
        case None:
            return "something"
        case list():
            return value[:-1] if value else ["something"]
        case _:
            return {**value, "more": 1}


def with_forgery(facts: dict[str, Any], place: Place, more: int = 1) -> dict[str, Any]:
    facts = copy.deepcopy(facts)
    at: Any = facts
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = forged(at[place[-1]], more)
    return facts


def record_of(facts: dict[str, Any], place: Place) -> str:
    """The name of the record that the place lies in."""
    section = str(place[0])
    if section not in verify.SECTIONS:
        return "about"
    if len(place) == 1:
        return section
    return f"{section}/{verify.name_of(facts[section][place[1]], int(place[1]))}"


@pytest.fixture
def quick_signatures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same signature over the same bytes is verified once: there are hundreds of forgeries."""
    monkeypatch.setattr(verify, "verifies", lru_cache(maxsize=None)(verify.verifies))


@pytest.mark.usefixtures("quick_signatures")
def test_every_fact_that_changed_is_found_and_named(told: Told) -> None:
    """Each in its turn. Of a section that lost a record, the record is named."""
    tried = 0
    for place in places({name: part for name, part in told.facts.items() if name != "seal"}):
        changed = with_forgery(told.facts, place)
        found = named(alone(changed))
        if len(place) == 1 and place[0] in verify.SECTIONS:
            section = str(place[0])
            assert any(name.startswith(f"{section}/") for name in found), place
        else:
            assert record_of(told.facts, place) in found, place
        tried += 1
    assert tried > 700
    assert named(alone(told.facts)) == set()


@pytest.mark.usefixtures("quick_signatures")
def test_a_seal_that_changed_is_found(told: Told) -> None:
    for place in places(told.facts["seal"]):
        assert named(alone(with_forgery(told.facts, ("seal", *place)))), place
    for gone in ("seal", "entries", "schema_version"):
        assert named(alone({name: part for name, part in told.facts.items() if name != gone})), gone


OF_THE_BOOKS = re.compile("entries|lines|checkpoints")
# Of the operations, what the books can contradict.
OF_THE_MONEY = {
    "escrows": "wallet price platform_fee_bps service_fee_bps released refunded locked moves_made status",
    "moves": "escrow number kind amount net fees currency",
    "deposits": "received status",
    "withdrawals": "wallet amount status",
    "refunds": "deposit amount currency origin status",
    "adjustments": "wallet amount status",
    "movements": "operation amount fee entry",
    "trail": "wallet credit credit_operation debit debit_operation",
    "wallets": "id currency",
}


@pytest.mark.usefixtures("quick_signatures")
def test_who_seals_again_is_contradicted_by_the_books(told: Told) -> None:
    """The seal is made anew, without a signature: the hashes, the sums and the journal are against it."""
    facts = {name: part for name, part in told.facts.items() if name != "seal"}
    tried = 0
    for place in places(facts):
        section = str(place[0])
        of_the_money = len(place) == 3 and str(place[2]) in OF_THE_MONEY.get(section, "").split()
        if len(place) < 3 or not (OF_THE_BOOKS.match(section) or of_the_money):
            continue
        # By so much that no rounding hides it: a rate that is little higher may cost the same.
        changed = with_forgery(facts, place, 1_000)
        unsigned = {**changed, "seal": {"records": verify.sealed(changed), "key": None, "signature": None}}
        if of_the_money and facts[section][place[1]][place[2]] is None:
            continue
        if place[2] == "service_fee_bps" and record_of(facts, place) == f"escrows/{told.gate}":
            continue  # nothing of it was ever released
        assert named(alone(unsigned)), place
        tried += 1
    assert tried > 300


def test_a_pack_is_signed_by_the_key_of_today_and_a_checkpoint_by_that_of_its_day(told: Told) -> None:
    rotated = Signer([Fernet.generate_key().decode(), f"public:{told.signer.key}"])
    facts = {name: part for name, part in told.facts.items() if name != "seal"}
    files = dict(evidence.pack(facts, rotated).files)
    [checkpoint] = facts["checkpoints"]
    assert named(files, rotated.key) == {f"checkpoints/{checkpoint['id']}"}
    assert named(files, *rotated.known_keys) == set()


def test_who_signs_a_forgery_has_another_key(told: Told) -> None:
    thief = Signer([Fernet.generate_key().decode()])
    facts = {name: part for name, part in told.facts.items() if name != "seal"}
    facts["audit"] = []
    stolen = evidence.pack(facts, thief)
    assert named(dict(stolen.files)) == set()
    assert named(dict(stolen.files), told.signer.key) == {"seal", verify.MANIFEST}
    # Under the name of the true key, it is not the true key's signature.
    borrowed = {**stolen.facts["seal"], "key": told.signer.key}
    assert named(alone({**stolen.facts, "seal": borrowed}), told.signer.key) == {"seal"}


def test_what_nobody_can_sign_is_said_to_be_unsigned(told: Told) -> None:
    facts = {name: part for name, part in told.facts.items() if name != "seal"}
    unsigned = evidence.pack(facts, Signer([f"public:{told.signer.key}"]))
    report = verify.check(dict(unsigned.files))
    assert report.wrong == []
    assert [s for s in report.unproven if s.startswith("nobody signed")]
    assert named(dict(unsigned.files), told.signer.key) == {"seal", verify.MANIFEST}
    assert "Nobody signed this pack." in unsigned.files["index.html"].decode()


# It is read by people.


def test_the_page_is_safe_and_whole(told: Told) -> None:
    page = told.pack.files["index.html"].decode()
    assert "<script" not in page
    assert "<i>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "she will not &lt;i&gt;pay&lt;/i&gt; &amp; laughs" in page
    for loaded in ("src=", "href=", "url(", "@import", "http://", "https://"):
        assert loaded not in page
    for fact in ("105.00 USD", "60.00 USD", "26.25 USD", "−15.00 USD", told.withdrawal, told.edith.id):
        assert fact in page
    for line in told.facts["lines"]:
        assert page.count(line["hash"]) == 2, "under the pointer, and in the appendix"


# At the terminal.


async def jobsphere(house: House, folder: Path, *arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("jobsphere")),
        "evidence",
        *arguments,
        cwd=folder,
        env={**os.environ, **house.environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


def inside(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_the_command_writes_once_privately_and_says_what_is_wrong(house: House, tmp_path: Path) -> None:
    ada, grace = await house.funded(await house.customer("ada"), usd=200_00), await house.contractor("grace")
    await _hired(ada, grace, 100_00, "../a/job")
    taken = tmp_path / "taken.zip"
    old = tmp_path / "old.zip"
    for path in (taken, old):
        path.write_bytes(b"mine")
    runs = await asyncio.gather(
        jobsphere(house, tmp_path, "../a/job", "--output", "old.zip", "--force"),
        jobsphere(house, tmp_path, "../a/job", "--dry-run"),
        jobsphere(house, tmp_path, "nothing", "--output", "nothing.zip"),
        jobsphere(house, tmp_path, "../a/job", "--output", "taken.zip"),
    )
    assert [status for status, _ in runs] == [0, 0, 1, 1], runs
    written, dry, missing, refused = (output for _, output in runs)
    assert written.startswith("old.zip written: 2 parties, 2 wallets, 1 escrows")
    assert dry.startswith("evidence-a-job.zip would be written: 2 parties")
    assert missing == "No escrow bears the job id 'nothing'.\n"
    assert refused.startswith("taken.zip is there already.")
    assert inside(tmp_path) == [old.name, taken.name]
    assert taken.read_bytes() == b"mine"
    assert stat.S_IMODE(old.stat().st_mode) == 0o600
    assert verify.main([str(old)]) == 0
