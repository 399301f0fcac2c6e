"""The only door out of an escrow's account: entry, move and the escrow's new state, in one transaction."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from domain import ledger
from domain.escrow import fees
from domain.escrow.documents import Escrow, EscrowMove
from domain.escrow.fees import MoveKind
from domain.escrow.states import EscrowStatus, status_after
from domain.kernel.database import Tx
from domain.kernel.ids import new_id
from domain.kernel.operations import Actor, IdempotencyKey, move
from domain.ledger import Account, Kind, NewEntry, Platform, Posting

_KINDS = {MoveKind.RELEASE: Kind.ESCROW_RELEASED, MoveKind.REFUND: Kind.ESCROW_REFUNDED}


@dataclass(frozen=True)
class Payment:
    """`amount` (> 0, of the price) that is to be released or refunded. `key` can make only one."""

    kind: MoveKind
    amount: int
    key: IdempotencyKey


def all_back(escrow: Escrow, *, by: str, mutation: str) -> Payment:
    """The refund of the rest. No caller's key: an escrow ends in this way only once."""
    key = IdempotencyKey.of(actor=by, mutation=mutation, key=escrow.id, fields={})
    return Payment(MoveKind.REFUND, escrow.rest, key)


async def pay(
    tx: Tx,
    escrow: Escrow,
    payments: Sequence[Payment],
    *,
    actor: Actor,
    by: str,
    reason: str | None = None,
    ends_as: EscrowStatus | None = None,
) -> Escrow:
    """Make `payments`, one after the other, and write where the escrow stands after them (or `ends_as`).

    What may be paid, and on whose word, is the caller's question. Raises ValueError beyond the rest.
    """
    progress, status = escrow.progress, escrow.status
    for number, payment in enumerate(payments, start=escrow.moves_made + 1):
        step = fees.step(escrow.terms, progress, payment.kind, payment.amount)
        made = EscrowMove(
            id=new_id("esm", at=tx.now),
            idempotency=payment.key,
            escrow=escrow.id,
            number=number,
            kind=payment.kind,
            amount=payment.amount,
            net=step.net,
            fees=step.fees,
            currency=escrow.currency,
            actor=actor,
            by=by,
            reason=reason,
            created_at=tx.now,
        )
        await ledger.post(tx, entry_of(escrow, made))
        await made.insert(session=tx.session)
        progress = step.after
        status = status_after(status, payment.kind, escrow.terms, progress)
    changes = {
        "released": progress.released,
        "refunded": progress.refunded,
        "locked": fees.locked(escrow.terms, progress),
        "moves_made": escrow.moves_made + len(payments),
    }
    admin = by if actor is Actor.ADMIN else None
    return await move(tx, escrow, ends_as or status, actor=actor, by=admin, reason=reason, changes=changes)


def funding_of(escrow: Escrow) -> NewEntry:
    """The entry that fills the escrow's account."""
    posting = Posting(Account.available(escrow.wallet), Account.escrow(escrow.id), escrow.terms.charged)
    return NewEntry(
        ref=f"escrow:{escrow.id}:funded",
        kind=Kind.ESCROW_FUNDED,
        currency=escrow.currency,
        postings=[posting],
        operation=escrow.id,
        actor=Actor.OWNER.value,
    )


def entry_of(escrow: Escrow, made: EscrowMove) -> NewEntry:
    """The entry of a move. One that brings its receiver nothing touches no wallet."""
    return NewEntry(
        ref=made.ref,
        kind=_KINDS[made.kind],
        currency=escrow.currency,
        postings=list(_postings(escrow, made)),
        operation=escrow.id,
        actor=made.actor.value,
    )


def _postings(escrow: Escrow, made: EscrowMove) -> Iterator[Posting]:
    account = Account.escrow(escrow.id)
    if made.net:
        yield Posting(account, Account.available(_receiver(escrow, made.kind)), made.net)
    if made.fees:
        yield Posting(account, Account.platform(Platform.FEES), made.fees)


def _receiver(escrow: Escrow, kind: MoveKind) -> str:
    if kind is MoveKind.REFUND:
        return escrow.wallet
    if escrow.contractor_wallet is None:
        raise ValueError(f"{escrow.id} was never accepted: nobody is there to be paid")
    return escrow.contractor_wallet
