"""Saved cards: saved with Stripe.js or elsewhere, listed, chosen as the default, removed."""

import asyncio
import itertools
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from ulid import ULID

from domain import customers, methods
from domain.inbox import Endpoint, WebhookEvent
from domain.kernel.database import Tx
from tests.house import House, Person
from tests.house.people import CARD_MUTATION, CREATE_SETUP_INTENT

VISA, MASTERCARD = "pm_card_visa", "pm_card_mastercard"
NODE = "query ($id: ID!) { node(id: $id) { __typename id ... on PaymentMethod { last4 isDefault } } }"
MUTATIONS = ["setDefaultPaymentMethod", "removePaymentMethod"]
HINTS = [
    "payment_method.attached",
    "payment_method.detached",
    "payment_method.updated",
    "payment_method.automatically_updated",
]


@pytest.fixture
async def ada(house: House) -> Person:
    return await house.customer()


def seen(cards: list[dict[str, Any]]) -> list[tuple[str, bool]]:
    """Each card's last four digits, and whether it is the default."""
    return [(card["last4"], card["isDefault"]) for card in cards]


async def saved(house: House, person: Person, card: str = VISA) -> dict[str, Any]:
    """A new saved card, as its owner sees it."""
    await house.save_card(person, card)
    return (await person.cards())[0]


async def seen_while_away(house: House, person: Person) -> list[tuple[str, bool]]:
    """What our copies say, for Stripe does not."""
    await house.stripe.fault("GET", "/v1/customers/*/payment_methods", "error_503", times=1000)
    try:
        return seen(await person.cards())
    finally:
        await house.stripe.control("/faults", method="DELETE")


async def requests(house: House) -> int:
    return len((await house.stripe.state())["requests"])


def at_stripe(house: House, card: Mapping[str, Any]) -> Any:
    return house.collection("payment_methods").find_one({"_id": card["id"]})


async def not_found(payload: Mapping[str, Any]) -> None:
    assert payload["paymentMethod"] is None
    [error] = payload["userErrors"]
    assert (error["__typename"], error["code"], error["path"]) == ("InputError", "NOT_FOUND", ["id"])


# ------------------------------------------------------------------ saving


async def confirmed(house: House, client_secret: str, card: str = VISA) -> dict[str, Any]:
    """The setup intent, after its person's browser has confirmed it with a card."""
    path = f"/v1/setup_intents/{client_secret.partition('_secret_')[0]}/confirm"
    return await house.stripe.request("POST", path, {"payment_method": card})


async def test_a_card_is_saved_with_a_setup_intent(house: House, ada: Person) -> None:
    payload = await ada.create_setup_intent()
    assert payload["userErrors"] == []

    intent = await confirmed(house, payload["setupIntent"]["clientSecret"])

    [customer] = await house.stripe.objects("customer")
    assert customer["metadata"] == intent["metadata"] == {"user_id": ada.id}
    assert (intent["status"], intent["usage"], intent["customer"]) == (
        "succeeded",
        "off_session",
        customer["id"],
    )
    assert intent["automatic_payment_methods"] == {"enabled": True, "allow_redirects": "never"}
    assert seen(await ada.cards()) == [("4242", False)]
    await house.quiet()
    assert await house.count("payment_methods") == 1


async def test_each_call_makes_a_setup_intent_of_one_customer(house: House, ada: Person) -> None:
    payloads = await asyncio.gather(*(ada.create_setup_intent() for _ in range(5)))

    secrets = {payload["setupIntent"]["clientSecret"] for payload in payloads}
    assert secrets == {intent["client_secret"] for intent in await house.stripe.objects("setup_intent")}
    assert len(secrets) == 5
    assert len(await house.stripe.objects("customer")) == 1


async def test_a_setup_intents_success_alone_brings_the_card(house: House, ada: Person) -> None:
    """Its event names the card: that the card was attached need not be heard."""
    await house.stripe.webhooks(drop=1)
    payload = await ada.create_setup_intent()
    await confirmed(house, payload["setupIntent"]["clientSecret"])
    events = await house.stripe.objects("event")
    [succeeded] = [event for event in events if event["type"] == "setup_intent.succeeded"]

    await house.deliver(succeeded)

    await done(house, succeeded)
    assert await copies(house) == [("4242", False)]


