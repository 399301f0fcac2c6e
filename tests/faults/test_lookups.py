"""What a key cannot tell, Stripe's list must: and an empty one proves something only the second time."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from domain.gateway import Attempt, Find, Forbidden, KeySpent, NotFoundYet, NotSendable, Refused, Unknown, ask
from domain.gateway.asking import Send
from tests.house import House, Person

CUSTOMERS, INTENTS = "/v1/customers", "/v1/payment_intents"
SOON = timedelta(seconds=10)


@pytest.fixture
async def idle_house(house: House) -> AsyncIterator[House]:
    """Without a worker: the test itself sweeps."""
    await house.stop_worker()
    yield house
    await house.start_worker()


async def stored(house: House, deposit: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = await house.collection("deposits").find_one({"_id": deposit["id"]})
    return row


async def unanswered(house: House, person: Person, path: str, fault: str) -> dict[str, Any]:
    """A deposit of which one call got no answer."""
    await house.stripe.fault("POST", path, fault)
    payload = await person.create_deposit(25_00, key="rent")
    [error] = payload["userErrors"]
    assert error["code"] == "PAYMENT_PROVIDER_UNAVAILABLE"
    deposit: dict[str, Any] = payload["deposit"]
    # A day later it would be over, and nothing asked any more: here people may take their time.
    forever = {"$set": {"expires_at": None}}
    await house.collection("deposits").update_one({"_id": deposit["id"]}, forever)
    return deposit


async def look(house: House, deposit: dict[str, Any]) -> dict[str, Any]:
    """The deposit as stored after a look at it, due or not, once the sweep before has lost its lease."""
    house.clock.ahead += house.runtime.policy.lease
    due = {"$set": {"next_attempt_at": house.clock()}}
    await house.collection("deposits").update_one({"_id": deposit["id"]}, due)
    await house.sweep()
    return await stored(house, deposit)


async def ask_again(house: House, person: Person, send: Send[str], find: Find[str]) -> str | None:
    """For the person's Customer, of an attempt that `send` and `find` answer."""
    policy = house.runtime.policy
    return await ask(
        house.collection("customers"),
        person.id,
        answer_field="stripe_id",
        send=send,
        find=find,
        check_circuit=house.runtime.gateway.check_circuit,
        now=house.clock,
        lease=policy.lease,
        lookup_wait=policy.lookup_wait,
    )


async def posted(house: House, path: str) -> list[str]:
    """The keys under which Stripe was asked to make something, each as often as it was."""
    requests = (await house.stripe.state())["requests"]
    return [one["idempotency_key"] for one in requests if (one["method"], one["path"]) == ("POST", path)]


@pytest.mark.parametrize("path", [CUSTOMERS, INTENTS])
async def test_a_key_too_old_is_followed_by_the_next_after_two_empty_lookups(
    idle_house: House, path: str
) -> None:
    house = idle_house
    ada = await house.customer()
    deposit = await unanswered(house, ada, path, "reset_before_commit")
    keys = await posted(house, path)
    house.clock.advance(hours=24, minutes=1)

    row = await look(house, deposit)  # empty, once
    wait = house.runtime.policy.lookup_wait
    assert wait - SOON < row["next_attempt_at"] - house.clock() <= wait
    house.clock.ahead += wait - SOON
    await look(house, deposit)
    assert await posted(house, path) == keys
    house.clock.ahead += SOON
    await look(house, deposit)  # empty again: decided
    await look(house, deposit)

    assert await posted(house, path) == [keys[0], keys[0].removesuffix(":1") + ":2"]
    [intent] = await house.stripe.objects("payment_intent")
    assert (await stored(house, deposit))["payment_intent_id"] == intent["id"]


@pytest.mark.parametrize("path", [CUSTOMERS, INTENTS])
async def test_a_no_after_an_unknown_answer_is_believed_after_two_empty_lookups(
    idle_house: House, path: str
) -> None:
    house = idle_house
    ada = await house.customer()
    deposit = await unanswered(house, ada, path, "reset_before_commit")
    await house.stripe.fault("POST", path, "error_400", code="email_invalid")

    for _ in range(3):
        payload = await ada.create_deposit(25_00, key="rent")
        assert payload["deposit"]["status"] == "REQUIRES_PAYMENT"
        assert payload["userErrors"][0]["code"] == "PAYMENT_PROVIDER_UNAVAILABLE"
    house.clock.ahead += house.runtime.policy.lookup_wait
    await look(house, deposit)

    payload = await ada.create_deposit(25_00, key="rent")
    assert (payload["deposit"]["status"], payload["deposit"]["failure"]["code"]) == (
        "CANCELED",
        "email_invalid",
    )
    assert payload["userErrors"][0]["code"] == "PAYMENT_DECLINED"


async def test_what_is_listed_late_is_found_by_the_second_lookup(idle_house: House) -> None:
    house = idle_house
    ada = await house.customer()
    deposit = await unanswered(house, ada, INTENTS, "reset_before_commit")
    house.clock.advance(hours=24, minutes=1)
    await look(house, deposit)

    [customer] = await house.stripe.objects("customer")
    made = {"amount": "2500", "currency": "usd", "customer": customer["id"]}
    metadata = {"metadata[deposit_id]": deposit["id"], "metadata[user_id]": ada.id}
    intent = await house.stripe.request("POST", INTENTS, made | metadata)
    house.clock.ahead += house.runtime.policy.lookup_wait

    assert (await look(house, deposit))["payment_intent_id"] == intent["id"]


