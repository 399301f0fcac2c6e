"""Invariant 6 for deposits: their states and their entries agree."""

from typing import Final

from domain.deposits.documents import Deposit, DepositStatus
from domain.kernel.database import batched
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
    async for rows in batched(succeeded):
        deposits = {f"deposit:{deposit['_id']}:succeeded": deposit for deposit in rows}
        entries = EntryRecord.get_pymongo_collection().find({"ref": {"$in": list(deposits)}})
        amounts = {entry["ref"]: sum(p["amount"] for p in entry["postings"]) async for entry in entries}
        for ref, deposit in deposits.items():
            report.expect(_INVARIANT, deposit["_id"], deposit["received"], amounts.get(ref))


async def _entry_has_deposit(report: Report) -> None:
    credited = EntryRecord.get_pymongo_collection().find({"ref": _CREDITED}, {"operation": 1})
    async for rows in batched(credited):
        ids = [entry["operation"] for entry in rows]
        deposits = Deposit.get_pymongo_collection().find({"_id": {"$in": ids}}, {"status": 1})
        statuses = {deposit["_id"]: deposit["status"] async for deposit in deposits}
        for deposit_id in ids:
            report.expect(_INVARIANT, deposit_id, DepositStatus.SUCCEEDED.value, statuses.get(deposit_id))


async def _review_has_entry(report: Report) -> None:
    """What waits for a person is booked, outside of every wallet."""
    async for deposit in Deposit.get_pymongo_collection().find({"status": DepositStatus.NEEDS_REVIEW.value}):
        entries = EntryRecord.get_pymongo_collection().find({"operation": deposit["_id"]}, {"ref": 1})
        refs = [entry["ref"] async for entry in entries]
        booked = any(ref.startswith(f"deposit:{deposit['_id']}:unexplained") for ref in refs)
        if not booked:
            report.expect(_INVARIANT, deposit["_id"], "an entry in platform:unexplained", refs)
