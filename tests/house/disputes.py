"""Disputes in tests: what banks do, and what became of it here."""

from typing import Any

from domain.disputes import facts, upkeep
from domain.kernel.operations import Actor
from tests.house.house import House
from tests.house.people import Answer, Person
from tests.house.refunds import paid

DISPUTES = "/v1/disputes/*"
FEE = 15_00
FIELDS = """
    id state status reason waitingFor { code message until } deposit { id }
    amount { amount currency } withdrawn { amount } reinstated { amount } writtenOff { amount }
    evidenceDueBy createdAt updatedAt history { status actor reason at }
"""
WRITE_OFF = f"""
mutation ($input: WriteOffDisputeInput!) {{
  payload: writeOffDispute(input: $input) {{ dispute {{ {FIELDS} }} userErrors {{ code message path }} }}
}}
"""
FREEZES = "{ wallet { freezes { cause reason } } }"


async def complain(house: House, deposit: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The payer's bank disputes a deposit that is `paid`, now; Stripe's dispute."""
    dispute: dict[str, Any] = await house.stripe.control(f"/charges/{deposit['intent']}/dispute", more)
    return dispute


async def disputed(house: House, person: Person, amount: int, **more: Any) -> dict[str, Any]:
    """A deposit of the person's that is disputed, as it is known here by now: our row of the dispute."""
    dispute = await complain(house, await paid(house, person, amount), **more)
    return await told(house, dispute)


async def told(house: House, dispute: dict[str, Any]) -> dict[str, Any]:
    """Our row of a dispute of Stripe's, once all of its events are handled."""
    await house.caught_up()
    return await stored(house, dispute["id"])


async def learn(house: House, dispute: dict[str, Any]) -> dict[str, Any]:
    """As `told`, but not by an event: it is read here and now."""
    actor = Actor.WORKER
    await upkeep.record(house.runtime, await facts.read(house.runtime, dispute["id"], actor=actor))
    return await stored(house, dispute["id"])


async def conclude(house: House, row: dict[str, Any], outcome: str, **more: Any) -> dict[str, Any]:
    """The bank decides; our row once we know."""
    await decide(house, row, outcome, **more)
    await house.caught_up()
    return await stored(house, row["stripe_id"])


async def decide(house: House, row: dict[str, Any], outcome: str, **more: Any) -> dict[str, Any]:
    """The bank decides, whether we hear of it or not; Stripe's dispute."""
    body = {"outcome": outcome, **more}
    dispute: dict[str, Any] = await house.stripe.control(f"/disputes/{row['stripe_id']}", body)
    return dispute


async def stored(house: House, stripe_id: str) -> dict[str, Any]:
    row: dict[str, Any] = await house.collection("disputes").find_one({"stripe_id": stripe_id})
    return row


async def present(person: Person, row: dict[str, Any]) -> dict[str, Any] | None:
    """As the person sees it."""
    query = f"query ($id: ID!) {{ dispute(id: $id) {{ {FIELDS} }} }}"
    found: dict[str, Any] | None = (await person.data(query, {"id": row["_id"]}))["dispute"]
    return found


async def try_write_off(admin: Person, row: dict[str, Any], **more: Any) -> Answer:
    command = {"id": row["_id"], "reason": "she pays no more.", **more}
    return await admin.ask(WRITE_OFF, {"input": command})


async def write_off(admin: Person, row: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The whole payload of writeOffDispute."""
    answer = await try_write_off(admin, row, **more)
    assert not answer.errors, answer.errors
    assert answer.data is not None
    payload: dict[str, Any] = answer.data["payload"]
    return payload


async def causes(person: Person) -> list[str]:
    """Why nothing leaves the person's wallet."""
    freezes = (await person.data(FREEZES))["wallet"]["freezes"]
    return [freeze["cause"] for freeze in freezes]