async def test_what_stripe_refuses_is_told(house: House, ada: Person) -> None:
    await house.stripe.fault("POST", "/v1/setup_intents", "error_400", code="customer_max")

    payload = await ada.create_setup_intent()

    assert payload["setupIntent"] is None
    [error] = payload["userErrors"]
    assert (error["__typename"], error["code"]) == ("PaymentError", "PAYMENT_DECLINED")
    assert (await ada.create_setup_intent())["userErrors"] == []


# ------------------------------------------------------------------ listing


async def test_saved_cards_are_listed_newest_first(house: House, ada: Person) -> None:
    assert (await house.save_card(ada, VISA))["object"] == "payment_method"
    stripes = await house.save_card(ada, MASTERCARD)

    newest, oldest = await ada.cards()

    assert newest["id"].startswith("pmt_")
    assert newest == {
        "id": newest["id"],
        "type": "card",
        "brand": "mastercard",
        "last4": "4444",
        "expMonth": stripes["card"]["exp_month"],
        "expYear": stripes["card"]["exp_year"],
        "isDefault": False,
    }
    assert (oldest["brand"], oldest["last4"]) == ("visa", "4242")
    assert await ada.cards() == [newest, oldest]
    assert (await ada.data(NODE, {"id": newest["id"]}))["node"] == {
        "__typename": "PaymentMethod",
        "id": newest["id"],
        "last4": "4444",
        "isDefault": False,
    }


@pytest.mark.parametrize("heard_of", [False, True])
async def test_cards_of_one_second_are_in_stripes_order(house: House, ada: Person, heard_of: bool) -> None:
    """Also when events have told of the newest first."""
    await house.stripe.webhooks(drop=1)
    cards = [await house.save_card(ada, card) for card in [VISA, MASTERCARD] * 3]
    for card in reversed(cards) if heard_of else []:
        event = hint("payment_method.attached", card)
        await house.deliver(event)
        await done(house, event)

    last4s = [card["last4"] for card in await ada.cards()]

    assert last4s == ["4444", "4242"] * 3
    if not heard_of:
        # Our copies were made in that order, and keep it.
        assert [last4 for last4, _ in await seen_while_away(house, ada)] == last4s


async def test_who_never_paid_has_no_cards_and_no_customer(house: House, ada: Person) -> None:
    assert await ada.cards() == []
    assert await requests(house) == 0
    assert await house.count("customers") == 0


async def test_a_copy_holds_what_its_owner_sees_and_no_more(house: House, ada: Person) -> None:
    card = await saved(house, ada)
    copy = await at_stripe(house, card)
    assert set(copy) == {
        *("_id", "owner", "stripe_id", "type", "brand", "last4", "exp_month", "exp_year"),
        *("removed_at", "observed_at", "created_at"),
    }


async def test_our_copies_answer_while_stripe_is_away(house: House, ada: Person) -> None:
    """They are there before anybody asked for them: an event has brought them."""
    await house.save_card(ada, VISA)
    stripes = await house.save_card(ada, MASTERCARD)
    await house.until(lambda: house.count("payment_methods", stripe_id=stripes["id"]))
    await house.quiet()

    # Both are of one second: which is the newer only Stripe knows.
    assert sorted(await seen_while_away(house, ada)) == [("4242", False), ("4444", False)]


async def test_a_lost_event_is_healed_by_the_list(house: House, ada: Person) -> None:
    await house.stripe.webhooks(drop=1)
    card = await saved(house, ada)
    assert await seen_while_away(house, ada) == [("4242", False)]

    stripe_id = (await at_stripe(house, card))["stripe_id"]
    await house.stripe.request("POST", f"/v1/payment_methods/{stripe_id}/detach")

    assert await ada.cards() == []
    assert (await at_stripe(house, card))["removed_at"] is not None
    await not_found(await ada.set_default_card(card["id"]))


async def test_a_list_alone_does_not_take_a_card_away(house: House, ada: Person) -> None:
    """It is not in the list, and whether it is gone cannot be asked: it stays, as it was seen."""
    await house.stripe.webhooks(drop=1)
    card = await saved(house, ada)
    stripe_id = (await at_stripe(house, card))["stripe_id"]
    await house.stripe.request("POST", f"/v1/payment_methods/{stripe_id}/detach")
    await house.stripe.fault("GET", "/v1/payment_methods/*", "error_503", times=3)

    assert await ada.cards() == [card]
    assert await ada.cards() == []