async def test_a_stored_failure_is_looked_up_and_never_asked_for_again(idle_house: House) -> None:
    """Stripe would only repeat it; and it says no more the second time than the first."""
    house = idle_house
    ada = await house.customer()
    await unanswered(house, ada, CUSTOMERS, "error_503")
    asked: list[str] = []

    async def send(attempt: Attempt, _lease_until: Any) -> str:
        asked.append("send")
        raise Unknown("api_error", replayed=True)

    async def find(_attempt: Attempt) -> str | None:
        asked.append("find")
        return None

    with pytest.raises(NotFoundYet):
        await ask_again(house, ada, send, find)
    with pytest.raises(NotFoundYet):
        await ask_again(house, ada, send, find)
    house.clock.ahead += house.runtime.policy.lookup_wait
    with pytest.raises(KeySpent):
        await ask_again(house, ada, send, find)
    assert asked == ["send", "find", "find", "find"]


async def test_an_empty_lookup_proves_nothing_about_what_was_sent_after_it(idle_house: House) -> None:
    house = idle_house
    ada = await house.customer()
    await unanswered(house, ada, CUSTOMERS, "reset_before_commit")
    answers = [Refused("no", "no", replayed=True), Unknown("lost"), Unknown("api_error", replayed=True)]

    async def send(_attempt: Attempt, _lease_until: Any) -> str:
        raise answers.pop(0)

    async def find(_attempt: Attempt) -> str | None:
        return None

    with pytest.raises(NotFoundYet):
        await ask_again(house, ada, send, find)
    house.clock.ahead += house.runtime.policy.lookup_wait
    with pytest.raises(Unknown, match="lost"):
        await ask_again(house, ada, send, find)
    with pytest.raises(NotFoundYet):
        await ask_again(house, ada, send, find)
    house.clock.ahead += house.runtime.policy.lookup_wait
    with pytest.raises(KeySpent):
        await ask_again(house, ada, send, find)


async def test_a_lookup_that_is_refused_says_nothing_about_what_was_sent(idle_house: House) -> None:
    house = idle_house
    ada = await house.customer()
    await unanswered(house, ada, CUSTOMERS, "reset_after_commit")

    async def send(_attempt: Attempt, _lease_until: Any) -> str:
        raise Refused("no", "no", replayed=True)

    async def find(_attempt: Attempt) -> str | None:
        raise Refused("resource_missing", "No such account.")

    for _ in range(3):
        with pytest.raises(Unknown, match="resource_missing"):
            await ask_again(house, ada, send, find)
        house.clock.ahead += house.runtime.policy.lookup_wait


async def test_a_no_that_stripe_does_not_keep_never_decides(idle_house: House) -> None:
    house = idle_house
    ada = await house.customer()
    await unanswered(house, ada, CUSTOMERS, "reset_before_commit")

    async def send(_attempt: Attempt, _lease_until: Any) -> str:
        raise Refused("parameter_unknown", "no")

    async def find(_attempt: Attempt) -> str | None:
        return None

    with pytest.raises(NotFoundYet):
        await ask_again(house, ada, send, find)
    for _ in range(3):
        house.clock.ahead += house.runtime.policy.lookup_wait
        with pytest.raises(Unknown, match="parameter_unknown"):
            await ask_again(house, ada, send, find)


async def test_what_is_too_old_to_be_sent_and_not_yet_spent_is_looked_up(idle_house: House) -> None:
    house = idle_house
    ada = await house.customer()
    await unanswered(house, ada, CUSTOMERS, "reset_before_commit")
    listed: list[str | None] = [None, None, "cus_1"]

    async def send(_attempt: Attempt, _lease_until: Any) -> str:
        raise NotSendable("too old")

    async def find(_attempt: Attempt) -> str | None:
        return listed.pop(0)

    house.clock.advance(hours=23, minutes=1)
    with pytest.raises(NotFoundYet):
        await ask_again(house, ada, send, find)
    house.clock.ahead += house.runtime.policy.lookup_wait
    with pytest.raises(Unknown, match="not_sendable"):
        await ask_again(house, ada, send, find)
    assert await ask_again(house, ada, send, find) == "cus_1"


async def test_a_closed_door_leaves_a_key_as_it_was(idle_house: House) -> None:
    """401 and 403: of this sending they say that it did nothing, of an earlier one nothing at all."""
    house = idle_house
    ada, mary = await house.customer(), await house.customer("mary")
    await unanswered(house, ada, CUSTOMERS, "error_401")
    await unanswered(house, mary, CUSTOMERS, "reset_before_commit")

    async def send(_attempt: Attempt, _lease_until: Any) -> str:
        raise Forbidden("PermissionError")

    async def find(_attempt: Attempt) -> str | None:
        raise AssertionError("nothing is to be looked up")

    for person, unknown in ((ada, False), (mary, True)):
        with pytest.raises(Forbidden):
            await ask_again(house, person, send, find)
        row = await house.collection("customers").find_one({"_id": person.id})
        assert row["attempt"]["unknown"] is unknown
