"""What keeps a story from being played, or from coming to its end."""

from sandbox.errors import RunError


class NoStageError(RunError):
    """There is nothing to play on: nothing runs, or Stripe is the real one."""


class StoryError(RunError):
    """Something came otherwise than the story goes."""
