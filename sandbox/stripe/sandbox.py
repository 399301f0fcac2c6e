"""The sandbox as a whole: what it holds, and the one way to change it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from . import balance, webhook_endpoints
from .clock import Clock
from .config import SandboxConfig
from .faults import Faults
from .ids import Ids
from .store import Store
from .transaction import Cause, Tx


@dataclass
class Sandbox:
    """One process, one event loop, one writer: a change runs from start to end without a break."""

    config: SandboxConfig
    store: Store
    clock: Clock
    ids: Ids
    faults: Faults = field(default_factory=Faults)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set whenever there may be something to play or deliver."""
    resets: int = 0
    """A request that was held since before the last one belongs to nothing that is still there."""

    @contextmanager
    def change(
        self, *, account: str = "", cause: Cause | None = None, base_url: str = "", publishable: bool = False
    ) -> Iterator[Tx]:
        with self.store.transaction():
            yield Tx(
                self.store,
                self.clock,
                self.ids,
                base_url=base_url,
                account=account,
                cause=cause,
                publishable=publishable,
            )
        self.changed.set()

    def reset(self, seed: int | None) -> None:
        """Empty but for endpoints, secrets and keys, with the opening float and the clock at real time.

        Endpoints that were configured are as they were configured; the others stay as they are.
        """
        with self.store.transaction():
            self.store.empty()
            self.store.set_setting("knobs", {})
            self.clock.reset()
            self.ids.reseed(seed)
        self.resets += 1
        self.faults.clear()
        self.ensure_endpoints()
        self.open_float()

    def ensure_endpoints(self) -> None:
        with self.change() as tx:
            webhook_endpoints.ensure(tx, self.config.webhooks)

    def open_float(self) -> None:
        currency, amount = balance.OPENING_FLOAT
        with self.change() as tx:
            balance.set_float(tx, currency=currency, amount=amount, announce=False)


def open_sandbox(config: SandboxConfig) -> Sandbox:
    """Find everything as it was left, or start anew."""
    store = Store(config.database)
    new = store.setting("seed") is None
    sandbox = Sandbox(config, store, Clock(store), Ids(store, seed=config.seed))
    if new:
        sandbox.open_float()
    sandbox.ensure_endpoints()
    return sandbox
