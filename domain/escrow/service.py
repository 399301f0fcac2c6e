"""An escrow's beginning, and the answers of its parties: accepted, rejected, canceled, disputed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from domain import identity, ledger
from domain.escrow import reads
from domain.escrow.documents import Escrow
from domain.escrow.fees import Terms
from domain.escrow.moves import all_back, funding_of, pay
from domain.escrow.parties import Asker, require
from domain.escrow.states import EscrowStatus
from domain.identity import Role
from domain.kernel.database import Tx
from domain.kernel.errors import InsufficientFunds, InvalidInput, InvalidState, NotFound
from domain.kernel.ids import new_id
from domain.kernel.money import MINOR_UNITS_MAX
from domain.kernel.operations import (
    Actor,
    IdempotencyKey,
    StatusChange,
    first_with,
    move,
)
from domain.kernel.reasons import checked_reason, needed_reason
from domain.ledger import Wallet
from domain.runtime import Policy, Runtime

JOB_ID_CHARACTERS_MAX: Final = 255


@dataclass(frozen=True)
class CreateEscrow:
    """`price`: minor units of `currency`. `job_id`: the marketplace's own reference."""

    job_id: str
    contractor_id: str
    price: int
    currency: str
    idempotency_key: str

    def fields(self) -> dict[str, Any]:
        """What a replay must repeat."""
        return {
            "jobId": self.job_id,
            "contractorId": self.contractor_id,
            "price": self.price,
            "currency": self.currency,
        }


@dataclass(frozen=True)
class Answered:
    """The escrow as it is now. `first_seen_at`: when the caller's key first came; None where none came."""

    escrow: Escrow
    replayed: bool = False
    first_seen_at: datetime | None = None


async def create(runtime: Runtime, customer: str, command: CreateEscrow) -> Answered:
    """Lock price and platform fee, out of the customer's wallet; the same key answers like the first time.

    Raises InvalidInput, IdempotencyKeyReused, NotFound (no such contractor), WalletFrozen, InsufficientFunds:
    nothing is written then.
    """
    key = IdempotencyKey.of(
        actor=customer, mutation="createEscrow", key=command.idempotency_key, fields=command.fields()
    )
    if (first := await first_with(Escrow, key)) is not None:
        return _created(first, replayed=True)
    _validate(runtime.policy, customer, command)
    await _check_contractor(command.contractor_id)
    wallet = await ledger.open_wallet(customer, command.currency)

    async def work(tx: Tx) -> Answered:
        if (first := await first_with(Escrow, key, tx)) is not None:
            return _created(first, replayed=True)
        escrow = _new(tx, runtime.policy, command, key, wallet)
        await ledger.post(tx, funding_of(escrow))
        await escrow.insert(session=tx.session)
        return _created(escrow, replayed=False)

    try:
        return await runtime.database.transact(work)
    except InsufficientFunds as error:
        raise InsufficientFunds(available=error.available, required=error.required, path=["price"]) from error


async def accept(runtime: Runtime, asker: Asker, escrow_id: str, *, reason: str | None) -> Answered:
    """The contractor takes the job on; again is no change. Raises as `reject`."""
    found, side = require(await reads.find(escrow_id), asker, Actor.OTHER_PARTY)
    said = checked_reason(reason)
    # Before the transaction, for it makes the wallet where there is none in this currency.
    wallet = await ledger.open_wallet(found.contractor, found.currency)

    async def work(tx: Tx) -> Answered:
        escrow = await reads.get(escrow_id, tx)
        if escrow.status is EscrowStatus.ACCEPTED:
            return Answered(escrow)
        _require_funded(escrow)
        if escrow.expires_at <= tx.now:
            raise InvalidState("This escrow was not accepted in time: the money goes back.", path=["id"])
        changes = {"contractor_wallet": wallet.id, "next_attempt_at": None}
        accepted = EscrowStatus.ACCEPTED
        return Answered(await move(tx, escrow, accepted, actor=side, reason=said, changes=changes))

    return await runtime.database.transact(work)


async def reject(runtime: Runtime, asker: Asker, escrow_id: str, *, reason: str | None) -> Answered:
    """The contractor does not want the job; all goes back. Again is no change.

    Raises InvalidInput, NotFound, Forbidden, InvalidState (it is not FUNDED any more).
    """
    return await _end(runtime, asker, escrow_id, _REJECTION, reason=reason)


async def cancel(runtime: Runtime, asker: Asker, escrow_id: str, *, reason: str | None) -> Answered:
    """The customer does not want the job any more; all goes back. Again is no change. Raises as `reject`."""
    return await _end(runtime, asker, escrow_id, _CANCELLATION, reason=reason)


