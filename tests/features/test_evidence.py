"""The evidence of one job: all of it, nobody else's, and whoever changes a word of it is found out."""

import asyncio
import io
import json
import os
import stat
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ulid import ULID

from domain import auditlog, evidence
from domain.auditlog import Act
from domain.evidence import verify
from domain.kernel.errors import NotFound
from domain.kernel.signer import Signer
from tests.house import House, Person
from tests.house.treasury import cards_settle

JOB = 'garden "fence" <script>alert(1)</script>'


@dataclass(frozen=True)
class Told:
    """A job's people, and its pack."""

    ada: Person
    grace: Person
    pack: evidence.Pack

    @property
    def facts(self) -> dict[str, Any]:
        return self.pack.facts


async def tell(house: House) -> Told:
    """Two deposits, other business before, two escrows of the job, a dispute, a withdrawal, a checkpoint."""
    ada, grace = await house.customer("ada"), await house.onboarded("grace")
    edith = await house.admin("edith")
    for amount in (40_00, 200_00):
        await house.settled(ada, await _paid(house, ada, amount))
    await _hired(ada, grace, 30_00, "another job")
    fence = await _hired(ada, grace, 100_00, JOB)
    await ada.release_escrow(fence, 25_00)
    await grace.dispute_escrow(fence, "he will not <i>pay</i>")
    decided = {"id": fence["id"], "releaseAmount": 50_00, "reason": "half is built & stands"}
    await edith.ask_of_escrow("resolveEscrow", **decided, idempotencyKey=str(ULID()))
    gate = await _hired(ada, grace, 20_00, JOB, accepted=False)
    await ada.cancel_escrow(gate)
    withdrawal = await grace.withdraws(usd=15_00)
    await house.withdrawal_reaches(grace, withdrawal, "IN_TRANSIT", "PAID")
    await cards_settle(house)
    await house.chore("treasury")
    record = partial(auditlog.record, act=Act.ESCROW_RESOLVED, by=edith.id, subject=fence["id"])
    await house.runtime.database.transact(partial(record, person=ada.id, reason=decided["reason"]))
    await house.time_passes(minutes=10)
    await house.caught_up()
    await house.chore("checkpoint")
    return Told(ada, grace, await evidence.collect(house.runtime, JOB))


async def _paid(house: House, person: Person, amount: int) -> dict[str, Any]:
    deposit = await person.deposits(usd=amount)
    await house.pay(deposit)
    return deposit


async def _hired(
    ada: Person, grace: Person, price: int, job: str, *, accepted: bool = True
) -> dict[str, Any]:
    payload = await ada.create_escrow(grace, price, jobId=job)
    if accepted:
        payload = await grace.accept_escrow(payload["escrow"])
    escrow: dict[str, Any] = payload["escrow"]
    return escrow


async def test_a_first_look(house: House) -> None:
    told = await tell(house)
    Path("/tmp/ev").mkdir(exist_ok=True)
    for name, content in told.pack.files.items():
        Path("/tmp/ev", name).write_bytes(content)
    assert verify.check(dict(told.pack.files), house.runtime.signer.key).wrong == []
