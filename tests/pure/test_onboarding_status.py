"""Where an account stands: the table of docs/connect.md, line by line, and what keeps money from leaving."""

from itertools import product
from typing import Any

import pytest

from domain.gateway import Account
from domain.onboarding import ConnectAccount, ConnectAccountStatus, RequirementError, blocker_of, status_of
from domain.onboarding.status import withdrawals_enabled

S = ConnectAccountStatus
# All that Stripe specifies but null.
REJECTIONS = [
    *(
        f"rejected.{why}"
        for why in (
            "fraud",
            "incomplete_verification",
            "listed",
            "other",
            "platform_fraud",
            "platform_other",
            "platform_terms_of_service",
            "terms_of_service",
        )
    ),
    "listed",
    "platform_paused",
]
REVIEWS = ["under_review", "requirements.pending_verification"]
OTHERS = ["requirements.past_due", "action_required.requested_capabilities", "other"]


def told(**fields: Any) -> Account:
    """An account that is well, but for `fields`; requirements are given by their own names."""
    names = ("currently_due", "past_due", "pending_verification", "errors", "disabled_reason")
    requirements = {name: fields.pop(name) for name in names if name in fields}
    raw = {
        "id": "acct_1",
        "country": "US",
        "details_submitted": True,
        "payouts_enabled": True,
        "capabilities": {"transfers": fields.pop("transfers", "active")},
        "requirements": requirements,
    }
    return Account.of(raw | fields)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, S.ACTIVE),
        ({"details_submitted": False, "currently_due": ["external_account"]}, S.INCOMPLETE),
        ({"currently_due": ["external_account"]}, S.ACTION_REQUIRED),
        ({"past_due": ["external_account"], "transfers": "inactive"}, S.ACTION_REQUIRED),
        ({"pending_verification": ["individual.id_number"]}, S.IN_REVIEW),
        ({"pending_verification": ["x"], "currently_due": ["y"]}, S.ACTION_REQUIRED),
        ({"payouts_enabled": False}, S.PAYOUTS_DISABLED),
        ({"payouts_enabled": False, "disabled_reason": "other"}, S.PAYOUTS_DISABLED),
        ({"transfers": "pending"}, S.IN_REVIEW),
        ({"transfers": "inactive", "disabled_reason": "other"}, S.IN_REVIEW),
        ({"transfers": "inactive", "disabled_reason": "requirements.past_due"}, S.ACTION_REQUIRED),
        (
            {"transfers": "inactive", "disabled_reason": "action_required.requested_capabilities"},
            S.ACTION_REQUIRED,
        ),
        ({"transfers": "a word of tomorrow", "disabled_reason": "another"}, S.IN_REVIEW),
        ({"capabilities": {}}, S.IN_REVIEW),
        ({"capabilities": None, "requirements": None}, S.IN_REVIEW),
    ],
)
def test_the_table(fields: dict[str, Any], status: ConnectAccountStatus) -> None:
    assert status_of(told(**fields)) is status


@pytest.mark.parametrize("reason", REJECTIONS)
def test_every_rejection_is_one_whatever_else_is_said(reason: str) -> None:
    for due, payouts in product(([], ["external_account"]), (True, False)):
        account = told(disabled_reason=reason, currently_due=due, payouts_enabled=payouts)
        assert status_of(account) is S.REJECTED


@pytest.mark.parametrize("reason", REVIEWS)
def test_a_review_comes_before_what_is_due(reason: str) -> None:
    assert status_of(told(disabled_reason=reason, past_due=["external_account"])) is S.IN_REVIEW


@pytest.mark.parametrize("reason", [*REJECTIONS, *REVIEWS, *OTHERS, None])
def test_until_its_details_are_submitted_it_is_incomplete(reason: str | None) -> None:
    assert status_of(told(details_submitted=False, disabled_reason=reason)) is S.INCOMPLETE


@pytest.mark.parametrize("reason", OTHERS)
def test_what_is_due_is_shown_whatever_the_reason(reason: str) -> None:
    account = told(disabled_reason=reason, past_due=["external_account"], transfers="inactive")
    assert status_of(account) is S.ACTION_REQUIRED


def test_money_may_leave_while_something_is_due_and_only_by_both_switches() -> None:
    assert withdrawals_enabled(told(currently_due=["external_account"]))
    for transfers, payouts in product(("active", "inactive", "pending"), (True, False)):
        account = told(transfers=transfers, payouts_enabled=payouts, charges_enabled=True)
        assert withdrawals_enabled(account) is (transfers == "active" and payouts)


def test_a_requirement_in_both_lists_is_one_and_the_overdue_come_first() -> None:
    account = told(currently_due=["b", "a"], past_due=["a"])
    assert account.requirements.due == ("a", "b")


# ------------------------------------------------------------------ what keeps money from leaving


def ours(status: ConnectAccountStatus, **fields: Any) -> ConnectAccount:
    # Not by its constructor, for that needs a database.
    account: ConnectAccount = ConnectAccount.model_construct(
        status=status, details_submitted=status is not S.INCOMPLETE, **fields
    )
    return account


def code_of(account: ConnectAccount | None) -> str | None:
    blocker = blocker_of(account)
    return None if blocker is None else blocker.code


@pytest.mark.parametrize("account", [None, ours(S.REJECTED), ours(S.DISCONNECTED)])
def test_without_an_account_one_is_required(account: ConnectAccount | None) -> None:
    assert code_of(account) == "CONNECT_ACCOUNT_REQUIRED"


@pytest.mark.parametrize(
    "status", [S.INCOMPLETE, S.ACTION_REQUIRED, S.IN_REVIEW, S.ACTIVE, S.PAYOUTS_DISABLED]
)
def test_one_that_is_enabled_is_no_obstacle_whatever_its_status(status: ConnectAccountStatus) -> None:
    assert blocker_of(ours(status, withdrawals_enabled=True, requirements_due=["external_account"])) is None


@pytest.mark.parametrize("status", [S.INCOMPLETE, S.ACTION_REQUIRED, S.IN_REVIEW, S.PAYOUTS_DISABLED])
def test_one_that_is_not_enabled_is_not_ready(status: ConnectAccountStatus) -> None:
    assert code_of(ours(status)) == "CONNECT_ACCOUNT_NOT_READY"


def test_what_is_wanted_is_named_with_what_was_wrong_with_it() -> None:
    error = RequirementError(
        requirement="individual.verification.document", code="document_expired", reason="It has expired."
    )
    account = ours(
        S.ACTION_REQUIRED,
        requirements_due=["individual.verification.document", "external_account"],
        requirement_errors=[error],
    )
    blocker = blocker_of(account)
    assert blocker is not None
    assert blocker.code == "ONBOARDING_REQUIREMENT"
    assert blocker.message == (
        "The payment provider needs individual.verification.document (It has expired.), and 1 more."
    )


def test_before_its_pages_were_seen_no_single_requirement_is_named() -> None:
    account = ours(S.INCOMPLETE, requirements_due=["external_account"])
    assert code_of(account) == "CONNECT_ACCOUNT_NOT_READY"