async def dispute(runtime: Runtime, asker: Asker, escrow_id: str, *, reason: str | None) -> Answered:
    """A party calls for an administrator: nothing is released until one decides. Again is no change.

    Raises InvalidInput (a reason is needed), NotFound, Forbidden, InvalidState.
    """
    _, side = require(await reads.find(escrow_id), asker, Actor.OWNER, Actor.OTHER_PARTY)
    said = needed_reason(reason)

    async def work(tx: Tx) -> Answered:
        escrow = await reads.get(escrow_id, tx)
        if escrow.status is EscrowStatus.DISPUTED:
            if escrow.history[-1].actor is side:
                return Answered(escrow)
            raise InvalidState("The other party has disputed this escrow already.", path=["id"])
        if not escrow.is_running:
            raise InvalidState("Only what is accepted and not settled can be disputed.", path=["id"])
        return Answered(await move(tx, escrow, EscrowStatus.DISPUTED, actor=side, reason=said))

    return await runtime.database.transact(work)


@dataclass(frozen=True)
class _Ending:
    """Before anybody accepted, by one party alone."""

    side: Actor
    status: EscrowStatus
    mutation: str


_REJECTION: Final = _Ending(Actor.OTHER_PARTY, EscrowStatus.REJECTED, "rejectEscrow")
_CANCELLATION: Final = _Ending(Actor.OWNER, EscrowStatus.CANCELED, "cancelEscrow")


async def _end(
    runtime: Runtime, asker: Asker, escrow_id: str, ending: _Ending, *, reason: str | None
) -> Answered:
    require(await reads.find(escrow_id), asker, ending.side)
    said = checked_reason(reason)

    async def work(tx: Tx) -> Answered:
        escrow = await reads.get(escrow_id, tx)
        if escrow.status is ending.status:
            return Answered(escrow)
        _require_funded(escrow)
        back = all_back(escrow, by=asker.person, mutation=ending.mutation)
        ended = await pay(
            tx, escrow, [back], actor=ending.side, by=asker.person, reason=said, ends_as=ending.status
        )
        return Answered(ended)

    return await runtime.database.transact(work)


def _validate(policy: Policy, customer: str, command: CreateEscrow) -> None:
    if policy.currency(command.currency) is None:
        taken = ", ".join(policy.currencies)
        raise InvalidInput(f"This currency is not taken. Taken are: {taken}.", path=["currency"])
    least = policy.escrow_min.of(command.currency)
    if command.price < least:
        raise InvalidInput(f"A job in {command.currency} costs at least {least} minor units.", path=["price"])
    if _terms(policy, command).charged > MINOR_UNITS_MAX:
        raise InvalidInput(
            "This price, with the platform's fee, is more than can be counted.", path=["price"]
        )
    if not command.job_id.strip() or len(command.job_id) > JOB_ID_CHARACTERS_MAX:
        raise InvalidInput(f"A job's id has 1 to {JOB_ID_CHARACTERS_MAX} characters.", path=["jobId"])
    if command.contractor_id == customer:
        raise InvalidInput("Nobody can pay themself.", path=["contractorId"])


async def _check_contractor(contractor_id: str) -> None:
    contractor = await identity.find(contractor_id)
    if contractor is None or Role.CONTRACTOR not in contractor.roles:
        raise NotFound("There is no such contractor.", path=["contractorId"])


def _terms(policy: Policy, command: CreateEscrow) -> Terms:
    return Terms(command.price, policy.platform_fee_bps, policy.service_fee_bps)


def _new(tx: Tx, policy: Policy, command: CreateEscrow, key: IdempotencyKey, wallet: Wallet) -> Escrow:
    terms = _terms(policy, command)
    expires_at = tx.now + policy.escrow_expiry
    return Escrow(
        id=new_id("esc", at=tx.now),
        owner=wallet.owner,
        wallet=wallet.id,
        contractor=command.contractor_id,
        job_id=command.job_id,
        price=terms.price,
        currency=command.currency,
        platform_fee_bps=terms.platform_fee_bps,
        service_fee_bps=terms.service_fee_bps,
        locked=terms.charged,
        status=EscrowStatus.FUNDED,
        history=[StatusChange(status=EscrowStatus.FUNDED, at=tx.now, actor=Actor.OWNER)],
        idempotency=key,
        expires_at=expires_at,
        next_attempt_at=expires_at,
        created_at=tx.now,
        updated_at=tx.now,
    )


def _created(escrow: Escrow, *, replayed: bool) -> Answered:
    return Answered(escrow, replayed=replayed, first_seen_at=escrow.created_at)


def _require_funded(escrow: Escrow) -> None:
    """Raises InvalidState that says what it is instead."""
    if escrow.status is not EscrowStatus.FUNDED:
        words = escrow.status.lower().replace("_", " ")
        raise InvalidState(f"This escrow is {words}: that is only for one that waits.", path=["id"])
