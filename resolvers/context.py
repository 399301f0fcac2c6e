"""What a resolver knows: who asks, for how long, and with what power. One context an operation."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Generic, TypeVar

from domain import deposits, escrow, identity, inbox, ledger, onboarding, treasury
from domain.changes import Changes
from domain.identity import Claims, Role, SessionId, TokenIssuer
from domain.kernel.budget import Budget
from domain.kernel.errors import Forbidden, RateLimited, Unauthenticated
from domain.kernel.ids import UserId
from domain.runtime import Runtime
from resolvers import operations
from resolvers.operations import AnyOperation

Value = TypeVar("Value")


@dataclass(frozen=True)
class Viewer:
    """The person who asks, as their access token tells; it was good when the operation began."""

    id: UserId
    roles: frozenset[Role]
    session_id: SessionId
    expires_at: datetime

    @classmethod
    def of(cls, claims: Claims) -> "Viewer":
        return cls(claims.user_id, claims.roles, claims.session_id, claims.expires_at)

    @property
    def is_admin(self) -> bool:
        return Role.ADMIN in self.roles


@dataclass(frozen=True)
class Limits:
    """How often things may be asked for: a budget each."""

    deposits: Budget
    withdrawals: Budget
    connect_accounts: Budget
    sign_in: Budget


@dataclass(frozen=True)
class _NotedBudget:
    """`budget`; `note` hears of every refusal, which schema makes a piece of the answer's data."""

    budget: Budget
    note: Callable[[RateLimited], None]

    async def spend(self, *subjects: str, member: str) -> None:
        try:
            await self.budget.spend(*subjects, member=member)
        except RateLimited as refusal:
            self.note(refusal)
            raise

    async def room(self, subject: str) -> RateLimited | None:
        return await self.budget.room(subject)


class BatchLoader(Generic[Value]):
    """Collects the keys that are asked for in one turn of the event loop into one call of `fetch`.

    Every key is fetched once in a loader's life. `fetch` answers by key and leaves out what is not there.
    """

    def __init__(self, fetch: Callable[[list[str]], Awaitable[Mapping[str, Value]]]) -> None:
        self._fetch = fetch
        self._waiting: list[str] = []
        self._batches: dict[str, asyncio.Task[Mapping[str, Value]]] = {}
        self._next: asyncio.Task[Mapping[str, Value]] | None = None

    async def load(self, key: str) -> Value | None:
        if key not in self._batches:
            if self._next is None:
                self._next = asyncio.create_task(self._run())
            self._waiting.append(key)
            self._batches[key] = self._next
        # Shielded: others wait for the same batch, and one that gives up must not take it from them.
        return (await asyncio.shield(self._batches[key])).get(key)

    async def _run(self) -> Mapping[str, Value]:
        keys, self._waiting, self._next = self._waiting, [], None
        return await self._fetch(keys)


class Loaders:
    """The batch loaders of one operation: fresh for each, so that nothing read outlives it."""

    def __init__(self) -> None:
        self.display_names = BatchLoader(identity.display_names)
        self.operations: BatchLoader[AnyOperation] = BatchLoader(operations.find_many)
        self.deposits = BatchLoader(deposits.find_many)
        self.escrow_moves = BatchLoader(escrow.moves_of)
        self.events = BatchLoader(inbox.find_many)
        self.findings = BatchLoader(inbox.findings_in)
        self.movements = BatchLoader(treasury.find_movements)
        self.wallets = BatchLoader(ledger.find_wallets)
        self.live_accounts = BatchLoader(onboarding.live_accounts)


@dataclass
class Context:
    """`viewer` is None when nobody is signed in. `locale` is Babel's spelling, from Accept-Language.

    `client` is where the caller is, as far as sign-ins are counted. `retry_after_s`: what this operation's
    refusals told the caller to wait, the longest of them; 0 when there was none.
    """

    runtime: Runtime
    changes: Changes
    issuer: TokenIssuer
    limits: Limits
    viewer: Viewer | None
    client: str
    request_id: str
    locale: str = "en_US"
    loaders: Loaders = field(default_factory=Loaders)
    retry_after_s: int = 0

    def __post_init__(self) -> None:
        budgets = {limit.name: getattr(self.limits, limit.name) for limit in fields(self.limits)}
        self.limits = Limits(**{name: _NotedBudget(budget, self._note) for name, budget in budgets.items()})

    def _note(self, refusal: RateLimited) -> None:
        self.retry_after_s = max(self.retry_after_s, refusal.retry_after_s)

    def forget(self) -> None:
        """Drop what was read: a subscription outlives many changes."""
        self.loaders = Loaders()

    @property
    def token_expires_at(self) -> datetime | None:
        """When the viewer's access token ends, and a socket with it; None when nobody is signed in."""
        return None if self.viewer is None else self.viewer.expires_at

    def admins_only(self, admin: str | None) -> str | None:
        """An administrator's id: others hear what was done and why, and only admins hear of whom."""
        return admin if self.viewer is not None and self.viewer.is_admin else None

    async def find_operation(self, operation_id: str) -> AnyOperation | None:
        """One that the viewer is a party to, or for an admin anybody's; any other is the same as none.

        Raises Unauthenticated.
        """
        viewer = self.require()
        operation = await self.loaders.operations.load(operation_id)
        if operation is None or not (viewer.is_admin or operations.concerns(operation, viewer.id)):
            return None
        return operation

    def require(self, *roles: Role) -> Viewer:
        """The viewer, who has at least one of `roles` (anybody signed in when none is named).

        Raises Unauthenticated when nobody is signed in, Forbidden when every role is missing.
        """
        if self.viewer is None:
            raise Unauthenticated("Sign in first, and send the access token as a bearer token.")
        if roles and self.viewer.roles.isdisjoint(roles):
            raise Forbidden(f"Only for {' or '.join(roles)}.")
        return self.viewer
