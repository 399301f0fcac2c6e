"""Asking for an adjustment, confirming it, rejecting it: administrators', and never about their own wallet.

Above a limit nobody's word is enough alone. Whatever is posted writes the wallet, so that adjustments which
race are counted and checked one after the other.
"""

from dataclasses import dataclass
from typing import Any

from domain import auditlog, ledger, withdrawals
from domain.adjustments import postings, reads
from domain.adjustments.documents import Adjustment, AdjustmentKind, AdjustmentStatus
from domain.adjustments.previews import Preview, preview
from domain.auditlog import Act
from domain.kernel.database import Tx
from domain.kernel.errors import Forbidden, InsufficientFunds, InvalidInput, InvalidState, NotFound
from domain.kernel.ids import new_id
from domain.kernel.operations import Actor, IdempotencyKey, StatusChange, first_with, move
from domain.kernel.reasons import checked_reason, needed_reason
from domain.ledger import Wallet
from domain.runtime import Policy, Runtime

S = AdjustmentStatus


@dataclass(frozen=True)
class AdjustWallet:
    """`amount`: signed minor units, not zero. `reason`: 1 to 500 characters; the owner may read it.

    `preview_only`: say what would be written, and write nothing.
    """

    wallet_id: str
    amount: int
    reason: str
    idempotency_key: str
    kind: AdjustmentKind = AdjustmentKind.CORRECTION
    preview_only: bool = False

    def fields(self) -> dict[str, Any]:
        """What a replay must repeat."""
        return {
            "walletId": self.wallet_id,
            "amount": self.amount,
            "reason": self.reason,
            "kind": self.kind.value,
        }


@dataclass(frozen=True)
class Adjusted:
    """`adjustment`: None where only a preview was asked for. `preview`: None for what stood already."""

    adjustment: Adjustment | None
    preview: Preview | None
    replayed: bool = False


async def adjust(runtime: Runtime, admin: str, command: AdjustWallet) -> Adjusted:
    """Post the adjustment, or have it wait for a second administrator; the same key answers with it as it is.

    Raises InvalidInput, IdempotencyKeyReused, NotFound, Forbidden (one's own wallet), InsufficientFunds.
    """
    reason = needed_reason(command.reason)
    if command.amount == 0:
        raise InvalidInput("An adjustment of zero changes nothing.", path=["amount"])
    key = IdempotencyKey.of(
        actor=admin, mutation="adjustWallet", key=command.idempotency_key, fields=command.fields()
    )

    async def work(tx: Tx) -> Adjusted:
        if (first := await first_with(Adjustment, key, tx)) is not None:
            return Adjusted(first, None, replayed=True)
        wallet = await _others_wallet(tx, admin, command.wallet_id)
        earlier = await reads.asked_for_since(tx, admin, wallet.id, tx.now - reads.CONFIRMATION_WINDOW)
        status = _first_status(runtime.policy, wallet.currency, earlier + abs(command.amount))
        adjustment = _new(tx, command, key, wallet, reason=reason, status=status)
        foreseen = preview(adjustment, wallet, at=tx.now)
        if command.preview_only:
            return Adjusted(None, foreseen)
        if status is S.POSTED:
            await _post(tx, adjustment, wallet, foreseen)
        await adjustment.insert(session=tx.session)
        act = Act.ADJUSTMENT_POSTED if status is S.POSTED else Act.ADJUSTMENT_ASKED_FOR
        await _record(tx, act, admin, adjustment, reason)
        return Adjusted(adjustment, foreseen)

    adjusted = await runtime.database.transact(work)
    await _ring(runtime, adjusted.adjustment)
    return adjusted


async def confirm(
    runtime: Runtime, admin: str, adjustment_id: str, *, reason: str | None = None
) -> Adjustment:
    """Post what another administrator asked for; again, by whoever may, is no change.

    Raises InvalidInput, NotFound, Forbidden (one's own wallet or request), InvalidState (it does not wait,
    or more would be written off than is owed by now), InsufficientFunds (by now).
    """
    said = checked_reason(reason)

    async def work(tx: Tx) -> Adjustment:
        adjustment, wallet = await _others(tx, admin, adjustment_id)
        if adjustment.asked_by == admin:
            raise Forbidden("Nobody confirms an adjustment that they asked for.")
        if adjustment.status is S.POSTED and adjustment.decided_by is not None:
            return adjustment
        _require_waiting(adjustment)
        try:
            foreseen = preview(adjustment, wallet, at=tx.now)
        except InsufficientFunds as short:
            raise InsufficientFunds(
                available=short.available, required=short.required, path=["id"]
            ) from short
        except InvalidInput as error:
            raise InvalidState(error.message, path=["id"]) from error
        await _post(tx, adjustment, wallet, foreseen)
        await _record(tx, Act.ADJUSTMENT_CONFIRMED, admin, adjustment, said)
        return await _decided(tx, adjustment, S.POSTED, admin, said)

    confirmed = await runtime.database.transact(work)
    await _ring(runtime, confirmed)
    return confirmed


