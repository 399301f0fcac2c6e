"""Everything that is on record about one job, read in one snapshot, beside traffic.

What belongs to a job, and what does not, is written down in docs/evidence.md.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from pymongo.asynchronous.client_session import AsyncClientSession

from domain import escrow
from domain.auditlog import AuditRecord
from domain.escrow import Escrow, EscrowMove
from domain.evidence import telling, verify
from domain.evidence.attribution import Share, Step, trace
from domain.evidence.journal import places
from domain.evidence.telling import Facts, plain
from domain.identity import User
from domain.kernel.database import Row
from domain.kernel.errors import NotFound
from domain.ledger import GENESIS, Account, EntryRecord, FreezeChange, Kind, StatementLine, Wallet
from domain.runtime import Runtime
from domain.treasury import Movement

LINES_MAX: Final = 10_000
"""So far from the job's lines, in each direction, the money is followed in a wallet."""
_JOB_KINDS: Final = [Kind.ESCROW_FUNDED.value, Kind.ESCROW_RELEASED.value, Kind.ESCROW_REFUNDED.value]
_SETTLED: Final = [status.value for status in escrow.MACHINE.settled]
# Instants that something is expected at, not ones at which anything happened.
_AHEAD: Final = frozenset({"expires_at", "arrives_at", "cut_at"})


async def gather(runtime: Runtime, job_id: str) -> Facts:
    """The pack's facts, without its seal. Raises NotFound where no escrow bears the job id."""
    async with runtime.database.client.start_session(snapshot=True) as session:
        return await _Gathering(session, job_id).facts()


