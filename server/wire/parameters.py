"""The parameters of a GraphQL request, checked: a wrong type is the client's mistake, never a crash."""

from collections.abc import Mapping
from json import JSONDecodeError
from typing import Any

from strawberry.http import GraphQLRequestData, GraphQLRequestProtocol

from server.wire.content import decode
from server.wire.errors import Refusal


def from_body(body: bytes, protocol: GraphQLRequestProtocol) -> GraphQLRequestData:
    """Raises Refusal."""
    parameters = _decode(body, "The body")
    if isinstance(parameters, list):
        raise Refusal(400, "Send one operation at a time: batches are not supported.")
    if not isinstance(parameters, dict):
        raise Refusal(400, "The body must be a JSON object.")
    return _checked(parameters, protocol)


def from_query_string(parameters: Mapping[str, Any], protocol: GraphQLRequestProtocol) -> GraphQLRequestData:
    """`variables` and `extensions` are JSON within the query string. Raises Refusal."""
    decoded: dict[str, Any] = dict(parameters)
    for name in ("variables", "extensions"):
        if text := parameters.get(name):
            decoded[name] = _decode(text, f"`{name}`")
        else:
            decoded[name] = None
    return _checked(decoded, protocol)


def _decode(data: str | bytes, what: str) -> Any:
    try:
        return decode(data)
    except JSONDecodeError as error:
        raise Refusal(400, f"{what} must be valid JSON: {error.msg}.") from error


def _checked(parameters: Mapping[str, Any], protocol: GraphQLRequestProtocol) -> GraphQLRequestData:
    query = parameters.get("query")
    if not isinstance(query, str) or not query:
        raise Refusal(400, "`query` must be a string with a GraphQL document.")
    operation_name = parameters.get("operationName")
    if not isinstance(operation_name, str | None):
        raise Refusal(400, "`operationName` must be a string or null.")
    for name in ("variables", "extensions"):
        if not isinstance(parameters.get(name), dict | None):
            raise Refusal(400, f"`{name}` must be an object or null.")
    return GraphQLRequestData(
        query=query,
        variables=parameters.get("variables"),
        operation_name=operation_name,
        extensions=parameters.get("extensions"),
        protocol=protocol,
    )
