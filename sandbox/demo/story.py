"""The story: a customer pays for a job, its contractor is paid, and an administrator looks on.

Each step is a verb of Story. What it shows as it goes is on the screen; what it returns is its last line.
"""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

from rich.text import Text

from sandbox.demo import documents
from sandbox.demo.errors import StoryError
from sandbox.demo.people import Person
from sandbox.demo.screen import Balances, Screen, dollars, told
from sandbox.demo.stripe_side import StripeSide

Json = dict[str, Any]
Changes = AsyncIterator[Json]
DEPOSIT: Final = 1_575_00
PRICE: Final = 1_500_00
MILESTONE: Final = 500_00
AWAY: Final = "https://app.example.com/"
"""Where Stripe's pages lead to when they are done. Nobody goes there."""


class Story:
    """What has happened so far. Subscriptions stay open as long as `watching`."""

    def __init__(
        self,
        *,
        ada: Person,
        grace: Person,
        edith: Person,
        stripe: StripeSide,
        screen: Screen,
        watching: AsyncExitStack,
    ) -> None:
        self._ada = ada
        self._grace = grace
        self._edith = edith
        self._stripe = stripe
        self._screen = screen
        self._watching = watching
        self._client_secret = ""
        self._deposit: Changes
        self._escrow = ""
        self._withdrawal = ""
        self._withdrawn: Changes

    async def sign_up(self) -> Text:
        await self._ada.sign_up("CUSTOMER")
        await self._grace.sign_up("CONTRACTOR")
        return self._screen.remark("nobody has anything yet")

    async def be_declined(self) -> Text:
        payload = await self._ada.does(documents.CREATE_DEPOSIT, amount=DEPOSIT, idempotencyKey=_new_key())
        deposit = payload["deposit"]
        self._client_secret = deposit["clientSecret"]
        self._deposit = _changes(await self._watch(self._ada, documents.DEPOSIT_UPDATED, id=deposit["id"]))
        declined = await self._stripe.pay(self._client_secret, "pm_card_chargeDeclined")
        self._screen.show(self._screen.remark(f"Stripe tells her browser: {declined['error']['message']}"))
        return await self._reach("FAILED", self._deposit)

    async def pay(self) -> Text:
        intent = await self._stripe.pay(self._client_secret, "pm_card_authenticationRequired")
        self._screen.show(await self._reach("REQUIRES_ACTION", self._deposit))
        await self._stripe.authenticate(intent)
        return await self._reach("SUCCEEDED", self._deposit)

    async def lock(self) -> Text:
        payload = await self._ada.does(
            documents.CREATE_ESCROW,
            jobId="a-website",
            contractorId=self._grace.id,
            price=PRICE,
            idempotencyKey=_new_key(),
        )
        self._escrow = payload["escrow"]["id"]
        return self._last_state(payload["escrow"])

    async def accept(self) -> Text:
        payload = await self._grace.does(documents.ACCEPT_ESCROW, id=self._escrow)
        return self._last_state(payload["escrow"])

    async def release_milestone(self) -> Text:
        return await self._release(amount=MILESTONE)

    async def release_rest(self) -> Text:
        return await self._release()

    async def ask_what_is_in_the_way(self) -> Text:
        wish = (await self.balances()).grace_available
        wallet = await self._grace.asks(documents.BLOCKERS, amount=wish)
        *others, last = [
            self._screen.blocker(blocker["code"], blocker["message"])
            for blocker in wallet["withdrawalBlockers"]
        ]
        for other in others:
            self._screen.show(other)
        return last

    async def be_onboarded(self) -> Text:
        payload = await self._grace.does(
            documents.CREATE_CONNECT_ACCOUNT, returnUrl=AWAY, refreshUrl=AWAY, idempotencyKey=_new_key()
        )
        statuses = _statuses(await self._watch(self._grace, documents.CONNECT_ACCOUNT_UPDATED))
        self._screen.show(await self._reach("INCOMPLETE", statuses))
        await self._stripe.onboard(payload["onboardingLink"]["url"])
        return await self._reach("ACTIVE", statuses)

    async def ask_for_too_much(self) -> Text:
        too_much = 2 * (await self.balances()).grace_available
        payload = await self._grace.tries(
            documents.REQUEST_WITHDRAWAL, amount=too_much, idempotencyKey=_new_key()
        )
        if not payload["userErrors"]:
            raise StoryError("Grace was given more than she has.")
        [error] = payload["userErrors"]
        self._screen.show(self._screen.state(error["code"]))
        required, available = error["required"]["display"], error["available"]["display"]
        return self._screen.remark(f"asked for {required}, there is {available}")

    async def request_withdrawal(self) -> Text:
        everything = (await self.balances()).grace_available
        payload = await self._grace.does(
            documents.REQUEST_WITHDRAWAL, amount=everything, idempotencyKey=_new_key()
        )
        self._withdrawal = payload["withdrawal"]["id"]
        updates = await self._watch(self._grace, documents.WITHDRAWAL_UPDATED, id=self._withdrawal)
        self._withdrawn = _changes(updates)
        self._screen.show(await self._reach("AWAITING_APPROVAL", self._withdrawn))
        return self._screen.remark(f"waits for: {payload['withdrawal']['waitingFor']['message']}")

    async def approve(self) -> Text:
        await self._edith.does(documents.APPROVE_WITHDRAWAL, id=self._withdrawal)
        return await self._reach("IN_TRANSIT", self._withdrawn)

    async def be_paid(self) -> Text:
        withdrawal = await self._grace.asks(documents.WITHDRAWAL, id=self._withdrawal)
        payout = await self._stripe.pay_out(withdrawal["transferId"])
        self._screen.show(self._screen.remark("the payout that Stripe makes every midnight is made now"))
        await self._stripe.arrives(payout)
        self._screen.show(await self._reach("PAID", self._withdrawn))
        async for change in self._withdrawn:
            raise StoryError(f"The withdrawal was paid, and came to {change['status']} after that.")
        return self._screen.remark("it is settled: the subscription completes")

    async def prove(self) -> Text:
        report = await self._edith.asks(documents.LEDGER_REPORT)
        if not report["ok"]:
            raise StoryError(f"The books are not sound: {report['violations']}")
        looked_at = f"looked at: {report['entries']} entries, {report['wallets']} wallets"
        self._screen.show(self._screen.remark(looked_at))
        return self._screen.state("SOUND")

    async def balances(self) -> Balances:
        """Who holds what now, as each of them is told."""
        ada = await self._ada.asks(documents.WALLET)
        grace = await self._grace.asks(documents.WALLET)
        in_escrow: int = ada["inEscrow"]["amount"]
        return Balances(
            ada_available=ada["available"]["amount"],
            ada_in_escrow=in_escrow,
            grace_available=grace["available"]["amount"],
            grace_held=grace["held"]["amount"],
            fees=await self._fees(in_escrow),
        )

    async def sum(self) -> Text:
        """What became of Ada's money. Raises StoryError when a cent is missing."""
        left = await self.balances()
        withdrawal = await self._grace.asks(documents.WITHDRAWAL, id=self._withdrawal)
        escrow = await self._ada.asks(documents.ESCROW, id=self._escrow)
        paid: int = DEPOSIT - left.ada_available - left.ada_in_escrow
        got: int = withdrawal["amount"]["amount"]
        platform_fee: int = escrow["platformFee"]["amount"]
        service_fee: int = escrow["serviceFee"]["amount"]
        if not paid - got == left.fees == platform_fee + service_fee:
            raise StoryError(f"Ada paid {dollars(paid)}, Grace got {dollars(got)}: the fees are another sum.")
        fees = f"{dollars(platform_fee)} platform fee + {dollars(service_fee)} service fee"
        return told(f"Ada paid {dollars(paid)} = {dollars(got)} at Grace's bank + {fees}")

    async def _fees(self, in_escrow: int) -> int:
        """What has gone into the escrow, is there no more, and did not go to Grace."""
        if not self._escrow:
            return 0
        escrow = await self._ada.asks(documents.ESCROW, id=self._escrow)
        released = sum(move["net"]["amount"] for move in escrow["moves"])
        fees: int = escrow["charged"]["amount"] - in_escrow - released
        return fees

    async def _release(self, **amount: int) -> Text:
        payload = await self._ada.does(
            documents.RELEASE_ESCROW, id=self._escrow, idempotencyKey=_new_key(), **amount
        )
        return self._last_state(payload["escrow"])

    def _last_state(self, operation: Json) -> Text:
        change = operation["history"][-1]
        return self._screen.state(change["status"], change["actor"])

    async def _watch(self, person: Person, document: str, **variables: Any) -> Changes:
        return await self._watching.enter_async_context(person.watches(document, **variables))

    async def _reach(self, status: str, changes: Changes) -> Text:
        """The line of that state; those before it are shown as they come."""
        async for change in changes:
            line = self._screen.state(change["status"], change["actor"])
            if change["status"] == status:
                return line
            self._screen.show(line)
        raise StoryError(f"It was over before it was {status}.")


