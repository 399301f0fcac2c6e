"""The evidence of one job, for whoever must judge it: complete, readable, and to be checked without us."""

from domain.evidence.packing import Pack, collect, pack

__all__ = ["Pack", "collect", "pack"]
