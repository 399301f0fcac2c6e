"""The sandbox against Stripe's specification: everything that it offers, used through Stripe's own SDK.

One tour visits every endpoint; the tests look at what was overheard. Whoever adds an endpoint to the sandbox
extends the tour, or `test_every_operation_is_visited` says so.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import stripe
import uvicorn

from sandbox.stripe.operations import OPERATIONS
from tests.conformance import PINNED_VERSION, DeliveryRecorder, Recorder
from tests.conformance.recorder import Receive, Scope, Send
from tests.house.sandbox import PUBLISHABLE_KEY, SECRET_KEY, SandboxServer, StripeSide, listening_socket

RETURN_URL = "https://example.com/back"
NEVER_REDIRECTING: Any = {"enabled": True, "allow_redirects": "never"}
DECLINED = [
    "pm_card_chargeDeclined",
    "pm_card_chargeDeclinedInsufficientFunds",
    "pm_card_chargeDeclinedLostCard",
    "pm_card_chargeDeclinedStolenCard",
    "pm_card_chargeDeclinedExpiredCard",
    "pm_card_chargeDeclinedIncorrectCvc",
    "pm_card_chargeDeclinedProcessingError",
    "pm_card_radarBlock",
]
OTHER_CARDS = [
    "pm_card_mastercard",
    "pm_card_pendingRefund",
    "pm_card_refundFail",
]
FAULTS = [
    "rate_limit_429",
    "lock_timeout_429",
    "conflict_409",
    "error_400",
    "error_401",
    "error_500_before_commit",
    "error_500_after_commit",
    "error_503",
    "reset_before_commit",
    "reset_after_commit",
    "truncate_after_commit",
]
OUTCOMES = ["in_review", "active", "payouts_disabled", "restricted", "rejected", "incomplete"]
EXPRESS: Any = {
    "controller": {
        "fees": {"payer": "application"},
        "losses": {"payments": "application"},
        "stripe_dashboard": {"type": "express"},
    },
    "country": "US",
    "capabilities": {"transfers": {"requested": True}},
}
TWO_MONTHS_S = 60 * 86_400


@dataclass
class Stage:
    """Where the scenes play: the SDK with either key, and a hand on the sandbox's controls."""

    url: str
    receiver_url: str
    recorder: Recorder
    deliveries: DeliveryRecorder
    controls: StripeSide
    server: stripe.StripeClient
    browser: stripe.StripeClient
    _keys: Any = field(default_factory=itertools.count)

    @property
    def key(self) -> Any:
        """Options with an idempotency key of its own."""
        return {"idempotency_key": f"tour:{next(self._keys)}"}

    async def paid_intent(self, card: str = "pm_card_visa", **params: Any) -> stripe.PaymentIntent:
        """Confirmed by the server; raises CardError like the real thing."""
        given: Any = {"amount": 2500, "currency": "usd", "confirm": True, "payment_method": card}
        given |= {"return_url": RETURN_URL, "automatic_payment_methods": {"enabled": True}} | params
        return await self.server.v1.payment_intents.create_async(given, self.key)

    async def onboarded(self) -> str:
        """The id of a connected account that can be paid, with money there to pay it."""
        await self.controls.control("/float", {"currency": "usd", "amount": 10_000})
        account = await self.server.v1.accounts.create_async(EXPRESS, self.key)
        await self.controls.control(f"/accounts/{account.id}/onboard", {"outcome": "active"})
        return account.id

    async def refused(self, method: Any, path: str, status: int, **params: Any) -> None:
        """A call that the SDK's types would not let pass."""
        with pytest.raises(stripe.StripeError) as refusal:
            await self.server.raw_request_async(method, path, **params, **self.key)
        assert refusal.value.http_status == status

    async def settled(self) -> list[str]:
        """The types of all events so far, once none of them is still on its way."""
        async with asyncio.timeout(20):
            while True:
                state = await self.controls.state()
                if all(delivery["due"] is None for delivery in state["deliveries"]):
                    return [event["type"] for event in state["objects"]["event"]]
                await asyncio.sleep(0.02)


