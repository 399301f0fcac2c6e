"""The books: wallets, entries, statement lines, and `post`, the only door through which money moves."""

from domain.ledger.accounts import Account, Part, Platform
from domain.ledger.books import Entry, FreezeCause, Kind, LedgerBug, Posting, WalletState, apply
from domain.ledger.checkpoints import Checkpoint, CheckpointUnsound, make_checkpoint
from domain.ledger.documents import EntryRecord, LineId, StatementLine, Wallet
from domain.ledger.post import AlreadyPosted, NewEntry, Posted, open_wallet, post
from domain.ledger.reads import line, statement, wallet, wallets_of
from domain.ledger.verify import Progress, Report, Violation, verify

DOCUMENTS = (Wallet, EntryRecord, StatementLine, Checkpoint)

__all__ = [
    "DOCUMENTS",
    "Account",
    "AlreadyPosted",
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
    "Posted",
    "Posting",
    "Progress",
    "Report",
    "StatementLine",
    "Violation",
    "Wallet",
    "WalletState",
    "apply",
    "line",
    "make_checkpoint",
    "open_wallet",
    "post",
    "statement",
    "verify",
    "wallet",
    "wallets_of",
]
