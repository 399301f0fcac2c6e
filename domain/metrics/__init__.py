"""How the business does: what flowed in a time, by the books, and what is at risk now."""

from domain.metrics.service import SPAN_DAYS_MAX, Metrics, MoneyAtRisk, measure
from domain.metrics.turnover import Turnover, turnover

__all__ = ["SPAN_DAYS_MAX", "Metrics", "MoneyAtRisk", "Turnover", "measure", "turnover"]
