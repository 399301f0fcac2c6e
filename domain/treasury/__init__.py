"""The platform's own money at Stripe: what moved it, what it cost, and whether it is enough."""

from domain.treasury import audit
from domain.treasury.chore import read_balance_transactions
from domain.treasury.documents import Movement, Outcome
from domain.treasury.explaining import Explanation, Matched, Own, Unexplained
from domain.treasury.proof import prove_balance
from domain.treasury.reads import find_by_stripe_id, find_movements, movements_of

DOCUMENTS = (Movement,)

__all__ = [
    "DOCUMENTS",
    "Explanation",
    "Matched",
    "Movement",
    "Outcome",
    "Own",
    "Unexplained",
    "audit",
    "find_by_stripe_id",
    "find_movements",
    "movements_of",
    "prove_balance",
    "read_balance_transactions",
]
