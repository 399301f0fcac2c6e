"""What checks a pack by itself, with nothing but Python, hashes and verifies exactly as the product does."""

import ast
import stat
import sys
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.evidence import verify
from domain.evidence.attribution import Direction, Step, trace
from domain.evidence.page import money, text
from domain.evidence.telling import ALL, plain
from domain.kernel.ids import first_id
from domain.kernel.money import MINOR_UNITS_MAX
from domain.ledger import Account, Entry, Kind, PlatformKind, Posting, WalletState, apply, digest
from domain.ledger.books import kind_of
from server.files import write_private

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
INSTANT = st.integers(0, 253_402_300_799_999).map(
    lambda milliseconds: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
)
AMOUNT = st.integers(1, MINOR_UNITS_MAX)
ULID_TEXT = "01M88SFSHF57Y710405XQC9TEV"
WALLET = f"wal_{ULID_TEXT}"
ESCROW = Account.escrow(f"esc_{ULID_TEXT}")

# Hashes.


@given(
    ref=TEXT,
    kind=st.sampled_from([*Kind, *PlatformKind]),
    currency=TEXT,
    amounts=st.lists(AMOUNT, min_size=1, max_size=3),
    operation=TEXT,
    actor=TEXT,
    created_at=INSTANT,
)
@settings(max_examples=200, deadline=None)
def test_an_entry_has_the_hash_that_the_ledger_gave_it(amounts: list[int], **fields: Any) -> None:
    postings = tuple(Posting(ESCROW, Account.available(WALLET), amount) for amount in amounts)
    entry = Entry(id="ent_1", postings=postings, **fields).sealed()
    told = plain(entry.fields())
    assert kind_of(told["kind"]) is fields["kind"]
    assert verify.digest(told) == entry.hash


@given(created_at=INSTANT, available=st.integers(-MINOR_UNITS_MAX // 4, MINOR_UNITS_MAX // 4), amount=AMOUNT)
@settings(max_examples=200, deadline=None)
def test_a_line_has_the_hash_that_the_ledger_gave_it(
    created_at: datetime, available: int, amount: int
) -> None:
    amount //= 4
    wallet = WalletState(id=WALLET, currency="USD", available=available, seq=8, head="f" * 64)
    entry = Entry(
        id="ent_1",
        ref="escrow:esc_1:move:esm_1",
        kind=Kind.ESCROW_RELEASED,
        currency="USD",
        postings=(Posting(ESCROW, Account.available(WALLET), amount + 1),),
        operation="esc_1",
        actor="owner",
        created_at=created_at,
    ).sealed()
    _, line = apply(wallet, entry)
    assert verify.digest({**plain(line.fields()), "previous": wallet.head}) == line.hash


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(TEXT, JSON, max_size=5))
@settings(max_examples=150, deadline=None)
def test_whatever_json_can_hold_is_hashed_alike(fields: dict[str, Any]) -> None:
    assert verify.digest(fields) == digest(fields)
    assert verify.parsed(verify.written(fields)) == fields


@pytest.mark.parametrize(
    "raw", [b'{"a": 1, "a": 2}', b'{"a": 1.0}', b'{"a": NaN}', b'{"a": 1e3}', b"[]", b"\xff", b"{", b""]
)
def test_what_could_be_read_in_two_ways_is_refused(raw: bytes) -> None:
    report = verify.check({verify.EVIDENCE: raw})
    assert [name for name, _ in report.wrong] == [verify.EVIDENCE]


@given(INSTANT)
def test_a_cut_is_where_the_ledger_cuts(at: datetime) -> None:
    assert verify.first_id(plain(at)) == first_id("ent", at=at)


@pytest.mark.parametrize("value", [1.0, b"sealed", {1, 2}, timedelta(1), {"deep": [b"sealed"]}])
def test_what_is_no_fact_cannot_be_told(value: object) -> None:
    with pytest.raises(TypeError):
        plain(value)


@pytest.mark.parametrize("telling", ALL, ids=lambda telling: telling.model.__name__)
def test_every_stored_field_is_told_or_withheld(telling: Any) -> None:
    """Who adds a field decides whether a party to a dispute may see it."""
    told = {field.partition(".")[0] for field in telling.told}
    assert told | telling.withheld | {"id", "revision_id"} == set(telling.model.model_fields) | {
        "revision_id"
    }
    assert not told & telling.withheld


# Signatures.

# RFC 8032, 7.1: key, message and signature.
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
]


