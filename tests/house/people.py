"""People speak GraphQL over HTTP, as a front end would."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
import websockets
from ulid import ULID

DEPOSIT_FIELDS = """
    id state status amount { amount currency display } received { amount } clientSecret
    nextActionUrl checkoutUrl expiresAt receipts { received { amount currency } paymentIntentId resolution }
    failure { code message declineCode } waitingFor { code message until }
    createdAt updatedAt history { status actor reason at }
"""
CREATE_DEPOSIT = f"""
mutation ($input: CreateDepositInput!) {{
  createDeposit(input: $input) {{
    deposit {{ {DEPOSIT_FIELDS} }}
    idempotency {{ replayed firstSeenAt }}
    userErrors {{
      __typename code message path
      ... on IdempotencyError {{ conflictingFields }}
      ... on PaymentError {{ declineCode }}
      ... on RateLimitedError {{ retryAfterSeconds limit windowSeconds }}
    }}
  }}
}}
"""
CONNECT_ACCOUNT_FIELDS = """
    id status withdrawalsEnabled country payoutsEnabled detailsSubmitted requirementsDue
    requirementErrors { requirement code reason } futureRequirementsDue requirementsDeadline
    disabledReason observedAt createdAt updatedAt
"""
CREATE_CONNECT_ACCOUNT = f"""
mutation ($input: CreateConnectAccountInput!) {{
  createConnectAccount(input: $input) {{
    connectAccount {{ {CONNECT_ACCOUNT_FIELDS} }}
    onboardingLink {{ url expiresAt }}
    idempotency {{ replayed firstSeenAt }}
    userErrors {{
      __typename code message path
      ... on IdempotencyError {{ conflictingFields }}
      ... on RateLimitedError {{ retryAfterSeconds limit windowSeconds }}
    }}
  }}
}}
"""
CREATE_ONBOARDING_LINK = """
mutation ($input: CreateOnboardingLinkInput!) {
  createOnboardingLink(input: $input) {
    onboardingLink { url expiresAt }
    userErrors { __typename code message path }
  }
}
"""
CREATE_DASHBOARD_LINK = """
mutation { createDashboardLink { url userErrors { __typename code message path } } }
"""
ADDRESSES = {"returnUrl": "https://app.example.com/done", "refreshUrl": "https://app.example.com/again"}
CARD_FIELDS = "id type brand last4 expMonth expYear isDefault"
CARD_MUTATION = f"""
mutation ($input: PaymentMethodInput!) {{
  payload: %s(input: $input) {{
    paymentMethod {{ {CARD_FIELDS} }}
    userErrors {{ __typename code message path }}
  }}
}}
"""
CREATE_SETUP_INTENT = """
mutation {
  createSetupIntent {
    setupIntent { clientSecret }
    userErrors { __typename code message path ... on PaymentError { declineCode } }
  }
}
"""
ESCROW_FIELDS = """
    id state status jobId customer { id } contractor { id displayName }
    price { amount currency } platformFee { amount } serviceFee { amount } charged { amount }
    payout { amount } released { amount } refunded { amount }
    moves { id kind amount { amount } net { amount } actor reason at }
    waitingFor { code message until } expiresAt createdAt updatedAt history { status actor reason at }
"""
ESCROW_MUTATION = f"""
mutation ($input: %sInput!) {{
  payload: %s(input: $input) {{
    escrow {{ {ESCROW_FIELDS} }}
    idempotency {{ replayed firstSeenAt }}
    userErrors {{
      __typename code message path
      ... on IdempotencyError {{ conflictingFields }}
      ... on InsufficientFundsError {{ available {{ amount }} required {{ amount }} }}
    }}
  }}
}}
"""
WITHDRAWAL_FIELDS = """
    id state status amount { amount currency } reversed { amount } owner { id }
    waitingFor { code message until } failure { code message } attempts nextAttemptAt transferId
    estimatedArrival createdAt updatedAt history { status actor reason at }
