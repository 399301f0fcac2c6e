"""What administrators do about wallets."""

from domain import ledger
from tests.house import Person
from tests.invariants.history import people
from tests.invariants.history.world import World, must

_CHANGE = """
mutation ($input: WalletDecisionInput!) {
  payload: %s(input: $input) { wallet { id frozen } userErrors { code } }
}
"""


async def freeze(world: World, person: Person, currency: str) -> None:
    """From now on nothing leaves the wallet; again is no change."""
    must(await _change(world, "freezeWallet", person, currency) == set(), "freezeWallet was refused")
    world.frozen.add((person.id, currency))


async def unfreeze(world: World, person: Person, currency: str) -> None:
    codes = await _change(world, "unfreezeWallet", person, currency)
    frozen = (person.id, currency) in world.frozen
    must(codes == (set() if frozen else {"INVALID_STATE"}), f"unfreezeWallet answered {codes}")
    world.frozen.discard((person.id, currency))


async def judge(world: World) -> None:
    """Every other wallet is set free."""
    for user in world.users()[::2]:
        for currency in sorted(code for owner, code in world.frozen if owner == user.person.id):
            await unfreeze(world, user.person, currency)


async def _change(world: World, mutation: str, person: Person, currency: str) -> set[str]:
    wallet = await ledger.open_wallet(person.id, currency)
    command = {"walletId": wallet.id, "reason": "a call from the bank"}
    admin = await people.admin(world, 0)
    payload = (await admin.data(_CHANGE % mutation, {"input": command}))["payload"]
    return world.codes(mutation, payload)
