"""Check a JobSphere evidence pack, offline, with Python 3.9 or later and nothing else.

    python verify.py                    the folder that this file is in
    python verify.py PACK               another folder, a pack's zip, or its evidence.json alone
    python verify.py PACK --key KEY     demand that the platform's public key KEY has signed it; of keys that
                                        were rotated meanwhile, give each

Exit status 0: every fact is as it was sealed, and the books in it add up. 1: not so; what is wrong is named.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import json
import re
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

SCHEMA = 1
GENESIS = "0" * 64
SEAL_PURPOSE = b"jobsphere evidence\n"
MANIFEST_PURPOSE = b"jobsphere evidence manifest\n"
EVIDENCE, MANIFEST = "evidence.json", "manifest.json"
FILES = (EVIDENCE, "index.html", "verify.py")
SECTIONS = (
    *("parties", "wallets", "escrows", "moves", "deposits", "withdrawals", "refunds", "disputes"),
    *("adjustments", "trail", "entries", "lines", "movements", "freezes", "audit", "checkpoints"),
)
OPERATIONS = ("escrows", "deposits", "withdrawals", "refunds", "disputes", "adjustments")
LIMITS = """
Sound. What no mathematics can prove: that the platform wrote down all that happened, that the words in it are
true, and whose key it is. Compare the key with the one that the platform publishes (--key), and Stripe's ids
with Stripe."""
BOOKED_AS = {"RELEASE": "ESCROW_RELEASED", "REFUND": "ESCROW_REFUNDED"}
# What a record that was tampered with may make of a check that expects another shape.
MALFORMED = (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError)

Record = Any
Named = list[tuple[str, Record]]
Keys = Sequence[str]


class Report:
    """`wrong`: the name of a record, or a file, and what is wrong with it."""

    def __init__(self) -> None:
        self.wrong: list[tuple[str, str]] = []
        self.proven: list[str] = []
        self.unproven: list[str] = []

    def expect(self, name: str, what: str, expected: object, actual: object) -> None:
        # As text too: in Python 1 equals true, and in JSON it does not.
        if expected != actual or repr(expected) != repr(actual):
            self.wrong.append((name, f"{what}: expected {shown(expected)}, found {shown(actual)}"))

    @contextlib.contextmanager
    def about(self, name: str) -> Iterator[None]:
        try:
            yield
        except MALFORMED as error:
            self.wrong.append((name, f"is not formed as such a record is ({type(error).__name__}: {error})"))

    @contextlib.contextmanager
    def proves(self, what: str) -> Iterator[None]:
        """`what` is proven unless something wrong is found inside."""
        before = len(self.wrong)
        yield
        if len(self.wrong) == before:
            self.proven.append(what)


def shown(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 200 else text[:200] + "..."


# What is hashed, and what is signed.


def canonical(value: object) -> bytes:
    """JSON with sorted keys and no spaces, in UTF-8. Raises UnicodeEncodeError for half a character."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(value: object) -> str:
    return hashlib.sha256(canonical(value)).hexdigest()


def records(pack: dict[str, Any]) -> Iterator[tuple[str, Record]]:
    """All that a pack says, cut into records, each with its name; only the seal is none."""
    yield "about", {key: value for key, value in pack.items() if key != "seal" and key not in SECTIONS}
    for section in SECTIONS:
        found = pack.get(section)
        if not isinstance(found, list):
            yield section, found
            continue
        for number, record in enumerate(found):
            yield f"{section}/{name_of(record, number)}", record


def name_of(record: Record, number: int) -> str:
    if not isinstance(record, dict):
        return str(number)
    name = record.get("_id", record.get("id", number))
    return f"{name.get('w')}#{name.get('s')}" if isinstance(name, dict) else str(name)


def sealed(pack: dict[str, Any]) -> dict[str, str]:
    return {name: digest(record) for name, record in records(pack)}


