"""What Stripe says: stored before it is answered, believed only when signed, acted on once, in any order."""

import asyncio
import time
from typing import Any

import httpx
import orjson
import pytest
from ulid import ULID

from sandbox.stripe.delivery import signature
from tests.house import House, Person, intent_of
from tests.house.sandbox import CONNECT_WEBHOOK_SECRET, NEW_WEBHOOK_SECRET, WEBHOOK_SECRET

CONNECT = "/webhooks/stripe/connect"
KIB = 1024


@pytest.fixture
async def ada(house: House) -> Person:
    return await house.customer()


def an_event(kind: str = "customer.created", **changes: Any) -> dict[str, Any]:
    """An event as Stripe writes them, of a kind that means nothing to us."""
    return {
        "id": f"evt_{ULID()}",
        "object": "event",
        "api_version": "2026-05-27.dahlia",
        "created": int(time.time()),
        "data": {"object": {"id": "cus_1", "object": "customer"}},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
    } | changes


async def made_at_stripe(house: House, kind: str) -> dict[str, Any]:
    """The one event of this kind that Stripe holds."""
    [event] = [event for event in await house.stripe.objects("event") if event["type"] == kind]
    return event


async def stored(house: House, event: dict[str, Any]) -> dict[str, Any]:
    """The event as the inbox holds it, once it is done with."""

    async def done() -> Any:
        return await house.collection("webhook_events").find_one(
            {"_id": event["id"], "status": {"$in": ["PROCESSED", "IGNORED", "DEAD"]}}
        )

    row: dict[str, Any] = await house.until(done)
    return row


async def counted(house: House, metric: str) -> float:
    """A counter of /metrics, e.g. `jobsphere_alerts_total{code="X"}`; 0 before its first count."""
    text = (await house.http.get(f"{house.url}/metrics")).text
    values = [float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"{metric} ")]
    return sum(values)


async def paid_without_us(house: House, deposit: dict[str, Any]) -> dict[str, Any]:
    """Paid, and no word of it reached us. Stripe's event, to be delivered by hand."""
    await house.stripe.webhooks(drop=1)
    await house.pay(deposit)
    return await made_at_stripe(house, "payment_intent.succeeded")


# ------------------------------------------------------------------ once


async def test_an_event_that_comes_a_hundred_times_at_once_credits_once(house: House, ada: Person) -> None:
    deposit = await ada.deposits(usd=25_00)
    event = await paid_without_us(house, deposit)

    answers = await asyncio.gather(*(house.deliver(event) for _ in range(100)))

    assert {answer.status_code for answer in answers} == {200}
    assert sorted({answer.text for answer in answers}) == ["duplicate", "stored"]
    assert [answer.text for answer in answers].count("stored") == 1
    await house.settled(ada, deposit)
    await house.quiet()
    assert await house.count("webhook_events", _id=event["id"]) == 1
    assert (await stored(house, event))["attempts"] == 1
    assert await ada.available() == 25_00
    assert await house.count("entries") == await house.count("statement_lines") == 1
    assert await house.ledger_is_sound()


async def test_an_event_that_comes_again_later_changes_nothing(house: House, ada: Person) -> None:
    deposit = await ada.deposits(usd=25_00)
    await house.pay(deposit)
    before = await house.settled(ada, deposit)
    await house.quiet()

    answer = await house.deliver(await made_at_stripe(house, "payment_intent.succeeded"))

    assert (answer.status_code, answer.text) == (200, "duplicate")
    await house.quiet()
    assert await ada.deposit(deposit["id"]) == before
    assert await ada.available() == 25_00


async def test_the_same_fact_under_another_id_credits_once(house: House, ada: Person) -> None:
    deposit = await ada.deposits(usd=25_00)
    await house.pay(deposit)
    await house.settled(ada, deposit)

    twin = await made_at_stripe(house, "payment_intent.succeeded") | {"id": "evt_twin"}
    assert (await house.deliver(twin)).text == "stored"

    assert (await stored(house, twin))["status"] == "PROCESSED"
    assert await ada.available() == 25_00
    assert await house.ledger_is_sound()


