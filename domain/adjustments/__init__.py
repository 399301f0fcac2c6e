"""Corrections of wallets by administrators, the large ones by two."""

from domain.adjustments import audit
from domain.adjustments.documents import MACHINE, Adjustment, AdjustmentKind, AdjustmentStatus
from domain.adjustments.previews import Preview, preview, waiting_for
from domain.adjustments.reads import find, find_many, page
from domain.adjustments.service import Adjusted, AdjustWallet, adjust, confirm, reject

DOCUMENTS = (Adjustment,)

__all__ = [
    "DOCUMENTS",
    "MACHINE",
    "AdjustWallet",
    "Adjusted",
    "Adjustment",
    "AdjustmentKind",
    "AdjustmentStatus",
    "Preview",
    "adjust",
    "audit",
    "confirm",
    "find",
    "find_many",
    "page",
    "preview",
    "reject",
    "waiting_for",
]
