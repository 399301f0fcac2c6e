"""Whatever goes wrong at Stripe around a hosted page: there is one, it is paid once, and it ends."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest

from domain import deposits
from domain.deposits import CheckoutAddresses, CreateDeposit, DepositStatus
from domain.kernel.operations import Actor
from tests.faults.test_lookups import look, posted
from tests.faults.test_steps import STEPS_MAX, killed_at, own_line_to_stripe
from tests.features.test_canceling import cancel, codes, swept
from tests.features.test_checkout import ADDRESSES, checks_out, on_page, session_of, the_session
from tests.house import House, Person
from tests.house.sandbox import FAULTS, TIMEOUTS

SESSIONS, EXPIRING = "/v1/checkout/sessions", "/v1/checkout/sessions/*/expire"


@pytest.fixture
async def ada(house: House) -> Person:
    return await house.customer("ada")


@pytest.fixture
async def idle_house(house: House) -> AsyncIterator[House]:
    """Without a worker: the test itself sweeps."""
    await house.stop_worker()
    yield house
    await house.start_worker()


async def asks(person: Person) -> dict[str, Any]:
    """The whole payload of a checkout, under the one key."""
    return await person.create_deposit(25_00, key="rent", checkout=ADDRESSES)


async def answered(house: House, person: Person) -> dict[str, Any]:
    """The deposit, once its replay answers without an error."""

    async def replayed() -> dict[str, Any] | None:
        payload = await asks(person)
        return None if payload["userErrors"] else payload["deposit"]

    deposit: dict[str, Any] = await house.until(replayed)
    return deposit


async def paid_once(house: House, person: Person, deposit: dict[str, Any]) -> None:
    """One page, which takes one payment, credited once."""
    session = await the_session(house)
    assert (session["metadata"]["deposit_id"], session["url"]) == (deposit["id"], deposit["checkoutUrl"])
    await on_page(house, deposit)
    assert (await house.settled(person, deposit))["status"] == "SUCCEEDED"
    assert await person.available() == 25_00
    assert await house.ledger_is_sound()


# ------------------------------------------------------------------ while it is made


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_replay_finishes_what_a_fault_cut_off(house: House, ada: Person, fault: str) -> None:
    await house.stripe.fault("POST", SESSIONS, fault)
    payload = await asks(ada)
    assert codes(payload) == ["PAYMENT_PROVIDER_UNAVAILABLE"]
    assert payload["deposit"]["waitingFor"]["code"] == "PAYMENT_PROVIDER"
    assert payload["deposit"]["checkoutUrl"] is None

    deposit = await answered(house, ada)

    assert deposit["id"] == payload["deposit"]["id"]
    await paid_once(house, ada, deposit)


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_sweep_finishes_what_a_fault_cut_off(house: House, ada: Person, fault: str) -> None:
    """Twice in a row: once while it is made, and once under the sweep's first round."""
    await house.stripe.fault("POST", SESSIONS, fault, times=2)
    made = (await asks(ada))["deposit"]
    await swept(house, ada, rounds=2, minutes=2)
    deposit = await ada.deposit(made["id"])
    assert deposit["checkoutUrl"] == (await the_session(house))["url"]


async def test_an_answer_that_never_comes(house: House) -> None:
    """Making and closing pages, all at once, for each waits for as long as we wait for Stripe."""
    closer = await house.customer("edward")
    closing = [await checks_out(closer) for _ in TIMEOUTS]
    for path, fault in itertools.product((SESSIONS, EXPIRING), TIMEOUTS):
        await house.stripe.fault("POST", path, fault)
    people = [await house.customer(name) for name in ("ada", "charles")]
    await asyncio.gather(
        *(asks(person) for person in people for _ in range(3)),
        *(cancel(closer, deposit) for deposit in closing),
    )
    await swept(house, closer, minutes=2)
    assert [(await closer.deposit(one["id"]))["status"] for one in closing] == ["CANCELED", "CANCELED"]
    for person in people:
        deposit = await answered(house, person)
        sessions = await house.stripe.objects("checkout.session")
        own = [one for one in sessions if one["metadata"]["user_id"] == person.id]
        assert [one["url"] for one in own] == [deposit["checkoutUrl"]]
        await on_page(house, deposit)
        await house.settled(person, deposit)
        assert await person.available() == 25_00
    assert await house.ledger_is_sound()