async def test_stripes_repeats_and_disorder_credit_once(house: House, ada: Person) -> None:
    await house.stripe.webhooks(duplicate=5, shuffle=True)
    deposits = [await ada.deposits(usd=10_00) for _ in range(4)]
    for deposit in deposits:
        await house.pay(deposit, "pm_card_chargeDeclined")
        await house.pay(deposit)
    for deposit in deposits:
        await house.settled(ada, deposit)
    await house.quiet()

    assert await ada.available() == 40_00
    assert [(await ada.deposit(deposit["id"]))["status"] for deposit in deposits] == ["SUCCEEDED"] * 4
    assert await house.ledger_is_sound()


# ------------------------------------------------------------------ any order


async def test_success_may_come_before_everything_else(house: House, ada: Person) -> None:
    deposit = await ada.deposits(usd=25_00)
    await house.stripe.webhooks(drop=1)
    await house.pay(deposit, "pm_card_chargeDeclined")
    await house.pay(deposit)
    events = [
        event for event in await house.stripe.objects("event") if event["type"].startswith("payment_intent.")
    ]
    assert [event["type"].partition(".")[2] for event in events] == ["created", "payment_failed", "succeeded"]

    for event in reversed(events):
        await house.deliver(event)
        await stored(house, event)

    settled = await ada.deposit(deposit["id"])
    assert (settled["status"], settled["failure"]) == ("SUCCEEDED", None)
    assert await ada.available() == 25_00


async def test_an_event_may_outrun_the_answer_to_our_own_call(house: House, ada: Person) -> None:
    """Stripe has made the intent and the payer has paid it while our own call is still without an answer."""
    await house.stripe.fault("POST", "/v1/payment_intents", "reset_after_commit")
    payload = await ada.create_deposit(25_00, key="rent")
    assert payload["userErrors"][0]["code"] == "PAYMENT_PROVIDER_UNAVAILABLE"
    assert payload["deposit"]["clientSecret"] is None

    [intent] = await house.stripe.objects("payment_intent")
    await house.stripe.confirm(intent["id"])
    settled = await house.settled(ada, payload["deposit"])

    assert settled["history"][-1]["actor"] == "webhook"
    assert await ada.available() == 25_00
    again = await ada.create_deposit(25_00, key="rent")
    assert (again["deposit"]["status"], again["userErrors"]) == ("SUCCEEDED", [])
    assert len(await house.stripe.objects("payment_intent")) == 1


async def test_a_stale_failure_does_not_undo_what_came_after(house: House, ada: Person) -> None:
    """An event tells only that something changed: what is written is what Stripe says now."""
    deposit = await ada.deposits(usd=25_00)
    await house.stripe.webhooks(drop=1)
    await house.pay(deposit, "pm_card_chargeDeclined")
    failure = await made_at_stripe(house, "payment_intent.payment_failed")
    await house.pay(deposit, "pm_card_authenticationRequired")

    await house.deliver(failure)

    await stored(house, failure)
    assert (await ada.deposit(deposit["id"]))["status"] == "REQUIRES_ACTION"


async def test_a_success_that_reaches_a_canceled_deposit_is_credited(house: House, ada: Person) -> None:
    """Money is never ignored: whatever we believed, Stripe was paid."""
    await house.stripe.fault("POST", "/v1/payment_intents", "error_400", code="amount_too_small")
    payload = await ada.create_deposit(25_00)
    assert payload["deposit"]["status"] == "CANCELED"

    await paid_by_hand(house, 25_00, "usd", deposit_id=payload["deposit"]["id"])
    settled = await house.reaches(ada, payload["deposit"], "SUCCEEDED")

    assert [change["status"] for change in settled["history"]] == [
        "REQUIRES_PAYMENT",
        "CANCELED",
        "SUCCEEDED",
    ]
    assert settled["failure"] is None
    assert await ada.available() == 25_00
    assert await house.ledger_is_sound()


# ------------------------------------------------------------------ lost on the way


async def test_what_never_arrives_the_sweep_reads_at_stripe(house: House, ada: Person) -> None:
    await house.stripe.webhooks(drop=1)
    paid, canceled, failed = [await ada.deposits(usd=25_00) for _ in range(3)]
    await house.pay(paid)
    await house.stripe.request("POST", f"/v1/payment_intents/{intent_of(canceled)}/cancel")
    await house.pay(failed, "pm_card_chargeDeclined")
    assert await house.count("webhook_events") == 0

    house.clock.advance(minutes=2)

    assert (await house.settled(ada, paid))["status"] == "SUCCEEDED"
    assert (await house.settled(ada, canceled))["status"] == "CANCELED"
    assert (await house.reaches(ada, failed, "FAILED"))["failure"]["code"] == "card_declined"
    assert await ada.available() == 25_00
    assert await house.count("webhook_events") == 0
    assert await house.ledger_is_sound()


