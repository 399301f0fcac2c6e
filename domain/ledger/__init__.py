"""The books: wallets, entries, statement lines, and `post`, the only door through which money moves."""

from domain.ledger.accounts import Account, Part, Platform
from domain.ledger.agreeing import INVARIANT as INVARIANT_6
from domain.ledger.agreeing import booked, content_expected, content_of, expect_entry
from domain.ledger.balances import cut_snapshot, platform_balances
from domain.ledger.books import (
    GENESIS,
    Entry,
    Freeze,
    FreezeCause,
    Kind,
    LedgerBug,
    Line,
    PlatformKind,
    Posting,
    WalletState,
    apply,
    digest,
)
from domain.ledger.checkpoints import Checkpoint, CheckpointUnsound, Tally, cut_of, make_checkpoint
from domain.ledger.debts import debt_place, debts, owed
from domain.ledger.desk import WalletDecision, freeze_wallet, unfreeze_wallet
from domain.ledger.documents import (
    BalanceSnapshot,
    EntryRecord,
    FreezeChange,
    FreezeRecord,
    LineId,
    StatementLine,
    Wallet,
)
from domain.ledger.flows import ESCROWS, WALLETS, Flow, flows
from domain.ledger.freezes import freeze, guard_send, unfreeze
from domain.ledger.lookups import entries_of_all, entries_with, line_times, lines_between
from domain.ledger.post import AlreadyPosted, NewEntry, Posted, foresee, open_wallet, post
from domain.ledger.reads import (
    entries_of,
    find_wallets,
    freeze_changes,
    has_entries,
    is_posted,
    line,
    statement,
    wallet,
    wallet_of,
    wallets_of,
    withdrawable,
)
from domain.ledger.verify import Progress, Report, Violation, verify

DOCUMENTS = (Wallet, EntryRecord, StatementLine, FreezeChange, BalanceSnapshot, Checkpoint)

__all__ = [
    "DOCUMENTS",
    "ESCROWS",
    "GENESIS",
    "INVARIANT_6",
    "WALLETS",
    "Account",
    "AlreadyPosted",
    "BalanceSnapshot",
    "Checkpoint",
    "CheckpointUnsound",
    "Entry",
    "EntryRecord",
    "Flow",
    "Freeze",
    "FreezeCause",
    "FreezeChange",
    "FreezeRecord",
    "Kind",
    "LedgerBug",
    "Line",
    "LineId",
    "NewEntry",
    "Part",
    "Platform",
    "PlatformKind",
    "Posted",
    "Posting",
    "Progress",
    "Report",
    "StatementLine",
    "Tally",
    "Violation",
    "Wallet",
    "WalletDecision",
    "WalletState",
    "apply",
    "booked",
    "content_expected",
    "content_of",
    "cut_of",
    "cut_snapshot",
    "debt_place",
    "debts",
    "digest",
    "entries_of",
    "entries_of_all",
    "entries_with",
    "expect_entry",
    "find_wallets",
    "flows",
    "foresee",
    "freeze",
    "freeze_changes",
    "freeze_wallet",
    "guard_send",
    "has_entries",
    "is_posted",
    "line",
    "line_times",
    "lines_between",
    "make_checkpoint",
    "open_wallet",
    "owed",
    "platform_balances",
    "post",
    "statement",
    "unfreeze",
    "unfreeze_wallet",
    "verify",
    "wallet",
    "wallet_of",
    "wallets_of",
    "withdrawable",
]
