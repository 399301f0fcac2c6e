"""What runs behind the API: a job for each ring, the sweep for what nobody rang for, and chores."""

from jobs.chores import CHORES, Chore, Chores
from jobs.functions import FUNCTIONS
from jobs.sweep import Sweep

__all__ = ["CHORES", "FUNCTIONS", "Chore", "Chores", "Sweep"]
