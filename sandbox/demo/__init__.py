"""`jobsphere demo`: a job's money from a card to a bank, played by made-up people on what `up` runs.

It knows nothing of the product's code: its people ask and watch over GraphQL, as any front end would.
"""

from .play import play, show_steps

__all__ = ["play", "show_steps"]