"""
WITHDRAWAL_MUTATION = f"""
mutation ($input: %sInput!) {{
  payload: %s(input: $input) {{
    withdrawal {{ {WITHDRAWAL_FIELDS} }}
    %s
    userErrors {{
      __typename code message path
      ... on IdempotencyError {{ conflictingFields }}
      ... on InsufficientFundsError {{ available {{ amount }} required {{ amount }} }}
      ... on RateLimitedError {{ retryAfterSeconds limit windowSeconds }}
    }}
  }}
}}
"""
# The mutations that have an input of their own; the others take WithdrawalInput.
WITHDRAWAL_INPUTS = {"requestWithdrawal": "RequestWithdrawal", "resolveWithdrawal": "ResolveWithdrawal"}


def withdrawal_mutation(mutation: str) -> str:
    """The document of one of withdrawals' mutations; only what makes one has a key to tell of."""
    keyed = "idempotency { replayed firstSeenAt }" if mutation == "requestWithdrawal" else ""
    return WITHDRAWAL_MUTATION % (WITHDRAWAL_INPUTS.get(mutation, "Withdrawal"), mutation, keyed)


BLOCKERS = """
query ($amount: MinorUnits!, $currency: CurrencyCode!) {
  wallet(currency: $currency) { withdrawalBlockers(amount: $amount) { code message until } }
}
"""
# The mutations that have an input of their own; the others take EscrowInput.
ESCROW_INPUTS = {
    "createEscrow": "CreateEscrow",
    "releaseEscrow": "ReleaseEscrow",
    "refundEscrow": "RefundEscrow",
    "resolveEscrow": "ResolveEscrow",
}
SIGN_UP = """
mutation ($input: SignUpInput!) {
  signUp(input: $input) {
    session { accessToken refreshToken user { id email displayName roles } }
    userErrors { code message path }
  }
}
"""


@dataclass(frozen=True)
class Answer:
    """One GraphQL answer: HTTP status, `data` and `errors`."""

    status: int
    data: dict[str, Any] | None
    errors: list[dict[str, Any]]

    @property
    def code(self) -> str | None:
        """The first top-level error's code."""
        return self.errors[0]["extensions"]["code"] if self.errors else None