async def subscription(stage: Stage) -> None:
    """The receiver hears of everything; the endpoints from the start hear of what the product wants."""
    for connect in (False, True):
        await stage.server.v1.webhook_endpoints.create_async(
            {"url": f"{stage.receiver_url}/webhooks/all", "enabled_events": ["*"], "connect": connect},
            stage.key,
        )


async def customers(stage: Stage) -> None:
    v1 = stage.server.v1
    card = "pm_card_visa"
    ada = await v1.customers.create_async(
        {
            "email": "ada@example.com",
            "name": "Ada",
            "metadata": {"user_id": "u_1"},
            "payment_method": card,
            "invoice_settings": {"default_payment_method": card},
        },
        stage.key,
    )
    await v1.customers.update_async(ada.id, {"name": "Ada L.", "metadata": {"user_id": ""}}, stage.key)
    await v1.customers.retrieve_async(ada.id, {"expand": ["invoice_settings.default_payment_method"]})
    await v1.customers.list_async({"email": "ada@example.com", "limit": 1})
    [saved] = (await v1.customers.payment_methods.list_async(ada.id, {"type": "card"})).data
    await v1.customers.update_async(ada.id, {"invoice_settings": {"default_payment_method": ""}}, stage.key)
    await v1.customers.payment_methods.retrieve_async(ada.id, saved.id, {"expand": ["customer"]})
    await v1.customers.delete_async(ada.id)
    await v1.customers.retrieve_async(ada.id)


async def cards(stage: Stage) -> None:
    v1 = stage.server.v1
    ada = await v1.customers.create_async({}, stage.key)
    card = await v1.payment_methods.create_async(
        {"type": "card", "card": {"token": "tok_visa"}, "billing_details": {"name": "Ada"}}, stage.key
    )
    await v1.payment_methods.attach_async(card.id, {"customer": ada.id}, stage.key)
    await v1.payment_methods.update_async(
        card.id, {"billing_details": {"address": {"city": "London"}}, "metadata": {"n": "1"}}, stage.key
    )
    await v1.payment_methods.retrieve_async(card.id, {"expand": ["customer"]})
    await v1.payment_methods.list_async({"customer": ada.id, "type": "card"})
    await v1.payment_methods.detach_async(card.id, None, stage.key)


async def payment_by_browser(stage: Stage) -> None:
    """The client confirms, with the publishable key and the secret."""
    v1 = stage.server.v1
    ada = await v1.customers.create_async({}, stage.key)
    intent = await v1.payment_intents.create_async(
        {
            "amount": 2500,
            "currency": "usd",
            "customer": ada.id,
            "automatic_payment_methods": NEVER_REDIRECTING,
            "setup_future_usage": "off_session",
            "transfer_group": "d_1",
            "metadata": {"deposit_id": "d_1"},
        },
        stage.key,
    )
    await v1.payment_intents.update_async(intent.id, {"description": "Deposit"}, stage.key)
    secret: Any = {"client_secret": intent.client_secret}  # the SDK, made for servers, has no type for it
    await stage.browser.v1.payment_intents.retrieve_async(intent.id, secret)
    await stage.browser.v1.payment_intents.confirm_async(
        intent.id, secret | {"payment_method": "pm_card_visa"}, stage.key
    )
    await stage.controls.control("/clock", {"advance_seconds": 1})
    await v1.payment_intents.retrieve_async(
        intent.id, {"expand": ["latest_charge.balance_transaction", "customer", "payment_method"]}
    )
    await v1.payment_intents.list_async({"customer": ada.id, "created": {"gte": intent.created}})
    abandoned = await v1.payment_intents.create_async({"amount": 50, "currency": "usd"}, stage.key)
    await v1.payment_intents.cancel_async(abandoned.id, {"cancellation_reason": "abandoned"}, stage.key)


