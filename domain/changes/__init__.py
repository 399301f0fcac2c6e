"""What changed in the database, told to whoever watches: one change stream for the whole process."""

from domain.changes.broker import Changes, Topic, Watch

__all__ = ["Changes", "Topic", "Watch"]
