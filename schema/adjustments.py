"""Adjustments, as clients see them."""

from dataclasses import asdict

import strawberry

import resolvers.adjustments
from domain import adjustments, ledger
from domain.adjustments import Adjusted, AdjustmentKind, AdjustmentStatus, AdjustWallet, Preview
from domain.kernel.operations import Blocker
from schema.books import WalletFreeze
from schema.shared import (
    Idempotency,
    Info,
    MinorUnits,
    Money,
    Node,
    Operation,
    Party,
    UserError,
    operation_fields,
)

strawberry.enum(
    AdjustmentStatus,
    description="Where an adjustment stands. POSTED and REJECTED are settled. More may be added.",
)
strawberry.enum(
    AdjustmentKind,
    description="What is adjusted. CORRECTION: a mistake, up or down, from platform:adjustments or back to "
    "it. WRITE_OFF: a debt that will not be paid, at most all of it, from platform:losses; a dispute's is "
    "written off on the dispute. More may be added.",
)


@strawberry.type(description="One movement within an entry: what leaves an account and reaches another.")
class PreviewedPosting:
    source: str = strawberry.field(description="The account that it leaves, e.g. platform:adjustments.")
    destination: str = strawberry.field(description="The account that it reaches.")
    amount: Money = strawberry.field(description="How much, always above zero.")

    @classmethod
    def of(cls, posting: ledger.Posting, currency: str) -> "PreviewedPosting":
        return cls(
            source=str(posting.source),
            destination=str(posting.destination),
            amount=Money.of(posting.amount, currency),
        )


@strawberry.type(description="An entry of the journal as it would be written.")
class PreviewedEntry:
    kind: ledger.Kind = strawberry.field(description="As the wallet's statement would show it.")
    postings: list[PreviewedPosting] = strawberry.field(description="What would move.")


@strawberry.type(
    description="What posting an adjustment would write now, by the very function that writes it. Nothing is "
    "reserved: the wallet may be another when it is posted."
)
class AdjustmentPreview:
    needs_confirmation: bool = strawberry.field(
        description="Whether a second administrator must confirm it before anything is written."
    )
    entries: list[PreviewedEntry] = strawberry.field(description="All entries that would be written.")
    available: Money = strawberry.field(description="The wallet's `available` after them; below zero: owed.")
    held: Money = strawberry.field(description="The wallet's `held` after them.")
    freezes: list[WalletFreeze] = strawberry.field(
        description="Why the wallet would be frozen after them; empty when it would not be."
    )

    @classmethod
    def of(cls, preview: Preview) -> "AdjustmentPreview":
        entry, wallet = preview.entry, preview.wallet
        moved = [PreviewedPosting.of(posting, entry.currency) for posting in entry.postings]
        return cls(
            needs_confirmation=preview.waits,
            entries=[PreviewedEntry(kind=ledger.Kind(entry.kind), postings=moved)],
            available=Money.of(wallet.available, wallet.currency),
            held=Money.of(wallet.held, wallet.currency),
            freezes=[WalletFreeze.of(ledger.FreezeRecord(**asdict(freeze))) for freeze in wallet.freezes],
        )


@strawberry.type(description="A correction by admins; above a limit a second one confirms.")
class Adjustment(Node, Operation):
    document: strawberry.Private[adjustments.Adjustment]
    wallet_id: strawberry.ID = strawberry.field(description="The wallet that is adjusted.")
    owner: Party = strawberry.field(description="Whose wallet it is. They see it once it is posted.")
    amount: Money = strawberry.field(description="Signed: what the wallet gets, or, below zero, gives.")
    kind: AdjustmentKind = strawberry.field(description="What is adjusted.")
    status: AdjustmentStatus = strawberry.field(description="Where it stands.")
    reason: str = strawberry.field(description="Why, in the words of whoever asked for it.")

    @strawberry.field(description="For admins: which of them asked for it.")
    def asked_by(self, info: Info) -> Party | None:
        return _party(info.context.admins_only(self.document.asked_by))

    @strawberry.field(
        description="For admins: which of them confirmed or rejected it; null while it waits, and where it "
        "was posted at once."
    )
    def decided_by(self, info: Info) -> Party | None:
        return _party(info.context.admins_only(self.document.decided_by))

    @strawberry.field(
        description="For admins, while it waits: what confirming it would write now; null where it could not "
        "be posted now, which `waitingFor` explains."
    )
    async def preview(self, info: Info) -> AdjustmentPreview | None:
        found = await resolvers.adjustments.preview(info.context, self.document)
        return None if found is None else AdjustmentPreview.of(found)

    async def blocker(self, info: Info) -> Blocker | None:
        return await resolvers.adjustments.waiting_for(info.context, self.document)

    @classmethod
    def of(cls, document: adjustments.Adjustment) -> "Adjustment":
        return cls(
            **operation_fields(document),
            wallet_id=strawberry.ID(document.wallet),
            owner=Party.of(document.owner),
            amount=Money.of(document.amount, document.currency),
            kind=document.kind,
            status=document.status,
            reason=document.reason,
        )