# ------------------------------------------------------------------ the default


async def test_the_default_is_stripes(house: House, ada: Person) -> None:
    visa = await saved(house, ada, VISA)
    mastercard = await saved(house, ada, MASTERCARD)

    for card, expected in ((visa, [False, True]), (mastercard, [True, False]), (mastercard, [True, False])):
        payload = await ada.set_default_card(card["id"])

        assert payload == {"paymentMethod": card | {"isDefault": True}, "userErrors": []}
        assert [is_default for _, is_default in seen(await ada.cards())] == expected
        [customer] = await house.stripe.objects("customer")
        stripe_id = (await at_stripe(house, card))["stripe_id"]
        assert customer["invoice_settings"]["default_payment_method"] == stripe_id

    assert sorted(await seen_while_away(house, ada)) == [("4242", False), ("4444", True)]
    assert (await ada.data(NODE, {"id": mastercard["id"]}))["node"]["isDefault"] is True


async def test_a_default_that_was_chosen_elsewhere_is_heard_of(house: House, ada: Person) -> None:
    card = await saved(house, ada)
    customer = await customers.ensure(house.runtime, ada.id)
    stripe_id = (await at_stripe(house, card))["stripe_id"]

    chosen = {"invoice_settings[default_payment_method]": stripe_id}
    await house.stripe.request("POST", f"/v1/customers/{customer}", chosen)

    await house.until(lambda: house.count("customers", default_method=stripe_id))
    assert await seen_while_away(house, ada) == [("4242", True)]


async def test_what_was_detached_elsewhere_cannot_become_the_default(house: House, ada: Person) -> None:
    await house.stripe.webhooks(drop=1)
    card = await saved(house, ada)
    stripe_id = (await at_stripe(house, card))["stripe_id"]
    await house.stripe.request("POST", f"/v1/payment_methods/{stripe_id}/detach")

    await not_found(await ada.set_default_card(card["id"]))

    assert await seen_while_away(house, ada) == []


async def test_racing_defaults_end_as_stripe_has_them(house: House, ada: Person) -> None:
    cards = [await saved(house, ada, card) for card in (VISA, MASTERCARD)]

    payloads = await asyncio.gather(*(ada.set_default_card(card["id"]) for card in cards * 5))

    assert [payload["userErrors"] for payload in payloads] == [[]] * 10
    assert all(payload["paymentMethod"]["isDefault"] for payload in payloads)
    await house.quiet()
    [customer] = await house.stripe.objects("customer")
    default = customer["invoice_settings"]["default_payment_method"]
    by_stripe = await house.collection("payment_methods").find_one({"stripe_id": default})
    expected = sorted((card["last4"], card["id"] == by_stripe["_id"]) for card in cards)
    assert sorted(seen(await ada.cards())) == expected
    assert sorted(await seen_while_away(house, ada)) == expected


# ------------------------------------------------------------------ removing


async def test_a_removed_card_is_gone_for_ever(house: House, ada: Person) -> None:
    keep = await saved(house, ada, VISA)
    card = await saved(house, ada, MASTERCARD)
    await ada.set_default_card(card["id"])
    stripe_id = (await at_stripe(house, card))["stripe_id"]

    payload = await ada.remove_card(card["id"])

    assert payload == {"paymentMethod": card, "userErrors": []}
    stripes = {method["id"]: method["customer"] for method in await house.stripe.objects("payment_method")}
    assert stripes[stripe_id] is None
    assert await ada.cards() == [keep]
    assert (await ada.data(NODE, {"id": card["id"]}))["node"] is None
    await house.quiet()
    asked = await requests(house)
    await not_found(await ada.remove_card(card["id"]))
    await not_found(await ada.set_default_card(card["id"]))
    assert await methods.find_own(ada.id, card["id"]) is None
    assert await requests(house) == asked


async def test_racing_removals_all_end_well(house: House, ada: Person) -> None:
    card = await saved(house, ada)

    payloads = await asyncio.gather(*(ada.remove_card(card["id"]) for _ in range(8)))

    # Who came after the end is told that there is no such card.
    for payload in payloads:
        if payload["userErrors"]:
            await not_found(payload)
        else:
            assert payload["paymentMethod"] == card
    assert await ada.cards() == []
    assert await house.count("payment_methods") == 1


