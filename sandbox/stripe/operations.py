"""The endpoints, one row each. What is not here, Stripe does not know: 404."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from . import (
    account_links,
    accounts,
    balance,
    charges,
    checkout_sessions,
    customers,
    disputes,
    events,
    login_links,
    payment_intents,
    payment_methods,
    payouts,
    refunds,
    reversals,
    setup_intents,
    transfers,
    webhook_endpoints,
)
from .errors import NotExecuted
from .objects import Object
from .spec import Schema, specification

Handler = Callable[..., Object]
"""Takes the transaction, the checked parameters, and the path's variables by name."""


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    handler: Handler
    for_browsers: bool = False
    """Whether a publishable key will do."""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path))

    @property
    def parameters(self) -> Schema:
        return specification().parameters(self.method, self.path)


OPERATIONS = (
    Operation("POST", "/v1/payment_intents", payment_intents.create),
    Operation("GET", "/v1/payment_intents", payment_intents.list_all),
    Operation("GET", "/v1/payment_intents/{intent}", payment_intents.retrieve, for_browsers=True),
    Operation("POST", "/v1/payment_intents/{intent}", payment_intents.update),
    Operation("POST", "/v1/payment_intents/{intent}/confirm", payment_intents.confirm, for_browsers=True),
    Operation("POST", "/v1/payment_intents/{intent}/cancel", payment_intents.cancel),
    Operation("POST", "/v1/setup_intents", setup_intents.create),
    Operation("GET", "/v1/setup_intents", setup_intents.list_all),
    Operation("GET", "/v1/setup_intents/{intent}", setup_intents.retrieve, for_browsers=True),
    Operation("POST", "/v1/setup_intents/{intent}", setup_intents.update),
    Operation("POST", "/v1/setup_intents/{intent}/confirm", setup_intents.confirm, for_browsers=True),
    Operation("POST", "/v1/setup_intents/{intent}/cancel", setup_intents.cancel),
    Operation("POST", "/v1/customers", customers.create),
    Operation("GET", "/v1/customers", customers.list_all),
    Operation("GET", "/v1/customers/{customer}", customers.retrieve),
    Operation("POST", "/v1/customers/{customer}", customers.update),
    Operation("DELETE", "/v1/customers/{customer}", customers.delete),
    Operation("GET", "/v1/customers/{customer}/payment_methods", payment_methods.list_of_customer),
    Operation(
        "GET",
        "/v1/customers/{customer}/payment_methods/{payment_method}",
        payment_methods.retrieve_of_customer,
    ),
    Operation("POST", "/v1/payment_methods", payment_methods.create),
    Operation("GET", "/v1/payment_methods", payment_methods.list_all),
    Operation("GET", "/v1/payment_methods/{payment_method}", payment_methods.retrieve),
    Operation("POST", "/v1/payment_methods/{payment_method}", payment_methods.update),
    Operation("POST", "/v1/payment_methods/{payment_method}/attach", payment_methods.attach),
    Operation("POST", "/v1/payment_methods/{payment_method}/detach", payment_methods.detach),
    Operation("POST", "/v1/checkout/sessions", checkout_sessions.create),
    Operation("GET", "/v1/checkout/sessions", checkout_sessions.list_all),
    Operation("GET", "/v1/checkout/sessions/{session}", checkout_sessions.retrieve),
    Operation("POST", "/v1/checkout/sessions/{session}/expire", checkout_sessions.expire),
    Operation("GET", "/v1/charges", charges.list_all),
    Operation("GET", "/v1/charges/{charge}", charges.retrieve),
    Operation("POST", "/v1/refunds", refunds.create),
    Operation("GET", "/v1/refunds", refunds.list_all),
    Operation("GET", "/v1/refunds/{refund}", refunds.retrieve),
    Operation("POST", "/v1/refunds/{refund}", refunds.update),
    Operation("POST", "/v1/refunds/{refund}/cancel", refunds.cancel),
    Operation("GET", "/v1/disputes", disputes.list_all),
    Operation("GET", "/v1/disputes/{dispute}", disputes.retrieve),
    Operation("POST", "/v1/disputes/{dispute}", disputes.update),
    Operation("POST", "/v1/disputes/{dispute}/close", disputes.close),
    Operation("GET", "/v1/balance", balance.retrieve),
    Operation("GET", "/v1/balance_transactions", balance.list_transactions),
    Operation("GET", "/v1/balance_transactions/{id}", balance.retrieve_transaction),
    Operation("POST", "/v1/accounts", accounts.create),
    Operation("GET", "/v1/accounts", accounts.list_all),
    Operation("GET", "/v1/accounts/{account}", accounts.retrieve),
    Operation("POST", "/v1/accounts/{account}", accounts.update),
    Operation("DELETE", "/v1/accounts/{account}", accounts.delete),
    Operation("GET", "/v1/accounts/{account}/capabilities", accounts.list_capabilities),
    Operation("GET", "/v1/accounts/{account}/capabilities/{capability}", accounts.retrieve_capability),
    Operation("POST", "/v1/accounts/{account}/capabilities/{capability}", accounts.update_capability),
    Operation("POST", "/v1/accounts/{account}/login_links", login_links.create),
    Operation("POST", "/v1/account_links", account_links.create),
    Operation("POST", "/v1/transfers", transfers.create),
    Operation("GET", "/v1/transfers", transfers.list_all),
    Operation("GET", "/v1/transfers/{transfer}", transfers.retrieve),
    Operation("POST", "/v1/transfers/{transfer}", transfers.update),
    Operation("POST", "/v1/transfers/{id}/reversals", reversals.create),
    Operation("GET", "/v1/transfers/{id}/reversals", reversals.list_all),
    Operation("GET", "/v1/transfers/{transfer}/reversals/{id}", reversals.retrieve),
    Operation("POST", "/v1/transfers/{transfer}/reversals/{id}", reversals.update),
    Operation("POST", "/v1/payouts", payouts.create),
    Operation("GET", "/v1/payouts", payouts.list_all),
    Operation("GET", "/v1/payouts/{payout}", payouts.retrieve),
    Operation("POST", "/v1/payouts/{payout}", payouts.update),
    Operation("POST", "/v1/payouts/{payout}/cancel", payouts.cancel),
    Operation("GET", "/v1/events", events.list_all),
    Operation("GET", "/v1/events/{id}", events.retrieve),
    Operation("POST", "/v1/webhook_endpoints", webhook_endpoints.create),
    Operation("GET", "/v1/webhook_endpoints", webhook_endpoints.list_all),
    Operation("GET", "/v1/webhook_endpoints/{webhook_endpoint}", webhook_endpoints.retrieve),
    Operation("POST", "/v1/webhook_endpoints/{webhook_endpoint}", webhook_endpoints.update),
    Operation("DELETE", "/v1/webhook_endpoints/{webhook_endpoint}", webhook_endpoints.delete),
)


def route(method: str, path: str) -> tuple[Operation, dict[str, Any]]:
    """The endpoint and the path's variables. Raises NotExecuted (404)."""
    for operation in OPERATIONS:
        if operation.method == method and (match := operation.pattern.fullmatch(path)):
            return operation, match.groupdict()
    raise NotExecuted(
        404,
        f"Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs or we can help at "
        "https://support.stripe.com/.",
    )


def warm_up() -> None:
    """Read the specification of every endpoint now rather than in its first request."""
    for operation in OPERATIONS:
        _ = operation.parameters
    _ = specification().event_types
