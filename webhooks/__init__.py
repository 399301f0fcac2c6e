"""Stripe's doors: verify, store, answer, ring. What an event means is decided elsewhere."""

from webhooks.routes import WebhookSecrets, create_routes

__all__ = ["WebhookSecrets", "create_routes"]
