"""Withdrawals in tests that do by themselves, and exactly in time, what is due."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from domain import withdrawals
from domain.gateway import GatewayConfig, StripeGateway
from domain.runtime import Runtime
from tests.house.house import House
from tests.house.people import Person
from tests.house.sandbox import SECRET_KEY

TRANSFERS = "/v1/transfers"
SECOND = timedelta(seconds=1)


async def work(house: House, runtime: Runtime | None = None) -> None:
    """Whatever is due of withdrawals, as the sweep does it."""
    runtime = runtime or house.runtime
    while (due := await withdrawals.claim_next(runtime)) is not None:
        await withdrawals.look_again(runtime, due)


async def stored(house: House, withdrawal: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = await house.collection("withdrawals").find_one({"_id": withdrawal["id"]})
    return row


async def pause(house: House, withdrawal: dict[str, Any]) -> timedelta:
    """How long after its last change it is due."""
    row = await stored(house, withdrawal)
    waits: timedelta = row["next_attempt_at"] - row["updated_at"]
    return waits


async def go_on(house: House, withdrawal: dict[str, Any], runtime: Runtime | None = None) -> str:
    """Its status after what is due of it next, a second early and then in time."""
    row = await stored(house, withdrawal)
    due: timedelta = row["next_attempt_at"] - house.clock()
    if due > SECOND:
        await house.time_passes(seconds=(due - SECOND).total_seconds())
        await work(house, runtime)
        assert await stored(house, withdrawal) == row, "nothing is done before its time"
        due = row["next_attempt_at"] - house.clock()
    await house.time_passes(seconds=max(due, timedelta()).total_seconds())
    await work(house, runtime)
    return str((await stored(house, withdrawal))["status"])


async def statuses(house: House, withdrawal: dict[str, Any]) -> list[str]:
    return [change["status"] for change in (await stored(house, withdrawal))["history"]]


async def money(house: House, person: Person) -> tuple[int, int]:
    """Available and held, whoever's token has run out."""
    wallet = await house.collection("wallets").find_one({"owner": person.id})
    return wallet["available"], wallet["held"]


async def keys(house: House) -> list[int]:
    """The numbers of the keys under which Stripe was asked for transfers, each as often as it was."""
    requests = (await house.stripe.state())["requests"]
    asked = [one for one in requests if (one["method"], one["path"]) == ("POST", TRANSFERS)]
    return [int(one["idempotency_key"].rpartition(":")[2]) for one in asked]


async def lookups(house: House) -> int:
    requests = (await house.stripe.state())["requests"]
    return [(one["method"], one["path"]) for one in requests].count(("GET", TRANSFERS))


async def alerts(house: House, code: str) -> float:
    text = (await house.http.get(f"{house.url}/metrics")).text
    name = f'jobsphere_alerts_total{{code="{code}"}} '
    return next((float(line.removeprefix(name)) for line in text.splitlines() if line.startswith(name)), 0)


async def sent_once(house: House, person: Person, withdrawal: dict[str, Any]) -> None:
    """20.00 of 50.00 are out, by the one transfer there is, and the books say so."""
    row = await stored(house, withdrawal)
    assert row["status"] == "IN_TRANSIT"
    [transfer] = await house.stripe.objects("transfer")
    [sent] = row["transfers"]
    assert (sent["id"], sent["amount"], sent["found"]) == (transfer["id"], 20_00, False)
    assert transfer["metadata"]["withdrawal_id"] == withdrawal["id"]
    assert (row["attempt"], row["lease_until"], row["failure"]) == (None, None, None)
    assert await money(house, person) == (30_00, 0)
    assert await house.ledger_is_sound(asking_stripe=True)


async def given_back(house: House, person: Person, withdrawal: dict[str, Any], code: str) -> None:
    """Nothing is out, and everything is back."""
    row = await stored(house, withdrawal)
    assert (row["status"], row["failure"]["code"], row["next_attempt_at"]) == ("FAILED", code, None)
    assert await house.stripe.objects("transfer") == []
    assert await money(house, person) == (50_00, 0)
    assert await house.ledger_is_sound(asking_stripe=True)


async def in_doubt(house: House, person: Person) -> dict[str, Any]:
    """A withdrawal of which nobody knows whether it was sent; it was not."""
    withdrawal = await person.withdraws(usd=20_00)
    await house.stripe.fault("POST", TRANSFERS, "reset_before_commit")
    await work(house)
    assert (await stored(house, withdrawal))["status"] == "UNCONFIRMED"
    return withdrawal


async def in_review(house: House, person: Person) -> dict[str, Any]:
    """Likewise, and nobody will find out by asking."""
    withdrawal = await person.withdraws(usd=20_00)
    hurried = house.with_policy(retry_delays=())
    await house.stripe.fault("POST", TRANSFERS, "reset_before_commit")
    await work(house, hurried)
    assert await go_on(house, withdrawal, hurried) == "NEEDS_REVIEW"
    return withdrawal


async def transfer_by_hand(
    house: House,
    person: Person,
    withdrawal: dict[str, Any] | None,
    amount: int = 20_00,
    to: str | None = None,
) -> str:
    """A transfer that nobody knows of; its id."""
    destination = to or await house.acct(person)
    made = {"amount": str(amount), "currency": "usd", "destination": destination}
    if withdrawal is not None:
        made |= {
            "transfer_group": f"wd_{withdrawal['id']}",
            "metadata[withdrawal_id]": withdrawal["id"],
        }
    return str((await house.stripe.request("POST", TRANSFERS, made))["id"])


@asynccontextmanager
async def another_line(house: House, **config: Any) -> AsyncIterator[Runtime]:
    """The runtime with another gateway: to nowhere, or with a circuit of its own."""
    settings: dict[str, Any] = {
        "secret_key": SECRET_KEY,
        "api_base": house.sandbox.url,
        "requests_per_second": 1000,
    }
    gateway = StripeGateway(
        GatewayConfig(**(settings | {"circuit_failures": 1000} | config)),
        cipher=house.runtime.cipher,
        now=house.clock,
    )
    try:
        yield replace(house.runtime, gateway=gateway)
    finally:
        await gateway.close()
