"""What every noun's types are made of: scalars, Money, errors as data, pages."""

import datetime
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Generic, NewType, Protocol, TypeAlias, TypeVar

import strawberry
from graphql import GraphQLError
from strawberry.types.scalar import ScalarDefinition

from domain.kernel import errors, operations
from domain.kernel.clock import iso
from domain.kernel.money import MINOR_UNITS_MAX
from domain.kernel.money import Money as MoneyValue
from domain.kernel.pages import Page, encode_cursor
from resolvers.context import Context
from schema.display import displayed

Info: TypeAlias = strawberry.Info[Context, None]

Item = TypeVar("Item")

MinorUnits = NewType("MinorUnits", int)
CurrencyCode = NewType("CurrencyCode", str)
URL = NewType("URL", str)
USD: Final = CurrencyCode("USD")
DateTime: TypeAlias = datetime.datetime


def _parse_minor_units(value: object) -> int:
    # A float is refused even when it is whole: money never passes through one.
    if type(value) is not int:
        raise GraphQLError("MinorUnits is a whole number, a JSON integer: 1050 means $10.50.")
    if abs(value) > MINOR_UNITS_MAX:
        raise GraphQLError("MinorUnits lies within ±(2^53 - 1).")
    return value


def _parse_text(value: object) -> str:
    if not isinstance(value, str):
        raise GraphQLError("A string is expected here.")
    return value


def _parse_instant(value: object) -> datetime.datetime:
    try:
        instant = datetime.datetime.fromisoformat(_parse_text(value))
    except ValueError as error:
        raise GraphQLError("DateTime is an ISO 8601 instant, e.g. 2026-01-31T12:00:00Z.") from error
    if instant.tzinfo is None:
        raise GraphQLError("DateTime needs a time zone, e.g. 2026-01-31T12:00:00Z.")
    return instant.astimezone(datetime.UTC)


SCALARS: Final[Mapping[object, ScalarDefinition]] = {
    MinorUnits: strawberry.scalar(
        name="MinorUnits",
        description="Signed 64-bit count of a currency's minor unit (1050 = $10.50). "
        "A JSON integer, within ±(2^53 − 1).",
        parse_value=_parse_minor_units,
    ),
    CurrencyCode: strawberry.scalar(
        name="CurrencyCode", description="ISO 4217 code, upper case.", parse_value=_parse_text
    ),
    URL: strawberry.scalar(name="URL", description="An absolute URL.", parse_value=_parse_text),
    datetime.datetime: strawberry.scalar(
        name="DateTime",
        description="ISO 8601 instant in UTC.",
        serialize=iso,
        parse_value=_parse_instant,
    ),
}


@strawberry.interface(description="Whatever has an id of its own and can be fetched by `node`.")
class Node:
    id: strawberry.ID = strawberry.field(
        description="Prefixed and opaque, the same in logs and in Stripe metadata: usr_, wal_, "
        "stl_ (statement line), dep_, pmt_, cac_, wdr_, esc_, esm_, rfd_, dsp_, adj_, "
        "whe_<Stripe's event id>."
    )


@strawberry.type(description="An amount of one currency.")
class Money:
    amount: MinorUnits = strawberry.field(description="Signed, in minor units of `currency`.")
    currency: CurrencyCode = strawberry.field(description="ISO 4217 code.")

    @classmethod
    def of(cls, amount: int, currency: str) -> "Money":
        return cls(amount=MinorUnits(amount), currency=CurrencyCode(currency))

    @strawberry.field(description="Ready to show, e.g. $10.50; locale by Accept-Language.")
    def display(self, info: Info) -> str:
        return displayed(self.amount, self.currency, locale=info.context.locale)


@strawberry.type(description="What the other side of a deal may see of a person.")
class Party:
    id: strawberry.ID = strawberry.field(description="The person's id, usr_....")

    @strawberry.field(description="The name that the person goes by.")
    async def display_name(self, info: Info) -> str:
        # Who was erased leaves an id in the books, and no name.
        return await info.context.loaders.display_names.load(self.id) or ""

    @classmethod
    def of(cls, user_id: str) -> "Party":
        return cls(id=strawberry.ID(user_id))


# ------------------------------------------------------------------ errors as data

strawberry.enum(errors.ErrorCode, description="What was wrong. More may be added.")


