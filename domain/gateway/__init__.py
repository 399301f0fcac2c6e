"""Stripe: the only importer of its SDK."""

from domain.gateway.asking import ask
from domain.gateway.attempts import Attempt, NotSendable
from domain.gateway.client import API_VERSION, GatewayConfig, StripeGateway
from domain.gateway.errors import KeySpent, Misuse, NotDone, Refused, StripeTrouble, Unknown
from domain.gateway.objects import Balance, BalanceTransaction, PaymentError, PaymentIntent
from domain.gateway.signatures import BadDelivery, verified_event

__all__ = [
    "API_VERSION",
    "Attempt",
    "BadDelivery",
    "Balance",
    "BalanceTransaction",
    "GatewayConfig",
    "KeySpent",
    "Misuse",
    "NotDone",
    "NotSendable",
    "PaymentError",
    "PaymentIntent",
    "Refused",
    "StripeGateway",
    "StripeTrouble",
    "Unknown",
    "ask",
    "verified_event",
]
