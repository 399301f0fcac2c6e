"""Whatever people do with their jobs, several at once, with every right or none: the money adds up."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from domain import escrow, ledger
from domain.escrow import (
    Answered,
    Asker,
    CreateEscrow,
    Escrow,
    EscrowMove,
    RefundEscrow,
    ReleaseEscrow,
    ResolveEscrow,
)
from domain.identity import Role
from domain.kernel.database import Tx
from domain.kernel.errors import DomainError, Forbidden
from domain.kernel.operations import Actor
from domain.ledger import FreezeCause
from tests.house import House, Person

ROUNDS = 70
AT_ONCE_MAX = 4
FUNDS = 2_000_00
HOUR_S = 3600.0
CUSTOMER, CONTRACTOR, ADMIN = Actor.OWNER, Actor.OTHER_PARTY, Actor.ADMIN


@dataclass
class World:
    """`heard`: how many moves were answered as made, and not as replayed."""

    house: House
    dice: random.Random
    people: list[Asker]
    jobs: list[Escrow] = field(default_factory=list)
    heard: int = 0
    done: int = 0

    async def happens(self, act: Awaitable[Answered], *, moves: bool = False) -> None:
        """Refused or not: anything but a typed refusal fails the test."""
        try:
            answered = await act
        except (DomainError, Forbidden):
            return
        self.done += 1
        self.heard += moves and not answered.replayed
        if all(job.id != answered.escrow.id for job in self.jobs):
            self.jobs.append(answered.escrow)

    def key(self) -> str:
        """Now and then one that came before, with the same input or another."""
        return f"key {self.dice.randrange(500)}"

    def act(self) -> Awaitable[None]:
        dice = self.dice
        if not self.jobs or dice.random() < 0.2:
            who, other = dice.sample(self.people, 2)
            price = dice.choice([1_00, 3_33, 100_01, dice.randint(1_00, 300_00)])
            wish = CreateEscrow("job", other.person, price, "USD", self.key())
            return self.happens(escrow.create(self.house.runtime, who.person, wish))
        job = dice.choice(self.jobs)
        [deed] = dice.choices(DEEDS, [deed.weight for deed in DEEDS])
        # As a rule, one of those who may.
        may = [asker for asker in self.people if escrow.side_of(job, asker) in deed.sides]
        who = dice.choice(may if may and dice.random() < 0.8 else self.people)
        return self.happens(deed.act(self, who, job.id), moves=deed.moves)

    def part(self) -> int | None:
        """Of a price, or the whole rest."""
        return self.dice.choice([None, 1, *(self.dice.randint(1, 15_00) for _ in range(4))])

    def reason(self) -> str | None:
        return self.dice.choice([None, "why not", "why not"])

    async def trouble(self) -> None:
        """A wallet is frozen, or let go; time passes, and the sweep comes, or comes late."""
        dice, house = self.dice, self.house
        wallet = await ledger.open_wallet(dice.choice(self.people).person, "USD")
        change = ledger.freeze if dice.random() < 0.25 else ledger.unfreeze

        async def work(tx: Tx) -> None:
            await change(
                tx, wallet.id, cause=FreezeCause.ADMIN, operation=None, by="usr_edith", reason="a look."
            )

        await house.runtime.database.transact(work)
        house.clock.advance(seconds=dice.choice([0, HOUR_S, 40 * HOUR_S]))
        if dice.random() < 0.5:
            await house.sweep()


@dataclass(frozen=True)
class Deed:
    """What somebody asks of a job, which those on `sides` may."""

    weight: int
    sides: tuple[Actor, ...]
    act: Callable[[World, Asker, str], Awaitable[Answered]]
    moves: bool = False


DEEDS = [
    Deed(5, (CONTRACTOR,), lambda w, who, job: escrow.accept(w.house.runtime, who, job, reason=w.reason())),
    Deed(1, (CONTRACTOR,), lambda w, who, job: escrow.reject(w.house.runtime, who, job, reason=w.reason())),
    Deed(1, (CUSTOMER,), lambda w, who, job: escrow.cancel(w.house.runtime, who, job, reason=w.reason())),
    Deed(
        2,
        (CUSTOMER, CONTRACTOR),
        lambda w, who, job: escrow.dispute(w.house.runtime, who, job, reason=w.reason()),
    ),
    Deed(
        8,
        (CUSTOMER, ADMIN),
        lambda w, who, job: escrow.release(w.house.runtime, who, ReleaseEscrow(job, w.key(), w.part())),
        moves=True,
    ),
    Deed(
        3,
        (CONTRACTOR, ADMIN),
        lambda w, who, job: escrow.refund(
            w.house.runtime, who, RefundEscrow(job, w.key(), w.part(), w.reason())
        ),
        moves=True,
    ),
    Deed(
        2,
        (ADMIN,),
        lambda w, who, job: escrow.resolve(
            w.house.runtime, who, ResolveEscrow(job, w.key(), w.dice.randint(0, 20_00), "why not")
        ),
    ),
]


async def with_roles(house: House, name: str, *roles: Role) -> Person:
    person = await house.funded(await house.nobody().sign_up(name, "CUSTOMER", "CONTRACTOR"), usd=FUNDS)
    await house.collection("users").update_one({"_id": person.id}, {"$set": {"roles": list(roles)}})
    return person


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_people_do_the_money_adds_up(house: House, seed: int) -> None:
    await house.stop_worker()
    both, admin = (Role.CUSTOMER, Role.CONTRACTOR), Role.ADMIN
    cast = {"ada": both, "bob": both, "grace": (Role.CONTRACTOR,), "edith": (*both, admin), "emmy": (admin,)}
    people = {name: await with_roles(house, name, *roles) for name, roles in cast.items()}
    askers = [Asker(person.id, is_admin=admin in cast[name]) for name, person in people.items()]
    world = World(house, random.Random(seed), askers)
    try:
        for _ in range(ROUNDS):
            await asyncio.gather(*(world.act() for _ in range(world.dice.randint(1, AT_ONCE_MAX))))
            if world.dice.random() < 0.1:
                await world.trouble()
        assert await house.ledger_is_sound()
        await adds_up(world)
    finally:
        await house.start_worker()


async def adds_up(world: World) -> None:
    """From the prices and rates, and how far each job came, alone: not from what was posted."""
    balances = dict.fromkeys((asker.person for asker in world.people), FUNDS)
    async for job in Escrow.find_all():
        fee = job.price * job.platform_fee_bps // 10_000
        payout = job.price * (10_000 - job.service_fee_bps) // 10_000
        balances[job.owner] -= job.price + fee
        balances[job.owner] += job.refunded + fee * job.refunded // job.price
        balances[job.contractor] += payout * job.released // job.price
        statuses = [change.status for change in job.history]
        assert not {"ACCEPTED", "EXPIRED"} <= set(statuses)
        assert job.released == 0 or "ACCEPTED" in statuses
    for person, balance in balances.items():
        assert (await ledger.open_wallet(person, "USD")).available == balance
    asked = {"idempotency.mutation": {"$in": ["releaseEscrow", "refundEscrow"]}}
    assert await EscrowMove.find(asked).count() == world.heard
    assert world.done > 20
    assert world.heard > 3
