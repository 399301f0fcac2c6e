"""A state machine as data: the arrows that are drawn, and which states are at rest."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

Status = TypeVar("Status", bound=StrEnum)


class IllegalMove(Exception):
    """An arrow that is not drawn: a bug of ours, or a fact that needs a person."""


@dataclass(frozen=True)
class Machine(Generic[Status]):
    """`settled`: nothing is due, subscriptions complete. `final`: no ordinary arrow leads out."""

    arrows: Mapping[Status, Set[Status]]
    settled: Set[Status]
    final: Set[Status]

    def allows(self, source: Status, target: Status) -> bool:
        return target in self.arrows.get(source, frozenset())

    def check(self, source: Status, target: Status) -> None:
        """Raises IllegalMove when no arrow leads from `source` to `target`."""
        if not self.allows(source, target):
            raise IllegalMove(f"{source} -> {target}")
