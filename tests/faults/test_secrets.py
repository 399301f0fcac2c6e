"""What must stay secret stays so: in every line of a whole run's logs, and in every byte of the database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import orjson
import pytest
from bson.raw_bson import RawBSONDocument

from sandbox.processes import any_free_port
from sandbox.stripe.cards import TEMPLATES
from tests.features.test_checkout import ADDRESSES
from tests.house import House, Person
from tests.house.people import SIGN_UP
from tests.house.processes import Process
from tests.house.sandbox import (
    CONNECT_WEBHOOK_SECRET,
    NEW_WEBHOOK_SECRET,
    SECRET_KEY,
    WEBHOOK_SECRET,
)

PASSWORD = "correct horse"
SIGN_IN = """
mutation ($input: SignInInput!) {
  signIn(input: $input) { session { accessToken refreshToken user { id email } } }
}
"""
REFRESH = """
mutation ($input: RefreshSessionInput!) {
  refreshSession(input: $input) { session { accessToken refreshToken user { id email } } userErrors { code } }
}
"""


@asynccontextmanager
async def endpoint_at(house: House, port: int) -> AsyncIterator[str]:
    """A webhook endpoint of Stripe's for the process that will listen there; answers its secret."""
    parameters = {
        "url": f"http://127.0.0.1:{port}/webhooks/stripe",
        "enabled_events[0]": "*",
        "api_version": "2026-05-27.dahlia",
    }
    endpoint = await house.stripe.request("POST", "/v1/webhook_endpoints", parameters)
    try:
        yield endpoint["secret"]
    finally:
        await house.stripe.request("DELETE", f"/v1/webhook_endpoints/{endpoint['id']}")


async def a_whole_life(house: House, url: str, port: int) -> set[str]:
    """Everything that a person does, well and badly; answers what must never be seen again."""
    ada = Person(f"{url}/graphql", house.http)
    await ada.sign_up("ada", "CUSTOMER")
    secrets = {ada.email, PASSWORD, str(ada.token), str(ada.refresh_token)}
    await ada.data(SIGN_UP, {"input": _person(ada.email)})  # taken
    await ada.data(SIGN_IN, {"input": {"email": ada.email, "password": "wrong horse"}})
    for _ in range(2):  # the second is a reuse
        used = {"input": {"refreshToken": ada.refresh_token}}
        session = (await ada.data(REFRESH, used))["refreshSession"]["session"]
        secrets |= {session["accessToken"], session["refreshToken"]} if session else set()
    session = (await ada.data(SIGN_IN, {"input": {"email": ada.email, "password": PASSWORD}}))["signIn"]
    ada.take(session["session"])
    secrets |= {str(ada.token), str(ada.refresh_token), "wrong horse"}

    for path in ("/v1/customers", "/v1/payment_intents"):
        for fault in ("error_503", "truncate_after_commit", "error_401"):
            await house.stripe.fault("POST", path, fault)
    await house.stripe.fault("POST", "/v1/payment_intents", "error_400", code="email_invalid")
    deposits = []
    for key in range(9):
        payload = await ada.create_deposit(25_00, key=f"rent {min(key, 3)}")
        deposits.append(payload["deposit"])
    open_ones = [deposit for deposit in deposits if deposit["clientSecret"]]
    assert open_ones
    for deposit in open_ones:
        secrets.add(deposit["clientSecret"])
        await house.pay(deposit, "pm_card_chargeDeclinedLostCard")
    await house.stripe.fault("POST", "/v1/checkout/sessions", "truncate_after_commit")
    for _ in range(2):
        page = (await ada.create_deposit(25_00, key="page", checkout=ADDRESSES))["deposit"]["checkoutUrl"]
    secrets |= {page, ADDRESSES["successUrl"]}
    async with house.mongo_failing("insert", "entries", times=2):
        await house.pay(open_ones[0])
        await house.settled(ada, open_ones[0])
    await house.deliver({"id": "evt_1"}, secret="whsec_of_somebody_else")
    for header in (f"Bearer {ada.token}x", f"Basic {ada.token}", str(ada.token)):
        await house.http.post(
            f"{url}/graphql", json={"query": "{ me { id } }"}, headers={"Authorization": header}
        )
    await house.http.post(f"{url}/graphql?query={{me{{email}}}}&token={ada.token}", content=ada.email)
    async with ada.subscribe("subscription { walletUpdated { available { amount } } }") as updates:
        await updates.next()
    await house.quiet()
    return secrets


