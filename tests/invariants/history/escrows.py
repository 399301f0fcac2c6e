"""What the parties of an escrow do, and administrators about it; and what must be true of every answer."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from domain import escrow
from domain.escrow import Asker, CreateEscrow, RefundEscrow, ReleaseEscrow
from domain.kernel.errors import DomainError
from tests.house import Person
from tests.invariants.history import people
from tests.invariants.history.deals import REFUND, RELEASE, Deal, Order
from tests.invariants.history.world import Contractor, Payer, World, must

JOB = "a job"
ENDINGS = {"reject": "REJECTED", "cancel": "CANCELED"}
_NOT_DONE = {"INVALID_STATE", "INVALID_INPUT", "WALLET_FROZEN"}


def deal(world: World, customer: Payer, contractor: Contractor, price: int, currency: str) -> Deal:
    """A new intention; its key is in the order of their making, as a wish's."""
    made = Deal(customer, contractor, f"deal {len(world.deals)}", price, currency)
    world.deals.append(made)
    return made


async def create(world: World, wanted: Deal, *, times: int = 1) -> None:
    """Ask for the escrow, or for its replay, so many times at once."""
    asked = (
        wanted.customer.person.create_escrow(
            wanted.contractor.person, wanted.price, key=wanted.key, currency=wanted.currency, jobId=JOB
        )
        for _ in range(times)
    )
    for payload in await asyncio.gather(*asked):
        _heard_created(world, wanted, payload)


async def create_and_die(world: World, wanted: Deal, *, after_ms: int) -> None:
    """The API's process dies in the middle of it; whoever asked tries once more."""
    command = CreateEscrow(
        job_id=JOB,
        contractor_id=wanted.contractor.person.id,
        price=wanted.price,
        currency=wanted.currency,
        idempotency_key=wanted.key,
    )
    made = await people.die(escrow.create(world.house.runtime, wanted.customer.person.id, command), after_ms)
    must(isinstance(made, escrow.Answered | asyncio.CancelledError | DomainError), f"it raised {made!r}")
    wanted.firsts += isinstance(made, escrow.Answered) and not made.replayed
    await create(world, wanted)


async def accept(world: World, taken: Deal) -> None:
    if taken.id is not None:
        await _accept(world, taken, alone=True)


async def end(world: World, given_up: Deal, how: str) -> None:
    if given_up.id is not None:
        await _end(world, given_up, how, alone=True)


async def answer_at_once(world: World, wanted: Deal, hows: Sequence[str]) -> None:
    """It is accepted, rejected, canceled: all at once. One of them is first."""
    if wanted.id is None:
        return
    deeds: list[Awaitable[None]] = [
        _accept(world, wanted, alone=False) if how == "accept" else _end(world, wanted, how, alone=False)
        for how in hows
    ]
    await asyncio.gather(*deeds)
    must(not (wanted.accepted and wanted.ended), f"{wanted.id} was accepted, and {wanted.ended}")


async def dispute(world: World, bad: Deal, by: str) -> None:
    if bad.id is None:
        return
    before = bad.states()
    person = (await _persons(world, bad))[by]
    payload = await person.dispute_escrow({"id": bad.id})
    codes = world.codes("disputeEscrow", payload)
    must(codes <= {"INVALID_STATE"}, f"disputeEscrow was refused by {codes}")
    if not codes:
        must(bad.accepted and bad.rest, f"{bad.id} was {before}, and is disputed")
        bad.disputed = True
        must(payload["escrow"]["status"] == "DISPUTED", f"{bad.id} was disputed, and is not")
    else:
        must(not before <= {"ACCEPTED", "PARTIALLY_RELEASED"}, f"{bad.id} is {before}: it can be disputed")


async def move(world: World, running: Deal, orders: Sequence[Order], *, times: int = 1) -> None:
    """Money is released, refunded, divided: each order so many times, and all of it at once."""
    if running.id is None:
        return
    alone = len(orders) == 1
    running.orders.extend(order for order in orders if order not in running.orders)
    frozen = world.frozen_for(running.customer.person, running.currency)
    known = [None if order.done or not alone else running.allows(order, frozen=frozen) for order in orders]
    payloads = await asyncio.gather(*(_ask(world, running, order) for order in orders for _ in range(times)))
    answered = [payloads[first * times : (first + 1) * times] for first in range(len(orders))]
    for order, expected, answers in zip(orders, known, answered, strict=True):
        for payload in answers:
            _heard_moved(world, running, order, payload)
        must(
            expected in {None, order.done}, f"{running.id}, {running.states()}: {order} should be {expected}"
        )
    released, refunded = running.progress()
    must(min(released, refunded, running.rest) >= 0, f"{running.id} of {running.price}: {running.orders}")