async def declined_payments(stage: Stage) -> None:
    """402, with the whole intent in the error."""
    for card in DECLINED:
        with pytest.raises(stripe.CardError) as decline:
            await stage.paid_intent(card)
        intent: Any = decline.value.error
        await stage.server.v1.payment_intents.retrieve_async(
            intent.payment_intent.id, {"expand": ["latest_charge"]}
        )
    with pytest.raises(stripe.CardError):
        await stage.paid_intent("pm_card_authenticationRequired", off_session=True)


async def authenticated_payments(stage: Stage) -> None:
    """3-D Secure by redirect and by SDK, accepted and refused."""
    bank = httpx.AsyncClient(base_url=stage.url)
    for outcome, use_sdk in itertools.product(("accept", "refuse"), (False, True)):
        how = {"return_url": None, "use_stripe_sdk": True} if use_sdk else {}
        intent: Any = await stage.paid_intent("pm_card_authenticationRequired", **how)
        action = intent.next_action
        page = action.use_stripe_sdk["stripe_js"] if use_sdk else action.redirect_to_url.url
        await bank.get(page)
        await bank.post(page, data={"outcome": outcome})
        await stage.server.v1.payment_intents.retrieve_async(intent.id)
    await bank.aclose()
    await stage.paid_intent("pm_card_authenticationRequired")
    await stage.controls.control("/clock", {"advance_seconds": 600})
    wish: Any = {"card": {"request_three_d_secure": "any"}}
    await stage.paid_intent(
        "pm_card_threeDSecureOptional", payment_method_options=wish, expand=["latest_charge"]
    )


async def checkouts(stage: Stage) -> None:
    """Hosted sessions: paid by card, by bank in days, sent back by the bank, given up."""
    v1 = stage.server.v1
    ada = await v1.customers.create_async({"email": "ada@example.com"}, stage.key)
    price: Any = {"currency": "usd", "unit_amount": 2500, "product_data": {"name": "Deposit"}}
    given: Any = {
        "mode": "payment",
        "customer": ada.id,
        "success_url": f"{RETURN_URL}?session={{CHECKOUT_SESSION_ID}}",
        "cancel_url": RETURN_URL,
        "line_items": [{"quantity": 1, "price_data": price}],
        "payment_intent_data": {"metadata": {"deposit_id": "d_1"}, "setup_future_usage": "off_session"},
        "client_reference_id": "d_1",
    }
    sessions = [await v1.checkout.sessions.create_async(given, stage.key) for _ in range(5)]
    paid, arriving, sent_back, given_up, forgotten = [session.id for session in sessions]
    await stage.controls.pay_checkout(paid, card="pm_card_authenticationRequired")
    await stage.controls.pay_checkout(arriving, "paid_later")
    await stage.controls.pay_checkout(sent_back, "paid_later")
    await stage.controls.pay_checkout(sent_back, "paid_later_failed")
    for declined in (given_up, forgotten):
        await stage.controls.pay_checkout(declined, "declined")
    await v1.checkout.sessions.expire_async(given_up, None, stage.key)
    related = ["customer", "payment_intent.latest_charge", "payment_intent.payment_method"]
    await v1.checkout.sessions.retrieve_async(arriving, {"expand": related})
    await stage.controls.control("/clock", {"advance_seconds": 5 * 86_400})
    whole: Any = {"customer": ada.id, "expand": ["data.payment_intent.latest_charge.balance_transaction"]}
    for session in (await v1.checkout.sessions.list_async(whole)).data:
        assert session.status != "open"
    debited: Any = await v1.checkout.sessions.retrieve_async(arriving)
    back = await v1.refunds.create_async({"payment_intent": debited.payment_intent}, stage.key)
    await stage.controls.control(f"/refunds/{back.id}", {"outcome": "failed"})
    await v1.refunds.retrieve_async(back.id, {"expand": ["failure_balance_transaction"]})