def signed(purpose: bytes, statement: object) -> bytes:
    """No signature for one purpose can be taken for one of another."""
    return purpose + digest(statement).encode()


def written(value: object) -> bytes:
    """How the pack's JSON files are written."""
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


# Ed25519 (RFC 8032), only to verify. Points are (X, Y, Z, T) with x = X/Z, y = Y/Z, x*y = T/Z.

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)
Point = tuple[int, int, int, int]


def add(one: Point, two: Point) -> Point:
    a = (one[1] - one[0]) * (two[1] - two[0]) % P
    b = (one[1] + one[0]) * (two[1] + two[0]) % P
    c = 2 * one[3] * two[3] * D % P
    d = 2 * one[2] * two[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def times(number: int, point: Point) -> Point:
    total: Point = (0, 1, 1, 0)
    while number:
        if number & 1:
            total = add(total, point)
        point = add(point, point)
        number >>= 1
    return total


def unpacked(raw: bytes) -> Point:
    """Raises ValueError for what is no point, or not written as a point is."""
    number = int.from_bytes(raw, "little")
    sign, y = number >> 255, number & ((1 << 255) - 1)
    if len(raw) != 32 or y >= P:
        raise ValueError("not a point")
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if (x * x - square) % P or (x == 0 and sign):
        raise ValueError("not a point")
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


def packed(point: Point) -> bytes:
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


BASE = unpacked((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def verifies(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the holder of the private key of `key` has signed `message`."""
    if len(signature) != 64:
        return False
    try:
        public = unpacked(key)
    except ValueError:
        return False
    scalar = int.from_bytes(signature[32:], "little")
    if scalar >= ORDER:
        return False
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % ORDER
    x, y, z, t = times(challenge, public)
    return packed(add(times(scalar, BASE), (P - x, y, z, P - t))) == signature[:32]


def is_signature(key: object, message: bytes, signature: object) -> bool:
    """`key` and `signature` as base64url, which is to be written in the one way that there is."""
    raw = []
    for text in (key, signature):
        if not isinstance(text, str) or not re.fullmatch(r"[A-Za-z0-9_-]*={0,2}", text):
            return False
        try:
            raw.append(base64.urlsafe_b64decode(text))
        except ValueError:
            return False
        if base64.urlsafe_b64encode(raw[-1]).decode() != text:
            return False
    return verifies(raw[0], message, raw[1])


# The seal: nothing was changed, added or taken away since the pack was made.


def check_seal(report: Report, pack: dict[str, Any], keys: Keys) -> None:
    seal = pack.get("seal")
    if not isinstance(seal, dict) or not isinstance(seal.get("records"), dict):
        report.wrong.append(("seal", "is not there"))
        return
    report.expect("seal", "its fields", ["key", "records", "signature"], sorted(seal))
    told: dict[str, str] = {}
    with report.proves(f"all {len(seal['records'])} records are as they were sealed, and none is missing"):
        for name, record in records(pack):
            if name in told:
                report.wrong.append((name, "is there twice"))
            with report.about(name):
                told[name] = digest(record)
        for name in sorted(told.keys() | seal["records"].keys()):
            report.expect(name, "sealed digest", seal["records"].get(name), told.get(name))
    message = signed(SEAL_PURPOSE, {"records": seal["records"], "key": seal.get("key")})
    check_signature(report, "seal", seal, message, keys)


def check_signature(report: Report, name: str, signer: dict[str, Any], message: bytes, keys: Keys) -> None:
    given = signer.get("key")
    check_key(report, name, given, keys)
    if given is None and signer.get("signature") is None:
        report.unproven.append(f"nobody signed the {name}: whoever changed a fact may have sealed it again")
    elif is_signature(given, message, signer.get("signature")):
        report.proven.append(f"the {name} is signed by {given}")
    else:
        report.wrong.append((name, f"the signature is not one by {given} over what is there"))


def check_key(report: Report, name: str, given: object, keys: Keys) -> None:
    if keys and given not in keys:
        report.wrong.append((name, f"is signed by {shown(given)}, and not by {' or '.join(keys)}"))


def check_form(report: Report, pack: dict[str, Any]) -> None:
    report.expect("about", "version of the schema", SCHEMA, pack.get("schema_version"))
    for section in SECTIONS:
        if not isinstance(pack.get(section), list):
            report.wrong.append((section, "is not there"))


# The books: entries, and the wallets' lines.


class Books:
    """The pack's records by what they are found by. What is malformed is left out, and told elsewhere."""

    def __init__(self, pack: dict[str, Any]) -> None:
        self.sections: dict[str, Named] = {section: [] for section in SECTIONS}
        for section in SECTIONS:
            found = pack.get(section)
            for number, record in enumerate(found if isinstance(found, list) else []):
                self.sections[section].append((f"{section}/{name_of(record, number)}", record))
        self.entries = {e["ref"]: e for e in self._having("entries", "ref")}
        self.wallets = {w["id"]: w for w in self._having("wallets", "id")}
        self.lines: dict[tuple[Any, Any], Record] = {}
        self.told: Counter[tuple[Any, Any]] = Counter()
        for line in self._having("lines", "_id"):
            wallet, seq = line["_id"].get("w"), line["_id"].get("s")
            if isinstance(wallet, str) and type(seq) is int and isinstance(line.get("ref"), str):
                self.lines[wallet, seq] = line
                self.told[wallet, line["ref"]] += 1

    def _having(self, section: str, field: str) -> list[Record]:
        found = [record for _, record in self.sections[section] if isinstance(record, dict)]
        kind = dict if section == "lines" else str
        return [record for record in found if isinstance(record.get(field), kind)]

    def of(self, operation: str, kind: str | None = None) -> list[Record]:
        found = [e for e in self.entries.values() if e.get("operation") == operation]
        return [e for e in found if kind is None or e.get("kind") == kind]

    def posted(self, ref: str) -> list[tuple[str, str, int]]:
        """Raises ValueError where there is no such entry."""
        if ref not in self.entries:
            raise ValueError(f"the entry {ref} is missing")
        return [(p["source"], p["destination"], p["amount"]) for p in self.entries[ref]["postings"]]


def check_entries(report: Report, books: Books) -> None:
    refs: set[str] = set()
    for name, entry in books.sections["entries"]:
        with report.about(name):
            fields = {key: value for key, value in entry.items() if key != "hash"}
            report.expect(name, "hash of its fields", digest(fields), entry["hash"])
            if entry["ref"] in refs:
                report.wrong.append((name, f"{entry['ref']} is booked twice"))
            refs.add(entry["ref"])
            for posting in entry["postings"]:
                if type(posting["amount"]) is not int or posting["amount"] <= 0:
                    report.wrong.append((name, "moves what is no amount"))
                if posting["source"] == posting["destination"]:
                    report.wrong.append((name, "moves money from an account to itself"))
            for wallet in sorted(wallets_of(entry)):
                report.expect(
                    name, f"currency of {wallet}", books.wallets[wallet]["currency"], entry["currency"]
                )
                report.expect(name, f"lines in {wallet}", 1, books.told[wallet, entry["ref"]])


def wallets_of(entry: Record) -> set[str]:
    accounts = [p[end] for p in entry["postings"] for end in ("source", "destination")]
    return {account.split(":")[1] for account in accounts if account.startswith("wallet:")}


def moved(postings: list[tuple[str, str, int]], account: str) -> int:
    came = sum(amount for _, destination, amount in postings if destination == account)
    return came - sum(amount for source, _, amount in postings if source == account)


def check_lines(report: Report, books: Books) -> None:
    for name, line in books.sections["lines"]:
        with report.about(name):
            fields = {key: value for key, value in line.items() if key != "hash"}
            report.expect(name, "hash of its fields and of the line before", digest(fields), line["hash"])
            check_neighbour(report, books, name, line)
            entry, wallet = books.entries.get(line["ref"]), line["_id"]["w"]
            if entry is None:
                report.wrong.append((name, f"its entry {line['ref']} is missing"))
                continue
            for said, field in (("entry_hash", "hash"), ("kind", "kind"), ("operation", "operation")):
                report.expect(name, f"{field} of its entry", entry[field], line[said])
            postings = books.posted(line["ref"])
            for part in ("available", "held"):
                change = moved(postings, f"wallet:{wallet}:{part}")
                report.expect(name, f"what its entry moves ({part})", change, line[f"{part}_delta"])
            if line["created_at"] < entry["created_at"]:
                report.wrong.append((name, "is dated before its entry"))


def check_neighbour(report: Report, books: Books, name: str, line: Record) -> None:
    """Each line follows the one before, where that is in the pack; the first follows nothing."""
    wallet, seq = line["_id"]["w"], line["_id"]["s"]
    nothing = {"hash": GENESIS, "available_after": 0, "held_after": 0, "created_at": ""}
    before = nothing if seq == 1 else books.lines.get((wallet, seq - 1))
    if before is None:
        return
    report.expect(name, "hash of the line before", before["hash"], line["previous"])
    for part in ("available", "held"):
        after = before[f"{part}_after"] + line[f"{part}_delta"]
        report.expect(name, f"{part} after it", after, line[f"{part}_after"])
    if line["created_at"] < before["created_at"]:
        report.wrong.append((name, "is dated before the line before"))


# The operations: they say what the books say.


def check_histories(report: Report, books: Books) -> None:
    for section in OPERATIONS:
        for name, operation in books.sections[section]:
            with report.about(name):
                changes = operation["history"]
                report.expect(name, "status by its history", changes[-1]["status"], operation["status"])


def check_escrows(report: Report, books: Books) -> None:
    moves: dict[str, Named] = {}
    known = {escrow.get("id") for _, escrow in books.sections["escrows"] if isinstance(escrow, dict)}
    for name, move in books.sections["moves"]:
        with report.about(name):
            moves.setdefault(move["escrow"], []).append((name, move))
            if move["escrow"] not in known:
                report.wrong.append((name, f"its escrow {move['escrow']} is missing"))
    for name, escrow in books.sections["escrows"]:
        with report.about(name):
            check_escrow(report, books, name, escrow, moves.get(escrow["id"], []))


def check_escrow(report: Report, books: Books, name: str, escrow: Record, moves: Named) -> None:
    """What it took, what each move paid to whom, and what is left, by the rates that were agreed."""
    price, account = escrow["price"], f"escrow:{escrow['id']}"
    fee = price * escrow["platform_fee_bps"] // 10_000
    payout = price * (10_000 - escrow["service_fee_bps"]) // 10_000
    funded = [(f"wallet:{escrow['wallet']}:available", account, price + fee)]
    report.expect(name, "what funded it", funded, books.posted(f"{account}:funded"))
    report.expect(name, "number of its moves", escrow["moves_made"], len(moves))
    released = refunded = 0
    locked = price + fee
    for number, (move_name, move) in enumerate(sorted(moves, key=lambda named: named[1]["number"]), start=1):
        with report.about(move_name):
            report.expect(move_name, "its number", number, move["number"])
            report.expect(move_name, "its currency", escrow["currency"], move["currency"])
            amount = move["amount"]
            if move["kind"] == "RELEASE":
                net = payout * (released + amount) // price - payout * released // price
                released, receiver = released + amount, escrow["contractor_wallet"]
            else:
                net = amount + fee * (refunded + amount) // price - fee * refunded // price
                refunded, receiver = refunded + amount, escrow["wallet"]
            rest = price - released - refunded
            left = rest + fee - fee * released // price - fee * refunded // price if rest else 0
            fees, locked = locked - left - net, left
            report.expect(
                move_name, "what its receiver and the platform got", (net, fees), (move["net"], move["fees"])
            )
            paid = [(account, f"wallet:{receiver}:available", net), (account, "platform:fees", fees)]
            ref = f"{account}:move:{move['id']}"
            report.expect(move_name, "what is booked", [p for p in paid if p[2]], books.posted(ref))
            said = (BOOKED_AS[move["kind"]], escrow["id"], move["actor"], move["currency"])
            booked = tuple(books.entries[ref][field] for field in ("kind", "operation", "actor", "currency"))
            report.expect(move_name, "how it is booked", said, booked)
    so_far = (escrow["released"], escrow["refunded"], escrow["locked"])
    report.expect(name, "released, refunded and locked", (released, refunded, locked), so_far)
    held = sum(moved(books.posted(ref), account) for ref in books.entries)
    report.expect(name, "what its entries leave in its account", held, escrow["locked"])
    over = price == released + refunded
    if over:
        ways = {"RELEASED"} if not refunded else {"SPLIT"}
        ways = ways if released else {"REFUNDED", "REJECTED", "CANCELED", "EXPIRED"}
    else:
        ways = {"PARTIALLY_RELEASED", "DISPUTED"} if released else {"FUNDED", "ACCEPTED", "DISPUTED"}
    if escrow["status"] not in ways:
        report.wrong.append(
            (name, f"is {escrow['status']} where its moves make it {' or '.join(sorted(ways))}")
        )


def check_deposits(report: Report, books: Books) -> None:
    for name, deposit in books.sections["deposits"]:
        with report.about(name):
            currency = deposit["received_currency"] or deposit["currency"]
            account = f"wallet:{deposit['wallet']}:available"
            credits_made = [e for e in books.of(deposit["id"], "DEPOSIT") if e["currency"] == currency]
            if any(
                account not in (p["source"], p["destination"]) for e in credits_made for p in e["postings"]
            ):
                continue  # received in another currency, and so in another wallet
            credited = sum(moved(books.posted(e["ref"]), account) for e in credits_made)
            report.expect(name, "what was credited of it", credited, deposit["received"])


def check_withdrawals(report: Report, books: Books) -> None:
    for name, withdrawal in books.sections["withdrawals"]:
        with report.about(name):
            account, own = f"wallet:{withdrawal['wallet']}", f"withdrawal:{withdrawal['id']}"
            held = [(f"{account}:available", f"{account}:held", withdrawal["amount"])]
            report.expect(name, "what was held for it", held, books.posted(f"{own}:reserved"))
            sent = sum(amount_of(e) for e in books.of(withdrawal["id"], "WITHDRAWAL_SENT"))
            report.expect(name, "what was sent", sum(t["amount"] for t in withdrawal["transfers"]), sent)
            back = sum(amount_of(e) for e in books.of(withdrawal["id"], "WITHDRAWAL_REVERSED"))
            reversals = [r["amount"] for t in withdrawal["transfers"] for r in t["reversals"]]
            report.expect(name, "what came back", sum(reversals), back)


def check_refunds(report: Report, books: Books) -> None:
    """What left is booked in the way that it is told, and its deposit knows of it."""
    taken = {}
    for name, deposit in books.sections["deposits"]:
        with report.about(name):
            taken.update({r["operation"]: (name, r["amount"]) for r in deposit["reclaims"]})
    for name, refund in books.sections["refunds"]:
        with report.about(name):
            own, amount = f"refund:{refund['id']}", [refund["amount"]]
            sent = refund["sent"]
            refs = [f"{own}:{sent['booked']}"] if sent else []
            refs += [f"{own}:returned"] if sent and sent["returned"] else []
            if refund["origin"] == "PRODUCT":
                given_back = not sent and refund["status"] in ("FAILED", "CANCELED")
                found = bool(sent) and sent["booked"] == "found_sent"  # after it was given back
                refs += [f"{own}:reserved", *([f"{own}:hold_settled"] if given_back or found else [])]
            booked = [e["ref"] for e in books.of(refund["id"]) if e["ref"].startswith("refund:")]
            report.expect(name, "its entries", sorted(refs), sorted(booked))
            for ref in refs:
                report.expect(name, ref, amount, [p[2] for p in books.posted(ref)])
                report.expect(name, f"currency of {ref}", refund["currency"], books.entries[ref]["currency"])
            deposit_name, reclaimed = taken.pop(refund["id"], ("", refund["amount"]))
            if deposit_name:
                report.expect(name, "its deposit", f"deposits/{refund['deposit']}", deposit_name)
            report.expect(name, "what its deposit knows of it", refund["amount"], reclaimed)
    for operation, (name, _) in taken.items():
        if operation.startswith("rfd_"):
            report.wrong.append((name, f"its refund {operation} is missing"))


def check_disputes(report: Report, books: Books) -> None:
    """Each of Stripe's movements is booked as what it took of the wallet, or brought; so is a write-off."""
    for name, dispute in books.sections["disputes"]:
        with report.about(name):
            own, purse = f"dispute:{dispute['id']}", f"wallet:{dispute['wallet']}:available"
            steps = {f"{own}:{m['id']}": m["amount"] - m["recovered"] for m in dispute["movements"]}
            if dispute["write_off"]:
                steps[f"{own}:written_off"] = dispute["write_off"]["amount"]
            booked = {e["ref"] for e in books.of(dispute["id"]) if e["ref"].startswith("dispute:")}
            outside = {f"{own}:{m['id']}" for m in dispute["movements"] if not m["in_wallet"]}
            # What was in no wallet may have been booked before anybody knew whose it is.
            report.expect(name, "its entries", sorted(steps.keys() - outside), sorted(booked - outside))
            for ref in sorted(booked):
                change = moved(books.posted(ref), purse)
                report.expect(name, ref, 0 if ref in outside else steps[ref], change)
            for movement in dispute["movements"]:
                if (ref := f"{own}:{movement['id']}") in booked:
                    recovered = moved(books.posted(ref), "platform:losses")
                    report.expect(name, f"what {ref} recovered", movement["recovered"], recovered)


def check_adjustments(report: Report, books: Books) -> None:
    for name, adjustment in books.sections["adjustments"]:
        with report.about(name):
            account = f"wallet:{adjustment['wallet']}:available"
            ref = f"adjustment:{adjustment['id']}:posted"
            made = moved(books.posted(ref), account) if ref in books.entries else 0
            agreed = adjustment["amount"] if adjustment["status"] == "POSTED" else 0
            report.expect(name, "what was corrected", agreed, made)


def amount_of(entry: Record) -> int:
    return sum(posting["amount"] for posting in entry["postings"])


def check_movements(report: Report, books: Books) -> None:
    """What Stripe's balance shows is what the entry booked, unless it was settled as another amount."""
    for name, movement in books.sections["movements"]:
        with report.about(name):
            booked = books.posted(movement["entry"])
            report.expect(
                name, "its operation", books.entries[movement["entry"]]["operation"], movement["operation"]
            )
            at_stripe = -moved(booked, "platform:stripe")
            exchanged = f"stripe:{movement['id']}:exchanged" in books.entries
            if at_stripe and not exchanged:
                report.expect(name, "what is booked at Stripe", at_stripe, movement["amount"])
            if movement["fee"]:
                cost = moved(books.posted(f"stripe:{movement['id']}:fee"), "platform:stripe")
                report.expect(name, "its fee", cost, movement["fee"])


def check_trail(report: Report, books: Books) -> None:
    """Only that its lines are there and can bear it: whose money was spent first is a convention."""
    for name, share in books.sections["trail"]:
        with report.about(name):
            for end, sign in (("credit", 1), ("debit", -1)):
                if share[end] is not None:
                    line = books.lines[share["wallet"], share[end]]
                    if not 0 < share["amount"] <= sign * line["available_delta"]:
                        report.wrong.append((name, f"{share['amount']} is not of line {share[end]}"))
                    report.expect(
                        name, f"operation of its {end}", line["operation"], share[f"{end}_operation"]
                    )


# The journal: where the entries stand among all others, as the platform signed it every day.


def check_checkpoints(report: Report, books: Books, keys: Keys) -> None:
    waiting = {entry["_id"]: entry for entry in books.entries.values() if isinstance(entry.get("_id"), str)}
    for name, record in books.sections["checkpoints"]:
        with report.about(name):
            checkpoint = record["checkpoint"]
            statement = {field: value for field, value in checkpoint.items() if field != "signature"}
            message = digest(statement).encode()
            if not is_signature(checkpoint["key"], message, checkpoint["signature"]):
                report.wrong.append(
                    (name, f"the signature is not one by {checkpoint['key']} over what is there")
                )
            report.expect(name, "its date", checkpoint["_id"], record["id"])
            check_key(report, name, checkpoint["key"], keys)
            cut = first_id(checkpoint["cut_at"])
            covered = sorted(entry_id for entry_id in waiting if entry_id < cut)
            entries = [waiting.pop(entry_id) for entry_id in covered]
            check_place(report, name, record, entries)
    if waiting:
        report.unproven.append(
            f"{len(waiting)} of {len(books.entries)} entries are later than the last checkpoint in the pack: "
            "their place in the journal is not signed"
        )


def check_place(report: Report, name: str, record: Record, entries: list[Record]) -> None:
    """The journal's digest runs over the hashes of all entries: the pack's are among them, in order."""
    if record["hashes"] is None:
        report.expect(name, "what to begin with", None, record["digest_before"])
        report.unproven.append(f"{name}: the journal of that day was too long to be added")
        return
    running = record["digest_before"]
    for found in record["hashes"]:
        running = hashlib.sha256((running + found).encode("ascii")).hexdigest()
    report.expect(name, "digest of the journal", running, record["checkpoint"]["digest"])
    if len(record["hashes"]) > record["checkpoint"]["entries"]:
        report.wrong.append((name, "more entries than it counts"))
    rest = iter(record["hashes"])
    for entry in entries:
        if entry["hash"] not in rest:  # goes on from the one before
            report.wrong.append(
                (f"entries/{entry['_id']}", f"is not where the journal of {record['id']} has it")
            )


def first_id(instant: str) -> str:
    """The least id of an entry of that instant: `ent_`, and its milliseconds in Crockford's base 32."""
    at = datetime.strptime(instant, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)  # noqa: UP017
    number = (at - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(milliseconds=1)  # noqa: UP017
    digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    return "ent_" + "".join(digits[number >> shift & 31] for shift in range(45, -1, -5)) + "0" * 16


# The files.


def read_pack(place: Path) -> dict[str, bytes]:
    """The files by name; evidence.json alone where that is all that was named."""
    if place.is_dir():
        names = (*FILES, MANIFEST)
        return {name: (place / name).read_bytes() for name in names if (place / name).is_file()}
    if zipfile.is_zipfile(place):
        with zipfile.ZipFile(place) as archive:
            names_inside = archive.namelist()
            if len(set(names_inside)) != len(names_inside):
                raise ValueError("a file is in the zip twice")
            return {name: archive.read(name) for name in names_inside}
    return {EVIDENCE: place.read_bytes()}


def parsed(raw: bytes) -> dict[str, Any]:
    """Raises ValueError for what two readers could read as two things."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) != len(pairs):
            raise ValueError("a key is there twice")
        return dict(pairs)

    def refuse(text: str) -> Any:
        raise ValueError(f"{text} is no whole number")

    value = json.loads(raw.decode(), object_pairs_hook=once, parse_float=refuse, parse_constant=refuse)
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return value


def check_files(report: Report, files: dict[str, bytes], keys: Keys) -> None:
    if set(files) == {EVIDENCE}:
        report.unproven.append("only evidence.json was looked at, without the pack's manifest")
        return
    if MANIFEST not in files:
        report.wrong.append((MANIFEST, "is not there"))
        return
    with report.about(MANIFEST):
        manifest = parsed(files[MANIFEST])
        report.expect(MANIFEST, "how it is written", written(manifest), files[MANIFEST])
        report.expect(MANIFEST, "its fields", ["files", "key", "signature"], sorted(manifest))
        with report.proves(f"the {len(FILES)} files are those of the manifest"):
            present = files.keys() - {MANIFEST}
            for name in sorted(present | manifest["files"].keys() | set(FILES)):
                found = hashlib.sha256(files[name]).hexdigest() if name in files else None
                report.expect(name, "SHA-256", manifest["files"].get(name), found)
        message = signed(MANIFEST_PURPOSE, {"files": manifest["files"], "key": manifest["key"]})
        check_signature(report, MANIFEST, manifest, message, keys)


# All of it.


def check(files: dict[str, bytes], keys: Keys = ()) -> Report:
    """`keys`: the platform's public keys, as it told them by another way; none, and any key will do."""
    report = Report()
    check_files(report, files, keys)
    pack: dict[str, Any] = {}
    try:
        pack = parsed(files[EVIDENCE])
    except MALFORMED as error:
        report.wrong.append((EVIDENCE, f"cannot be read: {error}"))
        return report
    check_form(report, pack)
    check_seal(report, pack, keys)
    books = Books(pack)
    count = {section: len(found) for section, found in books.sections.items()}
    checks: list[tuple[str, Callable[[Report, Books], None]]] = [
        (f"{count['entries']} entries: each hash is that of its fields, each balances", check_entries),
        (f"{count['lines']} lines: each hash, each balance, each says what its entry says", check_lines),
        ("every operation stands where its history ends", check_histories),
        (
            f"{count['escrows']} escrows, {count['moves']} moves: every cent that went in is accounted for",
            check_escrows,
        ),
        (f"{count['deposits']} deposits are what was credited", check_deposits),
        (f"{count['withdrawals']} withdrawals are what was held, sent and came back", check_withdrawals),
        (f"{count['refunds']} refunds are what was held, sent and came back", check_refunds),
        (f"{count['disputes']} disputes are what was taken and given back", check_disputes),
        (f"{count['adjustments']} corrections are what was booked", check_adjustments),
        (f"{count['movements']} movements of Stripe's balance are what was booked", check_movements),
        (f"{count['trail']} steps of the trail lie on lines of the pack", check_trail),
    ]
    for sentence, step in checks:
        with report.proves(sentence), report.about(EVIDENCE):
            step(report, books)
    placed = f"{count['checkpoints']} signed checkpoints have the entries in the journal where they say"
    with report.proves(placed), report.about(EVIDENCE):
        check_checkpoints(report, books, keys)
    return report


def main(arguments: list[str] | None = None) -> int:
    description, _, usage = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        description=description, epilog=usage, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pack", nargs="?", default=str(Path(__file__).resolve().parent))
    told = "the platform's public key, as it told you by another way than this pack; may be repeated"
    parser.add_argument("--key", action="append", default=[], dest="keys", help=told)
    options = parser.parse_args(arguments)
    try:
        files = read_pack(Path(options.pack))
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        tell(f"{options.pack} cannot be read: {error}")
        return 1
    report = check(files, options.keys)
    for sentence in report.proven:
        tell(f"proven      {sentence}")
    for sentence in report.unproven:
        tell(f"not proven  {sentence}")
    for name, sentence in report.wrong:
        tell(f"WRONG       {name}: {sentence}")
    if report.wrong:
        tell(f"\nNot sound: {len(report.wrong)} things are wrong. Do not rely on this pack.")
        return 1
    tell(LIMITS)
    return 0


def tell(line: str) -> None:
    # A terminal may not know every character that people write.
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")


if __name__ == "__main__":
    sys.exit(main())
