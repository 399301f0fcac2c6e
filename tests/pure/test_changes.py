"""Reading once for many: whoever asks together is answered together, and nobody with what was read before."""

import asyncio
from typing import Any, cast

import pytest

from domain.changes import Changes, Topic

TOPIC, OTHER = Topic("deposits", "dep_1"), Topic("deposits", "dep_2")


class Document:
    """A value that is slow to read: a read sees it as it is when the read begins."""

    def __init__(self) -> None:
        self.value = 0
        self.begun = asyncio.Queue[None]()
        self.answer = asyncio.Event()

    async def read(self) -> int:
        self.begun.put_nowait(None)
        seen = self.value
        await self.answer.wait()
        return seen


@pytest.fixture
def changes() -> Changes:
    """A broker that is never run."""
    return Changes(cast("Any", None), [])


async def test_who_asks_in_one_turn_shares_a_read(changes: Changes) -> None:
    document, other = Document(), Document()
    document.answer.set()
    other.answer.set()
    asking = [changes.read_once(TOPIC, document.read) for _ in range(1000)]
    assert await asyncio.gather(*asking, changes.read_once(OTHER, other.read)) == [0] * 1001
    assert (document.begun.qsize(), other.begun.qsize()) == (1, 1)


async def test_who_asks_while_it_is_read_is_not_answered_with_that(changes: Changes) -> None:
    document = Document()
    first = asyncio.create_task(changes.read_once(TOPIC, document.read))
    await document.begun.get()
    document.value = 1
    second = asyncio.create_task(changes.read_once(TOPIC, document.read))
    await document.begun.get()
    document.answer.set()
    assert (await first, await second) == (0, 1)


async def test_one_that_gives_up_takes_it_from_nobody(changes: Changes) -> None:
    document = Document()
    asking = [asyncio.create_task(changes.read_once(TOPIC, document.read)) for _ in range(3)]
    await document.begun.get()
    asking[0].cancel()
    document.answer.set()
    assert await asyncio.gather(*asking[1:]) == [0, 0]
    assert asking[0].cancelled()


async def test_a_read_that_fails_fails_for_all_who_asked_and_for_nobody_later(changes: Changes) -> None:
    async def broken() -> int:
        raise ConnectionError

    answers = await asyncio.gather(
        *(changes.read_once(TOPIC, broken) for _ in range(3)), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [ConnectionError] * 3
    document = Document()
    document.answer.set()
    assert await changes.read_once(TOPIC, document.read) == 0
