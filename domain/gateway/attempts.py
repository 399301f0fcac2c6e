"""An attempt: our key to Stripe and the exact parameters, stored before the call."""

from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from pydantic import BaseModel

from domain.kernel.cipher import Cipher

# Stripe keeps a key for at least 24 hours; an hour of doubt about clocks is left.
SENDABLE_FOR: Final = timedelta(hours=23)
SPENT_AFTER: Final = timedelta(hours=24)


class Attempt(BaseModel):
    """`key` is `<kind>:<id>:<step>:<n>`. `sealed`: the parameters as encrypted JSON.

    `unknown` is written before the call and taken back only by an answer which says that nothing was done:
    a process that dies in between leaves the truth behind. `missed_at`: when it was first looked up in
    vain since it was last sent.
    `stored_failure`: the code of a 5xx that Stripe keeps under the key, and would only repeat.
    """

    key: str
    sealed: bytes
    made_at: datetime
    unknown: bool = False
    missed_at: datetime | None = None
    stored_failure: str | None = None

    @classmethod
    def make(cls, key: str, parameters: dict[str, Any], *, cipher: Cipher, now: datetime) -> "Attempt":
        return cls(key=key, sealed=cipher.encrypt(orjson.dumps(parameters)), made_at=now)

    def parameters(self, cipher: Cipher) -> dict[str, Any]:
        parameters: dict[str, Any] = orjson.loads(cipher.decrypt(self.sealed))
        return parameters

    def may_be_sent(self, now: datetime) -> bool:
        return now < self.made_at + SENDABLE_FOR

    def is_spent(self, now: datetime) -> bool:
        """Whether Stripe may have forgotten the key, so that only a lookup can tell."""
        return now >= self.made_at + SPENT_AFTER


class NotSendable(Exception):
    """The attempt is too old, or its lease has passed to another worker: it was not sent."""
