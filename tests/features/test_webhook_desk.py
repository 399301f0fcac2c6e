"""The operators' desk: what Stripe told, what it did, and what a person must look at."""

from datetime import timedelta
from typing import Any

import pytest

from domain import inbox
from domain.inbox import Endpoint, EventStatus, Finding, FindingKind, WebhookEvent
from domain.kernel.clock import iso
from domain.kernel.pages import encode_cursor
from tests.house import House, Person
from tests.house.refunds import paid, reaches, refunds_of
from tests.house.treasury import cards_settle

EVENTS = """
query ($status: [WebhookEventStatus!], $type: [String!], $account: String, $objectId: String,
       $operationId: ID, $receivedAfter: DateTime, $receivedBefore: DateTime,
       $first: Int, $after: String, $last: Int, $before: String) {
  page: webhookEvents(status: $status, type: $type, account: $account, objectId: $objectId,
                      operationId: $operationId,
                      receivedAfter: $receivedAfter, receivedBefore: $receivedBefore,
                      first: $first, after: $after, last: $last, before: $before) {
    edges { cursor node {
      id stripeId type status endpoint account objectId
      attempts receivedAt processedAt error nextAttemptAt outcome operations { id state }
      findings { id kind about objectId event { id } operation { id } amount { amount } }
    } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""
FINDINGS = """
query ($kind: [FindingKind!], $first: Int, $after: String) {
  page: findings(kind: $kind, first: $first, after: $after) {
    edges { cursor node { id kind about objectId foundAt event { id } operation { id } amount { amount } } }
    pageInfo { hasNextPage endCursor }
  }
}
"""


@pytest.fixture
async def edith(house: House) -> Person:
    return await house.admin("edith")


async def page(admin: Person, query: str = EVENTS, **variables: Any) -> list[dict[str, Any]]:
    answer = await admin.data(query, variables)
    return [edge["node"] for edge in answer["page"]["edges"]]


async def ids(admin: Person, **variables: Any) -> list[str]:
    return [node["stripeId"] for node in await page(admin, **variables)]


async def put_events(house: House, *changes: dict[str, Any]) -> list[str]:
    """Done events, a minute apart, the last the newest; their ids are in no order."""
    now = house.clock()
    events = [
        WebhookEvent(
            id=f"evt_{number * 7 % len(changes)}",
            **{
                "endpoint": Endpoint.PLATFORM,
                "type": "payout.paid",
                "account": None,
                "object_id": None,
                "body": b"",
                "status": EventStatus.PROCESSED,
                "received_at": now - timedelta(minutes=len(changes) - number),
                "next_attempt_at": None,
                **change,
            },
        )
        for number, change in enumerate(changes)
    ]
    await WebhookEvent.insert_many(events)
    return [event.id for event in events]


async def test_an_event_shows_what_it_did_and_to_which_operations(house: House, edith: Person) -> None:
    ada = await house.customer("ada")
    deposit = await paid(house, ada, 25_00)
    refund = await refunds_of(edith, deposit, 10_00)
    await reaches(house, edith, refund, "SUCCEEDED")
    await house.caught_up()

    [credited] = await page(edith, type=["payment_intent.succeeded"])
    assert credited["id"] == f"whe_{credited['stripeId']}"
    assert (credited["status"], credited["endpoint"], credited["account"]) == ("PROCESSED", "PLATFORM", None)
    assert (credited["attempts"], credited["error"], credited["nextAttemptAt"]) == (1, None, None)
    assert credited["receivedAt"] <= credited["processedAt"]
    assert credited["objectId"] == deposit["intent"]
    assert credited["outcome"] == f"{deposit['id']} REQUIRES_PAYMENT -> SUCCEEDED"
    assert credited["operations"] == [{"id": deposit["id"], "state": "SUCCEEDED"}]
    assert credited["findings"] == []
    assert await page(edith, objectId=deposit["intent"], type=["payment_intent.succeeded"]) == [credited]

    [node] = (await edith.data("query ($id: ID!) { node(id: $id) { id } }", {"id": credited["id"]})).values()
    assert node == {"id": credited["id"]}

    told = await page(edith, operationId=refund["id"])
    assert told
    for event in told:
        assert event["type"].startswith("refund.")
        assert [one["id"] for one in event["operations"]] == [refund["id"], deposit["id"]]
    of_deposit = await ids(edith, operationId=deposit["id"])
    assert set(of_deposit) >= {credited["stripeId"], *(event["stripeId"] for event in told)}


async def test_what_nothing_explains_stands_beside_its_event(house: House, edith: Person) -> None:
    charge = {"amount": "500", "currency": "usd", "payment_method": "pm_card_visa", "confirm": "true"}
    intent = await house.stripe.request(
        "POST", "/v1/payment_intents", {**charge, "return_url": "https://example.com"}
    )
    await house.caught_up()
    [event] = await page(edith, type=["payment_intent.succeeded"])
    assert (event["outcome"], event["operations"]) == ("UNMATCHED", [])
    finding = {
        "id": f"UNMATCHED:{event['stripeId']}",
        "kind": "UNMATCHED",
        "about": event["stripeId"],
        "objectId": intent["id"],
        "event": {"id": event["id"]},
        "operation": None,
        "amount": None,
    }
    assert event["findings"] == [finding]
    found = await page(edith, FINDINGS, kind=["UNMATCHED"])
    assert finding | {"foundAt": event["processedAt"]} in found
    assert await page(edith, FINDINGS, kind=["PAYOUT_NOT_LINKED"]) == []

    await cards_settle(house)
    await house.chore("treasury")
    unexplained = await page(edith, FINDINGS, kind=["UNEXPLAINED"])
    [amount] = [one["amount"] for one in unexplained if one["objectId"] is not None]
    assert amount == {"amount": 500}


async def test_events_are_found_by_everything_together(house: House, edith: Person) -> None:
    async with house.worker_away():
        minute = timedelta(minutes=1)
        hour_ago = house.clock() - timedelta(hours=1)
        same = {"type": "transfer.created", "received_at": hour_ago}
        a, b, c, d, e, f = await put_events(
            house,
            {"account": "acct_1", "object_id": "po_1"},
            {"account": "acct_1", "object_id": "po_2", "status": EventStatus.IGNORED},
            {"status": EventStatus.DEAD, "error": "Refused", "attempts": 8},
            same,
            same,
            {**same, "received_at": hour_ago - minute},
        )
        ties = sorted([d, e], reverse=True)
        newest_first = [c, b, a, *ties, f]

        assert await ids(edith) == newest_first
        assert await ids(edith, status=["DEAD", "IGNORED"]) == [c, b]
        assert await ids(edith, type=["transfer.created"], status=["PROCESSED"]) == [*ties, f]
        assert await ids(edith, type=["transfer.created", "payout.paid"], account="acct_1") == [b, a]
        assert await ids(edith, account="acct_1", objectId="po_1", status=["IGNORED"]) == []
        at = iso(hour_ago)
        assert await ids(edith, receivedAfter=at) == [c, b, a]
        assert await ids(edith, receivedBefore=at) == [f]
        assert await ids(edith, receivedAfter=iso(hour_ago - minute), type=["transfer.created"]) == ties
        assert await ids(edith, status=[]) == []
        assert await ids(edith, receivedAfter="0001-01-01T00:00:00Z") == newest_first
        assert await ids(edith, receivedAfter="9999-12-31T23:59:59.999999Z") == []

        # Page by page, either way, also within one instant.
        for filters in (
            {},
            {"status": ["PROCESSED", "DEAD", "IGNORED"]},
            {"receivedBefore": iso(house.clock())},
        ):
            forward: list[str] = []
            backward: list[str] = []
            info: dict[str, Any] = {"endCursor": None, "hasNextPage": True}
            while info["hasNextPage"]:
                found = (await edith.data(EVENTS, {"first": 1, "after": info["endCursor"], **filters}))[
                    "page"
                ]
                forward += [edge["node"]["stripeId"] for edge in found["edges"]]
                info = found["pageInfo"]
            info = {"startCursor": None, "hasPreviousPage": True}
            while info["hasPreviousPage"]:
                found = (await edith.data(EVENTS, {"last": 2, "before": info["startCursor"], **filters}))[
                    "page"
                ]
                backward = [edge["node"]["stripeId"] for edge in found["edges"]] + backward
                info = found["pageInfo"]
            assert forward == backward == newest_first


@pytest.mark.parametrize(
    "cursor",
    [
        "evt_1",
        "1:",
        "x:evt_1",
        "-1:evt_1",
        f"{'9' * 15}:evt_1",
        "١:evt_1",
        "",
        "dep_01ARZ3NDEKTSV4RRFFQ69G5FAV",
    ],
)
async def test_a_foreign_cursor_is_refused(edith: Person, cursor: str) -> None:
    for query in (EVENTS, FINDINGS):
        answer = await edith.ask(query, {"first": 1, "after": encode_cursor(cursor)})
        # That nothing follows a colon is a place, if none where anything stands.
        assert answer.code == (None if cursor == "1:" else "BAD_REQUEST"), answer.errors
    assert (await edith.ask(EVENTS, {"after": "no cursor"})).code == "BAD_REQUEST"


async def test_a_status_that_there_is_not_is_refused(edith: Person) -> None:
    for variables in ({"status": ["PAID"]}, {"receivedAfter": "yesterday"}):
        answer = await edith.ask(EVENTS, variables)
        assert answer.code in ("BAD_REQUEST", "GRAPHQL_VALIDATION_FAILED")
    assert (await edith.ask(FINDINGS, {"kind": ["ODD"]})).code in ("BAD_REQUEST", "GRAPHQL_VALIDATION_FAILED")


async def test_events_and_findings_are_for_admins(house: House) -> None:
    [event] = await put_events(house, {})
    node = "query ($id: ID!) { node(id: $id) { id } }"
    for person in (await house.customer(), await house.contractor()):
        for query in (EVENTS, FINDINGS):
            assert (await person.ask(query)).code == "FORBIDDEN"
        assert await person.data(node, {"id": f"whe_{event}"}) == {"node": None}
    for query in (EVENTS, FINDINGS):
        assert (await house.nobody().ask(query)).code == "UNAUTHENTICATED"


async def test_findings_are_paged_within_an_instant(house: House, edith: Person) -> None:
    now = house.clock()
    for number in range(5):
        about = f"txn_{number}"
        await Finding(
            id=f"UNEXPLAINED:{about}", kind=FindingKind.UNEXPLAINED, object_id=None, found_at=now
        ).insert()
    seen: list[str] = []
    info: dict[str, Any] = {"endCursor": None, "hasNextPage": True}
    while info["hasNextPage"]:
        found = (await edith.data(FINDINGS, {"first": 2, "after": info["endCursor"]}))["page"]
        seen += [edge["node"]["about"] for edge in found["edges"]]
        info = found["pageInfo"]
    assert seen == [f"txn_{number}" for number in reversed(range(5))]
    assert (await inbox.findings_in(["evt_1"])) == {}
