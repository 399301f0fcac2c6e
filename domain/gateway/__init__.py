"""Stripe: the only importer of its SDK."""

from domain.gateway.asking import Find, ask
from domain.gateway.attempts import Attempt, NotSendable
from domain.gateway.client import API_VERSION, GatewayConfig, StripeGateway
from domain.gateway.errors import (
    CircuitOpen,
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
    PaymentError,
    PaymentIntent,
    PaymentMethod,
    Refund,
)
from domain.gateway.signatures import BadDelivery, verified_event

__all__ = [
    "API_VERSION",
    "Attempt",
    "BadDelivery",
    "Balance",
    "BalanceTransaction",
    "CircuitOpen",
    "Customer",
    "Find",
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
    "Reversal",
    "StripeGateway",
    "StripeTrouble",
    "Transfer",
    "Unknown",
    "ask",
    "verified_event",
]
