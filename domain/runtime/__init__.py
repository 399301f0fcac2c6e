"""All the power that a verb can be handed, in one object."""

from domain.runtime.runtime import Policy, Runtime

__all__ = ["Policy", "Runtime"]
