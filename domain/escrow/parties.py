"""Who asks, and on which side of the deal they stand."""

from dataclasses import dataclass
from typing import Final

from domain.escrow.documents import Escrow
from domain.kernel.errors import Forbidden, NotFound
from domain.kernel.operations import Actor

WORKER: Final = "worker"


@dataclass(frozen=True)
class Asker:
    """A person. An administrator acts as one only on deals of others."""

    person: str
    is_admin: bool = False


def side_of(escrow: Escrow | None, asker: Asker) -> Actor | None:
    """OWNER for the customer, OTHER_PARTY for the contractor, ADMIN; None for whom it is not there."""
    if escrow is None:
        return None
    if asker.person == escrow.owner:
        return Actor.OWNER
    if asker.person == escrow.contractor:
        return Actor.OTHER_PARTY
    return Actor.ADMIN if asker.is_admin else None


def require(escrow: Escrow | None, asker: Asker, *sides: Actor) -> tuple[Escrow, Actor]:
    """The escrow, and the side of whoever asks. Raises NotFound, and Forbidden for a side that may not."""
    side = side_of(escrow, asker)
    if escrow is None or side is None:
        raise NotFound("There is no such escrow.", path=["id"])
    if side not in sides:
        raise Forbidden(f"Only for {' or '.join(_NAMES[side] for side in sides)}.")
    return escrow, side


_NAMES: Final = {
    Actor.OWNER: "the customer",
    Actor.OTHER_PARTY: "the contractor",
    Actor.ADMIN: "an administrator who is no party",
}
