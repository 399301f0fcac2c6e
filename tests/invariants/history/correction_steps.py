"""Rules of what administrators correct."""

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, rule

from tests.invariants.history import corrections
from tests.invariants.history.corrections import CONFIRM, REJECT
from tests.invariants.history.steps import Steps, contractors, currencies, payers
from tests.invariants.history.world import Contractor, Correction, Payer

corrected = Bundle("corrected")
words = st.lists(st.sampled_from([CONFIRM, CONFIRM, REJECT]), min_size=1, max_size=3)
# Such as one administrator may post alone, and such as two must agree on, in either direction.
sizes = st.sampled_from([-300_00, -100_00, -1_00, 1_00, 100_00, 300_00])


class CorrectionSteps(Steps):
    """Whatever a wallet has by then, what is taken of it is there, and what is given is given once."""

    @rule(
        target=corrected,
        somebody=payers | contractors,
        currency=st.just("USD") | currencies,
        amount=sizes,
        times=st.integers(1, 3),
    )
    def an_admin_adjusts(
        self, somebody: Payer | Contractor, currency: str, amount: int, times: int
    ) -> Correction:
        wanted = corrections.correction(self._world, somebody.person, currency, amount)
        self._do("adjustWallet", corrections.ask(self._world, wanted, times))
        return wanted

    @rule(wanted=corrected, times=st.integers(1, 3))
    def the_admin_asks_again(self, wanted: Correction, times: int) -> None:
        self._do("adjustWallet, replayed", corrections.ask(self._world, wanted, times))

    @rule(wanted=corrected, said=words)
    def others_have_their_say(self, wanted: Correction, said: list[str]) -> None:
        self._do("confirm, reject", corrections.decide(self._world, wanted, said))
