"""Queries are parsed and validated once, then remembered: that was half of the time of a small query."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final

from graphql import (
    ASTValidationRule,
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    parse,
)
from strawberry.extensions import MaxTokensLimiter, SchemaExtension
from strawberry.schema.schema import validate_document

from server.wire.errors import BAD_REQUEST, VALIDATION_FAILED

# GraphiQL's introspection has 183. Validation compares fields in pairs, so twice the tokens take four times
# as long: at this length the worst query that we know of takes 0.2 s.
TOKENS_MAX: Final = 1_000
# Together the bound on memory: with so many tokens a document takes at most about 0.4 MB.
DOCUMENTS_MAX: Final = 128
DOCUMENT_CHARS_MAX: Final = 8_192

Rules = tuple[type[ASTValidationRule], ...]


def _validate(schema: GraphQLSchema, document: DocumentNode, rules: Rules) -> list[GraphQLError]:
    errors = validate_document(schema, document, rules)
    for error in errors:
        # A rule of ours has a code of its own, such as OPERATION_TOO_COMPLEX.
        error.extensions = {"code": VALIDATION_FAILED, **(error.extensions or {})}
    return errors


_parse_cached: Callable[..., DocumentNode] = lru_cache(DOCUMENTS_MAX)(parse)
_validate_cached = lru_cache(DOCUMENTS_MAX)(_validate)


class Documents(SchemaExtension):
    """Parses and validates with memory. Hooks must not raise: a socket's operation would end unexplained."""

    _remembered = False

    def on_parse(self) -> Iterator[None]:
        context = self.execution_context
        if context.query and len(context.query) <= DOCUMENT_CHARS_MAX:
            # What does not parse is parsed again by Strawberry, which reports it as every transport needs it.
            with suppress(GraphQLError):
                context.graphql_document = _parse_cached(context.query, **context.parse_options)
                self._remembered = True
        yield

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        document = context.graphql_document
        if document is not None and context.pre_execution_errors is None:
            validate = _validate_cached if self._remembered else _validate
            context.pre_execution_errors = self._ambiguous(document) or list(
                validate(context.schema._schema, document, context.validation_rules)
            )
        yield

    def _ambiguous(self, document: DocumentNode) -> list[GraphQLError]:
        """Strawberry would run the first of several operations; the specification refuses to guess."""
        # The property answers with the first operation's name; only this tells whether the client named one.
        if self.execution_context._provided_operation_name is not None:
            return []
        operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
        if len(operations) <= 1:
            return []
        message = "Must provide operation name if query contains multiple operations."
        return [GraphQLError(message, extensions={"code": BAD_REQUEST})]


def _limit_tokens() -> SchemaExtension:
    return MaxTokensLimiter(max_token_count=TOKENS_MAX)


EXTENSIONS: Final[tuple[Callable[[], Any], ...]] = (_limit_tokens, Documents)
"""For `strawberry.Schema(extensions=...)`: one of each is made per operation."""
