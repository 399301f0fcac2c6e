"""Invariant 6 for deposits: their states and their entries agree."""

from typing import Final

from domain.deposits.documents import Deposit, DepositStatus
from domain.ledger import EntryRecord, Report

_INVARIANT: Final = "6 operation agrees with its entries"
_CREDITED: Final = {"$regex": "^deposit:[^:]+:succeeded$"}


async def check(report: Report) -> None:
    """Beside traffic: what is read second was committed with, or before, what is read first."""
    await _credited_has_entry(report)
    await _entry_has_deposit(report)
    await _review_has_entry(report)


async def _credited_has_entry(report: Report) -> None:
    succeeded = Deposit.get_pymongo_collection().find({"status": DepositStatus.SUCCEEDED.value})
    async for deposit in succeeded:
        ref = f"deposit:{deposit['_id']}:succeeded"
        entry = await EntryRecord.get_pymongo_collection().find_one({"ref": ref})
        amount = None if entry is None else sum(p["amount"] for p in entry["postings"])
        report.expect(_INVARIANT, deposit["_id"], deposit["received"], amount)


async def _entry_has_deposit(report: Report) -> None:
    async for entry in EntryRecord.get_pymongo_collection().find({"ref": _CREDITED}):
        deposit = await Deposit.get_pymongo_collection().find_one({"_id": entry["operation"]})
        status = None if deposit is None else deposit["status"]
        report.expect(_INVARIANT, entry["operation"], DepositStatus.SUCCEEDED.value, status)


async def _review_has_entry(report: Report) -> None:
    """What waits for a person is booked, outside of every wallet: for the deposit, or for its intent."""
    async for deposit in Deposit.get_pymongo_collection().find({"status": DepositStatus.NEEDS_REVIEW.value}):
        operations = {"operation": {"$in": [deposit["_id"], deposit["payment_intent_id"]]}}
        entries = EntryRecord.get_pymongo_collection().find(operations, {"ref": 1})
        refs = [entry["ref"] async for entry in entries]
        unexplained = (f"deposit:{deposit['_id']}:unexplained", "stripe:")
        booked = any(ref.startswith(unexplained) for ref in refs)
        if not booked:
            report.expect(_INVARIANT, deposit["_id"], "an entry in platform:unexplained", refs)
