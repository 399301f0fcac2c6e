"""Stripe's test cards: a number decides what happens. Each is a template, known by a `pm_card_...` name."""

from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from .objects import Object


class Challenge(Enum):
    """When the bank wants to see the cardholder (3-D Secure)."""

    NEVER = auto()
    UNLESS_SET_UP = auto()
    ALWAYS = auto()


class Authentication(StrEnum):
    """How the bank makes sure of the cardholder: by asking, or by what it knows anyway."""

    CHALLENGE = "challenge"
    FRICTIONLESS = "frictionless"


class RefundOutcome(Enum):
    """What becomes of a refund to the card, beside what is said through the controls."""

    SUCCEEDS = auto()
    PENDS = auto()
    """Pending at first, and done a little later."""
    FAILS = auto()
    """Done at first, and sent back by the bank a little later."""


NETWORK_REASON_CODES = {
    "credit_not_processed": "13.6",
    "duplicate": "12.6.1",
    "fraudulent": "10.4",
    "general": "12.5",
    "product_not_received": "13.1",
    "product_unacceptable": "13.3",
    "subscription_canceled": "13.2",
    "unrecognized": None,
}
"""Why a cardholder disputes a payment by card, in Stripe's words, and one of Visa's for the same."""


@dataclass(frozen=True)
class Complaint:
    """What the cardholder's bank says of a payment as soon as it is made."""

    reason: str
    inquiry: bool = False


@dataclass(frozen=True)
class Decline:
    """Why the bank says no, in the fields of Stripe's card error."""

    code: str
    decline_code: str
    message: str
    param: str | None = None
    advice_code: str | None = None
    blocked: bool = False
    """By Stripe's own rules: the bank was never asked."""

    def fields(self) -> Object:
        optional = {"param": self.param, "advice_code": self.advice_code}
        return {
            "code": self.code,
            "decline_code": self.decline_code,
            "message": self.message,
            "type": "card_error",
            **{name: value for name, value in optional.items() if value is not None},
        }


_DECLINED = "Your card was declined."
GENERIC = Decline("card_declined", "generic_decline", _DECLINED, advice_code="try_again_later")
INSUFFICIENT_FUNDS = Decline(
    "card_declined", "insufficient_funds", "Your card has insufficient funds.", advice_code="try_again_later"
)
LOST = Decline("card_declined", "lost_card", _DECLINED, advice_code="do_not_try_again")
STOLEN = Decline("card_declined", "stolen_card", _DECLINED, advice_code="do_not_try_again")
EXPIRED = Decline(
    "expired_card",
    "expired_card",
    "Your card has expired.",
    param="exp_month",
    advice_code="do_not_try_again",
)
INCORRECT_CVC = Decline(
    "incorrect_cvc",
    "incorrect_cvc",
    "Your card's security code is incorrect.",
    param="cvc",
    advice_code="confirm_card_data",
)
PROCESSING_ERROR = Decline(
    "processing_error",
    "processing_error",
    "An error occurred while processing your card. Try again in a little bit.",
    advice_code="try_again_later",
)
BLOCKED = Decline("card_declined", "fraudulent", _DECLINED, blocked=True)
AUTHENTICATION_REQUIRED = Decline(
    "authentication_required",
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
)
LIVE_CARD = Decline(
    "card_declined",
    "test_mode_live_card",
    "Your card was declined. Your request was in test mode, but used a non test card. "
    "For a list of valid test cards, visit: https://stripe.com/docs/testing.",
)


@dataclass(frozen=True)
class TestCard:
    __test__ = False  # not for pytest to collect

    name: str
    number: str
    decline: Decline | None = None
    challenge: Challenge = Challenge.NEVER
    attaches: bool = True
    """Whether it can be saved to a customer; the plain decline cards cannot."""
    enrolled: bool = False
    """Whether its bank takes part in 3-D Secure also where it need not."""
    bypasses_pending: bool = False
    brand: str = "visa"
    refund: RefundOutcome = RefundOutcome.SUCCEEDS
    complaint: Complaint | None = None

    def authentication(self, requested: str, *, free: bool) -> Authentication | None:
        """What the bank does when Stripe was asked for 3-D Secure (`automatic`, `any`, `challenge`).

        `free`: it pays off session, and was set up for that.
        """
        if self.challenge is Challenge.ALWAYS or (self.challenge is Challenge.UNLESS_SET_UP and not free):
            return Authentication.CHALLENGE
        if not self.enrolled or requested == "automatic":
            return None
        return Authentication.CHALLENGE if requested == "challenge" else Authentication.FRICTIONLESS

    @property
    def last4(self) -> str:
        return self.number[-4:]


def _declining(name: str, number: str, decline: Decline) -> TestCard:
    return TestCard(name, number, decline=decline, attaches=False)


_CARDS = (
    TestCard("pm_card_visa", "4242424242424242"),
    TestCard("pm_card_mastercard", "5555555555554444", brand="mastercard"),
    TestCard("pm_card_bypassPending", "4000000000000077", bypasses_pending=True),
    _declining("pm_card_chargeDeclined", "4000000000000002", GENERIC),
    _declining("pm_card_chargeDeclinedInsufficientFunds", "4000000000009995", INSUFFICIENT_FUNDS),
    _declining("pm_card_chargeDeclinedLostCard", "4000000000009987", LOST),
    _declining("pm_card_chargeDeclinedStolenCard", "4000000000009979", STOLEN),
    _declining("pm_card_chargeDeclinedExpiredCard", "4000000000000069", EXPIRED),
    _declining("pm_card_chargeDeclinedIncorrectCvc", "4000000000000127", INCORRECT_CVC),
    _declining("pm_card_chargeDeclinedProcessingError", "4000000000000119", PROCESSING_ERROR),
    TestCard("pm_card_radarBlock", "4100000000000019", decline=BLOCKED),  # Radar does not look at setups
    TestCard("pm_card_chargeCustomerFail", "4000000000000341", decline=GENERIC),
    TestCard("pm_card_authenticationRequired", "4000002760003184", challenge=Challenge.ALWAYS),
    TestCard("pm_card_authenticationRequiredOnSetup", "4000002500003155", challenge=Challenge.UNLESS_SET_UP),
    TestCard(
        "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",
        "4000008260003178",
        decline=INSUFFICIENT_FUNDS,
        challenge=Challenge.ALWAYS,
    ),
    TestCard("pm_card_threeDSecure2Required", "4000000000003220", challenge=Challenge.ALWAYS),
    TestCard("pm_card_threeDSecureOptional", "4000000000003055", enrolled=True),
    TestCard("pm_card_pendingRefund", "4000000000007726", refund=RefundOutcome.PENDS),
    TestCard("pm_card_refundFail", "4000000000005126", refund=RefundOutcome.FAILS),
    TestCard("pm_card_createDispute", "4000000000000259", complaint=Complaint("fraudulent")),
    TestCard(
        "pm_card_createDisputeProductNotReceived",
        "4000000000002685",
        complaint=Complaint("product_not_received"),
    ),
    TestCard(
        "pm_card_createDisputeInquiry", "4000000000001976", complaint=Complaint("fraudulent", inquiry=True)
    ),
)

BY_NUMBER = {card.number: card for card in _CARDS}
TEMPLATES = {card.name: card for card in _CARDS} | {
    card.name.replace("pm_card_", "pm_card_visa_"): card
    for card in _CARDS
    if card.name.startswith("pm_card_chargeDeclined")
}


def spaced(name: str) -> str:
    """A template's number as it stands on a card."""
    number = TEMPLATES[name].number
    return " ".join(number[start : start + 4] for start in range(0, len(number), 4))
