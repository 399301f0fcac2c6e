"""The operators' desk: how the business does. A story, counted by hand."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.kernel.clock import iso
from tests.house import House, Person
from tests.house.disputes import complain, conclude, told
from tests.house.refunds import paid, reaches, refunds_of

METRICS = """
query ($from: DateTime!, $to: DateTime!, $currency: CurrencyCode! = "USD") {
  businessMetrics(from: $from, to: $to, currency: $currency) {
    from to currency measuredAt
    grossMerchandiseValue { amount currency } fees { amount } deposits { amount } withdrawals { amount }
    refunds { amount } disputes { amount } inEscrow { amount }
    atRisk { unconfirmed { amount } negative { amount } disputed { amount } }
  }
}
"""
FLOWS = ("grossMerchandiseValue", "fees", "deposits", "withdrawals", "refunds", "disputes")
HOUR = timedelta(hours=1)


@pytest.fixture
async def edith(house: House) -> Person:
    return await house.admin("edith")


async def measured(
    admin: Person, since: datetime, until: datetime, **variables: Any
) -> tuple[dict[str, int], dict[str, int]]:
    """What flowed, and what is so now, each in minor units."""
    answer = await admin.data(METRICS, {"from": iso(since), "to": iso(until), **variables})
    metrics = answer["businessMetrics"]
    now = {"inEscrow": metrics["inEscrow"], **metrics["atRisk"]}
    return (
        {name: metrics[name]["amount"] for name in FLOWS},
        {name: money["amount"] for name, money in now.items()},
    )


async def test_the_metrics_are_those_of_the_story(house: House, edith: Person) -> None:
    begun = house.clock()
    ada, grace = await house.customer("ada"), await house.onboarded("grace")
    first = await paid(house, ada, 500_00)
    refund = await refunds_of(edith, first, 15_00)
    await reaches(house, edith, refund, "SUCCEEDED")

    # 105.00 locked: 60.00 of the price released, 48.00 and fees of 15.00; 40.00 refunded, 42.00 with the fee.
    done = await ada.hires(grace, usd=100_00)
    assert (await ada.release_escrow(done, 60_00))["userErrors"] == []
    assert (await grace.refund_escrow(done, 40_00))["userErrors"] == []
    await ada.hires(grace, usd=50_00)  # 52.50 locked

    sent = await house.withdrawal_reaches(grace, await grace.withdraws(usd=30_00), "IN_TRANSIT")
    await house.stripe.request("POST", f"/v1/transfers/{sent['transferId']}/reversals", {"amount": "1000"})

    # One dispute takes 40.00 for good, of which a friend's deposit pays nothing; another came to nothing.
    eve, mary = await house.customer("eve"), await house.customer("mary")
    won = await told(house, await complain(house, await paid(house, mary, 25_00)))
    await conclude(house, won, "won")
    stolen = await paid(house, eve, 40_00)
    await eve.hires(grace, usd=20_00, accepted=False)  # 21.00 locked
    await told(house, await complain(house, stolen))

    # Nobody knows whether this one left.
    await house.stripe.webhooks(drop=1.0)
    await house.stripe.fault("POST", "/v1/transfers", "reset_after_commit")
    await house.withdrawal_reaches(grace, await grace.withdraws(usd=12_00), "UNCONFIRMED")

    # A correction is no business, nor is another currency's.
    await house.funded(ada, usd=7_00, eur=3_00)
    ended = house.clock() + timedelta(milliseconds=1)

    flowed, now = await measured(edith, begun, ended)
    assert flowed == {
        "grossMerchandiseValue": 100_00,
        "fees": 15_00,
        "deposits": 500_00 + 25_00 + 40_00,
        "withdrawals": 30_00 - 10_00,
        "refunds": 15_00,
        "disputes": 40_00,
    }
    assert now == {
        "inEscrow": 52_50 + 21_00,
        "unconfirmed": 12_00,
        "negative": 21_00,
        "disputed": 40_00,
    }
    # What all wallets and escrows hold came by these, and the one correction.
    holdings = [
        row["available"] + row["held"] async for row in house.collection("wallets").find({"currency": "USD"})
    ]
    grown = flowed["deposits"] - sum(flowed[name] for name in ("withdrawals", "refunds", "disputes", "fees"))
    assert sum(holdings) + now["inEscrow"] == grown + 7_00

    # Half open: two times that meet count everything once.
    refunded = await house.collection("entries").find_one({"kind": "REFUND_SENT"})
    at = refunded["created_at"]
    before, after = (await measured(edith, begun, at))[0], (await measured(edith, at, ended))[0]
    assert (before["refunds"], before["deposits"]) == (0, 500_00)
    assert after["refunds"] == 15_00
    assert {name: before[name] + after[name] for name in FLOWS} == flowed
    within = {"from": at.isoformat(), "to": (at + timedelta(microseconds=500)).isoformat()}
    one = (await edith.data(METRICS, within))["businessMetrics"]
    assert one["refunds"]["amount"] == 15_00
    later = {"from": within["to"], "to": iso(ended)}
    assert (await edith.data(METRICS, later))["businessMetrics"]["refunds"]["amount"] == 0

    euros, now = await measured(edith, begun, ended, currency="EUR")
    assert (set(euros.values()), set(now.values())) == ({0}, {0})


@pytest.mark.parametrize(
    ("since", "until", "currency", "says"),
    [
        ("2026-02-01T00:00:00Z", "2026-01-01T00:00:00Z", "USD", "before"),
        ("2026-02-01T00:00:00Z", "2026-02-01T01:00:00+01:00", "USD", "before"),
        ("2026-01-01T00:00:00Z", "2027-01-02T00:00:00.001Z", "USD", "366 days"),
        ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "USD", "366 days"),
        ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "usd", "no currency"),
        ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "", "no currency"),
        ("2026-01-01", "2026-02-01", "USD", "time zone"),
    ],
)
async def test_a_time_that_cannot_be_measured_is_refused(
    edith: Person, since: str, until: str, currency: str, says: str
) -> None:
    answer = await edith.ask(METRICS, {"from": since, "to": until, "currency": currency})
    assert answer.code == "BAD_REQUEST"
    assert says in answer.errors[0]["message"]


async def test_times_at_the_ends_of_the_calendar_are_empty(edith: Person) -> None:
    for since, until in (
        ("0001-01-01T00:00:00Z", "0001-12-31T00:00:00Z"),
        ("1969-12-31T23:59:59.999Z", "1970-01-01T00:00:00Z"),
        ("9999-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"),
        ("2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"),
    ):
        metrics = (await edith.data(METRICS, {"from": since, "to": until}))["businessMetrics"]
        assert {metrics[name]["amount"] for name in FLOWS} == {0}


async def test_the_metrics_are_for_admins(house: House) -> None:
    variables = {"from": iso(house.clock() - HOUR), "to": iso(house.clock())}
    for person in (await house.customer(), await house.contractor()):
        assert (await person.ask(METRICS, variables)).code == "FORBIDDEN"
    assert (await house.nobody().ask(METRICS, variables)).code == "UNAUTHENTICATED"