# ------------------------------------------------------------------ refused


async def refused(house: House, answer: httpx.Response) -> None:
    assert answer.status_code == 400, answer.text
    assert await house.count("webhook_events") == 0


@pytest.mark.parametrize(
    "header",
    [
        *("", "nonsense", "t=,v1=", "t=0,v1=00", "v1={v1}", "t={t}", "t={t},v1={v1}0", "t={t},v1=é"),
        *("t={t},v0={v1}", "t=-{t},v1={v1}", "t={t}.5,v1={v1}", "t=9999999999999,v1={v1}"),
    ],
)
async def test_a_bad_signature_is_refused(house: House, header: str) -> None:
    body = orjson.dumps(an_event())
    stamp, _, v1 = signature(body, WEBHOOK_SECRET, timestamp=int(time.time())).partition(",v1=")
    text = header.format(t=stamp.removeprefix("t="), v1=v1)
    headers = {b"Stripe-Signature": text.encode()} if text else {}
    answer = await house.http.post(f"{house.url}/webhooks/stripe", content=body, headers=headers)
    await refused(house, answer)


@pytest.mark.parametrize("secret", ["whsec_of_somebody_else", "", "whsec_", CONNECT_WEBHOOK_SECRET])
async def test_a_signature_by_another_secret_is_refused(house: House, secret: str) -> None:
    await refused(house, await house.deliver(an_event(), secret=secret))


async def test_a_signature_of_another_body_is_refused(house: House) -> None:
    header = signature(orjson.dumps(an_event()), WEBHOOK_SECRET, timestamp=int(time.time()))
    await refused(house, await house.deliver(an_event(), header=header))


@pytest.mark.parametrize("age_s", [310, 86_400, -310, -86_400])
async def test_an_old_or_a_future_delivery_is_refused(house: House, age_s: float) -> None:
    await refused(house, await house.deliver(an_event(), age_s=age_s))


@pytest.mark.parametrize("age_s", [280, -280])
async def test_clocks_may_differ_a_little(house: House, age_s: float) -> None:
    assert (await house.deliver(an_event(), age_s=age_s)).status_code == 200


NO_EVENTS = {
    "nothing": b"",
    "half an object": b"{",
    "not UTF-8": b"\xff\xfe{}",
    "null": b"null",
    "a list": b"[]",
    "a text": b'"event"',
    "an empty object": b"{}",
    "a number": b"7",
    "another object": orjson.dumps(an_event(object="payment_intent")),
    "an id that is a number": orjson.dumps(an_event(id=7)),
    "an empty id": orjson.dumps(an_event(id="")),
    "no type": orjson.dumps(an_event(type=None)),
    "data that is a list": orjson.dumps(an_event(data=[])),
    "an object that is a text": orjson.dumps(an_event(data={"object": "pi_1"})),
    "a livemode that is a text": orjson.dumps(an_event(livemode="false")),
    "very deep": b"[" * 100_000,
    "a byte that is not UTF-8": orjson.dumps(an_event())[:-1] + b', "a": "\xff"}',
}


@pytest.mark.parametrize("body", NO_EVENTS.values(), ids=NO_EVENTS.keys())
async def test_what_is_no_event_is_refused_however_well_signed(house: House, body: bytes) -> None:
    await refused(house, await house.deliver(body))


async def test_a_body_has_512_kib_at_most(house: House) -> None:
    largest = an_event()
    largest["data"]["object"]["filling"] = "x" * (
        512 * KIB - len(orjson.dumps(largest)) - len(',"filling":""')
    )
    body = orjson.dumps(largest)
    assert len(body) == 512 * KIB

    await refused(house, await house.deliver(body + b" "))
    assert (await house.deliver(body)).text == "stored"


async def test_only_post_is_listened_to(house: House) -> None:
    for method in ("GET", "PUT", "DELETE"):
        response = await house.http.request(method, f"{house.url}/webhooks/stripe")
        assert response.status_code == 405