@dataclass(frozen=True)
class Step:
    title: str
    play: Callable[[Story], Awaitable[Text]]


ACTS: Final[Mapping[str, Sequence[Step]]] = {
    "Money in": (
        Step("Ada signs up as a customer, Grace as a contractor", Story.sign_up),
        Step(f"Ada pays in {dollars(DEPOSIT)}, but her card is declined", Story.be_declined),
        Step("Ada takes another card, and says yes to her bank (3-D Secure)", Story.pay),
    ),
    "The job": (
        Step(f"Ada locks a job's price, {dollars(PRICE)}, and the platform's fee in escrow", Story.lock),
        Step("Grace takes the job on", Story.accept),
        Step(
            f"Ada releases a milestone of {dollars(MILESTONE)}, less the service fee", Story.release_milestone
        ),
        Step("Ada releases the rest: the job is done", Story.release_rest),
    ),
    "Onboarding": (
        Step("Grace asks what would keep her from taking it all out", Story.ask_what_is_in_the_way),
        Step("Grace sets up an account for payouts, and fills in Stripe's form", Story.be_onboarded),
    ),
    "Money out": (
        Step("Grace asks for twice what she has", Story.ask_for_too_much),
        Step("Grace withdraws all that she has, which is above the limit", Story.request_withdrawal),
        Step("Edith, an administrator, approves it, and it is sent", Story.approve),
        Step("Stripe pays it out, and Grace's bank has it", Story.be_paid),
        Step("Edith has the books proved: every invariant, over all that is stored", Story.prove),
    ),
}


async def _changes(updates: Changes) -> Changes:
    """Each change of an operation's status, once: an update may merge several, and its history has them."""
    known = 0
    async for operation in updates:
        for change in operation["history"][known:]:
            yield change
        known = len(operation["history"])


async def _statuses(updates: Changes) -> Changes:
    """The same of an account, which has no history, and is as Stripe says."""
    before = None
    async for account in updates:
        if account["status"] != before:
            yield {"status": account["status"], "actor": "Stripe"}
        before = account["status"]


def _new_key() -> str:
    return secrets.token_hex(16)
