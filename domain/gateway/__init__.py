"""Stripe: the only importer of its SDK."""

from domain.gateway.asking import ask
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
from domain.gateway.objects import PaymentError, PaymentIntent
from domain.gateway.signatures import BadDelivery, verified_event

__all__ = [
    "API_VERSION",
    "Attempt",
    "BadDelivery",
    "CircuitOpen",
    "GatewayConfig",
    "KeySpent",
    "Misuse",
    "NotDone",
    "NotFoundYet",
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
