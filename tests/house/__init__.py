"""The whole product on real parts: mongod, Valkey, the Stripe sandbox over HTTP, API and worker."""

from tests.house.clock import TestClock
from tests.house.house import House, Parts, intent_of
from tests.house.people import Answer, Person
from tests.house.sandbox import SandboxServer, StripeSide

__all__ = ["Answer", "House", "Parts", "Person", "SandboxServer", "StripeSide", "TestClock", "intent_of"]
