"""Every unit of the books is on one way: whatever was posted, all trails together tell where all of it is."""

import random
from collections import Counter
from functools import partial

import pytest

from domain import ledger, trail
from domain.kernel.ids import new_id
from domain.ledger import Account, Kind, NewEntry, Platform, Posting
from domain.trail import Place, Subject, Trail, books
from tests.house import House

STRIPE, FEES, LOSSES, ADJUSTMENTS = (
    Account.platform(name) for name in (Platform.STRIPE, Platform.FEES, Platform.LOSSES, Platform.ADJUSTMENTS)
)
Step = tuple[Account, Account, int]
# What these bring from Stripe, they had sent there.
COME_BACK = ("withdrawal:", "refund:", "dispute:")


class Postings:
    """A random history of three wallets, as the nouns would book it. Amounts are small, so that they meet."""

    def __init__(self, house: House, seed: int) -> None:
        self.house = house
        self.random = random.Random(seed)
        self.wallets: list[str] = []
        self.balances: Counter[Account] = Counter()
        self.entries: dict[str, tuple[str, str]] = {}
        self.sources: dict[str, set[Account]] = {}

    async def play(self, steps: int) -> None:
        self.wallets = [(await ledger.open_wallet(new_id("usr"), "USD")).id for _ in range(3)]
        happenings = [self.deposit, self.job, self.withdrawal, self.refund, self.dispute, self.adjustment]
        for _ in range(steps):
            await self.random.choice(happenings)()

    async def deposit(self) -> None:
        operation = new_id("dep")
        await self.post(operation, Kind.DEPOSIT, "deposit:{}:succeeded", (STRIPE, self.purse(), self.some()))

    async def adjustment(self) -> None:
        operation, purse = new_id("adj"), self.purse()
        step = (ADJUSTMENTS, purse, self.some())
        if self.balances[purse] > 0 and self.random.random() < 0.5:
            step = (purse, ADJUSTMENTS, self.some(purse))
        await self.post(operation, Kind.ADJUSTMENT, "adjustment:{}:posted", step)

    async def job(self) -> None:
        """Funded, and left in parts to the other and, with fees, or back."""
        payer, receiver = self.purse(), self.purse()
        if self.balances[payer] <= 0:
            return
        operation = new_id("esc")
        account, amount = Account.escrow(operation), self.some(payer)
        await self.post(operation, Kind.ESCROW_FUNDED, "escrow:{}:funded", (payer, account, amount))
        while self.balances[account] and self.random.random() < 0.7:
            part, ref = self.some(account), f"escrow:{{}}:move:{new_id('esm')}"
            if self.random.random() < 0.3:
                await self.post(operation, Kind.ESCROW_REFUNDED, ref, (account, payer, part))
                continue
            fee = part // 5
            steps = [(account, receiver, part - fee), (account, FEES, fee)]
            await self.post(operation, Kind.ESCROW_RELEASED, ref, *steps)

    async def withdrawal(self) -> None:
        """Sent or returned; what was sent may come back in parts, what was returned be found sent."""
        purse = self.purse()
        if self.balances[purse] <= 0:
            return
        operation, amount = new_id("wdr"), self.some(purse)
        held = Account.held(str(purse.wallet_id))
        said = partial("withdrawal:{{}}:{}".format)
        await self.post(operation, Kind.WITHDRAWAL_REQUESTED, said("reserved"), (purse, held, amount))
        chance = self.random.random()
        if chance < 0.2:
            return
        transfer, step, kind = "tr_hold", (held, STRIPE, amount), Kind.WITHDRAWAL_SENT
        if chance < 0.5:
            step, kind = (held, purse, amount), Kind.WITHDRAWAL_RETURNED
        await self.post(operation, kind, said("hold_settled"), step)
        if kind is Kind.WITHDRAWAL_RETURNED and self.random.random() < 0.5:
            transfer, step = "tr_found", (purse, STRIPE, amount)
            await self.post(operation, Kind.WITHDRAWAL_SENT, said(f"found_sent:{transfer}"), step)
        elif kind is Kind.WITHDRAWAL_RETURNED:
            return
        back = 0
        while back < amount and self.random.random() < 0.5:
            part = self.random.randint(1, amount - back)
            back += part
            ref = said(f"reversed:{transfer}:{back}")
            await self.post(operation, Kind.WITHDRAWAL_REVERSED, ref, (STRIPE, purse, part))

    async def refund(self) -> None:
        purse = self.purse()
        if self.balances[purse] <= 0:
            return
        operation, amount = new_id("rfd"), self.some(purse)
        held = Account.held(str(purse.wallet_id))
        await self.post(operation, Kind.REFUND_REQUESTED, "refund:{}:reserved", (purse, held, amount))
        await self.post(operation, Kind.REFUND_SENT, "refund:{}:hold_settled", (held, STRIPE, amount))
        if self.random.random() < 0.5:
            await self.post(operation, Kind.REFUND_RETURNED, "refund:{}:returned", (STRIPE, purse, amount))

    async def dispute(self) -> None:
        """More than there is, too; written off, given back, or neither."""
        operation, purse, amount = new_id("dsp"), self.purse(), self.some()
        await self.post(operation, Kind.DISPUTE_WITHDRAWN, "dispute:{}:txn_1", (purse, STRIPE, amount))
        written_off = 0
        if self.balances[purse] < 0 and self.random.random() < 0.5:
            written_off = min(amount, -self.balances[purse])
            step = (LOSSES, purse, written_off)
            await self.post(operation, Kind.DISPUTE_WRITTEN_OFF, "dispute:{}:written_off", step)
        if self.random.random() < 0.5:
            steps = [(STRIPE, LOSSES, written_off), (STRIPE, purse, amount - written_off)]
            await self.post(operation, Kind.DISPUTE_REINSTATED, "dispute:{}:txn_2", *steps)

    async def post(self, operation: str, kind: Kind, ref: str, *steps: Step) -> None:
        postings = [Posting(*step) for step in steps if step[2]]
        for posting in postings:
            self.balances[posting.source] -= posting.amount
            self.balances[posting.destination] += posting.amount
        entry = NewEntry(ref.format(operation), kind, "USD", postings, operation, "worker")
        self.entries[entry.ref] = (operation, entry.ref)
        self.sources[entry.ref] = {posting.source for posting in postings}
        await self.house.runtime.database.transact(partial(ledger.post, new=entry))

    def purse(self) -> Account:
        return Account.available(self.random.choice(self.wallets))

    def some(self, account: Account | None = None) -> int:
        return self.random.randint(1, 30 if account is None else self.balances[account])


