"""The operators' desk: admins find people, wallets and operations, a page at a time, and nobody else does."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from ulid import ULID

from domain.kernel.clock import iso
from tests.house import House, Person

USERS = """
query ($email: String, $role: Role, $createdAfter: DateTime, $createdBefore: DateTime,
       $first: Int, $after: String) {
  page: users(email: $email, role: $role, createdAfter: $createdAfter, createdBefore: $createdBefore,
              first: $first, after: $after) {
    edges { cursor node { id email displayName roles } } pageInfo { hasNextPage endCursor }
  }
}
"""
DEPOSITS = """
query ($status: [DepositStatus!], $filter: OperationFilter, $first: Int, $after: String, $last: Int) {
  page: deposits(status: $status, filter: $filter, first: $first, after: $after, last: $last) {
    edges { cursor node { id owner { id } clientSecret } } pageInfo { hasNextPage endCursor }
  }
}
"""
WALLET_OF = (
    "query ($user: ID!, $currency: CurrencyCode!) { walletOf(userId: $user, currency: $currency) { id } }"
)
ESCROWS = """
query ($status: [EscrowStatus!], $jobId: String, $filter: OperationFilter, $first: Int, $after: String) {
  page: escrows(status: $status, jobId: $jobId, filter: $filter, first: $first, after: $after) {
    edges { node { id } } pageInfo { hasNextPage endCursor }
  }
}
"""
WITHDRAWALS = """
query ($status: [WithdrawalStatus!], $filter: OperationFilter, $first: Int, $after: String) {
  page: withdrawals(status: $status, filter: $filter, first: $first, after: $after) {
    edges { node { id } } pageInfo { hasNextPage endCursor }
  }
}
"""
OPERATION = """
query ($id: ID!) {
  operation(id: $id) { __typename id state history { status } }
  node(id: $id) { id }
}
"""


@pytest.fixture
async def ada(house: House) -> Person:
    return await house.customer("ada")


@pytest.fixture
async def edith(house: House) -> Person:
    return await house.admin("edith")


async def page(admin: Person, query: str, **variables: Any) -> list[str]:
    """The ids of one page."""
    answer = await admin.data(query, variables)
    return [edge["node"]["id"] for edge in answer["page"]["edges"]]


async def every_page(admin: Person, query: str, **variables: Any) -> list[str]:
    """The ids of all pages, one after the other."""
    ids: list[str] = []
    info: dict[str, Any] = {"hasNextPage": True, "endCursor": None}
    while info["hasNextPage"]:
        answer = (await admin.data(query, {"after": info["endCursor"], **variables}))["page"]
        ids += [edge["node"]["id"] for edge in answer["edges"]]
        info = answer["pageInfo"]
    return ids


# ------------------------------------------------------------------ people


async def test_people_are_listed_newest_first(house: House, ada: Person, edith: Person) -> None:
    others = [await house.contractor(f"grace{number}") for number in range(4)]
    everybody = [ada, edith, *others]
    assert await every_page(edith, USERS, first=2) == [person.id for person in reversed(everybody)]
    assert await every_page(edith, USERS, first=3, role="CONTRACTOR") == [
        person.id for person in reversed(others)
    ]
    assert await page(edith, USERS, role="ADMIN") == [edith.id]
    rows = await house.collection("users").find({"_id": {"$in": [one.id for one in others]}}).to_list()
    came = {row["_id"]: iso(row["created_at"]) for row in rows}
    between = {"createdAfter": came[others[0].id], "createdBefore": came[others[3].id]}
    for more in ({}, {"role": "CONTRACTOR"}):
        assert await every_page(edith, USERS, first=1, **between, **more) == [others[2].id, others[1].id]
    assert await page(edith, USERS, **between, role="CUSTOMER") == []
    assert await page(edith, USERS, **between, email=others[2].email) == [others[2].id]
    assert await page(edith, USERS, **between, email=others[0].email) == []


async def test_a_person_is_found_by_the_whole_address(house: House, ada: Person, edith: Person) -> None:
    answer = await edith.data(USERS, {"email": f"  {ada.email.upper()} "})
    [edge] = answer["page"]["edges"]
    assert edge["node"] == {
        "id": ada.id,
        "email": ada.email,
        "displayName": "ada",
        "roles": ["CUSTOMER"],
    }
    assert await page(edith, USERS, email=ada.email, role="CUSTOMER") == [ada.id]
    assert await page(edith, USERS, email=ada.email, role="CONTRACTOR") == []
    assert await page(edith, USERS, email=ada.email, after=edge["cursor"]) == []
    for nobody in (ada.email[:-1], "nobody@example.com", "no address", "", ada.email[1:]):
        assert await page(edith, USERS, email=nobody) == []


# ------------------------------------------------------------------ deposits


async def test_deposits_are_found_by_state_person_money_and_time(
    house: House, ada: Person, edith: Person
) -> None:
    grace = await house.customer("grace")
    made = [await ada.deposits(usd=10_00 * number) for number in (1, 2, 3)]
    theirs = await grace.deposits(usd=20_00)
    yen = (await grace.create_deposit(2000, currency="JPY"))["deposit"]
    await house.pay(made[1])
    await house.settled(ada, made[1])
    newest_first = [one["id"] for one in (yen, theirs, *reversed(made))]

    assert await every_page(edith, DEPOSITS, first=2) == newest_first
    assert await page(edith, DEPOSITS, last=2) == newest_first[-2:]
    assert await page(edith, DEPOSITS, status=["SUCCEEDED"]) == [made[1]["id"]]
    waiting = {"status": ["REQUIRES_PAYMENT", "FAILED"], "filter": {"personId": ada.id}}
    assert await every_page(edith, DEPOSITS, first=1, **waiting) == [made[2]["id"], made[0]["id"]]

    async def found(**criteria: Any) -> list[str]:
        return await page(edith, DEPOSITS, filter=criteria)

    assert await found(amountMin=20_00, currency="USD") == [theirs["id"], made[2]["id"], made[1]["id"]]
    assert await found(amountMin=20_00, amountMax=20_00, personId=grace.id) == [yen["id"], theirs["id"]]
    assert await found(amountMax=10_00) == [made[0]["id"]]
    assert await found(amountMin=30_01) == []
    assert await found(personId="usr_nobody") == []
    # Instants as they are shown, to the millisecond, and neither is in.
    first, last = made[0]["createdAt"], yen["createdAt"]
    assert await found(createdAfter=first) == newest_first[:-1]
    assert await found(createdBefore=last) == newest_first[1:]
    assert await found(createdAfter=first, createdBefore=last) == newest_first[1:-1]
    just_before = iso(datetime.fromisoformat(first) - timedelta(milliseconds=1))
    assert await found(createdAfter=just_before) == newest_first
    assert await found(createdAfter="9999-12-31T23:59:59.999999Z") == []
    assert await found(createdBefore="0001-01-01T00:00:00Z") == []
    assert await found(createdAfter="0001-01-01T00:00:00Z") == newest_first


async def test_time_is_the_product_s_not_the_machine_s(house: House, ada: Person, edith: Person) -> None:
    """An id is made at the instant that is shown, whatever another clock says."""
    early = await ada.deposits(usd=10_00)
    house.clock.advance(hours=5)
    await ada.refresh()
    late = await ada.deposits(usd=10_00)
    await edith.refresh()
    noon = iso(datetime.fromisoformat(early["createdAt"]) + timedelta(hours=2))
    assert await page(edith, DEPOSITS, filter={"createdAfter": noon}) == [late["id"]]
    assert await page(edith, DEPOSITS, filter={"createdBefore": noon}) == [early["id"]]


async def test_who_looks_on_sees_no_secret(ada: Person, edith: Person) -> None:
    deposit = await ada.deposits(usd=10_00)
    assert deposit["clientSecret"]
    [edge] = (await edith.data(DEPOSITS))["page"]["edges"]
    assert edge["node"] == {"id": deposit["id"], "owner": {"id": ada.id}, "clientSecret": None}


async def test_a_page_stays_whole_while_others_are_made(house: House, ada: Person, edith: Person) -> None:
    """By key, not by number: what comes in on top moves nothing from one page to the next."""
    made = [(await ada.deposits(usd=1_00))["id"] for _ in range(6)]
    first = (await edith.data(DEPOSITS, {"first": 3}))["page"]
    await asyncio.gather(*(ada.deposits(usd=1_00) for _ in range(4)))
    rest = await page(edith, DEPOSITS, first=10, after=first["pageInfo"]["endCursor"])
    assert [edge["node"]["id"] for edge in first["edges"]] + rest == made[::-1]


# ------------------------------------------------------------------ wallets, operations


async def test_a_wallet_is_found_by_its_owner_and_never_made(
    house: House, ada: Person, edith: Person
) -> None:
    wallet = (await ada.data("{ wallet { id } }"))["wallet"]
    before = await house.count("wallets")
    looks = {(ada.id, "USD"): wallet, (ada.id, "EUR"): None, (ada.id, "XXX"): None, ("usr_0", "USD"): None}
    for (user, currency), found in looks.items():
        answer = await edith.data(WALLET_OF, {"user": user, "currency": currency})
        assert answer["walletOf"] == found
    assert await house.count("wallets") == before


async def test_an_operation_is_seen_by_its_parties_and_admins(
    house: House, ada: Person, edith: Person
) -> None:
    deposit, grace = await ada.deposits(usd=10_00), await house.customer("grace")
    shown = {
        "__typename": "Deposit",
        "id": deposit["id"],
        "state": "REQUIRES_PAYMENT",
        "history": [{"status": "REQUIRES_PAYMENT"}],
    }
    for person in (ada, edith):
        answer = await person.data(OPERATION, {"id": deposit["id"]})
        assert answer == {"operation": shown, "node": {"id": deposit["id"]}}
    assert await grace.data(OPERATION, {"id": deposit["id"]}) == {"operation": None, "node": None}
    wallet = (await ada.data("{ wallet { id } }"))["wallet"]["id"]
    for other in (f"dep_{ULID()}", f"xyz_{ULID()}", "dep_", "dep", "", "_", wallet, ada.id):
        assert (await edith.data(OPERATION, {"id": other}))["operation"] is None


async def test_a_statement_names_what_each_line_is_of(house: House, ada: Person, edith: Person) -> None:
    deposit = await ada.deposits(usd=10_00)
    await house.pay(deposit)
    await house.settled(ada, deposit)
    statement = "transactions { edges { node { operation { id } } } }"
    query = f"query ($user: ID!) {{ walletOf(userId: $user) {{ {statement} }} }}"
    answer = await edith.data(query, {"user": ada.id})
    [edge] = answer["walletOf"]["transactions"]["edges"]
    assert edge["node"]["operation"] == {"id": deposit["id"]}


# ------------------------------------------------------------------ escrows and withdrawals


async def test_escrows_are_found_by_state_either_party_job_and_price(
    house: House, ada: Person, edith: Person
) -> None:
    await house.funded(ada, usd=1_000_00)
    grace, karl = await house.contractor("grace"), await house.contractor("karl")
    small = (await ada.create_escrow(grace, 10_00, jobId="garden"))["escrow"]
    running = await ada.hires(grace, usd=20_00)
    large = (await ada.create_escrow(karl, 300_00, jobId="house"))["escrow"]
    newest_first = [one["id"] for one in (large, running, small)]

    assert await every_page(edith, ESCROWS, first=1) == newest_first
    assert await page(edith, ESCROWS, status=["ACCEPTED"]) == [running["id"]]
    assert await page(edith, ESCROWS, jobId="garden") == [small["id"]]
    assert await page(edith, ESCROWS, jobId="garden", status=["ACCEPTED"]) == []
    assert await page(edith, ESCROWS, filter={"personId": ada.id}) == newest_first
    assert await every_page(edith, ESCROWS, first=1, filter={"personId": grace.id}) == newest_first[1:]
    assert await page(edith, ESCROWS, filter={"personId": karl.id}, status=["FUNDED"]) == [large["id"]]
    assert await page(edith, ESCROWS, filter={"amountMin": 20_00}) == newest_first[:2]
    assert await page(edith, ESCROWS, filter={"amountMax": 20_00, "currency": "USD"}) == newest_first[1:]
    assert await page(edith, ESCROWS, filter={"createdAfter": running["createdAt"]}) == [large["id"]]
    assert await page(edith, ESCROWS, filter={"createdBefore": running["createdAt"]}) == [small["id"]]


async def test_an_escrow_is_an_operation_of_both_parties(house: House, ada: Person, edith: Person) -> None:
    await house.funded(ada, usd=100_00)
    grace, karl = await house.contractor("grace"), await house.contractor("karl")
    escrow = await ada.hires(grace, usd=20_00, accepted=False)
    for person in (ada, grace, edith):
        shown = (await person.data(OPERATION, {"id": escrow["id"]}))["operation"]
        assert (shown["__typename"], shown["id"], shown["state"]) == ("Escrow", escrow["id"], "FUNDED")
    assert await karl.data(OPERATION, {"id": escrow["id"]}) == {"operation": None, "node": None}


async def test_withdrawals_are_found_by_state_owner_amount_and_time(house: House, edith: Person) -> None:
    grace, karl = await house.onboarded("grace"), await house.onboarded("karl")
    made = []
    async with house.worker_away():
        for person, amount in ((grace, 10_00), (karl, 20_00), (grace, 30_00)):
            await house.funded(person, usd=100_00)
            made.append((await person.request_withdrawal(amount))["withdrawal"])
        await grace.cancel_withdrawal(made[0])
    newest_first = [one["id"] for one in reversed(made)]

    assert await every_page(edith, WITHDRAWALS, first=2) == newest_first
    assert await page(edith, WITHDRAWALS, status=["CANCELED"]) == [made[0]["id"]]
    assert await page(edith, WITHDRAWALS, filter={"personId": grace.id}) == [made[2]["id"], made[0]["id"]]
    assert await page(edith, WITHDRAWALS, filter={"amountMin": 20_00, "amountMax": 20_00}) == [made[1]["id"]]
    assert await page(edith, WITHDRAWALS, filter={"createdAfter": made[1]["createdAt"]}) == [made[2]["id"]]
    assert await page(edith, WITHDRAWALS, filter={"createdBefore": made[1]["createdAt"]}) == [made[0]["id"]]
    for person in (grace, edith):
        shown = (await person.data(OPERATION, {"id": made[2]["id"]}))["operation"]
        assert (shown["__typename"], shown["id"]) == ("Withdrawal", made[2]["id"])
    assert (await karl.data(OPERATION, {"id": made[2]["id"]}))["operation"] is None


# ------------------------------------------------------------------ everything together


async def test_all_filters_hold_at_once_page_by_page(house: House, edith: Person) -> None:
    """Of two people's rows of every noun, those of one state, person, currency, amount and time."""
    ada, grace = await house.customer("ada"), await house.onboarded("grace")
    eve = await house.customer("eve")
    await house.funded(ada, usd=500_00, eur=500_00)
    await house.funded(eve, usd=500_00)
    await house.funded(grace, usd=500_00)
    async with house.worker_away():
        for person in (ada, eve, ada):
            for amount in (10_00, 20_00, 30_00):
                await person.deposits(usd=amount)
                await person.create_escrow(grace, amount)
        await ada.create_deposit(20_00, currency="EUR")
        await ada.create_escrow(grace, 20_00, currency="EUR")
        for amount in (10_00, 20_00, 30_00, 20_00, 20_00):
            await grace.withdraws(usd=amount)
        rows = {name: await house.collection(name).find({}).to_list() for name in TOGETHER}

        for name, (query, status, owner, field) in TOGETHER.items():
            person = {"ada": ada, "grace": grace}[owner]
            start = min(row["created_at"] for row in rows[name])
            expected = [
                row["_id"]
                for row in sorted(rows[name], key=lambda row: str(row["_id"]), reverse=True)
                if row["owner"] == person.id
                and row["status"] == status
                and row["currency"] == "USD"
                and 15_00 <= row[field] <= 25_00
                and row["created_at"] > start
            ]
            assert len(expected) >= 2
            filters = {
                "personId": person.id,
                "currency": "USD",
                "amountMin": 15_00,
                "amountMax": 25_00,
                "createdAfter": iso(start),
                "createdBefore": iso(house.clock() + timedelta(seconds=1)),
            }
            found = await every_page(edith, query, first=1, status=[status], filter=filters)
            assert found == expected, name