async def test_a_page_that_was_found_paid_is_credited_when_it_is_read(house: House, ada: Person) -> None:
    """Nobody here knew of it: its answer was lost, and the key with it."""
    await house.stop_worker()
    await house.stripe.webhooks(drop=1)
    await house.stripe.fault("POST", SESSIONS, "error_500_after_commit")
    made = (await asks(ada))["deposit"]
    await house.stripe.pay_checkout((await the_session(house))["id"])

    payload = await asks(ada)

    assert (payload["deposit"]["checkoutUrl"], payload["userErrors"]) == (None, [])
    assert await ada.available() == 0
    await house.start_worker()
    await swept(house, ada, minutes=2)
    assert (await ada.deposit(made["id"]))["status"] == "SUCCEEDED"
    assert await ada.available() == 25_00


async def test_its_events_may_outrun_the_answer(house: House, ada: Person) -> None:
    """A decline on a page that we do not know yet, and then its payment."""
    await house.stop_worker()
    await house.stripe.fault("POST", SESSIONS, "reset_after_commit")
    made = (await asks(ada))["deposit"]
    session = await the_session(house)
    await house.stripe.pay_checkout(session["id"], "declined")
    await house.start_worker()
    await house.reaches(ada, made, "FAILED")

    payload = await asks(ada)

    assert (payload["deposit"]["checkoutUrl"], payload["userErrors"]) == (session["url"], [])
    assert payload["deposit"]["status"] == "FAILED"
    await paid_once(house, ada, payload["deposit"])


@pytest.mark.parametrize("outcome", ["succeeded", "failed"])
async def test_its_intent_alone_may_be_known(house: House, ada: Person, outcome: str) -> None:
    """The answer was lost, and of what was paid there one event came: it ends all the same."""
    await house.stripe.fault("POST", SESSIONS, "reset_after_commit")
    made = (await asks(ada))["deposit"]
    session = await the_session(house)
    await house.stripe.webhooks(drop=1)
    await house.stripe.pay_checkout(session["id"], "paid_later")
    events = await house.stripe.objects("event")
    [processing] = [one for one in events if one["type"] == "payment_intent.processing"]
    await house.deliver(processing)
    await house.reaches(ada, made, "PROCESSING")

    payload = await asks(ada)
    assert (payload["deposit"]["status"], payload["userErrors"]) == ("PROCESSING", [])

    await house.stripe.pay_checkout(session["id"], f"paid_later_{outcome}")
    await swept(house, ada, rounds=3, minutes=3)
    assert (await ada.deposit(made["id"]))["status"] == {"succeeded": "SUCCEEDED", "failed": "CANCELED"}[
        outcome
    ]
    assert await ada.available() == (25_00 if outcome == "succeeded" else 0)


async def test_another_page_in_its_name_ends_nothing(house: House, ada: Person) -> None:
    """Somebody made it at Stripe's dashboard, and closed it."""
    deposit = await checks_out(ada)
    other = {
        "mode": "payment",
        "success_url": ADDRESSES["successUrl"],
        "line_items[0][quantity]": "1",
        "line_items[0][price_data][currency]": "usd",
        "line_items[0][price_data][unit_amount]": "100",
        "line_items[0][price_data][product_data][name]": "Something",
        "metadata[deposit_id]": deposit["id"],
    }
    made = await house.stripe.request("POST", SESSIONS, other)
    await house.stripe.request("POST", f"{SESSIONS}/{made['id']}/expire")
    await house.caught_up()
    assert await ada.deposit(deposit["id"]) == deposit
    await on_page(house, deposit)
    assert (await house.settled(ada, deposit))["status"] == "SUCCEEDED"


