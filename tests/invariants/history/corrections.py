"""What administrators correct in a wallet: one alone, or two, at the same moment, one another's rivals."""

import asyncio
from typing import Any

from domain import ledger
from tests.house import Person, adjustments
from tests.invariants.history import people
from tests.invariants.history.world import Correction, World, must

CONFIRM, REJECT = "confirm", "reject"
STATUS = "query ($id: ID!) { adjustment(id: $id) { status } }"


def correction(world: World, person: Person, currency: str, amount: int) -> Correction:
    wanted = Correction(person, currency, amount, f"correction {len(world.corrections)}")
    world.corrections.append(wanted)
    return wanted


async def ask(world: World, wanted: Correction, times: int) -> None:
    """An administrator asks for it, in so many copies at once. It is seen before it is written."""
    admin = await people.admin(world, 0)
    wallet = await ledger.open_wallet(wanted.person.id, wanted.currency)
    known = wanted.id

    async def asked(**more: Any) -> dict[str, Any]:
        return await adjustments.adjust(admin, wallet.id, wanted.amount, key=wanted.key, **more)

    shown = await asked(previewOnly=True)
    must(shown["preview"] is None or known is None, f"{known} is there, and is previewed")
    payloads = await asyncio.gather(*(asked() for _ in range(times)))
    for payload in payloads:
        made, codes = payload["adjustment"], world.codes("adjustWallet", payload)
        if made is None:
            must(known is None, f"the adjustment {known} is there, and its replay answers {codes}")
            must(codes == {"INSUFFICIENT_FUNDS"} and wanted.amount < 0, f"adjustWallet answered {codes}")
            continue
        must(wanted.id in {None, made["id"]}, f"{wanted.key} made {wanted.id} and {made['id']}")
        wanted.id = made["id"]
        wanted.firsts += not payload["idempotency"]["replayed"]
        must(wanted.firsts <= 1, f"{wanted.key} was new twice")
        _heard(world, wanted, made["status"])


async def decide(world: World, wanted: Correction, words: list[str]) -> None:
    """Others have their say, all at once: whatever they say, one word counts."""
    if wanted.id is None:
        return
    adjustment, before = {"id": wanted.id}, wanted.status
    admins = [await people.admin(world, number) for number in range(1, len(words) + 1)]
    payloads = await asyncio.gather(
        *(
            (adjustments.confirm if word == CONFIRM else adjustments.reject)(admin, adjustment)
            for word, admin in zip(words, admins, strict=True)
        )
    )
    status = (await admins[0].data(STATUS, {"id": wanted.id}))["adjustment"]["status"]
    must(before in {status, "AWAITING_CONFIRMATION"}, f"{wanted.id} was {before}, and is {status}")
    for word, payload in zip(words, payloads, strict=True):
        codes = world.codes(f"{word}Adjustment", payload)
        must(len(codes) < 2, f"{word}Adjustment answered {codes}")
        allowed = {"INVALID_STATE"} | ({"INSUFFICIENT_FUNDS"} if word == CONFIRM else set())
        must(codes <= allowed, f"{word}Adjustment answered {codes}")
        if not codes:
            end = {CONFIRM: "POSTED", REJECT: "REJECTED"}[word]
            must(status == end, f"{word}Adjustment was done, and {wanted.id} is {status}")
    _heard(world, wanted, status)


async def judge(world: World) -> None:
    """Every other that waits is confirmed, if it can be."""
    for wanted in world.corrections[::2]:
        if wanted.status == "AWAITING_CONFIRMATION":
            await decide(world, wanted, [CONFIRM])


def _heard(world: World, wanted: Correction, status: str) -> None:
    """Once it is posted, that much is due to its person, and only once."""
    if status == "POSTED" and wanted.status != "POSTED":
        world.granted[wanted.person.id, wanted.currency] += wanted.amount
    wanted.status = status
