"""What runs behind the API: a job for each ring of the bell, and the sweep for what nobody rang for."""

from jobs.functions import FUNCTIONS
from jobs.sweep import Sweep

__all__ = ["FUNCTIONS", "Sweep"]
