"""A Stripe to run at home: the part of its API that moves money in, webhooks included, and ways to break it.

It speaks HTTP and holds itself to Stripe's own specification; nothing here knows the product that uses it.
"""

from .app import create_app
from .config import SandboxConfig, WebhookEndpointConfig

__all__ = ["SandboxConfig", "WebhookEndpointConfig", "create_app"]