async def test_a_key_too_old_is_followed_by_the_next_after_two_empty_lookups(
    idle_house: House, ada: Person
) -> None:
    house = idle_house
    await house.stripe.fault("POST", SESSIONS, "reset_before_commit")
    deposit = (await asks(ada))["deposit"]
    keys = await posted(house, SESSIONS)
    forever = {"$set": {"expires_at": None}}
    await house.collection("deposits").update_one({"_id": deposit["id"]}, forever)
    await house.time_passes(hours=24, minutes=1)

    await look(house, deposit)
    assert await posted(house, SESSIONS) == keys
    await house.time_passes(seconds=house.runtime.policy.lookup_wait.total_seconds())
    await look(house, deposit)
    row = await look(house, deposit)

    assert await posted(house, SESSIONS) == [keys[0], keys[0].removesuffix(":1") + ":2"]
    assert keys[0] == f"deposit:{deposit['id']}:checkout:1"
    assert row["checkout"]["session_id"] == (await the_session(house))["id"]


async def test_a_process_that_dies_is_finished_by_its_replay(idle_house: House, ada: Person) -> None:
    """Before, within and after the call to Stripe: one deposit and one page in the end."""
    house = idle_house
    addresses = CheckoutAddresses(ADDRESSES["successUrl"], ADDRESSES["cancelUrl"])
    left_behind = set()
    await checks_out(ada)  # and so is a Customer there
    for step in range(STEPS_MAX):
        command = CreateDeposit(25_00, "USD", f"rent {step}", checkout=addresses)
        making = deposits.create
        async with own_line_to_stripe(house) as runtime:
            dying = making(runtime, ada.id, command, budget=house.limits.deposits)
            async with killed_at(step, dying) as died:
                written = await house.count("deposits")
                left_behind.add((written - step, len(await house.stripe.objects("checkout.session")) - step))
                await house.end_transactions()
                await house.time_passes(seconds=house.settings.lease_seconds + 1)
                payload = await ada.create_deposit(25_00, key=f"rent {step}", checkout=ADDRESSES)
                while payload["userErrors"]:  # the dead one's call is still under way at Stripe
                    payload = await ada.create_deposit(25_00, key=f"rent {step}", checkout=ADDRESSES)
        if not died:
            break

    assert not died
    assert left_behind == {(1, 1), (2, 1), (2, 2)}
    sessions = await house.stripe.objects("checkout.session")
    made = [session["metadata"]["deposit_id"] for session in sessions]
    rows = await house.collection("deposits").find({}).to_list()
    assert sorted(made) == sorted(row["_id"] for row in rows)
    assert {row["checkout"]["session_id"] for row in rows} == {session["id"] for session in sessions}


# ------------------------------------------------------------------ while it ends


@pytest.mark.parametrize("fault", [*FAULTS, "error_400"])
async def test_the_sweep_closes_what_a_fault_left_open(house: House, ada: Person, fault: str) -> None:
    deposit = await checks_out(ada)
    await house.stop_worker()
    await house.stripe.webhooks(drop=1)
    code: dict[str, Any] = {"code": "odd"} if fault == "error_400" else {}
    await house.stripe.fault("POST", EXPIRING, fault, **code)

    payload = await cancel(ada, deposit)

    assert codes(payload) == ["PAYMENT_PROVIDER_UNAVAILABLE"]
    assert payload["deposit"]["waitingFor"]["code"] == "CANCELLATION"
    await house.start_worker()
    await swept(house, ada, minutes=2)
    present = await ada.deposit(deposit["id"])
    assert (present["status"], present["history"][-1]["actor"]) == ("CANCELED", "owner")
    assert (await the_session(house))["status"] == "expired"


@pytest.mark.parametrize("fault", FAULTS)
async def test_one_whose_page_is_not_known_ends_too(house: House, ada: Person, fault: str) -> None:
    """Whatever became of the question, nothing that can be paid is left at Stripe."""
    await house.stop_worker()
    await house.stripe.fault("POST", SESSIONS, fault)
    deposit = (await asks(ada))["deposit"]

    await cancel(ada, deposit)

    await house.start_worker()
    await swept(house, ada, rounds=3, minutes=2)
    assert (await ada.deposit(deposit["id"]))["status"] == "CANCELED"
    sessions = await house.stripe.objects("checkout.session")
    assert [session["status"] for session in sessions] in ([], ["expired"])


