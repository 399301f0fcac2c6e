"""Refunds in tests: asked for as a front end does, and done exactly in time."""

from datetime import timedelta
from typing import Any

from ulid import ULID

from domain import refunds
from domain.runtime import Runtime
from tests.house.house import House, intent_of
from tests.house.people import Answer, Person

REFUNDS = "/v1/refunds"
SECOND = timedelta(seconds=1)
FIELDS = """
    id state status origin amount { amount currency } deposit { id refunded { amount } refundable { amount } }
    owner { id } waitingFor { code message until } failure { code message } attempts nextAttemptAt refundId
    createdAt updatedAt history { status actor reason at }
"""
MUTATION = f"""
mutation ($input: %sInput!) {{
  payload: %s(input: $input) {{
    refund {{ {FIELDS} }}
    %s
    userErrors {{
      __typename code message path
      ... on IdempotencyError {{ conflictingFields }}
      ... on InsufficientFundsError {{ available {{ amount }} required {{ amount }} }}
    }}
  }}
}}
"""
INPUTS = {"refundDeposit": "RefundDeposit", "resolveRefund": "ResolveRefund", "cancelRefund": "Refund"}


async def paid(house: House, person: Person, amount: int, card: str = "pm_card_visa") -> dict[str, Any]:
    """A deposit that is in the person's wallet; `intent` is its PaymentIntent's id."""
    deposit = await person.deposits(usd=amount)
    await house.pay(deposit, card)
    return {**await house.settled(person, deposit), "intent": intent_of(deposit)}


async def try_to(person: Person, mutation: str, **command: Any) -> Answer:
    keyed = "idempotency { replayed firstSeenAt }" if mutation == "refundDeposit" else ""
    return await person.ask(MUTATION % (INPUTS[mutation], mutation, keyed), {"input": command})


async def ask_of_refund(person: Person, mutation: str, **command: Any) -> dict[str, Any]:
    """The whole payload of one of refunds' mutations."""
    answer = await try_to(person, mutation, **command)
    assert not answer.errors, answer.errors
    assert answer.data is not None
    payload: dict[str, Any] = answer.data["payload"]
    return payload


async def refund_deposit(
    person: Person, deposit: dict[str, Any], amount: int | None = None, *, key: str | None = None, **more: Any
) -> dict[str, Any]:
    """The whole payload of refundDeposit."""
    command = {"depositId": deposit["id"], "amount": amount, "idempotencyKey": key or str(ULID()), **more}
    return await ask_of_refund(person, "refundDeposit", **command)


async def refunds_of(person: Person, deposit: dict[str, Any], amount: int | None = None) -> dict[str, Any]:
    """A refund that was not refused."""
    payload = await refund_deposit(person, deposit, amount)
    assert payload["userErrors"] == []
    refund: dict[str, Any] = payload["refund"]
    return refund


async def present(person: Person, refund: dict[str, Any]) -> dict[str, Any]:
    query = f"query ($id: ID!) {{ refund(id: $id) {{ {FIELDS} }} }}"
    found: dict[str, Any] = (await person.data(query, {"id": refund["id"]}))["refund"]
    return found


async def reaches(house: House, person: Person, refund: dict[str, Any], *statuses: str) -> dict[str, Any]:
    """The refund once it is in one of `statuses`."""

    async def reached() -> dict[str, Any] | None:
        found = await present(person, refund)
        return found if found["status"] in statuses else None

    found: dict[str, Any] = await house.until(reached)
    return found


async def stored(house: House, refund: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = await house.collection("refunds").find_one({"_id": refund["id"]})
    return row


async def work(house: House, runtime: Runtime | None = None) -> None:
    """Whatever is due of refunds, as the sweep does it."""
    runtime = runtime or house.runtime
    while (due := await refunds.claim_next(runtime)) is not None:
        await refunds.look_again(runtime, due)


async def go_on(house: House, refund: dict[str, Any], runtime: Runtime | None = None) -> str:
    """Its status after what is due of it next, done in time."""
    due: timedelta = (await stored(house, refund))["next_attempt_at"] - house.clock()
    await house.time_passes(seconds=max(due, timedelta()).total_seconds())
    await work(house, runtime)
    return str((await stored(house, refund))["status"])


async def at_stripe(house: House) -> list[dict[str, Any]]:
    """The refunds that were made there, in whatever state they are."""
    return await house.stripe.objects("refund")