async def test_a_removal_and_a_choice_race(house: House, ada: Person) -> None:
    card = await saved(house, ada)

    removed, chosen = await asyncio.gather(ada.remove_card(card["id"]), ada.set_default_card(card["id"]))

    assert (removed["paymentMethod"], removed["userErrors"]) == (card, [])
    if chosen["userErrors"]:
        await not_found(chosen)
    assert await ada.cards() == []


async def test_many_ask_at_once(house: House, ada: Person) -> None:
    await house.stripe.webhooks(drop=1)
    for card in (VISA, MASTERCARD):
        await house.save_card(ada, card)

    answers = await asyncio.gather(*(ada.cards() for _ in range(20)))

    assert all(answer == answers[0] for answer in answers)
    assert len(answers[0]) == await house.count("payment_methods") == 2


# ------------------------------------------------------------------ whose it is


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_somebody_elses_card_is_no_card(house: House, ada: Person, mutation: str) -> None:
    card = await saved(house, ada)
    eve, admin = await house.customer("eve"), await house.admin()
    await saved(house, eve, MASTERCARD)
    await house.quiet()
    asked = await requests(house)

    ids = (card["id"], "pmt_", f"pmt_{ULID()}", "pm_card_visa", "dep_1", "", "pmt_\x00", "ü" * 5000)
    for card_id in ids:
        payload = (await eve.data(CARD_MUTATION % mutation, {"input": {"id": card_id}}))["payload"]
        await not_found(payload)
    for stranger in (eve, admin):
        assert (await stranger.data(NODE, {"id": card["id"]}))["node"] is None
    assert await methods.find_own(eve.id, card["id"]) is None
    assert await requests(house) == asked
    assert await admin.cards() == []
    assert [one["last4"] for one in await eve.cards()] == ["4444"]
    assert seen(await ada.cards()) == [("4242", False)]


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_only_customers_change_cards(house: House, mutation: str) -> None:
    change = CARD_MUTATION % mutation
    for person in (await house.contractor(), await house.admin()):
        assert (await person.ask(change, {"input": {"id": "pmt_1"}})).code == "FORBIDDEN"
        assert (await person.ask(CREATE_SETUP_INTENT)).code == "FORBIDDEN"
        assert await person.cards() == []
    nobody = house.nobody()
    assert (await nobody.ask(change, {"input": {"id": "pmt_1"}})).code == "UNAUTHENTICATED"
    assert (await nobody.ask(CREATE_SETUP_INTENT)).code == "UNAUTHENTICATED"
    assert (await nobody.ask("{ paymentMethods { id } }")).code == "UNAUTHENTICATED"
    assert (await nobody.ask(NODE, {"id": "pmt_1"})).code == "UNAUTHENTICATED"
    assert await requests(house) == 0


@pytest.mark.parametrize(
    "input", [None, {}, {"id": None}, {"id": ["pmt_1"]}, {"id": "pmt_1", "owner": "usr_1"}]
)
async def test_bad_input_is_a_bad_request(house: House, ada: Person, input: Any) -> None:
    for mutation in MUTATIONS:
        assert (await ada.ask(CARD_MUTATION % mutation, {"input": input})).code == "BAD_REQUEST"
    assert await requests(house) == 0


# ------------------------------------------------------------------ what events say


def hint(kind: str, method: Mapping[str, Any], **before: Any) -> dict[str, Any]:
    """An event about `method`, as Stripe showed it then."""
    return {
        "id": f"evt_{ULID()}",
        "object": "event",
        "api_version": "2026-05-27.dahlia",
        "created": method["created"],
        "data": {"object": method, **({"previous_attributes": before} if before else {})},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
    }


async def done(house: House, event: Mapping[str, Any]) -> dict[str, Any]:
    """The event as the inbox holds it, once it is done with."""
    criteria = {"_id": event["id"], "status": "PROCESSED"}
    row: dict[str, Any] = await house.until(lambda: house.collection("webhook_events").find_one(criteria))
    return row


async def copies(house: House) -> list[tuple[str, bool]]:
    """Every copy: its last four digits, and whether it was removed."""
    rows = house.collection("payment_methods").find()
    return [(row["last4"], row["removed_at"] is not None) async for row in rows]


