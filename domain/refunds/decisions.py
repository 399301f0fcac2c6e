"""What an administrator decides about a refund that nobody knows of."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from domain import auditlog, gateway
from domain.auditlog import Act
from domain.gateway import Refused, StripeTrouble, looks_like_id
from domain.kernel.database import Tx
from domain.kernel.errors import Forbidden, InvalidInput, InvalidState, NotFound, PaymentProviderUnavailable
from domain.kernel.operations import Actor, Failure
from domain.kernel.reasons import needed_reason
from domain.refunds import facts, reads, sending
from domain.refunds.documents import Refund, RefundStatus
from domain.runtime import Runtime
from domain.sending import prove_not_sent

S = RefundStatus
_NOT_SENT: Final = Failure(
    code="not_sent", message="The refund was never made. The money is back in the wallet."
)


class RefundOutcome(StrEnum):
    """What an administrator found out about a refund."""

    SENT = "SENT"
    NOT_SENT = "NOT_SENT"


@dataclass(frozen=True)
class ResolveRefund:
    """`stripe_refund_id`: Stripe's, re_..., needed for SENT."""

    refund_id: str
    outcome: RefundOutcome
    reason: str
    stripe_refund_id: str | None = None


async def resolve(runtime: Runtime, admin: str, command: ResolveRefund) -> Refund:
    """End the doubt about a refund. Again with the same outcome is no change.

    Raises NotFound, Forbidden (one's own), InvalidState (not in review; NOT_SENT for a key under which it may
    still be made; it was found at Stripe), InvalidInput (no refund, or not this one's),
    PaymentProviderUnavailable.
    """
    reason = needed_reason(command.reason)
    refund = await reads.find(command.refund_id)
    if refund is None:
        raise NotFound("There is no such refund.", path=["id"])
    if refund.owner == admin:
        raise Forbidden("Nobody decides about a refund of their own.")
    try:
        if command.outcome is RefundOutcome.SENT:
            return await _resolve_sent(runtime, admin, refund, command.stripe_refund_id, reason)
        return await _resolve_not_sent(runtime, admin, refund, reason)
    except StripeTrouble as trouble:
        raise PaymentProviderUnavailable(
            "The payment provider cannot be asked now. Nothing has changed; try again."
        ) from trouble


async def _resolve_sent(
    runtime: Runtime, admin: str, refund: Refund, stripe_refund_id: str | None, reason: str
) -> Refund:
    if stripe_refund_id is None or not looks_like_id(stripe_refund_id):
        raise InvalidInput("Name the refund, re_..., that was made.", path=["refundId"])
    if refund.sent is not None and refund.sent.id == stripe_refund_id:
        return refund
    _require_review(refund)
    observed_at = runtime.now()
    try:
        told = await runtime.gateway.refund(stripe_refund_id)
    except Refused as refused:
        raise InvalidInput("There is no such refund at Stripe.", path=["refundId"]) from refused

    async def work(tx: Tx) -> Refund:
        current = _require_review(await reads.get(refund.id, tx))
        known = await reads.find_sent(told.id, tx)
        if known is not None or not _may_be(current, told):
            raise InvalidInput("This refund is not the one that was asked for.", path=["refundId"])
        await _audit(tx, admin, current, reason)
        return await facts.record(
            tx, current, told, observed_at=observed_at, actor=Actor.ADMIN, by=admin, reason=reason
        )

    return await runtime.database.transact(work)


async def _resolve_not_sent(runtime: Runtime, admin: str, refund: Refund, reason: str) -> Refund:
    if refund.status is S.FAILED and refund.failure == _NOT_SENT:
        return refund
    await prove_not_sent(runtime, sending.ERRAND, _require_review(refund))

    async def work(tx: Tx) -> Refund:
        current = _require_review(await reads.get(refund.id, tx))
        await _audit(tx, admin, current, reason)
        changes = {"failure": _NOT_SENT.model_dump()}
        return await facts.give_back(
            tx, current, S.FAILED, actor=Actor.ADMIN, by=admin, reason=reason, changes=changes
        )

    return await runtime.database.transact(work)


def _require_review(refund: Refund) -> Refund:
    if refund.status is not S.NEEDS_REVIEW:
        raise InvalidState("It is not in review.", path=["id"])
    return refund


def _may_be(refund: Refund, told: gateway.Refund) -> bool:
    """Not another's by its own word, and what was asked for."""
    claimed = told.metadata.get("refund_id", refund.id)
    return claimed == refund.id and facts.is_what_was_asked(refund, told)


async def _audit(tx: Tx, admin: str, refund: Refund, reason: str) -> None:
    await auditlog.record(
        tx, Act.REFUND_RESOLVED, by=admin, subject=refund.id, person=refund.owner, reason=reason
    )