@pytest.mark.parametrize(("key", "message", "signature"), VECTORS)
def test_the_vectors_of_the_standard(key: str, message: str, signature: str) -> None:
    assert verify.verifies(bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(signature))


@given(seed=st.binary(min_size=32, max_size=32), message=st.binary(max_size=80), bit=st.integers(0, 511))
@settings(max_examples=25, deadline=None)
def test_signatures_of_the_product_verify_and_no_other(seed: bytes, message: bytes, bit: int) -> None:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    key, signature = private.public_key().public_bytes_raw(), private.sign(message)
    assert verify.verifies(key, message, signature)
    assert not verify.verifies(key, message + b"\0", signature)
    flipped = (int.from_bytes(signature, "little") ^ 1 << bit).to_bytes(64, "little")
    assert not verify.verifies(key, message, flipped)


def test_a_signature_is_written_in_one_way_only() -> None:
    key, message, signature = (bytes.fromhex(part) for part in VECTORS[2])
    scalar = int.from_bytes(signature[32:], "little") + verify.ORDER
    for other in (
        signature[:32] + scalar.to_bytes(32, "little"),
        signature[:63],
        signature + b"\0",
        b"",
        verify.P.to_bytes(32, "little") + signature[32:],
    ):
        assert not verify.verifies(key, message, other)
    # Keys that are no point: y beyond the field, y without an x, x = 0 with a sign.
    for wrong in (b"\xff" * 32, (2).to_bytes(32, "little"), (1 | 1 << 255).to_bytes(32, "little"), b""):
        assert not verify.verifies(wrong, message, signature)


# One small file.


