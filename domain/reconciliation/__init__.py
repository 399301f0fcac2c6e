"""Holds the books against the operations. It reports, and never repairs."""

from domain.reconciliation.proof import verify_books

__all__ = ["verify_books"]
