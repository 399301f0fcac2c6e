"""Adjustments as administrators ask for them, and wallets that owe."""

from typing import Any

from ulid import ULID

from domain import ledger
from domain.kernel.database import Tx
from domain.ledger import Account, Kind, NewEntry, Platform, Posting
from tests.house.house import House
from tests.house.people import Person

ADJUSTMENT_FIELDS = """
id state status kind walletId amount { amount currency } reason owner { id } askedBy { id } decidedBy { id }
waitingFor { code } createdAt updatedAt
history { status actor reason by { id } }
preview { needsConfirmation available { amount } }
"""
PREVIEW_FIELDS = """
needsConfirmation available { amount } held { amount } freezes { cause reason at }
entries { kind postings { source destination amount { amount currency } } }
"""
ADJUST = f"""
mutation ($input: AdjustWalletInput!) {{
  payload: adjustWallet(input: $input) {{
    adjustment {{ {ADJUSTMENT_FIELDS} }}
    preview {{ {PREVIEW_FIELDS} }}
    idempotency {{ replayed firstSeenAt }}
    userErrors {{ __typename code path message ... on IdempotencyError {{ conflictingFields }} }}
  }}
}}
"""
DECIDE = f"""
mutation ($input: %sAdjustmentInput!) {{
  payload: %sAdjustment(input: $input) {{
    adjustment {{ {ADJUSTMENT_FIELDS} }} userErrors {{ __typename code path message }}
  }}
}}
"""
CONFIRM = DECIDE % ("Confirm", "confirm")
REJECT = DECIDE % ("Reject", "reject")


async def wallet_id(person: Person) -> str:
    return str((await person.data("{ wallet { id } }"))["wallet"]["id"])


async def adjust(
    admin: Person, wallet: str, amount: int, *, key: str | None = None, reason: str = "A test.", **more: Any
) -> dict[str, Any]:
    """The whole payload of adjustWallet."""
    command = {"walletId": wallet, "amount": amount, "reason": reason, "idempotencyKey": key or str(ULID())}
    payload: dict[str, Any] = (await admin.data(ADJUST, {"input": command | more}))["payload"]
    return payload


async def waiting(admin: Person, wallet: str, amount: int, **more: Any) -> dict[str, Any]:
    """An adjustment that waits for another administrator."""
    payload = await adjust(admin, wallet, amount, **more)
    assert payload["userErrors"] == []
    adjustment: dict[str, Any] = payload["adjustment"]
    assert adjustment["status"] == "AWAITING_CONFIRMATION"
    return adjustment


async def confirm(admin: Person, adjustment: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The whole payload of confirmAdjustment."""
    command = {"id": adjustment["id"], **more}
    payload: dict[str, Any] = (await admin.data(CONFIRM, {"input": command}))["payload"]
    return payload


async def reject(admin: Person, adjustment: dict[str, Any], reason: str = "why?") -> dict[str, Any]:
    """The whole payload of rejectAdjustment."""
    command = {"id": adjustment["id"], "reason": reason}
    payload: dict[str, Any] = (await admin.data(REJECT, {"input": command}))["payload"]
    return payload


async def in_debt(house: House, person: Person, amount: int) -> str:
    """The id of the person's wallet, out of which Stripe took so much."""
    wallet = await ledger.open_wallet(person.id, "USD")
    step = Posting(Account.available(wallet.id), Account.platform(Platform.STRIPE), amount)
    entry = NewEntry(
        ref=f"test:{ULID()}",
        kind=Kind.DISPUTE_WITHDRAWN,
        currency="USD",
        postings=[step],
        operation="dsp_of_a_test",
        actor="webhook",
    )

    async def work(tx: Tx) -> None:
        await ledger.post(tx, entry)

    await house.runtime.database.transact(work)
    return wallet.id
