"""Stripe: the only importer of its SDK."""

from domain.gateway.asking import Find, ask, listed
from domain.gateway.attempts import Attempt, NotSendable
from domain.gateway.checkout import CheckoutSession
from domain.gateway.client import API_VERSION, GatewayConfig, StripeGateway
from domain.gateway.connect_objects import Account, AccountLink, RequirementError, Requirements
from domain.gateway.errors import (
    CircuitOpen,
    Forbidden,
    KeySpent,
    Misuse,
    NotDone,
    NotFoundYet,
    Refused,
    StripeTrouble,
    Unknown,
)
from domain.gateway.money_out import Payout, Reversal, Transfer
from domain.gateway.objects import (
    Balance,
    BalanceTransaction,
    Customer,
    Dispute,
    PaymentError,
    PaymentIntent,
    PaymentMethod,
    Refund,
    looks_like_id,
)
from domain.gateway.signatures import BadDelivery, verified_event

__all__ = [
    "API_VERSION",
    "Account",
    "AccountLink",
    "Attempt",
    "BadDelivery",
    "Balance",
    "BalanceTransaction",
    "CheckoutSession",
    "CircuitOpen",
    "Customer",
    "Dispute",
    "Find",
    "Forbidden",
    "GatewayConfig",
    "KeySpent",
    "Misuse",
    "NotDone",
    "NotFoundYet",
    "NotSendable",
    "PaymentError",
    "PaymentIntent",
    "PaymentMethod",
    "Payout",
    "Refund",
    "Refused",
    "RequirementError",
    "Requirements",
    "Reversal",
    "StripeGateway",
    "StripeTrouble",
    "Transfer",
    "Unknown",
    "ask",
    "listed",
    "looks_like_id",
    "verified_event",
]
