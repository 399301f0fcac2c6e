"""What flowed, in a business's words: which entries count, and which only move money about."""

import pytest

from domain.ledger import ESCROWS, WALLETS, Flow, Kind, PlatformKind
from domain.metrics import Turnover, turnover

STRIPE, UNEXPLAINED, FEES = "platform:stripe", "platform:unexplained", "platform:fees"
LOSSES, ADJUSTMENTS, STRIPE_FEES = "platform:losses", "platform:adjustments", "platform:stripe_fees"
NOTHING = dict.fromkeys(("fees", "deposits", "withdrawals", "refunds", "disputes"), 0)


@pytest.mark.parametrize(
    ("kind", "source", "destination", "counts"),
    [
        (Kind.DEPOSIT, STRIPE, WALLETS, {"deposits": 7}),
        # Read before anybody knew whose it is; or credited by a review.
        (Kind.DEPOSIT, UNEXPLAINED, WALLETS, {"deposits": 7}),
        # Paid otherwise than agreed, and sent back: in no wallet at any time.
        (Kind.DEPOSIT, STRIPE, UNEXPLAINED, {}),
        (Kind.REFUND_SENT, UNEXPLAINED, STRIPE, {}),
        (Kind.REFUND_RETURNED, STRIPE, UNEXPLAINED, {}),
        (Kind.REFUND_REQUESTED, WALLETS, WALLETS, {}),
        (Kind.REFUND_SENT, WALLETS, STRIPE, {"refunds": 7}),
        (Kind.REFUND_RETURNED, WALLETS, WALLETS, {}),
        (Kind.REFUND_RETURNED, STRIPE, WALLETS, {"refunds": -7}),
        (Kind.WITHDRAWAL_REQUESTED, WALLETS, WALLETS, {}),
        (Kind.WITHDRAWAL_SENT, WALLETS, STRIPE, {"withdrawals": 7}),
        (Kind.WITHDRAWAL_SENT, WALLETS, UNEXPLAINED, {"withdrawals": 7}),
        (Kind.WITHDRAWAL_RETURNED, WALLETS, WALLETS, {}),
        (Kind.WITHDRAWAL_REVERSED, STRIPE, WALLETS, {"withdrawals": -7}),
        (Kind.ESCROW_FUNDED, WALLETS, ESCROWS, {}),
        (Kind.ESCROW_RELEASED, ESCROWS, WALLETS, {}),
        (Kind.ESCROW_RELEASED, ESCROWS, FEES, {"fees": 7}),
        (Kind.ESCROW_REFUNDED, ESCROWS, WALLETS, {}),
        (Kind.DISPUTE_WITHDRAWN, WALLETS, STRIPE, {"disputes": 7}),
        (Kind.DISPUTE_WITHDRAWN, UNEXPLAINED, STRIPE, {}),
        (Kind.DISPUTE_REINSTATED, STRIPE, WALLETS, {"disputes": -7}),
        (Kind.DISPUTE_REINSTATED, STRIPE, LOSSES, {"disputes": -7}),
        (Kind.DISPUTE_WRITTEN_OFF, LOSSES, WALLETS, {}),
        (Kind.ADJUSTMENT, ADJUSTMENTS, WALLETS, {}),
        (PlatformKind.STRIPE_FEE, STRIPE_FEES, STRIPE, {}),
        (PlatformKind.UNEXPLAINED, STRIPE, UNEXPLAINED, {}),
    ],
)
def test_each_flow_counts_where_it_belongs(
    kind: Kind | PlatformKind, source: str, destination: str, counts: dict[str, int]
) -> None:
    flows = {Flow(kind, source, destination): 7}
    assert turnover(flows) == Turnover(**(NOTHING | counts))


def test_flows_add_up() -> None:
    flows = {
        Flow(Kind.WITHDRAWAL_SENT, WALLETS, STRIPE): 30,
        Flow(Kind.WITHDRAWAL_REVERSED, STRIPE, WALLETS): 10,
        Flow(Kind.ESCROW_RELEASED, ESCROWS, WALLETS): 80,
        Flow(Kind.ESCROW_RELEASED, ESCROWS, FEES): 25,
        Flow(Kind.ESCROW_REFUNDED, ESCROWS, FEES): 1,
    }
    assert turnover(flows) == Turnover(**(NOTHING | {"withdrawals": 20, "fees": 26}))