@pytest.mark.parametrize("removed", [False, True])
async def test_events_in_any_order_and_twice_come_to_the_same(
    house: House, ada: Person, removed: bool
) -> None:
    await house.stripe.webhooks(drop=1)
    attached = await house.save_card(ada)
    detached = attached | {"customer": None}
    if removed:
        await house.stripe.request("POST", f"/v1/payment_methods/{attached['id']}/detach")
    kinds = ["payment_method.attached", "payment_method.updated"] + ["payment_method.detached"] * removed
    for order in itertools.permutations(kinds):
        await house.collection("payment_methods").delete_many({})
        for kind in (*order, *order):
            if kind == "payment_method.detached":
                event = hint(kind, detached, customer=attached["customer"])
            else:
                event = hint(kind, attached)
            await house.deliver(event)
            await house.deliver(event)
            await done(house, event)
        assert await copies(house) == [("4242", removed)]
    assert await house.count("findings") == 0


async def test_an_answer_from_before_the_end_does_not_bring_a_card_back(house: House, ada: Person) -> None:
    """A handler that was held up between its question and its writing, while the card was detached."""
    await house.stripe.webhooks(drop=1)
    attached = await house.save_card(ada)
    early = hint("payment_method.attached", attached)
    fact = await methods.events.gather(house.runtime, early)
    await house.stripe.request("POST", f"/v1/payment_methods/{attached['id']}/detach")
    late = hint("payment_method.detached", attached | {"customer": None}, customer=attached["customer"])
    await house.deliver(late)
    await done(house, late)

    await house.runtime.database.transact(lambda tx: applied(tx, house, early, fact))

    assert await copies(house) == [("4242", True)]


async def test_an_answer_from_before_its_removal_does_not_bring_a_card_back(
    house: House, ada: Person
) -> None:
    await house.stripe.webhooks(drop=1)
    card = await saved(house, ada)
    [attached] = await house.stripe.objects("payment_method")
    early = hint("payment_method.updated", attached)
    fact = await methods.events.gather(house.runtime, early)
    await ada.remove_card(card["id"])

    await house.runtime.database.transact(lambda tx: applied(tx, house, early, fact))

    assert await copies(house) == [("4242", True)]
    assert await ada.cards() == []


async def applied(tx: Tx, house: House, event: Mapping[str, Any], fact: Any) -> str:
    stored = WebhookEvent(
        id=event["id"],
        endpoint=Endpoint.PLATFORM,
        type=event["type"],
        account=None,
        object_id=None,
        body=b"",
        received_at=house.clock(),
        next_attempt_at=None,
    )
    return (await methods.events.apply(tx, house.runtime, stored, fact)).outcome


async def test_an_older_answer_is_not_written_over_a_newer(house: House, ada: Person) -> None:
    await house.stripe.webhooks(drop=1)
    attached = await house.save_card(ada)
    early = hint("payment_method.attached", attached)
    fact = await methods.events.gather(house.runtime, early)
    await ada.cards()
    changed = {"exp_year": 2001, "observed_at": fact.observed_at + timedelta(milliseconds=1)}
    await house.collection("payment_methods").update_one({}, {"$set": changed})

    await house.runtime.database.transact(lambda tx: applied(tx, house, early, fact))

    [copy] = await house.collection("payment_methods").find().to_list()
    assert copy["exp_year"] == 2001


async def test_an_older_default_is_not_written_over_a_newer(house: House, ada: Person) -> None:
    card = await saved(house, ada)
    stripes = await house.runtime.gateway.customer(await customers.ensure(house.runtime, ada.id))
    before = house.clock()
    await ada.set_default_card(card["id"])
    await house.quiet()

    await house.runtime.database.transact(
        lambda tx: customers.record(tx, ada.id, stripes, observed_at=before - timedelta(milliseconds=1))
    )

    assert await seen_while_away(house, ada) == [("4242", True)]


@pytest.mark.parametrize("kind", HINTS)
async def test_each_event_makes_us_look(house: House, ada: Person, kind: str) -> None:
    """Whatever it says itself: the copy becomes what Stripe has."""
    await house.stripe.webhooks(drop=1)
    card = await saved(house, ada)
    await house.collection("payment_methods").update_one({}, {"$set": {"last4": "0000", "exp_year": 2001}})
    [attached] = await house.stripe.objects("payment_method")

    event = hint(kind, attached)
    await house.deliver(event)
    await done(house, event)

    copy = await at_stripe(house, card)
    assert (copy["last4"], copy["exp_year"], copy["removed_at"]) == ("4242", card["expYear"], None)