async def test_refusals_are_counted(house: House) -> None:
    metric = 'jobsphere_webhook_deliveries_total{endpoint="PLATFORM",outcome="refused"}'
    before = await counted(house, metric)
    await house.deliver(an_event(), header="")
    assert await counted(house, metric) == before + 1


async def test_what_could_not_be_stored_is_sent_again(house: House, ada: Person) -> None:
    """500 is all that we need to say: Stripe comes back."""
    deposit = await ada.deposits(usd=25_00)
    await house.quiet()
    async with house.mongo_failing("insert", "webhook_events", times=1):
        event = await paid_without_us(house, deposit)
        assert (await house.deliver(event)).status_code == 500
        assert await house.count("webhook_events", _id=event["id"]) == 0
        assert (await house.deliver(event)).text == "stored"
    await house.settled(ada, deposit)


# ------------------------------------------------------------------ secrets and endpoints


@pytest.mark.parametrize("secret", [WEBHOOK_SECRET, NEW_WEBHOOK_SECRET])
async def test_both_secrets_are_good_while_one_is_rotated(house: House, secret: str) -> None:
    assert (await house.deliver(an_event(), secret=secret)).text == "stored"


async def test_stripe_may_sign_with_both_secrets_at_once(house: House) -> None:
    body = orjson.dumps(an_event())
    stamp = int(time.time())
    theirs = signature(body, "whsec_older_still", timestamp=stamp)
    ours = signature(body, NEW_WEBHOOK_SECRET, timestamp=stamp).partition(",")[2]
    assert (await house.deliver(body, header=f"{theirs},{ours}")).text == "stored"


async def test_the_connect_endpoint_has_a_secret_of_its_own(house: House) -> None:
    event = an_event("person.created", account="acct_1")
    await refused(house, await house.deliver(event, route=CONNECT, secret=WEBHOOK_SECRET))

    answer = await house.deliver(event, route=CONNECT, secret=CONNECT_WEBHOOK_SECRET)

    assert answer.text == "stored"
    row = await stored(house, event)
    assert (row["endpoint"], row["account"]) == ("CONNECT", "acct_1")


async def test_a_payment_on_the_connect_endpoint_is_not_ours(house: House, ada: Person) -> None:
    deposit = await ada.deposits(usd=25_00)
    event = await paid_without_us(house, deposit)

    await house.deliver(event, route=CONNECT, secret=CONNECT_WEBHOOK_SECRET)

    assert (await stored(house, event))["status"] == "IGNORED"
    assert await ada.available() == 0


async def test_an_event_of_the_other_mode_is_answered_and_not_kept(house: House, ada: Person) -> None:
    deposit = await ada.deposits(usd=25_00)
    event = await paid_without_us(house, deposit)

    answer = await house.deliver(event | {"livemode": True})

    assert (answer.status_code, answer.text) == (200, "other mode")
    assert await house.count("webhook_events", _id=event["id"]) == 0
    assert await ada.available() == 0


# ------------------------------------------------------------------ what it means


async def test_a_type_that_means_nothing_to_us_is_kept(house: House) -> None:
    event = an_event("invoice.paid")
    assert (await house.deliver(event)).text == "stored"

    row = await stored(house, event)

    assert (row["status"], row["type"], row["attempts"]) == ("IGNORED", "invoice.paid", 1)
    assert row["next_attempt_at"] is None


async def test_the_body_is_kept_encrypted(house: House, ada: Person) -> None:
    deposit = await ada.deposits(usd=25_00)
    await house.pay(deposit)
    await house.settled(ada, deposit)
    event = await made_at_stripe(house, "payment_intent.succeeded")

    row = await stored(house, event)

    assert deposit["clientSecret"].encode() not in bytes(row["body"])
    assert deposit["clientSecret"] not in repr(row)
    assert orjson.loads(house.runtime.cipher.decrypt(row["body"]))["data"] == event["data"]


async def paid_by_hand(house: House, amount: int, currency: str, **metadata: str) -> dict[str, Any]:
    """A payment that somebody made at Stripe, and not through us."""
    parameters = {
        "amount": str(amount),
        "currency": currency,
        "automatic_payment_methods[enabled]": "true",
        "automatic_payment_methods[allow_redirects]": "never",
        **{f"metadata[{name}]": value for name, value in metadata.items()},
    }
    intent = await house.stripe.request("POST", "/v1/payment_intents", parameters)
    return await house.stripe.confirm(intent["id"])


