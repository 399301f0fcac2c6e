"""Paying out of what was accepted: released, refunded, or, where the parties disagree, decided by an admin.

Each has a caller's key of its own: the same key again moves nothing.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from domain import auditlog, ledger
from domain.auditlog import Act
from domain.escrow import reads
from domain.escrow.documents import Escrow, EscrowMove
from domain.escrow.fees import MoveKind
from domain.escrow.moves import Payment, pay
from domain.escrow.parties import Asker, require
from domain.escrow.service import Answered
from domain.escrow.states import EscrowStatus
from domain.kernel.database import Tx
from domain.kernel.errors import InvalidInput, InvalidState, WalletFrozen
from domain.kernel.operations import Actor, IdempotencyKey, first_with
from domain.kernel.reasons import checked_reason, needed_reason
from domain.runtime import Runtime

# Whoever reads an escrow reads its moves with it.
PARTS_MAX: Final = 100


@dataclass(frozen=True)
class ReleaseEscrow:
    """`amount`: a milestone, in price; None is the whole rest."""

    escrow_id: str
    idempotency_key: str
    amount: int | None = None

    def fields(self) -> dict[str, Any]:
        """What a replay must repeat."""
        return {"id": self.escrow_id, "amount": self.amount}


@dataclass(frozen=True)
class RefundEscrow:
    """`amount`: of the price; None is the whole rest."""

    escrow_id: str
    idempotency_key: str
    amount: int | None = None
    reason: str | None = None

    def fields(self) -> dict[str, Any]:
        """What a replay must repeat."""
        return {"id": self.escrow_id, "amount": self.amount, "reason": self.reason}


@dataclass(frozen=True)
class ResolveEscrow:
    """`release_amount`: what the contractor gets of the rest; the customer gets all else of it."""

    escrow_id: str
    idempotency_key: str
    release_amount: int
    reason: str

    def fields(self) -> dict[str, Any]:
        """What a replay must repeat."""
        return {"id": self.escrow_id, "releaseAmount": self.release_amount, "reason": self.reason}


async def release(runtime: Runtime, asker: Asker, command: ReleaseEscrow) -> Answered:
    """Pay the contractor, on the customer's word or an administrator's.

    Raises InvalidInput (more than the rest), IdempotencyKeyReused, NotFound, Forbidden, InvalidState (not
    accepted, nothing left, disputed), WalletFrozen (the customer's: it waits for an administrator).
    """
    key = _key(asker, "releaseEscrow", command.idempotency_key, command.fields())
    _, side = require(await reads.find(command.escrow_id), asker, Actor.OWNER, Actor.ADMIN)

    async def work(tx: Tx, escrow: Escrow) -> Escrow:
        _require_running(escrow)
        if side is Actor.OWNER:
            _require_undisputed(escrow)
        payment = Payment(MoveKind.RELEASE, _amount(escrow, command.amount), key)
        if side is Actor.OWNER:
            await _guard(tx, escrow)
        else:
            await _record(tx, Act.ESCROW_RELEASED, asker, escrow)
        return await pay(tx, escrow, [payment], actor=side, by=asker.person)

    return await _once(runtime, command.escrow_id, key, work)


async def refund(runtime: Runtime, asker: Asker, command: RefundEscrow) -> Answered:
    """Pay the customer back, on the contractor's word or an administrator's; a dispute does not stop it.

    What was not accepted yet, only an administrator refunds, and all of it.
    Raises InvalidInput (more than the rest, a part of what must be whole), IdempotencyKeyReused, NotFound,
    Forbidden, InvalidState (nothing left, not accepted).
    """
    key = _key(asker, "refundEscrow", command.idempotency_key, command.fields())
    _, side = require(await reads.find(command.escrow_id), asker, Actor.OTHER_PARTY, Actor.ADMIN)
    reason = checked_reason(command.reason)

    async def work(tx: Tx, escrow: Escrow) -> Escrow:
        waits = escrow.status is EscrowStatus.FUNDED
        if not (waits and side is Actor.ADMIN):
            _require_running(escrow)
        amount = _amount(escrow, command.amount)
        if waits and amount < escrow.rest:
            raise InvalidInput("Before it is accepted, all of it is refunded, or nothing.", path=["amount"])
        payment = Payment(MoveKind.REFUND, amount, key)
        if side is Actor.ADMIN:
            await _record(tx, Act.ESCROW_REFUNDED, asker, escrow, reason)
        return await pay(tx, escrow, [payment], actor=side, by=asker.person, reason=reason)

    return await _once(runtime, command.escrow_id, key, work)


async def resolve(runtime: Runtime, asker: Asker, command: ResolveEscrow) -> Answered:
    """End a dispute: a part of the rest to the contractor, all else to the customer.

    Raises InvalidInput, IdempotencyKeyReused, NotFound, Forbidden (not an administrator, or a party),
    InvalidState (it is not disputed).
    """
    key = _key(asker, "resolveEscrow", command.idempotency_key, command.fields())
    require(await reads.find(command.escrow_id), asker, Actor.ADMIN)
    reason = needed_reason(command.reason)

    async def work(tx: Tx, escrow: Escrow) -> Escrow:
        if escrow.status is not EscrowStatus.DISPUTED:
            raise InvalidState("This escrow is not disputed.", path=["id"])
        released = command.release_amount
        if not 0 <= released <= escrow.rest:
            raise InvalidInput(f"Of this escrow, 0 to {escrow.rest} are left.", path=["releaseAmount"])
        payments = _payments(key, released, escrow.rest - released)
        await _record(tx, Act.ESCROW_RESOLVED, asker, escrow, reason)
        return await pay(tx, escrow, payments, actor=Actor.ADMIN, by=asker.person, reason=reason)

    return await _once(runtime, command.escrow_id, key, work)


def _payments(key: IdempotencyKey, released: int, refunded: int) -> list[Payment]:
    """The caller's key makes the first of the two; where there is a second, it cannot be without that."""
    if not released:
        return [Payment(MoveKind.REFUND, refunded, key)]
    first = Payment(MoveKind.RELEASE, released, key)
    if not refunded:
        return [first]
    with_it = key.model_copy(update={"mutation": f"{key.mutation}:refund"})
    return [first, Payment(MoveKind.REFUND, refunded, with_it)]


def _key(asker: Asker, mutation: str, key: str, fields: dict[str, Any]) -> IdempotencyKey:
    return IdempotencyKey.of(actor=asker.person, mutation=mutation, key=key, fields=fields)


async def _once(
    runtime: Runtime, escrow_id: str, key: IdempotencyKey, act: Callable[[Tx, Escrow], Awaitable[Escrow]]
) -> Answered:
    """What `act` makes of the escrow, unless the key made a move already: then the escrow as it is now."""

    async def work(tx: Tx) -> Answered:
        made = await first_with(EscrowMove, key, tx)
        escrow = await reads.get(escrow_id, tx)
        if made is not None:
            return Answered(escrow, replayed=True, first_seen_at=made.created_at)
        return Answered(await act(tx, escrow), first_seen_at=tx.now)

    return await runtime.database.transact(work)


async def _record(tx: Tx, act: Act, asker: Asker, escrow: Escrow, reason: str | None = None) -> None:
    await auditlog.record(tx, act, by=asker.person, subject=escrow.id, person=escrow.owner, reason=reason)


async def _guard(tx: Tx, escrow: Escrow) -> None:
    """A freeze of the customer's wallet and a release on their word exclude each other."""
    try:
        await ledger.guard_send(tx, escrow.wallet)
    except WalletFrozen as frozen:
        raise WalletFrozen(
            "Your wallet is frozen: an administrator decides about a release.", path=["id"]
        ) from frozen


def _require_running(escrow: Escrow) -> None:
    if escrow.status is EscrowStatus.FUNDED:
        raise InvalidState("This escrow is not accepted yet.", path=["id"])
    if not escrow.is_running:
        raise InvalidState("Nothing is left in this escrow.", path=["id"])


def _require_undisputed(escrow: Escrow) -> None:
    if escrow.status is EscrowStatus.DISPUTED:
        raise InvalidState("This escrow is disputed: an administrator decides.", path=["id"])


def _amount(escrow: Escrow, amount: int | None) -> int:
    """`amount`, or the whole rest. Raises InvalidInput for what is not there, or is one part too many."""
    if amount is None:
        return escrow.rest
    if not 0 < amount <= escrow.rest:
        raise InvalidInput(f"Of this escrow, 1 to {escrow.rest} can be moved.", path=["amount"])
    if amount < escrow.rest and escrow.moves_made >= PARTS_MAX:
        raise InvalidInput(f"After {PARTS_MAX} parts, what is left moves as a whole.", path=["amount"])
    return amount
