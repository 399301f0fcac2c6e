"""What an administrator decides about a withdrawal, never about their own."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from domain import auditlog
from domain.auditlog import Act
from domain.gateway import Refused, StripeTrouble, Transfer, looks_like_id
from domain.kernel.database import Tx
from domain.kernel.errors import Forbidden, InvalidInput, InvalidState, NotFound, PaymentProviderUnavailable
from domain.kernel.operations import Actor, Failure, move
from domain.kernel.reasons import checked_reason, needed_reason
from domain.runtime import Runtime
from domain.sending import prove_not_sent
from domain.withdrawals import facts, reads, sending
from domain.withdrawals.documents import SENT, Approval, Withdrawal, WithdrawalStatus
from domain.withdrawals.service import ring

S = WithdrawalStatus
_NOT_SENT: Final = Failure(
    code="not_sent", message="The transfer was never made. The money is back in the wallet."
)


class WithdrawalOutcome(StrEnum):
    """What an administrator found out about a transfer that nobody knew of."""

    SENT = "SENT"
    NOT_SENT = "NOT_SENT"


@dataclass(frozen=True)
class ResolveWithdrawal:
    """`transfer_id`: Stripe's, needed for SENT."""

    withdrawal_id: str
    outcome: WithdrawalOutcome
    reason: str
    transfer_id: str | None = None


async def approve(
    runtime: Runtime, admin: str, withdrawal_id: str, *, reason: str | None = None
) -> Withdrawal:
    """Let it be sent; again, by whoever, is no change.

    Raises NotFound, Forbidden (one's own), InvalidState, InvalidInput.
    """
    withdrawal = await _decide(runtime, admin, withdrawal_id, given=True, reason=reason)
    if withdrawal.status is S.PENDING:
        await ring(runtime, withdrawal.id)
    return withdrawal


async def reject(
    runtime: Runtime, admin: str, withdrawal_id: str, *, reason: str | None = None
) -> Withdrawal:
    """Give the money back; again, by whoever, is no change.

    Raises NotFound, Forbidden (one's own), InvalidState, InvalidInput.
    """
    return await _decide(runtime, admin, withdrawal_id, given=False, reason=reason)


async def resolve(runtime: Runtime, admin: str, command: ResolveWithdrawal) -> Withdrawal:
    """End the doubt about a transfer. Again with the same outcome is no change.

    Raises NotFound, Forbidden (one's own), InvalidState (not in review; NOT_SENT for a key under which it may
    still be made; it was found at Stripe), InvalidInput (no transfer, or not this withdrawal's),
    PaymentProviderUnavailable.
    """
    needed_reason(command.reason)
    withdrawal = await _others(admin, command.withdrawal_id)
    try:
        if command.outcome is WithdrawalOutcome.SENT:
            return await _resolve_sent(runtime, admin, withdrawal, command)
        return await _resolve_not_sent(runtime, admin, withdrawal, command)
    except StripeTrouble as trouble:
        raise PaymentProviderUnavailable(
            "The payment provider cannot be asked now. Nothing has changed; try again."
        ) from trouble


async def _decide(
    runtime: Runtime, admin: str, withdrawal_id: str, *, given: bool, reason: str | None
) -> Withdrawal:
    reason = checked_reason(reason)

    async def work(tx: Tx) -> Withdrawal:
        withdrawal = await _others(admin, withdrawal_id, tx)
        if withdrawal.approval is not None and withdrawal.approval.given is given:
            return withdrawal
        if withdrawal.status is not S.AWAITING_APPROVAL:
            raise InvalidState("It does not wait for an approval any more.", path=["id"])
        changes: dict[str, Any] = {"approval": Approval(by=admin, at=tx.now, given=given).model_dump()}
        by_admin: dict[str, Any] = {"actor": Actor.ADMIN, "by": admin, "reason": reason}
        if given:
            await _record(tx, Act.WITHDRAWAL_APPROVED, admin, withdrawal, reason)
            changes["next_attempt_at"] = tx.now
            return await move(tx, withdrawal, S.PENDING, changes=changes, **by_admin)
        await _record(tx, Act.WITHDRAWAL_REJECTED, admin, withdrawal, reason)
        return await sending.give_back(tx, withdrawal, S.REJECTED, changes=changes, **by_admin)

    return await runtime.database.transact(work)


