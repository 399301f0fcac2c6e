"""Money of every kind, from the card to the statement, counted by each side as that side counts."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from domain import deposits
from domain.deposits import CreateDeposit
from domain.kernel.errors import InvalidInput
from domain.kernel.money import Limit
from tests.house import House, Person
from tests.house.adjustments import adjust
from tests.house.refunds import refunds_of

WALLET = """
query ($currency: CurrencyCode!) {
  wallet(currency: $currency) {
    currency available { amount currency display }
    transactions { edges { node { kind amount { amount currency display } availableAfter { amount } } } }
  }
}
"""
WATCH = (
    "subscription ($currency: CurrencyCode!) { walletUpdated(currency: $currency) { available { display } } }"
)


@dataclass(frozen=True)
class Kind:
    """10,500 minor units of a currency: Stripe's integer for it, its fee, and two ways to write it."""

    currency: str
    stripes: int
    fee: int
    american: str
    german: str

    def __str__(self) -> str:
        return self.currency


AMOUNT = 10_500
KINDS = [
    Kind("USD", 10_500, 335, "$105.00", "105,00\u00a0$"),
    Kind("EUR", 10_500, 335, "€105.00", "105,00\u00a0€"),
    Kind("JPY", 10_500, 335, "¥10,500", "10.500\u00a0¥"),
    Kind("ISK", 1_050_000, 30_500, "ISK10,500", "10.500\u00a0ISK"),
    Kind("KWD", 10_500, 330, "KWD10.500", "10,500\u00a0KWD"),
]
every_kind = pytest.mark.parametrize("kind", KINDS, ids=str)


async def wallet_of(person: Person, currency: str) -> dict[str, Any]:
    wallet: dict[str, Any] = (await person.data(WALLET, {"currency": currency}))["wallet"]
    return wallet


async def balances_of_the_books(house: House, currency: str) -> dict[str, int]:
    """What each account holds, by the journal alone."""
    balances: dict[str, int] = {}
    async for entry in house.collection("entries").find({"currency": currency}):
        for posting in entry["postings"]:
            balances[posting["source"]] = balances.get(posting["source"], 0) - posting["amount"]
            balances[posting["destination"]] = balances.get(posting["destination"], 0) + posting["amount"]
    return balances


# ------------------------------------------------------------------ from the card to the statement


@every_kind
async def test_a_deposit_is_exact_on_every_side(house: House, kind: Kind) -> None:
    ada = await house.customer()
    ada.language = "en-US"
    deposit = (await ada.create_deposit(AMOUNT, currency=kind.currency))["deposit"]
    assert deposit["amount"] == {"amount": AMOUNT, "currency": kind.currency, "display": kind.american}
    [intent] = await house.stripe.objects("payment_intent")
    assert (intent["amount"], intent["currency"]) == (kind.stripes, kind.currency.lower())

    await house.pay(deposit)
    settled = await house.settled(ada, deposit)

    assert (settled["status"], settled["received"]["amount"]) == ("SUCCEEDED", AMOUNT)
    [intent] = await house.stripe.objects("payment_intent")
    assert (intent["status"], intent["amount_received"]) == ("succeeded", kind.stripes)
    wallet = await wallet_of(ada, kind.currency)
    money = {"amount": AMOUNT, "currency": kind.currency, "display": kind.american}
    assert wallet["available"] == money
    [line] = [edge["node"] for edge in wallet["transactions"]["edges"]]
    assert line == {"kind": "DEPOSIT", "amount": money, "availableAfter": {"amount": AMOUNT}}
    balances = await balances_of_the_books(house, kind.currency)
    assert sorted(balances.values()) == [-AMOUNT, AMOUNT]
    assert balances["platform:stripe"] == -AMOUNT
    assert await house.ledger_is_sound()


@every_kind
async def test_what_stripe_keeps_is_counted_as_stripe_counts(house: House, kind: Kind) -> None:
    ada = await house.customer()
    deposit = (await ada.create_deposit(AMOUNT, currency=kind.currency))["deposit"]
    await house.pay(deposit)
    await house.settled(ada, deposit)
    await house.stripe.control("/clock", {"advance_seconds": 5 * 86_400})

    [booked] = [one for one in await house.stripe.objects("balance_transaction") if one["type"] == "charge"]
    assert (booked["amount"], booked["fee"]) == (kind.stripes, kind.fee)
    float_of = {"usd": 10_000_000_00}
    balance = await house.stripe.request("GET", "/v1/balance")
    [available] = [one for one in balance["available"] if one["currency"] == kind.currency.lower()]
    assert available["amount"] == kind.stripes - kind.fee + float_of.get(kind.currency.lower(), 0)


@every_kind
async def test_an_amount_is_shown_in_the_readers_language(house: House, kind: Kind) -> None:
    ada = await house.customer()
    deposit = (await ada.create_deposit(AMOUNT, currency=kind.currency))["deposit"]

    for language, text in [
        ("en-US", kind.american),
        ("de-DE,de;q=0.9,en;q=0.8", kind.german),
        ("de_XX", kind.german),
        (None, kind.american),
        ("*", kind.american),
    ]:
        ada.language = language
        assert (await ada.deposit(deposit["id"]))["amount"]["display"] == text, language


