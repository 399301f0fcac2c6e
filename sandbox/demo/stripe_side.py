"""What happens at Stripe: a browser pays with a card, a person is onboarded, a bank is paid."""

from typing import Any

import httpx

from sandbox.demo.errors import StoryError
from sandbox.demo.stage import Stage

Json = dict[str, Any]


class StripeSide:
    """The sandbox's API, pages and controls."""

    def __init__(self, stage: Stage, http: httpx.AsyncClient) -> None:
        self._stage = stage
        self._http = http

    async def pay(self, client_secret: str, card: str) -> Json:
        """As Stripe.js does, with what a browser may know. Answers the intent, or the card's `error`."""
        intent = client_secret.partition("_secret_")[0]
        return await self._call(
            "POST",
            f"/v1/payment_intents/{intent}/confirm",
            key=self._stage.publishable_key,
            data={"client_secret": client_secret, "payment_method": card},
        )

    async def authenticate(self, intent: Json) -> None:
        """The cardholder says yes on the bank's page (3-D Secure)."""
        await self._submit(intent["next_action"]["use_stripe_sdk"]["stripe_js"], outcome="accept")

    async def onboard(self, link: str) -> None:
        """Open an onboarding link, fill in Stripe's form, and be verified at once."""
        form = await self._http.get(link, follow_redirects=True)
        await self._submit(str(form.url), outcome="active")

    async def pay_out(self, transfer: str) -> str:
        """Stripe sends to the bank what the transfer brought; the payout's id."""
        sent = await self._call("GET", f"/v1/transfers/{transfer}", key=self._stage.secret_key)
        made = await self._control(f"/accounts/{sent['destination']}/payout")
        [payout] = made["payouts"]
        return str(payout["id"])

    async def arrives(self, payout: str) -> None:
        """The bank has taken it."""
        await self._control(f"/payouts/{payout}", outcome="paid")

    async def _call(self, method: str, path: str, *, key: str, data: Json | None = None) -> Json:
        response = await self._http.request(method, self._stage.stripe + path, data=data, auth=(key, ""))
        answer: Json = response.json()
        return answer

    async def _control(self, path: str, **body: str) -> Json:
        response = await self._http.post(f"{self._stage.stripe}/_sandbox{path}", json=body)
        answer: Json = response.json()
        if response.is_error:
            raise StoryError(f"The Stripe sandbox refuses {path}: {answer['error']}")
        return answer

    async def _submit(self, page: str, **form: str) -> None:
        """Click on a button. Where the page leads afterwards is no address of this machine's."""
        response = await self._http.post(page, data=form)
        if response.is_error:
            raise StoryError(f"{page} answers {response.status_code}")