async def setups(stage: Stage) -> None:
    """A card is saved without paying: by server and browser, challenged, declined, canceled."""
    v1 = stage.server.v1
    ada = await v1.customers.create_async({}, stage.key)
    given: Any = {"customer": ada.id, "usage": "off_session", "automatic_payment_methods": NEVER_REDIRECTING}
    intent = await v1.setup_intents.create_async(given | {"metadata": {"user_id": "u_1"}}, stage.key)
    secret: Any = {"client_secret": intent.client_secret}
    await v1.setup_intents.update_async(intent.id, {"description": "A card"}, stage.key)
    await stage.browser.v1.setup_intents.retrieve_async(intent.id, secret)
    with pytest.raises(stripe.CardError):
        await stage.browser.v1.setup_intents.confirm_async(
            intent.id, secret | {"payment_method": "pm_card_chargeDeclined"}, stage.key
        )
    await stage.browser.v1.setup_intents.confirm_async(
        intent.id, secret | {"payment_method": "pm_card_visa"}, stage.key
    )
    await v1.setup_intents.retrieve_async(
        intent.id, {"expand": ["latest_attempt", "payment_method", "customer"]}
    )
    async with httpx.AsyncClient(base_url=stage.url) as bank:
        for outcome, use_sdk in itertools.product(("accept", "refuse"), (False, True)):
            how = {"use_stripe_sdk": True} if use_sdk else {"return_url": RETURN_URL}
            card = {"confirm": True, "payment_method": "pm_card_authenticationRequiredOnSetup"}
            asked: Any = await v1.setup_intents.create_async(given | how | card, stage.key)
            action = asked.next_action
            page = action.use_stripe_sdk["stripe_js"] if use_sdk else action.redirect_to_url.url
            await bank.post(page, data={"outcome": outcome})
            await v1.setup_intents.retrieve_async(asked.id, {"expand": ["latest_attempt"]})
    abandoned = await v1.setup_intents.create_async(given, stage.key)
    await v1.setup_intents.cancel_async(abandoned.id, {"cancellation_reason": "abandoned"}, stage.key)
    with pytest.raises(stripe.InvalidRequestError):
        await v1.setup_intents.cancel_async(abandoned.id, None, stage.key)
    await v1.setup_intents.list_async({"customer": ada.id, "expand": ["data.latest_attempt"]})


async def every_other_card(stage: Stage) -> None:
    """Those that no other scene plays."""
    for card in OTHER_CARDS:
        await stage.paid_intent(card, expand=["latest_charge", "payment_method"])


async def refunds(stage: Stage) -> None:
    """In parts, slowly, in vain, and taken back."""
    v1 = stage.server.v1
    intent = await stage.paid_intent()
    part: Any = {"payment_intent": intent.id, "amount": 100, "reason": "duplicate", "metadata": {"r": "1"}}
    first = await v1.refunds.create_async(part, stage.key)
    await v1.refunds.create_async({"charge": str(intent.latest_charge)}, stage.key)
    await v1.refunds.update_async(first.id, {"metadata": {"r": "2"}}, stage.key)
    await v1.refunds.retrieve_async(
        first.id, {"expand": ["charge", "payment_intent", "balance_transaction.source"]}
    )
    await v1.refunds.list_async({"payment_intent": intent.id, "created": {"gte": first.created}})
    await v1.charges.retrieve_async(str(intent.latest_charge), {"expand": ["refunds"]})
    slow = await stage.paid_intent("pm_card_pendingRefund")
    for amount in (100, 200):
        made = await v1.refunds.create_async({"payment_intent": slow.id, "amount": amount}, stage.key)
    await stage.controls.control(f"/refunds/{made.id}", {"outcome": "requires_action"})
    await v1.refunds.cancel_async(made.id, None, stage.key)
    sent_back = await stage.paid_intent("pm_card_refundFail")
    failing = await v1.refunds.create_async({"payment_intent": sent_back.id}, stage.key)
    await stage.controls.control("/clock", {"advance_seconds": 86_400})
    await v1.refunds.retrieve_async(failing.id, {"expand": ["failure_balance_transaction"]})
    await v1.refunds.list_async({"limit": 100})


