from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.wire.toy import Toy, serve


@pytest.fixture(scope="session")
def toy() -> Iterator[Toy]:
    with serve() as running:
        yield running


@pytest.fixture
async def client(toy: Toy) -> AsyncIterator[httpx.AsyncClient]:
    """Speaks the modern media type; a test that wants another says so."""
    headers = {"Accept": "application/graphql-response+json"}
    async with httpx.AsyncClient(base_url=toy.origin, headers=headers) as client:
        yield client
