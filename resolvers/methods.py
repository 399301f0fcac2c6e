"""Saved cards: customers save, choose and remove their own; nobody sees another's, admins included."""

from domain import methods
from domain.identity import Role
from domain.methods import SavedMethod
from resolvers.context import Context


async def create_setup_intent(context: Context) -> str:
    """The client secret. Raises Unauthenticated, Forbidden, and what methods.create_setup_intent raises."""
    viewer = context.require(Role.CUSTOMER)
    return await methods.create_setup_intent(context.runtime, viewer.id)


async def set_default(context: Context, method_id: str) -> SavedMethod:
    viewer = context.require(Role.CUSTOMER)
    return await methods.set_default(context.runtime, viewer.id, method_id)


async def remove(context: Context, method_id: str) -> SavedMethod:
    viewer = context.require(Role.CUSTOMER)
    return await methods.remove(context.runtime, viewer.id, method_id)


async def all_own(context: Context) -> list[SavedMethod]:
    return await methods.of_owner(context.runtime, context.require().id)


async def find(context: Context, method_id: str) -> SavedMethod | None:
    """The viewer's own; somebody else's, or a removed one, is the same as none."""
    return await methods.find(context.require().id, method_id)
