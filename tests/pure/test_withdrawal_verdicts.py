"""What becomes of a withdrawal whose transfer was not made, row by row; and the arrows of its machine."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.gateway import CircuitOpen, Forbidden, KeySpent, Misuse, NotDone, NotFoundYet, Refused, Unknown
from domain.kernel.operations import Actor, IdempotencyKey, StatusChange
from domain.runtime import Policy
from domain.sending import Hindrance, NotListed, judge, looks_up_only
from domain.withdrawals import MACHINE, Withdrawal, WithdrawalStatus
from domain.withdrawals.documents import ASKED, CANCELABLE, GIVEN_BACK, HOLDING, SENT
from domain.withdrawals.sending import ACCOUNT_GONE, TERMS

S = WithdrawalStatus
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
POLICY = Policy()
SCHEDULE = [5 * MINUTE, 30 * MINUTE, 2 * HOUR]
SOON = timedelta(seconds=7)
# Each of them speaks of this sending alone: a key that is unknown stays so.
SILENT = [
    NotDone("rate_limit"),
    NotDone("lock_timeout"),
    NotDone("not_connected"),
    Forbidden("AuthenticationError"),
    Forbidden("PermissionError"),
    Forbidden("account_invalid"),
    Misuse("IdempotencyError"),
    Unknown("idempotency_key_in_use"),
    Unknown("answer_lost_by_ReadError"),
    Unknown("parameter_unknown"),  # a 400 that Stripe did not keep
]
NOTHING_DONE = [NotDone("rate_limit"), NotDone("not_connected"), Forbidden("AuthenticationError")]
FINAL = [
    "account_closed",
    "transfers_not_allowed",
    "insufficient_capabilities_for_transfer",
    "resource_missing",
    "parameter_invalid_integer",
]


def named(trouble: Any) -> str:
    return f"{type(trouble).__name__}-{trouble.code}"


def withdrawal(status: WithdrawalStatus, retries: int = 0) -> Withdrawal:
    made: Withdrawal = Withdrawal.model_construct(
        id="wdr_1",
        owner="usr_1",
        wallet="wal_1",
        amount=20_00,
        currency="USD",
        status=status,
        retries=retries,
        history=[StatusChange(status=status, at=NOW, actor=Actor.WORKER)],
        idempotency=IdempotencyKey.of(actor="usr_1", mutation="test", key="1", fields={}),
        created_at=NOW,
        updated_at=NOW,
    )
    return made


def judged(
    status: WithdrawalStatus, trouble: Any, *, unknown: bool, retries: int = 0, policy: Policy = POLICY
) -> Any:
    return judge(withdrawal(status, retries), trouble, unknown=unknown, policy=policy, terms=TERMS)


def test_without_a_word_the_schedule_is_5_minutes_30_minutes_and_2_hours() -> None:
    assert list(POLICY.retry_delays) == SCHEDULE


@pytest.mark.parametrize("trouble", NOTHING_DONE, ids=named)
def test_not_done_is_tried_three_times_and_then_the_money_goes_back(trouble: Any) -> None:
    for retries, delay in enumerate(SCHEDULE):
        verdict = judged(S.PROCESSING, trouble, unknown=False, retries=retries)
        assert (verdict.status, verdict.retry_in, verdict.counted) == (S.RETRYING, delay, True)
        assert (verdict.decided, verdict.failure) == (False, None)  # the same key
    verdict = judged(S.PROCESSING, trouble, unknown=False, retries=3)
    assert (verdict.status, verdict.retry_in, verdict.failure) == (S.FAILED, None, TERMS.unreachable)


@pytest.mark.parametrize("trouble", SILENT, ids=named)
def test_an_unknown_key_stays_unknown(trouble: Any) -> None:
    for retries, delay in enumerate(SCHEDULE):
        verdict = judged(S.UNCONFIRMED, trouble, unknown=True, retries=retries)
        assert (verdict.status, verdict.retry_in, verdict.counted) == (S.UNCONFIRMED, delay, True)
        assert (verdict.decided, verdict.failure) == (False, None)
    # The last sending is followed by a look at once; while the lists cannot be read, by others.
    for retries, pause, counted in [(3, timedelta(0), True), (4, MINUTE, False), (9, MINUTE, False)]:
        verdict = judged(S.UNCONFIRMED, trouble, unknown=True, retries=retries)
        assert (verdict.status, verdict.retry_in, verdict.counted) == (S.UNCONFIRMED, pause, counted)
        assert (verdict.decided, verdict.failure) == (False, None)


@pytest.mark.parametrize("trouble", [CircuitOpen(retry_after=SOON), NotFoundYet(retry_after=SOON)], ids=named)
@pytest.mark.parametrize("retries", range(6))
def test_what_knows_when_to_come_again_does_not_count(trouble: Any, retries: int) -> None:
    verdict = judged(S.UNCONFIRMED, trouble, unknown=True, retries=retries)
    assert (verdict.status, verdict.retry_in, verdict.counted) == (S.UNCONFIRMED, SOON, False)
    assert (verdict.decided, verdict.failure) == (False, None)


@pytest.mark.parametrize("retries", range(4))
def test_an_open_circuit_postpones_what_was_never_sent(retries: int) -> None:
    verdict = judged(S.PROCESSING, CircuitOpen(retry_after=SOON), unknown=False, retries=retries)
    assert (verdict.status, verdict.retry_in, verdict.counted) == (S.RETRYING, SOON, False)
    assert (verdict.decided, verdict.failure) == (False, None)


def test_two_empty_looks_after_the_schedule_and_a_person_decides() -> None:
    first = judged(S.UNCONFIRMED, NotListed(), unknown=True, retries=4)
    assert (first.status, first.retry_in, first.counted) == (S.UNCONFIRMED, MINUTE, True)
    second = judged(S.UNCONFIRMED, NotListed(), unknown=True, retries=5)
    assert (second.status, second.retry_in, second.failure) == (S.NEEDS_REVIEW, HOUR, None)


@pytest.mark.parametrize("retries", range(4))
def test_an_empty_look_before_the_schedule_is_over_is_for_a_frozen_wallet(retries: int) -> None:
    verdict = judged(S.UNCONFIRMED, NotListed(), unknown=True, retries=retries)
    assert (verdict.status, verdict.retry_in, verdict.counted) == (S.UNCONFIRMED, HOUR, False)
    assert verdict.hindrance is Hindrance.FREEZE


@pytest.mark.parametrize("unknown", [False, True])  # True: and it was looked up twice
@pytest.mark.parametrize("status", [S.PROCESSING, S.UNCONFIRMED])
@pytest.mark.parametrize("retries", range(5))
def test_without_funds_it_waits_and_nothing_is_counted(
    status: WithdrawalStatus, retries: int, unknown: bool
) -> None:
    verdict = judged(status, Refused("balance_insufficient", "no"), unknown=unknown, retries=retries)
    assert (verdict.status, verdict.retry_in, verdict.counted) == (S.RETRYING, HOUR, False)
    assert (verdict.decided, verdict.hindrance, verdict.failure) == (True, Hindrance.FUNDS, None)


@pytest.mark.parametrize("unknown", [False, True])
@pytest.mark.parametrize("status", [S.PROCESSING, S.UNCONFIRMED])
@pytest.mark.parametrize("code", FINAL)
def test_a_final_no_gives_the_money_back_at_once(status: WithdrawalStatus, code: str, unknown: bool) -> None:
    verdict = judged(status, Refused(code, "Because."), unknown=unknown)
    assert (verdict.status, verdict.retry_in, verdict.decided) == (S.FAILED, None, True)
    assert verdict.failure is not None
    assert (verdict.failure.code, verdict.failure.message) == (code, "Because.")


def test_an_account_that_was_taken_from_us_is_a_final_no_for_a_first_sending() -> None:
    verdict = judged(S.PROCESSING, Forbidden("account_invalid"), unknown=False)
    assert (verdict.status, verdict.failure) == (S.FAILED, TERMS.forbidden[ACCOUNT_GONE])


@pytest.mark.parametrize(
    "trouble", [KeySpent("api_error"), KeySpent("key_too_old"), Refused("processing_error", "no")], ids=named
)
def test_the_next_key_is_taken_by_the_schedule(trouble: Any) -> None:
    for retries, delay in enumerate(SCHEDULE):
        verdict = judged(S.UNCONFIRMED, trouble, unknown=True, retries=retries)
        assert (verdict.status, verdict.retry_in, verdict.counted) == (S.RETRYING, delay, True)
        assert verdict.decided
    for retries in (3, 4, 5):
        verdict = judged(S.UNCONFIRMED, trouble, unknown=True, retries=retries)
        assert (verdict.status, verdict.decided, verdict.failure) == (S.FAILED, True, TERMS.unreachable)


@pytest.mark.parametrize(
    "trouble",
    [*SILENT, NotListed(), KeySpent("key_too_old"), Refused("account_closed", "no")],
    ids=named,
)
def test_in_review_only_a_person_or_the_transfer_itself_decides(trouble: Any) -> None:
    verdict = judged(S.NEEDS_REVIEW, trouble, unknown=True, retries=6)
    assert (verdict.status, verdict.retry_in, verdict.counted) == (S.NEEDS_REVIEW, HOUR, False)
    assert (verdict.decided, verdict.failure) == (False, None)


def test_the_schedule_is_the_policy_s() -> None:
    policy = replace(POLICY, retry_delays=(SOON,))
    waits = judged(S.PROCESSING, NotDone("rate_limit"), unknown=False, policy=policy)
    fails = judged(S.PROCESSING, NotDone("rate_limit"), unknown=False, retries=1, policy=policy)
    assert (waits.status, waits.retry_in, fails.status) == (S.RETRYING, SOON, S.FAILED)
    assert not looks_up_only(withdrawal(S.UNCONFIRMED, retries=1), policy)
    assert looks_up_only(withdrawal(S.UNCONFIRMED, retries=2), policy)


@pytest.mark.parametrize("status", sorted(ASKED))
@pytest.mark.parametrize("retries", range(6))
def test_after_the_schedule_and_in_review_nothing_is_sent(status: WithdrawalStatus, retries: int) -> None:
    over = status is S.NEEDS_REVIEW or retries > len(SCHEDULE)
    assert looks_up_only(withdrawal(status, retries), POLICY) is over


ARROWS = """
AWAITING_APPROVAL  PENDING REJECTED CANCELED IN_TRANSIT
PENDING            PROCESSING CANCELED FAILED IN_TRANSIT
PROCESSING         IN_TRANSIT RETRYING FAILED UNCONFIRMED
RETRYING           PROCESSING CANCELED FAILED IN_TRANSIT
UNCONFIRMED        IN_TRANSIT RETRYING FAILED NEEDS_REVIEW
NEEDS_REVIEW       IN_TRANSIT FAILED
IN_TRANSIT         PAID PAYOUT_FAILED REVERSED
PAID               PAYOUT_FAILED REVERSED
PAYOUT_FAILED      PAID REVERSED
FAILED             IN_TRANSIT
CANCELED           IN_TRANSIT
REJECTED           IN_TRANSIT
REVERSED
"""


def test_these_arrows_are_drawn_and_no_others() -> None:
    drawn = {row.split()[0]: set(row.split()[1:]) for row in ARROWS.strip().splitlines()}
    assert set(drawn) == set(S)
    assert {status: {target for target in S if MACHINE.allows(status, target)} for status in S} == drawn


def test_every_state_holds_the_money_or_has_sent_it_or_has_given_it_back() -> None:
    assert set(S) == HOLDING | SENT | GIVEN_BACK
    assert len(HOLDING) + len(SENT) + len(GIVEN_BACK) == len(S)
    assert CANCELABLE | ASKED == HOLDING


@pytest.mark.parametrize("status", sorted(ASKED))
def test_what_was_asked_for_at_stripe_is_never_canceled(status: WithdrawalStatus) -> None:
    assert not MACHINE.allows(status, S.CANCELED)


@pytest.mark.parametrize("status", sorted(ASKED))
@pytest.mark.parametrize("unknown", [False, True])
def test_no_verdict_runs_against_the_arrows(status: WithdrawalStatus, unknown: bool) -> None:
    """Whatever comes of a question, the state that follows can be written."""
    troubles = [*SILENT, *NOTHING_DONE, NotListed(), KeySpent("x"), Refused("balance_insufficient", "no")]
    for trouble in [*troubles, Refused("account_closed", "no"), CircuitOpen(retry_after=SOON)]:
        # With the schedule at its end it is never PROCESSING.
        for retries in range(4 if status is S.PROCESSING else 7):
            target = judged(status, trouble, unknown=unknown, retries=retries).status
            assert target == status or MACHINE.allows(status, target), (named(trouble), retries)
