"""Stripe fails or the reader dies in the middle of the list: nothing is skipped, nothing is booked twice."""

import asyncio
from dataclasses import replace

import pytest

from domain import treasury
from domain.gateway import GatewayConfig, StripeGateway, StripeTrouble
from domain.treasury import reading
from tests.faults.test_steps import killed_at, own_line_to_stripe
from tests.house import House
from tests.house.sandbox import SECRET_KEY
from tests.house.treasury import OPENING_FLOAT, alerts, at_stripe, cards_settle, outcomes, plant, platform

LIST, BALANCE, INTENT = "/v1/balance_transactions", "/v1/balance", "/v1/payment_intents/*"
FAULTS = ["error_500_before_commit", "error_503", "reset_before_commit", "truncate_after_commit"]
REFUSALS = ["rate_limit_429", "error_401"]
# A read is asked for three times.
TRIES = 3
STEPS_BETWEEN_DEATHS = 6


async def everything_is_read_once(house: House) -> None:
    await house.stripe.control("/faults", method="DELETE")
    await house.chore("treasury")
    made = {movement["id"] for movement in await at_stripe(house)}
    assert (await outcomes(house)).keys() == made
    assert await house.ledger_is_sound(asking_stripe=True)


async def fails_at_page(house: House, page: int, fault: str) -> None:
    """Of the pages that are asked for next, the first is number 0."""
    if page:
        await house.stripe.fault("GET", LIST, "latency", times=page, latency_ms=0)
    await house.stripe.fault("GET", LIST, fault, times=TRIES)


@pytest.mark.parametrize(
    ("page", "fault"),
    [(0, "error_500_before_commit"), (1, "rate_limit_429"), (2, "reset_before_commit"), (3, "error_401")],
)
async def test_a_list_that_breaks_off_is_read_on_the_next_time(
    house: House, monkeypatch: pytest.MonkeyPatch, page: int, fault: str
) -> None:
    # So that the first two pages are walked, and the newer one then is listed again.
    monkeypatch.setattr(reading, "WINDOW_ROWS_MIN", 60)
    for age_s in (300, 200, 100):
        await plant(house, "topup", 1_00, age_s=age_s, times=60)
    await fails_at_page(house, page, fault)
    before = alerts("CHORE_FAILED")

    await house.chore("treasury")

    assert alerts("CHORE_FAILED") == before + 1
    # The oldest window, with the opening float, was read when a newer one could not be listed.
    assert len(await outcomes(house)) == {0: 0, 1: 0, 2: 61, 3: 121}[page]
    await house.stripe.control("/faults", method="DELETE")
    assert await house.ledger_is_sound(asking_stripe=True)
    await everything_is_read_once(house)
    assert (await platform(house))["bank"] == OPENING_FLOAT + 180 * 1_00


@pytest.mark.parametrize("path", [LIST, BALANCE, INTENT])
async def test_an_answer_that_never_comes_is_waited_for_the_next_time(house: House, path: str) -> None:
    ada = await house.customer()
    deposit = await ada.deposits(usd=25_00)
    await house.stripe.webhooks(drop=1)
    await house.pay(deposit)
    await cards_settle(house)
    await house.stripe.fault("GET", path, "timeout_before_commit", times=TRIES)
    config = GatewayConfig(
        secret_key=SECRET_KEY, api_base=house.sandbox.url, requests_per_second=1000, timeout_s=0.3
    )
    gateway = StripeGateway(config, cipher=house.runtime.cipher, now=house.clock)
    try:
        with pytest.raises(StripeTrouble):
            await treasury.read_balance_transactions(replace(house.runtime, gateway=gateway))
    finally:
        await gateway.close()

    await everything_is_read_once(house)
    assert await ada.available() == 25_00


@pytest.mark.parametrize("fault", [*FAULTS, *REFUSALS])
@pytest.mark.parametrize("path", [BALANCE, INTENT])
async def test_what_cannot_be_asked_is_asked_the_next_time(house: House, path: str, fault: str) -> None:
    ada = await house.customer()
    deposit = await ada.deposits(usd=25_00)
    await house.stripe.webhooks(drop=1)
    await house.pay(deposit)
    await cards_settle(house)
    await plant(house, "payout", -1_00)
    await house.stripe.fault("GET", path, fault, times=TRIES)

    await house.chore("treasury")

    # What is older than the charge, or all when only the balance could not be asked.
    assert len(await outcomes(house)) == (1 if path == INTENT else 3)
    await everything_is_read_once(house)
    assert await ada.available() == 25_00


async def test_a_reader_that_dies_anywhere_leaves_sound_books_and_the_rest_to_the_next(house: House) -> None:
    await house.stop_worker()
    await house.stripe.webhooks(drop=1)
    ada = await house.customer()
    read_before_death = set()
    deposits = 0
    try:
        for step in range(0, 2000, STEPS_BETWEEN_DEATHS):
            if step % (10 * STEPS_BETWEEN_DEATHS) == 0:
                deposit = await ada.deposits(usd=25_00)
                await house.pay(deposit, "pm_card_bypassPending")
                deposits += 1
            else:
                await plant(house, "payout", -1_00, fee=25)
            await plant(house, "refund", -1_00)
            await cards_settle(house)
            before = await house.count("movements")
            async with (
                own_line_to_stripe(house) as runtime,
                killed_at(step, treasury.read_balance_transactions(runtime)) as died,
            ):
                await house.end_transactions()
                read_before_death.add(await house.count("movements") - before)
                assert await house.ledger_is_sound(asking_stripe=True), step
                await treasury.read_balance_transactions(house.runtime)
                assert await house.count("movements") == len(await at_stripe(house)), step
            if not died:
                break
    finally:
        await house.start_worker()

    assert not died
    assert read_before_death >= {0, 1, 2}
    assert await ada.available() == deposits * 25_00
    await everything_is_read_once(house)


async def test_racing_readers_and_a_webhook_credit_a_deposit_once(house: House) -> None:
    ada = await house.customer()
    for _ in range(3):
        deposit = await ada.deposits(usd=25_00)
        await house.stripe.webhooks(delay_ms=50)
        await house.pay(deposit, "pm_card_bypassPending")
        await cards_settle(house)
        await asyncio.gather(*(treasury.read_balance_transactions(house.runtime) for _ in range(3)))
    await house.stripe.webhooks()
    await house.quiet()

    assert await ada.available() == 75_00
    await everything_is_read_once(house)