async def disputes(stage: Stage) -> None:
    """Taken back by the bank, argued about, won, lost and given up; asked about, and taken back after all."""
    v1 = stage.server.v1
    paid = await stage.paid_intent("pm_card_createDispute", expand=["latest_charge", "payment_method"])
    [dispute] = (await v1.disputes.list_async({"payment_intent": paid.id, "limit": 1})).data
    described: Any = {"evidence": {"product_description": "Gardening"}, "submit": False}
    await v1.disputes.update_async(dispute.id, described | {"metadata": {"dispute_id": "1"}}, stage.key)
    winning: Any = {"evidence": {"uncategorized_text": "winning_evidence"}, "expand": ["charge"]}
    await v1.disputes.update_async(dispute.id, winning, stage.key)
    await stage.controls.control("/clock", {"advance_seconds": 5})
    related = ["charge.payment_intent", "payment_intent", "balance_transactions.source"]
    await v1.disputes.retrieve_async(dispute.id, {"expand": related})
    await v1.balance_transactions.list_async({"source": dispute.id, "expand": ["data.source.charge"]})
    other = await stage.paid_intent("pm_card_createDisputeProductNotReceived")
    [accepted] = (await v1.disputes.list_async({"charge": str(other.latest_charge)})).data
    await v1.disputes.close_async(accepted.id, None, stage.key)
    for outcome in ("needs_response", "warning_closed", "prevented"):
        asked = await stage.paid_intent("pm_card_createDisputeInquiry")
        [inquiry] = (await v1.disputes.list_async({"payment_intent": asked.id})).data
        await stage.controls.conclude_dispute(inquiry.id, "under_review")
        await v1.refunds.create_async({"payment_intent": asked.id, "amount": 100}, stage.key)
        await stage.controls.conclude_dispute(inquiry.id, outcome)
    late = await stage.paid_intent("pm_card_mastercard")
    part = await stage.controls.dispute(late.id, reason="unrecognized", amount=100)
    await stage.controls.conclude_dispute(part["id"], "won", amount=50, fee_returned=False)
    recent: Any = {
        "created": {"gte": dispute.created},
        "expand": ["data.charge", "data.balance_transactions"],
    }
    await v1.disputes.list_async(recent)


async def money(stage: Stage) -> None:
    """Charges and the balance, before and after the money is available."""
    v1 = stage.server.v1
    await stage.paid_intent("pm_card_bypassPending")
    intent = await stage.paid_intent()
    charge = str(intent.latest_charge)
    await v1.charges.retrieve_async(charge, {"expand": ["payment_intent"]})
    await v1.balance.retrieve_async()
    await stage.controls.control("/clock", {"advance_seconds": TWO_MONTHS_S})
    await v1.charges.retrieve_async(charge, {"expand": ["balance_transaction"]})
    await v1.charges.list_async({"payment_intent": intent.id, "limit": 3})
    for amount in (20_000_000_00, 5_00):
        await stage.controls.control("/float", {"currency": "usd", "amount": amount})
    for kind in ("stripe_fee", "adjustment", "payout"):
        movement = {"type": kind, "amount": -100, "currency": "usd", "fee": 1, "description": "Planted"}
        await stage.controls.control("/balance_transactions", movement)
    await v1.balance.retrieve_async()
    booked = await v1.balance_transactions.list_async({"limit": 100, "expand": ["data.source"]})
    await v1.balance_transactions.retrieve_async(booked.data[0].id)


