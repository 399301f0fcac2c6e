"""What the README tells a stranger to paste, and GraphiQL to start with, works as it stands there."""

import re
from pathlib import Path

from graphql import parse, validate

from schema.roots import make_schema
from server.app import FIRST_QUERY
from tests.house import House

README = Path(__file__).parents[2] / "README.md"


async def test_the_first_deposit_of_the_readme(house: House) -> None:
    sign_up, create_deposit, watch_wallet = re.findall(r"```graphql\n(.*?)```", README.read_text(), re.DOTALL)
    you = house.nobody()
    session = (await you.data(sign_up))["signUp"]["session"]
    you.token = session["accessToken"]
    async with you.subscribe(watch_wallet) as wallet:
        assert await wallet.next() == {
            "walletUpdated": {"available": {"display": "$0.00"}, "transactions": {"edges": []}}
        }
        deposit = (await you.data(create_deposit))["createDeposit"]["deposit"]
        assert deposit["amount"]["display"] == "$25.00"
        page = await house.stripe.http.get(f"/pay/{deposit['clientSecret']}")
        assert page.status_code == 200
        await house.pay(deposit)
        risen = await wallet.next()
    assert risen is not None
    assert risen["walletUpdated"]["available"]["display"] == "$25.00"


def test_what_graphiql_starts_with_is_valid() -> None:
    assert validate(make_schema()._schema, parse(FIRST_QUERY)) == []