@strawberry.input(description="An adjustment of somebody's wallet.")
class AdjustWalletInput:
    wallet_id: strawberry.ID = strawberry.field(description="The wallet's id, never one's own.")
    amount: MinorUnits = strawberry.field(
        description="Signed minor units of the wallet's currency, not zero: 1050 gives it $10.50, -1050 "
        "takes as much, at most what is available."
    )
    reason: str = strawberry.field(
        description="1 to 500 characters. The history keeps it, and once it is posted the owner can read it."
    )
    idempotency_key: str = strawberry.field(
        description="1 to 255 characters, chosen by the caller, one per intention."
    )
    kind: AdjustmentKind = strawberry.field(
        default=AdjustmentKind.CORRECTION, description="A write-off is above zero, and at most what is owed."
    )
    preview_only: bool = strawberry.field(
        default=False, description="Answer with `preview`, and write nothing: not even the key is used."
    )

    def to_command(self) -> AdjustWallet:
        return AdjustWallet(
            wallet_id=self.wallet_id,
            amount=self.amount,
            reason=self.reason,
            idempotency_key=self.idempotency_key,
            kind=self.kind,
            preview_only=self.preview_only,
        )


@strawberry.type(description="The adjustment, or what it would be, or why there is none.")
class AdjustWalletPayload:
    adjustment: Adjustment | None = strawberry.field(
        default=None, description="Null when nothing was made: refused, or only a preview was asked for."
    )
    preview: AdjustmentPreview | None = strawberry.field(
        default=None,
        description="What is written by it, at once or when it is confirmed; null when refused, and for a "
        "key that made an adjustment before.",
    )
    idempotency: Idempotency | None = strawberry.field(
        default=None, description="What the key did; null when it did nothing."
    )
    user_errors: list[UserError] = strawberry.field(default_factory=list, description="Empty on success.")

    @classmethod
    def of(cls, adjusted: Adjusted) -> "AdjustWalletPayload":
        document, preview = adjusted.adjustment, adjusted.preview
        shown = None if preview is None else AdjustmentPreview.of(preview)
        if document is None:
            return cls(preview=shown)
        return cls(
            adjustment=Adjustment.of(document),
            preview=shown,
            idempotency=Idempotency(replayed=adjusted.replayed, first_seen_at=document.created_at),
        )


@strawberry.input(description="An adjustment that waits, to be posted.")
class ConfirmAdjustmentInput:
    id: strawberry.ID = strawberry.field(description="The adjustment's id.")
    reason: str | None = strawberry.field(
        default=None, description="At most 500 characters; the history keeps it, and its owner can read it."
    )


@strawberry.input(description="An adjustment that waits, never to be posted.")
class RejectAdjustmentInput:
    id: strawberry.ID = strawberry.field(description="The adjustment's id.")
    reason: str = strawberry.field(description="1 to 500 characters; the history keeps it.")


@strawberry.type(description="The adjustment as it is now, or why nothing was done.")
class AdjustmentPayload:
    adjustment: Adjustment | None = strawberry.field(default=None, description="Null when nothing was done.")
    user_errors: list[UserError] = strawberry.field(default_factory=list, description="Empty on success.")

    @classmethod
    def of(cls, document: adjustments.Adjustment) -> "AdjustmentPayload":
        return cls(adjustment=Adjustment.of(document))


def _party(person: str | None) -> Party | None:
    return None if person is None else Party.of(person)