@strawberry.interface(description="A refusal, as data: nothing has changed.")
class UserError:
    code: errors.ErrorCode = strawberry.field(description="Stable: match on it.")
    message: str = strawberry.field(description="A sentence for a person.")
    path: list[str] = strawberry.field(description="Path of the input field at fault.")


@strawberry.type(description="A value of the input, a state, or a thing that is not there.")
class InputError(UserError):
    pass


@strawberry.type(description="The same key came with another input.")
class IdempotencyError(UserError):
    conflicting_fields: list[str] = strawberry.field(description="Input fields that differ from the first.")


@strawberry.type(description="Asked for too often. What is refused does not count, and a replay never does.")
class RateLimitedError(UserError):
    retry_after_seconds: int = strawberry.field(description="Seconds until one more is allowed, rounded up.")
    limit: int = strawberry.field(description="How many are allowed in any window.")
    window_seconds: int = strawberry.field(description="The window's length in seconds.")


@strawberry.type(description="The wallet does not hold enough.")
class InsufficientFundsError(UserError):
    available: Money = strawberry.field(description="What the wallet has available.")
    required: Money = strawberry.field(description="What was asked for.")


@strawberry.type(description="A card was declined, or the payment provider cannot be reached.")
class PaymentError(UserError):
    decline_code: str | None = strawberry.field(description="Stripe's decline code, where one may be shown.")


# What an interface's field cannot tell the schema by itself: the members that implement it.
ERROR_TYPES: Final = (InputError, IdempotencyError, RateLimitedError, InsufficientFundsError, PaymentError)


def user_error(error: errors.DomainError) -> UserError:
    """The GraphQL face of an expected refusal."""
    common: dict[str, Any] = {"code": error.code, "message": error.message, "path": list(error.path)}
    match error:
        case errors.IdempotencyKeyReused():
            return IdempotencyError(**common, conflicting_fields=list(error.conflicting_fields))
        case errors.RateLimited():
            return RateLimitedError(
                **common,
                retry_after_seconds=error.retry_after_s,
                limit=error.limit,
                window_seconds=error.window_s,
            )
        case errors.InsufficientFunds():
            return InsufficientFundsError(
                **common, available=_money(error.available), required=_money(error.required)
            )
        case errors.PaymentDeclined():
            return PaymentError(**common, decline_code=error.decline_code)
        case errors.PaymentProviderUnavailable():
            return PaymentError(**common, decline_code=None)
        case _:
            return InputError(**common)


Result_contra = TypeVar("Result_contra", contravariant=True)
Payload_co = TypeVar("Payload_co", covariant=True)


class PayloadType(Protocol[Result_contra, Payload_co]):
    """The class of a payload: made of what a verb answers, or of why it refused."""

    def __call__(self, *, user_errors: list[UserError]) -> Payload_co: ...

    def of(self, result: Result_contra, /) -> Payload_co: ...


async def answered(
    payload: PayloadType[Result_contra, Payload_co], verb: Awaitable[Result_contra]
) -> Payload_co:
    """The payload of what `verb` answers; its refusals are data, everything else is raised."""
    try:
        return payload.of(await verb)
    except errors.DomainError as error:
        return payload(user_errors=[user_error(error)])


def _money(value: MoneyValue) -> Money:
    return Money.of(value.amount, value.currency)


@strawberry.type(description="What the idempotency key did.")
class Idempotency:
    replayed: bool = strawberry.field(description="True when an earlier call with this key made the object.")
    first_seen_at: DateTime = strawberry.field(description="When the key was first seen.")


# ------------------------------------------------------------------ operations


@strawberry.type(description="One change of an operation's state.")
class StatusChange:
    status: str = strawberry.field(description="The state that it moved to.")
    at: DateTime = strawberry.field(description="When.")
    actor: str = strawberry.field(
        description="Who or what caused it: owner, other party, admin, webhook, worker."
    )
    reason: str | None = strawberry.field(description="Why, where there is more to say.")
    admin: strawberry.Private[str | None]

    @strawberry.field(description="For admins: which of them it was, where the actor is admin.")
    def by(self, info: Info) -> Party | None:
        admin = info.context.admins_only(self.admin)
        return None if admin is None else Party.of(admin)

    @classmethod
    def of(cls, change: operations.StatusChange) -> "StatusChange":
        return cls(
            status=change.status,
            at=change.at,
            actor=change.actor.value,
            reason=change.reason,
            admin=change.by,
        )