@pytest.mark.parametrize("seed", [1, 2])
async def test_all_trails_together_tell_where_everything_is(
    house: House, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a wallet has is read in many pieces, and lines are looked for by their time.
    monkeypatch.setattr(books, "CHUNK", 4)
    played = Postings(house, seed)
    await played.play(40)
    trails = {ref: await trail_of(house, *subject) for ref, subject in played.entries.items()}

    # From outside comes what cards and adjustments bring, and what the platform takes upon itself.
    origins = [ref for ref, sources in played.sources.items() if sources & {STRIPE, ADJUSTMENTS, LOSSES}]
    begun = [trails[ref] for ref in origins if not ref.startswith(COME_BACK) or ref.endswith(":written_off")]
    places = Counter[Place]()
    for found in begun:
        for part in found.now:
            places[part.place] += part.amount.amount
    balances = played.balances
    assert places[Place.AVAILABLE] == sum(max(balances[Account.available(w)], 0) for w in played.wallets)
    assert places[Place.HELD] == sum(balances[Account.held(w)] for w in played.wallets)
    assert places[Place.ESCROW] == sum(size for account, size in balances.items() if account.is_escrow)
    assert places[Place.EVENED_OUT] == places[Place.NOT_FOLLOWED] == 0

    # Forwards and backwards agree: as much of one in the other as of the other in the one.
    shares = {ref: shares_of(found) for ref, found in trails.items()}
    for one, theirs in shares.items():
        for other, share in theirs.items():
            assert shares[other][one] == share, (one, other)


async def test_money_that_was_taken_twice_is_traced_once(house: House) -> None:
    """Given back, and then found sent after all; and of a dispute, what came back pays what it took."""
    played = Postings(house, 0)
    wallet = (await ledger.open_wallet(new_id("usr"), "USD")).id
    purse, held = Account.available(wallet), Account.held(wallet)
    brought, sent, disputed = new_id("dep"), new_id("wdr"), new_id("dsp")
    await played.post(brought, Kind.DEPOSIT, "deposit:{}:succeeded", (STRIPE, purse, 10))
    withdrawal = "withdrawal:{}:"
    await played.post(sent, Kind.WITHDRAWAL_REQUESTED, f"{withdrawal}reserved", (purse, held, 10))
    await played.post(sent, Kind.WITHDRAWAL_RETURNED, f"{withdrawal}hold_settled", (held, purse, 10))
    await played.post(sent, Kind.WITHDRAWAL_SENT, f"{withdrawal}found_sent:tr_1", (purse, STRIPE, 10))
    await played.post(disputed, Kind.DISPUTE_WITHDRAWN, "dispute:{}:txn_1", (purse, STRIPE, 10))
    assert await places(house, brought) == {Place.SENT: 10}
    assert await places(house, sent) == {Place.SENT: 10}
    assert await places(house, disputed) == {Place.DISPUTED: 10}
    await played.post(disputed, Kind.DISPUTE_REINSTATED, "dispute:{}:txn_2", (STRIPE, purse, 10))
    assert await places(house, disputed) == {Place.EVENED_OUT: 10}


async def places(house: House, operation: str) -> dict[Place, int]:
    return {part.place: part.amount.amount for part in (await trail_of(house, operation)).now}


async def trail_of(house: House, operation: str, entry: str | None = None) -> Trail:
    found = await trail.trail_of(house.runtime, [Subject(operation, entry)], person=None)
    assert found is not None
    assert found.is_complete
    assert sum(part.amount.amount for part in found.now) == found.amount.amount
    return found


def shares_of(found: Trail) -> Counter[str]:
    """How much of each entry is the traced money, by its ref."""
    shares = Counter[str]()
    for step in found.steps:
        if step.entry is not None:
            shares[step.entry.ref] += step.share.amount
    return shares