async def test_a_socket_speaks_the_language_of_its_request(house: House) -> None:
    ada = await house.customer()
    ada.language = "de-DE"
    async with ada.subscribe(WATCH, {"currency": "KWD"}) as wallet:
        assert await wallet.next() == {"walletUpdated": {"available": {"display": "0,000\u00a0KWD"}}}

        deposit = (await ada.create_deposit(AMOUNT, currency="KWD"))["deposit"]
        await house.pay(deposit)

        assert await wallet.next() == {"walletUpdated": {"available": {"display": "10,500\u00a0KWD"}}}


async def test_answers_differ_by_language_and_caches_are_told(house: House) -> None:
    response = await house.http.post(f"{house.url}/graphql", json={"query": "{ __typename }"})
    assert response.headers["Vary"] == "Accept, Accept-Language"


async def test_one_person_keeps_five_currencies_apart(house: House) -> None:
    ada = await house.customer()
    amounts = {kind.currency: AMOUNT + 10 * place for place, kind in enumerate(KINDS)}

    async def fill(currency: str, amount: int) -> None:
        deposit = (await ada.create_deposit(amount, currency=currency))["deposit"]
        await house.pay(deposit)
        await house.settled(ada, deposit)

    await asyncio.gather(*(fill(currency, amount) for currency, amount in amounts.items()))

    wallets = (await ada.data("{ wallets { currency available { amount } } }"))["wallets"]
    assert {wallet["currency"]: wallet["available"]["amount"] for wallet in wallets} == amounts
    for currency, amount in amounts.items():
        balances = await balances_of_the_books(house, currency)
        assert sum(balances.values()) == 0
        assert balances["platform:stripe"] == -amount
    assert await house.ledger_is_sound()


async def test_what_is_said_to_be_refundable_can_be_refunded(house: House) -> None:
    """Also where the wallet holds what Stripe has no integer for."""
    ada, edith = await house.customer(), await house.admin()
    deposit = (await ada.create_deposit(AMOUNT, currency="KWD"))["deposit"]
    await house.pay(deposit)
    await house.settled(ada, deposit)
    query = '{ wallet(currency: "KWD") { id } }'
    await adjust(edith, (await ada.data(query))["wallet"]["id"], -13)

    query = "query ($id: ID!) { deposit(id: $id) { refundable { amount } } }"
    shown = (await ada.data(query, {"id": deposit["id"]}))["deposit"]["refundable"]["amount"]
    assert shown == AMOUNT - 20
    await refunds_of(edith, deposit, shown)


async def test_krona_paid_as_dollars_are_for_a_person_to_judge(house: House) -> None:
    """The same integer, another currency: nothing is credited, and the money is booked as what it is."""
    ada = await house.customer()
    deposit = (await ada.create_deposit(AMOUNT, currency="ISK"))["deposit"]
    [intent] = await house.stripe.objects("payment_intent")
    await house.stripe.request(
        "POST", f"/v1/payment_intents/{intent['id']}", {"currency": "usd", "amount": str(AMOUNT)}
    )

    await house.pay(deposit)
    await house.reaches(ada, deposit, "NEEDS_REVIEW")

    assert await ada.available("ISK") == await ada.available("USD") == 0
    assert await balances_of_the_books(house, "ISK") == {}
    assert await balances_of_the_books(house, "USD") == {
        "platform:stripe": -AMOUNT,
        "platform:unexplained": AMOUNT,
    }
    assert await house.ledger_is_sound()


# ------------------------------------------------------------------ bounds


@pytest.mark.parametrize(
    ("currency", "least", "most"),
    [
        ("USD", 1_00, 10_000_00),
        ("JPY", 100, 1_000_000),
        # Eight digits are all that Stripe takes, and two of them are zeros.
        ("ISK", 100, 999_999),
        ("KWD", 100, 1_000_000),
    ],
)
async def test_the_bounds_of_a_deposit_are_those_of_its_currency(
    house: House, currency: str, least: int, most: int
) -> None:
    ada = await house.customer()
    for amount in (least, most):
        assert (await ada.create_deposit(amount, currency=currency))["userErrors"] == []
    for amount in (least - 1, most + 1):
        [error] = (await ada.create_deposit(amount, currency=currency))["userErrors"]
        assert (error["code"], error["path"]) == ("INVALID_INPUT", ["amount"])
        assert error["message"] == f"A deposit in {currency} is {least} to {most} minor units."
    assert await house.count("deposits") == len(await house.stripe.objects("payment_intent")) == 2


async def test_a_currency_may_have_limits_of_its_own(house: House) -> None:
    ada = await house.customer()
    strict = house.with_policy(deposit_min=Limit(1_00, {"JPY": 500}))
    budget = house.limits.deposits

    with pytest.raises(InvalidInput, match="A deposit in JPY is 500 to 1000000 minor units"):
        await deposits.create(strict, ada.id, CreateDeposit(499, "JPY", "rent"), budget=budget)
    created = await deposits.create(strict, ada.id, CreateDeposit(499, "USD", "rent"), budget=budget)
    assert created.deposit.amount == 4_99