async def reject(runtime: Runtime, admin: str, adjustment_id: str, *, reason: str) -> Adjustment:
    """Let it never be posted; whoever asked for it may do so too. Again, by whoever may, is no change.

    Raises InvalidInput, NotFound, Forbidden (one's own wallet), InvalidState.
    """
    said = needed_reason(reason)

    async def work(tx: Tx) -> Adjustment:
        adjustment, _ = await _others(tx, admin, adjustment_id)
        if adjustment.status is S.REJECTED:
            return adjustment
        _require_waiting(adjustment)
        await _record(tx, Act.ADJUSTMENT_REJECTED, admin, adjustment, said)
        return await _decided(tx, adjustment, S.REJECTED, admin, said)

    return await runtime.database.transact(work)


def _first_status(policy: Policy, currency: str, of_late: int) -> AdjustmentStatus:
    """`of_late`: with what the same administrator asked for before. Cut in pieces it is still as large."""
    alone = of_late <= policy.adjustment_two_admins_above.of(currency)
    return S.POSTED if alone else S.AWAITING_CONFIRMATION


def _new(
    tx: Tx,
    command: AdjustWallet,
    key: IdempotencyKey,
    wallet: Wallet,
    *,
    reason: str,
    status: AdjustmentStatus,
) -> Adjustment:
    change = StatusChange(status=status, at=tx.now, actor=Actor.ADMIN, by=key.actor, reason=reason)
    return Adjustment(
        id=new_id("adj", at=tx.now),
        owner=wallet.owner,
        wallet=wallet.id,
        amount=command.amount,
        currency=wallet.currency,
        kind=command.kind,
        reason=reason,
        asked_by=key.actor,
        status=status,
        history=[change],
        idempotency=key,
        created_at=tx.now,
        updated_at=tx.now,
    )


async def _post(tx: Tx, adjustment: Adjustment, wallet: Wallet, foreseen: Preview) -> None:
    await ledger.post(tx, postings.posted(adjustment))
    if len(foreseen.wallet.freezes) < len(wallet.freezes):
        # A debt is paid, for which withdrawals may have waited.
        await withdrawals.wake(tx, adjustment.owner)


async def _ring(runtime: Runtime, adjustment: Adjustment | None) -> None:
    """Of what was woken, if anything was."""
    if adjustment is not None and adjustment.status is S.POSTED and adjustment.amount > 0:
        await withdrawals.ring_woken(runtime, adjustment.owner)


async def _decided(
    tx: Tx, adjustment: Adjustment, status: AdjustmentStatus, admin: str, reason: str | None
) -> Adjustment:
    changes = {"decided_by": admin}
    return await move(tx, adjustment, status, actor=Actor.ADMIN, by=admin, reason=reason, changes=changes)


async def _record(tx: Tx, act: Act, admin: str, adjustment: Adjustment, reason: str | None) -> None:
    await auditlog.record(tx, act, by=admin, subject=adjustment.id, person=adjustment.owner, reason=reason)


async def _others_wallet(tx: Tx, admin: str, wallet_id: str, *, path: str = "walletId") -> Wallet:
    """Raises NotFound, and Forbidden for one's own."""
    wallet = await ledger.wallet(wallet_id, tx)
    if wallet is None:
        raise NotFound("There is no such wallet.", path=[path])
    if wallet.owner == admin:
        raise Forbidden("Nobody adjusts a wallet of their own.")
    return wallet


async def _others(tx: Tx, admin: str, adjustment_id: str) -> tuple[Adjustment, Wallet]:
    adjustment = await reads.find(adjustment_id, tx)
    if adjustment is None:
        raise NotFound("There is no such adjustment.", path=["id"])
    return adjustment, await _others_wallet(tx, admin, adjustment.wallet, path="id")


def _require_waiting(adjustment: Adjustment) -> None:
    if adjustment.status is not S.AWAITING_CONFIRMATION:
        words = "was rejected" if adjustment.status is S.REJECTED else "is posted"
        raise InvalidState(f"This adjustment {words}: nothing is to be decided any more.", path=["id"])
