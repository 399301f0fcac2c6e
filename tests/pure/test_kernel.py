"""What every noun stands on: time, machines, pages, encryption and idempotency keys."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import product
from typing import Any

import pytest
from cryptography.fernet import Fernet, InvalidToken
from hypothesis import given
from hypothesis import strategies as st

from domain.deposits import MACHINE, DepositStatus
from domain.kernel.cipher import Cipher
from domain.kernel.clock import cut, iso, utc_now
from domain.kernel.errors import BadRequest, IdempotencyKeyReused, InvalidInput
from domain.kernel.machine import IllegalMove
from domain.kernel.operations import IdempotencyKey
from domain.kernel.pages import (
    PAGE_SIZE_DEFAULT,
    PAGE_SIZE_MAX,
    PageRequest,
    decode_cursor,
    encode_cursor,
)

# Time.

instants = st.datetimes(
    min_value=datetime(1970, 1, 2),  # noqa: DTZ001 - the zone is drawn beside it
    max_value=datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-8)), timezone(timedelta(hours=5, minutes=45))]),
)


@given(instants)
def test_an_instant_is_cut_to_milliseconds_never_rounded(instant: datetime) -> None:
    assert timedelta() <= instant - cut(instant) < timedelta(milliseconds=1)
    assert cut(instant).microsecond % 1000 == 0
    assert cut(instant).tzinfo is UTC
    assert cut(cut(instant)) == cut(instant)


@given(instants)
def test_an_instant_has_one_spelling(instant: datetime) -> None:
    assert iso(instant) == iso(instant.astimezone(UTC)) == iso(cut(instant))
    assert datetime.fromisoformat(iso(instant)) == cut(instant)


def test_the_spelling_keeps_its_three_places() -> None:
    assert iso(datetime(2026, 11, 22, 23, 4, 5, tzinfo=UTC)) == "2026-11-22T23:04:05.000Z"
    assert iso(datetime(2026, 11, 22, 23, 4, 5, 678_999, tzinfo=UTC)) == "2026-11-22T23:04:05.678Z"


def test_now_is_aware_and_cut() -> None:
    assert utc_now().microsecond % 1000 == 0
    assert utc_now().tzinfo is UTC


# The deposit's machine, as its picture says.

S = DepositStatus
TRYING = {S.REQUIRES_PAYMENT, S.REQUIRES_ACTION, S.PROCESSING, S.FAILED}
DRAWN = {
    *((source, target) for source, target in product(TRYING, TRYING) if source != target),
    *product({*TRYING, S.CANCELED, S.NEEDS_REVIEW}, {S.SUCCEEDED}),
    *product({*TRYING, S.NEEDS_REVIEW}, {S.CANCELED}),
    *product({*TRYING, S.CANCELED}, {S.NEEDS_REVIEW}),
}


@pytest.mark.parametrize(("source", "target"), list(product(S, S)))
def test_a_deposit_moves_along_drawn_arrows_alone(source: DepositStatus, target: DepositStatus) -> None:
    drawn = (source, target) in DRAWN
    assert MACHINE.allows(source, target) == drawn
    if drawn:
        MACHINE.check(source, target)
    else:
        with pytest.raises(IllegalMove, match=f"{source} -> {target}"):
            MACHINE.check(source, target)


def test_a_deposit_rests_when_it_is_paid_or_canceled_and_only_paid_is_for_ever() -> None:
    assert MACHINE.settled == {S.SUCCEEDED, S.CANCELED}
    assert MACHINE.final == {S.SUCCEEDED}
    assert not any(MACHINE.allows(S.SUCCEEDED, target) for target in S)


# Pages.


@given(st.text())
def test_a_cursor_comes_back_as_it_went(key: str) -> None:
    cursor = encode_cursor(key)
    assert decode_cursor(cursor) == key
    assert cursor.isascii()
    assert not set(cursor) & set("=+/ ")


@pytest.mark.parametrize(
    "cursor", ["!", "a", "a=b", "YQ YQ", "é", "\N{GREEK SMALL LETTER PI}YQ", "_w", "gICA"]
)
def test_a_foreign_cursor_is_a_bad_request(cursor: str) -> None:
    with pytest.raises(BadRequest):
        PageRequest.of(None, cursor, None, None)
    with pytest.raises(BadRequest):
        PageRequest.of(None, None, 5, cursor)


@given(st.text())
def test_whatever_is_sent_as_a_cursor_is_read_or_refused(cursor: str) -> None:
    try:
        key = decode_cursor(cursor)
    except BadRequest:
        return
    assert isinstance(key, str)


def test_a_page_is_of_a_fair_size_unless_asked_otherwise() -> None:
    assert PageRequest.of(None, None, None, None) == PageRequest(size=PAGE_SIZE_DEFAULT)
    assert PageRequest.of(0, None, None, None).size == 0
    assert PageRequest.of(PAGE_SIZE_MAX, None, None, None).size == PAGE_SIZE_MAX


def test_a_page_goes_forward_or_backward() -> None:
    forward = PageRequest.of(5, encode_cursor("k"), None, None)
    backward = PageRequest.of(None, None, 5, encode_cursor("k"))
    assert forward == PageRequest(size=5, after="k")
    assert backward == PageRequest(size=5, before="k", backward=True)


@pytest.mark.parametrize(
    ("first", "last"), [(1, 1), (0, 0), (-1, None), (None, -1), (101, None), (None, 101), (2**53, None)]
)
def test_a_page_of_no_or_two_sizes_is_a_bad_request(first: int | None, last: int | None) -> None:
    with pytest.raises(BadRequest):
        PageRequest.of(first, None, last, None)


# Encryption.

OLD, NEW, FOREIGN = (Fernet.generate_key().decode() for _ in range(3))


def test_what_was_encrypted_is_read_under_the_new_key_and_the_old() -> None:
    written_before = Cipher([OLD]).encrypt("ada@example.com")
    rotated = Cipher([NEW, OLD])
    assert rotated.decrypt(written_before) == b"ada@example.com"
    assert Cipher([NEW]).decrypt(rotated.encrypt("ada@example.com")) == b"ada@example.com"


def test_what_was_encrypted_under_a_key_that_is_gone_stays_closed() -> None:
    sealed = Cipher([OLD]).encrypt(b"secret")
    assert b"secret" not in sealed
    with pytest.raises(InvalidToken):
        Cipher([NEW, FOREIGN]).decrypt(sealed)


def test_a_cipher_needs_a_key() -> None:
    with pytest.raises(ValueError, match="DATA_KEYS"):
        Cipher([])


def test_a_lookup_hash_is_stored_under_the_first_key_and_found_under_any() -> None:
    (stored_before,) = Cipher([OLD]).lookup_hashes("ada@example.com")
    rotated = Cipher([NEW, OLD]).lookup_hashes("ada@example.com")
    assert rotated == [*Cipher([NEW]).lookup_hashes("ada@example.com"), stored_before]


def test_a_lookup_hash_tells_texts_and_keys_apart() -> None:
    hashes = [
        *Cipher([OLD, NEW]).lookup_hashes("ada@example.com"),
        *Cipher([OLD, NEW]).lookup_hashes("eve@example.com"),
    ]
    assert len(set(hashes)) == 4
    assert all(len(one) == 64 and "example" not in one for one in hashes)


# Idempotency keys.


def key_for(key: str = "k", **fields: Any) -> IdempotencyKey:
    return IdempotencyKey.of(actor="usr_1", mutation="createDeposit", key=key, fields=fields)


@pytest.mark.parametrize("key", ["", "k" * 256, "\N{PILE OF POO}" * 256])
def test_an_idempotency_key_has_1_to_255_characters(key: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        key_for(key)
    assert refused.value.path == ("idempotencyKey",)


@pytest.mark.parametrize("key", ["k", " ", "k" * 255, "\N{PILE OF POO}" * 255])
def test_any_text_of_a_fair_length_is_an_idempotency_key(key: str) -> None:
    assert key_for(key).filter() == {
        "idempotency.actor": "usr_1",
        "idempotency.mutation": "createDeposit",
        "idempotency.key": key,
    }


@pytest.mark.parametrize(
    ("first", "again"),
    [
        ({"amount": 1, "currency": "USD"}, {"currency": "USD", "amount": 1}),
        ({"amount": 1, "note": None}, {"amount": 1}),
        ({"amount": 1}, {"amount": 1, "note": None}),
        ({"card": {"brand": "visa", "last4": "4242"}}, {"card": {"last4": "4242", "brand": "visa"}}),
    ],
)
def test_the_same_input_is_a_replay_however_it_is_spelled(
    first: dict[str, Any], again: dict[str, Any]
) -> None:
    key_for(**again).check_replay_of(key_for(**first))


@pytest.mark.parametrize(
    ("first", "again", "conflicting"),
    [
        ({"amount": 1, "currency": "USD"}, {"amount": 2, "currency": "USD"}, ("amount",)),
        ({"amount": 1, "currency": "USD"}, {"amount": 2, "currency": "EUR"}, ("amount", "currency")),
        ({"amount": 1}, {"amount": 1, "note": ""}, ("note",)),
        ({"amount": 1, "note": "x"}, {"amount": 1}, ("note",)),
        ({"amount": 1}, {"amount": "1"}, ("amount",)),
        ({"amount": 1}, {"amount": True}, ("amount",)),
        ({"amount": 1}, {"amount": 1.0}, ("amount",)),
        ({"amount": 0}, {}, ("amount",)),
    ],
)
def test_other_input_under_a_used_key_is_refused_by_the_fields_that_differ(
    first: dict[str, Any], again: dict[str, Any], conflicting: tuple[str, ...]
) -> None:
    with pytest.raises(IdempotencyKeyReused) as refused:
        key_for(**again).check_replay_of(key_for(**first))
    assert refused.value.conflicting_fields == conflicting


def test_what_is_kept_of_the_input_does_not_show_it() -> None:
    assert "4242" not in key_for(card="4242").model_dump_json()