async def test_a_card_that_was_changed_elsewhere_is_seen(house: House, ada: Person) -> None:
    card = await saved(house, ada)
    await house.quiet()
    await house.collection("payment_methods").update_one({}, {"$set": {"exp_year": 2001}})
    stripe_id = (await at_stripe(house, card))["stripe_id"]

    path = f"/v1/payment_methods/{stripe_id}"
    await house.stripe.request("POST", path, {"billing_details[name]": "Ada"})

    await house.until(lambda: house.count("payment_methods", exp_year=card["expYear"]))


async def test_a_card_that_stripe_has_no_more_is_removed(house: House, ada: Person) -> None:
    await house.stripe.webhooks(drop=1)
    card = await saved(house, ada)
    [attached] = await house.stripe.objects("payment_method")
    renamed = {"stripe_id": "pm_of_a_former_life"}
    await house.collection("payment_methods").update_one({}, {"$set": renamed})

    event = hint("payment_method.updated", attached | {"id": "pm_of_a_former_life"})
    await house.deliver(event)
    await done(house, event)

    assert (await at_stripe(house, card))["removed_at"] is not None


@pytest.mark.parametrize("whose", ["nobody's", "ours"])
async def test_a_card_of_a_customer_that_is_not_ours(house: House, ada: Person, whose: str) -> None:
    """Another system may share the account; but who names a person of ours must be explained."""
    metadata = {"metadata[user_id]": ada.id} if whose == "ours" else {"metadata[user_id]": "usr_elsewhere"}
    customer = await house.stripe.request("POST", "/v1/customers", metadata)
    await house.stripe.request("POST", f"/v1/payment_methods/{VISA}/attach", {"customer": customer["id"]})
    [event] = [one for one in await house.stripe.objects("event") if one["type"] == HINTS[0]]

    row = await done(house, event)

    assert await house.count("payment_methods") == 0
    findings = await house.collection("findings").find().to_list()
    if whose == "ours":
        assert row["outcome"] == "UNMATCHED"
        [finding] = findings
        assert (finding["event_id"], finding["object_id"]) == (event["id"], event["data"]["object"]["id"])
    else:
        assert (row["outcome"], findings) == ("not ours", [])


# ------------------------------------------------------------------ what a payment saved


async def test_a_card_that_a_payment_saved_is_remembered(house: House, ada: Person) -> None:
    await house.stripe.webhooks(drop=1)
    attached = await house.save_card(ada)

    for _ in range(2):
        await methods.remember(house.runtime, ada.id, attached["id"])

    assert await seen_while_away(house, ada) == [("4242", False)]


async def test_only_what_was_saved_for_its_owner_is_remembered(house: House, ada: Person) -> None:
    await house.stripe.webhooks(drop=1)
    eve = await house.customer("eve")
    attached = await house.save_card(ada)
    unsaved = await house.stripe.request(
        "POST", "/v1/payment_methods", {"type": "card", "card[token]": "tok_visa"}
    )

    await methods.remember(house.runtime, eve.id, attached["id"])
    await methods.remember(house.runtime, ada.id, unsaved["id"])
    await methods.remember(house.runtime, ada.id, "pm_unknown")

    assert await house.count("payment_methods") == 0


async def test_a_customer_deleted_at_stripe_is_followed_by_another(house: House, ada: Person) -> None:
    await house.save_card(ada)
    [first] = await house.stripe.objects("customer")
    await house.stripe.request("DELETE", f"/v1/customers/{first['id']}")
    [deleted] = [e for e in await house.stripe.objects("event") if e["type"] == "customer.deleted"]
    await done(house, deleted)

    deposit = await ada.deposits(usd=25_00)
    await house.pay(deposit)
    assert (await house.settled(ada, deposit))["status"] == "SUCCEEDED"

    assert await ada.cards() == []
    [second] = [c for c in await house.stripe.objects("customer") if not c.get("deleted")]
    assert second["metadata"] == {"user_id": ada.id}
    await house.deliver(deleted)
    await done(house, deleted)
    assert (await ada.create_setup_intent())["userErrors"] == []
    assert [c["id"] for c in await house.stripe.objects("customer") if not c.get("deleted")] == [second["id"]]