@dataclass
class _Gathering:
    """`operations`: the job's, ids by their section. `refs`: entries of others' that its money met."""

    session: AsyncClientSession
    job_id: str
    operations: dict[str, set[str]] = field(
        default_factory=lambda: {section: set() for section in telling.OPERATIONS}
    )
    refs: set[str] = field(default_factory=set)
    shares: list[tuple[str, Share]] = field(default_factory=list)

    async def facts(self) -> Facts:
        escrows = await self._rows(Escrow, {"job_id": self.job_id})
        if not escrows:
            raise NotFound(f"No escrow bears the job id {self.job_id!r}.")
        self.operations["escrows"] = {row["_id"] for row in escrows}
        moves = await self._rows(EscrowMove, {"escrow": {"$in": [row["_id"] for row in escrows]}})
        wallets = await self._wallets(escrows)
        for wallet in wallets:
            await self._follow(wallet["_id"])
        told = await self._told()
        entries = await self._entries()
        # What was paid in another currency is in another wallet of the same person.
        touched = sorted(_wallets_of(entries) | {row["_id"] for row in wallets})
        lines = await self._lines(entries, touched)
        refs = [row["ref"] for row in entries]
        movements = await self._rows(Movement, {"entry": {"$in": refs}})
        freezes = await self._freezes(escrows, wallets)
        facts: Facts = {
            "schema_version": verify.SCHEMA,
            "job_id": self.job_id,
            **{section: [] for section in verify.SECTIONS},
            "parties": await self._parties(escrows),
            "wallets": [
                telling.WALLETS.facts(row) for row in await self._rows(Wallet, {"_id": {"$in": touched}})
            ],
            **told,
            "moves": [
                telling.MOVES.facts(row) for row in sorted(moves, key=lambda m: (m["escrow"], m["number"]))
            ],
            "trail": sorted((_share(*share) for share in self.shares), key=_in_order),
            "entries": [plain(row) for row in entries],
            "lines": [plain(row) for row in lines],
            "movements": [telling.MOVEMENTS.facts(row) for row in movements],
            "freezes": [telling.FREEZES.facts(row) for row in freezes],
            "audit": await self._audit(freezes),
            "checkpoints": await places(self.session, [row["_id"] for row in entries]),
        }
        return {**facts, "as_of": _newest(facts)}

    async def _rows(self, model: Any, criteria: dict[str, Any], projection: Any = None) -> list[Row]:
        cursor = model.get_pymongo_collection().find(criteria, projection, session=self.session)
        rows: list[Row] = await cursor.sort("_id", 1).to_list()
        return rows

    async def _wallets(self, escrows: list[Row]) -> list[Row]:
        ids = {row[name] for row in escrows for name in ("wallet", "contractor_wallet") if row[name]}
        return await self._rows(Wallet, {"_id": {"$in": sorted(ids)}})

    async def _parties(self, escrows: list[Row]) -> list[Facts]:
        sides: dict[str, set[str]] = {}
        for row in escrows:
            sides.setdefault(row["owner"], set()).add("customer")
            sides.setdefault(row["contractor"], set()).add("contractor")
        people = await self._rows(User, {"_id": {"$in": sorted(sides)}})
        return [{**telling.PARTIES.facts(row), "sides": sorted(sides[row["_id"]])} for row in people]

    # ------------------------------------------------------------------ where the money came from, and went

    async def _follow(self, wallet_id: str) -> None:
        """Through the wallet's lines around those of the job."""
        escrows = self.operations["escrows"]
        criteria = {"_id.w": wallet_id, "kind": {"$in": _JOB_KINDS}, "operation": {"$in": sorted(escrows)}}
        places = [row["_id"]["s"] for row in await self._rows(StatementLine, criteria, {"_id": 1})]
        if not places:
            return
        around = {
            "$gte": {"w": wallet_id, "s": min(places) - LINES_MAX},
            "$lte": {"w": wallet_id, "s": max(places) + LINES_MAX},
        }
        fields = {"operation": 1, "ref": 1, "available_delta": 1, "available_after": 1}
        rows = await self._rows(StatementLine, {"_id": around}, fields)
        refs = {row["_id"]["s"]: row["ref"] for row in rows}
        for share in trace([_step(row) for row in rows], escrows):
            self.shares.append((wallet_id, share))
            for step in filter(None, (share.credit, share.debit)):
                self._include(step.operation, refs[step.seq])

    def _include(self, operation: str, ref: str) -> None:
        section = telling.section_of(operation)
        if section is not None:
            self.operations[section].add(operation)
        elif operation not in self.operations["escrows"]:
            self.refs.add(ref)

    # ------------------------------------------------------------------ what is told of it

    async def _told(self) -> dict[str, list[Facts]]:
        """The operations. A deposit brings along what was taken back of it, or tried to."""
        told: dict[str, list[Facts]] = {}
        for section, told_of in telling.OPERATIONS.items():
            criteria: dict[str, Any] = {"_id": {"$in": sorted(self.operations[section])}}
            if "deposit" in told_of.told:
                criteria = {"$or": [criteria, {"deposit": {"$in": sorted(self.operations["deposits"])}}]}
            rows = await self._rows(told_of.model, criteria)
            self.operations[section] |= {row["_id"] for row in rows}
            told[section] = [told_of.facts(row) for row in rows]
        return told

    async def _entries(self) -> list[Row]:
        operations = sorted(set().union(*self.operations.values()))
        either = [{"operation": {"$in": operations}}, {"ref": {"$in": sorted(self.refs)}}]
        return await self._rows(EntryRecord, {"$or": either})

    async def _lines(self, entries: list[Row], wallet_ids: list[str]) -> list[Row]:
        """Of the parties' wallets, those of the entries; each with the hash of the line before."""
        kinds = sorted({row["kind"] for row in entries})
        refs = sorted(row["ref"] for row in entries)
        rows: list[Row] = []
        for wallet_id in wallet_ids:
            criteria = {"_id.w": wallet_id, "kind": {"$in": kinds}, "ref": {"$in": refs}}
            rows += await self._rows(StatementLine, criteria)
        befores = [{"w": row["_id"]["w"], "s": row["_id"]["s"] - 1} for row in rows]
        before = await self._rows(StatementLine, {"_id": {"$in": befores}}, {"hash": 1})
        hashes = {(row["_id"]["w"], row["_id"]["s"]): row["hash"] for row in before}
        return [
            {**row, "previous": hashes.get((row["_id"]["w"], row["_id"]["s"] - 1), GENESIS)} for row in rows
        ]

    async def _freezes(self, escrows: list[Row], wallets: list[Row]) -> list[Row]:
        """In force when the job began or made since then; while it lasts, or about one of its operations."""
        own = set().union(*self.operations.values())
        began = min(row["created_at"] for row in escrows)
        open_ended = any(row["status"] not in _SETTLED for row in escrows)
        ended = None if open_ended else max(row["updated_at"] for row in escrows)
        criteria = {"wallet": {"$in": [row["_id"] for row in wallets]}}
        in_force: dict[tuple[Any, ...], Row] = {}
        kept: list[Row] = []
        for row in await self._rows(FreezeChange, criteria):
            if row["at"] < began and row["operation"] not in own:
                in_force[row["wallet"], row["cause"], row["operation"]] = row
            elif row["operation"] in own or ended is None or row["at"] <= ended:
                kept.append(row)
        kept += (row for row in in_force.values() if row["frozen"])
        return sorted(kept, key=lambda row: row["_id"])

    async def _audit(self, freezes: Iterable[Row]) -> list[Facts]:
        """Acts upon the job's operations; and those that froze a wallet, which are of the same instant."""
        instants: dict[str, set[datetime]] = {}
        for row in freezes:
            instants.setdefault(row["wallet"], set()).add(row["at"])
        own: Collection[str] = set().union(*self.operations.values())
        rows = await self._rows(AuditRecord, {"subject": {"$in": sorted([*own, *instants])}})
        kept = [row for row in rows if row["subject"] in own or row["at"] in instants[row["subject"]]]
        return [telling.AUDIT.facts(row) for row in kept]


def _wallets_of(entries: Iterable[Row]) -> set[str]:
    accounts = (
        Account.parse(p[end]) for e in entries for p in e["postings"] for end in ("source", "destination")
    )
    return {account.wallet_id for account in accounts if account.wallet_id is not None}


def _newest(facts: Facts) -> str:
    """The latest instant in it, and not the present one: the same state makes the same pack."""
    return max(_instants(facts))


def _instants(value: Any, name: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _instants(part, key)
    elif isinstance(value, list):
        for part in value:
            yield from _instants(part, name)
    elif isinstance(value, str) and (name == "at" or name.endswith("_at")) and name not in _AHEAD:
        yield value


def _step(row: Row) -> Step:
    delta = int(row["available_delta"])
    before = int(row["available_after"]) - delta
    return Step(row["_id"]["s"], row["operation"], before, delta)


def _in_order(share: Facts) -> tuple[Any, ...]:
    lines = (share[end] or 0 for end in ("debit", "credit"))
    return (share["direction"], share["wallet"], *lines)


def _share(wallet: str, share: Share) -> Facts:
    facts: Facts = {"wallet": wallet, "direction": share.direction.value, "amount": share.amount}
    for end, step in (("credit", share.credit), ("debit", share.debit)):
        facts |= {end: step and step.seq, f"{end}_operation": step and step.operation}
    return facts