@pytest.mark.parametrize("metadata", [{}, {"deposit_id": "dep_nobody"}, {"deposit_id": ""}], ids=str)
async def test_a_payment_that_nothing_of_ours_explains_is_a_finding(
    house: House, metadata: dict[str, str]
) -> None:
    alerts = 'jobsphere_alerts_total{code="UNMATCHED_EVENT"}'
    before = await counted(house, alerts)

    intent = await paid_by_hand(house, 25_00, "usd", **metadata)

    event = await made_at_stripe(house, "payment_intent.succeeded")
    assert (await stored(house, event))["outcome"] == "UNMATCHED"
    [finding] = await house.collection("findings").find().to_list()
    assert (finding["kind"], finding["event_id"]) == ("UNMATCHED", event["id"])
    assert (finding["event_type"], finding["object_id"]) == ("payment_intent.succeeded", intent["id"])
    assert await counted(house, alerts) == before + 1
    assert await house.ledger_is_sound()


@pytest.mark.parametrize(
    ("amount", "currency"), [(24_99, "usd"), (25_01, "usd"), (25_00, "eur"), (1_00, "gbp")]
)
async def test_a_wrong_payment_waits_for_a_person(
    house: House, ada: Person, amount: int, currency: str
) -> None:
    alerts = 'jobsphere_alerts_total{code="DEPOSIT_NEEDS_REVIEW"}'
    before = await counted(house, alerts)
    await house.stripe.fault("POST", "/v1/payment_intents", "error_503")
    deposit = (await ada.create_deposit(25_00, key="rent"))["deposit"]

    await paid_by_hand(house, amount, currency, deposit_id=deposit["id"])
    review = await house.reaches(ada, deposit, "NEEDS_REVIEW")

    assert review["received"]["amount"] == 0
    assert review["waitingFor"]["code"] == "REVIEW"
    assert await ada.available() == 0
    assert await counted(house, alerts) == before + 1
    await credited_to_nobody(house, deposit, amount, currency.upper())
    # Neither a replay nor the sweep makes anything of it.
    assert (await ada.create_deposit(25_00, key="rent"))["deposit"]["status"] == "NEEDS_REVIEW"
    house.clock.advance(minutes=2)
    await house.deliver(an_event())
    await house.quiet()
    assert (await ada.deposit(deposit["id"]))["status"] == "NEEDS_REVIEW"
    assert len(await house.stripe.objects("payment_intent")) == 1


async def credited_to_nobody(house: House, deposit: dict[str, Any], amount: int, currency: str) -> None:
    [entry] = await house.collection("entries").find({"ref": {"$regex": ":unexplained"}}).to_list()
    assert (entry["operation"], entry["currency"]) == (deposit["id"], currency)
    [posting] = entry["postings"]
    assert posting == {
        "source": "platform:stripe",
        "destination": "platform:unexplained",
        "amount": amount,
    }
    assert await house.ledger_is_sound()


@pytest.mark.parametrize("own_first", [True, False], ids=["own first", "foreign first"])
async def test_a_second_payment_of_a_deposit_is_booked_and_its_own_is_credited(
    house: House, ada: Person, own_first: bool
) -> None:
    deposit = await ada.deposits(usd=25_00)
    if own_first:
        await house.pay(deposit)
        await house.settled(ada, deposit)
    await paid_by_hand(house, 25_00, "usd", deposit_id=deposit["id"])
    await house.until(lambda: house.count("entries", ref={"$regex": ":unexplained:"}))
    if not own_first:
        await house.pay(deposit)

    settled = await house.settled(ada, deposit)

    assert (settled["status"], settled["received"]["amount"]) == ("SUCCEEDED", 25_00)
    assert await ada.available() == 25_00
    await credited_to_nobody(house, deposit, 25_00, "USD")


async def test_events_wait_while_the_worker_is_away(house: House, ada: Person) -> None:
    deposit = await ada.deposits(usd=25_00)
    await house.quiet()
    await house.stop_worker()
    try:
        await house.pay(deposit)
        event = await made_at_stripe(house, "payment_intent.succeeded")
        await house.until(lambda: house.count("webhook_events", _id=event["id"]))
        assert await house.count("webhook_events", _id=event["id"], status="PENDING") == 1
        assert await ada.available() == 0
    finally:
        await house.start_worker()
    await house.settled(ada, deposit)