async def test_a_payment_wins_over_a_closing_whose_answer_is_lost(house: House, ada: Person) -> None:
    deposit = await checks_out(ada)
    await house.stripe.webhooks(drop=1)
    await house.stripe.fault("POST", EXPIRING, "reset_before_commit")
    await cancel(ada, deposit)
    await on_page(house, deposit)
    await swept(house, ada, minutes=2)
    assert (await ada.deposit(deposit["id"]))["status"] == "SUCCEEDED"
    assert await ada.available() == 25_00


@pytest.mark.parametrize("path", [f"{SESSIONS}/*", "/v1/payment_intents/*"])
async def test_an_outage_while_it_is_read_changes_nothing(house: House, ada: Person, path: str) -> None:
    deposit = await checks_out(ada)
    await house.stop_worker()
    await house.stripe.webhooks(drop=1)
    await on_page(house, deposit)
    await house.stripe.fault("GET", path, "error_503", times=3)
    await swept(house, ada, minutes=2)
    assert (await ada.deposit(deposit["id"]))["status"] == "REQUIRES_PAYMENT"
    await swept(house, ada, minutes=10)
    assert (await ada.deposit(deposit["id"]))["status"] == "SUCCEEDED"


# ------------------------------------------------------------------ events


async def test_what_was_read_after_a_decline_is_newer_than_it(house: House, ada: Person) -> None:
    """Reading takes long; meanwhile a card is declined, which is told, and then a bank pays, which is not."""
    deposit = await checks_out(ada)
    await house.stripe.fault("GET", f"{SESSIONS}/*", "latency", latency_ms=500)
    reading = asyncio.create_task(deposits.sessions.read(house.runtime, session_of(deposit)))
    await on_page(house, deposit, "declined")
    await house.reaches(ada, deposit, "FAILED")
    await house.stripe.webhooks(drop=1)
    await on_page(house, deposit, "paid_later")

    fact = await reading
    assert (fact.session.status, fact.intent and fact.intent.status) == ("complete", "processing")
    recorded = await deposits.sessions.settle(house.runtime, fact, actor=Actor.WORKER)

    assert recorded is not None
    assert recorded.status is DepositStatus.PROCESSING


@pytest.mark.parametrize("outcome", ["succeeded", "failed"])
async def test_in_every_order_its_events_come_to_the_same(house: House, ada: Person, outcome: str) -> None:
    """All that are told of one page, every permutation, the first and the last of each told twice."""
    await house.stripe.webhooks(drop=1)
    kinds = ["payment_intent.processing", "checkout.session.completed"]
    end = "succeeded" if outcome == "succeeded" else "payment_failed"
    kinds += [f"payment_intent.{end}", f"checkout.session.async_payment_{outcome}"]
    made = [await checks_out(ada, 1_00) for _ in itertools.permutations(kinds)]
    for deposit in made:
        for step in ("paid_later", f"paid_later_{outcome}"):
            await on_page(house, deposit, step)
    told: dict[tuple[str, str], dict[str, Any]] = {}
    for event in await house.stripe.objects("event"):
        about = event["data"]["object"]["metadata"].get("deposit_id")
        told[about, event["type"]] = event

    async def tell(deposit: dict[str, Any], order: tuple[str, ...]) -> None:
        for number, kind in enumerate([*order, order[0], order[-1]]):
            event = told[deposit["id"], kind]
            assert (await house.deliver(event | {"id": f"{event['id']}_{number}"})).status_code == 200

    orders = itertools.permutations(kinds)
    await asyncio.gather(*(tell(one, order) for one, order in zip(made, orders, strict=True)))
    await house.quiet()

    ended = [await ada.deposit(deposit["id"]) for deposit in made]
    status = {"succeeded": "SUCCEEDED", "failed": "CANCELED"}[outcome]
    assert {(one["status"], one["failure"] is None) for one in ended} == {(status, outcome == "succeeded")}
    assert await ada.available() == (len(made) * 1_00 if outcome == "succeeded" else 0)
    assert await house.count("findings") == 0
    assert await house.ledger_is_sound()


async def test_a_page_of_somebody_elses_is_kept_as_unmatched(house: House, ada: Person) -> None:
    deposit = await checks_out(ada)
    await house.collection("deposits").delete_one({"_id": deposit["id"]})
    await house.stripe.pay_checkout(session_of(deposit))
    await house.caught_up()
    assert await house.count("findings", object_id=session_of(deposit)) == 1