async def accounts(stage: Stage) -> None:
    """Made, changed and deleted; and whatever Stripe may make of one."""
    v1 = stage.server.v1
    made = await v1.accounts.create_async(EXPRESS, stage.key)
    abroad: Any = {
        "country": "PH",
        "capabilities": {"transfers": {"requested": True}},
        "tos_acceptance": {"service_agreement": "recipient"},
    }
    recipient = await v1.accounts.create_async(abroad, stage.key)
    await v1.accounts.update_async(
        made.id,
        {
            "email": "ada@example.com",
            "metadata": {"user_id": "u_1"},
            "business_profile": {"product_description": "Gardening"},
            "capabilities": {"card_payments": {"requested": True}},
            "settings": {"payouts": {"schedule": {"interval": "manual"}}},
        },
        stage.key,
    )
    for outcome in OUTCOMES:
        await stage.controls.control(f"/accounts/{made.id}/onboard", {"outcome": outcome})
        await v1.accounts.retrieve_async(made.id)
        await v1.accounts.capabilities.list_async(made.id)
    await v1.accounts.capabilities.retrieve_async(made.id, "transfers", {"expand": ["account"]})
    await v1.accounts.capabilities.update_async(made.id, "card_payments", {"requested": False}, stage.key)
    since: Any = {"gte": made.created}
    await v1.accounts.list_async({"limit": 1, "created": since})
    await v1.accounts.delete_async(recipient.id)
    await stage.controls.control(f"/accounts/{made.id}/onboard", {"outcome": "deauthorized"})


async def connect_pages(stage: Stage) -> None:
    """A person tells Stripe who they are, and later changes their bank account."""
    v1 = stage.server.v1
    made = await v1.accounts.create_async(EXPRESS, stage.key)
    link = await v1.account_links.create_async(
        {
            "account": made.id,
            "type": "account_onboarding",
            "refresh_url": RETURN_URL,
            "return_url": RETURN_URL,
            "collection_options": {"fields": "eventually_due"},
        },
        stage.key,
    )
    async with httpx.AsyncClient(base_url=stage.url) as person:
        form = (await person.get(link.url)).headers["location"]
        await person.post(form, data={"outcome": "active"})
        login = await v1.accounts.login_links.create_async(made.id, None, stage.key)
        dashboard = (await person.get(login.url)).headers["location"]
        await person.post(dashboard, data={"bank": "000111111116"})
    await v1.accounts.retrieve_async(made.id)


async def transfers(stage: Stage) -> None:
    """Money out to a connected account, and back in parts."""
    v1 = stage.server.v1
    account = await stage.onboarded()
    sending: Any = {"amount": 5000, "currency": "usd", "destination": account, "transfer_group": "wd_1"}
    sent = await v1.transfers.create_async(sending | {"metadata": {"withdrawal_id": "1"}}, stage.key)
    await v1.transfers.update_async(sent.id, {"description": "Wages", "metadata": {"n": "1"}}, stage.key)
    back: Any = {"amount": 1000, "metadata": {"why": "a mistake"}}
    part = await v1.transfers.reversals.create_async(sent.id, back, stage.key)
    await v1.transfers.reversals.update_async(sent.id, part.id, {"metadata": {"n": "1"}}, stage.key)
    await v1.transfers.reversals.create_async(sent.id, None, stage.key)
    related = ["transfer.destination", "balance_transaction.source", "destination_payment_refund.charge"]
    await v1.transfers.reversals.retrieve_async(sent.id, part.id, {"expand": related})
    await v1.transfers.reversals.list_async(sent.id, {"limit": 1})
    related = ["destination", "destination_payment.source_transfer", "balance_transaction.source"]
    await v1.transfers.retrieve_async(sent.id, {"expand": related})
    await v1.transfers.list_async({"transfer_group": "wd_1", "created": {"gte": sent.created}})
    there: Any = {"stripe_account": account}
    await v1.balance_transactions.list_async({"expand": ["data.source"]}, there)
    await v1.charges.retrieve_async(str(sent.destination_payment), {"expand": ["balance_transaction"]}, there)


