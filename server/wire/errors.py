"""What a client learns about an error: its code and sentence if it was meant for them, else a request id.

Shown                                                      extensions.code
├── the query's text                                       GRAPHQL_PARSE_FAILED
├── its length or depth                                    OPERATION_TOO_COMPLEX
├── the query against the schema                           GRAPHQL_VALIDATION_FAILED (stamped by `documents`)
├── variables and arguments                                BAD_REQUEST
├── a GraphQLError that carries a code                     its own
└── an exception whose class says `public = True`          its `code`
Everything else is logged with its traceback and masked    INTERNAL_SERVER_ERROR, with extensions.requestId
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import structlog
from graphql import GraphQLError, GraphQLSyntaxError
from graphql.language import ArgumentNode, ValueNode, VariableDefinitionNode
from strawberry.exceptions import MissingQueryError
from strawberry.exceptions import StrawberryInputCoercionError as InputCoercionError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

BAD_REQUEST: Final = "BAD_REQUEST"
PARSE_FAILED: Final = "GRAPHQL_PARSE_FAILED"
TOO_COMPLEX: Final = "OPERATION_TOO_COMPLEX"
VALIDATION_FAILED: Final = "GRAPHQL_VALIDATION_FAILED"
UNAUTHENTICATED: Final = "UNAUTHENTICATED"
INTERNAL: Final = "INTERNAL_SERVER_ERROR"

STATUS_BY_CODE: Final[Mapping[str, int]] = {
    UNAUTHENTICATED: 401,
    "FORBIDDEN": 403,
    "RATE_LIMITED": 429,
    INTERNAL: 500,
}
"""The HTTP status of a request that came to nothing; any other code is a 400."""

# How graphql-core's parser ends its sentence about too many tokens, and about too many levels.
_GAVE_UP: Final = "Parsing aborted."
_MISUSE: Final = (CannotGetOperationTypeError, InvalidOperationTypeError, MissingQueryError)
_INPUT_NODES: Final = (ArgumentNode, ValueNode, VariableDefinitionNode)

_log = structlog.get_logger("graphql")


class Refusal(Exception):
    """The HTTP request is answered with `status` and one coded error; GraphQL never sees it."""

    public = True

    def __init__(
        self, status: int, message: str, *, code: str = BAD_REQUEST, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers or {}


def public_code(error: BaseException | None) -> str | None:
    """The code of an exception that was raised for the client to read, else None."""
    code = getattr(error, "code", None)
    return str(code) if isinstance(code, str) and getattr(error, "public", False) is True else None


def present(errors: Iterable[GraphQLError], *, request_id: str) -> list[GraphQLError]:
    """`errors` as the client may see them: new objects, each with `extensions.code`. Logs what it masks."""
    return [_present(error, request_id) for error in errors]


def present_exception(error: Exception, *, request_id: str) -> GraphQLError:
    """The same for an exception that no field raised."""
    return _present(GraphQLError(str(error), original_error=error), request_id)


def _present(error: GraphQLError, request_id: str) -> GraphQLError:
    root = _root(error)
    code = _code(error, root)
    if code is None:
        _log.error("graphql_error_masked", request_id=request_id, path=error.path, exc_info=root or error)
        return _copy(error, "Internal server error.", {"code": INTERNAL, "requestId": request_id})
    return _copy(error, error.message, {**_extensions(root), **(error.extensions or {}), "code": code})


def _root(error: GraphQLError) -> BaseException | None:
    """The exception below graphql-core's wrappings; None when GraphQL itself complains."""
    root: BaseException | None = error
    while isinstance(root, GraphQLError):
        root = root.original_error
    return root


def _code(error: GraphQLError, root: BaseException | None) -> str | None:
    """The code to show, None for what must be masked."""
    if isinstance(own := (error.extensions or {}).get("code"), str):
        return own
    if isinstance(error, GraphQLSyntaxError):
        return TOO_COMPLEX if error.message.endswith(_GAVE_UP) else PARSE_FAILED
    if code := public_code(root):
        return code
    return BAD_REQUEST if _is_clients_fault(error, root) else None


def _is_clients_fault(error: GraphQLError, root: BaseException | None) -> bool:
    """Bad variables and arguments point at the input; a field's own fault points at the field."""
    if isinstance(root, _MISUSE) or isinstance(error.original_error, InputCoercionError):
        return True
    if error.nodes and isinstance(error.nodes[0], _INPUT_NODES):
        return True
    return root is None and error.path is None


def _extensions(root: BaseException | None) -> Mapping[str, Any]:
    """What a public exception adds to its code, such as `retryAfterSeconds`."""
    extensions = getattr(root, "extensions", None) if public_code(root) else None
    return extensions if isinstance(extensions, Mapping) else {}


def _copy(error: GraphQLError, message: str, extensions: dict[str, Any]) -> GraphQLError:
    return GraphQLError(
        message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions=extensions,
    )