@strawberry.type(description="Why the last attempt did not work.")
class Failure:
    code: str = strawberry.field(description="Stable code, Stripe's where it is Stripe's.")
    message: str = strawberry.field(description="A sentence for a person.")
    decline_code: str | None = strawberry.field(description="Stripe's decline code of a card.")

    @classmethod
    def of(cls, failure: operations.Failure) -> "Failure":
        return cls(code=failure.code, message=failure.message, decline_code=failure.decline_code)


@strawberry.type(
    description="Why an operation, or a wish, does not move: a reason to show, and when or by whom it ends."
)
class Blocker:
    code: str = strawberry.field(description="Stable code.")
    message: str = strawberry.field(description="A sentence for a person.")
    until: DateTime | None = strawberry.field(description="When it ends, where that is known.")

    @classmethod
    def of(cls, blocker: operations.Blocker) -> "Blocker":
        return cls(code=blocker.code, message=blocker.message, until=blocker.until)


@strawberry.interface(description="A business object with a state machine; `history` is its audit trail.")
class Operation:
    id: strawberry.ID = strawberry.field(description="Prefixed and opaque.")
    state: str = strawberry.field(description="The concrete type's status, as text.")
    created_at: DateTime = strawberry.field(description="When it was made.")
    updated_at: DateTime = strawberry.field(description="When it last changed.")
    history: list[StatusChange] = strawberry.field(description="Every state that it was in, oldest first.")

    @strawberry.field(description="Why it does not move now, and until when; null when it does.")
    async def waiting_for(self, info: Info) -> Blocker | None:
        blocker = await self.blocker(info)
        return None if blocker is None else Blocker.of(blocker)

    async def blocker(self, info: Info) -> operations.Blocker | None:
        """Each noun's own; it may have to look up what is missing."""
        raise NotImplementedError


def operation_fields(document: operations.Operation[Any]) -> dict[str, Any]:
    """What every noun's shape takes of its document."""
    return {
        "id": strawberry.ID(document.id),
        "document": document,
        "state": document.status.value,
        "created_at": document.created_at,
        "updated_at": document.updated_at,
        "history": [StatusChange.of(change) for change in document.history],
    }


# ------------------------------------------------------------------ pages


@strawberry.type(description="Where a page lies in its connection.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether more follow.")
    has_previous_page: bool = strawberry.field(description="Whether some come before.")
    start_cursor: str | None = strawberry.field(description="Cursor of the first edge; null when empty.")
    end_cursor: str | None = strawberry.field(description="Cursor of the last edge; null when empty.")

    @classmethod
    def of(cls, page: Page[Any], key: Callable[[Any], str]) -> "PageInfo":
        return cls(
            has_next_page=page.has_next_page,
            has_previous_page=page.has_previous_page,
            start_cursor=encode_cursor(key(page.items[0])) if page.items else None,
            end_cursor=encode_cursor(key(page.items[-1])) if page.items else None,
        )


NodeT = TypeVar("NodeT")


@strawberry.type(description="One item and its place in the list.")
class Edge(Generic[NodeT]):
    cursor: str = strawberry.field(description="Opaque; good for `after` and `before`.")
    node: NodeT = strawberry.field(description="The item.")


@strawberry.type(description="A list, newest first, a page at a time.")
class Connection(Generic[NodeT]):
    """`Connection[Deposit]` is called DepositConnection in the schema, and its edges DepositEdge."""

    edges: list[Edge[NodeT]] = strawberry.field(description="This page's items.")
    page_info: PageInfo = strawberry.field(description="Where this page lies.")

    @classmethod
    def of(
        cls,
        page: Page[Item],
        node: Callable[[Item], NodeT],
        *,
        key: Callable[[Item], str] = lambda item: str(item.id),  # type: ignore[attr-defined]
    ) -> "Connection[NodeT]":
        """`key`: what the connection is ordered by, which its cursors hold; an item's id as a rule."""
        edges = [Edge(cursor=encode_cursor(key(item)), node=node(item)) for item in page.items]
        return cls(edges=edges, page_info=PageInfo.of(page, key))
