"""What Stripe thinks of a connected account, and all that the account shows because of it.

incomplete ──> in_review ──> active ──> restricted, payouts_disabled, rejected is the usual way, but any can
follow any other: Stripe may change its mind on any day.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum

from .objects import Object, shaped


class Outcome(StrEnum):
    INCOMPLETE = "incomplete"
    IN_REVIEW = "in_review"
    ACTIVE = "active"
    RESTRICTED = "restricted"
    REJECTED = "rejected"
    PAYOUTS_DISABLED = "payouts_disabled"


CAPABILITIES = ("card_payments", "transfers")

_ABOUT_THE_BUSINESS = {
    "individual": (
        "individual.dob.day",
        "individual.dob.month",
        "individual.dob.year",
        "individual.first_name",
        "individual.last_name",
    ),
    "company": ("company.name", "company.tax_id", "representative.first_name", "representative.last_name"),
}
_ABOUT_EVERYBODY = (
    "business_profile.product_description",
    "external_account",
    "tos_acceptance.date",
    "tos_acceptance.ip",
)
_TO_CHARGE_CARDS = ("business_profile.mcc", "business_profile.url")
_ACCOUNT_REASONS = {
    Outcome.IN_REVIEW: "requirements.pending_verification",
    Outcome.REJECTED: "rejected.other",
    Outcome.PAYOUTS_DISABLED: "other",
}
_CAPABILITY_REASONS = {Outcome.IN_REVIEW: "pending.review", Outcome.REJECTED: "rejected.other"}
_ERRORS = {
    "document": (
        "verification_failed_keyed_identity",
        "The identity that was entered could not be verified. Correct it, or upload a document.",
    ),
    "id_number": (
        "verification_failed_id_number_match",
        "The ID number that was entered could not be verified. Correct it, or upload a document.",
    ),
}


@dataclass(frozen=True)
class Standing:
    """`due` is what a restricted account owes, by `deadline` (Unix time); with none, it is late already."""

    outcome: Outcome = Outcome.INCOMPLETE
    due: tuple[str, ...] = ()
    deadline: int | None = None
    requested: dict[str, int] = field(default_factory=dict)
    """The capabilities that the platform asked for, and when."""
    bank_failed: bool = False
    """A payout came back: another bank account is due."""

    @classmethod
    def load(cls, private: Object) -> Standing:
        known = private["standing"]
        return cls(**known | {"outcome": Outcome(known["outcome"]), "due": tuple(known["due"])})

    def dump(self) -> Object:
        return {"standing": asdict(self)}

    def late(self) -> Standing:
        """After the deadline."""
        return replace(self, deadline=None)


def derived(account: Object, standing: Standing) -> Object:
    """The fields of an account that hang on its standing."""
    statuses = {name: _status(standing) for name in CAPABILITIES if name in standing.requested}
    submitted = standing.outcome is not Outcome.INCOMPLETE
    return {
        "capabilities": shaped("account_capabilities", statuses),
        "charges_enabled": statuses.get("card_payments") == "active",
        "details_submitted": submitted,
        "payouts_enabled": _can_be_paid_out(standing),
        "requirements": _account_requirements(account, standing),
        "future_requirements": shaped("account_future_requirements", _NOTHING_ASKED),
    }


def capability(account: Object, standing: Standing, name: str) -> Object:
    """A capability as an object of its own, requested or not."""
    requested_at = standing.requested.get(name)
    return shaped(
        "capability",
        {
            "id": name,
            "object": "capability",
            "account": account["id"],
            "future_requirements": shaped("account_capability_future_requirements", _NOTHING_ASKED),
            "requested": requested_at is not None,
            "requested_at": requested_at,
            "requirements": _capability_requirements(account, standing, requested=requested_at is not None),
            "status": "unrequested" if requested_at is None else _status(standing),
        },
    )


_NOTHING_ASKED: Object = {
    "alternatives": [],
    "currently_due": [],
    "errors": [],
    "eventually_due": [],
    "past_due": [],
    "pending_verification": [],
}


def identity_document(account: Object) -> str:
    """What Stripe asks for when it doubts who somebody is."""
    return f"{kind_of(account)}.verification.document"


def kind_of(account: Object) -> str:
    """Whose account it is; a person's own until something else is said."""
    return "individual" if account["business_type"] in {None, "individual"} else "company"


def _status(standing: Standing) -> str:
    """Of every capability that was asked for. What is asked for by a deadline stops nothing until then."""
    match standing.outcome:
        case Outcome.ACTIVE | Outcome.PAYOUTS_DISABLED:
            return "active"
        case Outcome.RESTRICTED:
            return "active" if standing.deadline is not None else "inactive"
        case Outcome.IN_REVIEW:
            return "pending"
        case Outcome.INCOMPLETE | Outcome.REJECTED:
            return "inactive"


def _can_be_paid_out(standing: Standing) -> bool:
    stopped = standing.outcome is Outcome.PAYOUTS_DISABLED or standing.bank_failed
    return _status(standing) == "active" and not stopped


def _asked(account: Object, standing: Standing) -> Object:
    """The lists of what is required, in Stripe's names; the same for the account and its capabilities."""
    match standing.outcome:
        case Outcome.INCOMPLETE:
            due = _at_first(account, standing)
            return _NOTHING_ASKED | {"currently_due": due, "eventually_due": due, "past_due": due}
        case Outcome.IN_REVIEW:
            return _NOTHING_ASKED | {"pending_verification": [identity_document(account)]}
        case Outcome.RESTRICTED:
            due = sorted(standing.due)
            late = due if standing.deadline is None else []
            return _NOTHING_ASKED | {
                "currently_due": due,
                "errors": [_error(name, *told) for name in due if (told := _ERRORS.get(_last_part(name)))],
                "eventually_due": due,
                "past_due": late,
            }
        case _:
            return _NOTHING_ASKED


def _account_requirements(account: Object, standing: Standing) -> Object:
    asked = _asked(account, standing)
    if standing.bank_failed and standing.outcome not in {Outcome.INCOMPLETE, Outcome.REJECTED}:
        lists = ("currently_due", "eventually_due", "past_due")
        asked = asked | {name: sorted({*asked[name], "external_account"}) for name in lists}
    reason = "requirements.past_due" if asked["past_due"] else _ACCOUNT_REASONS.get(standing.outcome)
    return shaped(
        "account_requirements",
        asked | {"current_deadline": standing.deadline, "disabled_reason": reason},
    )


def _capability_requirements(account: Object, standing: Standing, *, requested: bool) -> Object:
    asked = _asked(account, standing) if requested else _NOTHING_ASKED
    reason = "requirements.fields_needed" if asked["past_due"] else _CAPABILITY_REASONS.get(standing.outcome)
    return shaped(
        "account_capability_requirements",
        asked
        | {
            "current_deadline": standing.deadline if requested else None,
            "disabled_reason": reason if requested else None,
        },
    )


def _at_first(account: Object, standing: Standing) -> list[str]:
    """What a person is asked for who has not told Stripe anything yet."""
    names = {*_ABOUT_EVERYBODY, *_ABOUT_THE_BUSINESS[kind_of(account)]}
    if account["business_type"] is None:
        names.add("business_type")
    if "card_payments" in standing.requested:
        names.update(_TO_CHARGE_CARDS)
    return sorted(names)


def _last_part(requirement: str) -> str:
    return requirement.rpartition(".")[2]


def _error(requirement: str, code: str, reason: str) -> Object:
    return shaped("account_requirements_error", {"code": code, "reason": reason, "requirement": requirement})