async def _record(tx: Tx, act: Act, admin: str, withdrawal: Withdrawal, reason: str | None) -> None:
    await auditlog.record(tx, act, by=admin, subject=withdrawal.id, person=withdrawal.owner, reason=reason)


async def _others(admin: str, withdrawal_id: str, tx: Tx | None = None) -> Withdrawal:
    """Raises NotFound, and Forbidden for one's own."""
    withdrawal = await reads.find(withdrawal_id, tx)
    if withdrawal is None:
        raise NotFound("There is no such withdrawal.", path=["id"])
    if withdrawal.owner == admin:
        raise Forbidden("Nobody decides about a withdrawal of their own.")
    return withdrawal


async def _resolve_sent(
    runtime: Runtime, admin: str, withdrawal: Withdrawal, command: ResolveWithdrawal
) -> Withdrawal:
    if command.transfer_id is None or not looks_like_id(command.transfer_id):
        raise InvalidInput("Name the transfer, tr_..., that was made.", path=["transferId"])
    if withdrawal.transfer(command.transfer_id) is not None:
        return withdrawal
    _require_review(withdrawal)
    try:
        transfer = await runtime.gateway.transfer(command.transfer_id)
    except Refused as refused:
        raise InvalidInput("There is no such transfer at Stripe.", path=["transferId"]) from refused
    if not _is_what_was_asked(withdrawal, transfer) or await reads.knows_transfer(transfer.id):
        raise InvalidInput("This transfer is not of this withdrawal.", path=["transferId"])

    async def work(tx: Tx) -> Withdrawal:
        current = await reads.get(withdrawal.id, tx)
        if current.transfer(transfer.id) is None:
            if current.status in SENT:
                _require_review(current)  # the right one turned up meanwhile
            await _record(tx, Act.WITHDRAWAL_RESOLVED, admin, current, command.reason)
        return await facts.record_transfer(
            tx, current, transfer, actor=Actor.ADMIN, by=admin, reason=command.reason
        )

    return await runtime.database.transact(work)


async def _resolve_not_sent(
    runtime: Runtime, admin: str, withdrawal: Withdrawal, command: ResolveWithdrawal
) -> Withdrawal:
    if withdrawal.status is S.FAILED and withdrawal.failure == _NOT_SENT:
        return withdrawal
    await prove_not_sent(runtime, sending.ERRAND, _require_review(withdrawal))

    async def work(tx: Tx) -> Withdrawal:
        current = _require_review(await reads.get(withdrawal.id, tx))
        await _record(tx, Act.WITHDRAWAL_RESOLVED, admin, current, command.reason)
        return await sending.give_back(
            tx,
            current,
            S.FAILED,
            actor=Actor.ADMIN,
            by=admin,
            reason=command.reason,
            changes={"failure": _NOT_SENT.model_dump()},
        )

    return await runtime.database.transact(work)


def _require_review(withdrawal: Withdrawal) -> Withdrawal:
    if withdrawal.status is not S.NEEDS_REVIEW:
        raise InvalidState("It is not in review.", path=["id"])
    return withdrawal


def _is_what_was_asked(withdrawal: Withdrawal, transfer: Transfer) -> bool:
    """Not another's by its own word, and as large, and to the same account."""
    return (
        transfer.metadata.get("withdrawal_id", withdrawal.id) == withdrawal.id
        and (transfer.amount.amount, transfer.amount.currency) == (withdrawal.amount, withdrawal.currency)
        and transfer.destination == withdrawal.account
    )
