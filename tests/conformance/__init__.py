"""Holds both sides of the Stripe conversation to Stripe's own OpenAPI specification.

Independent of the product and of its sandbox, which must not agree on a mistake: nothing here imports either.
`Recorder` goes around the sandbox, `DeliveryRecorder` around the product's API; both only listen.

    source      the text of the specification
    spec        operations, resources and event types in it
    dialect     one value against one schema: types, nulls, enumerations, invented fields
    forms       Stripe's bracketed forms to JSON values
    expansion   what `expand` asks for against what came back
    requests, answers, events   the three things that cross the wire
    recorder    the ASGI middlewares
"""

from tests.conformance.answers import check_answer
from tests.conformance.events import check_event
from tests.conformance.exchange import Exchange, Violation
from tests.conformance.recorder import DeliveryRecorder, Recorder
from tests.conformance.requests import check_request
from tests.conformance.spec import PINNED_VERSION

__all__ = [
    "PINNED_VERSION",
    "DeliveryRecorder",
    "Exchange",
    "Recorder",
    "Violation",
    "check_answer",
    "check_event",
    "check_request",
]
