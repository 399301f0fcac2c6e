"""What can be wrong, as a tree.

DomainError                        expected: a person is told, nothing has changed
├── InvalidInput                   a value of the input, named by its path
├── IdempotencyKeyReused           the key came before, with other input
├── RateLimited                    asked for too often: try again later
├── NotFound                       not there, or not yours: the same
├── InvalidState                   the operation's state does not allow it
├── InsufficientFunds
├── WalletFrozen
├── ConnectAccountRequired         a contractor must have an account at Stripe first
├── ConnectAccountNotReady         there is one, but its onboarding is not done
├── PaymentDeclined
├── PaymentProviderUnavailable     try again with the same key
├── EmailTaken
├── InvalidCredentials
└── RefreshTokenReused
RequestFault                       the request itself: no data, a top-level error
├── BadRequest
├── Unauthenticated
└── Forbidden
Everything else is a bug of ours and is masked at the edge.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import ClassVar

from domain.kernel.money import Money


class ErrorCode(StrEnum):
    INVALID_INPUT = "INVALID_INPUT"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    WALLET_FROZEN = "WALLET_FROZEN"
    RATE_LIMITED = "RATE_LIMITED"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    NOT_FOUND = "NOT_FOUND"
    INVALID_STATE = "INVALID_STATE"
    CONNECT_ACCOUNT_REQUIRED = "CONNECT_ACCOUNT_REQUIRED"
    CONNECT_ACCOUNT_NOT_READY = "CONNECT_ACCOUNT_NOT_READY"
    PAYMENT_DECLINED = "PAYMENT_DECLINED"
    PAYMENT_PROVIDER_UNAVAILABLE = "PAYMENT_PROVIDER_UNAVAILABLE"
    EMAIL_TAKEN = "EMAIL_TAKEN"
    INVALID_CREDENTIALS = "INVALID_CREDENTIALS"
    REFRESH_TOKEN_REUSED = "REFRESH_TOKEN_REUSED"  # noqa: S105 - the name of a refusal, not a secret


class DomainError(Exception):
    """Expected: the caller is told `message`, and nothing has changed. `path` names the input field."""

    code: ClassVar[ErrorCode]

    def __init__(self, message: str, *, path: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.path = tuple(path)


class InvalidInput(DomainError):
    code = ErrorCode.INVALID_INPUT


class NotFound(DomainError):
    code = ErrorCode.NOT_FOUND


class InvalidState(DomainError):
    code = ErrorCode.INVALID_STATE


class WalletFrozen(DomainError):
    code = ErrorCode.WALLET_FROZEN


class ConnectAccountRequired(DomainError):
    code = ErrorCode.CONNECT_ACCOUNT_REQUIRED


class ConnectAccountNotReady(DomainError):
    code = ErrorCode.CONNECT_ACCOUNT_NOT_READY


class PaymentProviderUnavailable(DomainError):
    code = ErrorCode.PAYMENT_PROVIDER_UNAVAILABLE


class EmailTaken(DomainError):
    code = ErrorCode.EMAIL_TAKEN


class InvalidCredentials(DomainError):
    code = ErrorCode.INVALID_CREDENTIALS


class RefreshTokenReused(DomainError):
    code = ErrorCode.REFRESH_TOKEN_REUSED


class IdempotencyKeyReused(DomainError):
    code = ErrorCode.IDEMPOTENCY_KEY_REUSED

    def __init__(self, conflicting_fields: Sequence[str]) -> None:
        super().__init__(
            "This idempotency key was used before with other input. Use a new key for a new intention.",
            path=("idempotencyKey",),
        )
        self.conflicting_fields = tuple(conflicting_fields)


class RateLimited(DomainError):
    """At most `limit` in `window_s` seconds. After `retry_after_s`, whole seconds, there is room for one."""

    code = ErrorCode.RATE_LIMITED

    def __init__(self, *, retry_after_s: int, limit: int, window_s: int) -> None:
        super().__init__(
            f"Too often: {limit} in {window_s} seconds are allowed. Try again in {retry_after_s} seconds."
        )
        self.retry_after_s = retry_after_s
        self.limit = limit
        self.window_s = window_s


class InsufficientFunds(DomainError):
    code = ErrorCode.INSUFFICIENT_FUNDS

    def __init__(self, *, available: Money, required: Money, path: Sequence[str] = ("amount",)) -> None:
        super().__init__("The wallet's available balance does not cover this amount.", path=path)
        self.available = available
        self.required = required


class PaymentDeclined(DomainError):
    code = ErrorCode.PAYMENT_DECLINED

    def __init__(self, message: str, *, decline_code: str | None = None, path: Sequence[str] = ()) -> None:
        super().__init__(message, path=path)
        self.decline_code = decline_code


class RequestFault(Exception):
    """The request cannot be served at all: a top-level GraphQL error with `extensions.code`."""

    code: ClassVar[str]
    public: ClassVar[bool] = True


class BadRequest(RequestFault):
    code = "BAD_REQUEST"


class Unauthenticated(RequestFault):
    code = "UNAUTHENTICATED"


class Forbidden(RequestFault):
    code = "FORBIDDEN"
