"""The money trail: following money through pooled wallets, from the card to the bank."""

from domain.trail.expected import Expectation
from domain.trail.flows import Place
from domain.trail.nouns import Subject, is_ours, subjects_of
from domain.trail.service import Trail, Whereabouts, trail_of
from domain.trail.steps import Step, StepKind

__all__ = [
    "Expectation",
    "Place",
    "Step",
    "StepKind",
    "Subject",
    "Trail",
    "Whereabouts",
    "is_ours",
    "subjects_of",
    "trail_of",
]
