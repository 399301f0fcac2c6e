"""A job's money: locked, answered, released and refunded, by whoever may, and never more than is there."""

from typing import Any

import pytest

from domain.kernel.money import MINOR_UNITS_MAX
from tests.features.test_freezes import freeze, unfreeze, wallet_id
from tests.house import House, Person
from tests.house.people import ESCROW_INPUTS, ESCROW_MUTATION

FUNDS = 1_000_00
STATEMENT = """
{ wallet { transactions { edges { node { kind amount { amount } operation { id } } } } } }
"""
LIST = """
query ($as: EscrowSide, $status: [EscrowStatus!], $jobId: String, $first: Int, $after: String) {
  me { escrows(as: $as, status: $status, jobId: $jobId, first: $first, after: $after) {
    edges { cursor node { id } } pageInfo { hasNextPage endCursor }
  } }
}
"""


@pytest.fixture
async def ada(house: House) -> Person:
    """A customer with 1,000 dollars."""
    return await house.funded(await house.customer("ada"), usd=FUNDS)


@pytest.fixture
async def grace(house: House) -> Person:
    return await house.contractor("grace")


@pytest.fixture
async def edith(house: House) -> Person:
    return await house.admin("edith")


def codes(payload: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Code and path of each user error."""
    return [(error["code"], error["path"]) for error in payload["userErrors"]]


def status(payload: dict[str, Any]) -> str:
    assert payload["userErrors"] == []
    return str(payload["escrow"]["status"])


def history(escrow: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    return [(change["status"], change["actor"], change["reason"]) for change in escrow["history"]]


async def moved(house: House) -> list[int]:
    """What a refusal must leave as it is: how much is written down of money."""
    names = ("escrows", "escrow_moves", "entries", "statement_lines")
    return [await house.count(name) for name in names]


# ------------------------------------------------------------------ from funding to release


async def test_a_job_from_its_funding_to_its_last_milestone(house: House, ada: Person, grace: Person) -> None:
    created = await ada.create_escrow(grace, 100_01, jobId="job 7")
    escrow = created["escrow"]
    assert created["idempotency"]["replayed"] is False
    assert (escrow["status"], escrow["state"], escrow["jobId"]) == ("FUNDED", "FUNDED", "job 7")
    assert (escrow["customer"]["id"], escrow["contractor"]["id"]) == (ada.id, grace.id)
    assert escrow["contractor"]["displayName"] == "grace"
    money = {name: escrow[name]["amount"] for name in ("price", "platformFee", "serviceFee", "charged")}
    assert money == {"price": 100_01, "platformFee": 5_00, "serviceFee": 20_01, "charged": 105_01}
    assert escrow["payout"]["amount"] == 80_00
    assert escrow["waitingFor"]["code"] == "ACCEPTANCE"
    assert escrow["waitingFor"]["until"] == escrow["expiresAt"]
    assert (await ada.available(), await ada.in_escrow()) == (FUNDS - 105_01, 105_01)
    assert await grace.in_escrow() == 0

    accepted = (await grace.accept_escrow(escrow, reason="with pleasure"))["escrow"]
    assert (accepted["status"], accepted["expiresAt"]) == ("ACCEPTED", None)
    assert accepted["waitingFor"]["code"] == "RELEASE"

    first = (await ada.release_escrow(escrow, 33_34))["escrow"]
    assert (first["status"], first["released"]["amount"]) == ("PARTIALLY_RELEASED", 33_34)
    assert await grace.available() == 26_66  # 80.00 · 33.34 / 100.01, rounded down
    assert await ada.in_escrow() == 105_01 - 33_34 - 1_66
    last = (await ada.release_escrow(escrow))["escrow"]
    assert (last["status"], last["waitingFor"]) == ("RELEASED", None)
    assert (await grace.available(), await ada.in_escrow()) == (80_00, 0)

    moves = [
        (move["kind"], move["amount"]["amount"], move["net"]["amount"], move["actor"])
        for move in last["moves"]
    ]
    assert moves == [("RELEASE", 33_34, 26_66, "owner"), ("RELEASE", 66_67, 53_34, "owner")]
    assert history(last) == [
        ("FUNDED", "owner", None),
        ("ACCEPTED", "other party", "with pleasure"),
        ("PARTIALLY_RELEASED", "owner", None),
        ("RELEASED", "owner", None),
    ]
    assert await statement(grace) == [("ESCROW_RELEASED", 53_34), ("ESCROW_RELEASED", 26_66)]
    assert (await statement(ada))[0] == ("ESCROW_FUNDED", -105_01)
    lines = (await grace.data(STATEMENT))["wallet"]["transactions"]["edges"]
    assert [line["node"]["operation"] for line in lines] == [{"id": escrow["id"]}] * 2
    assert await house.ledger_is_sound()


async def statement(person: Person) -> list[tuple[str, int]]:
    """Kind and amount of each line, newest first."""
    edges = (await person.data(STATEMENT))["wallet"]["transactions"]["edges"]
    return [(edge["node"]["kind"], edge["node"]["amount"]["amount"]) for edge in edges]


async def test_an_escrow_keeps_the_rates_of_its_making(house: House, ada: Person, grace: Person) -> None:
    escrow = await ada.hires(grace, usd=100_00)
    house._lifespan["runtime"] = house.with_policy(platform_fee_bps=9_000, service_fee_bps=9_000)
    try:
        released = (await ada.release_escrow(escrow))["escrow"]
    finally:
        house._lifespan["runtime"] = house.runtime
    assert (released["platformFee"]["amount"], await grace.available()) == (5_00, 80_00)
    assert await house.ledger_is_sound()


async def test_a_milestone_that_brings_the_contractor_nothing_touches_no_wallet(
    house: House, ada: Person, grace: Person
) -> None:
    escrow = await ada.hires(grace, usd=100_00)
    released = (await ada.release_escrow(escrow, 1))["escrow"]
    assert [move["net"]["amount"] for move in released["moves"]] == [0]
    assert await statement(grace) == []
    assert await house.ledger_is_sound()
    assert status(await ada.release_escrow(escrow)) == "RELEASED"
    assert await grace.available() == 80_00
    assert await house.ledger_is_sound()


async def test_a_job_in_a_currency_without_hundredths(house: House, grace: Person) -> None:
    ada = await house.customer()
    deposit = (await ada.create_deposit(10_500, currency="JPY"))["deposit"]
    await house.pay(deposit)
    await house.settled(ada, deposit)
    escrow = (await ada.create_escrow(grace, 10_000, currency="JPY"))["escrow"]
    await grace.accept_escrow(escrow)
    assert status(await ada.release_escrow(escrow)) == "RELEASED"
    assert (await ada.available("JPY"), await grace.available("JPY")) == (0, 8_000)
    assert await house.ledger_is_sound(asking_stripe=True)


async def test_two_releases_in_one_request_each_tell_their_own_moves(ada: Person, grace: Person) -> None:
    escrow = await ada.hires(grace, usd=100_00)
    query = """mutation ($id: ID!) {
      one: releaseEscrow(input: {id: $id, amount: 1000, idempotencyKey: "one"}) { escrow { moves { id } } }
      two: releaseEscrow(input: {id: $id, amount: 1000, idempotencyKey: "two"}) { escrow { moves { id } } }
    }"""
    answer = await ada.data(query, {"id": escrow["id"]})
    assert [len(answer[name]["escrow"]["moves"]) for name in ("one", "two")] == [1, 2]


# ------------------------------------------------------------------ what cannot be made

BAD_JOBS: list[tuple[dict[str, Any], str, str]] = [
    ({"price": 99}, "INVALID_INPUT", "price"),
    ({"price": 0}, "INVALID_INPUT", "price"),
    ({"price": -100_00}, "INVALID_INPUT", "price"),
    ({"price": MINOR_UNITS_MAX}, "INVALID_INPUT", "price"),
    ({"price": FUNDS}, "INSUFFICIENT_FUNDS", "price"),
    ({"currency": "GBP"}, "INVALID_INPUT", "currency"),
    ({"currency": "usd"}, "INVALID_INPUT", "currency"),
    ({"jobId": ""}, "INVALID_INPUT", "jobId"),
    ({"jobId": " \n"}, "INVALID_INPUT", "jobId"),
    ({"jobId": "x" * 256}, "INVALID_INPUT", "jobId"),
    ({"contractorId": "usr_nobody"}, "NOT_FOUND", "contractorId"),
    ({"contractorId": ""}, "NOT_FOUND", "contractorId"),
    ({"idempotencyKey": ""}, "INVALID_INPUT", "idempotencyKey"),
    ({"idempotencyKey": "x" * 256}, "INVALID_INPUT", "idempotencyKey"),
]


async def test_a_job_that_cannot_be_is_refused_and_nothing_is_written(
    house: House, ada: Person, grace: Person
) -> None:
    before = await moved(house)
    for change, code, field in BAD_JOBS:
        job = {"jobId": "job", "contractorId": grace.id, "price": 100_00, "idempotencyKey": "hire", **change}
        refusal = await ada.ask_of_escrow("createEscrow", **job)
        assert (refusal["escrow"], refusal["idempotency"]) == (None, None), change
        assert codes(refusal) == [(code, [field])], change
    assert await moved(house) == before
    # A refusal uses up no key.
    assert status(await ada.create_escrow(grace, 100_00, key="hire")) == "FUNDED"


async def test_what_is_missing_is_told_in_numbers(ada: Person, grace: Person) -> None:
    [error] = (await ada.create_escrow(grace, FUNDS))["userErrors"]
    assert error["__typename"] == "InsufficientFundsError"
    assert (error["available"]["amount"], error["required"]["amount"]) == (FUNDS, FUNDS + 50_00)


async def test_nobody_pays_themself_nor_somebody_who_is_no_contractor(house: House, ada: Person) -> None:
    both = await house.funded(await house.nobody().sign_up("both", "CUSTOMER", "CONTRACTOR"), usd=FUNDS)
    assert codes(await both.create_escrow(both, 100_00)) == [("INVALID_INPUT", ["contractorId"])]
    charles = await house.customer("charles")
    assert codes(await ada.create_escrow(charles, 100_00)) == [("NOT_FOUND", ["contractorId"])]
    assert await house.count("escrows") == 0


async def test_a_frozen_wallet_funds_nothing(house: House, ada: Person, grace: Person, edith: Person) -> None:
    await freeze(edith, await wallet_id(ada))
    before = await moved(house)
    assert codes(await ada.create_escrow(grace, 100_00)) == [("WALLET_FROZEN", [])]
    assert await moved(house) == before
    await unfreeze(edith, await wallet_id(ada))
    assert status(await ada.create_escrow(grace, 100_00)) == "FUNDED"


async def test_the_same_key_makes_one_escrow(house: House, ada: Person, grace: Person) -> None:
    first = await ada.create_escrow(grace, 100_00, key="hire")
    await grace.accept_escrow(first["escrow"])
    again = await ada.create_escrow(grace, 100_00, key="hire")
    assert again["escrow"]["id"] == first["escrow"]["id"]
    # In its present state.
    assert again["escrow"]["status"] == "ACCEPTED"
    assert again["idempotency"] == {**first["idempotency"], "replayed": True}
    other = await ada.create_escrow(grace, 100_01, key="hire", jobId="another")
    [error] = other["userErrors"]
    assert (error["code"], error["conflictingFields"]) == ("IDEMPOTENCY_KEY_REUSED", ["jobId", "price"])
    assert await ada.available() == FUNDS - 105_00
    assert await house.count("escrows") == 1


# ------------------------------------------------------------------ before it is accepted


@pytest.mark.parametrize(
    ("mutation", "outcome"), [("rejectEscrow", "REJECTED"), ("cancelEscrow", "CANCELED")]
)
async def test_what_is_not_accepted_comes_back_with_its_fee_once(
    house: House, ada: Person, grace: Person, mutation: str, outcome: str
) -> None:
    person = ada if mutation == "cancelEscrow" else grace
    escrow = await ada.hires(grace, usd=100_00, accepted=False)
    ended = [await person.ask_of_escrow(mutation, id=escrow["id"], reason="no time") for _ in range(3)]
    assert [status(payload) for payload in ended] == [outcome] * 3
    last = ended[-1]["escrow"]
    actor = "owner" if person is ada else "other party"
    assert history(last) == [("FUNDED", "owner", None), (outcome, actor, "no time")]
    [move] = last["moves"]
    assert (move["kind"], move["amount"]["amount"], move["net"]["amount"]) == ("REFUND", 100_00, 105_00)
    assert (last["waitingFor"], last["refunded"]["amount"]) == (None, 100_00)
    assert (await ada.available(), await ada.in_escrow()) == (FUNDS, 0)
    late = [await grace.accept_escrow(escrow), await ada.dispute_escrow(escrow)]
    late.append(await (grace.reject_escrow if person is ada else ada.cancel_escrow)(escrow))
    assert [codes(payload) for payload in late] == [[("INVALID_STATE", ["id"])]] * 3
    assert await house.ledger_is_sound()


async def test_what_is_accepted_is_accepted(house: House, ada: Person, grace: Person) -> None:
    escrow = await ada.hires(grace, usd=100_00)
    again = (await grace.accept_escrow(escrow))["escrow"]
    assert (again["updatedAt"], again["history"]) == (escrow["updatedAt"], escrow["history"])
    before = await moved(house)
    assert codes(await ada.cancel_escrow(escrow)) == [("INVALID_STATE", ["id"])]
    assert codes(await grace.reject_escrow(escrow)) == [("INVALID_STATE", ["id"])]
    await ada.release_escrow(escrow, 10_00)
    assert codes(await grace.accept_escrow(escrow)) == [("INVALID_STATE", ["id"])]
    assert await moved(house) == [before[0], before[1] + 1, before[2] + 1, before[3] + 1]


async def test_only_its_contractor_accepts_or_rejects_and_only_its_customer_cancels(
    house: House, ada: Person, grace: Person, edith: Person
) -> None:
    escrow = await ada.hires(grace, usd=100_00, accepted=False)
    charles, hopper = await house.customer("charles"), await house.contractor("hopper")
    before = await moved(house)
    for mutation, forbidden, strangers in [
        ("acceptEscrow", (ada, edith), (hopper,)),
        ("rejectEscrow", (ada, edith), (hopper,)),
        ("cancelEscrow", (grace, edith), (charles,)),
        ("disputeEscrow", (edith,), (charles, hopper)),
    ]:
        for person in forbidden:
            assert await refused(person, mutation, id=escrow["id"], reason="why not") == "FORBIDDEN"
        for person in strangers:
            assert await refused(person, mutation, id=escrow["id"], reason="why not") == "NOT_FOUND"
        for person in (ada, grace):
            answer = await refused(person, mutation, id="esc_nobody", reason="why not")
            assert answer in {"NOT_FOUND", "FORBIDDEN"}
    assert await moved(house) == before
    assert (await ada.escrow(escrow["id"]) or {})["status"] == "FUNDED"


async def refused(person: Person, mutation: str, **command: Any) -> str:
    """The code of the refusal: a user error's, or the request's."""
    query = ESCROW_MUTATION % (ESCROW_INPUTS.get(mutation, "Escrow"), mutation)
    answer = await person.ask(query, {"input": command})
    if answer.code is not None:
        return answer.code
    assert answer.data is not None
    payload = answer.data["payload"]
    assert payload["escrow"] is payload["idempotency"] is None
    [error] = payload["userErrors"]
    return str(error["code"])


@pytest.mark.parametrize("reason", ["x" * 501, "x" * 10_000])
async def test_a_reason_has_an_end(ada: Person, grace: Person, reason: str) -> None:
    escrow = await ada.hires(grace, usd=100_00, accepted=False)
    for payload in (
        await grace.accept_escrow(escrow, reason=reason),
        await grace.reject_escrow(escrow, reason=reason),
        await ada.cancel_escrow(escrow, reason=reason),
        await grace.dispute_escrow(escrow, reason),
    ):
        assert codes(payload) == [("INVALID_INPUT", ["reason"])]


# ------------------------------------------------------------------ when nobody accepts it


async def test_what_nobody_accepts_in_seven_days_comes_back(house: House, ada: Person, grace: Person) -> None:
    escrow = await ada.hires(grace, usd=100_00, accepted=False)
    running = await ada.hires(grace, usd=50_00)
    house.clock.advance(days=6, hours=23)
    await house.sweep()
    await grace.refresh()
    await ada.refresh()
    assert (await ada.escrow(escrow["id"]) or {})["status"] == "FUNDED"

    house.clock.advance(hours=2)
    await ada.refresh()
    await house.sweep()
    expired = await ada.escrow(escrow["id"]) or {}
    assert history(expired)[1:] == [("EXPIRED", "worker", "nobody accepted it in time")]
    assert (expired["expiresAt"], expired["waitingFor"]) == (None, None)
    assert [move["net"]["amount"] for move in expired["moves"]] == [105_00]
    assert (await ada.available(), await ada.in_escrow()) == (FUNDS - 52_50, 52_50)
    assert (await ada.escrow(running["id"]) or {})["status"] == "ACCEPTED"
    assert await house.count("escrows", next_attempt_at={"$ne": None}) == 0
    assert await house.ledger_is_sound()


async def test_nobody_accepts_what_expired_though_the_sweep_is_late(
    house: House, ada: Person, grace: Person
) -> None:
    escrow = await ada.hires(grace, usd=100_00, accepted=False)
    await house.stop_worker()
    house.clock.advance(days=7)
    await grace.refresh()
    await ada.refresh()
    assert codes(await grace.accept_escrow(escrow)) == [("INVALID_STATE", ["id"])]
    assert ((await ada.escrow(escrow["id"]) or {})["waitingFor"])["code"] == "EXPIRY"
    await house.sweep()
    assert codes(await grace.accept_escrow(escrow)) == [("INVALID_STATE", ["id"])]
    assert await ada.available() == FUNDS
    await house.start_worker()


# ------------------------------------------------------------------ who sees it


async def test_both_parties_and_admins_see_it_and_nobody_else(
    house: House, ada: Person, grace: Person, edith: Person
) -> None:
    escrow = await ada.hires(grace, usd=100_00)
    await ada.release_escrow(escrow, 10_00)
    [move] = (await ada.escrow(escrow["id"]) or {})["moves"]
    node = "query ($id: ID!) { node(id: $id) { __typename id } }"
    for person in (ada, grace, edith):
        assert (await person.escrow(escrow["id"]) or {})["id"] == escrow["id"]
        for thing, name in ((escrow, "Escrow"), (move, "EscrowMove")):
            found = (await person.data(node, {"id": thing["id"]}))["node"]
            assert found == {"__typename": name, "id": thing["id"]}
    for stranger in (await house.customer("charles"), await house.contractor("hopper")):
        assert await stranger.escrow(escrow["id"]) is None
        for thing in (escrow, move):
            assert (await stranger.data(node, {"id": thing["id"]}))["node"] is None
    assert await ada.escrow("esc_nobody") is None
    assert (await house.nobody().ask('{ escrow(id: "esc_1") { id } }')).code == "UNAUTHENTICATED"


async def test_a_party_lists_its_deals_by_side_status_and_job(
    house: House, ada: Person, grace: Person
) -> None:
    both = await house.funded(await house.nobody().sign_up("both", "CUSTOMER", "CONTRACTOR"), usd=FUNDS)
    bought = [await both.hires(grace, usd=10_00) for _ in range(3)]
    sold = await ada.hires(both, usd=10_00, accepted=False)
    named = (await ada.create_escrow(both, 10_00, jobId="roof"))["escrow"]
    await both.release_escrow(bought[0])

    async def listed(**arguments: Any) -> list[str]:
        return [edge["node"]["id"] for edge in (await page(both, **arguments))["edges"]]

    def ids(*escrows: dict[str, Any]) -> list[str]:
        return [escrow["id"] for escrow in escrows]

    assert await listed() == ids(named, sold, *reversed(bought))
    assert await listed(**{"as": "CUSTOMER"}) == ids(*reversed(bought))
    assert await listed(**{"as": "CONTRACTOR"}) == ids(named, sold)
    assert await listed(status=["RELEASED", "FUNDED"]) == ids(named, sold, bought[0])
    assert await listed(status=["ACCEPTED"], **{"as": "CONTRACTOR"}) == []
    assert await listed(jobId="roof") == ids(named)
    assert await listed(jobId="roof", **{"as": "CUSTOMER"}) == []
    first = await page(both, first=2)
    assert first["pageInfo"]["hasNextPage"] is True
    assert await listed(after=first["pageInfo"]["endCursor"]) == ids(*reversed(bought))


async def page(person: Person, **arguments: Any) -> dict[str, Any]:
    connection: dict[str, Any] = (await person.data(LIST, arguments))["me"]["escrows"]
    return connection


WATCH = """
subscription ($id: ID!) { escrowUpdated(id: $id) { status moves { id } waitingFor { code } } }
"""


async def test_a_party_watches_it_until_it_is_settled(
    house: House, ada: Person, grace: Person, edith: Person
) -> None:
    escrow = await ada.hires(grace, usd=100_00, accepted=False)
    async with grace.subscribe(WATCH, {"id": escrow["id"]}) as updates:

        async def next_state() -> tuple[str, str | None, int]:
            state = (await updates.next() or {})["escrowUpdated"]
            waiting = state["waitingFor"]
            return state["status"], waiting and waiting["code"], len(state["moves"])

        assert await next_state() == ("FUNDED", "ACCEPTANCE", 0)
        await grace.accept_escrow(escrow)
        assert await next_state() == ("ACCEPTED", "RELEASE", 0)
        await ada.release_escrow(escrow, 10_00)
        assert await next_state() == ("PARTIALLY_RELEASED", "RELEASE", 1)
        await freeze(edith, await wallet_id(ada))
        assert await next_state() == ("PARTIALLY_RELEASED", "WALLET_FROZEN", 1)
        await edith.release_escrow(escrow)
        assert await next_state() == ("RELEASED", None, 2)
        assert await updates.next() is None
    charles = await house.customer("charles")
    async with charles.subscribe(WATCH, {"id": escrow["id"]}) as updates:
        assert await updates.until_complete() == [{"escrowUpdated": None}]


async def test_a_wallet_tells_what_is_in_escrow(ada: Person, grace: Person) -> None:
    escrow = await ada.hires(grace, usd=100_00)
    async with ada.subscribe("subscription { walletUpdated { inEscrow { amount } } }") as updates:
        seen = [(await updates.next() or {})["walletUpdated"]["inEscrow"]["amount"]]
        await ada.release_escrow(escrow, 40_00)
        while seen[-1] != 63_00:
            seen.append((await updates.next() or {})["walletUpdated"]["inEscrow"]["amount"])
    assert set(seen) == {105_00, 63_00}
