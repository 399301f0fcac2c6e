"""The books: wallets, entries, statement lines, and `post`, the only door through which money moves."""

from domain.ledger.accounts import Account, Part, Platform
from domain.ledger.balances import cut_snapshot, platform_balances
from domain.ledger.books import (
    Entry,
    FreezeCause,
    Kind,
    LedgerBug,
    PlatformKind,
    Posting,
    WalletState,
    apply,
)
from domain.ledger.checkpoints import Checkpoint, CheckpointUnsound, make_checkpoint
from domain.ledger.documents import BalanceSnapshot, EntryRecord, LineId, StatementLine, Wallet
from domain.ledger.guarding import guard_send
from domain.ledger.post import AlreadyPosted, NewEntry, Posted, open_wallet, post
from domain.ledger.reads import (
    entries_of,
    find_wallets,
    has_entries,
    is_posted,
    line,
    statement,
    wallet,
    wallets_of,
    withdrawable,
)
from domain.ledger.verify import Progress, Report, Violation, verify

DOCUMENTS = (Wallet, EntryRecord, StatementLine, BalanceSnapshot, Checkpoint)

__all__ = [
    "DOCUMENTS",
    "Account",
    "AlreadyPosted",
    "BalanceSnapshot",
    "Checkpoint",
    "CheckpointUnsound",
    "Entry",
    "EntryRecord",
    "FreezeCause",
    "Kind",
    "LedgerBug",
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
    "Violation",
    "Wallet",
    "WalletState",
    "apply",
    "cut_snapshot",
    "entries_of",
    "find_wallets",
    "guard_send",
    "has_entries",
    "is_posted",
    "line",
    "make_checkpoint",
    "open_wallet",
    "platform_balances",
    "post",
    "statement",
    "verify",
    "wallet",
    "wallets_of",
    "withdrawable",
]