class Person:
    """Somebody with a token, or nobody in particular without one."""

    def __init__(self, url: str, http: httpx.AsyncClient) -> None:
        self._url = url
        self._http = http
        self.id = ""
        self.email = ""
        self.token: str | None = None
        # As a browser's Accept-Language says it; None sends no such header.
        self.language: str | None = None
        self.refresh_token: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        named = {"Authorization": self.token and f"Bearer {self.token}", "Accept-Language": self.language}
        return {name: value for name, value in named.items() if value is not None}

    async def ask(self, query: str, variables: dict[str, Any] | None = None) -> Answer:
        body = {"query": query, "variables": variables or {}}
        response = await self._http.post(self._url, json=body, headers=self.headers)
        content = response.json()
        return Answer(response.status_code, content.get("data"), content.get("errors", []))

    async def data(self, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        """The answer's data; an error fails the test."""
        answer = await self.ask(query, variables)
        assert not answer.errors, answer.errors
        assert answer.data is not None
        return answer.data

    async def sign_up(self, name: str, *roles: str) -> "Person":
        email = f"{name}.{ULID()}@example.com".lower()
        person = {"email": email, "password": "correct horse", "displayName": name, "roles": list(roles)}
        payload = (await self.data(SIGN_UP, {"input": person}))["signUp"]
        assert payload["userErrors"] == []
        self.take(payload["session"])
        return self

    async def refresh(self) -> None:
        """A fresh access token, for one whose time is over."""
        query = """mutation ($token: String!) { refreshSession(input: {refreshToken: $token}) {
            session { accessToken refreshToken user { id email } } } }"""
        token, self.token = self.refresh_token, None
        self.take((await self.data(query, {"token": token}))["refreshSession"]["session"])

    def take(self, session: dict[str, Any]) -> None:
        self.token, self.refresh_token = session["accessToken"], session["refreshToken"]
        self.id, self.email = session["user"]["id"], session["user"]["email"]

    async def create_deposit(self, amount: int, *, key: str | None = None, **more: Any) -> dict[str, Any]:
        """The whole payload of createDeposit."""
        command = {"amount": amount, "idempotencyKey": key or str(ULID()), **more}
        payload: dict[str, Any] = (await self.data(CREATE_DEPOSIT, {"input": command}))["createDeposit"]
        return payload

    async def deposits(self, *, usd: int) -> dict[str, Any]:
        """A deposit of `usd` cents that waits for its payment."""
        payload = await self.create_deposit(usd)
        assert payload["userErrors"] == []
        deposit: dict[str, Any] = payload["deposit"]
        return deposit

    async def deposit(self, deposit_id: str) -> dict[str, Any]:
        query = f"query ($id: ID!) {{ deposit(id: $id) {{ {DEPOSIT_FIELDS} }} }}"
        deposit: dict[str, Any] = (await self.data(query, {"id": deposit_id}))["deposit"]
        return deposit

    async def cards(self) -> list[dict[str, Any]]:
        """The saved cards, newest first."""
        cards: list[dict[str, Any]] = (await self.data(f"{{ paymentMethods {{ {CARD_FIELDS} }} }}"))[
            "paymentMethods"
        ]
        return cards

    async def set_default_card(self, card_id: str) -> dict[str, Any]:
        """The whole payload of setDefaultPaymentMethod."""
        return await self._change_card("setDefaultPaymentMethod", card_id)

    async def remove_card(self, card_id: str) -> dict[str, Any]:
        """The whole payload of removePaymentMethod."""
        return await self._change_card("removePaymentMethod", card_id)

    async def create_setup_intent(self) -> dict[str, Any]:
        """The whole payload of createSetupIntent."""
        payload: dict[str, Any] = (await self.data(CREATE_SETUP_INTENT))["createSetupIntent"]
        return payload

    async def create_escrow(
        self, contractor: "Person", price: int, *, key: str | None = None, **more: Any
    ) -> dict[str, Any]:
        """The whole payload of createEscrow."""
        command = {"jobId": "job", "contractorId": contractor.id, "price": price, **more}
        return await self.ask_of_escrow("createEscrow", idempotencyKey=key or str(ULID()), **command)

    async def hires(self, contractor: "Person", *, usd: int, accepted: bool = True) -> dict[str, Any]:
        """An escrow of `usd` cents, which the contractor has accepted, or not yet."""
        payload = await self.create_escrow(contractor, usd)
        if accepted:
            payload = await contractor.accept_escrow(payload["escrow"])
        assert payload["userErrors"] == []
        escrow: dict[str, Any] = payload["escrow"]
        return escrow

    async def escrow(self, escrow_id: str) -> dict[str, Any] | None:
        query = f"query ($id: ID!) {{ escrow(id: $id) {{ {ESCROW_FIELDS} }} }}"
        escrow: dict[str, Any] | None = (await self.data(query, {"id": escrow_id}))["escrow"]
        return escrow

    async def accept_escrow(self, escrow: dict[str, Any], **more: Any) -> dict[str, Any]:
        """The whole payload of acceptEscrow; likewise below."""
        return await self.ask_of_escrow("acceptEscrow", id=escrow["id"], **more)

    async def reject_escrow(self, escrow: dict[str, Any], **more: Any) -> dict[str, Any]:
        return await self.ask_of_escrow("rejectEscrow", id=escrow["id"], **more)

    async def cancel_escrow(self, escrow: dict[str, Any], **more: Any) -> dict[str, Any]:
        return await self.ask_of_escrow("cancelEscrow", id=escrow["id"], **more)

    async def dispute_escrow(self, escrow: dict[str, Any], reason: str = "not done.") -> dict[str, Any]:
        return await self.ask_of_escrow("disputeEscrow", id=escrow["id"], reason=reason)

    async def release_escrow(
        self, escrow: dict[str, Any], amount: int | None = None, *, key: str | None = None
    ) -> dict[str, Any]:
        command = {"id": escrow["id"], "amount": amount, "idempotencyKey": key or str(ULID())}
        return await self.ask_of_escrow("releaseEscrow", **command)

    async def refund_escrow(
        self, escrow: dict[str, Any], amount: int | None = None, *, key: str | None = None, **more: Any
    ) -> dict[str, Any]:
        command = {"id": escrow["id"], "amount": amount, "idempotencyKey": key or str(ULID()), **more}
        return await self.ask_of_escrow("refundEscrow", **command)

    async def resolve_escrow(
        self, escrow: dict[str, Any], release: int, *, key: str | None = None, reason: str = "half done."
    ) -> dict[str, Any]:
        command = {"id": escrow["id"], "releaseAmount": release, "reason": reason}
        return await self.ask_of_escrow("resolveEscrow", idempotencyKey=key or str(ULID()), **command)

    async def ask_of_escrow(self, mutation: str, **command: Any) -> dict[str, Any]:
        """The whole payload of one of escrow's mutations."""
        query = ESCROW_MUTATION % (ESCROW_INPUTS.get(mutation, "Escrow"), mutation)
        payload: dict[str, Any] = (await self.data(query, {"input": command}))["payload"]
        return payload

    async def _change_card(self, mutation: str, card_id: str) -> dict[str, Any]:
        payload: dict[str, Any] = (await self.data(CARD_MUTATION % mutation, {"input": {"id": card_id}}))[
            "payload"
        ]
        return payload

    async def request_withdrawal(self, amount: int, *, key: str | None = None, **more: Any) -> dict[str, Any]:
        """The whole payload of requestWithdrawal."""
        command = {"amount": amount, "idempotencyKey": key or str(ULID()), **more}
        return await self.ask_of_withdrawal("requestWithdrawal", **command)

    async def withdraws(self, *, usd: int) -> dict[str, Any]:
        """A withdrawal of `usd` cents."""
        payload = await self.request_withdrawal(usd)
        assert payload["userErrors"] == []
        withdrawal: dict[str, Any] = payload["withdrawal"]
        return withdrawal

    async def withdrawal(self, withdrawal_id: str) -> dict[str, Any]:
        query = f"query ($id: ID!) {{ withdrawal(id: $id) {{ {WITHDRAWAL_FIELDS} }} }}"
        withdrawal: dict[str, Any] = (await self.data(query, {"id": withdrawal_id}))["withdrawal"]
        return withdrawal

    async def cancel_withdrawal(self, withdrawal: dict[str, Any], **more: Any) -> dict[str, Any]:
        """The whole payload of cancelWithdrawal; likewise below."""
        return await self.ask_of_withdrawal("cancelWithdrawal", id=withdrawal["id"], **more)

    async def approve_withdrawal(self, withdrawal: dict[str, Any], **more: Any) -> dict[str, Any]:
        return await self.ask_of_withdrawal("approveWithdrawal", id=withdrawal["id"], **more)

    async def reject_withdrawal(self, withdrawal: dict[str, Any], **more: Any) -> dict[str, Any]:
        return await self.ask_of_withdrawal("rejectWithdrawal", id=withdrawal["id"], **more)

    async def resolve_withdrawal(
        self, withdrawal: dict[str, Any], outcome: str, *, reason: str = "seen at Stripe.", **more: Any
    ) -> dict[str, Any]:
        command = {"id": withdrawal["id"], "outcome": outcome, "reason": reason, **more}
        return await self.ask_of_withdrawal("resolveWithdrawal", **command)

    async def ask_of_withdrawal(self, mutation: str, **command: Any) -> dict[str, Any]:
        query = withdrawal_mutation(mutation)
        payload: dict[str, Any] = (await self.data(query, {"input": command}))["payload"]
        return payload

    async def blockers(self, amount: int, currency: str = "USD") -> list[str]:
        """The codes of what stands in the way of a withdrawal."""
        variables = {"amount": amount, "currency": currency}
        found = (await self.data(BLOCKERS, variables))["wallet"]["withdrawalBlockers"]
        return [blocker["code"] for blocker in found]

    async def held(self, currency: str = "USD") -> int:
        query = "query ($currency: CurrencyCode!) { wallet(currency: $currency) { held { amount } } }"
        wallet = (await self.data(query, {"currency": currency}))["wallet"]
        return int(wallet["held"]["amount"])

    async def create_connect_account(self, *, key: str | None = None, **more: Any) -> dict[str, Any]:
        """The whole payload of createConnectAccount."""
        command = {**ADDRESSES, "idempotencyKey": key or str(ULID()), **more}
        payload: dict[str, Any] = (await self.data(CREATE_CONNECT_ACCOUNT, {"input": command}))[
            "createConnectAccount"
        ]
        return payload

    async def connect_account(self, *, refresh: bool = False) -> dict[str, Any] | None:
        field = f"connectAccount(refresh: $refresh) {{ {CONNECT_ACCOUNT_FIELDS} }}"
        query = f"query ($refresh: Boolean!) {{ {field} }}"
        account: dict[str, Any] | None = (await self.data(query, {"refresh": refresh}))["connectAccount"]
        return account

    async def create_onboarding_link(self, **addresses: str) -> dict[str, Any]:
        """The whole payload of createOnboardingLink."""
        payload: dict[str, Any] = (
            await self.data(CREATE_ONBOARDING_LINK, {"input": {**ADDRESSES, **addresses}})
        )["createOnboardingLink"]
        return payload

    async def create_dashboard_link(self) -> dict[str, Any]:
        """The whole payload of createDashboardLink."""
        payload: dict[str, Any] = (await self.data(CREATE_DASHBOARD_LINK))["createDashboardLink"]
        return payload

    async def available(self, currency: str = "USD") -> int:
        query = "query ($currency: CurrencyCode!) { wallet(currency: $currency) { available { amount } } }"
        wallet = (await self.data(query, {"currency": currency}))["wallet"]
        return int(wallet["available"]["amount"])

    async def in_escrow(self, currency: str = "USD") -> int:
        query = "query ($currency: CurrencyCode!) { wallet(currency: $currency) { inEscrow { amount } } }"
        wallet = (await self.data(query, {"currency": currency}))["wallet"]
        return int(wallet["inEscrow"]["amount"])

    @asynccontextmanager
    async def subscribe(
        self, query: str, variables: dict[str, Any] | None = None
    ) -> AsyncIterator["Subscription"]:
        """A subscription over graphql-transport-ws, on a socket of its own."""
        async with self.socket() as socket:
            payload = {"query": query, "variables": variables or {}}
            await socket.send(frame_of({"id": "1", "type": "subscribe", "payload": payload}))
            yield Subscription(socket)

    @asynccontextmanager
    async def socket(self, *, at: str | None = None) -> AsyncIterator[websockets.ClientConnection]:
        """A socket on which the person was greeted; `at`: of another process, by its url."""
        url = (self._url if at is None else f"{at}/graphql").replace("http://", "ws://")
        headers = self.headers
        token = {name: headers.pop(name) for name in ("Authorization",) if name in headers}
        async with websockets.connect(
            url,
            subprotocols=["graphql-transport-ws"],  # type: ignore[list-item]
            additional_headers=headers,
        ) as socket:
            await socket.send(frame_of({"type": "connection_init", "payload": token}))
            assert orjson.loads(await socket.recv())["type"] == "connection_ack"
            yield socket


class Subscription:
    """What comes down one subscription."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self._socket = socket

    async def next(self, timeout_s: float = 10) -> dict[str, Any] | None:
        """The next data; None when it completed. An error fails the test."""
        async with asyncio.timeout(timeout_s):
            while True:
                message = orjson.loads(await self._socket.recv())
                if message["type"] == "ping":
                    await self._socket.send(frame_of({"type": "pong"}))
                    continue
                if message["type"] == "complete":
                    return None
                assert message["type"] == "next", message
                assert not message["payload"].get("errors"), message
                data: dict[str, Any] = message["payload"]["data"]
                return data

    async def refusal(self, timeout_s: float = 10) -> str:
        """The code of the error that is all that comes."""
        async with asyncio.timeout(timeout_s):
            message = orjson.loads(await self._socket.recv())
        errors = message["payload"] if message["type"] == "error" else message["payload"]["errors"]
        return str(errors[0]["extensions"]["code"])

    async def until_complete(self) -> list[dict[str, Any]]:
        """Everything up to the completion."""
        seen = []
        while (data := await self.next()) is not None:
            seen.append(data)
        return seen


def frame_of(message: dict[str, Any]) -> str:
    return orjson.dumps(message).decode()
