"""The money trail in tests: asked for, and told in few words."""

from typing import Any

from tests.house.people import Person

MONEY = "{ amount currency }"
MONEY_TRAIL = f"""
    query ($of: ID!) {{
      moneyTrail(of: $of) {{
        complete
        amount {MONEY}
        steps {{
          kind state at description operationId stripeIds
          amount {MONEY} share {MONEY}
          party {{ id displayName }}
          operation {{ id state }}
          entry {{ id ref hash }}
        }}
        now {{ place operationId amount {MONEY} party {{ id displayName }} }}
        expected {{ code message until operationId amount {MONEY} party {{ id displayName }} }}
      }}
    }}
"""


async def money_trail(person: Person, of: str) -> dict[str, Any] | None:
    trail: dict[str, Any] | None = (await person.data(MONEY_TRAIL, {"of": of}))["moneyTrail"]
    if trail is not None:
        adds_up(trail)
    return trail


async def told(person: Person, of: str) -> list[tuple[str, str | None, int, int]]:
    """Each step: what, whose, how much, and how much of that is the traced money."""
    trail = await money_trail(person, of)
    assert trail is not None
    return [
        (step["kind"], name_of(step), step["amount"]["amount"], step["share"]["amount"])
        for step in trail["steps"]
    ]


async def whereabouts(person: Person, of: str) -> dict[tuple[str, str | None], int]:
    """Where how much of it is, by place and whose."""
    trail = await money_trail(person, of)
    assert trail is not None
    found: dict[tuple[str, str | None], int] = {}
    for part in trail["now"]:
        spot = (part["place"], name_of(part))
        found[spot] = found.get(spot, 0) + part["amount"]["amount"]
    return found


async def expected(person: Person, of: str) -> list[str]:
    trail = await money_trail(person, of)
    assert trail is not None
    return [one["code"] for one in trail["expected"]]


def name_of(part: dict[str, Any]) -> str | None:
    return None if part["party"] is None else str(part["party"]["displayName"])


def adds_up(trail: dict[str, Any]) -> None:
    """Every unit is somewhere, and no step has more of it than there is."""
    parts = [part["amount"]["amount"] for part in trail["now"]]
    assert sum(parts) == trail["amount"]["amount"], trail
    assert all(0 <= step["share"]["amount"] <= step["amount"]["amount"] for step in trail["steps"]), trail
    times = [step["at"] for step in trail["steps"]]
    assert times == sorted(times), trail
