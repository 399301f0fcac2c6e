"""Money from the platform to a connected account, and back."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe
from stripe import BalanceTransaction, Charge, Transfer, TransferReversal

from sandbox.stripe import SandboxConfig
from tests.sandbox.running import Json, Receiver, Running, running
from tests.sandbox.test_faults import CASES, SILENCE, Case

KEY = "withdrawal:1:transfer:1"
PATH = "/v1/transfers"
FLOAT = 10_000_000_00


async def reverse(sandbox: Running, transfer: str, **params: Any) -> TransferReversal:
    given: Any = params
    return await sandbox.stripe.v1.transfers.reversals.create_async(transfer, given)


async def refused(sandbox: Running, status: int = 400, **params: Any) -> tuple[Any, Any]:
    """The code and the parameter; and nothing has moved."""
    before = await sandbox.idle()
    answer = await sandbox.http.post(PATH, data=params)
    after = await sandbox.idle()
    assert answer.status_code == status, answer.text
    assert all(after[part] == before[part] for part in ("objects", "owners", "timers"))
    error = answer.json()["error"]
    return error.get("code"), error.get("param")


async def latest(sandbox: Running, account: str = "") -> BalanceTransaction:
    options: Any = {"stripe_account": account} if account else {}
    return (await sandbox.stripe.v1.balance_transactions.list_async({"limit": 1}, options)).data[0]


async def events(sandbox: Running) -> list[Json]:
    """Oldest first, without what makes an account."""
    recorded = (await sandbox.state())["objects"]["event"]
    return [event for event in recorded if not event["type"].startswith(("account.", "capability."))]


async def test_money_arrives(sandbox: Running) -> None:
    contractor = await sandbox.contractor()

    made = await sandbox.transfer(
        contractor, transfer_group="wd_1", metadata={"withdrawal_id": "1"}, description="Wages"
    )

    assert (made.amount, made.amount_reversed, made.reversed, made.currency) == (50_00, 0, False, "usd")
    assert (made.destination, made.transfer_group, made.description) == (contractor, "wd_1", "Wages")
    assert made.to_dict()["metadata"] == {"withdrawal_id": "1"}
    left = await latest(sandbox)
    assert (left.id, left.source) == (made.balance_transaction, made.id)
    assert (left.type, left.reporting_category, left.net, left.status) == (
        "transfer",
        "transfer",
        -50_00,
        "available",
    )
    arrived = await latest(sandbox, contractor)
    assert arrived.source == made.destination_payment
    assert (arrived.type, arrived.reporting_category, arrived.net, arrived.status) == (
        "payment",
        "charge",
        50_00,
        "available",
    )
    assert await sandbox.available() == {"usd": FLOAT - 50_00}
    assert await sandbox.available(contractor) == {"usd": 50_00}


async def test_it_is_a_payment_where_it_arrives(sandbox: Running) -> None:
    contractor, other = await sandbox.contractor(), await sandbox.contractor()
    made = await sandbox.transfer(contractor)
    payment = str(made.destination_payment)

    v1 = sandbox.stripe.v1
    there = await v1.charges.retrieve_async(
        payment, {"expand": ["source_transfer", "balance_transaction"]}, {"stripe_account": contractor}
    )
    here = await v1.transfers.retrieve_async(made.id, {"expand": ["destination_payment", "destination"]})

    assert payment.startswith("py_")
    assert (there.amount, there.paid, there.refunded) == (50_00, True, False)
    assert isinstance(there.source_transfer, Transfer)
    assert there.source_transfer.id == made.id
    assert isinstance(here.destination_payment, Charge)
    assert here.destination_payment.id == payment
    for nobody in ({}, {"stripe_account": other}):
        with pytest.raises(stripe.InvalidRequestError, match="No such charge"):
            await v1.charges.retrieve_async(payment, None, nobody)  # type: ignore[arg-type]
    answer = await sandbox.http.post(
        "/v1/refunds", data={"charge": payment}, headers={"Stripe-Account": contractor}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "sandbox_unsupported")


async def test_no_more_than_is_available_can_be_sent(sandbox: Running) -> None:
    contractor = await sandbox.contractor()
    await sandbox.control("/float", currency="usd", amount=50_00)
    await sandbox.paid("pm_card_visa", amount=80_00)
    await sandbox.control("/clock", advance_seconds=1)
    sending = {"amount": "5001", "currency": "usd", "destination": contractor}
    keyed = {"Idempotency-Key": KEY}

    short = await sandbox.http.post(PATH, data=sending, headers=keyed)
    await sandbox.control("/float", currency="usd", amount=60_00)
    replayed = await sandbox.http.post(PATH, data=sending, headers=keyed)
    anew = await sandbox.http.post(PATH, data=sending, headers={"Idempotency-Key": KEY + "1"})

    error = short.json()["error"]
    assert (short.status_code, error["type"]) == (400, "invalid_request_error")
    assert error["code"] == "balance_insufficient"
    assert (replayed.status_code, replayed.headers["idempotent-replayed"]) == (400, "true"), "kept: a new key"
    assert replayed.json() == short.json()
    assert anew.status_code == 200
    assert await sandbox.available() == {"usd": 9_99}


async def test_each_currency_is_sent_from_its_own(sandbox: Running) -> None:
    contractor = await sandbox.contractor()
    assert await refused(sandbox, amount=1, currency="eur", destination=contractor) == (
        "balance_insufficient",
        None,
    )
    await sandbox.control("/float", currency="eur", amount=100)

    await sandbox.transfer(contractor, 100, currency="eur")

    assert await sandbox.available() == {"eur": 0, "usd": FLOAT}
    assert await sandbox.available(contractor) == {"eur": 100}


@pytest.mark.parametrize("outcome", ["incomplete", "in_review", "restricted", "rejected"])
async def test_not_everybody_can_receive(sandbox: Running, outcome: str) -> None:
    contractor = await sandbox.contractor(outcome)

    code, param = await refused(sandbox, amount=100, currency="usd", destination=contractor)

    assert (code, param) == ("insufficient_capabilities_for_transfer", "destination")


@pytest.mark.parametrize("how", ["never", "deauthorized", "deleted"])
async def test_there_may_be_no_such_destination(sandbox: Running, how: str) -> None:
    contractor = await sandbox.contractor() if how != "never" else "acct_never"
    if how == "deauthorized":
        await sandbox.control(f"/accounts/{contractor}/onboard", outcome="deauthorized")
    elif how == "deleted":
        await sandbox.stripe.v1.accounts.delete_async(contractor)

    code, param = await refused(sandbox, amount=100, currency="usd", destination=contractor)

    assert (code, param) == ("resource_missing", "destination")


async def test_payouts_being_off_keeps_nothing_out(sandbox: Running) -> None:
    contractor = await sandbox.contractor("payouts_disabled")
    await sandbox.transfer(contractor)
    assert await sandbox.available(contractor) == {"usd": 50_00}


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"amount": 0}, ("parameter_invalid_integer", "amount")),
        ({"amount": -100}, ("parameter_invalid_integer", "amount")),
        ({"amount": "1.5"}, ("parameter_invalid_integer", "amount")),
        ({"amount": None}, ("parameter_missing", "amount")),
        ({"currency": None}, ("parameter_missing", "currency")),
        ({"destination": None}, ("parameter_missing", "destination")),
        ({"currency": "xxx"}, (None, "currency")),
        ({"currency": "kwd", "amount": 1234}, ("parameter_invalid_integer", "amount")),
        ({"source_transaction": "ch_1"}, ("sandbox_unsupported", "source_transaction")),
        ({"colour": "red"}, ("parameter_unknown", "colour")),
    ],
)
async def test_nonsense_is_refused(sandbox: Running, params: Json, expected: tuple[Any, Any]) -> None:
    given = {"amount": 100, "currency": "usd", "destination": await sandbox.contractor(), **params}

    assert await refused(sandbox, **{name: one for name, one in given.items() if one is not None}) == expected


async def test_a_connected_account_sends_nothing_on(sandbox: Running) -> None:
    contractor, other = await sandbox.contractor(), await sandbox.contractor()
    await sandbox.transfer(contractor)

    answer = await sandbox.http.post(
        PATH,
        data={"amount": "1", "currency": "usd", "destination": other},
        headers={"Stripe-Account": contractor},
    )

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "sandbox_unsupported")


async def test_transfers_are_found_again(sandbox: Running) -> None:
    ada, ben = await sandbox.contractor(), await sandbox.contractor()
    first = await sandbox.transfer(ada, 1, transfer_group="wd_1")
    second = await sandbox.transfer(ada, 2, transfer_group="wd_2")
    third = await sandbox.transfer(ben, 3, transfer_group="wd_2")

    async def found(**filters: Any) -> list[str]:
        given: Any = filters
        return [one.id for one in (await sandbox.stripe.v1.transfers.list_async(given)).data]

    assert await found() == [third.id, second.id, first.id]
    assert await found(transfer_group="wd_2") == [third.id, second.id]
    assert await found(transfer_group="wd_2", destination=ada) == [second.id]
    assert await found(transfer_group="wd_3") == []
    assert await found(created={"gt": third.created}) == []
    assert await found(limit=1, starting_after=third.id) == [second.id]
    with pytest.raises(stripe.InvalidRequestError, match="No such transfer: 'tr_1'"):
        await sandbox.stripe.v1.transfers.retrieve_async("tr_1")


async def test_a_transfer_is_described(sandbox: Running) -> None:
    made = await sandbox.transfer(await sandbox.contractor(), metadata={"a": "1", "b": "2"})

    update: Any = {"metadata": {"a": "", "c": "3"}, "description": "Wages"}
    updated = await sandbox.stripe.v1.transfers.update_async(made.id, update)
    await sandbox.stripe.v1.transfers.update_async(made.id, update)

    assert updated.to_dict()["metadata"] == {"b": "2", "c": "3"}
    told = await events(sandbox)
    assert [event["type"] for event in told] == ["transfer.created", "transfer.updated"], (
        "nothing new: no event"
    )
    assert told[1]["data"]["previous_attributes"] == {
        "metadata": {"a": "1", "c": None},
        "description": None,
    }


async def test_it_comes_back_in_parts(sandbox: Running) -> None:
    contractor = await sandbox.contractor()
    made = await sandbox.transfer(contractor)

    first = await reverse(sandbox, made.id, amount=20_00, metadata={"why": "a mistake"})
    part = await sandbox.stripe.v1.transfers.retrieve_async(made.id)
    with pytest.raises(stripe.InvalidRequestError) as too_much:
        await reverse(sandbox, made.id, amount=30_01)
    rest = await reverse(sandbox, made.id)
    whole = await sandbox.stripe.v1.transfers.retrieve_async(made.id)
    with pytest.raises(stripe.InvalidRequestError, match="already been fully reversed"):
        await reverse(sandbox, made.id)

    assert (part.amount_reversed, part.reversed) == (20_00, False)
    assert (rest.amount, whole.amount_reversed, whole.reversed) == (30_00, 50_00, True)
    assert (first.transfer, first.to_dict()["metadata"]) == (made.id, {"why": "a mistake"})
    assert [one.id for one in whole.reversals.data] == [rest.id, first.id]
    assert (too_much.value.code, too_much.value.param) == ("amount_too_large", "amount")
    assert await sandbox.available() == {"usd": FLOAT}
    assert await sandbox.available(contractor) == {"usd": 0}


async def test_both_sides_book_what_comes_back(sandbox: Running) -> None:
    contractor = await sandbox.contractor()
    made = await sandbox.transfer(contractor)

    reversal = await reverse(sandbox, made.id, amount=20_00)

    here, there = await latest(sandbox), await latest(sandbox, contractor)
    assert (here.id, here.source) == (reversal.balance_transaction, reversal.id)
    assert (here.type, here.reporting_category, here.net) == ("transfer_refund", "transfer_reversal", 20_00)
    assert there.source == reversal.destination_payment_refund
    assert (there.type, there.reporting_category, there.net) == ("payment_refund", "refund", -20_00)
    on: Any = {"stripe_account": contractor}
    refund = await sandbox.stripe.v1.refunds.retrieve_async(str(there.source), None, on)
    payment = await sandbox.stripe.v1.charges.retrieve_async(str(made.destination_payment), None, on)
    assert (refund.source_transfer_reversal, refund.charge) == (reversal.id, payment.id)
    assert (payment.amount_refunded, payment.refunded) == (20_00, False)


async def test_what_is_not_there_does_not_come_back(sandbox: Running) -> None:
    contractor = await sandbox.contractor()
    made = await sandbox.transfer(contractor)
    on: Any = {"stripe_account": contractor}
    await sandbox.stripe.v1.payouts.create_async({"amount": 40_00, "currency": "usd"}, on)
    keyed = {"Idempotency-Key": KEY}

    short = await sandbox.http.post(f"{PATH}/{made.id}/reversals", headers=keyed)
    part = await reverse(sandbox, made.id, amount=10_00)
    replayed = await sandbox.http.post(f"{PATH}/{made.id}/reversals", headers=keyed)

    assert (short.status_code, short.json()["error"]["code"]) == (400, "balance_insufficient")
    assert replayed.json() == short.json()
    assert part.amount == 10_00
    assert await sandbox.available(contractor) == {"usd": 0}


@pytest.mark.parametrize("amount", ["0", "-1", "x"])
async def test_less_than_nothing_does_not_come_back(sandbox: Running, amount: str) -> None:
    made = await sandbox.transfer(await sandbox.contractor())
    answer = await sandbox.http.post(f"{PATH}/{made.id}/reversals", data={"amount": amount})
    assert answer.json()["error"]["code"] == "parameter_invalid_integer"


async def test_a_transfer_shows_its_newest_reversals(sandbox: Running) -> None:
    contractor = await sandbox.contractor()
    made, other = await sandbox.transfer(contractor), await sandbox.transfer(contractor)
    of_other = await reverse(sandbox, other.id, amount=1)
    parts = [(await reverse(sandbox, made.id, amount=1)).id for _ in range(11)]

    v1 = sandbox.stripe.v1
    shown = (await v1.transfers.retrieve_async(made.id)).reversals
    listed = await v1.transfers.reversals.list_async(made.id, {"limit": 100})
    described: Any = {"metadata": {"n": "11"}}
    await v1.transfers.reversals.update_async(made.id, parts[-1], described)
    anew = (await v1.transfers.retrieve_async(made.id)).reversals.data[0]

    assert ([one.id for one in shown.data], shown.has_more) == (parts[:0:-1], True)
    assert ([one.id for one in listed.data], listed.has_more) == (parts[::-1], False)
    assert (anew.id, anew.to_dict()["metadata"]) == (parts[-1], {"n": "11"})
    assert (await v1.transfers.reversals.retrieve_async(made.id, parts[0])).amount == 1
    for transfer, reversal in ((made.id, of_other.id), (made.id, "trr_1"), ("tr_1", parts[0])):
        with pytest.raises(stripe.InvalidRequestError) as unknown:
            await v1.transfers.reversals.retrieve_async(transfer, reversal)
        assert unknown.value.code == "resource_missing"


async def test_the_platform_is_told(sandbox: Running, receiver: Receiver) -> None:
    contractor = await sandbox.contractor()
    await sandbox.idle()
    receiver.forget()
    made = await sandbox.transfer(contractor)
    await reverse(sandbox, made.id, amount=20_00)
    await reverse(sandbox, made.id)
    await sandbox.idle()

    told = await events(sandbox)

    assert [event["type"] for event in told] == ["transfer.created", "transfer.reversed", "transfer.reversed"]
    assert {event["data"]["object"]["object"] for event in told} == {"transfer"}
    assert [event["data"]["object"]["amount_reversed"] for event in told] == [0, 20_00, 50_00]
    assert [event["data"]["object"]["reversed"] for event in told] == [False, False, True]
    assert [len(event["data"]["object"]["reversals"]["data"]) for event in told] == [0, 1, 2]
    assert sorted(one.path for one in receiver.deliveries) == ["/platform"] * 3
    assert all("account" not in event for event in told)


async def test_who_left_keeps_the_money(sandbox: Running) -> None:
    contractor = await sandbox.contractor()
    made = await sandbox.transfer(contractor)
    await sandbox.control(f"/accounts/{contractor}/onboard", outcome="deauthorized")

    answer = await sandbox.http.post(f"{PATH}/{made.id}/reversals")

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "account_invalid")
    assert (await sandbox.stripe.v1.transfers.retrieve_async(made.id)).amount_reversed == 0


async def test_a_key_sends_once(sandbox: Running) -> None:
    sending = {"amount": "100", "currency": "usd", "destination": await sandbox.contractor()}
    keyed = {"Idempotency-Key": KEY}

    first, second = [await sandbox.http.post(PATH, data=sending, headers=keyed) for _ in range(2)]
    other = await sandbox.http.post(PATH, data=sending | {"amount": "101"}, headers=keyed)

    assert first.content == second.content
    assert second.headers["original-request"] == first.headers["request-id"]
    assert (other.status_code, other.json()["error"]["type"]) == (400, "idempotency_error")
    assert await sandbox.available() == {"usd": FLOAT - 100}
    [told] = await events(sandbox)
    assert told["request"] == {"id": first.headers["request-id"], "idempotency_key": KEY}


async def send(sandbox: Running, destination: str) -> httpx.Response:
    sending = {"amount": "100", "currency": "usd", "destination": destination}
    return await sandbox.http.post(PATH, data=sending, headers={"Idempotency-Key": KEY})


async def send_in_vain(sandbox: Running, destination: str) -> None:
    """Until the request is held, and so has done all that it will do."""
    seen = len((await sandbox.state())["requests"])
    calling = asyncio.create_task(send(sandbox, destination))
    while [one["fault"] for one in (await sandbox.state())["requests"][seen:]] in ([], [None]):
        pass
    calling.cancel()
    await asyncio.wait([calling])


@pytest.mark.parametrize("case", CASES, ids=[case.fault for case in CASES])
async def test_whatever_goes_wrong_money_is_sent_once(sandbox: Running, case: Case) -> None:
    contractor = await sandbox.contractor()
    await sandbox.fault(case.fault, PATH, code="balance_insufficient", latency_ms=5)

    if case.seen is SILENCE:
        await send_in_vain(sandbox, contractor)
    elif isinstance(case.seen, int):
        assert (await send(sandbox, contractor)).status_code == case.seen
    else:
        with pytest.raises(case.seen):
            await send(sandbox, contractor)

    done = case.kept in {200, 500}
    assert await sandbox.available() == {"usd": FLOAT - 100 * done}
    assert await sandbox.available(contractor) == {"usd": 100 * done}
    assert len(await events(sandbox)) == done
    again = await send(sandbox, contractor)
    assert again.status_code == (case.kept or 200)
    sent = 0 if case.kept == 400 else 1
    assert await sandbox.available() == {"usd": FLOAT - 100 * sent}
    assert await sandbox.available(contractor) == {"usd": 100 * sent}
    assert len((await sandbox.stripe.v1.transfers.list_async()).data) == sent


async def test_the_same_seed_the_same_transfers(sandbox: Running) -> None:
    async def story() -> list[str]:
        await sandbox.reset(7)
        made = await sandbox.transfer(await sandbox.contractor())
        back = await reverse(sandbox, made.id, amount=1)
        return [made.id, str(made.destination_payment), back.id, str(back.destination_payment_refund)]

    assert await story() == await story()


async def test_transfers_survive_a_restart(tmp_path: Path, config: SandboxConfig) -> None:
    lasting = replace(config, database=tmp_path / "sandbox.sqlite3")
    async with running(lasting) as sandbox:
        contractor = await sandbox.contractor()
        made = await sandbox.transfer(contractor)
        await reverse(sandbox, made.id, amount=20_00)

    async with running(lasting) as sandbox:
        found = await sandbox.stripe.v1.transfers.retrieve_async(made.id)
        assert found.amount_reversed == 20_00
        assert await sandbox.available() == {"usd": FLOAT - 30_00}
        assert await sandbox.available(contractor) == {"usd": 30_00}
        assert (await sandbox.state())["owners"][str(made.destination_payment)] == contractor
