"""Statistics and histogram of a tensor in one pass."""

from .op import OPERATIONS

__all__ = ["OPERATIONS"]