def _person(email: str) -> dict[str, Any]:
    return {"email": email, "password": PASSWORD, "displayName": "Ada", "roles": ["CUSTOMER"]}


async def test_no_secret_is_logged_or_stored(house: House) -> None:
    """API and worker as processes of their own, as talkative as they can be made."""
    port = any_free_port()
    url = f"http://127.0.0.1:{port}"
    await house.stop_worker()
    try:
        async with endpoint_at(house, port) as webhook_secret:
            settings = {
                "log_level": "DEBUG",
                "port": str(port),
                "stripe_webhook_secrets": f"{webhook_secret},{WEBHOOK_SECRET}",
            }
            async with (
                house.process("serve", **settings) as api,
                house.process("worker", **settings) as worker,
            ):
                await house.until(lambda: _up(house, url, worker))
                secrets = await a_whole_life(house, url, port)
                stored = await everything_stored(house)
        secrets |= {webhook_secret, house.environment["DATA_KEYS"], house.environment["CHECKPOINT_KEY"]}
        secrets |= {SECRET_KEY, WEBHOOK_SECRET, NEW_WEBHOOK_SECRET, CONNECT_WEBHOOK_SECRET}
        secrets |= {house.environment["JWT_KEYS"].partition(":")[2]}
        secrets |= {card.number for card in TEMPLATES.values()}
    finally:
        await house.start_worker()

    for process, events in [
        (api, {"stripe call", "refresh_token_reused", "alert"}),
        (worker, {"stripe call", "worker started", "event failed"}),
    ]:
        lines = [orjson.loads(line) for line in process.lines]
        assert events <= {line["event"] for line in lines}
        assert [secret for secret in secrets if secret in process.output] == []
        assert "@example.com" not in process.output
    assert len(stored) > 10_000
    assert [secret for secret in secrets if secret.encode() in stored] == []
    assert b"@example.com" not in stored


async def test_a_settled_deposit_keeps_no_client_secret(house: House) -> None:
    """Not even encrypted; and neither does what was asked of Stripe tell the address."""
    ada = await house.customer()
    deposit = await ada.deposits(usd=25_00)
    before = await house.collection("deposits").find_one({"_id": deposit["id"]})
    assert house.runtime.cipher.decrypt(before["client_secret"]).decode() == deposit["clientSecret"]

    await house.pay(deposit)
    await house.settled(ada, deposit)

    after = await house.collection("deposits").find_one({"_id": deposit["id"]})
    assert after["client_secret"] is None


async def _up(house: House, url: str, worker: Process) -> bool:
    if not any("worker started" in line for line in worker.lines):
        return False
    try:
        return (await house.http.get(f"{url}/health/ready")).status_code == 200
    except httpx.TransportError:
        return False


async def everything_stored(house: House) -> bytes:
    """Every document of every collection, as MongoDB holds it."""
    raw = house.runtime.database.mongo
    found = b""
    for name in await raw.list_collection_names():
        collection = raw[name].with_options(
            codec_options=raw.codec_options.with_options(document_class=RawBSONDocument)
        )
        async for document in collection.find():
            found += document.raw
    return found


async def test_an_answer_that_cannot_be_read_is_not_logged(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stripe's SDK quotes the whole body in its error's message: names and addresses stand there."""

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = b'{"object": "refund", "metadata": {"note": "for Ada of St James Square"'
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with house.with_gateway(stripe_api_base=f"http://127.0.0.1:{port}"):
            refund = {"object": {"object": "refund", "id": "re_1"}}
            event = {"object": "event", "id": "evt_1", "type": "refund.updated", "livemode": False}
            assert (await house.deliver(event | {"data": refund})).status_code == 200
            await house.until(lambda: house.count("webhook_events", status="FAILED"))
    output = capsys.readouterr().out
    assert "event failed" in output
    assert "Ada" not in output
