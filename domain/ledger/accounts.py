"""Accounts: where money can be. Strings with a fixed grammar, one ledger for each currency."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_GRAMMAR: Final = re.compile(
    r"wallet:(?P<wallet>wal_[0-9A-Z]{26}):(?P<part>available|held)"
    r"|escrow:(?P<escrow>esc_[0-9A-Z]{26})"
    r"|platform:(?P<platform>[a-z_]+)"
)


class Platform(StrEnum):
    """The platform's own accounts. Stripe's balance is the negative of STRIPE."""

    STRIPE = "stripe"
    FEES = "fees"
    STRIPE_FEES = "stripe_fees"
    LOSSES = "losses"
    BANK = "bank"
    ADJUSTMENTS = "adjustments"
    UNEXPLAINED = "unexplained"


class Part(StrEnum):
    """A wallet's two halves: what the owner may use, and what is reserved for something under way."""

    AVAILABLE = "available"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Account:
    """`wallet:<id>:available`, `wallet:<id>:held`, `escrow:<id>` or `platform:<name>`."""

    text: str
    wallet_id: str | None = None
    part: Part | None = None

    @classmethod
    def parse(cls, text: str) -> "Account":
        """Raises ValueError for what the grammar does not know."""
        match = _GRAMMAR.fullmatch(text)
        if match is None:
            raise ValueError(f"not an account: {text!r}")
        if match["platform"] is not None:
            Platform(match["platform"])
        if match["wallet"] is None:
            return cls(text)
        return cls(text, wallet_id=match["wallet"], part=Part(match["part"]))

    @classmethod
    def available(cls, wallet_id: str) -> "Account":
        return cls.parse(f"wallet:{wallet_id}:available")

    @classmethod
    def held(cls, wallet_id: str) -> "Account":
        return cls.parse(f"wallet:{wallet_id}:held")

    @classmethod
    def escrow(cls, escrow_id: str) -> "Account":
        return cls.parse(f"escrow:{escrow_id}")

    @classmethod
    def platform(cls, name: Platform) -> "Account":
        return cls.parse(f"platform:{name}")

    @property
    def is_escrow(self) -> bool:
        return self.text.startswith("escrow:")

    def __str__(self) -> str:
        return self.text
