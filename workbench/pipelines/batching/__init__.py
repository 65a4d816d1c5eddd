"""Requests from many callers, run together: who waits for whom, how long, and what it cost."""

from .batcher import Batcher
from .config import BatchConfig
from .metrics import BatchMetrics, Quantiles

__all__ = ["BatchConfig", "BatchMetrics", "Batcher", "Quantiles"]
