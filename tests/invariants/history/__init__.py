"""Random histories of the whole house: people, cards, Stripe and all that goes wrong, then a reckoning.

`machine` holds the rules, `world` what must be true of every answer, `people`, `stripe` and `trouble` what a
rule does, `peace` brings everything to rest, `reckoning` holds what is left against what Stripe has.
"""

from tests.invariants.history.tally import Tally
from tests.invariants.history.telling import fit_for_histories, tell

__all__ = ["Tally", "fit_for_histories", "tell"]
