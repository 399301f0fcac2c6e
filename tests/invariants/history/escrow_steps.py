"""Rules of a job's money: locked for somebody, and released or refunded in whatever steps."""

from hypothesis import strategies as st
from hypothesis.stateful import MultipleResults, initialize, multiple, rule

from tests.invariants.history import escrows, people
from tests.invariants.history.deals import REFUND, RELEASE, Deal, Order
from tests.invariants.history.steps import Steps, amounts, contractors, currencies, deals, moments_ms, payers
from tests.invariants.history.world import Contractor, Payer

CONTRACTORS_MAX = 3
CUSTOMER, CONTRACTOR, ADMIN = "customer", "contractor", "admin"
OPENING_PRICE = 400_00

# Mostly of what everybody has; else of what was perhaps deposited.
prices = st.tuples(amounts, st.just("USD") | currencies)
parts = st.none() | st.integers(1, 10_000)
# Those who may: what others are answered does not hang on histories.
releasing = st.tuples(st.just(RELEASE), parts, st.sampled_from([CUSTOMER, CUSTOMER, ADMIN]))
refunding = st.tuples(st.just(REFUND), parts, st.sampled_from([CONTRACTOR, ADMIN]))
moves = releasing | refunding


class EscrowSteps(Steps):
    """People hire each other, and come to terms, or do not."""

    def _order(self, deal: Deal, move: tuple[str, int | None, str], number: int = 0) -> Order:
        kind, amount, by = move
        return Order(kind, amount, f"{deal.key}, order {len(deal.orders) + number}", by)

    @initialize(target=contractors)
    def grace(self) -> Contractor:
        return self._world.contractors[0]

    @initialize(target=deals, part=st.integers(1, OPENING_PRICE - 1))
    def ada_hires_grace(self, part: int) -> Deal:
        """So that there is something to dispute, release and withdraw from the start."""
        world = self._world
        deal = escrows.deal(world, world.payers[0], world.contractors[0], OPENING_PRICE, "USD")

        async def hired() -> None:
            await escrows.create(world, deal)
            await escrows.accept(world, deal)
            await escrows.move(world, deal, [self._order(deal, (RELEASE, part, CUSTOMER))])

        self._do("hire", hired())
        return deal

    @rule(target=contractors)
    def a_contractor_signs_up(self) -> Contractor | MultipleResults[Contractor]:
        if len(self._world.contractors) >= CONTRACTORS_MAX:
            return multiple()
        name = f"contractor{len(self._world.contractors)}"
        return self._do("sign up as a contractor", people.contractor(self._world, name))

    @rule(
        target=deals, payer=payers, contractor=contractors, price=prices, times=st.just(1) | st.integers(2, 6)
    )
    def hires(self, payer: Payer, contractor: Contractor, price: tuple[int, str], times: int) -> Deal:
        deal = escrows.deal(self._world, payer, contractor, *price)
        name = "createEscrow" if times == 1 else "createEscrow, racing"
        self._do(name, escrows.create(self._world, deal, times=times))
        return deal

    @rule(target=deals, payer=payers, contractor=contractors, price=prices, after_ms=moments_ms)
    def a_process_dies_creating_an_escrow(
        self, payer: Payer, contractor: Contractor, price: tuple[int, str], after_ms: int
    ) -> Deal:
        deal = escrows.deal(self._world, payer, contractor, *price)
        dying = escrows.create_and_die(self._world, deal, after_ms=after_ms)
        self._do("createEscrow, and the process dies", dying)
        return deal

    @rule(deal=deals, times=st.integers(1, 3))
    def creates_the_escrow_again(self, deal: Deal, times: int) -> None:
        self._do("createEscrow, replayed", escrows.create(self._world, deal, times=times))

    @rule(deal=deals)
    def accepts(self, deal: Deal) -> None:
        self._do("acceptEscrow", escrows.accept(self._world, deal))

    @rule(deal=deals, how=st.sampled_from(sorted(escrows.ENDINGS)))
    def gives_up(self, deal: Deal, how: str) -> None:
        self._do(f"{how}Escrow", escrows.end(self._world, deal, how))

    @rule(deal=deals, hows=st.permutations(["accept", *escrows.ENDINGS]))
    def all_answer_at_once(self, deal: Deal, hows: list[str]) -> None:
        self._do("accept, reject and cancel at once", escrows.answer_at_once(self._world, deal, hows))

    @rule(deal=deals, by=st.sampled_from([CUSTOMER, CONTRACTOR]))
    def disputes(self, deal: Deal, by: str) -> None:
        self._do("disputeEscrow", escrows.dispute(self._world, deal, by))

    @rule(deal=deals, move=moves, times=st.just(1) | st.integers(2, 4))
    def moves_money(self, deal: Deal, move: tuple[str, int | None, str], times: int) -> None:
        order = self._order(deal, move)
        self._do(f"{order.kind}Escrow", escrows.move(self._world, deal, [order], times=times))

    @rule(deal=deals, chosen=st.lists(moves, min_size=2, max_size=4))
    def several_move_money_at_once(self, deal: Deal, chosen: list[tuple[str, int | None, str]]) -> None:
        orders = [self._order(deal, move, number) for number, move in enumerate(chosen)]
        self._do("release and refund at once", escrows.move(self._world, deal, orders))

    @rule(deal=deals, move=moves, after_ms=moments_ms)
    def a_process_dies_moving(self, deal: Deal, move: tuple[str, int | None, str], after_ms: int) -> None:
        dying = escrows.move_and_die(self._world, deal, self._order(deal, move), after_ms=after_ms)
        self._do("release or refund, and the process dies", dying)

    @rule(deal=deals, place=st.integers(0, 9))
    def an_order_is_given_again(self, deal: Deal, place: int) -> None:
        if deal.orders:
            order = deal.orders[place % len(deal.orders)]
            self._do("an order given again", escrows.move(self._world, deal, [order]))

    @rule(deal=deals, amount=st.integers(0, 10_000), disputed=st.booleans())
    def an_admin_resolves(self, deal: Deal, amount: int, disputed: bool) -> None:
        """Something to resolve is rare: half of the time it is made."""

        async def resolved() -> None:
            if disputed:
                await escrows.dispute(self._world, deal, CUSTOMER)
            await escrows.move(self._world, deal, [order])

        order = Order(RELEASE, amount, f"{deal.key}, order {len(deal.orders)}", ADMIN, with_rest=True)
        self._do("resolveEscrow", resolved())