def test_it_needs_python_3_9_and_nothing_else() -> None:
    source = Path(verify.__file__).read_text()
    tree = ast.parse(source, feature_version=(3, 9))
    imported = {
        (node.module or "" if isinstance(node, ast.ImportFrom) else alias.name).partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported <= sys.stdlib_module_names


# Whose money it is.


@dataclass
class Coin:
    """Units of one credit, by its line."""

    line: int
    amount: int


def naive(deltas: list[int]) -> dict[tuple[int, int], int]:
    """Unit by unit, from the first line on: what of each credit each debit has spent."""
    purse: deque[Coin] = deque()
    spent: dict[tuple[int, int], int] = {}
    for line, delta in enumerate(deltas, start=1):
        if delta > 0:
            purse.append(Coin(line, delta))
        wanted = max(-delta, 0)
        while wanted:
            part = min(purse[0].amount, wanted)
            spent[purse[0].line, line] = part
            wanted -= part
            purse[0].amount -= part
            if not purse[0].amount:
                purse.popleft()
    return spent


@st.composite
def statements(draw: st.DrawFn) -> list[int]:
    """Changes of a balance that never falls below zero."""
    deltas, balance = [], 0
    for _ in range(draw(st.integers(1, 14))):
        delta = draw(st.integers(-balance, 9).filter(bool))
        deltas.append(delta)
        balance += delta
    return deltas


def steps(deltas: list[int], *, own: set[int]) -> list[Step]:
    found, balance = [], 0
    for seq, delta in enumerate(deltas, start=1):
        found.append(Step(seq, "job" if seq in own else f"other_{seq}", balance, delta))
        balance += delta
    return found


@given(statements(), st.data())
@settings(max_examples=200, deadline=None)
def test_the_oldest_money_is_spent_first(deltas: list[int], data: st.DataObject) -> None:
    own = data.draw(st.sets(st.integers(1, len(deltas))))
    spent = naive(deltas)
    expected = {
        (direction, credit, debit): amount
        for (credit, debit), amount in spent.items()
        for direction, line in ((Direction.IN, debit), (Direction.OUT, credit))
        if line in own
    }
    shares = trace(steps(deltas, own=own), {"job"})
    found = {(s.direction, s.credit.seq, s.debit.seq): s.amount for s in shares if s.credit and s.debit}
    assert found == expected
    assert all(share.credit for share in shares), "every debit was covered"
    for line in own:
        coming = deltas[line - 1] < 0
        way = Direction.IN if coming else Direction.OUT
        ends = [(s.debit if coming else s.credit, s.amount) for s in shares if s.direction is way]
        assert sum(amount for end, amount in ends if end and end.seq == line) == abs(deltas[line - 1])


def traced(steps: list[Step], *job: str) -> list[tuple[int | None, int | None, int]]:
    shares = trace(steps, set(job))
    return [(_seq(share.credit), _seq(share.debit), share.amount) for share in shares]


def _seq(step: Step | None) -> int | None:
    return None if step is None else step.seq


def test_what_came_back_is_followed_on() -> None:
    """A withdrawal fails, the next one too, and another job takes the same money."""
    made = [
        Step(1, "job", 0, 100),
        Step(2, "wdr_1", 100, -60),
        Step(3, "wdr_1", 40, 60),
        Step(4, "wdr_2", 100, -100),
        Step(5, "wdr_2", 0, 100),
        Step(6, "job 2", 100, -100),
    ]
    assert traced(made, "job") == [(1, 2, 60), (1, 4, 40), (3, 4, 60), (5, 6, 40), (5, 6, 60)]
    assert traced(made, "job 2") == [(5, 6, 100), (3, 4, 60), (1, 4, 40), (1, 2, 60)]
    # Both in one job: each of its lines is followed once, and nothing of it twice.
    assert sum(amount for _, debit, amount in traced(made, "job", "job 2") if debit == 6) == 200


def test_what_another_job_gave_back_leads_to_the_card() -> None:
    made = [
        Step(1, "dep_1", 0, 100),
        Step(2, "other job", 100, -80),
        Step(3, "other job", 20, 50),
        Step(4, "job", 70, -70),
    ]
    assert traced(made, "job") == [(3, 4, 50), (1, 4, 20), (1, 2, 50)]


def test_a_debt_is_paid_first_and_what_was_not_read_is_said() -> None:
    owing = [Step(7, "job", -30, 100), Step(8, "wdr_1", 70, -50)]
    assert traced(owing, "job") == [(7, 8, 50), (7, None, 20)]
    assert traced([Step(7, "job", 500, -100)], "job") == [(None, 7, 100)]


# What it is written on.


def test_amounts_are_exact_and_text_is_escaped() -> None:
    shown = {(-105, "USD"): "−1.05 USD", (123456, "JPY"): "123,456 JPY", (1005, "KWD"): "1.005 KWD"}
    for (amount, currency), told in shown.items():
        assert f">{told}<" in money(amount, currency)
    assert text("<script>'\"&") == "&lt;script&gt;&#x27;&quot;&amp;"


def test_a_file_is_private_whole_and_never_replaced_unasked(tmp_path: Path) -> None:
    path = tmp_path / "pack.zip"
    write_private(path, b"first", replace=False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        write_private(path, b"second", replace=False)
    assert path.read_bytes() == b"first"
    write_private(path, b"second", replace=True)
    assert path.read_bytes() == b"second"
    with pytest.raises(FileNotFoundError):
        write_private(tmp_path / "nowhere" / "pack.zip", b"", replace=False)
    assert list(tmp_path.iterdir()) == [path]
