"""Ids and secrets: random to look at, and the same again for the same seed and the same calls."""

import hashlib
import random
import secrets

from .store import Store

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

# What follows the prefix: Stripe's leading digits, and how many characters come after them.
_SHAPES = {
    "cus_": ("", 14),
    "req_": ("", 14),
    "we_": ("1", 23),
    "pm_": ("1", 23),
    "seti_": ("1", 23),
    "setatt_": ("1", 23),
    "evt_": ("1", 23),
    "tu_": ("1", 23),
    "po_": ("1", 23),
    "ba_": ("1", 23),
    "acct_": ("1", 15),
    "tr_": ("1", 23),
    "trr_": ("1", 23),
    "py_": ("1", 23),
    "du_": ("1", 23),
    "pyr_": ("1", 23),
    "cs_test_": ("a1", 56),
}
_DEFAULT_SHAPE = ("3", 23)


class Ids:
    """Each prefix counts for itself, so that reading (which uses up request ids) moves no other id."""

    def __init__(self, store: Store, *, seed: int | None) -> None:
        self._store = store
        stored = store.setting("seed")
        if stored is None:
            self.reseed(seed)
        else:
            self._seed = int(stored)

    @property
    def seed(self) -> int:
        return self._seed

    def reseed(self, seed: int | None) -> None:
        """None draws a seed."""
        self._seed = secrets.randbits(32) if seed is None else seed
        self._store.set_setting("seed", self._seed)

    def new(self, prefix: str, *, of: str = "") -> str:
        """`of` names what the new object is about: its id then hangs on that alone.

        For whatever time may bring, for time and the requests do not come in the same order twice.
        """
        lead, length = _SHAPES.get(prefix, _DEFAULT_SHAPE)
        return prefix + lead + self.text(prefix + of, length)

    def text(self, series: str, length: int) -> str:
        """The next random text of a series."""
        return self._spell(f"{series}:{self._store.count(series)}", length)

    def lasting(self, name: str, length: int) -> str:
        """A text that is the same whenever it is asked for, until the next seed."""
        return self._spell(name, length)

    def chance(self, about: str) -> random.Random:
        """A generator of its own for one decision, whenever and in whatever order it is taken."""
        return random.Random(f"{self._seed}:{about}")

    def _spell(self, about: str, length: int) -> str:
        number = int.from_bytes(hashlib.blake2b(f"{self._seed}:{about}".encode()).digest())
        letters = []
        for _ in range(length):
            number, digit = divmod(number, len(_ALPHABET))
            letters.append(_ALPHABET[digit])
        return "".join(letters)
