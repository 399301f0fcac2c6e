"""Operations as an interface: the shape of each noun's, by the prefix of their ids."""

from typing import Any, Final

import strawberry

from domain.kernel.search import Search
from resolvers.operations import AnyOperation, prefix_of
from schema.adjustments import Adjustment
from schema.deposits import Deposit
from schema.disputes import Dispute
from schema.escrow import Escrow
from schema.refunds import Refund
from schema.shared import CurrencyCode, DateTime, MinorUnits
from schema.withdrawals import Withdrawal

SHAPES: Final = {
    "dep": Deposit,
    "esc": Escrow,
    "wdr": Withdrawal,
    "rfd": Refund,
    "dsp": Dispute,
    "adj": Adjustment,
}


def shown(operation: AnyOperation) -> Any:
    """As its noun shows it: a Node, and an Operation."""
    shape: Any = SHAPES[prefix_of(operation.id)]
    return shape.of(operation)


@strawberry.input(description="Which operations to show; what is left out does not narrow.")
class OperationFilter:
    person_id: strawberry.ID | None = strawberry.field(default=None, description="Whose: a party's id.")
    currency: CurrencyCode | None = strawberry.field(default=None, description="In this currency.")
    amount_min: MinorUnits | None = strawberry.field(default=None, description="At least this much.")
    amount_max: MinorUnits | None = strawberry.field(default=None, description="At most this much.")
    created_after: DateTime | None = strawberry.field(default=None, description="Only made later.")
    created_before: DateTime | None = strawberry.field(default=None, description="Only made earlier.")

    def to_search(self) -> Search:
        return Search(
            person=self.person_id,
            currency=self.currency,
            amount_min=self.amount_min,
            amount_max=self.amount_max,
            created_after=self.created_after,
            created_before=self.created_before,
        )