async def payouts(stage: Stage) -> None:
    """On to a bank: by the day and by hand, taken, sent back later, called off."""
    v1 = stage.server.v1
    account = await stage.onboarded()
    there: Any = {"stripe_account": account}
    await v1.transfers.create_async({"amount": 5000, "currency": "usd", "destination": account}, stage.key)
    await v1.balance.retrieve_async(None, there)
    by_hand: Any = {"amount": 100, "currency": "usd", "metadata": {"withdrawal_id": "1"}}
    first = await v1.payouts.create_async(by_hand, stage.key | there)
    await v1.payouts.update_async(first.id, {"metadata": {"n": "1"}}, stage.key | there)
    called_off = await v1.payouts.create_async(by_hand, stage.key | there)
    await v1.payouts.cancel_async(called_off.id, None, stage.key | there)
    await stage.controls.control("/clock", {"advance_seconds": 3 * 86_400})
    [automatic] = (await v1.payouts.list_async({"status": "paid", "limit": 1}, there)).data
    await v1.balance_transactions.list_async({"payout": automatic.id, "expand": ["data.source"]}, there)
    await stage.controls.control(f"/payouts/{automatic.id}", {"outcome": "failed"})
    related = ["balance_transaction", "failure_balance_transaction", "destination"]
    await v1.payouts.retrieve_async(automatic.id, {"expand": related}, there)
    await v1.events.list_async({"type": "payout.*"}, there)


async def webhook_endpoints(stage: Stage) -> None:
    v1 = stage.server.v1
    endpoint = await v1.webhook_endpoints.create_async(
        {
            "url": "https://example.com/hook",
            "enabled_events": ["payout.paid"],
            "api_version": "2026-05-27.dahlia",
            "connect": True,
        },
        stage.key,
    )
    await v1.webhook_endpoints.update_async(endpoint.id, {"disabled": True}, stage.key)
    await v1.webhook_endpoints.retrieve_async(endpoint.id)
    await v1.webhook_endpoints.list_async()
    await v1.webhook_endpoints.delete_async(endpoint.id)


async def events(stage: Stage) -> None:
    v1 = stage.server.v1
    listed = await v1.events.list_async({"types": ["payment_intent.succeeded"], "limit": 5})
    await v1.events.retrieve_async(listed.data[0].id)
    pages = await v1.events.list_async({"limit": 20})
    assert len([event async for event in pages.auto_paging_iter()]) > 20


async def replays(stage: Stage) -> None:
    """The answer to a repeated key is as valid as the first; another request under it is refused."""
    once = stage.key
    for _ in range(2):
        await stage.server.v1.customers.create_async({"name": "Once"}, once)
    with pytest.raises(stripe.IdempotencyError):
        await stage.server.v1.customers.create_async({"name": "Twice"}, once)