TOGETHER = {
    "deposits": (DEPOSITS, "REQUIRES_PAYMENT", "ada", "amount"),
    "escrows": (ESCROWS, "FUNDED", "ada", "price"),
    "withdrawals": (WITHDRAWALS, "PENDING", "grace", "amount"),
}


@pytest.mark.parametrize("query", [DEPOSITS, ESCROWS, WITHDRAWALS])
async def test_what_cannot_be_looked_for_is_refused(edith: Person, query: str) -> None:
    for variables, says in (
        ({"filter": {"currency": "usd"}}, "no currency"),
        ({"filter": {"currency": "DOLLARS", "amountMin": 1}}, "no currency"),
        ({"filter": {"amountMin": 10.5}}, "JSON integer"),
        ({"status": ["ODD"]}, "ODD"),
        ({"after": "not ours"}, "cursor"),
    ):
        answer = await edith.ask(query, variables)
        assert answer.code == "BAD_REQUEST", answer.errors
        assert says in answer.errors[0]["message"]


# ------------------------------------------------------------------ for whom


@pytest.mark.parametrize("query", [USERS, DEPOSITS, ESCROWS, WITHDRAWALS, WALLET_OF])
async def test_the_desk_is_for_admins(house: House, ada: Person, query: str) -> None:
    variables = {"user": ada.id, "currency": "USD"} if query is WALLET_OF else {}
    for person in (ada, await house.contractor()):
        answer = await person.ask(query, variables)
        assert answer.code == "FORBIDDEN"
        assert not any((answer.data or {}).values())
    assert (await house.nobody().ask(query, variables)).code == "UNAUTHENTICATED"
    assert (await house.nobody().ask(OPERATION, {"id": "dep_1"})).code == "UNAUTHENTICATED"