async def move_and_die(world: World, running: Deal, order: Order, *, after_ms: int) -> None:
    """The API's process dies in the middle of it; whoever asked tries once more."""
    if running.id is None:
        return
    asker = Asker((await _persons(world, running))[order.by].id, is_admin=order.by == "admin")
    runtime = world.house.runtime
    if order.kind == RELEASE:
        command = ReleaseEscrow(running.id, order.key, order.amount)
        made = await people.die(escrow.release(runtime, asker, command), after_ms)
    else:
        made = await people.die(
            escrow.refund(runtime, asker, RefundEscrow(running.id, order.key, order.amount)), after_ms
        )
    must(isinstance(made, escrow.Answered | asyncio.CancelledError | DomainError), f"it raised {made!r}")
    order.done = isinstance(made, escrow.Answered)
    running.orders.append(order)
    payload = await _ask(world, running, order)
    _heard_moved(world, running, order, payload)


async def judge(world: World) -> None:
    """Of the disputes, a third is decided, a third is given back, and a third goes on."""
    for number, running in enumerate(world.deals):
        if "DISPUTED" in running.states():
            key = f"{running.key}, judged"
            if number % 3 == 0:
                half = Order(RELEASE, running.rest // 2, key, "admin", with_rest=True)
                await move(world, running, [half])
            elif number % 3 == 1:
                await move(world, running, [Order(REFUND, None, key, "admin")])


async def _accept(world: World, taken: Deal, *, alone: bool) -> None:
    before = taken.states()
    payload = await taken.contractor.person.accept_escrow({"id": taken.id})
    codes = world.codes("acceptEscrow", payload)
    must(codes <= {"INVALID_STATE"}, f"acceptEscrow was refused by {codes}")
    taken.accepted = taken.accepted or not codes
    if alone:
        must(not codes or before != {"FUNDED"}, f"{taken.id} waited, and was not accepted")
        must(codes or before & {"FUNDED", "ACCEPTED"}, f"{taken.id} was {before}, and was accepted")


async def _end(world: World, given_up: Deal, how: str, *, alone: bool) -> None:
    before = given_up.states()
    if how == "reject":
        payload = await given_up.contractor.person.reject_escrow({"id": given_up.id})
    else:
        payload = await given_up.customer.person.cancel_escrow({"id": given_up.id})
    codes = world.codes(f"{how}Escrow", payload)
    must(codes <= {"INVALID_STATE"}, f"{how}Escrow was refused by {codes}")
    if not codes:
        must(given_up.ended in {None, ENDINGS[how]}, f"{given_up.id} was {given_up.ended}, and {how}ed")
        given_up.ended = ENDINGS[how]
    if alone:
        must(not codes or before != {"FUNDED"}, f"{given_up.id} waited, and could not be ended")
        must(codes or before & {"FUNDED", ENDINGS[how]}, f"{given_up.id} was {before}, and was ended")


async def _ask(world: World, running: Deal, order: Order) -> dict[str, Any]:
    person = (await _persons(world, running))[order.by]
    told = {"id": running.id}
    if order.with_rest:
        return await person.resolve_escrow(told, order.amount or 0, key=order.key)
    if order.kind == RELEASE:
        return await person.release_escrow(told, order.amount, key=order.key)
    return await person.refund_escrow(told, order.amount, key=order.key)


async def _persons(world: World, running: Deal) -> dict[str, Person]:
    return {
        "customer": running.customer.person,
        "contractor": running.contractor.person,
        "admin": await people.admin(world, 0),
    }


def _heard_created(world: World, wanted: Deal, payload: Mapping[str, Any]) -> None:
    made, codes = payload["escrow"], world.codes("createEscrow", payload)
    if made is None:
        must(wanted.id is None, f"the escrow {wanted.id} is there, and its replay answers {codes}")
        frozen = world.frozen_for(wanted.customer.person, wanted.currency)
        allowed = {"INSUFFICIENT_FUNDS"} | (set() if frozen is False else {"WALLET_FROZEN"})
        must(len(codes) == 1 and codes <= allowed, f"createEscrow was refused by {codes}")
        return
    must(not codes, f"an escrow, and {codes}")
    told = (made["price"]["amount"], made["price"]["currency"])
    must(told == (wanted.price, wanted.currency), f"the escrow is one of {told}, not of {wanted.price}")
    must(wanted.id in {None, made["id"]}, f"{wanted.key} made {wanted.id} and {made['id']}")
    wanted.id = made["id"]
    wanted.firsts += not payload["idempotency"]["replayed"]
    must(wanted.firsts <= 1, f"{wanted.key} was new twice")


def _heard_moved(world: World, running: Deal, order: Order, payload: Mapping[str, Any]) -> None:
    verb = "resolveEscrow" if order.with_rest else f"{order.kind}Escrow"
    codes = world.codes(verb, payload)
    must(codes <= _NOT_DONE, f"{verb} was refused by {codes}")
    must(not (codes and order.done), f"{running.id}: {order} was done, and its replay answers {codes}")
    order.done = order.done or not codes
    if order.done and not running.accepted:
        running.ended = "REFUNDED"