async def refusals(stage: Stage) -> None:
    """What the sandbox says no to; requests that Stripe does not know may be sent from here on."""
    stage.recorder.invalid_requests = True
    paid = await stage.paid_intent()
    intents = "/v1/payment_intents"
    await stage.refused("post", intents, 400, amount=100)
    await stage.refused("post", intents, 400, amount="much", currency="usd")
    await stage.refused("post", intents, 400, amount=1, currency="usd")
    await stage.refused("post", intents, 400, amount=100, currency="usd", colour="red")
    await stage.refused("post", intents, 400, amount=100, currency="usd", expand=["colour"])
    await stage.refused("post", intents, 400, amount=100, currency="usd", capture_method="never")
    await stage.refused("post", intents, 400, amount=100, currency="usd", confirm=True)
    await stage.refused("post", f"{intents}/{paid.id}/cancel", 400)
    await stage.refused("post", f"{intents}/{paid.id}/confirm", 400)
    await stage.refused("post", "/v1/refunds", 400, payment_intent=paid.id, amount=99_999)
    await stage.refused("post", "/v1/refunds", 400, amount=100)
    disputed = await stage.paid_intent("pm_card_createDispute")
    await stage.refused("post", "/v1/refunds", 400, payment_intent=disputed.id)
    await stage.refused("post", "/v1/disputes/du_unknown", 404, submit=True)
    await stage.refused("get", f"{intents}/pi_unknown", 404)
    await stage.refused("get", "/v1/unknown", 404)
    await stage.refused("get", "/v1/events", 400, limit=101)
    await stage.refused("get", "/v1/balance", 403, stripe_account="acct_unknown")
    await stage.refused("get", "/v1/balance", 401, api_key="sk_test_wrong")
    with pytest.raises(stripe.PermissionError):
        await stage.browser.v1.balance.retrieve_async()


async def faults(stage: Stage) -> None:
    """Answers that went wrong on purpose are still Stripe's, and those that were cut off are not judged."""
    for fault in FAULTS:
        await stage.controls.fault("POST", "/v1/customers", fault, code="balance_insufficient")
        with pytest.raises(stripe.StripeError):
            await stage.server.v1.customers.create_async({}, stage.key)


SCENES: list[Callable[[Stage], Coroutine[Any, Any, None]]] = [
    subscription,
    customers,
    cards,
    payment_by_browser,
    declined_payments,
    authenticated_payments,
    checkouts,
    setups,
    every_other_card,
    events,
    refunds,
    disputes,
    money,
    accounts,
    transfers,
    payouts,
    connect_pages,
    webhook_endpoints,
    replays,
    refusals,
    faults,
]


@pytest.fixture(scope="module")
async def tour() -> AsyncIterator[Stage]:
    """The stage after all scenes, with every event delivered."""
    bound = listening_socket()
    deliveries = DeliveryRecorder(taking)
    receiver = uvicorn.Server(uvicorn.Config(deliveries, log_config=None, access_log=False, lifespan="off"))
    receiving = asyncio.create_task(receiver.serve([bound]))
    receiver_url = f"http://127.0.0.1:{bound.getsockname()[1]}"
    sandbox = SandboxServer(receiver_url)
    sandbox.start()
    http = stripe.HTTPXClient(timeout=20)
    clients = [
        stripe.StripeClient(
            key,
            http_client=http,
            stripe_version=PINNED_VERSION,
            base_addresses={"api": sandbox.url},
            max_network_retries=0,
        )
        for key in (SECRET_KEY, PUBLISHABLE_KEY)
    ]
    controls = StripeSide(sandbox.url)
    stage = Stage(sandbox.url, receiver_url, sandbox.recorder, deliveries, controls, *clients)
    try:
        for scene in SCENES:
            await scene(stage)
        await stage.settled()
        yield stage
    finally:
        await http.close_async()  # type: ignore[no-untyped-call]  # the SDK left this one out
        await controls.close()
        sandbox.stop()
        receiver.should_exit = True
        await receiving


async def taking(_scope: Scope, receive: Receive, send: Send) -> None:
    """A receiver that takes whatever is delivered."""
    while (await receive()).get("more_body", False):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def test_every_exchange_is_as_specified(tour: Stage) -> None:
    assert tour.recorder.violations == []


def test_every_delivery_is_as_specified(tour: Stage) -> None:
    assert tour.deliveries.violations == []


@pytest.mark.parametrize("operation", [f"{each.method} {each.path}" for each in OPERATIONS])
def test_every_operation_is_visited(tour: Stage, operation: str) -> None:
    assert tour.recorder.calls[operation, 200]


async def test_every_event_is_delivered(tour: Stage) -> None:
    assert set(tour.deliveries.types) == set(await tour.settled())
