"""The example of docs/money-trail.md is what happens: played here, and held against the page.

`REWRITE_DOCS=1` writes the page's answer anew.
"""

import json
import os
import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from domain import treasury
from tests.house import House
from tests.house.disputes import complain
from tests.house.refunds import paid
from tests.house.treasury import cards_settle

PAGE: Final = Path(__file__).parents[2] / "docs" / "money-trail.md"
BLOCK: Final = re.compile(r"(?<=```json\n)(.*?)(?=```)", re.DOTALL)
COLUMNS_MAX: Final = 112
# The story begins at nine o'clock, so that what is due by a day's end is always as far away.
BEGINS_AT_HOUR: Final = 9
TOLD_AS: Final = datetime(2026, 3, 2, BEGINS_AT_HOUR, tzinfo=UTC)
IDS: Final = re.compile(
    r"\b(dep|wdr|esc|esm|rfd|dsp)_[0-9A-Z]{26}\b|\b(pi|ch|py|tr|trr|po|re|dp|du|txn)_[0-9A-Za-z]{10,}\b"
)
TIMES: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


async def test_the_trail_of_a_deposit_that_was_disputed_when_its_money_was_gone(house: House) -> None:
    begins = await at_nine(house)
    ada, edith = await house.customer("Ada"), await house.admin("Edith")
    grace = await house.onboarded("Grace")
    deposit = await paid(house, ada, 105_00)
    await cards_settle(house)
    await treasury.read_balance_transactions(house.runtime)
    await house.time_passes(hours=1)
    for person in (ada, grace):
        await person.refresh()
    escrow = await ada.hires(grace, usd=100_00)
    await house.time_passes(days=3)
    await ada.refresh()
    await ada.release_escrow(escrow)
    await grace.refresh()
    withdrawal = await house.withdrawal_reaches(grace, await grace.withdraws(usd=80_00), "IN_TRANSIT")
    # Of itself, by the next days: the account's payout is made, and the bank takes it.
    await house.time_passes(days=3)
    await grace.refresh()
    await house.withdrawal_reaches(grace, withdrawal, "PAID")
    # Three weeks later her bank takes back what Ada has spent, and Grace has at hers.
    await house.time_passes(days=21)
    await complain(house, deposit, reason="fraudulent")
    await house.caught_up()
    await treasury.read_balance_transactions(house.runtime)
    await edith.refresh()

    page = PAGE.read_text()
    [query] = re.findall(r"```graphql\n(.*?)```", page, re.DOTALL)
    answer = laid_out(stable(await edith.data(query, {"of": deposit["id"]}), begins))
    if os.environ.get("REWRITE_DOCS"):
        PAGE.write_text(BLOCK.sub(lambda _: f"{answer}\n", page))
    assert BLOCK.findall(PAGE.read_text()) == [f"{answer}\n"]


async def at_nine(house: House) -> datetime:
    """The next nine o'clock, at which the house then is."""
    now = house.clock()
    begins = now.replace(hour=BEGINS_AT_HOUR, minute=0, second=0, microsecond=0)
    begins += timedelta(days=1 if begins <= now else 0)
    await house.time_passes(seconds=(begins - now).total_seconds())
    return begins


def stable(answer: Any, begins: datetime) -> Any:
    """Ids by the order of their appearance, and times to the minute as if it had begun on the page's day."""
    seen: defaultdict[str, list[str]] = defaultdict(list)

    def numbered(match: re.Match[str]) -> str:
        prefix = match[0].partition("_")[0]
        if match[0] not in seen[prefix]:
            seen[prefix].append(match[0])
        return f"{prefix}_{seen[prefix].index(match[0]) + 1}"

    def told(match: re.Match[str]) -> str:
        at = TOLD_AS + (datetime.fromisoformat(match[0]) - begins)
        return at.replace(second=0, microsecond=0).isoformat().replace("+00:00", "Z")

    return json.loads(TIMES.sub(told, IDS.sub(numbered, json.dumps(answer))))


def laid_out(value: Any, indent: int = 0) -> str:
    """JSON of which everything that fits stands on one line."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + indent <= COLUMNS_MAX or not isinstance(value, dict | list):
        return line
    pad = " " * (indent + 2)
    if isinstance(value, list):
        parts = [pad + laid_out(part, indent + 2) for part in value]
        return "[\n" + ",\n".join(parts) + "\n" + " " * indent + "]"
    named = [f'{pad}"{name}": {laid_out(part, indent + 2)}' for name, part in value.items()]
    return "{\n" + ",\n".join(named) + "\n" + " " * indent + "}"
